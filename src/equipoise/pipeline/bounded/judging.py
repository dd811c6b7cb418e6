"""Rows that chose nothing judge: the shipped rule on every row that is not of the sample, by sums.

The model, the prices and the learnt propensity are functions of the sample alone; the other rows
are drawn independently of it.  Given the sample, the doubly robust score of such a row has the mean
effect for its mean wherever the propensity is known, so means of scores are free of the winner's
curse without any fold, and a policy of one rule is judged by all of them.

    values     (C, K, ...) w, w / e, w score of each cell and metric, w spend of each candidate,
               w gain of the rule and metric, w its spend, w its expected cost
    counts     rows, choices by cell, expected costs by candidate and of the choice
    usage      of each demand, and the rows that it counts
    behind     the weights of the rows behind the value
    profile    (2, 3, d) of those without and with an offer: rows, x, x^2
    group_...  of each audited column: the same as values, by group
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from equipoise.allocation.rule import usage_of
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.policy import Decided, Scorer, assignments
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.audit_groups import AuditGroups
from equipoise.core.columns import free_name, plain_table
from equipoise.core.effects import Effects
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.pipeline.bounded.blocks import add_rows, block_count, whole_numbers
from equipoise.pipeline.bounded.checks import known_propensity
from equipoise.pipeline.bounded.kept import Answer, Arrays
from equipoise.pipeline.bounded.keys import BLOCK, unit_draws
from equipoise.pipeline.bounded.rankings import Bins, add_ranked, empty_ranked
from equipoise.pipeline.bounded.sample import Asked
from equipoise.pipeline.plan.money import Objective
from equipoise.pipeline.study.evaluator import Judge, make_judge, one_hot
from equipoise.pipeline.study.overlap import sides_of
from equipoise.scale.partitions import Partition

EFFECTS, ASSIGNED, STAGE = "effects", "assignments", "judged"


@dataclass(frozen=True)
class Layout:
    """Where the columns of ``values`` stand.   cells : K.   metrics : m."""

    cells: int
    metrics: int

    @property
    def scores(self) -> slice:
        """K m: by cell, then by metric."""
        return slice(2, 2 + self.cells * self.metrics)

    @property
    def spend(self) -> slice:
        """k."""
        return slice(self.scores.stop, self.scores.stop + self.cells - 1)

    @property
    def chosen(self) -> slice:
        """m gains of the rule, and behind them its spend."""
        return slice(self.spend.stop, self.spend.stop + self.metrics + 1)

    @property
    def expected(self) -> int:
        """The expected cost of the rule's choice."""
        return int(self.chosen.stop)

    @property
    def width(self) -> int:
        """Of all."""
        return self.expected + 1

    @property
    def blocks(self) -> int:
        """C."""
        return block_count(self.cells * self.width)


@dataclass(frozen=True)
class Judged:
    """What rows are judged by: all of it from the sample.

    asked : what was read for the sample, by which units are known.   log : of some rows of the
    sample, for roles and space.   scorer : what ships.   shares : (K,) the propensity where no row
    says it; or None.   features, centre : of the profile, and (d,) what values count from.
    audited : the groups of columns.   bins : of predicted effects.
    """

    asked: Asked
    log: Log
    scorer: Scorer
    costs: Costs
    objective: Objective
    level: float
    shares: Floats | None
    features: FeatureMap
    centre: Floats
    audited: tuple[tuple[str, AuditGroups], ...]
    bins: Bins

    @property
    def layout(self) -> Layout:
        """Of the sums."""
        return Layout(len(self.log.cell_names), len(self.log.metrics))

    @property
    def uneven(self) -> bool:
        """Whether propensities differ by row."""
        return bool(self.log.roles.propensity)

    def propensity(self, rows: Log) -> Floats:
        """The probability of each cell in each row, (n, K)."""
        p = known_propensity(rows)
        if p is None:
            p = np.broadcast_to(np.asarray(self.shares), (len(rows), len(rows.cell_names)))
        return p


@dataclass(frozen=True)
class Mine:
    """What the sample's rows of a partition have already.

    rows : their numbers in the log, (r,).   effects : of them, by models that never saw them.
    expected, choice, score : of them, within folds.
    """

    rows: Ints
    effects: Effects
    expected: Floats
    choice: Ints
    score: Floats


