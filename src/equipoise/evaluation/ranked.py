"""Ranking: one candidate, one metric, rows from the largest score to the smallest.  What every
ranking metric and curve reads.

`rank` sorts once; columns in ranked order are gathered when a metric first asks for them.  A
bootstrap replicate is the same ranking with other weights (`reweighted`): nothing is sorted again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.evaluation.base import Estimate, critical, std_errors
from equipoise.evaluation.evidence import Evidence
from equipoise.evaluation.sorting import RankedScores, sort_scores


@dataclass(frozen=True)
class Ranking:
    """Rows of one candidate against control on one metric, ranked by a score; made by `rank`."""

    by: Floats
    ranked: RankedScores
    rows: Evidence
    candidate: int
    metric: int

    def __len__(self) -> int:
        return len(self.ranked)

    @property
    def last(self) -> Bools:
        """Whether a rank is the last of its ties, (n,)."""
        return self.ranked.last

    @cached_property
    def score(self) -> Floats:
        """The scores that rank, (n,) in ranked order."""
        return self.ranked.of(self.by)

    @cached_property
    def gain(self) -> Floats:
        """The scores of candidate against control, (n,) in ranked order."""
        return self.ranked.of(self.rows.gain(self.candidate, self.metric))

    @cached_property
    def weight(self) -> Floats:
        """(n,) in ranked order."""
        return self.ranked.of(self.rows.weight) if self.rows.weighted else self.rows.weight

    @cached_property
    def outcome(self) -> Floats:
        """y of the metric, (n,) in ranked order."""
        return self.ranked.of(np.ascontiguousarray(self.rows.y[:, self.metric]))

    @cached_property
    def arm(self) -> NDArray[np.int8]:
        """1 candidate, 0 control, -1 any other cell, (n,) in ranked order."""
        cell = self.rows.cell[self.ranked.order]
        return np.where(cell == 0, 0, np.where(cell == 1 + self.candidate, 1, -1)).astype(np.int8)

    @cached_property
    def group(self) -> Ints | None:
        """Cluster codes, (n,) in ranked order, or None."""
        return None if self.rows.groups is None else self.rows.groups[self.ranked.order]

    def reweighted(self, weight: Floats) -> Ranking:
        """The same ranking with other weights >= 0, (n,) in ranked order."""
        other = copy.copy(self)
        other.__dict__["weight"] = weight
        return other


def rank(score: ArrayLike, rows: Evidence, *, candidate: int = 0, metric: int = 0) -> Ranking:
    """Rank rows by a score (n,), the predicted effect of ``candidate``, for judging it on one
    metric of y.

    Examples
    --------
    >>> from equipoise.evaluation import observe, qini
    >>> rows = observe([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> qini(rank([3, 2, 1, 0], rows)).value
    0.125
    """
    ranked = sort_scores(score)
    if len(ranked) != len(rows):
        raise InputError("score", f"have one entry per row of y ({len(rows)})", len(ranked))
    if not 0 <= candidate < rows.candidates:
        raise InputError(
            "candidate",
            f"lie in 0..{rows.candidates - 1}",
            candidate,
            fix="control is not a candidate",
        )
    if not 0 <= metric < rows.y.shape[1]:
        raise InputError("metric", f"lie in 0..{rows.y.shape[1] - 1}", metric)
    return Ranking(np.asarray(score, np.float64), ranked, rows, candidate, metric)


@dataclass(frozen=True)
class Metric:
    """A number that says how well a score ranks units; call it on a `Ranking` to get an `Estimate`.

    Attributes
    ----------
    name : its name in `METRICS`.   formula : its definition in a line.   unit : "outcome" (per
        head), "total" or "ratio".
    value : the number of a ranking.
    influence : the number with its centred influence values (n,) in ranked order, or None where
        none are known: `bootstrap` then
        gives the interval.
    """

    name: str
    formula: str
    unit: str
    value: Callable[[Ranking], float]
    influence: Callable[[Ranking], tuple[float, Floats]] | None = None

    def __call__(self, ranking: Ranking, *, level: float = 0.95) -> Estimate:
        if self.influence is None:
            return Estimate(self.value(ranking), np.nan, np.nan, np.nan)
        value, psi = self.influence(ranking)
        error = float(std_errors(psi[:, None], ranking.weight, ranking.group)[0])
        reach = critical(level) * error
        return Estimate(value, error, value - reach, value + reach)
