"""Are the features alike in every arm, and do they give a protected column away?

SMD_a = (mean_a - mean_0) / sqrt((var_a + var_0) / 2), weighted by 1 / e where the log knows e in
each row.  |SMD| > 0.1 that chance does not explain (|z| > 3) warns (Austin 2009).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypedDict

import numpy as np

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.audit_groups import MOST_GROUPS, audit_groups
from equipoise.core.display import first_lines, html_table
from equipoise.core.features import FeatureMap
from equipoise.core.log import Log

SMD_LIMIT, SMD_SIGMAS = 0.1, 3.0
PROXY_LIMIT = 0.5  # R2 of a protected column on the features
PROXY_ROWS = 100_000
WORST = 10  # rows shown of a long table


class Check(TypedDict):
    """One check of the log.  status: "ok", "note", "warn" or "fail"."""

    name: str
    status: str
    summary: str
    rows: list[dict[str, Any]]


class Checks(list[Check]):
    """The checks of a log, in the order of the report.

    >>> Checks([check("ids", "ok", "none twice"), check("gaps", "warn", "half of age is missing")])
    2 checks: 1 ok, 1 warn
      warn  gaps: half of age is missing
    """

    def __repr__(self) -> str:
        count = Counter(one["status"] for one in self)
        told = ", ".join(f"{n} {status}" for status, n in sorted(count.items(), key=_ok_first))
        lines = [f"{len(self)} checks: {told}"]
        for status in ("fail", "warn", "note"):
            named = [one for one in self if one["status"] == status]
            lines += [f"  {status}  {one['name']}: {one['summary']}" for one in named]
        return first_lines(lines)

    def _repr_html_(self) -> str:
        rows = [(one["status"], one["name"], one["summary"]) for one in self]
        return html_table(repr(self).splitlines()[0], rows, ("status", "check", "summary"))


def _ok_first(item: tuple[str, int]) -> tuple[bool, str]:
    return item[0] != "ok", item[0]


def check(name: str, status: str, summary: str, rows: list[dict[str, Any]] | None = None) -> Check:
    """One check as the report reads it."""
    return Check(name=name, status=status, summary=summary, rows=rows or [])


def balance_table(log: Log) -> list[dict[str, Any]]:
    """The standardised mean difference of every feature, text by level, between each candidate and
    control.

    Rows are {"feature", "candidate", "smd", "z"}, z being the SMD over its standard error under
    balance.
    """
    return _balance_rows(log, numeric_features(log))


def balance(log: Log, numbers: dict[str, Floats]) -> Check:
    """Are the features, as numbers (n,) each, alike in every arm?"""
    return balance_check(log, _balance_rows(log, numbers))


def balance_check(log: Log, table: list[dict[str, Any]]) -> Check:
    """The check of a table as `balance_table` has it, of rows like these."""
    rows = sorted(table, key=lambda row: -abs(row["smd"]))
    if not rows:
        return check("balance", "ok", "There are no features to compare.")
    large = [row for row in rows if abs(row["smd"]) > SMD_LIMIT]
    beyond_chance = [row for row in large if abs(row["z"]) > SMD_SIGMAS]
    whose = "logged propensities" if log.roles.propensity else "periods' shares of arms"
    if log.eligible is not None and not log.roles.propensity:
        whose = "shares among open arms"
    weighted = f" after weighting by the {whose}" if log.varies else ""
    worst = (
        f"largest difference {abs(rows[0]['smd']):.3f} standard deviations ({rows[0]['feature']},"
        f" {rows[0]['candidate']})"
    )
    if beyond_chance:
        summary = (
            f"{len(beyond_chance)} differences between arms exceed {SMD_LIMIT}{weighted}; {worst}."
        )
        return check("balance", "warn", summary, rows[:WORST])
    if large:
        return check(
            "balance",
            "note",
            f"Differences above {SMD_LIMIT} are within chance in small arms{weighted}; {worst}.",
            rows[:WORST],
        )
    return check(
        "balance", "ok", f"Features are alike in all arms{weighted}; {worst}.", rows[:WORST]
    )


def _balance_rows(log: Log, numbers: dict[str, Floats]) -> list[dict[str, Any]]:
    weight = np.ones(len(log)) if log.weight is None else log.weight
    if log.varies and log.propensity is not None:
        weight = weight / log.propensity[np.arange(len(log)), log.cells]
    rows, K = [], len(log.cell_names)
    open_to = np.ones((len(log), K), np.bool_) if log.eligible is None else log.eligible
    for feature, x in numbers.items():
        smd, z = _smd(x, log.cells, weight, K)
        for a in np.flatnonzero(~open_to.all(axis=0)):
            own = open_to[:, a]  # a is held against the control of rows that could get it
            alone = _smd(x[own], log.cells[own], weight[own], K)
            smd[a - 1], z[a - 1] = alone[0][a - 1], alone[1][a - 1]
        rows += [
            {"feature": feature, "candidate": candidate, "smd": float(smd[a]), "z": float(z[a])}
            for a, candidate in enumerate(log.cell_names[1:])
        ]
    return rows


def _smd(x: Floats, cell: Ints, weight: Floats, cells: int) -> tuple[Floats, Floats]:
    """The SMD of each candidate against control and its z, both (k,).   x, weight: (n,); missing
    values of x do not count.
    """
    present = np.isfinite(x)
    centre = x[present].mean() if present.any() else 0.0
    x, cell, weight = x[present] - centre, cell[present], weight[present]
    sums = (weight, weight * x, weight * x * x, weight**2)
    total, first, second, squares = (_by_cell(cell, part, cells) for part in sums)
    return smd_of(total, first, second, squares)


def _by_cell(cell: Ints, values: Floats, cells: int) -> Floats:
    return np.asarray(np.bincount(cell, values, cells), np.float64)


def smd_of(total: Floats, first: Floats, second: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """The SMD of each candidate against control and its z by sums over each cell of w, w x, w x^2
    and w^2, x from about its mean, (K, ...) each.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = first / total
        variance = np.maximum(second / total - mean**2, 0)
        size = total**2 / squares
        smd = (mean[1:] - mean[0]) / np.sqrt((variance[1:] + variance[0]) / 2)
        z = smd / np.sqrt(1 / size[1:] + 1 / size[0])
    return np.nan_to_num(smd, posinf=0, neginf=0), np.nan_to_num(z, posinf=0, neginf=0)


