"""The chosen policy described: who gets what, also by protected group, and how the treated differ
from the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.audit_groups import audit_groups
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.core.start import Start
from equipoise.pipeline.study.evaluator import Judge
from equipoise.pipeline.study.swaps import Swaps
from equipoise.report.findings import GroupShare

PROFILE = 12  # features shown


def shares(policy: Floats, names: tuple[str, ...], rows: Ints | None = None) -> dict[str, float]:
    """The share of units that get each cell.   policy: (n, K)."""
    mean = policy.mean(axis=0) if rows is None else policy[rows].mean(axis=0)
    return dict(zip(names, mean.tolist(), strict=True))


def group_shares(
    log: Log,
    judge: Judge,
    policy: Floats,
    expected: Floats,
    columns: tuple[str, ...],
    start: Start | None = None,
    swaps: Swaps | None = None,
) -> list[GroupShare]:
    """Who gets what in every group of the audited columns, and in their start and past it.
    expected: (n, k) expected costs; swaps: of the policy.
    """
    spend = (policy[:, 1:] * expected).sum(axis=1)
    gains = judge.gains(policy)
    groups: list[GroupShare] = []
    divided = [(column, *audit_groups(log, column)) for column in columns]
    if start is not None:
        divided.append((start.column, start.codes(log.table[start.column]), list(start.labels)))
    for column, codes, labels in divided:
        for code, label in enumerate(labels):
            rows = np.flatnonzero(codes == code)
            if len(rows) < 2:
                continue
            groups.append(
                {
                    "column": column,
                    "group": label,
                    "rows": len(rows),
                    "shares": shares(policy, log.cell_names, rows),
                    "spend": float(spend[rows].mean()),
                    "values": judge.intervals(gains, rows, swaps)[0],
                }
            )
    return groups


def profile(log: Log, policy: Floats) -> list[dict[str, object]]:
    """How those who get an offer differ from those who get none: means of features, the largest
    standardised difference first.
    """
    treated = 1 - policy[:, 0]
    if not 0 < treated.sum() < len(treated):
        return []
    X, names = matrix(FeatureMap().fit(log.features).table(log.features))
    rows: list[dict[str, object]] = []
    for j, name in enumerate(names):
        present = ~np.isnan(X[:, j])
        x, w = X[present, j], treated[present]
        if not 0 < w.sum() < len(w) or np.ptp(x) == 0:
            continue
        inside, outside = np.average(x, weights=w), np.average(x, weights=1 - w)
        spread = np.sqrt(
            (
                np.average((x - inside) ** 2, weights=w)
                + np.average((x - outside) ** 2, weights=1 - w)
            )
            / 2
        )
        rows += _differing(name, float(inside), float(outside), float(spread))
    return most_different(rows)


def _differing(name: str, inside: float, outside: float, spread: float) -> list[dict[str, object]]:
    """One row of the profile; none where nobody differs."""
    if not spread > 0:
        return []
    smd = (inside - outside) / spread
    return [{"feature": name, "treated": inside, "untreated": outside, "smd": smd}]


def most_different(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The features that are shown, the most different first."""
    return sorted(rows, key=lambda row: -abs(float(str(row["smd"]))))[:PROFILE]


def profile_of(names: Sequence[str], sums: Floats, centre: Floats) -> list[dict[str, object]]:
    """`profile` by sums of those without and with an offer: rows with a value, values from the
    centre and their squares, (2, 3, d).   centre: (d,).
    """
    rows: list[dict[str, object]] = []
    for j, name in enumerate(names):
        (n0, x0, xx0), (n1, x1, xx1) = sums[:, :, j].tolist()
        if not (n0 and n1):
            continue
        outside, inside = x0 / n0, x1 / n1
        variance = (xx0 / n0 - outside**2 + xx1 / n1 - inside**2) / 2
        ends = (inside + float(centre[j]), outside + float(centre[j]))
        rows += _differing(name, *ends, max(variance, 0.0) ** 0.5)
    return most_different(rows)
