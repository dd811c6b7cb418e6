"""Bootstrap standard errors and intervals for any estimator, by units or by clusters.

Replicate b gives unit (or cluster) u the random weight v_bu and fits a clone of the estimator with
weights w_i v_b,u(i); the spread of its effects over the replicates is their sampling error.

    exponential_weights   v ~ Exp(1): the Bayesian bootstrap (Rubin 1981).  Every row stays, so no
    arm can vanish.
    multinomial_counts    v = how often u is drawn with replacement (Efron 1979).  Rows not drawn
    leave the replicate.

Weights, not copies of rows, because a copied row would stand in two folds at once and cross-fitting
would leak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow
from equipoise.core.parallel import in_order
from equipoise.core.progress import silent
from equipoise.estimators.training_data import PropensityModel, unchecked_order

Draw = Callable[[np.random.Generator, int], Floats]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Interval:
    """Bounds of every effect.

    Attributes
    ----------
    low : array, (n, k, m)
        Lower bounds, in the metrics' units.
    high : array, (n, k, m)
        Upper bounds.
    level : float
        The probability that they are to hold an effect.
    """

    low: Floats
    high: Floats
    level: float


def exponential_weights(rng: np.random.Generator, units: int) -> Floats:
    """Weights of the Bayesian bootstrap, (units,), with mean 1."""
    weight = rng.standard_exponential(units)
    mean_one: Floats = weight / weight.mean()
    return mean_one


def multinomial_counts(rng: np.random.Generator, units: int) -> Floats:
    """How often each unit is drawn among as many draws with replacement, (units,)."""
    return np.bincount(rng.integers(units, size=units), minlength=units).astype(np.float64)


def bootstrap_effects(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    treatment: Any,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    X_new: Any = None,
    candidates: Any = None,
    replicates: int = 50,
    draw: Draw = exponential_weights,
    seed: int = 0,
    progress: Progress | None = None,
) -> Effects:
    """The effects of an estimator with bootstrap standard errors.

    The effects are those of the estimator fitted on all rows; std_error is their standard deviation
    over the replicates.

    Parameters
    ----------
    estimator : estimator
        Any estimator of effects; it is cloned, never fitted itself.
    X : array-like, (n, d)
        Features, as for its ``fit``.
    y : array-like, (n,) or (n, m)
        Outcomes, one column per metric.
    treatment : array-like, (n,) or (n, p)
        What each row got.
    propensity : array-like, (n, K), or model, optional
        As for its ``fit``.
    sample_weight : array-like, (n,), optional
        Weights > 0.
    groups : array-like, (n,), optional
        Labels of clusters; whole clusters are drawn.
    X_new : array-like, (n_new, d), optional
        The units whose effects are wanted; by default X.
    candidates : array-like, (k,) or (k, p), optional
        Treatments of the space; by default its candidates.
    replicates : int, default 50
        How many fits with random weights, >= 2.
    draw : callable, default exponential_weights
        `exponential_weights`, `multinomial_counts`, or a function of (rng, number of units) ->
        weights.
    seed : int, default 0
        Of the weights.
    progress : callable, optional
        Called with (replicates done, replicates) after each.

    Returns
    -------
    Effects
        Values (n_new, k, m) with their std_error, in the metrics' units.

    Raises
    ------
    InputError
        Fewer than two replicates.

    References
    ----------
    Rubin (1981), "The Bayesian bootstrap"; Efron (1979), "Bootstrap methods".

    Examples
    --------
    >>> from equipoise.estimators import TLearner
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> y = X[:, 0] + 3 * t
    >>> learner = TLearner(LinearRegression())
    >>> effects = bootstrap_effects(learner, X, y, treatment=t, X_new=[[2.0]], replicates=10)
    >>> effects.values.round(6).item(), effects.std_error.shape
    (3.0, (1, 1, 1))
    """
    rows = Rows(X, y, treatment, propensity, sample_weight, groups)
    new = X if X_new is None else X_new
    whole: Effects = rows.fit(estimator).effects(new, candidates)
    mean, square = np.zeros_like(whole.values), np.zeros_like(whole.values)
    for count, replicate in enumerate(
        replicate_fits(estimator, rows, replicates, draw, seed, progress), start=1
    ):
        values = replicate.effects(new, candidates).values
        step = values - mean  # Welford's running variance: one replicate in memory at a time
        mean += step / count
        square += step * (values - mean)
    return with_bootstrap_error(whole, square / (replicates - 1), replicates)


def with_bootstrap_error(effects: Effects, variance: Floats, replicates: int) -> Effects:
    """Effects with the standard error of their replicates' variance, (n, k, m)."""
    return replace(
        effects,
        std_error=np.sqrt(variance),
        error_method=f"bootstrap, {replicates} replicates",
        error_df=replicates - 1,
    )


