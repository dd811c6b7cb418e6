"""A short-video world: requests of users, two strategies whose effects conflict, watch time and
views.

    user       features u_0..u_5 ~ N(0, 1), of the days before;  tastes a = u' A (time), b = u' B
    (views), of unit size
    request    intent v ~ N(0, 1): whether this session is for watching (v > 0) or browsing; context
    c = (v + noise, two of noise)
    time_i     L exp(0.4 a + g v),  L log-normal        views_i ~ Poisson(20 exp(0.3 b - g v))
    consumption-side  s1: time (1 + p1 + h (a + tanh 2 u_2) / 2),   views (1 - q1 + h tanh(2 u_3) /
    2)
    commerce-side     s2: time (1 - q2 + h tanh(2 u_4) / 2),        views (1 + p2 + h (b + tanh 2
    u_5) / 2)
    both              the product of the two, less a shared loss o for each metric

On average s1 wins time and loses views, s2 the other way round, and both together lose time, as in
the published ablation (Zhai et al., 2025: +0.085 % / -0.227 %, -0.078 % / +0.151 %, -0.056 % /
+0.091 %); effects here are percents, not thousandths of one, so that a log of this size can show
them.

Stages: "ranking" sees the intent through much noise, "edge" (the last re-rank before the screen)
through little.   ``drift`` turns the tastes after the log was taken: 1 makes them those of other
features.

The prior of worlds: p1 ~ U(0, 0.015), p2 ~ U(0.01, 0.03), q1 ~ U(0.015, 0.04), q2 ~ U(0.025,
0.045); h ~ U(0.06, 0.12), g ~ U(0.3, 0.8), o ~ U(0, 0.01); A, B uniform on the sphere.  Every seed
is a world of this prior; none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.truth import Truth
from equipoise.treatments import Arms

USER = tuple(f"u{j}" for j in range(6))
CONTEXT = ("c0", "c1", "c2")
METRICS = ("time", "views")
SETS = ("none", "s1", "s2", "s1+s2")  # which strategies are on
NOISE = {"ranking": 1.5, "edge": 0.3}  # of the context about the intent
MINUTES, VIEWS, SPREAD = 30.0, 20.0, 0.6  # of a request's time and views; log-sd of its time


@dataclass(frozen=True)
class Requests:
    """Requests and their truth.   user (n, 6), context (n, 3), levels (n, 4, 2): expected time and
    views under `SETS`.
    """

    user: Floats
    context: Floats
    levels: Floats

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class ShortVideoWorld:
    """One world of the prior.   taste (2, 6); gain, loss (2,): of s1 and s2; spread h; intent g;
    shared loss o.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    taste: Floats
    gain: Floats
    loss: Floats
    spread: float
    intent: float
    shared: float

    @classmethod
    def draw(cls, seed: int) -> ShortVideoWorld:
        """A world of the prior."""
        rng = np.random.default_rng([seed, 20_251_124])
        taste = rng.standard_normal((2, 6))
        taste /= np.linalg.norm(taste, axis=1, keepdims=True)
        gain, loss = (
            rng.uniform([0.0, 0.01], [0.015, 0.03]),
            rng.uniform([0.015, 0.025], [0.04, 0.045]),
        )
        return cls(
            taste,
            gain,
            loss,
            rng.uniform(0.06, 0.12),
            rng.uniform(0.3, 0.8),
            rng.uniform(0.0, 0.01),
        )

    def requests(
        self, n: int, rng: np.random.Generator, *, stage: str = "edge", drift: float = 0.0
    ) -> Requests:
        """Draw n requests."""
        if stage not in NOISE:
            raise InputError("stage", f"be one of {', '.join(NOISE)}", repr(stage))
        u, v = rng.standard_normal((n, 6)), rng.standard_normal(n)
        context = np.column_stack(
            [v + NOISE[stage] * rng.standard_normal(n), rng.standard_normal((n, 2))]
        )
        turned = np.cos(drift * np.pi / 2) * u + np.sin(drift * np.pi / 2) * np.roll(u, 1, axis=1)
        a, b = turned @ self.taste.T[:, 0], turned @ self.taste.T[:, 1]
        time = MINUTES * np.exp(SPREAD**2 / 2 + 0.4 * a + self.intent * v)
        views = VIEWS * np.exp(0.3 * b - self.intent * v)
        ways = np.tanh(2 * turned[:, 2:])
        h = self.spread / 2
        s1 = np.column_stack(
            [1 + self.gain[0] + h * (a + ways[:, 0]), 1 - self.loss[0] + h * ways[:, 1]]
        )
        s2 = np.column_stack(
            [1 - self.loss[1] + h * ways[:, 2], 1 + self.gain[1] + h * (b + ways[:, 3])]
        )
        factor = np.stack([np.ones((n, 2)), s1, s2, s1 * s2 - self.shared], axis=1).clip(0.2)
        return Requests(u, context, np.column_stack([time, views])[:, None] * factor)

    def outcomes(self, requests: Requests, which: Floats, rng: np.random.Generator) -> Floats:
        """Time and views as they happen, (n, 2).   which: (n,), the place in `SETS` of what is
        on.
        """
        level = requests.levels[np.arange(len(requests)), which]
        time = level[:, 0] * np.exp(SPREAD * rng.standard_normal(len(level)) - SPREAD**2 / 2)
        return np.column_stack([time, rng.poisson(level[:, 1])])


def make_short_video_world(
    n: int = 20_000, *, seed: int = 0, stage: str = "edge"
) -> tuple[Log, Truth]:
    """Draw the randomised log of a short-video world: a third of requests each in none, s1, s2.

    Parameters
    ----------
    n : int, default 20000
        Requests, >= 3.
    seed : int, default 0
        Of the world and of the draw.
    stage : {"edge", "ranking"}, default "edge"
        Where decisions are taken: the edge sees the intent through little noise, ranking through
        much.

    Returns
    -------
    log : Log
        What the experiment recorded: time (min) and views.
    truth : Truth
        The expected outcome of every request in every cell.

    Examples
    --------
    >>> log, truth = make_short_video_world(1000, seed=1)
    >>> log.cell_names, truth.levels.shape
    (('none', 's1', 's2'), (1000, 3, 2))
    """
    if n < 3:
        raise InputError("n", "be at least 3", n)
    world, rng = ShortVideoWorld.draw(seed), np.random.default_rng(seed)
    requests = world.requests(n, rng, stage=stage)
    arm = rng.permutation(np.arange(n) % 3)
    y = world.outcomes(requests, arm, rng)
    columns = {name: requests.user[:, j] for j, name in enumerate(USER)} | {
        c: requests.context[:, j] for j, c in enumerate(CONTEXT)
    }
    columns |= {"strategy": np.asarray(SETS[:3])[arm], "time": y[:, 0], "views": y[:, 1]}
    outcomes = (Outcome("time", "amount", unit="min"), Outcome("views", "count"))
    roles = Roles("strategy", outcomes, (*USER, *CONTEXT), design=(1 / 3, 1 / 3, 1 / 3))
    truth = Truth(
        requests.levels[:, :3], np.full((n, 3), 1 / 3), np.zeros((n, 2)), METRICS, SETS[:3]
    )
    return Log(pa.table(columns), roles, Arms(SETS[:3])), truth
