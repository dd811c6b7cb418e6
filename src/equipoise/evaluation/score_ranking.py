"""Ranking by a score: one candidate, one metric, rows from the largest score to the smallest.  What
every ranking metric and curve reads.

`rank_by_score` sorts once; columns in ranked order are gathered when a metric first asks for them.
A bootstrap replicate is the same ranking with other weights (`ScoreRanking.reweighted`): nothing is
sorted or gathered again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import Assignment, Units, critical, effective_units
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.sorting import RankedScores, sort_scores


@dataclass(frozen=True)
class RankedColumns:
    """Columns of evaluation data in ranked order, each gathered once, for every set of weights.

    Attributes
    ----------
    by : array, (n,)
        The score of each row, in the order of the rows.
    ranked : RankedScores
        The order and its ties.
    rows : EvaluationData
        The rows.
    candidate, metric : int
        Which candidate, and which column of y.
    """

    by: Floats
    ranked: RankedScores
    rows: EvaluationData
    candidate: int
    metric: int

    @cached_property
    def score(self) -> Floats:
        """The scores that rank, (n,)."""
        return self.ranked.of(self.by)

    @cached_property
    def gain(self) -> Floats:
        """The doubly robust scores of candidate against control, (n,)."""
        return self.ranked.of(self.rows.gain(self.candidate, self.metric))

    @cached_property
    def outcome(self) -> Floats:
        """The metric's y, (n,)."""
        return self.ranked.of(np.ascontiguousarray(self.rows.y[:, self.metric]))

    @cached_property
    def arm(self) -> NDArray[np.int8]:
        """1 candidate, 0 control, -1 any other cell, (n,)."""
        cell = self.rows.cell[self.ranked.order]
        return np.where(cell == 0, 0, np.where(cell == 1 + self.candidate, 1, -1)).astype(np.int8)

    @cached_property
    def assignment(self) -> Assignment:
        """What each row got."""
        got = self.rows.assignment
        own = got.probability if got.fixed else self.ranked.of(got.probability)
        return Assignment(got.cell[self.ranked.order], own, got.cells, got.fixed)

    @cached_property
    def group(self) -> Ints | None:
        """Cluster codes, (n,), or None."""
        return None if self.rows.groups is None else self.rows.groups[self.ranked.order]


@shown
@dataclass(frozen=True)
class ScoreRanking:
    """Rows of one candidate against control on one metric, ranked by a score.

    `rank_by_score` makes it.  Every array is in ranked order, from the largest score.

    Attributes
    ----------
    columns : RankedColumns
        What does not depend on weights.
    weight : array, (n,)
        Weight of each row, >= 0.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> ranking = rank_by_score([0.1, 0.4, 0.3, 0.2], rows)
    >>> ranking.score.tolist(), ranking.arm.tolist()
    ([0.4, 0.3, 0.2, 0.1], [0, 1, 0, 1])
    """

    columns: RankedColumns
    weight: Floats

    def __len__(self) -> int:
        return len(self.columns.ranked)

    @property
    def candidate(self) -> int:
        """The candidate that is ranked for."""
        return self.columns.candidate

    @property
    def metric(self) -> int:
        """The column of y."""
        return self.columns.metric

    @property
    def rows(self) -> EvaluationData:
        """The rows, in their own order."""
        return self.columns.rows

    @property
    def ranked(self) -> RankedScores:
        """The order and its ties."""
        return self.columns.ranked

    @property
    def last(self) -> Bools:
        """Whether a rank is the last of its ties, (n,)."""
        return self.columns.ranked.last

    @property
    def score(self) -> Floats:
        """The scores that rank, (n,)."""
        return self.columns.score

    @property
    def gain(self) -> Floats:
        """The doubly robust scores of candidate against control, (n,)."""
        return self.columns.gain

    @property
    def outcome(self) -> Floats:
        """The metric's y, (n,)."""
        return self.columns.outcome

    @property
    def arm(self) -> NDArray[np.int8]:
        """1 candidate, 0 control, -1 any other cell, (n,)."""
        return self.columns.arm

    @property
    def group(self) -> Ints | None:
        """Cluster codes, (n,), or None."""
        return self.columns.group

    @cached_property
    def units(self) -> Units:
        """The independent units of each arm, in ranked order."""
        return effective_units(self.weight, groups=self.group, assignment=self.columns.assignment)

    @property
    def typical(self) -> float:
        """Degrees of freedom of candidate against control, were all rows' gains alike."""
        return self.units.typical([0, 1 + self.candidate])

    def reweighted(self, weight: Floats) -> ScoreRanking:
        """The same ranking with other weights.

        Parameters
        ----------
        weight : array, (n,)
            Weights >= 0 in ranked order.

        Returns
        -------
        ScoreRanking
            It shares the columns of this one.
        """
        return replace(self, weight=weight)


