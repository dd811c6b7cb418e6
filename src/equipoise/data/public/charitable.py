"""Karlan & List (2007): does price matter in charitable giving?  50,083 donors, a match of 1, 2 or
3 dollars a dollar, or none.

Control was drawn with 1/3, each match ratio with 2/9.  Left out of the features: match size and
example ask (randomised with the letter, so "control" in them is the treatment) and the state
response rates (made of the outcomes).
"""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Dose

logger = logging.getLogger(__name__)
CARD = Card(
    name="charitable-match",
    title="Does price matter in charitable giving?",
    rows=50_081,
    treatment="match_ratio: 0 (control), 1, 2 or 3 dollars matched for a dollar given",
    outcomes=("out_gavedum", "out_amountgive"),
    terms=(
        "the authors' replication files; cite Karlan & List 2007 (R package experimentdatar: CC0"
        " 1.0)"
    ),
    citation=(
        "Dean Karlan and John A. List, Does Price Matter in Charitable Giving?, American Economic"
        " Review 97(5), 2007"
    ),
    address="https://github.com/gsbDBI/ExperimentData/tree/master/Charitable",
    note="Two givers whose amount is not known are left out: 50,081 of 50,083 rows remain.",
)
PUBLIC = "https://raw.githubusercontent.com/gsbDBI/ExperimentData/master/Charitable/ProcessedData/charitable_withdummyvariables.csv"
SOURCE = Source(PUBLIC, "charitable_match/charitable_withdummyvariables.csv")
KNOWN = ("charitable_match/charitable.parquet", SOURCE.file)
MISSING_CODE = -999  # in the public CSV
PAST_GIVING = ("hpa", "ltmedmra", "freq", "years", "year5", "mrm2", "dormant")
PERSON_AND_STATE = (
    "female",
    "couple",
    "state50one",
    "nonlit",
    "cases",
    "statecnt",
    "perbush",
    "close25",
    "red0",
    "blue0",
    "redcty",
    "bluecty",
)
NEIGHBOURS = (
    "pwhite",
    "pblack",
    "page18_39",
    "ave_hh_sz",
    "median_hhincome",
    "powner",
    "psch_atlstba",
    "pop_propurban",
)
FACTS = Facts(
    rows=50_083,
    needs=PAST_GIVING + PERSON_AND_STATE + NEIGHBOURS,
    counts={"match_ratio": {"0": 16_687, "1": 11_133, "2": 11_134, "3": 11_129}},
    sums={"out_gavedum": (1_034, 0), "out_amountgive": (45_802, 0.5)},
)


def fetch_charitable_match(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """Karlan & List's experiment: 50,081 donors, a match of 1, 2 or 3 dollars a dollar, or none.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself: Parquet, or the public CSV with dummy variables.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Log
        The dose is the match ratio; ``match_paid`` = ratio * amount is the cost, paid only where
        somebody gave.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> log = fetch_charitable_match()  # doctest: +SKIP
    >>> len(log), log.metrics  # doctest: +SKIP
    (50081, ('out_gavedum', 'out_amountgive'))
    """
    file = find(CARD.name, KNOWN, SOURCE, Wish(data_home, path, download_if_missing, progress))
    table = read_table(file)
    if "treat_ratio2" in table.column_names:
        table = _from_dummies(table)
    FACTS.check(table, CARD, str(file))
    amount = columns.numbers(table["out_amountgive"])
    complete = np.isfinite(amount)
    logger.warning(
        "charitable-match: %d rows whose amount is not known are left out", int((~complete).sum())
    )
    paid = pa.array(columns.numbers(table["match_ratio"]) * amount)
    return read_log(
        table.append_column("match_paid", paid).filter(pa.array(complete)),
        treatment="match_ratio",
        space=Dose(0, 3, levels=[1, 2, 3], unit="to 1"),
        outcomes=[
            Outcome("out_gavedum", "binary"),
            Outcome("out_amountgive", "amount", unit="USD"),
        ],
        features=FACTS.needs,
        claimed="out_gavedum",
        cost="match_paid",
        design=(1 / 3, 2 / 9, 2 / 9, 2 / 9),
    )


def _from_dummies(table: pa.Table) -> pa.Table:
    """The public CSV: -999 means missing, and the ratio is told by dummies: treatment,
    treat_ratio2, treat_ratio3.
    """
    plain = {
        name: columns.numbers(table[name])
        for name in table.column_names
        if columns.is_numeric(table[name])
    }
    ratio = plain["treatment"] + plain["treat_ratio2"] + 2 * plain["treat_ratio3"]
    mended = {
        name: np.where(values == MISSING_CODE, np.nan, values) for name, values in plain.items()
    }
    return pa.table({**mended, "match_ratio": ratio.astype(np.int8)})