@dataclass(frozen=True)
class Judging:
    """Judges the rows of a partition.   part : the partition, and what its rows of the sample
    have.
    """

    part: tuple[Partition, Mine]
    judged: Judged

    def answer(self) -> Answer:
        """The sums over the rows that are not of the sample; effects and assignments of all."""
        part, mine = self.part
        sums = empty_sums(self.judged)
        tables: dict[str, list[pa.Table]] = {EFFECTS: [], ASSIGNED: []}
        asked, start = self.judged.asked, part.start or 0
        for batch in part.batches(asked.columns):
            table = plain_table(pa.Table.from_batches([batch]))
            rows = self.judged.log.more(table, start)
            given = self.judged.scorer.decided(rows.table, start)
            draw = unit_draws(table, asked.roles, asked.seed, BLOCK)
            numbers = np.arange(start, start + len(rows))
            add_judged(sums, self.judged, rows, given, ~np.isin(numbers, mine.rows), draw)
            for name, each in zip(tables, _tables(rows, given, mine, start), strict=True):
                tables[name].append(each)
            start += len(rows)
        return Answer(sums, {name: pa.concat_tables(parts) for name, parts in tables.items()})


def empty_sums(judged: Judged) -> Arrays:
    """The sums over no rows."""
    layout, K = judged.layout, len(judged.log.cell_names)
    demands = len(judged.scorer.policy.demands)
    d = len(judged.features.get_feature_names_out())
    sums = {
        "values": np.zeros((layout.blocks * K, layout.width)),
        "counts": np.zeros(2 + K + K - 1),
        "usage": np.zeros((2, demands)),
        "behind": np.zeros((2, 3)),
        "profile": np.zeros((2, 3, d)),
        **empty_ranked(judged.bins),
    }
    for i, (_, groups) in enumerate(judged.audited):
        many, width = len(groups.labels) + 1, 2 + layout.metrics + 1
        blocks = block_count(many * K * width)
        sums[f"group_{i}"] = np.zeros((many * blocks * K, width))
        sums[f"group_counts_{i}"] = np.zeros((many, K + 1))
    return sums


def add_judged(
    sums: Arrays, judged: Judged, rows: Log, given: Decided, held: Bools, block: Floats
) -> None:
    """Add the rows that are held out of the sample to the sums.   held: (n,); block: (n,) draws."""
    p = judged.propensity(rows)
    judge = make_judge(rows, given.effects, p, judged.costs, judged.level, judged.objective)
    at = np.flatnonzero(held)
    w = np.ones(len(rows)) if rows.roles.weight is None else rows.numbers(rows.roles.weight)
    inverse = w / p[np.arange(len(rows)), rows.cells]
    own = np.column_stack([w, inverse])[at]
    choice, cells, draw = given.choice[at].astype(np.int64), rows.cells[at], block[at]
    cost = _chosen_cost(given)
    gains = judge.gains(given.choice)[:, : len(rows.metrics) + 1]
    values = _values(own, judge, gains, cost, at)
    K = len(rows.cell_names)
    add_rows(whole_numbers(draw, judged.layout.blocks) * K + cells, values, sums["values"])
    counts = np.bincount(1 + choice, minlength=K)
    expected = given.expected[at].sum(axis=0)
    sums["counts"] += np.r_[len(at), counts, expected, cost[at].sum()]
    sums["usage"] += _usage(judged.scorer, given, at)
    sums["behind"] += sides_of(cells, p[at], one_hot(choice, K - 1), w[at])
    sums["profile"] += _profile(judged, rows, choice >= 0, at)
    add_ranked(sums, judged.bins, judge.scores[at], given.effects.values[at], w[at], draw)
    for i, (column, groups) in enumerate(judged.audited):
        code = groups.codes(rows.table[column])[at]
        into = sums[f"group_{i}"]
        blocks = len(into) // (K * (len(groups.labels) + 1))
        place = (code * blocks + whole_numbers(draw, blocks)) * K + cells
        add_rows(place, np.column_stack([own, w[at, None] * gains[at]]), into)
        facts = np.column_stack([one_hot(choice, K - 1), cost[at]])
        add_rows(code, facts, sums[f"group_counts_{i}"])


