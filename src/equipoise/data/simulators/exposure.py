"""Shares of exposure of twenty video categories: what a platform's log of its own recommendations
looks like, with the truth.

A user has an interest a_k in each category and a point w_k where more of it tires.  With mix t
(shares, together 1):

    minutes    30 + 60 sum_k a_k h(t_k / w_k) - 40 sum over kin (k, l) of min(t_k / w_k, 1) min(t_l
    / w_l, 1) sqrt(a_k a_l)
               h(r) = r e^(1 - r): a hill, 1 at its top r = 1       kin: categories so alike that
               they crowd each other out
    skips      share of videos left within 3 seconds:  sum_k t_k (0.5 - 0.4 a_k / max a) + 0.3 sum_k
    max(t_k - w_k, 0)^2 / w_k

Interests come from six kinds of users, told apart by features only softly.  The log leans to what a
user likes and to what is popular: mixes are Dirichlet around ``lean`` of interest and 1 - ``lean``
of popularity.  ``mood`` is what nobody records: it raises the minutes and, at once, the share of
what the user likes best.

    The setting is that of Tencent WeSee's talk on supply and demand; the formulas are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.treatments import Shares

CATEGORIES = (
    "film", "food", "game", "life", "outdoor", "beauty", "science", "sports", "music", "dance",
    "pets", "cars", "news", "comedy", "travel", "fashion", "parenting", "study", "anime", "home",
)  # fmt: skip
KIN = (
    ("film", "anime"),
    ("food", "home"),
    ("beauty", "fashion"),
    ("music", "dance"),
    ("outdoor", "travel"),
    ("science", "study"),
)
METRICS = ("minutes", "skips")
WORLD, KINDS, SEEN = 7, 6, 12  # the seed of what all logs share; kinds of users; features
BASE, RISE, CROWD = 30.0, 60.0, 40.0
PAIRS = np.array([[CATEGORIES.index(name) for name in pair] for pair in KIN])


@dataclass(frozen=True)
class ExposureWorld:
    """Rows with their truth.

    X (n, 12) features; T (n, 20) shares shown; y (n, 2) minutes and skips; kind (n,) of user, which
    nobody sees; interest (n, 20); tired (n, 20), where a share's hill has its top; level: mixes (n,
    20) -> expected minutes and skips (n, 2).
    """

    X: Floats
    T: Floats
    y: Floats
    kind: Ints
    interest: Floats
    tired: Floats
    level: Callable[[Floats], Floats]

    def log(self) -> Log:
        """What the platform knows: an id, features u1.., a share of each category, minutes and
        skips.
        """
        features = {f"u{j + 1}": column for j, column in enumerate(self.X.T)}
        shown = dict(zip(CATEGORIES, self.T.T, strict=True))
        table = {
            "user": np.arange(len(self.X)),
            **features,
            **shown,
            **dict(zip(METRICS, self.y.T, strict=True)),
        }
        minutes, skips = METRICS
        outcomes = (
            Outcome(minutes, "continuous", "higher", "min"),
            Outcome(skips, "continuous", "lower"),
        )
        mean = self.T.mean(axis=0)
        return Log(
            pa.table(table),
            Roles(CATEGORIES, outcomes, tuple(features), id="user"),
            Shares(CATEGORIES, control=mean / mean.sum()),
        )


def make_exposure_world(
    n: int = 20_000, *, seed: int = 0, lean: float = 0.5, mood: float = 0.0
) -> ExposureWorld:
    """Draw users of a video platform who see shares of twenty categories, and the truth.

    Parameters
    ----------
    n : int, default 20000
        Users, >= 1.
    seed : int, default 0
        Of the draw.
    lean : float, default 0.5
        How far the log follows interests, in [0, 1].
    mood : float, default 0.0
        How strong the unrecorded mood is, >= 0: a confounder.

    Returns
    -------
    ExposureWorld
        Features, shares, minutes and skips, and what they would be under any mix.

    Examples
    --------
    >>> world = make_exposure_world(1000, seed=1)
    >>> world.X.shape, world.T.shape, world.y.shape
    ((1000, 12), (1000, 20), (1000, 2))
    """
    if n < 1:
        raise InputError("n", "be at least 1", n)
    if not (0 <= lean <= 1 and np.isfinite(mood) and mood >= 0):
        raise InputError("lean and mood", "be in [0, 1] and >= 0", (lean, mood))
    fixed = np.random.default_rng(WORLD)  # categories and kinds are the same for every seed
    K = len(CATEGORIES)
    taste, popular = fixed.dirichlet(np.full(K, 0.5), KINDS), fixed.dirichlet(np.full(K, 3.0))
    centres, loads = (
        1.5 * fixed.standard_normal((KINDS, KINDS)),
        fixed.standard_normal((SEEN, KINDS)),
    )
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, KINDS, n)
    z = centres[kind] + 0.6 * rng.standard_normal((n, KINDS))
    near = np.exp(-((z[:, None] - centres) ** 2).sum(axis=2) / 2)
    own = near / near.sum(axis=1, keepdims=True) @ taste
    interest = 0.85 * own + 0.15 / K  # nobody is without any interest
    tired = 0.03 + 0.6 * interest
    X = z @ loads.T / 2 + 0.3 * rng.standard_normal((n, SEEN))
    high = mood * np.abs(rng.standard_normal(n))
    keen = interest ** (1 + high[:, None])
    wanted = lean * keen / keen.sum(axis=1, keepdims=True) + (1 - lean) * popular
    gammas = rng.gamma(25.0 * wanted + 0.1) + 1e-12
    T = gammas / gammas.sum(axis=1, keepdims=True)

    def level(mix: Floats) -> Floats:
        return _level(np.asarray(mix, np.float64), interest, tired)

    noise = rng.standard_normal((n, 2)) * (6.0, 0.03)
    y = level(T) + noise + np.column_stack([4.0 * high, np.zeros(n)])
    return ExposureWorld(
        X, T, np.column_stack([y[:, 0], np.clip(y[:, 1], 0, 1)]), kind, interest, tired, level
    )


def _level(mix: Floats, interest: Floats, tired: Floats) -> Floats:
    """Expected minutes and skips, (n, 2)."""
    if mix.shape != interest.shape:
        raise InputError(
            "the mixes", f"be of shape {interest.shape}, users and categories", mix.shape
        )
    full = mix / tired
    one, two = PAIRS.T
    both = (
        np.minimum(full[:, one], 1)
        * np.minimum(full[:, two], 1)
        * np.sqrt(interest[:, one] * interest[:, two])
    )
    minutes = (
        BASE + RISE * (interest * full * np.exp(1 - full)).sum(axis=1) - CROWD * both.sum(axis=1)
    )
    liked = interest / interest.max(axis=1, keepdims=True)
    skips = (mix * (0.5 - 0.4 * liked)).sum(axis=1) + 0.3 * (
        np.maximum(mix - tired, 0) ** 2 / tired
    ).sum(axis=1)
    return np.column_stack([minutes, skips])
