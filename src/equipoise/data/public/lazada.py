"""Lazada's coupon data (Zhong et al. 2022): 83 features, a coupon or none, one label; a randomised
part and a confounded one.

Published as ``lzd_data_public.zip`` with ``full_testset.csv`` (randomised) and
``full_trainset.csv`` (targeted by a model).
"""

from __future__ import annotations

from typing import Literal

from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Arms

CARD = Card(
    name="lazada",
    title="Lazada coupons",
    rows=181_669,
    treatment="is_treat: 1 (52 %), 0 (control); the confounded part has 926,669 rows",
    outcomes=("label",),
    terms="a permissive licence file (BSD, two clauses) stands beside the data",
    citation=(
        "Zhong et al., DESCN: Deep Entire Space Cross Networks for Individual Treatment Effect"
        " Estimation, KDD 2022"
    ),
    address="https://github.com/kailiang-zhong/DESCN/tree/main/data/Lazada_dataset",
    note="part='test' is the randomised part, part='train' the confounded one.",
)
ARCHIVE, ARCHIVE_MD5 = (
    "https://www.dropbox.com/s/07r7592h9mfijsb/lzd_data_public.zip?dl=1",
    "md5:545bb0eae05cca58f0d813a990ed9cba",
)
FEATURES = tuple(f"f{j}" for j in range(83))
FACTS = {
    "test": Facts(
        181_669,
        FEATURES,
        counts={"is_treat": {"1": 94_682, "0": 86_987}},
        sums={"label": (6_396, 0)},
    ),
    "train": Facts(
        926_669,
        FEATURES,
        counts={"is_treat": {"1": 205_480, "0": 721_189}},
        sums={"label": (18_448, 0)},
    ),
}


def fetch_lazada(
    *,
    part: Literal["test", "train"] = "test",
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """Lazada's coupon data: 83 features, a coupon or none, one label.

    Parameters
    ----------
    part : {"test", "train"}, default "test"
        The randomised part (181,669 rows) or the confounded one (926,669 rows).
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
        Two arms; the confounded part has no propensities, they must be learnt.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.
    InputError
        Where there is no such part.

    Examples
    --------
    >>> log = fetch_lazada()  # doctest: +SKIP
    >>> len(log), log.metrics  # doctest: +SKIP
    (181669, ('label',))
    """
    if part not in FACTS:
        raise InputError(
            "part", f"be one of {', '.join(FACTS)}", repr(part), fix="'test' is the randomised part"
        )
    csv = f"full_{part}set.csv"
    source = Source(ARCHIVE, f"lazada/{csv}", ARCHIVE_MD5, member=f"lzd_data_public/{csv}")
    places = (f"lazada/full_{part}set.parquet", source.file, f"lazada/Lazada_{part}set.csv.gz")
    file = find(CARD.name, places, source, Wish(data_home, path, download_if_missing, progress))
    table = read_table(file)
    FACTS[part].check(table, CARD, str(file))
    return read_log(
        table,
        treatment="is_treat",
        space=Arms((0, 1)),
        outcomes=[Outcome("label", "binary")],
        features=FEATURES,
        design="shares" if part == "test" else None,
    )