def proxies(log: Log, numbers: dict[str, Floats]) -> Check:
    """Do the features give a protected column away?  R2 of a linear fit, on a sample of large
    logs.
    """
    name = "protected columns"
    if not log.roles.protected:
        return check(
            name, "note", "No protected column was named, so who gets what is not audited by group."
        )
    step = max(1, len(log) // PROXY_ROWS)
    design = np.column_stack(
        [np.ones(len(log))[::step], *(_filled(x[::step]) for x in numbers.values())]
    )
    rows: list[dict[str, Any]] = []
    for column in log.roles.protected:
        for level, target in _targets(log, column):
            rows.append(
                {"column": column, "level": level, "r2": round(_r2(design, target[::step]), 4)}
            )
    given_away = sorted({row["column"] for row in rows if row["r2"] > PROXY_LIMIT})
    if given_away:
        summary = (
            f"The features nearly give {', '.join(given_away)} away: leaving a column out does not"
            " make a policy blind to it."
        )
        return check(name, "warn", summary, rows)
    return check(
        name, "ok", "No protected column can be read off the features by a linear rule.", rows
    )


def _targets(log: Log, column: str) -> list[tuple[str, Floats]]:
    """A protected column as numbers to be explained: itself where it is a number of many values,
    else one indicator a level.
    """
    if columns.is_numeric(log.table[column]) and len(log.codes(column)[1]) > MOST_GROUPS:
        return [("", _filled(log.numbers(column)))]
    codes, labels = audit_groups(log, column)
    return [(label, (codes == i).astype(np.float64)) for i, label in enumerate(labels)]


def _r2(design: Floats, target: Floats) -> float:
    spread = float(((target - target.mean()) ** 2).sum())
    if spread == 0:
        return 0.0
    solution, *_ = np.linalg.lstsq(design, target, rcond=None)
    return max(0.0, 1 - float(((target - design @ solution) ** 2).sum()) / spread)


def _filled(x: Floats) -> Floats:
    """Standardised, missing values at the mean."""
    present = np.isfinite(x)
    if not present.any():
        return np.zeros(len(x))
    scale = x[present].std()
    return np.where(present, (x - x[present].mean()) / (scale if scale > 0 else 1.0), 0.0)


def numeric_features(log: Log) -> dict[str, Floats]:
    """The features as numbers (n,) each, text by level."""
    table = FeatureMap().fit(log.features).table(log.features)
    return {name: np.asarray(table[name].to_numpy()) for name in table.column_names}
