"""Drift: effects that change while a strategy runs, and assignments whose mix changes.

Effects of a stream (a strategy and a metric), one a day with its standard error, are watched by a
self-starting CUSUM.  Each day is compared with the mean of all days before it,

    u_j = (x_j - m_(j-1)) / sqrt(s_j^2 + v_(j-1)),      m, v: weighted mean and its variance
    up = max(0, up + u_j - k),    down = max(0, down - u_j - k),     alarm at h

so that no reference is taken as known: without a change the u_j are independent and standard
normal.  Hence P(up >= h within d days) follows from a Markov chain of the CUSUM's values, and h is
the threshold at which a share of false alarms is spread over all streams and both sides.  k = 1/4
watches a shift of half a daily standard error and more.

Shares p of B strategies among n units, and q among m later ones, are compared by

    PSI = sum_b (q_b - p_b) ln(q_b / p_b)  ~  (1/n + 1/m) chi2_(B-1)

when nothing changed; the usual limits of .1 and .25 are alarms by chance at small sizes and miss
what matters at large ones.

    Hawkins (1987), Self-starting CUSUM charts, The Statistician 36;  Brook & Evans (1972),
    Biometrika 59;  Yurdakul (2018), Statistical properties of the population stability index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, ndtr

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError

K = 0.25  # daily standard errors
REFERENCE, DAYS, FALSE_ALARMS = 28, 90, 0.05
STATES = 400  # of the chain: h moves by less than .01 with twice as many
HALF = 0.5  # is added to every count, so that an empty cell has a logarithm


@lru_cache(maxsize=64)
def cusum_threshold(
    streams: int = 1, *, days: int = DAYS, false_alarms: float = FALSE_ALARMS, k: float = K
) -> float:
    """The threshold of a two-sided CUSUM that keeps false alarms to a share.

    Parameters
    ----------
    streams : int, default 1
        How many are watched: strategies times metrics.
    days : int, default 90
        For how long.
    false_alarms : float, default 0.05
        The chance of any false alarm in that time, over all streams.
    k : float, default 0.25
        What the CUSUM lets pass a day, in standard errors.

    Returns
    -------
    float
        h, in standard errors.

    Raises
    ------
    InputError
        Where a count is below 1, or the share not between 0 and 1.

    References
    ----------
    Brook & Evans (1972), Biometrika 59.

    Examples
    --------
    >>> round(cusum_threshold(), 1), round(cusum_threshold(60), 1)
    (10.5, 17.6)
    """
    for what, value in (("streams", streams), ("days", days)):
        if value < 1:
            raise InputError(what, "be 1 or more", value)
    if not 0 < false_alarms < 1:
        raise InputError("the share of false alarms", "lie between 0 and 1", false_alarms)
    if not k >= 0:
        raise InputError("k", "be >= 0", k)
    one_side = false_alarms / streams / 2
    most = 6 * np.sqrt(days) + 6

    def excess(h: float) -> float:
        return float(np.log(crossing_chance(h, days, k) / one_side))

    if excess(most) > 0:
        raise InputError("the share of false alarms", "not be next to 0", false_alarms)
    return float(brentq(excess, 0.05, most, xtol=1e-4)) if excess(0.05) > 0 else 0.05


def crossing_chance(h: float, days: int, k: float = K) -> float:
    """The chance that a one-sided CUSUM of standard normal noise reaches a threshold.

    Parameters
    ----------
    h : float
        The threshold, > 0.
    days : int
        Within how many days.
    k : float, default 0.25
        What it lets pass a day.

    Returns
    -------
    float
        A probability.

    Examples
    --------
    >>> round(crossing_chance(2.0, 1), 4)  # one day: P(N > 2.25)
    0.0122
    """
    width = h / STATES
    at = np.concatenate([[0.0], (np.arange(STATES) + 0.5) * width])
    edges = np.arange(STATES + 1) * width
    below = ndtr(edges[None, :] - at[:, None] + k)
    chain = np.column_stack([below[:, 0], np.diff(below, axis=1)])  # (states, states)
    chance = np.zeros(STATES + 1)
    chance[0], crossed = 1.0, 0.0
    leaving = ndtr(at - k - h)
    for _ in range(days):
        crossed += float(chance @ leaving)
        chance = chance @ chain
    return crossed


@shown
@dataclass(frozen=True)
class EffectDrift:
    """Which streams of daily effects have changed, and since when.

    Attributes
    ----------
    up, down : array, (d, s)
        The CUSUMs after each day.
    threshold : float
        What they may reach.
    alarm : array of int, (s,)
        The first day at which one did, as a place among the days; -1 for none.
    since : array of int, (s,)
        The day from which on that CUSUM was above 0: when the change began, by its own account;
        -1 for none.

    Examples
    --------
    >>> calm = np.zeros((40, 1))
    >>> effect_drift(calm, calm + 1).alarms.tolist()
    [False]
    """

    up: Floats
    down: Floats
    threshold: float
    alarm: Ints
    since: Ints

    @property
    def alarms(self) -> Bools:
        """Whether each stream alarmed, (s,)."""
        alarms: Bools = self.alarm >= 0
        return alarms


def effect_drift(
    effect: ArrayLike,
    std_error: ArrayLike,
    *,
    reference: int = REFERENCE,
    streams: int | None = None,
    days: int = DAYS,
    false_alarms: float = FALSE_ALARMS,
    k: float = K,
) -> EffectDrift:
    """Watch daily effects for a change.

    Parameters
    ----------
    effect : array-like, (d,) or (d, s)
        Of each day and stream; NaN where a stream has none that day.
    std_error : array-like, of that shape
        Finite and > 0 where there is an effect.
    reference : int, default 28
        Days of a stream that only teach its level, >= 1.
    streams : int or None, default None
        Over how many streams the false alarms are spread; None: those given.
    days : int, default 90
        The time for which the share of false alarms is promised.
    false_alarms : float, default 0.05
        That share, over all streams together.
    k : float, default 0.25
        What the CUSUM lets pass a day, in standard errors.

    Returns
    -------
    EffectDrift
        CUSUMs and alarms.

    Raises
    ------
    InputError
        Where shapes differ or a standard error is not > 0.

    References
    ----------
    Hawkins (1987), The Statistician 36.

    Examples
    --------
    >>> level = np.where(np.arange(60) < 40, 0.0, 3.0)  # three standard errors from day 40 on
    >>> drift = effect_drift(level, np.ones(60))
    >>> drift.alarm.tolist(), drift.since.tolist()
    ([44], [40])
    """
    x, error = np.asarray(effect, np.float64), np.asarray(std_error, np.float64)
    if x.shape != error.shape or x.ndim not in (1, 2):
        raise InputError("effects and standard errors", "have one shape, (d,) or (d, s)", x.shape)
    x, error = x.reshape(len(x), -1), error.reshape(len(x), -1)
    if reference < 1:
        raise InputError("the reference", "be 1 day or more", reference)
    count = x.shape[1] if streams is None else streams
    wrong = np.isfinite(x) & ~(np.isfinite(error) & (error > 0))
    if wrong.any():
        day, stream = np.argwhere(wrong)[0]
        where = f"day {day}, stream {stream}"
        raise InputError("a standard error", "be finite and > 0", error[day, stream], where)
    h = cusum_threshold(count, days=days, false_alarms=false_alarms, k=k)
    u = self_starting(x, error, reference)
    up, down = _cusum(u - k), _cusum(-u - k)
    crossed = np.maximum(up, down) >= h
    alarm = np.where(crossed.any(axis=0), crossed.argmax(axis=0), -1)
    return EffectDrift(up, down, h, alarm, _began(up, down, alarm))


def self_starting(x: Floats, error: Floats, reference: int) -> Floats:
    """Each day against the weighted mean of a stream's days before, in standard errors, (d, s); 0
    on days without an effect, and while the stream has had fewer than ``reference`` days.
    """
    present = np.isfinite(x)
    weight = np.where(present, 1 / np.where(present, error, 1.0) ** 2, 0.0)
    mass, total = np.cumsum(weight, axis=0), np.cumsum(weight * np.where(present, x, 0.0), axis=0)
    mass, total = mass - weight, total - weight * np.where(present, x, 0.0)
    ready = present & (np.cumsum(present, axis=0) - present >= reference)
    safe = np.where(ready, mass, 1.0)
    u = (np.where(ready, x, 0.0) - total / safe) / np.sqrt(
        np.where(ready, error, 1.0) ** 2 + 1 / safe
    )
    return np.where(ready, u, 0.0)


def _cusum(steps: Floats) -> Floats:
    """max(0, sum so far), restarted at 0, (d, s): the walk less its lowest point so far."""
    walk = np.cumsum(steps, axis=0)
    return np.asarray(walk - np.minimum(np.minimum.accumulate(walk, axis=0), 0.0))


def _began(up: Floats, down: Floats, alarm: Ints) -> Ints:
    """The day after the CUSUM that alarmed last stood at 0, (s,)."""
    began = np.full(len(alarm), -1, np.int64)
    for stream in np.flatnonzero(alarm >= 0):
        path = max((up, down), key=lambda side: side[alarm[stream], stream])
        zero = np.flatnonzero(path[: alarm[stream], stream] <= 0)
        began[stream] = zero[-1] + 1 if len(zero) else 0
    return began


@shown
@dataclass(frozen=True)
class MixDrift:
    """Whether the shares of strategies changed.

    Attributes
    ----------
    psi : float
        The population stability index.
    point : float
        What it exceeds by chance with the share of false alarms.
    p : float
        The chance of so large an index when nothing changed.
    change : array, (B,)
        Later shares less earlier ones.

    Examples
    --------
    >>> MixDrift(0.01, 0.02, 0.3, np.zeros(2)).alarm
    False
    """

    psi: float
    point: float
    p: float
    change: Floats

    @property
    def alarm(self) -> bool:
        """Whether the index is above its point."""
        return self.psi > self.point


def mix_drift(before: ArrayLike, now: ArrayLike, *, false_alarms: float = 0.01) -> MixDrift:
    """Compare how many units each strategy has with how many it had.

    Parameters
    ----------
    before : array-like of int, (B,)
        Units of each strategy, >= 0.
    now : array-like of int, (B,)
        The same later, of other units or days.
    false_alarms : float, default 0.01
        The chance of an alarm when nothing changed.

    Returns
    -------
    MixDrift
        The index and its chi-square point.

    Raises
    ------
    InputError
        Where counts are negative or not finite, all 0, or fewer than two strategies.

    References
    ----------
    Yurdakul (2018), Statistical properties of the population stability index.

    Examples
    --------
    >>> mix_drift([500, 500], [520, 480]).alarm, mix_drift([500, 500], [620, 380]).alarm
    (False, True)
    """
    if not 0 < false_alarms < 1:
        raise InputError("the share of false alarms", "lie between 0 and 1", false_alarms)
    a, b = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InputError("both mixes", "count the same two strategies or more", (a.shape, b.shape))
    for what, counts in (("earlier counts", a), ("later counts", b)):
        if not (np.isfinite(counts) & (counts >= 0)).all() or not counts.sum() > 0:
            raise InputError(what, "be finite, >= 0 and not all 0", counts.tolist())
    kept = a + b > 0  # a strategy that nobody had says nothing
    scale, df = 1 / a.sum() + 1 / b.sum(), max(int(kept.sum()) - 1, 1)
    p, q = ((c[kept] + HALF) / (c[kept] + HALF).sum() for c in (a, b))
    psi = float(((q - p) * np.log(q / p)).sum())
    point = float(scale * chdtri(df, false_alarms))
    return MixDrift(psi, point, float(chdtrc(df, psi / scale)), b / b.sum() - a / a.sum())
