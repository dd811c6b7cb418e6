"""X5 RetailHero (2019): 200,039 clients of a loyalty programme, a text message or none, whether
they bought.

Two files: ``uplift_train.csv`` (client_id, treatment_flg, target) and ``clients.csv`` (who they
are).  ``first_redeem_date`` runs to November 2019, past the campaign, so it may follow from the
treatment and is no feature.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core.errors import DataError
from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Arms

CARD = Card(
    name="x5",
    title="X5 RetailHero",
    rows=200_039,
    treatment="treatment_flg: 1 (half), 0 (control)",
    outcomes=("target",),
    terms="the rules of the competition on ods.ai; no licence stated",
    citation="X5 Retail Group, RetailHero uplift modelling competition, 2019",
    address="https://ods.ai/competitions/x5-retailhero-uplift-modeling/data",
    note="Features: age, gender, day of the card's issue.  The purchase history is not read.",
)
# scikit-uplift's copy, with the checksums it verifies
BUCKET = "https://sklift.s3.eu-west-2.amazonaws.com"
TRAIN = Source(
    f"{BUCKET}/uplift_train.csv.gz",
    "x5/uplift_train.csv.gz",
    "md5:2720bbb659daa9e0989b2777b6a42d19",
)
CLIENTS = Source(
    f"{BUCKET}/clients.csv.gz", "x5/clients.csv.gz", "md5:b9cdeb2806b732771de03e819b3354c5"
)
FACTS = Facts(
    200_039, ("client_id",), means={"treatment_flg": (0.5, 0.001), "target": (0.62, 0.005)}
)
CLIENT_FACTS = Facts(400_162, ("client_id", "first_issue_date", "age", "gender"))


def fetch_x5(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """X5 RetailHero: 200,039 clients of a loyalty programme, a text message or none.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The folder that holds both files, as .csv, .csv.gz or .parquet.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Log
        Two arms; ``target`` is whether the client bought.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> log = fetch_x5()  # doctest: +SKIP
    >>> len(log), log.metrics  # doctest: +SKIP
    (200039, ('target',))
    """
    wish = Wish(data_home, path, download_if_missing, progress)
    train_file, client_file = _file(TRAIN, wish), _file(CLIENTS, wish)
    train, clients = read_table(train_file), read_table(client_file)
    FACTS.check(train, CARD, str(train_file))
    CLIENT_FACTS.check(clients, CARD, str(client_file))
    return read_log(
        joined(train, clients),
        treatment="treatment_flg",
        space=Arms((0, 1)),
        outcomes=[Outcome("target", "binary")],
        features=["age", "gender", "first_issue_date"],
        design=(0.5, 0.5),
        id="client_id",
    )


def joined(train: pa.Table, clients: pa.Table) -> pa.Table:
    """The rows of ``train`` in their order, each with its client's columns; a client that is not
    there is an error.
    """
    place = pc.index_in(train["client_id"], value_set=clients["client_id"].combine_chunks())
    if place.null_count:
        row = pc.index(place.is_null(), True).as_py()
        raise DataError(
            "a client",
            "be in clients.csv",
            repr(train["client_id"][row].as_py()),
            f"row {row}",
            "get both files again",
        )
    client_rows = clients.take(place)
    for name in ("age", "gender", "first_issue_date"):
        train = train.append_column(name, client_rows[name])
    return train


def _file(source: Source, wish: Wish) -> Path:
    stem = Path(source.file).name.removesuffix(".csv.gz")
    names = [f"{stem}{ending}" for ending in (".parquet", ".csv.gz", ".csv")]
    if wish.path is None:
        return find(CARD.name, [f"x5/{name}" for name in names], source, wish)
    return find(CARD.name, names, None, replace(wish, path=None, data_home=wish.path))
