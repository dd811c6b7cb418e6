"""What every row of a log must be, checked row by row; and what all rows together show, by sums:
sizes of arms, missing values, balance, overlap, ranges of outcomes, ids that occur twice.

Checks that no sum can make (leaks, proxies of protected columns, trees that tell arms apart) are of
the sample, which is drawn without regard to what rows hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.hashing import Words
from equipoise.artifacts.costs import Costs, make_costs
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.balance import Check, balance_check, check, smd_of
from equipoise.core.checks import (
    ONE_ROW_LIMIT,
    duplicates_check,
    missing_check,
    overlap_check,
    overlap_sums,
    ratio_check,
)
from equipoise.core.effective_size import FEW
from equipoise.core.eligibility import Eligibility, by_propensity
from equipoise.core.eligible_checks import ELIGIBILITY
from equipoise.core.errors import LogError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.core.log_checks import check_counts, check_varies
from equipoise.core.start import Start
from equipoise.pipeline.bounded.blocks import row_weights, usual_weight
from equipoise.pipeline.bounded.kept import Answer, Arrays, Kept, added
from equipoise.pipeline.bounded.keys import name_words, repeated
from equipoise.pipeline.bounded.open_arms import (
    ArmShares,
    OpenArms,
    known_propensity,
    may_close,
    open_arms,
    open_to,
    refuse_many,
    set_sums,
)
from equipoise.pipeline.bounded.periods import period_starts, periods_by
from equipoise.pipeline.bounded.sample import Sample
from equipoise.pipeline.plan.constraints import start_of
from equipoise.pipeline.plan.schema import PolicyPlan
from equipoise.scale.partitions import Partition
from equipoise.scale.reduction import Tree

STAGE, RATIO = "checked", "sample ratio"
HERE = "In the sample: "
COUNTED = ("effective rows", "groups", "balance", ELIGIBILITY)  # checks of the sample that count it
BY_WEIGHT = ("sample ratio", "missing values", "outcomes", "overlap")
BY_ANY = {  # what all rows tell whichever count, by overlap
    "weights": ("sample ratio", "missing values", "outcomes", "overlap", "duplicates"),
    "trim": ("duplicates",),
}
SHOWN = 2  # rows of an id that occurs twice
LOOKED_AT = 10_000  # ids at a time whose rows are looked for


@dataclass(frozen=True)
class Whole:
    """What rows are checked by.

    Attributes
    ----------
    log : Log
        Of some rows of the sample, for roles and space.
    names : tuple of str
        The columns to read.
    starts : array, (P,)
        Where the periods of the sample begin; none where it has no periods.
    features : FeatureMap
        Of the sample's features.
    centre : array, (d,)
        Their means in the sample.
    usual : array, (m,)
        The usual value of each outcome in the sample.
    weight : float
        The usual weight of a row of the sample.
    costs : Costs or None
        What offers cost, to check the column that says so.
    start : Start or None
        Who is new, to check the column that says so.
    """

    log: Log
    names: tuple[str, ...]
    starts: Floats
    features: FeatureMap
    centre: Floats
    usual: Floats
    weight: float
    costs: Costs | None = None
    start: Start | None = None

    def check_policy(self, rows: pa.Table, first: int) -> None:
        """The columns that the policy's costs and its start are of.   first: the number of the
        first row.
        """
        if self.costs is not None:
            self.costs.amounts(rows, first)
        if self.start is not None:
            self.start.importance(rows[self.start.column], first)


def whole_of(log: Log) -> Whole:
    """What the rows of a log are checked by, of which this is the sample."""
    features = FeatureMap().fit(log.features)
    X, _ = matrix(features.table(log.features))
    known = np.isfinite(X)
    centre = np.where(known, X, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    usual = np.median(log.y, axis=0)
    few, names = log.take(np.arange(2)), tuple(log.roles.columns())
    starts, weight = period_starts(log), usual_weight(log)
    return Whole(few, names, starts, features, centre, usual, weight)


@dataclass(frozen=True)
class RowChecker:
    """Checks the rows of a partition, and adds up what they show."""

    part: Partition
    whole: Whole

    def answer(self) -> Answer:
        """Sums over the rows, see `row_sums`."""
        total: Arrays | None = None
        start = self.part.start or 0
        for batch in self.part.batches(self.whole.names):
            rows = self.whole.log.more(pa.Table.from_batches([batch]), start)
            self.whole.check_policy(rows.table, start)
            sums = row_sums(rows, self.whole)
            total = sums if total is None else added(total, sums)
            refuse_many(total)
            start += len(rows)
        return Answer(total or {})


def row_sums(rows: Log, whole: Whole) -> Arrays:
    """What some rows add to what all show.

    cells               (K,) rows
    least_weight        of a row
    set_...             by set of open arms, of `open_arms`
    holes               (c, K) missing values by column and cell
    expected, products  (K,), (K, K) sums of propensities and of their products, where known
    balance             (4, K, d) of w, w x, w x^2, w^2
    controls            (4, k, d) the same of the control rows that a candidate is open to, where
                        arms can be closed
    outcomes            (5, m) of y, y^2 (from the usual value), zeros, |y|, rows off that value
    off                 (m, K) the last by cell
    least_y, most_y, most_abs    (m,)
    least_p, most_p, total, squares, thin    as of `core.checks.overlap_sums`
    """
    K, cells, roles = len(whole.log.cell_names), rows.cells, rows.roles
    weight = row_weights(rows, whole.weight)
    names = rows.table.column_names
    holes = [np.bincount(cells, columns.missing(rows.table[name]), K) for name in names]
    y, own = rows.y - whole.usual, cells[:, None] == np.arange(K)
    off = y != 0
    sums: Arrays = {
        "cells": np.bincount(cells, minlength=K),
        "least_weight": weight.min(),
        "holes": np.array(holes),
        "outcomes": np.stack(
            [y.sum(axis=0), (y**2).sum(axis=0), (rows.y == 0).sum(axis=0),
             np.abs(rows.y).sum(axis=0), off.sum(axis=0)]
        ),
        "off": off.T.astype(np.float64) @ own,
        "least_y": rows.y.min(axis=0),
        "most_y": rows.y.max(axis=0),
        "most_abs": np.abs(rows.y).max(axis=0),
    }  # fmt: skip
    slot = periods_by(rows, whole.starts) if len(whole.starts) else np.zeros(len(rows), np.int64)
    p, closes = known_propensity(rows), may_close(roles)
    sums |= set_sums(rows, slot, max(len(whole.starts), 1), weight, p)
    if p is not None:
        sums |= {"expected": p.sum(axis=0), "products": p.T @ p}
        if rows.varies or closes:
            weight = weight / p[np.arange(len(rows)), cells]
            about = overlap_sums(rows, p)
            sums |= {"least_p": about["least"], "most_p": about["most"]}
            sums |= {name: about[name] for name in ("total", "squares", "thin")}
    X, _ = matrix(whole.features.table(rows.features))
    sums["balance"] = _balance_sums(X - whole.centre, own, weight)
    if closes:
        control = own[:, :1] & open_to(rows)[:, 1:]
        sums["controls"] = _balance_sums(X - whole.centre, control, weight)
    return sums


def _balance_sums(x: Floats, own: Any, weight: Floats) -> Floats:
    """Sums of w, w x, w x^2 and w^2 over the values that are there, of the rows of each of K
    flags (n, K), (4, K, d).
    """
    there = np.isfinite(x)
    x = np.where(there, x, 0.0)
    sums = np.zeros((4, own.shape[1], x.shape[1]))
    for a in range(own.shape[1]):
        rows = np.flatnonzero(own[:, a])
        w, mine, known = weight[rows, None], x[rows], there[rows]
        sums[:, a] = [
            (w * known).sum(axis=0),
            (w * mine).sum(axis=0),
            (w * mine**2).sum(axis=0),
            (w**2 * known).sum(axis=0),
        ]
    return sums


@dataclass(frozen=True)
class AllRows:
    """What all rows of a log show.   repeats : rows that repeat another, where there is no id;
    starts : where periods begin, (P,).
    """

    sums: Arrays
    repeats: int
    starts: Floats

    @cached_property
    def arms(self) -> OpenArms:
        """Which are open to how many."""
        return open_arms(self.sums, self.starts)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.sums["cells"].sum())

    @property
    def shares(self) -> ArmShares:
        """Those observed, where no row says its own."""
        return self.arms.shares

    def eligibility(self, log: Log) -> Eligibility | None:
        """The columns that say what is open in this log, by all its rows."""
        said, named = log.roles.eligibility, log.roles.propensity
        return said if said or not named else by_propensity(log.cell_names, named, self.arms.closed)


def check_all_rows(
    policy: PolicyPlan,
    log: Log,
    sample: Sample,
    partitions: Sequence[Partition],
    kept: Kept,
) -> AllRows:
    """Check every row of a log, of which ``log`` is the sample, by its roles and those that
    ``policy`` gives columns; a wrong one is named.
    """
    costs = make_costs(policy.cost, policy.paid, log.space, log, policy.sending)
    whole = replace(whole_of(log), costs=costs, start=start_of(policy, log))
    tree = Tree(len(partitions), added)
    for place, sums in kept.each(STAGE, RowChecker, partitions, whole, "checks"):
        tree.put(place, sums)
    sums = tree.result()
    refuse_many(sums)
    if log.treatment.ndim == 1:
        check_counts(log.cell_names, sums["cells"])
    for j, outcome in enumerate(log.roles.outcomes):
        check_varies(outcome, float(sums["least_y"][j]), float(sums["most_y"][j]))
    twice, extra = repeated(sample.names, sample.total)
    if log.roles.id is not None and len(twice):
        _refuse_twice(log, twice, partitions)
    if log.roles.id is None and log.groups is None and 2 * extra > sample.total:
        must, fix = "have an id, where most rows repeat each other", "say [log] id, or group"
        got = f"none, and {extra:,} of {sample.total:,} rows that repeat another"
        raise LogError("the rows of a large log", must, got, fix=fix)
    return AllRows(sums, extra, whole.starts)


def _refuse_twice(log: Log, twice: Words, partitions: Sequence[Partition]) -> None:
    """Refuse an id that occurs twice; those that only share a hash are told apart, so many at a
    time.
    """
    for start in range(0, len(twice), LOOKED_AT):
        _refuse_some(log, twice[start : start + LOOKED_AT], partitions)


def _refuse_some(log: Log, twice: Words, partitions: Sequence[Partition]) -> None:
    name = str(log.roles.id)
    rows: dict[str, list[int]] = {}
    for part in partitions:
        at = part.start or 0
        for batch in part.batches([name]):
            table = columns.plain_table(pa.Table.from_batches([batch]))
            some = np.flatnonzero(np.isin(name_words(table, log.roles), twice))
            labels = columns.labels(table[name].take(pa.array(some))).to_pylist()
            for label, row in zip(labels, some, strict=True):
                places = rows.setdefault(label, [])
                if len(places) < SHOWN:
                    places.append(at + int(row))
            at += table.num_rows
    for label, places in sorted(rows.items(), key=lambda item: item[1]):
        if len(places) > 1:
            fix = "where users repeat, make it the group: [log] group"
            where = f"rows {places[:SHOWN]}"
            raise LogError(f"id {name!r}", "be unique", f"{label!r} twice", where, fix)


def checks_of_all(
    log: Log, every: AllRows, of_sample: Sequence[Check], overlap: str = "all"
) -> list[Check]:
    """The checks of a log: those that all rows make in place of the sample's.   overlap: as the
    plan has it; of rows that count by it the sample tells what hangs on that.
    """
    sums, by_name = every.sums, dict[str, Check]()
    names = log.table.column_names
    holes = dict(zip(names, sums["holes"], strict=True))
    by_name["missing values"] = missing_check(log.cell_names, holes, sums["cells"])
    if tells_balance(log, every, overlap):
        by_name["balance"] = balance_check(log, balance_of(log, every))
    by_name["outcomes"] = _outcomes(log, every)
    by_name["duplicates"] = duplicates_check(log, every.repeats, every.rows)
    if "expected" not in sums:
        cells = zip(log.cell_names, sums["cells"].tolist(), strict=True)
        table = [{"cell": cell, "rows": count} for cell, count in cells]
        of_sample = [{**c, "rows": table} if c["name"] == RATIO else c for c in of_sample]
    elif log.groups is None:
        by_name[RATIO] = ratio_check(
            log.cell_names, sums["cells"], sums["expected"], sums["products"]
        )
    if log.groups is None:
        by_name[ELIGIBILITY] = every.arms.check(log.cell_names)
    if "least_p" in sums and (log.roles.propensity or every.arms.closed.any()):
        about = {"least": sums["least_p"], "most": sums["most_p"]}
        by_name["overlap"] = overlap_check(log, {**sums, **about})
    elif log.roles.design == "shares" and every.arms.closed.any():
        by_name["overlap"] = overlap_check(log, every.arms.overlap())
    told = BY_ANY.get(overlap)
    by_name = {name: one for name, one in by_name.items() if told is None or name in told}
    return [by_name.get(one["name"], _of_sample(one, overlap)) for one in of_sample]


def _of_sample(one: Check, overlap: str) -> Check:
    """A check of the sample, which says so where it counts."""
    if one["name"] not in COUNTED and (overlap == "all" or one["name"] not in BY_WEIGHT):
        return one
    summary = one["summary"]
    return {**one, "summary": f"{HERE}{summary[0].lower()}{summary[1:]}"}


def tells_balance(log: Log, every: AllRows, overlap: str) -> bool:
    """Whether sums over all rows tell the balance: not where differences count within periods, or
    by the observed shares among open arms, or by their overlap, which the sample has.
    """
    shares = log.roles.design == "shares" and every.arms.closed.any()
    return overlap == "all" and log.periods is None and not shares


def balance_of(log: Log, every: AllRows) -> list[dict[str, Any]]:
    """The standardised mean differences of all rows, as `core.balance.balance_table`."""
    features = FeatureMap().fit(log.features).get_feature_names_out().tolist()
    smd, z = smd_of(*every.sums["balance"])
    for a in np.flatnonzero(every.arms.closed):  # held against the control of rows it is open to
        own = [every.sums["controls"][:, a - 1], every.sums["balance"][:, a]]
        smd[a - 1], z[a - 1] = (part[0] for part in smd_of(*np.stack(own, axis=1)))
    return [
        {"feature": name, "candidate": candidate, "smd": float(smd[a, j]), "z": float(z[a, j])}
        for j, name in enumerate(features)
        for a, candidate in enumerate(log.cell_names[1:])
    ]


def _outcomes(log: Log, every: AllRows) -> Check:
    """Zeros, tails and outliers of the metrics in all rows."""
    sums, n, rows, worries = every.sums, every.rows, [], []
    usual = np.median(log.y, axis=0)
    first, second, zeros, size, off = sums["outcomes"] / n
    for j, outcome in enumerate(log.roles.outcomes):
        largest = float(sums["most_abs"][j] / (size[j] * n)) if size[j] else 0.0
        row: dict[str, Any] = {"outcome": outcome.name, "kind": outcome.kind}
        row |= {
            "mean": float(usual[j] + first[j]),
            "sd": float(np.sqrt(max(second[j] - first[j] ** 2, 0.0))),
            "zeros": float(zeros[j]),
            "least": float(sums["least_y"][j]),
            "most": float(sums["most_y"][j]),
            "largest_row_share": largest,
        }
        rows.append(row)
        events = sums["off"][j]
        if outcome.kind == "binary":
            events = np.minimum(events, sums["cells"] - events)
        if off[j] < 0.5 and events.min() < FEW:
            cell = log.cell_names[int(events.argmin())]
            many = f"{int(events.min()):,} rows off its usual value"
            worries.append(f"{outcome.name} has only {many} under {cell}")
        if outcome.kind != "binary" and largest > ONE_ROW_LIMIT and n > FEW / ONE_ROW_LIMIT:
            worries.append(f"one row holds {largest:.1%} of all {outcome.name}")
    if worries:
        return check("outcomes", "warn", f"Few cases or large ones: {'; '.join(worries)}.", rows)
    summary = "Every metric lies within its kind; no single row rules one."
    return check("outcomes", "ok", summary, rows)
