"""VCNet's simulation of a dose-response: six features, a dose that follows them, a response that
follows both.

l(x) = (10 sin(max(x1, x2, x3)) + max(x3, x4, x5)^3) / (1 + (x1 + x5)^2) + sin(x3 / 2) (1 + exp(x4 -
x3 / 2)) + x3^2 + 2 sin x4
       + 2 x5 - 6.5
t = sigmoid(l(x) + N / 2)       mu(t, x) = cos(2 pi (t - 1/2)) (t^2 + 4 max(x1, x6)^3 sin(x4) / (1 +
2 x3^2))       y = mu + N / 2

x uniform on [0, 1]^6.   Nie, Ye, Liu & Nicolae (2021), ICLR, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

NOISE = 0.5


@dataclass(frozen=True)
class DoseWorld:
    """Rows of a simulation.   X (n, d); t (n,) in (0, 1); y (n,); level: X (n, d) and doses (k,) ->
    mu, (n, k).
    """

    X: Floats
    t: Floats
    y: Floats
    level: Callable[[Floats, Floats], Floats]

    def response(self, doses: Floats) -> Floats:
        """The true average response of these rows at doses, (doses,)."""
        average: Floats = self.level(self.X, doses).mean(axis=0)
        return average


def make_dose_world(n: int = 500, *, seed: int = 0) -> DoseWorld:
    """Draw rows of VCNet's simulation of a dose-response.

    Parameters
    ----------
    n : int, default 500
        Rows, >= 1.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    DoseWorld
        Six features, doses in (0, 1), outcomes, and the true mean at any dose.

    References
    ----------
    Nie, Ye, Liu & Nicolae (2021), VCNet, ICLR, section 5.

    Examples
    --------
    >>> world = make_dose_world(500, seed=1)
    >>> world.X.shape, bool(0 < world.t.min() < world.t.max() < 1)
    ((500, 6), True)
    """
    if n < 1:
        raise InputError("n", "be at least 1", n)
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 6))
    x1, _, x3, x4, x5, _ = X.T
    linear = (10 * np.sin(X[:, :3].max(axis=1)) + X[:, 2:5].max(axis=1) ** 3) / (1 + (x1 + x5) ** 2)
    linear += np.sin(0.5 * x3) * (1 + np.exp(x4 - 0.5 * x3)) + x3**2 + 2 * np.sin(x4) + 2 * x5 - 6.5
    t = expit(linear + NOISE * rng.standard_normal(n))
    own = np.cos(2 * np.pi * (t - 0.5)) * (t**2 + _bend(X))
    return DoseWorld(X, t, own + NOISE * rng.standard_normal(n), mean_level)


def mean_level(X: Floats, doses: Floats) -> Floats:
    """mu at doses for every row, (n, doses)."""
    level: Floats = np.cos(2 * np.pi * (doses - 0.5)) * (doses**2 + _bend(X)[:, None])
    return level


def _bend(X: Floats) -> Floats:
    bend: Floats = 4 * np.maximum(X[:, 0], X[:, 5]) ** 3 / (1 + 2 * X[:, 2] ** 2) * np.sin(X[:, 3])
    return bend
