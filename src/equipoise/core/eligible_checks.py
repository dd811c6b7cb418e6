"""To whom are the arms open, and did each open set get the shares that were promised?  A chi-square
test of the sizes of the cells against the propensities, of all rows and of those of an open set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.eligibility import open_sets, open_shares
from equipoise.core.log import Log

RATIO_FAILS, RATIO_WARNS = 0.001, 0.01  # p-values
SHOWN = 12  # open sets in the table, the largest first


def sizes_test(counts: Ints, propensity: Floats) -> tuple[float, float]:
    """Chi-square and p-value of the sizes of cells (K,) against the propensities (n, K) of their
    rows.

    >>> sizes_test(np.array([6, 4]), np.full((10, 2), 0.5))
    (0.4, 0.5270892568655381)
    """
    return sizes_test_of(counts, propensity.sum(axis=0), propensity.T @ propensity)


def sizes_test_of(counts: Ints, expected: Floats, squares: Floats) -> tuple[float, float]:
    """`sizes_test` by the sums of the propensities, (K,), and of their products, (K, K)."""
    gap = (counts - expected)[1:]
    spread = (np.diag(expected) - squares)[1:, 1:]
    chi2 = float(gap @ np.linalg.solve(spread, gap))
    return chi2, float(chdtrc(len(gap), chi2))


def verdict(p: float) -> str:
    """The status of a p-value."""
    return "fail" if p < RATIO_FAILS else "warn" if p < RATIO_WARNS else "ok"


def eligibility(log: Log, units: Ints) -> list[Check]:
    """The share of rows that each arm is open to, and the sizes of the arms by open set; none where
    no arm can be closed.   units: the rows that were assigned one by one.
    """
    name = "eligibility"
    if log.eligibility is None:
        return []
    open_to = log.eligible
    if open_to is None:
        return [check(name, "ok", "Every arm is open to every row.")]
    share = np.average(open_to, axis=0, weights=log.weight)
    rows: list[dict[str, Any]] = [
        {"arm": arm, "open_rows": int(count), "share": round(float(part), 5)}
        for arm, count, part in zip(log.cell_names, open_to.sum(axis=0), share, strict=True)
    ]
    shares = ", ".join(f"{row['arm']} to {row['share']:.1%}" for row in rows if row["share"] < 1)
    summary = (
        f"Not every arm is open to every row: {shares}. The average effect of an arm, its ranking"
        " and its calibration are over the rows it is open to, and a policy gives it to no other."
    )
    if log.propensity is None or log.roles.design == "shares":
        return [check(name, "note", summary + _pooled(log, open_to), rows)]
    sets, p = _by_set(log, open_to[units], units)
    status = verdict(p)
    if status != "ok":
        summary += (
            " The arms do not have the sizes that the propensities promise in every open set (least"
            f" p = {p:.3g}, after Bonferroni)."
        )
    return [check(name, "note" if status == "ok" else status, summary, rows + sets)]


def _pooled(log: Log, open_to: Bools) -> str:
    """What observed shares are where an open set is too small."""
    pooled = int(open_shares(log.cells, open_to, log.weight, log.periods)[1].sum())
    said = " Shares are those among rows of the same open arms"
    if not pooled:
        return f"{said}."
    return (
        f"{said}; {pooled:,} rows are of sets that lack rows of an open arm, and take its odds to"
        " control among all rows it is open to."
    )


def _by_set(log: Log, open_to: Bools, units: Ints) -> tuple[list[dict[str, Any]], float]:
    """The sizes of the arms in each open set against the propensities, and the least p-value times
    the number of sets.
    """
    sets, which = open_sets(open_to)
    cells, propensity = log.cells[units], np.asarray(log.propensity)[units]
    rows, least, K = [], 1.0, len(log.cell_names)
    for s in np.argsort(-np.bincount(which), kind="stable").tolist():
        own = np.flatnonzero(which == s)
        arms = np.flatnonzero(sets[s])
        if len(arms) == 1:
            continue
        counts = np.bincount(cells[own], minlength=K)[arms]
        p = sizes_test(counts, propensity[np.ix_(own, arms)])[1]
        least = min(least, p * len(sets))
        names = ", ".join(log.cell_names[a] for a in arms)
        rows.append({"open": names, "rows": len(own), "p_value": float(f"{p:.3g}")})
    return rows[:SHOWN], least
