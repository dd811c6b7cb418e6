"""Rows that chose nothing judge: the shipped rule on every row that is not of the sample, by sums.

The model, the prices and the learnt propensity are functions of the sample alone; the other rows
are drawn independently of it.  Given the sample, the doubly robust score of such a row has the mean
effect for its mean wherever the propensity is known, so means of scores are free of the winner's
curse without any fold, and a policy of one rule is judged by all of them.

    values     (C, K, ...) w, w / e, w score of each cell and metric, w spend of each candidate,
               w gain of the rule and metric, w its spend, w its expected cost
               and of each arm that the log closes, of the rows it is open to: w, w / e, w score of
               control and w score of the arm by metric
    opened     (C', K, s, k, m + 1) where candidates are closed, by slot of `Patterns`: w gain and w
               spend of each where it is open
    cells, chances    (K,) rows by cell, and sums of propensities
    counts     rows, choices by cell, expected costs by candidate and of the choice, its worth by
               the model, to how many each candidate is open
    patterns   rows of each pattern of `Patterns`
    usage      of each demand, and the rows that it counts
    behind     the weights of the rows behind the value
    profile    (2, 3, d) of those without and with an offer: rows, x, x^2
    group_...  of each audited column: the same as values, by group
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from equipoise.allocation.rule import usage_of
from equipoise.artifacts.assignments import assignments
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.policy import Decided, Scorer
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.audit_groups import AuditGroups
from equipoise.core.columns import plain_table
from equipoise.core.effects import Effects
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.core.start import Start
from equipoise.learners.stacked_levels import Stack
from equipoise.pipeline.bounded.blocks import add_rows, block_count, row_weights, whole_numbers
from equipoise.pipeline.bounded.kept import Answer, Arrays
from equipoise.pipeline.bounded.keys import BLOCK, unit_draws
from equipoise.pipeline.bounded.layout import Layout, Patterns, patterns_of
from equipoise.pipeline.bounded.open_arms import OpenArms, open_to
from equipoise.pipeline.bounded.periods import periods_by
from equipoise.pipeline.bounded.population import Crowd
from equipoise.pipeline.bounded.pricing import worth_of
from equipoise.pipeline.bounded.propensity import Propensities
from equipoise.pipeline.bounded.rankings import Bins, add_ranked, empty_ranked
from equipoise.pipeline.bounded.sample import Asked
from equipoise.pipeline.bounded.scoring import Mine, effects_said, units_named, weights_said
from equipoise.pipeline.plan.money import Objective
from equipoise.pipeline.study.evaluator import Judge, make_judge, one_hot
from equipoise.pipeline.study.overlap import sides_of
from equipoise.scale.partitions import Partition

ASSIGNED, STAGE = "assignments", "judged"


@dataclass(frozen=True)
class Judged:
    """What rows are judged by: all of it from the sample, but for shares of arms and the bound.

    Attributes
    ----------
    asked : Asked
        What was read for the sample, by which units are known.
    log : Log
        Of some rows of the sample, for roles and space.
    scorer : Scorer
        What ships.
    costs : Costs
        What offers cost.
    objective : Objective
        What the policy is for.
    level : float
        Of the intervals.
    arms : OpenArms
        Which arms are open to whom in the whole log.
    chances : Propensities
        Of each cell.
    crowd : Crowd
        Who counts.
    moves : array, (P, K, m), or None
        The mean errors of levels in periods.
    stack : Stack or None
        How levels are stacked where propensities are learnt.
    features : FeatureMap
        Of the sample.
    centre : array, (d,)
        What their values count from.
    audited : tuple of (str, AuditGroups or Start)
        The groups of columns.
    bins : Bins
        Of predicted effects.
    bound : float or None
        No choice of the judged rows within the demands is worth more, by the model; None where
        nothing bounds it.
    """

    asked: Asked
    log: Log
    scorer: Scorer
    costs: Costs
    objective: Objective
    level: float
    arms: OpenArms
    chances: Propensities
    crowd: Crowd
    moves: Floats | None
    stack: Stack | None
    features: FeatureMap
    centre: Floats
    audited: tuple[tuple[str, AuditGroups | Start], ...]
    bins: Bins
    bound: float | None

    @cached_property
    def patterns(self) -> Patterns | None:
        """Which candidates may be open to a unit at a time; None where all always are."""
        if not self.scorer.limits and self.scorer.eligibility is None:
            return None
        return patterns_of(self.scorer, self.arms.sets[:, 1:], self.layout)

    @property
    def layout(self) -> Layout:
        """Of the sums."""
        closed = tuple(np.flatnonzero(self.arms.closed[1:]).tolist())
        return Layout(len(self.log.cell_names), len(self.log.metrics), closed)

    @property
    def uneven(self) -> bool:
        """Whether propensities differ by row."""
        said = self.log.roles.propensity or self.chances.model is not None
        return bool(said) or bool(self.arms.closed.any()) or self.chances.shares.uneven

    def levels(self, rows: Log, effects: Effects) -> Effects:
        """The effects with the levels that scores are made of."""
        if self.stack is None and self.moves is None:
            return effects
        levels = effects.levels()
        q = None if self.stack is None else self.chances.squares(rows)
        if self.stack is not None and q is not None:
            levels = self.stack.levels(levels, q)
        if self.moves is not None:
            levels = levels + self.moves[periods_by(rows, self.chances.starts)]
        values = levels[:, 1:] - levels[:, :1]
        return Effects(values, levels[:, 0], effects.candidates, effects.metrics)


@dataclass(frozen=True)
class Judging:
    """Judges the rows of a partition.   part : the partition, what its rows of the sample have, and
    the file of effects that were said already.
    """

    part: tuple[Partition, Mine, str]
    judged: Judged

    def answer(self) -> Answer:
        """The sums over the rows that are not of the sample; assignments of all that count."""
        part, mine, file = self.part
        sums, tables = empty_sums(self.judged), list[pa.Table]()
        asked, start = self.judged.asked, part.start or 0
        said, weights = effects_said(file), weights_said(file, self.judged.crowd)
        for batch in part.batches(asked.columns):
            table = plain_table(pa.Table.from_batches([batch]))
            rows = self.judged.log.more(table, start)
            place = start - (part.start or 0)
            known = said(place, len(rows))
            given = self.judged.scorer.decided(rows.table, start, known)
            draw = unit_draws(table, asked.roles, asked.seed, BLOCK)
            weight, others = weights(rows, place), mine.others(start, len(rows))
            self.judged.crowd.add(sums, rows, weight, others)
            held = others & (weight > 0)
            add_judged(sums, self.judged, rows, given, np.where(held, weight, 0.0), draw)
            own = _assigned(rows, given, mine, start)
            tables.append(own.filter(pa.array(mine.with_others(held, start))))
            start += len(rows)
        return Answer(sums, {ASSIGNED: pa.concat_tables(tables)})


def empty_sums(judged: Judged) -> Arrays:
    """The sums over no rows."""
    layout, K = judged.layout, len(judged.log.cell_names)
    demands = len(judged.scorer.policy.demands)
    d = len(judged.features.get_feature_names_out())
    sums = {
        "values": np.zeros((layout.blocks * K, layout.width)),
        "counts": np.zeros(3 + K + 2 * (K - 1)),
        "usage": np.zeros((2, demands)),
        "behind": np.zeros((2, 3)),
        "profile": np.zeros((2, 3, d)),
        "cells": np.zeros(K),
        "chances": np.zeros(K),
        **empty_ranked(judged.bins),
        **judged.crowd.empty(),
    }
    if judged.patterns is not None:
        sums |= judged.patterns.empty(K)
    for i, (_, groups) in enumerate(judged.audited):
        many, width = len(groups.labels) + 1, 2 + layout.metrics + 1
        blocks = block_count(many * K * width)
        sums[f"group_{i}"] = np.zeros((many * blocks * K, width))
        sums[f"group_counts_{i}"] = np.zeros((many, K + 1))
    return sums


def add_judged(
    sums: Arrays, judged: Judged, rows: Log, given: Decided, counting: Floats, block: Floats
) -> None:
    """Add the rows that are held out of the sample to the sums.   counting: (n,) how much each of
    them counts, 0 for others; block: (n,) draws.
    """
    p = judged.chances.of(rows)
    levels = judged.levels(rows, given.effects)
    judge = make_judge(rows, levels, p, judged.costs, judged.level, judged.objective)
    at, w = np.flatnonzero(counting), row_weights(rows, judged.crowd.usual) * counting
    inverse = w / p[np.arange(len(rows)), rows.cells]
    own = np.column_stack([w, inverse])[at]
    choice, cells, draw = given.choice[at].astype(np.int64), rows.cells[at], block[at]
    cost = _of(given.expected, given)
    gains = judge.gains(given.choice)[:, : len(rows.metrics) + 1]
    there = open_to(rows)[:, 1:]  # in the log
    offered = there if given.open_to is None else given.open_to  # by the policy
    values = _values(own, judge, (gains, cost), there, judged.layout, at)
    K = len(rows.cell_names)
    add_rows(whole_numbers(draw, judged.layout.blocks) * K + cells, values, sums["values"])
    if judged.patterns is not None:
        gain = judge.scores[at, 1:] - judge.scores[at, :1]
        each = np.concatenate([gain, judge.spend[at, 1:, None]], axis=2)
        judged.patterns.add(sums, w[at, None, None] * each, (cells, draw), offered[at])
    counts = np.bincount(1 + choice, minlength=K)
    expected, opened = (given.expected * offered)[at].sum(axis=0), offered[at].sum(axis=0)
    worth = _of(worth_of(judged.scorer.policy, given), given)[at].sum()
    sums["counts"] += np.r_[len(at), counts, expected, cost[at].sum(), worth, opened]
    sums["cells"] += np.bincount(cells, minlength=K)
    sums["chances"] += p[at].sum(axis=0)
    sums["usage"] += _usage(judged.scorer, given, at)
    sums["behind"] += sides_of(cells, p[at], one_hot(choice, K - 1), w[at])
    sums["profile"] += _profile(judged, rows, choice >= 0, at)
    ranked = judge.scores[at], given.effects.values[at], there[at]
    add_ranked(sums, judged.bins, *ranked, w[at], draw)
    for i, (column, groups) in enumerate(judged.audited):
        code = groups.codes(rows.table[column])[at]
        into = sums[f"group_{i}"]
        blocks = len(into) // (K * (len(groups.labels) + 1))
        place = (code * blocks + whole_numbers(draw, blocks)) * K + cells
        add_rows(place, np.column_stack([own, w[at, None] * gains[at]]), into)
        facts = np.column_stack([one_hot(choice, K - 1), cost[at]])
        add_rows(code, facts, sums[f"group_counts_{i}"])


def _of(values: Floats, given: Decided) -> Floats:
    """Values of candidates (n, k), those of each choice, 0 under control, (n,)."""
    place = np.maximum(given.choice, 0).astype(np.int64)
    return np.where(given.choice >= 0, values[np.arange(len(place)), place], 0.0)


def _values(
    own: Floats,
    judge: Judge,
    rule: tuple[Floats, Floats],
    there: Bools,
    layout: Layout,
    at: Ints,
) -> Floats:
    """The columns of `Layout` of rows ``at``.   own: w and w / e of these, (r, 2);  rule: its gains
    and its expected costs;  there: (n, k) what the log leaves open.
    """
    gains, cost = rule
    parts = [judge.scores.reshape(len(cost), -1), judge.spend[:, 1:], gains, cost[:, None]]
    columns = [own, *(own[:, :1] * part[at] for part in parts)]
    for a in layout.closed:
        arm = np.concatenate([judge.scores[at, 0], judge.scores[at, 1 + a]], axis=1)
        columns.append(np.where(there[at, a, None], np.c_[own, own[:, :1] * arm], 0.0))
    return np.concatenate(columns, axis=1)


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


def _assigned(rows: Log, given: Decided, mine: Mine, start: int) -> pa.Table:
    """The assignments of rows; those of the sample's rows are what they have already."""
    expected, choice, score = given.expected.copy(), given.choice.copy(), given.score.copy()
    at, some = mine.among(start, len(rows))
    expected[at], choice[at], score[at] = mine.expected[some], mine.choice[some], mine.score[some]
    unit, name = units_named(rows, start)
    return assignments(unit, name, choice, score, expected, rows.cell_names)
