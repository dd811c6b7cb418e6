"""The features of a log where none are named: columns that can be known before the treatment.

Left out are columns with a role, and

    id        a value of its own in every row: text (9 in 10 rows are enough) or whole numbers;
              or whole numbers under a name of ids (`ID_WORD`), of more than 12 values
    personal  text that nearly names its row (`is_nearly_unique`), unless the log allows it
    name      a word of its name is one of an outcome (`OUTCOME_WORD`) and none says that it is
              of the past (`PAST_WORD`): ``visits``, but not ``visits_before`` or ``last_visit``
    constant  one value in every row of an arm and others elsewhere, as a claim under control
    arms      differs between arms beyond chance: Kruskal and Wallis' H of its ranks, of its
              commonest value, of its missing values and of its levels, p < 0.01 / tests; rows
              are weighted by 1 / e where the log knows e in each row
    outcome   nearly tells an outcome: r2 of those with the outcome's ranks, or with whether the
              outcome has its commonest value, is 0.9 or more

Randomisation makes every column measured before the treatment alike in all arms, so one that
differs was measured after it, or chance did it once in a hundred logs.  Where the design is not
known a difference may also say who got what: then the user is asked.  No test sees everything,
so `check_log` lists the columns that were taken.

    Kruskal & Wallis, JASA 47 (1952), with the correction for ties.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.special import chdtrc

from equipoise.core import columns
from equipoise.core.arrays import Ints
from equipoise.core.errors import LogError
from equipoise.core.leaks import (
    ALPHA,
    MIN_ARM,
    MIN_EXPECTED,
    MIN_ROWS,
    Statistic,
    constant_arm,
    statistics,
    told_outcome,
)
from equipoise.core.log import Log
from equipoise.core.row_order import row_hashes
from equipoise.core.unique_text import is_nearly_unique

LOGGER = logging.getLogger(__name__)
TEST_ROWS = 100_000
ID_SHARE = 0.9  # different values a row that make text an id
AS_ID = "it looks like an id: a value of its own in every row"
BY_NAME = "its name is that of an id"
ID_WORD = re.compile(
    r"id|ids|idx|uid|uuid|guid|rowid|userid|customerid|clientid|memberid|orderid|sku"
)
FEW_IDS = 12  # different values that may be groups

OUTCOME_WORD = re.compile(
    r"bought|buys?|claim(s|ed)?|click(s|ed)?|conver(t|ted|sions?)|costs?|gmv|margins?|outcomes?"
    r"|profits?|purchase[ds]?|redeem(ed)?|redemptions?|responses?|retained|retention|revenues?"
    r"|rewards?|sales?|spen[dt]|spending|visit(s|ed)?"
)
PAST_WORD = re.compile(
    r"ago|average|avg|baseline|before|earlier|first|hist|histor(y|ic|ical)|lag|lagged|last"
    r"|lifetime|mean|old|past|pre|prev|previous|prior|since"
)


def default_features(
    log: Log, table: pa.Table, names: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the features of a log among columns that have no role.

    Parameters
    ----------
    log : Log
        The log without features.
    table : pyarrow.Table
        Its rows, with the columns to choose from.
    names : sequence of str
        The columns to choose from.

    Returns
    -------
    features : tuple of str
        The columns that can be known before the treatment, in the order of ``names``.
    left_out : dict of str to str
        The others, with the reason.

    Raises
    ------
    LogError
        Where the probability of each arm is not known and columns differ between arms.
    """
    left_out = {}
    for name in names:
        reason = _unfit(name, table[name], name in log.roles.nearly_unique)
        if reason:
            left_out[name] = reason
    compared = [name for name in names if name not in left_out] if len(log) >= MIN_ROWS else []
    rows = _compared_rows(log, table.select(compared))
    sample, part = log.take(rows), table.select(compared).take(pa.array(rows))
    measured = {name: list(statistics(part[name])) for name in compared}
    targets = {name: list(statistics(sample.table[name])) for name in log.metrics}
    tests = sum(map(len, measured.values()))
    uncertain = []
    for name in compared:
        outcome = told_outcome(measured[name], targets)
        p = min((_arms_p(s, sample) for s in measured[name]), default=1.0)
        differs = p < ALPHA / max(tests, 1)
        arm = constant_arm(part[name], sample) if differs else ""
        if arm:
            left_out[name] = f"the same in every row of {arm} and not elsewhere"
        elif outcome:
            left_out[name] = f"it nearly tells the outcome {outcome}"
        elif differs and log.propensity is not None:
            left_out[name] = f"it differs between arms beyond chance (p = {p:.1g})"
        elif differs:
            uncertain.append(name)
    features = tuple(name for name in names if name not in left_out)
    if uncertain:
        raise _question(uncertain, [name for name in features if name not in uncertain])
    if left_out:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in left_out.items())
        LOGGER.warning("no features are named; left out: %s", reasons)
    return features, left_out


