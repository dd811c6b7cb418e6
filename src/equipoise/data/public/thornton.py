"""Thornton (2008): cash vouchers of 0 to 2.84 USD, drawn at random, for coming to learn one's HIV
result; Malawi, 4,820 people.

The 2,834 rows that know both the voucher and whether the person came are the experiment.  The file
ships with Equipoise: it is that of the PyPI package causaldata 0.1.5 (MIT; see NOTICE), as text.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Wish, data_homes, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Dose

CARD = Card(
    name="thornton",
    title="Cash incentives to learn HIV results",
    rows=2_834,
    treatment="tinc: a voucher of 0 (control) to 2.84 USD, 27 amounts",
    outcomes=("got",),
    terms="ships with Equipoise; from the package causaldata, MIT; cite Thornton 2008",
    citation=(
        "Rebecca L. Thornton, The Demand for, and Impact of, Learning HIV Status, American Economic"
        " Review 98(5), 2008"
    ),
    address="https://pypi.org/project/causaldata/ (thornton_hiv)",
    note=(
        "Rows without the voucher or the outcome are left out: 2,834 of 4,820 remain.  hiv2004 is"
        " protected."
    ),
)
KNOWN = ("thornton_incentive/thornton_hiv.parquet", "thornton_hiv.parquet")
SHIPPED = Path(__file__).with_name("thornton.csv")
SINGLE = ("distvct", "tinc")  # published in single precision
FACTS = Facts(
    rows=4_820,
    needs=("villnum", "distvct", "age", "hiv2004"),
    sums={"got": (2_016, 0), "tinc": (2_866.30, 0.05)},
)
# Vouchers were whole 10-kwacha amounts; those of 50, 100, ..., 300 kwacha (0.47 USD each 50) are
# what a policy chooses from.
SPACE = Dose(0, 3, levels=[0.47, 0.95, 1.42, 1.89, 2.36, 2.84], unit="USD")
HIV = {-1: "indeterminate", 0: "negative", 1: "positive"}


def load_thornton(*, data_home: Place = None, path: Place = None) -> Log:
    """Thornton's experiment: 2,834 people, vouchers of 0 to 2.84 USD for learning one's HIV result.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself; None: that of the data folder, else the one that ships.  Nothing is
        downloaded.

    Returns
    -------
    Log
        The dose is ``tinc``; ``got`` is outcome and claim, for only those who came were paid;
        ``paid`` = tinc * got is the cost.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Notes
    -----
    Villages (``villnum``) are the group: vouchers were drawn person by person, but a policy is for
    villages not yet seen, so rows of one village share a fold and are resampled together.  The
    few rows whose village is not known count as one, "missing".
    ``hiv2004`` is protected: audited, never a targeting feature.

    Examples
    --------
    >>> log = load_thornton()
    >>> len(log), log.metrics
    (2834, ('got',))
    """
    table, where = _table(data_home, path)
    FACTS.check(table, CARD, where)
    complete = np.isfinite(columns.numbers(table["got"])) & np.isfinite(
        columns.numbers(table["tinc"])
    )
    table = table.filter(pa.array(complete))
    paid = columns.numbers(table["tinc"]) * columns.numbers(table["got"])
    codes = [HIV[int(code)] for code in columns.numbers(table["hiv2004"])]
    table = table.append_column("paid", pa.array(paid)).set_column(
        table.column_names.index("hiv2004"), "hiv2004", pa.array(codes, pa.string())
    )
    table = table.set_column(
        table.column_names.index("villnum"), "villnum", columns.labels(table["villnum"])
    )
    return read_log(
        table,
        treatment="tinc",
        space=SPACE,
        outcomes=[Outcome("got", "binary")],
        features=["distvct", "age"],
        claimed="got",
        cost="paid",
        design="shares",
        group="villnum",
        protected=["hiv2004"],
    )


def _table(data_home: Place, path: Place) -> tuple[pa.Table, str]:
    here = any((home / file).exists() for home in data_homes(data_home) for file in KNOWN)
    file = SHIPPED if path is None and not here else None
    file = file or find(CARD.name, KNOWN, None, Wish(data_home, path))
    table = read_table(file)
    if file.suffix == ".csv":
        for name in set(SINGLE) & set(table.column_names):
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.float32()))
    return table, str(file)
