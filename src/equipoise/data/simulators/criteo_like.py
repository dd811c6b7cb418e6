"""A world like Criteo's uplift data: its treatment share and rates, features shaped like its own,
and the truth.

    f_j       five quantiles of the published profile (least, quarters, largest), joined linearly at
    a normal copula's ranks
    visit     P(visit | x, 0) = base exp(a' s - log E exp(a' s)), at most 0.6;   s: the features,
    standardised in their range
              P(visit | x, 1) = P(visit | x, 0) (1 + 0.95 sigmoid(1.5 b' s)): some are persuadable,
              others hardly
    convert   P(conversion | visit, x) = 0.0233 exp(0.5 c' s), at most 0.5, whatever the ad did

    Diemert et al. (2018), AdKDD: 85 % treated, visit 4.70 % (3.82 % untreated), conversion 0.29 %.

Only the margins are Criteo's; how features and effects hang together is ours.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.special import expit, ndtr

from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.truth import Truth
from equipoise.treatments import Arms

QUANTILES = np.array(  # of f0..f11: least, quarters, largest
    [
        [12.616, 12.616, 21.923, 24.436, 26.745],
        [10.0597, 10.0597, 10.0597, 10.0597, 16.344],
        [8.2144, 8.2144, 8.2144, 8.7233, 9.0520],
        [-8.3984, 4.6799, 4.6799, 4.6799, 4.6799],
        [10.2805, 10.2805, 10.2805, 10.2805, 21.1235],
        [-9.0119, 4.1155, 4.1155, 4.1155, 4.1155],
        [-31.4298, -6.6993, -2.4111, 0.2944, 0.2944],
        [4.8338, 4.8338, 4.8338, 4.8338, 11.9984],
        [3.6351, 3.9108, 3.9719, 3.9719, 3.9719],
        [13.1901, 13.1901, 13.1901, 13.1901, 75.295],
        [5.3004, 5.3004, 5.3004, 5.3004, 6.4739],
        [-1.3839, -0.1687, -0.1687, -0.1687, -0.1687],
    ]
)
FEATURES = tuple(f"f{j}" for j in range(12))
LOADINGS = np.array(  # of the copula's three common causes on the features
    [
        [0.8, 0.3, -0.6, -0.5, 0.4, -0.2, 0.6, 0.3, -0.4, 0.4, 0.2, -0.2],
        [0.0, 0.6, 0.2, 0.0, 0.6, 0.0, 0.2, 0.5, 0.3, 0.6, 0.5, 0.0],
        [0.2, 0.0, 0.3, 0.5, 0.0, 0.6, 0.3, 0.0, 0.0, 0.0, 0.0, 0.7],
    ]
)
RISK = np.array([0.5, 0.2, -0.4, -0.3, 0.3, 0.0, 0.4, 0.2, -0.3, 0.2, 0.1, 0.0])
PERSUADED = np.array([-0.4, 0.1, 0.3, 0.5, 0.0, 0.3, -0.4, 0.0, 0.2, 0.0, 0.3, 0.3])
BUYS = np.array([0.2, 0.4, 0.0, 0.0, 0.4, 0.2, 0.3, 0.3, 0.0, 0.4, 0.2, 0.3])
MIDDLE = np.array(
    [0.4989, 0.125, 0.2768, 0.8749, 0.1252, 0.8753, 0.7986, 0.1251, 0.8295, 0.1252, 0.1251, 0.8751]
)
WIDE = np.array(
    [0.3728, 0.2603, 0.3447, 0.2604, 0.2604, 0.2599, 0.2683, 0.2603, 0.2737, 0.2605, 0.2603, 0.26]
)  # of features
# visits without the ad, log E exp(risk), the largest relative effect
BASE, SHIFT, LIFT = 0.0403, 0.985, 0.95
BUYING = 0.0233  # of visits, before exp
TREATED = 0.85


def make_criteo_like_world(
    n: int = 100_000, *, seed: int = 0, treated: float = TREATED
) -> tuple[Log, Truth]:
    """Draw rows of a world with Criteo's features, rates and treatment share, and the truth.

    Parameters
    ----------
    n : int, default 100000
        Rows, >= 2.
    seed : int, default 0
        Of the draw.
    treated : float, default 0.85
        The share of rows that is open to the ad, in (0, 1).

    Returns
    -------
    log : Log
        What the experiment recorded.
    truth : Truth
        The expected outcome of every unit in every cell.

    References
    ----------
    Diemert, Betlei, Renaudin & Amini (2018), A Large Scale Benchmark for Uplift Modeling, AdKDD.

    Examples
    --------
    >>> log, truth = make_criteo_like_world(2000, seed=1)
    >>> log.metrics, truth.levels.shape
    (('visit', 'conversion'), (2000, 2, 2))
    """
    if n < 2 or not 0 < treated < 1:
        raise InputError("n and treated", "be >= 2 and a share in (0, 1)", (n, treated))
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 3)) @ LOADINGS
    score = (shared + rng.standard_normal((n, 12))) / np.sqrt(1 + (LOADINGS**2).sum(axis=0))
    rank = ndtr(score)
    X = np.column_stack(
        [np.interp(rank[:, j], np.linspace(0, 1, 5), QUANTILES[j]) for j in range(12)]
    )
    # what effects depend on is in the features: (n, 12) in 0..1
    position = (X - QUANTILES.min(axis=1)) / np.ptp(QUANTILES, axis=1)
    s = (position - MIDDLE) / WIDE
    visit = np.empty((n, 2))
    visit[:, 0] = np.minimum(BASE * np.exp(s @ RISK - SHIFT), 0.6)
    visit[:, 1] = np.minimum(visit[:, 0] * (1 + LIFT * expit(1.5 * (s @ PERSUADED))), 0.9)
    convert = np.minimum(BUYING * np.exp(0.5 * (s @ BUYS)), 0.5)
    arm = (rng.random(n) < treated).astype(np.int64)
    visited = rng.random(n) < visit[np.arange(n), arm]
    bought = visited & (rng.random(n) < convert)
    table = {name: X[:, j] for j, name in enumerate(FEATURES)}
    table |= {
        "treatment": arm,
        "visit": visited.astype(np.int8),
        "conversion": bought.astype(np.int8),
    }
    roles = Roles(
        treatment="treatment",
        outcomes=(Outcome("visit", "binary"), Outcome("conversion", "binary")),
        features=FEATURES,
        design=(1 - treated, treated),
    )
    levels = np.stack([visit, visit * convert[:, None]], axis=2)
    propensity = np.broadcast_to(np.array([1 - treated, treated]), (n, 2)).copy()
    truth = Truth(levels, propensity, np.zeros((n, 1)), ("visit", "conversion"), ("0", "1"))
    return Log(pa.table(table), roles, Arms((0, 1))), truth
