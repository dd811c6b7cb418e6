"""The judge: what any policy is worth, from doubly robust scores of rows whose outcomes no model of
theirs has seen.

    value of a policy = mean_i sum_a P_ia (score_iaj - score_i0j)        P: (n, K) probabilities of
    control and each candidate

Scores are unbiased for each row given cross-fitted levels and the log's propensity, so the value of
a policy that was chosen without these rows' outcomes is free of the winner's curse.  Its interval
is that of a mean, with the covariance of the folds' errors where each fold has its rule (`swaps`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from equipoise.artifacts.costs import Costs
from equipoise.core.arrays import Floats, Ints
from equipoise.core.columns import free_name
from equipoise.core.effective_size import Assignment, Units, effective_units
from equipoise.core.effects import Effects
from equipoise.core.estimates import Estimates, around
from equipoise.core.log import Log
from equipoise.core.periods import period_effects
from equipoise.core.scores import dr_scores
from equipoise.evaluation.base import weighted_means
from equipoise.pipeline.plan.money import Objective
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.swaps import Swaps, covariance_part
from equipoise.report.findings import Interval

NET = "net"  # the name of the net worth beside the metrics


@dataclass(frozen=True)
class Money:
    """Net worth: its name beside the metrics, and what metrics and cost are worth, (m + 1,)."""

    name: str
    worth: Floats


@dataclass(frozen=True)
class Judge:
    """Values of policies on one log.

    Attributes
    ----------
    scores : (n, K, m) doubly robust scores of each metric under each cell.
    spend : (n, K) scores of the money spent under each cell, 0 under control.
    metrics : the m names.   weight : (n,) or None.   groups : (n,) codes or None.   level : of the
        intervals.   assignment : what each row got.   money : where the objective is money.
    """

    scores: Floats
    spend: Floats
    metrics: tuple[str, ...]
    weight: Floats | None
    groups: Ints | None
    level: float
    assignment: Assignment | None = None
    money: Money | None = None

    def gains(self, policy: Floats | Ints, rows: Ints | None = None) -> Floats:
        """What each row adds to the gains over control and to the spend, (n, m + 1), and behind
        them to the net worth where the objective is money.   policy: of the rows, probabilities
        (n, K), or choices (n,), -1 control, which cost a small part of the time.
        """
        if policy.ndim == 1:
            at = np.arange(len(self.scores)) if rows is None else rows
            gain = self.scores[at, 1 + policy] - self.scores[at, 0]
            gains = np.column_stack([gain, self.spend[at, 1 + policy]])
        else:
            keep = slice(None) if rows is None else rows
            scores, spend = self.scores[keep], self.spend[keep]
            gain = np.einsum("ik,ikm->im", policy, scores) - scores[:, 0]
            gains = np.column_stack([gain, (policy * spend).sum(axis=1)])
        return gains if self.money is None else np.column_stack([gains, gains @ self.money.worth])

    def net(self, policy: Floats | Ints) -> Floats:
        """What each row adds to the net worth, weighted, (n,); where the objective is money."""
        net: Floats = self.gains(policy)[:, -1]
        return net if self.weight is None else net * self.weight

    def value(
        self, policy: Floats | Ints, rows: Ints | None = None, swaps: Swaps | None = None
    ) -> tuple[dict[str, Interval], Interval]:
        """The gain over control per head in each metric, and the spend per head; of some rows or of
        all.   swaps: of a policy of which each fold has learnt its part.
        """
        return self.intervals(self.gains(policy), rows, swaps)

    def objective(
        self, policy: Floats | Ints, weights: Mapping[str, float], swaps: Swaps | None = None
    ) -> Interval | None:
        """The weighted sum of the gains per head, where it has several metrics and is no money."""
        if self.money is not None or sum(map(bool, weights.values())) < 2:
            return None
        worth = np.array([*(weights[name] for name in self.metrics), 0.0])
        name = free_name("objective", self.metrics)
        return replace(self, money=Money(name, worth)).value(policy, swaps=swaps)[0][name]

    def difference(
        self, policy: Floats | Ints, rival: Floats | Ints, swaps: Swaps | None = None
    ) -> dict[str, Interval]:
        """The gain of one policy over another per head in each metric, paired row by row."""
        return self.intervals(self.gains(policy) - self.gains(rival), None, swaps)[0]

    def shipped(self, ruled: Ints, fold: Ints) -> tuple[dict[str, Interval], Interval]:
        """The gain and the spend per head of the rule that ships, on units it has not met: by the
        rows of its fold, whose outcomes chose nothing for it.   ruled: (n,) `Solved.ruled`.
        """
        rows = np.flatnonzero(fold == SHIPPED)
        if len(rows) < 2:
            unknown = [np.nan] * 3
            names = (*self.metrics, *(() if self.money is None else (self.money.name,)))
            return dict.fromkeys(names, unknown), unknown
        return self.value(ruled, rows)

    def intervals(
        self, gains: Floats, rows: Ints | None, swaps: Swaps | None = None
    ) -> tuple[dict[str, Interval], Interval]:
        """Means of `gains` with intervals: of each metric, behind them of the net worth, and of the
        spend.
        """
        estimates = self.estimates(gains, rows, () if swaps is None else (swaps,))
        values = {name: estimates[j].interval for j, name in enumerate(self.metrics)}
        if self.money is not None:
            values[self.money.name] = estimates[-1].interval
        return values, estimates[len(self.metrics)].interval

    def estimates(
        self, gains: Floats, rows: Ints | None = None, swaps: Sequence[Swaps] = ()
    ) -> Estimates:
        """Means of `gains`, or of what one policy's are above another's, in the order of their
        columns.   swaps: of every policy among them of which each fold has learnt its part.
        """
        every = np.arange(len(gains)) if rows is None else rows
        kept = gains if rows is None else gains[rows]
        units = self.units(every)
        mean = weighted_means(kept, units.weight)
        error, df = units.errors(kept - mean)
        for own in swaps:
            error, df = self._with_covariance(error, df, every, own)
        return around(mean, error, df, level=self.level)

    def units(self, rows: Ints) -> Units:
        """The independent units of some rows."""
        return self._all_units if len(rows) == len(self.scores) else self._units(rows)

    @cached_property
    def _all_units(self) -> Units:
        return self._units(np.arange(len(self.scores)))

    def _units(self, rows: Ints) -> Units:
        return effective_units(
            np.ones(len(rows)) if self.weight is None else self.weight[rows],
            groups=None if self.groups is None else self.groups[rows],
            assignment=None if self.assignment is None else self.assignment.take(rows),
        )

    def _with_covariance(
        self, error: Floats, df: Floats, rows: Ints, swaps: Swaps
    ) -> tuple[Floats, Floats]:
        """Standard errors of means of some rows with the covariance of folds, and their df."""
        if swaps.rows is None:
            return error * np.sqrt(1 + swaps.guess), df
        swaps = swaps if len(rows) == len(self.scores) else swaps.take(rows)
        if swaps.rows is None or len(swaps.rows) < 2:
            return error, df
        variance, own_df = self._covariance(swaps, swaps.rows)
        extra = variance * swaps.share * len(swaps.rows) / len(rows)
        total = error**2 + extra
        with np.errstate(divide="ignore", invalid="ignore"):
            together = total**2 / (error**4 / df + extra**2 / own_df)
        return np.sqrt(total), np.where(extra > 0, together, df)

    def _covariance(self, swaps: Swaps, rows: Ints) -> tuple[Floats, Floats]:
        """The variance of what swaps change, and its df; once for swaps that are asked again."""
        known = self._covariances.get(id(swaps))
        if known is not None and known[0] is swaps:
            return known[1:]
        aim, units = swaps.aim(self.metrics), self.units(rows)
        aim = np.pad(aim, (0, self.money is not None))
        gains = [self.gains(choice, rows) for choice in swaps.choices]
        parts = [covariance_part(a - b, aim, units) for a, b in pairwise(gains)]
        variance = np.nan_to_num([part for part, _ in parts]).mean(axis=0)
        self._covariances.clear()
        self._covariances[id(swaps)] = swaps, variance, parts[0][1]
        return variance, parts[0][1]

    @cached_property
    def _covariances(self) -> dict[int, tuple[Swaps, Floats, Floats]]:
        return {}


def make_judge(
    log: Log,
    effects: Effects,
    propensity: Floats,
    costs: Costs,
    level: float,
    objective: Objective | None = None,
) -> Judge:
    """The judge of a log whose effects are cross-fitted.   propensity: (n, K).   objective: what
    a policy is for; net worth is measured where it is money.

    Where the log has periods, each level is moved by its mean error in the period: with the shares
    of the period as propensities no value changes, and intervals are free of what time did.
    """
    y = np.stack([log.numbers(name) for name in effects.metrics], axis=1)
    levels, cell = effects.levels(), log.cells
    if log.periods is not None:
        residual = y - levels[np.arange(len(y)), cell]
        levels = levels + period_effects(residual, log.periods, cell, levels.shape[1], log.weight)
    scores = dr_scores(y, cell, propensity, levels)
    spend = costs.spend_scores(scores, effects.metrics, log.table)
    own = propensity[np.arange(len(log)), log.cells]
    got = Assignment(log.cells, own, propensity.shape[1], fixed=False)
    own_scores, money = scores[:, :, : len(log.metrics)], None
    if objective is not None and objective.is_money:
        worth = [*(objective.weights[name] for name in log.metrics), -objective.cost_weight]
        money = Money(free_name(NET, log.metrics), np.array(worth))
    return Judge(own_scores, spend, log.metrics, log.weight, log.groups, level, got, money)


def one_hot(choice: Ints, candidates: int) -> Floats:
    """A choice (n,), -1 = control, as a policy (n, 1 + k)."""
    hit: Floats = (choice[:, None] == np.arange(-1, candidates)).astype(np.float64)
    return hit
