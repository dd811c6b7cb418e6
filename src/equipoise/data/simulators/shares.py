"""Two worlds of shares whose best mixes are known.

mdp2       the public simulator of the MDP2 paper: 7 features, 6 interests, shares drawn without
regard to the user
               game .35 and life .05 if age <= 45, else the other way round;  film .25, outdoor .05
               if degree > 1, else ...;
               food .25, beauty .05 if x2 > .5, else ...        (together 1)
               y = sum_k o_k^2 - (t_k - o_k)^2 1{t_k <= o_k}  + noise      flat above the optimum
           its notes also say that city and x1 add to y, and that x3 confounds, which its code
           leaves out: options here
standin    10 shares in a world of 12 clusters, logged with a leaning towards what is good
(confounded):
               "gauss"  y = base + exp(-|t - o|^2 / (2 0.15^2))      "quad"  y = base + 1 - 2 |t -
               o|^2

    Yu, Liu et al. (2022), KDD; the second is ours, in place of a semi-synthetic set whose formula
    is not public.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

INTERESTS = ("film", "food", "game", "life", "outdoor", "beauty")
FEATURES = ("age", "sex", "degree", "city", "x1", "x2", "x3")
WORLD, CLUSTERS, HIDDEN, PARTS, SEEN = 99, 12, 6, 10, 20  # of the stand-in: seed, and sizes
KINDS = ("gauss", "quad")
# of the logging towards the optimum; its concentration; the hill's width
LEAN, SURE, WIDE = 0.35, 30.0, 0.15


@dataclass(frozen=True)
class ShareWorld:
    """Rows with their truth.   X (n, d); T (n, K) shares; y (n,); best (n, K), the optimum; level:
    mixes (n, K) -> E[y], (n,).
    """

    X: Floats
    T: Floats
    y: Floats
    best: Floats
    level: Callable[[Floats], Floats]

    def regret(self, mix: Floats) -> float:
        """What the best mixes would bring more, on average."""
        return float((self.level(self.best) - self.level(mix)).mean())

    def squared_error(self, mix: Floats) -> float:
        """The mean squared distance of mixes from the best, summed over parts."""
        return float(((mix - self.best) ** 2).sum(axis=1).mean())


def make_mdp2_world(
    n: int = 5_000,
    *,
    seed: int = 0,
    noise: float = 0.0,
    base: bool = False,
    confounded: bool = False,
) -> ShareWorld:
    """The public simulator.   noise: sd of y; base: whether city and x1 add to y; confounded:
    whether x3 leans to its best.

    >>> world = make_mdp2_world(1000, seed=1)
    >>> round(world.regret(np.full((1000, 6), 1 / 6)), 2), round(world.regret(world.best), 9)
    (0.05, 0.0)
    """
    _check(n, noise)
    rng = np.random.default_rng(seed)
    whole = [
        rng.integers(8, 71, n),
        rng.integers(0, 2, n),
        rng.integers(0, 5, n),
        rng.integers(0, 5, n),
    ]
    behaviour = np.clip((rng.integers(0, 201, (n, 3)) - 30) / 150, 0.0, 1.0)
    X = np.column_stack([*whole, behaviour]).astype(np.float64)
    best = np.full((n, 6), 0.05)
    rows = np.arange(n)
    best[rows, np.where(X[:, 0] <= 45, 2, 3)] = 0.35
    best[rows, np.where(X[:, 2] > 1, 0, 4)] = 0.25
    best[rows, np.where(X[:, 5] > 0.5, 1, 5)] = 0.25
    parts = rng.integers(0, 101, (n, 6)).astype(np.float64) + 1e-9
    T = parts / parts.sum(axis=1, keepdims=True)
    add = 0.1 * X[:, 4] + 0.02 * X[:, 3] if base else np.zeros(n)
    if confounded:
        lean = 0.5 * X[:, 6:7]
        T, add = (1 - lean) * T + lean * best, add + 0.2 * X[:, 6]

    def level(mix: Floats) -> Floats:
        value: Floats = add + (best**2 - np.where(mix <= best, (mix - best) ** 2, 0.0)).sum(axis=1)
        return value

    return ShareWorld(X, T, level(T) + noise * rng.standard_normal(n), best, level)


def make_shares_standin(
    n: int = 30_000, *, seed: int = 0, kind: str = "gauss", noise: float = 0.1
) -> ShareWorld:
    """The stand-in of ten shares.   kind: "gauss" or "quad"."""
    _check(n, noise)
    if kind not in KINDS:
        raise InputError("kind", f"be one of {', '.join(KINDS)}", repr(kind))
    fixed = np.random.default_rng(WORLD)  # the world is the same for every seed
    loads, centres = (
        fixed.standard_normal((SEEN, HIDDEN)),
        fixed.standard_normal((CLUSTERS, HIDDEN)) * 1.6,
    )
    optima = 0.9 * fixed.dirichlet(np.full(PARTS, 0.6), CLUSTERS) + 0.1 / PARTS
    leaning = fixed.standard_normal((HIDDEN, PARTS))
    rng = np.random.default_rng(seed)
    z = centres[rng.integers(0, CLUSTERS, n)] + 0.5 * rng.standard_normal((n, HIDDEN))
    X = z @ loads.T / 2 + 0.3 * rng.standard_normal((n, SEEN))
    near = np.exp(-((z[:, None] - centres) ** 2).sum(axis=2) / 2)
    best = near / near.sum(axis=1, keepdims=True) @ optima
    soft = np.exp(0.4 * z @ leaning)
    gammas = rng.gamma(
        SURE * (LEAN * best + (1 - LEAN) * soft / soft.sum(axis=1, keepdims=True)) + 0.3
    )
    T, base = gammas / gammas.sum(axis=1, keepdims=True), 0.3 * np.tanh(z[:, 0])

    def level(mix: Floats) -> Floats:
        far = ((mix - best) ** 2).sum(axis=1)
        value: Floats = base + (np.exp(-far / (2 * WIDE**2)) if kind == "gauss" else 1 - 2 * far)
        return value

    return ShareWorld(X, T, level(T) + noise * rng.standard_normal(n), best, level)


def _check(n: int, noise: float) -> None:
    if n < 1 or not (np.isfinite(noise) and noise >= 0):
        raise InputError("n and noise", "be >= 1 and >= 0", (n, noise))
