"""A world of red packets: schedules over a day, who claims, what it costs, and who returns.

    user      activity new, light, regular, heavy (0.2, 0.3, 0.3, 0.2); thrift, evening ~ U(0, 1);
              two features of noise; a mind A that nobody sees, the yuan a packet that it is used
              to, A = 0.2 exp(0.4 N) (1 + 0.15 activity)
    packet    j of amount a at hour t, gap hours after the one before (`treatments.strategy`):
    present   level_x (0.3 + 0.7 ((1 - evening) noon(t) + evening late(t))) weekend, at most 1
    claim     ~ Bernoulli(p),  p = present (1 - exp(-a / (0.6 A)))
    worth     v = a / (a + A) 0.85^j (1 - exp(-gap / 2)): packets that tire bring less
    return    r' + (1 - r') (1 - prod_j (1 - p_j w_j)),   w = persuade_x (0.5 + thrift) v, at most 1
              r' = r_x (1 - loss hurt_x max(0, 1 - mean a / A)): anchoring
    minutes   base_x weekend Gamma + sum of the claims' 8 (0.5 + thrift) v
    cost      the sum of the amounts claimed
    next day  A := A + carry (mean a - A)

A claim that persuades brings back a user who would have stayed away, so the three expectations are
exact products and sums.  Days shift the logit of r_x by 0.35 at weekends, a month's wave of 0.3 and
noise of 0.15, and presence by a tenth at weekends, all times ``time_effects``.  A log of one day
has an ordinary day, without these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from scipy.special import expit, logit

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.progress import Progress, silent
from equipoise.core.truth import Truth
from equipoise.treatments import Schedule, Strategy
from equipoise.treatments.strategy import NUMBERS, STEEPEST, fits, packets

ACTIVITIES, SHARES = ("new", "light", "regular", "heavy"), (0.2, 0.3, 0.3, 0.2)
PRESENT, RETURN = np.array([0.45, 0.35, 0.6, 0.9]), np.array([0.30, 0.38, 0.70, 0.90])
PERSUADE, HURT = np.array([0.30, 0.22, 0.15, 0.08]), np.array([0.2, 0.2, 0.5, 1.0])
MINUTES = np.array([15.0, 12.0, 35.0, 80.0])
NOON, LATE, WIDE = 12.5, 20.5, 2.5  # hours at which users look in, and for how long
WEEKEND, MONTH, NOISE, MORE = 0.35, 0.3, 0.15, 0.1  # of days
ORDINARY = (0.0, 1.0)  # shift of the logit of r, factor of presence
METRICS = ("back", "minutes", "cost")
FEATURES = ("activity", "thrift", "evening", "z1", "z2")
BASE = Strategy(0.2, 2, 4.0)
SEEDS = 20  # schedules of a menu that nobody named
OWN_BASE = 0.2  # share of users with the base where others draw schedules of their own
DESIGNS = ("held", "daily")


@dataclass(frozen=True)
class Users:
    """Users, (n,) each; ``mind`` is hidden."""

    activity: Ints
    thrift: Floats
    evening: Floats
    z1: Floats
    z2: Floats
    mind: Floats

    def take(self, rows: Any) -> Users:
        """Some users, in the order asked."""
        return Users(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class PacketTruth(Truth):
    """A truth that knows what any schedule would do, logged or not.

    Attributes
    ----------
    users : Users
        The users with their hidden minds, as on the first day.
    user : array of int, (rows,)
        The user of each row of the log.
    day : array of int, (rows,)
        Its day.
    days : tuple of two arrays, (days,)
        The shift of the logit of returning on each day, and the factor of presence.
    space : Schedule
        The menu and its window.
    carry, loss : float
        Of the world.

    Examples
    --------
    >>> log, truth = make_red_packet_world(1000, seed=1)
    >>> new = Strategy(1.2, 4, 3.0, amount_wave=(-0.6, 0.4))
    >>> truth.of([new]).shape
    (1000, 1, 3)
    """

    users: Users
    user: Ints
    day: Ints
    days: tuple[Floats, Floats]
    space: Schedule
    carry: float
    loss: float

    def of(
        self, schedules: Strategy | Sequence[Strategy] | Sequence[str] | Floats, held_days: int = 0
    ) -> Floats:
        """Give what users would do on an ordinary day under any schedules.

        Parameters
        ----------
        schedules : Strategy, sequence of Strategy or str, or array, (k, 3) or (k, 7)
            Also ones that no log has; names are those of the menu.
        held_days : int, default 0
            For how many days users had the schedule before, which moves their minds where there is
            carry-over.

        Returns
        -------
        array, (n, k, 3)
            Of each user: probability of returning, expected minutes, expected cost.
        """
        if held_days < 0:
            raise InputError("held_days", "be a whole number >= 0", held_days)
        values = self.space.check(schedules)
        moved = 1 - (1 - self.carry) ** held_days
        out = np.empty((len(self.users.mind), len(values), len(METRICS)))
        for k, one in enumerate(values):
            gap = one[0] / one[1] - self.users.mind
            mind = self.users.mind + moved * gap
            out[:, k] = expected(
                self.users, mind, one[None], ORDINARY, self.loss, self.space.window
            )
        return out

    def take(self, rows: Any) -> Self:
        """The truth of some rows, in the order asked; its users are those of these rows."""
        user = self.user[rows]
        users, own = self.users.take(user), {"day": self.day[rows], "user": np.arange(len(user))}
        return replace(self, **vars(super().take(rows)) | own | {"users": users})


def make_red_packet_world(
    n: int = 10_000,
    menu: Any = None,
    *,
    days: int = 1,
    design: Any = "held",
    carry: float = 0.0,
    loss: float = 0.1,
    time_effects: float = 1.0,
    mind_confounds: float = 0.0,
    own_schedules: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Log, PacketTruth]:
    """Draw a log of red packets: one row a user and day, with its truth.

    Parameters
    ----------
    n : int, default 10000
        Users, >= 100.
    menu : Schedule, or what it takes as menu, default None
        The schedules; the one of the smallest total is the base.  None: a base of 0.2 yuan in 2
        packets and 20 schedules drawn evenly.
    days : int, default 1
        Days, >= 1; a log of several days has ``day`` and ``user``.
    design : {"held", "daily"} or array of int, (n, days), default "held"
        Who gets what: users keep a schedule drawn at random, or get another every day, or the
        places in the menu, 0 being the base.
    carry : float, default 0.0
        How far a day moves the mind to the mean amount, in 0..1.
    loss : float, default 0.1
        The share of returns that packets far below the mind lose at most.
    time_effects : float, default 1.0
        The size of the days' effects; 0 makes all days ordinary.
    mind_confounds : float, default 0.0
        How strongly the hidden mind decides who gets large packets: P(schedule) is proportional to
        exp(mind_confounds z(log mind) z(log mean amount)).
    own_schedules : bool, default False
        Whether users draw schedules of their own, evenly over the space, but for a fifth, who get
        the base; the treatment is then seven columns, and few rows have one of the menu.
    seed : int, default 0
        Of the draw.
    progress : callable, default silent
        Told what is done, days done and days in all.

    Returns
    -------
    log : Log
        Return on the next day, minutes and cost of every user and day.
    truth : PacketTruth
        What each row's schedules of the menu would have brought that day, and what any schedule
        brings.

    Examples
    --------
    >>> log, truth = make_red_packet_world(1000, seed=1)
    >>> log.metrics, truth.levels.shape
    (('back', 'minutes', 'cost'), (1000, 21, 3))
    """
    _check(n, days, carry, loss, time_effects, mind_confounds)
    rng, later = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    users = draw_users(n, rng)
    space = _space(menu, later)
    values = np.vstack([space.control, space.candidates()])
    assigned, share = _assign(design, users, values, days, mind_confounds, later)
    own = None
    if own_schedules:
        if mind_confounds or not isinstance(design, str) or design != "held":
            got = f"design {design!r}, mind_confounds {mind_confounds!r}"
            raise InputError("own_schedules", "go with a held design without confounding", got)
        own = np.where(later.random((n, 1)) < OWN_BASE, values[0], draw_schedules(n, later))
    shift, presence = days_of(days, later, time_effects) if days > 1 else (np.zeros(1), np.ones(1))
    mind, parts, levels = users.mind, [], []
    for day in range(days):
        progress("days", day, days)
        given = values[assigned[:, day]] if own is None else own
        today = shift[day], presence[day]
        parts.append(live(users, mind, given, later, today, loss, space.window))
        every = [expected(users, mind, one[None], today, loss, space.window) for one in values]
        levels.append(np.stack(every, axis=1))
        mind = mind + carry * (given[:, 0] / given[:, 1] - mind)
    progress("days", days, days)
    user, when = np.tile(np.arange(n), days), np.repeat(np.arange(days), n)
    names = np.asarray(list(space.menu), object)[assigned.T.ravel()] if own is None else own
    known = isinstance(design, str) and not mind_confounds and own is None
    log = _log(users, user, when, days, np.vstack(parts), names, space, known)
    level = np.concatenate(levels)
    truth = PacketTruth(
        level,
        np.concatenate([share[:, day] for day in range(share.shape[1])]),
        level[:, 1:, 2] - level[:, :1, 2],
        METRICS,
        log.cell_names,
        users,
        user,
        when,
        (shift, presence),
        space,
        carry,
        loss,
    )
    return log, truth


def draw_users(n: int, rng: np.random.Generator) -> Users:
    """Users of the prior."""
    activity = rng.choice(len(ACTIVITIES), n, p=SHARES)
    thrift, evening = rng.random(n), rng.random(n)
    z1, z2 = rng.standard_normal(n), rng.standard_normal(n)
    mind = 0.2 * np.exp(0.4 * rng.standard_normal(n)) * (1 + 0.15 * activity)
    return Users(activity, thrift, evening, z1, z2, mind)


def draw_schedules(k: int, rng: np.random.Generator, waves: bool = True) -> Floats:
    """Schedules drawn evenly over the space, in hundredths, (k, 7), by rejection of what does not
    fit the day.
    """
    rows, total = [], 0
    while total < k:
        size = 4 * (k - total) + 16
        some = np.zeros((size, len(NUMBERS)))
        some[:, 0] = rng.uniform(0.3, 3, size)
        some[:, 1] = rng.integers(1, 9, size)
        some[:, 2] = rng.uniform(0.5, 4, size)
        if waves:
            some[:, 3:] = rng.uniform(-0.65, 0.65, (size, 4))
        some = some.round(2)
        some = some[np.hypot(some[:, 3::2], some[:, 4::2]).max(axis=1) <= STEEPEST]
        rows.append(some[fits(some)])
        total += len(rows[-1])
    drawn: Floats = np.concatenate(rows)[:k]
    return drawn


def days_of(n: int, rng: np.random.Generator, size: float = 1.0) -> tuple[Floats, Floats]:
    """Effects of n days: the shift of the logit of r, and the factor of presence."""
    d = np.arange(n)
    weekend = (d % 7 >= 5).astype(np.float64)
    wave = WEEKEND * weekend + MONTH * np.sin(2 * np.pi * d / 28) + NOISE * rng.standard_normal(n)
    return size * wave, 1 + size * MORE * weekend


@dataclass(frozen=True)
class _Day:
    """What decides a day: (n, J) each, or (1, J) of amounts where all users have one schedule."""

    claim: Floats = field(repr=False)  # p
    persuades: Floats = field(repr=False)  # w
    minutes: Floats = field(repr=False)  # of a claim
    amounts: Floats = field(repr=False)
    returns: Floats = field(repr=False)  # r', (n,)
    base: Floats = field(repr=False)  # minutes without claims, (n,)


def _day(
    users: Users,
    mind: Floats,
    given: Floats,
    day: tuple[float, float],
    loss: float,
    window: tuple[float, float],
) -> _Day:
    """A day of users (n,) with schedules (n, 7), or (1, 7) for all."""
    a, (shift, presence), A = users.activity, day, mind[:, None]
    hours, amounts = packets(given, window)
    gap = np.diff(hours, axis=1, prepend=-np.inf)
    tired = 0.85 ** np.arange(hours.shape[1]) * (1 - np.exp(-gap / 2))
    noon, late = (np.exp(-0.5 * ((hours - peak) / WIDE) ** 2) for peak in (NOON, LATE))
    e, thrift = users.evening[:, None], 0.5 + users.thrift[:, None]
    looks = 0.3 + 0.7 * ((1 - e) * noon + e * late)
    present = np.minimum(PRESENT[a][:, None] * looks * presence, 1)
    value = amounts / (amounts + A) * tired
    r = expit(logit(RETURN[a]) + shift)
    r = r * (1 - loss * HURT[a] * np.maximum(0, 1 - given[:, 0] / given[:, 1] / mind))
    return _Day(
        present * (1 - np.exp(-amounts / (0.6 * A))),
        np.minimum(PERSUADE[a][:, None] * thrift * value, 1),
        8 * thrift * value,
        amounts,
        r,
        MINUTES[a] * presence,
    )


def expected(
    users: Users,
    mind: Floats,
    given: Floats,
    day: tuple[float, float] = ORDINARY,
    loss: float = 0.1,
    window: tuple[float, float] = (8.0, 24.0),
) -> Floats:
    """Probability of returning, minutes and cost of every user, (n, 3), exactly.   given: (n, 7),
    or (1, 7) for all.
    """
    d = _day(users, mind, given, day, loss, window)
    back = d.returns + (1 - d.returns) * (1 - np.prod(1 - d.claim * d.persuades, axis=1))
    minutes = d.base + (d.claim * d.minutes).sum(axis=1)
    return np.column_stack([back, minutes, (d.claim * d.amounts).sum(axis=1)])


def live(
    users: Users,
    mind: Floats,
    given: Floats,
    rng: np.random.Generator,
    day: tuple[float, float] = ORDINARY,
    loss: float = 0.1,
    window: tuple[float, float] = (8.0, 24.0),
) -> Floats:
    """One day: whether users return, minutes and cost, (n, 3), drawn."""
    d = _day(users, mind, given, day, loss, window)
    claim = rng.random(d.claim.shape) < d.claim
    won = (claim & (rng.random(d.claim.shape) < d.persuades)).any(axis=1)
    back = (rng.random(len(mind)) < d.returns) | won
    minutes = d.base * rng.gamma(4, 0.25, len(mind)) + (claim * d.minutes).sum(axis=1)
    return np.column_stack([back, minutes, (claim * d.amounts).sum(axis=1)])


def _space(menu: Any, rng: np.random.Generator) -> Schedule:
    if isinstance(menu, Schedule):
        return menu
    if menu is None:
        seeds = draw_schedules(SEEDS, rng)
        menu = {"base": BASE} | {f"s{k + 1}": row for k, row in enumerate(seeds)}
    return Schedule(menu)


def _assign(
    design: Any,
    users: Users,
    values: Floats,
    days: int,
    confounds: float,
    rng: np.random.Generator,
) -> tuple[Ints, Floats]:
    """The place in the menu of every user and day, (n, days), and its probabilities, (n, days,
    K).
    """
    n, K = len(users.mind), len(values)
    if not isinstance(design, str):
        table = np.asarray(design)
        good = table.shape == (n, days) and table.dtype.kind in "iu" and table.size
        if not good or table.min() < 0 or table.max() >= K:
            must = f"be 'held', 'daily', or places 0..{K - 1} of shape ({n}, {days})"
            raise InputError("design", must, f"an array of shape {table.shape} of {table.dtype}")
        share = (table[:, :, None] == np.arange(K)).mean(axis=0)  # (days, K)
        return table.astype(np.int64), np.broadcast_to(share, (n, days, K))
    if design not in DESIGNS:
        raise InputError("design", f"be one of {', '.join(DESIGNS)}, or places", repr(design))
    mind, mean = np.log(users.mind), np.log(values[:, 0] / values[:, 1])
    score = confounds * np.outer(_standard(mind), _standard(mean))
    p = np.exp(score - score.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    drawn = rng.random((n, 1 if design == "held" else days))
    place = (np.cumsum(p, axis=1)[:, None] < drawn[:, :, None]).sum(axis=2).clip(max=K - 1)
    return np.broadcast_to(place, (n, days)), np.broadcast_to(p[:, None], (n, days, K))


def _standard(values: Floats) -> Floats:
    spread = float(values.std())
    standard: Floats = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return standard


def _log(
    users: Users,
    user: Ints,
    day: Ints,
    days: int,
    outcomes: Floats,
    given: Any,
    space: Schedule,
    known: bool,
) -> Log:
    """The log: who had what, and what happened."""
    columns: dict[str, Any] = {"user": user}
    if days > 1:
        columns["day"] = day
    columns["activity"] = pa.array(np.asarray(ACTIVITIES)[users.activity][user])
    columns |= {name: getattr(users, name)[user] for name in FEATURES[1:]}
    own = given.ndim == 2
    if own:
        columns |= dict(zip(NUMBERS, np.tile(given, (days, 1)).T, strict=True))
    else:
        columns["strategy"] = pa.array(given.tolist(), pa.string())
    columns |= dict(zip(METRICS, outcomes.T, strict=True))
    roles = Roles(
        treatment=NUMBERS if own else "strategy",
        outcomes=(
            Outcome("back", "binary"),
            Outcome("minutes", "amount", unit="min"),
            Outcome("cost", "amount", better="lower", unit=space.unit),
        ),
        features=FEATURES,
        design=(1 / len(space.menu),) * len(space.menu) if known else None,
        id="user" if days == 1 else None,
        group="user" if days > 1 else None,
        time="day" if days > 1 else None,
    )
    return Log(pa.table(columns), roles, space)


def _check(
    n: int, days: int, carry: float, loss: float, time_effects: float, confounds: float
) -> None:
    if n < 100:
        raise InputError("n", "be at least 100 users", n)
    if days < 1:
        raise InputError("days", "be at least 1", days)
    for name, value in (("carry", carry), ("loss", loss)):
        if not 0 <= value <= 1:
            raise InputError(name, "lie in 0..1", value)
    for name, value in (("time_effects", time_effects), ("mind_confounds", confounds)):
        if not 0 <= value < np.inf:
            raise InputError(name, "be a number >= 0", value)
