"""Criteo uplift v2.1 (Diemert et al. 2018): 13,979,592 users, 85 % open to an advertiser's bids,
visits and conversions.

``exposure`` (the ad was shown) lies between treatment and outcome, so it is the claim and never a
feature.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Arms

CARD = Card(
    name="criteo",
    title="Criteo uplift v2.1",
    rows=13_979_592,
    treatment="treatment: 1 (85 %), 0 (control, 15 %)",
    outcomes=("visit", "conversion"),
    terms="CC BY-NC-SA 4.0",
    citation=(
        "Diemert, Betlei, Renaudin and Amini, A Large Scale Benchmark for Uplift Modeling, AdKDD"
        " 2018"
    ),
    address="https://huggingface.co/datasets/criteo/criteo-uplift",
)
CARD_10 = Card(
    name="criteo-10",
    title="Criteo uplift v2.1, a tenth of it",
    rows=1_397_960,
    treatment=CARD.treatment,
    outcomes=CARD.outcomes,
    terms=CARD.terms,
    citation=CARD.citation,
    address="https://www.uplift-modeling.com/en/latest/api/datasets/fetch_criteo.html",
    note="scikit-uplift's cut of a tenth of the rows.",
)
FULL = "criteo-research-uplift-v2.1.csv.gz"
SOURCE = Source(
    f"https://huggingface.co/datasets/criteo/criteo-uplift/resolve/main/{FULL}",
    f"criteo/{FULL}",
    "sha256:2716e1bf0fd157a93b5bf86924d9088419dfbac2022c6cd90030220634f616dc",
)
SOURCE_10 = Source(
    "https://criteo-bucket.s3.eu-central-1.amazonaws.com/criteo10.csv.gz",
    "criteo/criteo10.csv.gz",
    "md5:fe159bcee2cea57548e48eb2d7d5d00c",  # as scikit-uplift checks it
)
FEATURES = tuple(f"f{j}" for j in range(12))
FACTS = Facts(
    rows=13_979_592,
    needs=(*FEATURES, "exposure", "conversion"),
    counts={"treatment": {"1": 11_882_655, "0": 2_096_937}},
    sums={"visit": (656_929, 0)},
)
# no counts are published for the tenth: the columns, about a tenth of the rows, and the full set's
# means
FACTS_10 = Facts(
    rows=(1_397_900, 1_398_000),
    needs=(*FEATURES, "exposure"),
    means={"treatment": (0.85, 0.002), "visit": (0.04699, 0.001), "conversion": (0.00292, 0.0003)},
)


def fetch_criteo(
    *,
    percent10: bool = False,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """Criteo's uplift data v2.1: 13,979,592 users open to an ad or not, visits and conversions.

    Parameters
    ----------
    percent10 : bool, default False
        scikit-uplift's tenth of the rows, instead of all (311 MB to download, about 2 GB in
        memory).
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself, wherever it is.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Log
        Two arms; ``exposure``, whether the ad was shown, is the claim.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> log = fetch_criteo(percent10=True)  # doctest: +SKIP
    >>> log.metrics  # doctest: +SKIP
    ('visit', 'conversion')
    """
    card, facts, source = (CARD_10, FACTS_10, SOURCE_10) if percent10 else (CARD, FACTS, SOURCE)
    places = (source.file.replace(".csv.gz", ".parquet"), source.file)
    file = find(card.name, places, source, Wish(data_home, path, download_if_missing, progress))
    table = read_criteo(file)
    facts.check(table, card, str(file))
    return read_log(
        table,
        treatment="treatment",
        space=Arms((0, 1)),
        outcomes=[Outcome("visit", "binary"), Outcome("conversion", "binary")],
        features=FEATURES,
        claimed="exposure",
        design=(0.15, 0.85),
    )


def fetch_criteo_10(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """`fetch_criteo` with ``percent10=True``."""
    return fetch_criteo(
        percent10=True,
        data_home=data_home,
        path=path,
        download_if_missing=download_if_missing,
        progress=progress,
    )


def read_criteo(file: Path) -> pa.Table:
    """A file in Criteo's format, its labels (treatment, exposure, visit, conversion: those there
    are) as small integers.
    """
    table = read_table(file)
    for name in ("treatment", "exposure", "visit", "conversion"):
        if name in table.column_names:
            table = table.set_column(
                table.column_names.index(name), name, table[name].cast(pa.int8())
            )
    return table
