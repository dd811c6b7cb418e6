"""To whom are the arms open, and did each open set get the shares that were promised?  A chi-square
test of the sizes of the cells against the propensities, of all rows and of those of an open set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.eligibility import open_sets, open_shares
from equipoise.core.log import Log

RATIO_FAILS, RATIO_WARNS = 0.001, 0.01  # p-values
ELIGIBILITY = "eligibility"  # name of the check
SHOWN = 12  # open sets in the table, the largest first


def sizes_test_of(counts: Ints, expected: Floats, products: Floats) -> tuple[float, float]:
    """Chi-square and p-value of the sizes of cells (K,) against the propensities of their rows: the
    sums of these, (K,), and of their products, (K, K).

    >>> sizes_test_of(np.array([6, 4]), np.array([5.0, 5.0]), np.full((2, 2), 2.5))
    (0.4, 0.5270892568655381)
    """
    gap = (counts - expected)[1:]
    spread = (np.diag(expected) - products)[1:, 1:]
    chi2 = float(gap @ np.linalg.solve(spread, gap))
    return chi2, float(chdtrc(len(gap), chi2))


def verdict(p: float) -> str:
    """The status of a p-value."""
    return "fail" if p < RATIO_FAILS else "warn" if p < RATIO_WARNS else "ok"


class SetSizes(NamedTuple):
    """The sizes of cells in an open set.   open : (K,).   counts : rows, (K,).   expected,
    products : sums of their propensities and of the products of these, (K,), (K, K).
    """

    open: Bools
    counts: Ints
    expected: Floats
    products: Floats


def eligibility(log: Log, units: Ints) -> list[Check]:
    """The share of rows that each arm is open to, and the sizes of the arms by open set; none where
    no arm can be closed.   units: the rows that were assigned one by one.
    """
    if log.eligibility is None:
        return []
    open_to = log.eligible
    if open_to is None:
        return [check(ELIGIBILITY, "ok", "Every arm is open to every row.")]
    share, rows = np.average(open_to, axis=0, weights=log.weight), open_to.sum(axis=0)
    if log.propensity is None or log.roles.design == "shares":
        pooled = int(open_shares(log.cells, open_to, log.weight, log.periods)[1].sum())
        return [eligibility_check(log.cell_names, rows, share, None, pooled)]
    sizes = _by_set(log, open_to[units], units)
    return [eligibility_check(log.cell_names, rows, share, sizes)]


def eligibility_check(
    names: Sequence[str],
    open_rows: Ints,
    share: Floats,
    sizes: Sequence[SetSizes] | None,
    pooled: int = 0,
) -> Check:
    """The check of arms of which some are closed to some rows.   open_rows, share: to how many
    rows and to which share of the weight each is open, (K,);  sizes: of all open sets, the largest
    first; None where shares are observed, then pooled: rows whose shares are the odds of all.
    """
    rows: list[dict[str, Any]] = [
        {"arm": arm, "open_rows": int(count), "share": round(float(part), 5)}
        for arm, count, part in zip(names, open_rows, share, strict=True)
    ]
    shares = ", ".join(f"{row['arm']} to {row['share']:.1%}" for row in rows if row["share"] < 1)
    summary = (
        f"Not every arm is open to every row: {shares}. The average effect of an arm, its ranking"
        " and its calibration are over the rows it is open to, and a policy gives it to no other."
    )
    if sizes is None:
        return check(ELIGIBILITY, "note", summary + _pooled(pooled), rows)
    sets, p = _sizes(names, sizes)
    status = verdict(p)
    if status != "ok":
        summary += (
            " The arms do not have the sizes that the propensities promise in every open set (least"
            f" p = {p:.3g}, after Bonferroni)."
        )
    return check(ELIGIBILITY, "note" if status == "ok" else status, summary, rows + sets)


def _pooled(rows: int) -> str:
    """What observed shares are where an open set is too small, as it is for so many rows."""
    said = " Shares are those among rows of the same open arms"
    if not rows:
        return f"{said}."
    return (
        f"{said}; {rows:,} rows are of sets that lack rows of an open arm, and take its odds to"
        " control among all rows it is open to."
    )


def _by_set(log: Log, open_to: Bools, units: Ints) -> list[SetSizes]:
    """The sizes of the arms in each open set, the largest first."""
    sets, which = open_sets(open_to)
    cells, propensity = log.cells[units], np.asarray(log.propensity)[units]
    sizes = []
    for s in np.argsort(-np.bincount(which), kind="stable").tolist():
        own = np.flatnonzero(which == s)
        counts, p = np.bincount(cells[own], minlength=len(log.cell_names)), propensity[own]
        sizes.append(SetSizes(sets[s], counts, p.sum(axis=0), p.T @ p))
    return sizes


def _sizes(names: Sequence[str], sets: Sequence[SetSizes]) -> tuple[list[dict[str, Any]], float]:
    """The sizes of the arms in each open set against the propensities, and the least p-value times
    the number of sets.
    """
    rows, least = [], 1.0
    for own in sets:
        arms = np.flatnonzero(own.open)
        if len(arms) == 1:
            continue
        products = own.products[np.ix_(arms, arms)]
        p = sizes_test_of(own.counts[arms], own.expected[arms], products)[1]
        least = min(least, p * len(sets))
        said = ", ".join(names[a] for a in arms.tolist())
        rows.append({"open": said, "rows": int(own.counts.sum()), "p_value": float(f"{p:.3g}")})
    return rows[:SHOWN], least
