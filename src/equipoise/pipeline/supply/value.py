"""What mixes are worth, without an A/B test, on rows that they were not learnt from.

    whole    everybody gets the mix.  No log has enough rows near one mix to weigh them, so this
    stands on the form of curves;
             three judges say it, and the interval spans those of all three:
               curves    sum_c n_c (mean phi(mix) - mean phi(T))' Theta_c by DML on the judging
               rows, phi cubic with products
               trees     the same, nuisances boosted trees
               levels    cubic curves and boosted trees of what they leave over, learnt on the other
               rows
    step     everybody's own mix goes a part of the way, each category by a factor: t r^a / sum, r =
    mix / today.  Doubly robust
             (`evaluation.shift`), so it stands on either of two models; refused where too few rows
             are left.

Neither sees what the log does not record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import critical
from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.core.progress import Progress, silent
from equipoise.estimators import BoostedTrees
from equipoise.evaluation.shift import ShiftValue, shift_value
from equipoise.learners.base_learners import predict_all
from equipoise.learners.crossfit import Nuisance, learn_targets
from equipoise.learners.density_ratio import learn_ratio, shifted
from equipoise.learners.tables import Table
from equipoise.pipeline.supply.curve_methods import LEAST, coefficients
from equipoise.pipeline.supply.exposures import Exposures, with_control
from equipoise.pipeline.supply.optimise import ClusterMixes, SupplyTask, learn, learn_clusters

DEGREE = 3  # of the judging curves
PARTS = (0.1, 0.25, 0.5)  # of the way
FLOOR = 0.2  # the smallest factor: a share of nothing cannot be divided back
TREES = BoostedTrees(n_estimators=60, num_leaves=15)
JUDGES: dict[str, dict[str, Any]] = {
    "curves": {},
    "trees": {"outcome_model": TREES, "treatment_model": TREES, "cv": 2},
}
TODAY = "today's mean mix"

Level = Callable[[Floats, Floats], Floats]  # users (n, d), mixes (n, K) -> (n, m)


@dataclass(frozen=True)
class Gain:
    """A gain a head as each judge says it.   value, variance: (judges, m); df: degrees of freedom
    that the units of the judging rows leave.
    """

    value: Floats
    variance: Floats
    df: float = np.inf

    def intervals(self, level: float) -> list[list[float]]:
        """[mean of the judges, lowest low, highest high] of each metric."""
        reach = critical(level, self.df) * np.sqrt(self.variance)
        ends = (
            self.value.mean(axis=0),
            (self.value - reach).min(axis=0),
            (self.value + reach).max(axis=0),
        )
        return np.column_stack(ends).tolist()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Valuation:
    """All folds together.   whole: way -> gain; against: rival -> the chosen way's gain over it;
    steps: part -> its value.
    """

    logged: Floats
    whole: dict[str, Gain]
    against: dict[str, Gain]
    steps: dict[float, ShiftValue]


@dataclass(frozen=True)
class _Fold:
    """One fold: the held-out rows by the clusters learnt elsewhere, and what was learnt there."""

    task: SupplyTask
    learnt_on: Exposures
    held_out: Exposures
    solution: ClusterMixes
    mine: list[Ints]  # of learnt_on, by cluster
    theirs: list[Ints]  # of held_out
    levels: list[Level]

    def gain(self, mixes: Floats, other: Floats, judges: list[list[tuple[Floats, Floats]]]) -> Gain:
        """The gain of mixes over others, (n, K) both."""
        value, variance = (
            np.zeros((len(judges) + 1, self.held_out.y.shape[1])),
            np.zeros((len(judges) + 1, self.held_out.y.shape[1])),
        )
        whole = self.held_out.weight.sum()
        for c, rows in enumerate(self.theirs):
            w, space = self.held_out.weight[rows], _space(self.task, self.solution.reach[c].today)
            move = w @ (space.encode(mixes[rows]) - space.encode(other[rows])) / whole
            for j, judge in enumerate(judges):
                theta, covariance = judge[c]
                value[j] += move @ theta
                variance[j] += np.einsum("p,mpq,q->m", move, covariance, move)
            if len(rows):
                X, each = self.held_out.X[rows], self.levels[c]
                more = each(X, mixes[rows]) - each(X, other[rows])
                value[-1] += w @ more / whole
                variance[-1] += w**2 @ (more - np.average(more, axis=0, weights=w)) ** 2 / whole**2
        return Gain(value, variance)

    def step(self, mixes: Floats, part: float) -> tuple[Floats, Floats, Floats]:
        """Levels (n, m) before and after a step, and its ratio (n,), for held-out rows."""
        before, after, ratio = (
            np.empty_like(self.held_out.y),
            np.empty_like(self.held_out.y),
            np.empty(len(self.held_out)),
        )
        own = self.solution.mixes(self.learnt_on.X)
        for c, reach in enumerate(self.solution.reach):
            mine, theirs = self.mine[c], self.theirs[c]
            if not len(theirs):
                continue
            here, there = self.learnt_on.take(mine), self.held_out.take(theirs)
            factor, moved = (
                _factor(own[mine], reach.today, part),
                _factor(mixes[theirs], reach.today, part),
            )
            ratio[theirs] = learn_ratio(here.X, here.T, factor, here.weight)(
                there.X, there.T, moved
            )
            before[theirs] = self.levels[c](there.X, there.T)
            after[theirs] = self.levels[c](there.X, shifted(there.T, moved))
        return before, after, ratio


def value(
    task: SupplyTask,
    rows: Exposures,
    ways: tuple[str, ...],
    folds: int,
    level: float,
    progress: Progress = silent,
) -> Valuation:
    """Judge ways, the chosen one first, each learnt on the other folds; and today's mean mix for
    everybody, a rival of all.
    """
    fold = fold_ids(len(rows), folds, task.seed, groups=rows.groups)
    whole: dict[str, list[Gain]] = {way: [] for way in (*ways, TODAY)}
    against: dict[str, list[Gain]] = {way: [] for way in (*ways[1:], TODAY)}
    shape = rows.y.shape
    steps = {part: (np.empty(shape), np.empty(shape), np.empty(shape[0])) for part in PARTS}
    size = []
    for f in range(folds):
        progress("value on held-out rows", f, folds)
        inside = np.flatnonzero(fold == f)
        learnt_on, held_out = rows.take(np.flatnonzero(fold != f)), rows.take(inside)
        clusters = learn_clusters(task, learnt_on)
        solutions = {way: learn(task, learnt_on, way, clusters) for way in ways}
        one = _fold(task, learnt_on, held_out, solutions[ways[0]])
        judges = [_judging(one, models) for models in JUDGES.values()]
        mixes = {way: solution.mixes(held_out.X) for way, solution in solutions.items()}
        mixes[TODAY] = np.stack([reach.today for reach in one.solution.reach])[
            one.solution.labels(held_out.X)
        ]
        for way, gains in whole.items():
            gains.append(one.gain(mixes[way], held_out.T, judges))
        for way, gains in against.items():
            gains.append(one.gain(mixes[ways[0]], mixes[way], judges))
        for part, arrays in steps.items():
            for store, found_part in zip(arrays, one.step(mixes[ways[0]], part), strict=True):
                store[inside] = found_part
        size.append(held_out.weight.sum() / rows.weight.sum())
    progress("value on held-out rows", folds, folds)
    shifts = {
        part: shift_value(rows.y, *arrays, weight=rows.weight, groups=rows.groups, level=level)
        for part, arrays in steps.items()
    }
    df = rows.degrees(1)
    return Valuation(
        rows.weight @ rows.y / rows.weight.sum(),
        _pooled(whole, size, df),
        _pooled(against, size, df),
        shifts,
    )


def _pooled(gains: dict[str, list[Gain]], size: list[float], df: float = np.inf) -> dict[str, Gain]:
    """The gains over folds: their rows are different ones."""
    p = np.array(size)[:, None, None]
    return {
        way: Gain(
            (p * np.stack([one.value for one in each])).sum(axis=0),
            (p**2 * np.stack([one.variance for one in each])).sum(axis=0),
            df,
        )
        for way, each in gains.items()
    }


def _fold(
    task: SupplyTask, learnt_on: Exposures, held_out: Exposures, solution: ClusterMixes
) -> _Fold:
    label, new = solution.labels(learnt_on.X), solution.labels(held_out.X)
    mine, theirs = (
        [np.flatnonzero(of == c) for c in range(len(solution.size))] for of in (label, new)
    )
    levels = [
        _levels(task, learnt_on.take(rows), reach.today)
        for rows, reach in zip(mine, solution.reach, strict=True)
    ]
    return _Fold(task, learnt_on, held_out, solution, mine, theirs, levels)


def _space(task: SupplyTask, today: Floats) -> Any:
    return with_control(task.space, today, degree=DEGREE, crosses=task.plan.crowding)


def _judging(one: _Fold, models: dict[str, Any]) -> list[tuple[Floats, Floats]]:
    """Theta and its covariance on the held-out rows of each cluster."""
    judges = []
    for c, rows in enumerate(one.theirs):
        space, part = _space(one.task, one.solution.reach[c].today), one.held_out.take(rows)
        needed = LEAST * space.encode(space.control[None]).shape[1]
        if len(rows) < needed:
            fix = "ask for fewer clusters or folds, or log more"
            raise InputError(
                f"cluster {c + 1} in a fold",
                f"have at least {needed} rows to be judged by",
                len(rows),
                fix=fix,
            )
        judges.append(coefficients(space, part, part.T, one.task.seed, **models))
    return judges


def _factor(mixes: Floats, today: Floats, part: float) -> Floats:
    """By what each category goes up or down, (n, K)."""
    factor: Floats = (np.maximum(mixes, FLOOR * today) / np.maximum(today, 1e-9)) ** part
    return factor


def _levels(task: SupplyTask, rows: Exposures, today: Floats) -> Level:
    """The expected level of users shown mixes: cubic curves, and boosted trees of what these leave
    over.
    """
    space = _space(task, today)
    theta, _ = coefficients(space, rows, rows.T, task.seed)
    rest, both = rows.y - space.encode(rows.T) @ theta, Table(np.hstack([rows.X, rows.T]), ())
    models = learn_targets(TREES, both, Nuisance(None, rest), None, rows.weight, task.seed)

    def level(X: Floats, T: Floats) -> Floats:
        mean: Floats = space.encode(T) @ theta + predict_all(models, np.hstack([X, T])).T
        return mean

    return level