def rank_by_score(
    score: ArrayLike, rows: EvaluationData, *, candidate: int = 0, metric: int = 0
) -> ScoreRanking:
    """Rank rows by the predicted effect of a candidate, for judging it on one metric.

    Parameters
    ----------
    score : array-like, (n,)
        The predicted effect of the candidate; only its order counts.
    rows : EvaluationData
        The rows, not those that the score was learnt from; those that the candidate is closed
        to are left out.
    candidate : int, default 0
        The candidate, in 0..k-1; control is not one.
    metric : int, default 0
        The column of y.

    Returns
    -------
    ScoreRanking
        For `qini`, `autoc`, `gain_curve` and their like.

    Raises
    ------
    InputError
        Where lengths differ, a score is NaN, or there is no such candidate or metric.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, qini
    >>> rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> qini(rank_by_score([3, 2, 1, 0], rows)).value
    0.125
    """
    ranked = sort_scores(score)
    if len(ranked) != len(rows):
        raise InputError("score", f"have one entry per row of y ({len(rows)})", len(ranked))
    if not 0 <= candidate < rows.candidates:
        must, fix = f"lie in 0..{rows.candidates - 1}", "control is not a candidate"
        raise InputError("candidate", must, candidate, fix=fix)
    if not 0 <= metric < rows.y.shape[1]:
        raise InputError("metric", f"lie in 0..{rows.y.shape[1] - 1}", metric)
    judged, opened = rows.judged(candidate)
    if judged is not rows:
        score, rows = np.asarray(score, np.float64)[opened], judged
        ranked = sort_scores(score)
    columns = RankedColumns(np.asarray(score, np.float64), ranked, rows, candidate, metric)
    return ScoreRanking(columns, ranked.of(rows.weight) if rows.weighted else rows.weight)


@shown
@dataclass(frozen=True)
class Metric:
    """A number that says how well a score ranks units; called on a `ScoreRanking` it gives an
    `Estimate`.

    Attributes
    ----------
    name : str
        Its name in `METRICS`.
    formula : str
        Its definition in a line.
    unit : {"outcome", "total", "ratio"}
        "outcome" is per unit of population, in the outcome's unit.
    value : callable
        The number of a `ScoreRanking`.
    influence : callable, default None
        The number with its centred influence values (n,) in ranked order; None where none are
        known: `bootstrap` then gives the interval.

    Examples
    --------
    >>> from equipoise.evaluation import qini
    >>> qini.name, qini.unit
    ('qini', 'outcome')
    """

    name: str
    formula: str
    unit: str
    value: Callable[[ScoreRanking], float]
    influence: Callable[[ScoreRanking], tuple[float, Floats]] | None = None

    def __call__(self, ranking: ScoreRanking, *, level: float = 0.95) -> Estimate:
        if not isinstance(ranking, ScoreRanking):
            fix = "make one by rank_by_score(data, score, candidate, metric)"
            what = f"what {self.name} is of"
            raise InputError(what, "be a ScoreRanking", f"a {type(ranking).__name__}", fix=fix)
        if self.influence is None:
            return Estimate(self.value(ranking), np.nan, np.nan, np.nan)
        value, psi = self.influence(ranking)
        error, df = (float(part[0]) for part in ranking.units.errors(psi[:, None]))
        reach = float(critical(level, df)) * error
        return Estimate(value, error, value - reach, value + reach, df)
