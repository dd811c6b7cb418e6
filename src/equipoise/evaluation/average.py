"""Average effects of every candidate on every metric, with intervals and p-values.

By doubly robust row values (AIPW; Robins, Rotnitzky & Zhao 1994), which without a model of the
levels is the difference of weighted means (Hajek); by `snips` it is that difference in any case.
On the treated, those who got candidate a, it is (Mercatanti & Li 2014)

    mean of 1{c = a} (y - mu_0) - (e_a / e_0) 1{c = 0} (y - mu_0)   over the share of 1{c = a}

right if either mu_0 or e is; who got a says nothing of mu_a, so no model of it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.estimates import Estimates, around
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.lift import relative_lift
from equipoise.evaluation.multiplicity import holm
from equipoise.evaluation.off_policy import Decisions, Method, dr
from equipoise.learners.empirical_bayes import pooled

LEAST_ARMS = 3  # that tell how effects of arms are spread


@shown
@dataclass(frozen=True)
class AverageEffects:
    """Average effects of every candidate on every metric.

    Attributes
    ----------
    control : Estimates, (m,)
        The mean outcome under control.
    effect : Estimates, (k, m)
        The mean change under each candidate, among the rows that it is open to.
    arm_error : array, (k, m), default None
        The standard error of each candidate's own mean, which control's noise has no part in; None
        where it is not known.
    lift : Estimates, (k, m), default None
        The effects as shares of control's mean among the same rows, with Fieller's intervals,
        which hold 0 where the effects' do; NaN where that mean is not surely above 0, or the metric
        has values below 0.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> average_effects(rows).effect[0, 0].value
    4.0
    """

    control: Estimates
    effect: Estimates
    arm_error: Floats | None = None
    lift: Estimates | None = None

    @property
    def adjusted(self) -> Floats:
        """P-values of the k m effects, (k, m), adjusted for being so many (Holm): the chance that
        any effect that is 0 is told from 0 by them at a level is at most the level.
        """
        shape = self.effect.value.shape
        return holm(self.effect.p_value.ravel()).reshape(shape)

    def shrunk(self, level: float = 0.95) -> Estimates:
        """The effects drawn towards what all arms show, (k, m), by empirical Bayes: the largest of
        many estimates is the luckiest, and the largest of these is not.

        Parameters
        ----------
        level : float, default 0.95
            Of the intervals.

        Returns
        -------
        Estimates, (k, m)
            The effects as they are where there are fewer than `LEAST_ARMS`, or one is not known.
            The noise of control, which all effects share, draws none of them.

        Examples
        --------
        >>> from equipoise.core.estimates import around
        >>> effect = around(np.array([[0.0], [1.0], [2.0]]), np.full((3, 1), 1.0), level=0.95)
        >>> AverageEffects(effect, effect, np.full((3, 1), 0.9)).shrunk().value.round(2).tolist()
        [[1.0], [1.0], [1.0]]
        """
        value, error = self.effect.value, self.effect.std_error
        own = error if self.arm_error is None else np.minimum(self.arm_error, error)
        if len(value) < LEAST_ARMS or not np.isfinite([value, error, own]).all():
            return around(value, error, self.effect.df, level=level)
        means, errors = np.empty_like(value), np.empty_like(error)
        for j, (theta, mine) in enumerate(zip(value.T, own.T, strict=True)):
            drawn, left = pooled(theta[:, None], mine[:, None, None] ** 2, [np.array([0])])
            means[:, j] = drawn[:, 0]
            common = error[:, j] ** 2 - mine**2  # of control
            errors[:, j] = np.sqrt(left[:, 0, 0] + common)
        return around(means, errors, level=level)


def average_effects(
    rows: EvaluationData, *, method: Method = dr, level: float = 0.95
) -> AverageEffects:
    """The average effect of each candidate against control on every metric.

    Parameters
    ----------
    rows : EvaluationData
        The rows of the experiment.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    AverageEffects
        The control's means and the candidates' effects.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> effects = average_effects(rows)
    >>> effects.effect.value.tolist(), effects.control.value.tolist()
    ([[4.0]], [1.5])
    """

    of_all = _mean(rows, 0, method, level)
    signed = rows.y.min(axis=0) < 0
    changes, lifts, own = [], [], []
    for a in range(rows.candidates):
        part, _ = rows.judged(a)
        nobody, control = of_all if part is rows else _mean(part, 0, method, level)
        arm, mean = _mean(part, 1 + a, method, level)
        changes.append(part.means(arm - nobody, level))
        lifts.append(relative_lift(changes[-1], control, mean.std_error, signed))
        own.append(mean.std_error)
    return AverageEffects(of_all[1], stacked(changes), np.stack(own), stacked(lifts))


def _mean(rows: EvaluationData, a: int, method: Method, level: float) -> tuple[Floats, Estimates]:
    """Row values of a cell for everybody, (n, m), and their mean, (m,)."""
    values = method(Decisions(np.full(len(rows), a)), rows)
    return values, rows.means(values, level)


def candidate_effect(rows: EvaluationData, a: int, method: Method, level: float) -> Estimates:
    """The average effect of one candidate, (m,), as `average_effects` has it."""
    part, _ = rows.judged(a)
    arm, nobody = (method(Decisions(np.full(len(part), cell)), part) for cell in (1 + a, 0))
    return part.means(arm - nobody, level)


def stacked(each: list[Estimates]) -> Estimates:
    """Estimates (m,) of several as one, (k, m)."""
    return Estimates(*(np.stack([getattr(one, f.name) for one in each]) for f in fields(Estimates)))


def effects_on_treated(rows: EvaluationData, *, level: float = 0.95) -> Estimates:
    """The average effect of each candidate among those who got it, against control.

    Where everybody had the same chance it is the average effect; where chances differ it answers
    what the candidate did for the people it was given to.

    Parameters
    ----------
    rows : EvaluationData
        The rows of the experiment, with levels where chances depend on what moves the outcome.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Estimates, (k, m)
        In the metrics' units.

    References
    ----------
    Mercatanti & Li (2014), "Do debit cards increase household spending?", Annals of Applied
    Statistics 8.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> e = [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25], [0.75, 0.25]]
    >>> rows = evaluation_data([1, 3, 5, 9], cell=[0, 1, 0, 1], propensity=e)
    >>> effects_on_treated(rows).value.shape
    (1, 1)
    """
    each = [_on_treated(rows.judged(a)[0], 1 + a, level) for a in range(rows.candidates)]
    return stacked(each)


def _on_treated(rows: EvaluationData, cell: int, level: float) -> Estimates:
    """The effect of one cell among those who got it, (m,)."""
    chance = np.broadcast_to(rows.propensity, (len(rows), rows.propensity.shape[1]))
    got = (rows.cell == cell).astype(np.float64)
    odds = np.where(
        rows.cell == 0, chance[:, cell] / np.where(chance[:, 0] > 0, chance[:, 0], 1), 0
    )
    excess = rows.near_y - Decisions(np.zeros(len(rows), np.int64)).mean_level(rows.near_levels)
    part = (got - odds)[:, None] * excess
    share = np.average(got, weights=rows.weight)
    value = np.average(part, axis=0, weights=rows.weight) / share
    return around(value, *rows.units.errors((part - got[:, None] * value) / share), level=level)
