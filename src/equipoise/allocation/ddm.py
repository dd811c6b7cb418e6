"""Trading metrics off request by request (DDM): relative effects, weights that sum to 1, and a
threshold; before the one rule.

    delta_ikr = effect_ikr / y0*_ir           y0*: control's level, floored at a small quantile of
    the training rows' levels
    phi_ik    = sum_r w_ir delta_ikr          w_ir > 0, sum_r w_ir = 1
    strategy k is on where phi_ik > sigma     mode "each": strategies on their own; "argmax": the
    best one

What `trade_off` makes is Effects in relative units and a Policy: `decide_each` and `decide` take
them with the weights of each request, so budgets and guardrails compose through the policy's
prices, and offline and online give the same bits.  With ``lower`` > 0 an effect enters less so many
standard errors, and noise alone switches nothing on.

    Zhai et al. (2025), HMUM, "dynamic decision-making module"; the floor, sigma's choice and the
    lower bound are ours.

n requests, k strategies, m metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.rule import scores
from equipoise.core.arrays import Bools, Floats
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy

QUANTILE = 0.01  # of the training rows' control levels: no denominator is smaller
ROUNDING = 1e-6  # by which weights may miss a sum of 1


@shown
@dataclass(frozen=True)
class Guard:
    """The least denominators of relative effects.

    Attributes
    ----------
    floor : tuple of float, (m,)
        The least control level of each metric, > 0, in its unit.
    quantile : float, default 0.01
        The quantile of the training rows' control levels that they are.

    Examples
    --------
    >>> Guard.learn(np.array([[1.0], [2.0], [3.0]]), 0.5)
    Guard(floor=(2.0,), quantile=0.5)
    """

    floor: tuple[float, ...]
    quantile: float = QUANTILE

    @classmethod
    def learn(cls, baseline: Floats, quantile: float = QUANTILE) -> Guard:
        """Take the floor from control levels of training rows.

        Parameters
        ----------
        baseline : array, (n, m)
            The expected level of each metric under control, in its unit.
        quantile : float, default 0.01
            In [0, 1).

        Returns
        -------
        Guard
            The quantile of each metric's levels.

        Raises
        ------
        InputError
            Where a floor would not be > 0.
        """
        if not 0 <= quantile < 1:
            raise InputError("quantile", "be a share in [0, 1)", quantile)
        floor = np.quantile(baseline, quantile, axis=0)
        if not (floor > 0).all():
            j = int(np.argmin(floor))
            fix = (
                "a relative effect needs a metric that is above 0: take a larger quantile, or shift"
                " the metric"
            )
            raise InputError(f"the floor of metric {j}", "be > 0", float(floor[j]), fix=fix)
        return cls(tuple(floor.tolist()), quantile)

    def floored(self, effects: Effects) -> Floats:
        """Count the requests whose control level is below the floor.

        Parameters
        ----------
        effects : Effects
            Of n requests.

        Returns
        -------
        array, (m,)
            The share of them, by metric.
        """
        share: Floats = (effects.baseline < np.asarray(self.floor)).mean(axis=0)
        return share

    def relative(self, effects: Effects) -> Effects:
        """Divide the effects by the floored control levels.

        Parameters
        ----------
        effects : Effects
            Of n requests, in each metric's unit.

        Returns
        -------
        Effects
            Relative effects with their standard errors; the baseline is 1.
        """
        under = np.maximum(effects.baseline, np.asarray(self.floor))
        error = None if effects.std_error is None else effects.std_error / under[:, None]
        return replace(
            effects,
            values=effects.relative(self.floor),
            baseline=np.ones_like(effects.baseline),
            std_error=error,
        )


def ddm_policy(
    effects: Effects,
    *,
    sigma: float = 0.0,
    mode: str = "each",
    lower: float = 0.0,
    control: str = "none",
) -> Policy:
    """Make the rule for relative effects, without prices.

    Parameters
    ----------
    effects : Effects
        Whose candidates and metrics the rule has.
    sigma : float, default 0.0
        The threshold on phi.
    mode : {"each", "argmax"}, default "each"
        Strategies on their own, or the best one.
    lower : float, default 0.0
        The confidence penalty z >= 0: effects count less z standard errors.
    control : str, default "none"
        The name of no strategy.

    Returns
    -------
    Policy
        The rule, with equal weights until a request brings its own.

    Examples
    --------
    >>> effects = Effects(np.zeros((1, 1, 2)), np.ones((1, 2)), ("boost",), ("clicks", "plays"))
    >>> ddm_policy(effects, sigma=0.01).weights
    (0.5, 0.5)
    """
    equal = (1.0 / len(effects.metrics),) * len(effects.metrics)
    return Policy(
        effects.candidates, control, effects.metrics, equal, threshold=sigma, mode=mode, lower=lower
    )


def check_weights(weights: Floats, shape: tuple[int, int]) -> Floats:
    """Weights (n, m) as given, refused where they are not > 0 with a sum of 1."""
    w = np.asarray(weights, np.float64)
    if w.shape != shape:
        raise InputError("weights", f"have shape (n, m) = {shape}", w.shape)
    good = (w > 0).all(axis=1) & (np.abs(w.sum(axis=1) - 1) <= ROUNDING)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            "weights",
            "be > 0 and sum to 1",
            w[row].tolist(),
            f"row {row}",
            "divide them by their sum",
        )
    return w


def trade_off(policy: Policy, effects: Effects, guard: Guard, weights: Floats) -> Floats:
    """Score strategies by phi, less the policy's prices.

    Parameters
    ----------
    policy : Policy
        The rule, as `ddm_policy` makes it.
    effects : Effects
        Of n requests, in each metric's unit.
    guard : Guard
        The least denominators.
    weights : array, (n, m)
        Of each request, > 0, with a sum of 1.

    Returns
    -------
    array, (n, k)
        What is compared with sigma.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0, 2.0]]]), np.full((1, 2), 10.0), ("boost",), ("y", "z"))
    >>> guard = Guard((1.0, 1.0))
    >>> trade_off(ddm_policy(effects), effects, guard, np.array([[0.5, 0.5]])).tolist()
    [[0.15]]
    """
    relative = guard.relative(effects)
    return scores(policy, relative, weights=check_weights(weights, effects.baseline.shape))


def switched_on(phi: Floats, sigma: float, mode: str = "each") -> Bools:
    """Decide which strategies are on.

    Parameters
    ----------
    phi : array, (n, k)
        What `trade_off` gives.
    sigma : float
        The threshold.
    mode : {"each", "argmax"}, default "each"
        Strategies on their own, or the best one.

    Returns
    -------
    array of bool, (n, k)
        True where a strategy is on.

    Examples
    --------
    >>> switched_on(np.array([[0.1, 0.2, -0.1]]), 0.0, "argmax").tolist()
    [[False, True, False]]
    """
    on: Bools = phi > sigma
    if mode == "each":
        return on
    best = phi.argmax(axis=1)
    only: Bools = on & (np.arange(phi.shape[1]) == best[:, None])
    return only


def choose_sigma(phi: Floats, gains: Floats, candidates: Sequence[float] | None = None) -> float:
    """Choose the threshold under which the worst metric gains most on validation rows.

    Parameters
    ----------
    phi : array, (n, k)
        What `trade_off` gives.
    gains : array, (n, k, m)
        Unbiased relative effects of each strategy, such as doubly robust scores over means.
    candidates : sequence of float, optional
        Thresholds to choose from; by default quantiles of phi, 0 among them.

    Returns
    -------
    float
        The best, the lowest of equals.

    Examples
    --------
    >>> choose_sigma(np.array([[0.1], [0.2]]), np.array([[[-1.0]], [[3.0]]]), [0.0, 0.15])
    0.15
    """
    sigmas = (
        np.unique(np.r_[0.0, np.quantile(phi, np.linspace(0, 1, 41))])
        if candidates is None
        else np.unique(candidates)
    )
    worth = [((phi > sigma)[:, :, None] * gains).sum(axis=1).mean(axis=0).min() for sigma in sigmas]
    return float(sigmas[int(np.argmax(worth))])