def bootstrap_interval(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    level: float = 0.95,
    replicates: int = 200,
    draw: Draw = exponential_weights,
    seed: int = 0,
    progress: Progress | None = None,
    X_new: Any = None,
    candidates: Any = None,
    **rows: Any,
) -> Interval:
    """Percentile bounds of every effect, by the bootstrap.

    All replicates stand in memory, (replicates, n_new, k, m).

    Parameters
    ----------
    estimator : estimator
        Any estimator of effects; it is cloned, never fitted itself.
    X : array-like, (n, d)
        Features.
    y : array-like, (n,) or (n, m)
        Outcomes, one column per metric.
    level : float, default 0.95
        The probability that the bounds are to hold an effect, in (0, 1).
    replicates : int, default 200
        How many fits with random weights, >= 2.
    draw : callable, default exponential_weights
        As for `bootstrap_effects`.
    seed : int, default 0
        Of the weights.
    progress : callable, optional
        Called with (replicates done, replicates) after each.
    X_new : array-like, (n_new, d), optional
        The units whose effects are wanted; by default X.
    candidates : array-like, (k,) or (k, p), optional
        Treatments of the space; by default its candidates.
    **rows : array-like
        ``treatment`` and, where known, ``propensity``, ``sample_weight`` and ``groups``, as for
        `bootstrap_effects`.

    Returns
    -------
    Interval
        Bounds ``low`` and ``high``, (n_new, k, m), in the metrics' units.

    Raises
    ------
    InputError
        ``level`` lies outside (0, 1), or there are fewer than two replicates.

    Examples
    --------
    >>> from equipoise.estimators import TLearner
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> y = X[:, 0] + 3 * t + np.arange(12) % 3
    >>> learner = TLearner(LinearRegression())
    >>> bounds = bootstrap_interval(learner, X, y, treatment=t, X_new=[[2.0]], replicates=20)
    >>> bool(bounds.low.item() < 3 < bounds.high.item())
    True
    """
    if not 0 < level < 1:
        raise InputError("level", "lie strictly between 0 and 1", level)
    new = X if X_new is None else X_new
    fits = replicate_fits(estimator, Rows(X, y, **rows), replicates, draw, seed, progress)
    values = np.stack([replicate.effects(new, candidates).values for replicate in fits])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(low, high, level)


@dataclass(frozen=True)
class Rows:
    """The arguments of ``fit``, row by row."""

    X: Any
    y: Any
    treatment: Any
    propensity: Any = None
    sample_weight: Any = None
    groups: Any = None

    def fit(self, estimator: Any) -> Any:
        """A clone of the estimator, fitted on these rows."""
        propensity = (
            clone(self.propensity)
            if isinstance(self.propensity, PropensityModel)
            else self.propensity
        )
        arguments = {
            "propensity": propensity,
            "sample_weight": self.sample_weight,
            "groups": self.groups,
        }
        return clone(estimator).fit(self.X, self.y, treatment=self.treatment, **arguments)

    def reweighted(self, weight: Floats) -> Rows:
        """The rows whose weight is not 0, with that weight.   weight: (n,)."""
        rows = np.flatnonzero(weight)
        X, y, treatment, propensity, groups = (
            _take(part, rows)
            for part in (self.X, self.y, self.treatment, self.propensity, self.groups)
        )
        return Rows(X, y, treatment, propensity, weight[rows], groups)


def replicate_fits(
    estimator: Any, rows: Rows, replicates: int, draw: Draw, seed: int, progress: Progress | None
) -> Iterator[Any]:
    """The fitted estimator of each replicate, one after the other."""
    if replicates < 2:
        raise InputError(
            "replicates",
            "be a whole number >= 2",
            replicates,
            fix="50 give a standard error, 200 an interval",
        )
    n = len(np.asarray(rows.treatment))
    base = np.ones(n) if rows.sample_weight is None else np.asarray(rows.sample_weight, np.float64)
    unit = (
        np.argsort(unchecked_order(rows.X, rows.y, rows.treatment, base))
        if rows.groups is None
        else np.unique(np.asarray(rows.groups), return_inverse=True)[1]
    )
    rng, states = np.random.default_rng(seed), []
    for _ in range(replicates):
        states.append(rng.bit_generator.state)
        draw(rng, int(unit.max()) + 1)  # only to come to the next one's state
    said = silent if progress is None else lambda _, done, total: progress(done, total)
    yield from in_order(_fit_replicate, states, estimator, rows, base, unit, draw, progress=said)


def _fit_replicate(
    state: Any, estimator: Any, rows: Rows, base: Floats, unit: Ints, draw: Draw
) -> Any:
    """The estimator fitted with the random weights that come after a state of the generator."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    return rows.reweighted(base * draw(rng, int(unit.max()) + 1)[unit]).fit(estimator)


def _take(part: Any, rows: Ints) -> Any:
    """Some rows of an array, a column or a frame; a model of the propensity, or nothing, as it
    is.
    """
    if part is None or isinstance(part, PropensityModel):
        return part
    if isinstance(part, dict) or hasattr(part, "columns"):
        return to_arrow(part).take(rows)
    return np.asarray(part)[rows]