def _chosen_cost(given: Decided) -> Floats:
    """The expected cost of each choice, (n,)."""
    place = np.maximum(given.choice, 0).astype(np.int64)
    cost = given.expected[np.arange(len(place)), place]
    return np.where(given.choice >= 0, cost, 0.0)


def _values(own: Floats, judge: Judge, gains: Floats, cost: Floats, at: Ints) -> Floats:
    """The columns of `Layout` of rows ``at``.   own: w and w / e of these, (r, 2)."""
    parts = (judge.scores.reshape(len(cost), -1), judge.spend[:, 1:], gains, cost[:, None])
    return np.concatenate([own, *(own[:, :1] * part[at] for part in parts)], axis=1)


def _usage(scorer: Scorer, given: Decided, at: Ints) -> Floats:
    """What the choices of rows ``at`` use of each demand, and the rows that it counts, (2, d)."""
    policy = scorer.policy
    if not policy.demands:
        return np.zeros((2, 0))
    groups = {name: labels[at] for name, labels in given.groups.items()}
    used = usage_of(policy, given.effects.take(at), given.expected[at], groups)
    taken = np.flatnonzero(given.choice[at] >= 0)
    choice, codes = given.choice[at][taken].astype(np.int64), used.rows.codes[taken]
    cost = np.broadcast_to(used.cost, (len(at), used.cube.shape[1]))[taken, choice]
    usage = []
    for r, quantity in enumerate(used.rows.quantity.tolist()):
        counted = used.rows.coefficient[r, codes, choice]
        amount: Floats | float = 1.0
        if quantity:
            place = used.columns[quantity - 2] if quantity > 1 else 0
            amount = cost if quantity == 1 else used.cube[taken, choice, place]
        usage.append(float((counted * amount).sum()))
    heads = [float(len(at))] * len(usage)
    for r, demand in enumerate(policy.demands):
        if demand.column is not None and demand.other == 0:
            labels = [label for label, _ in demand.factors]
            heads[r] = float(np.isin(groups[demand.column], labels).sum())
    return np.array([usage, heads])


def _profile(judged: Judged, rows: Log, offered: Bools, at: Ints) -> Floats:
    """(2, 3, d): rows with a value, sums of it from the centre and of its square, of those without
    and with an offer.   offered: of rows ``at``.
    """
    X, _ = matrix(judged.features.table(rows.features.take(pa.array(at))))
    there = np.isfinite(X)
    X = np.where(there, X - judged.centre, 0.0)
    sides = (np.flatnonzero(~offered), np.flatnonzero(offered))
    sums = [[there[s].sum(axis=0), X[s].sum(axis=0), np.square(X[s]).sum(axis=0)] for s in sides]
    return np.array(sums, np.float64)


def _tables(rows: Log, given: Decided, mine: Mine, start: int) -> tuple[pa.Table, pa.Table]:
    """Effects and assignments of rows; those of the sample's rows are what they have already."""
    values, baseline = given.effects.values.copy(), given.effects.baseline.copy()
    error = None if given.effects.std_error is None else given.effects.std_error.copy()
    expected, choice, score = given.expected.copy(), given.choice.copy(), given.score.copy()
    low, high = np.searchsorted(mine.rows, [start, start + len(rows)])
    at, some = mine.rows[low:high] - start, slice(low, high)
    values[at], baseline[at] = mine.effects.values[some], mine.effects.baseline[some]
    if error is not None and mine.effects.std_error is not None:
        error[at] = mine.effects.std_error[some]
    expected[at], choice[at], score[at] = mine.expected[some], mine.choice[some], mine.score[some]
    effects = replace(given.effects, values=values, baseline=baseline, std_error=error)
    unit, name = pa.array(np.arange(start, start + len(rows))), "row"
    if rows.roles.id is not None:
        unit, name = rows.table[rows.roles.id], rows.roles.id
    table = effects.to_table()
    table = table.append_column(free_name(name, table.column_names), unit)
    return table, assignments(unit, name, choice, score, expected, rows.cell_names)