def _question(uncertain: list[str], features: list[str]) -> LogError:
    return LogError(
        "features",
        "be named where columns differ between arms and the design is not known",
        ", ".join(uncertain),
        fix=(
            "they may follow from the treatment, or say who got it: give those measured before it,"
            f" as features={features} in Python, -x on the command line or features in [log];"
            " or give the design"
        ),
    )


def _unfit(name: str, column: pa.ChunkedArray, allowed: bool) -> str:
    """Why a column is no feature, whatever the arms; empty where it can be one."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    if any(map(OUTCOME_WORD.fullmatch, words)) and not any(map(PAST_WORD.fullmatch, words)):
        return "its name is that of an outcome"
    if not columns.is_text(column) and not columns.is_numeric(column):
        return f"{column.type} is neither numbers, text nor times"
    if columns.is_text(column):
        values = column.drop_null()
        if allowed or not is_nearly_unique(column):
            return ""
        is_id = len(values.unique()) >= ID_SHARE * len(column)
        return AS_ID if is_id else "its text nearly names the row, as an e-mail address does"
    if len(column) < MIN_ROWS:
        return ""
    if not columns.is_whole(column):
        return ""
    values = len(column.drop_null().unique())
    if any(map(ID_WORD.fullmatch, words)) and values > FEW_IDS:
        return BY_NAME
    return AS_ID if values == len(column) else ""


def _compared_rows(log: Log, table: pa.Table) -> Ints:
    """The rows that are compared: of large arms, one of each group, at most `TEST_ROWS`."""
    if log.groups is not None:  # the row whose values have the least hash, wherever it stands
        names = sorted({*table.column_names, *log.table.column_names})
        hashes = row_hashes(_beside(table, log.table), names)
        rows = np.lexsort((hashes, log.groups))
        rows = rows[np.unique(log.groups[rows], return_index=True)[1]]
    else:
        rows = log.order
    size = np.bincount(log.cells[rows], minlength=len(log.cell_names))
    rows = rows[size[log.cells[rows]] >= MIN_ARM]
    return rows[:: max(1, len(rows) // TEST_ROWS)]


def _beside(table: pa.Table, other: pa.Table) -> pa.Table:
    """The columns of both."""
    for name in other.column_names:
        table = table if name in table.column_names else table.append_column(name, other[name])
    return table


def _arms_p(statistic: Statistic, log: Log) -> float:
    """The p-value of Kruskal and Wallis' H between the arms; 1 where it cannot be told."""
    kind, values = statistic
    cell, weight = log.cells, np.ones(len(log))
    if log.varies and log.propensity is not None:
        weight = 1 / log.propensity[np.arange(len(log)), cell]
    arms, cell = np.unique(cell, return_inverse=True)
    if len(arms) < 2 or values.min() == values.max():
        return 1.0
    total = np.bincount(cell, weight)
    size = total**2 / np.bincount(cell, weight**2)  # effective rows
    mean = np.bincount(cell, weight * values) / total
    grand = float(size @ mean / size.sum())
    share = min(grand, 1 - grand)
    if kind == "cases" and share * size.min() < MIN_EXPECTED:
        return 1.0
    variance = float(weight @ (values - grand) ** 2 / weight.sum())
    h = float(size @ (mean - grand) ** 2) / variance * (1 - 1 / len(values))
    return float(chdtrc(len(arms) - 1, h))
