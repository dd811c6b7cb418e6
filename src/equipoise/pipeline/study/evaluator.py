"""The judge: what any policy is worth, from doubly robust scores of rows whose outcomes no model of
theirs has seen.

    value of a policy = mean_i sum_a P_ia (score_iaj - score_i0j)        P: (n, K) probabilities of
    control and each candidate

Scores are unbiased for each row given cross-fitted levels and the log's propensity, so the value of
a policy that was chosen without these rows' outcomes is free of the winner's curse, and its
interval is that of a mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.artifacts.costs import Costs
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Assignment
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.periods import period_effects
from equipoise.core.scores import dr_scores
from equipoise.evaluation import mean_estimates
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.report.findings import Interval


@dataclass(frozen=True)
class Judge:
    """Values of policies on one log.

    Attributes
    ----------
    scores : (n, K, m) doubly robust scores of each metric under each cell.
    spend : (n, K) scores of the money spent under each cell, 0 under control.
    metrics : the m names.   weight : (n,) or None.   groups : (n,) codes or None.   level : of the
        intervals.   assignment : what each row got.
    """

    scores: Floats
    spend: Floats
    metrics: tuple[str, ...]
    weight: Floats | None
    groups: Ints | None
    level: float
    assignment: Assignment | None = None

    def gains(self, policy: Floats) -> Floats:
        """What each row adds to the gains over control and to the spend, (n, m + 1).   policy: (n,
        K).
        """
        gain = np.einsum("ik,ikm->im", policy, self.scores) - self.scores[:, 0]
        return np.column_stack([gain, (policy * self.spend).sum(axis=1)])

    def value(
        self, policy: Floats, rows: Ints | None = None
    ) -> tuple[dict[str, Interval], Interval]:
        """The gain over control per head in each metric, and the spend per head; of some rows or of
        all.
        """
        return self.intervals(self.gains(policy), rows)

    def difference(self, policy: Floats, rival: Floats) -> dict[str, Interval]:
        """The gain of one policy over another per head in each metric, paired row by row."""
        return self.intervals(self.gains(policy) - self.gains(rival), None)[0]

    def shipped(self, ruled: Ints, fold: Ints) -> tuple[dict[str, Interval], Interval]:
        """The gain and the spend per head of the rule that ships, on units it has not met: by the
        rows of its fold, whose outcomes chose nothing for it.   ruled: (n,) `Solved.ruled`.
        """
        rows = np.flatnonzero(fold == SHIPPED)
        if len(rows) < 2:
            unknown = [np.nan] * 3
            return {name: unknown for name in self.metrics}, unknown
        return self.value(one_hot(ruled, self.scores.shape[1] - 1), rows)

    def intervals(self, gains: Floats, rows: Ints | None) -> tuple[dict[str, Interval], Interval]:
        """Means of `gains` (n, m + 1) with intervals: of each metric, and of the spend."""
        keep = slice(None) if rows is None else rows
        weight = None if self.weight is None else self.weight[keep]
        groups = None if self.groups is None else self.groups[keep]
        got = (
            self.assignment
            if self.assignment is None or rows is None
            else self.assignment.take(rows)
        )
        estimates = mean_estimates(
            gains[keep], weight=weight, groups=groups, assignment=got, level=self.level
        )
        values = {name: estimates[j].interval for j, name in enumerate(self.metrics)}
        return values, estimates[len(self.metrics)].interval


def make_judge(log: Log, effects: Effects, propensity: Floats, costs: Costs, level: float) -> Judge:
    """The judge of a log whose effects are cross-fitted.   propensity: (n, K).

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
    return Judge(
        scores[:, :, : len(log.metrics)], spend, log.metrics, log.weight, log.groups, level, got
    )


def one_hot(choice: Ints, candidates: int) -> Floats:
    """A choice (n,), -1 = control, as a policy (n, 1 + k)."""
    hit: Floats = (choice[:, None] == np.arange(-1, candidates)).astype(np.float64)
    return hit
