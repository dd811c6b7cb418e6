"""How many units an experiment needs to tell its arms from control, and what so many can tell.

    N_a = (c + z_power)^2 (s_0^2 / p_0 + s_a^2 / p_a) / effect_a^2       p: shares of traffic

is the size of the whole experiment at which arm a, if its effect is effect_a, is told from control
with the wanted power.  c is Dunnett's quantile: the largest of K standardised differences from one
control exceeds it by chance, in either direction, in 1 - level of experiments, so no arm is claimed
that does nothing more often than that, however many arms there are.

Where one looks L times, after equal parts of the rows, and stops at the first claim, look l claims
what is more than c_l = c sqrt(L / l) standard errors from 0 (O'Brien and Fleming), with c found by
recursive integration at Bonferroni's share of the level.  The size grows by a few percent at most,
and an effect as large as hoped for is told a fifth to a quarter earlier in the mean.

    Dunnett (1955), JASA 50, 1096-1121;  O'Brien & Fleming (1979), Biometrics 35, 549-556;
    Armitage, McPherson & Rowe (1969), JRSS A 132, 235-244, the recursion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.operations.design import shares

NODES = 96  # of the integral over what the arms share, their control
GRID, MOST_LOOKS = 801, 60  # of the recursion


@shown
@dataclass(frozen=True)
class ExperimentSize:
    """The size of an experiment.

    Attributes
    ----------
    effect : array of float, shape (K,)
        The effects it is to tell from 0, in the outcome's unit.
    std_dev : array of float, shape (1 + K,)
        Of the outcome among the units of control and of each arm.
    share : array of float, shape (1 + K,)
        Of the traffic, control first.
    rows : array of int, shape (K,)
        Units of the whole experiment, all arms together, after which each arm is told.
    stops : array of int, shape (K,)
        Units after which it ends in the mean, if the effect is as large; the same as ``rows`` where
        one looks once.
    critical : array of float, shape (L,)
        How many standard errors an effect must be from 0 at each look, the last one at the end.
    power : float
        The chance that an effect as large is told.

    Examples
    --------
    >>> size = experiment_size([0.01], 0.3, base_share="equal")
    >>> size.total, size.detectable(size.total).round(4).tolist()
    (28256, [0.01])
    """

    effect: Floats
    std_dev: Floats
    share: Floats
    rows: Ints
    stops: Ints
    critical: Floats
    power: float

    @property
    def total(self) -> int:
        """Units after which every arm is told."""
        return int(self.rows.max())

    def detectable(self, rows: float) -> Floats:
        """The least effects that a number of units tells with the wanted power.

        Parameters
        ----------
        rows : float
            Units of the whole experiment, > 0.

        Returns
        -------
        array of float, shape (K,)
            In the outcome's unit.
        """
        return np.abs(self.effect) * np.sqrt(self.rows / rows)


def experiment_size(
    effect: ArrayLike,
    std_dev: ArrayLike,
    *,
    base_share: str | float = "root",
    power: float = 0.8,
    level: float = 0.95,
    looks: int = 1,
) -> ExperimentSize:
    """Find how many units tell the effects of K arms from 0.

    Parameters
    ----------
    effect : array-like of float, shape (K,)
        The effect of each arm that is to be told, in the outcome's unit; none is 0.
    std_dev : float or array-like of float, shape (1 + K,)
        Of the outcome, or of what features leave of it; of control and each arm, > 0.
    base_share : str or float, default "root"
        Control's share of traffic: "root" (sqrt(K) times an arm's), "equal", or a share in (0, 1).
    power : float, default 0.8
        The chance that an arm with such an effect is told.
    level : float, default 0.95
        The chance that no arm without an effect is claimed, of all arms together.
    looks : int, default 1
        How often one looks, after equal parts of the rows, to stop at the first claim.

    Returns
    -------
    ExperimentSize
        Sizes of the whole experiment.

    Raises
    ------
    InputError
        Where an effect is 0, a standard deviation is not > 0, a chance is not in (0, 1), or there
        are no looks or more than 60.

    References
    ----------
    Dunnett (1955), JASA 50;  O'Brien & Fleming (1979), Biometrics 35.

    Examples
    --------
    >>> experiment_size([0.01, 0.02], 0.3).rows.tolist()
    [49188, 12297]
    """
    effects = np.atleast_1d(np.asarray(effect, np.float64))
    if effects.ndim != 1 or not len(effects) or not (np.isfinite(effects) & (effects != 0)).all():
        fix = "give the smallest effect that would matter to you"
        raise InputError("effects to tell", "be finite and not 0", effects.tolist(), fix=fix)
    k = len(effects)
    noise = np.asarray(std_dev, np.float64)
    if noise.shape not in ((), (1 + k,)) or not (np.isfinite(noise) & (noise > 0)).all():
        must = f"be one number > 0, or one for control and each of {k} arms"
        raise InputError("standard deviations", must, noise.tolist())
    for name, chance in (("power", power), ("level", level)):
        if not 0 < chance < 1:
            raise InputError(f"the {name}", "lie between 0 and 1", chance)
    if not isinstance(looks, int) or not 1 <= looks <= MOST_LOOKS:
        raise InputError("looks", f"be a whole number from 1 to {MOST_LOOKS}", looks)
    noise, share = np.broadcast_to(noise, (1 + k,)), shares(k, base_share)
    reach, critical = float(special.ndtri(power)), np.array([dunnett_quantile(share, level)])
    needed, mean = (critical[0] + reach) ** 2, 1.0
    if looks > 1:
        bound = _bound(looks, 1 - (1 - level) / k)
        critical = bound * np.sqrt(looks / np.arange(1, looks + 1))
        drift = optimize.brentq(
            lambda d: _claims(bound, looks, d).sum() - power, 0.0, bound + abs(reach) + 2
        )
        claims, time = _claims(bound, looks, drift), np.arange(1, looks + 1) / looks
        needed, mean = drift**2, float(claims @ time + 1 - claims.sum())
    rows = needed * (noise[0] ** 2 / share[0] + noise[1:] ** 2 / share[1:]) / effects**2
    whole, end = (np.ceil(size - 1e-9).astype(np.int64) for size in (rows, rows * mean))
    return ExperimentSize(effects, np.array(noise), share, whole, end, critical, power)


def dunnett_quantile(share: ArrayLike, level: float = 0.95) -> float:
    """How far the largest of K standardised differences from one control comes by chance.

    Parameters
    ----------
    share : array-like of float, shape (1 + K,)
        Shares of the units, control first; all have one variance.
    level : float, default 0.95
        The chance that none is further from 0, on either side.

    Returns
    -------
    float
        In standard errors.

    References
    ----------
    Dunnett (1955), JASA 50, 1096-1121.

    Examples
    --------
    >>> round(dunnett_quantile([0.5, 0.5]), 3), round(dunnett_quantile([0.25] * 4), 3)
    (1.96, 2.349)
    """
    p = np.asarray(share, np.float64)
    common = (1 / p[0]) / (1 / p[0] + 1 / p[1:])  # of the variance of each, what control gives it
    node, weight = np.polynomial.hermite_e.hermegauss(NODES)
    weight = weight / weight.sum()
    shift, rest = np.sqrt(common) * node[:, None], np.sqrt(1 - common)

    def excess(c: float) -> float:
        inside = special.ndtr((c - shift) / rest) - special.ndtr((-c - shift) / rest)
        return float(weight @ inside.prod(axis=1)) - level

    alone = float(special.ndtri((1 + level) / 2))
    each = float(special.ndtri(1 - (1 - level) / (2 * len(common))))
    return alone if len(common) == 1 else float(optimize.brentq(excess, alone, each + 1e-9))


def _bound(looks: int, level: float) -> float:
    """How far a sum of normal steps may come from 0 at any look, in standard deviations of the last
    one, by chance.
    """
    once = float(special.ndtri((1 + level) / 2))
    return float(
        optimize.brentq(lambda c: _claims(c, looks, 0.0).sum() - (1 - level), once, once + 2)
    )


def _claims(bound: float, looks: int, drift: float) -> Floats:
    """The chance of the first claim at each look, (L,).   drift: the expected z at the last one."""
    step, place = 1 / looks, np.linspace(-bound, bound, GRID)
    weight = np.full(GRID, place[1] - place[0])
    weight[[0, -1]] /= 2

    def inside(start: Floats) -> Floats:
        """The chance that a step from there stays within the bounds."""
        z = ((end - start - drift * step) / np.sqrt(step) for end in (bound, -bound))
        high, low = (special.ndtr(part) for part in z)
        return np.asarray(high - low)

    def density(move: Floats) -> Floats:
        z = (move - drift * step) / np.sqrt(step)
        return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi * step))

    transition, now = density(place[:, None] - place), density(place)
    left = [1.0, float(inside(np.zeros(1))[0])]
    for _ in range(looks - 1):
        left.append(float((weight * now) @ inside(place)))
        now = transition @ (weight * now)
    return -np.diff(left)
