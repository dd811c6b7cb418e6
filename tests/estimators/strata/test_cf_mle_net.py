import warnings

import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.core.strata import AssumptionWarning  # noqa: E402
from equipoise.estimators.strata import CFMLENet  # noqa: E402


def hidden(n=40_000, seed=0):
    """The offer follows a stratum's sign in pairs of ids that an additive net cannot tell apart."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(0, 20, n), rng.integers(0, 20, n)])
    odd = (X.sum(axis=1) % 2).astype(bool)
    buys = np.where(odd, 0.8, 0.2)  # P(coupon buyer); the others never buy
    g = np.where(odd, 0.9, 0.1)
    z = rng.random(n) < buys
    t = (rng.random(n) < g).astype(np.int64)
    return X, g, t, t * z, t * z


def test_a_known_propensity_repairs_what_the_net_cannot_see():
    X, g, t, c, y = hidden()
    shares = []
    for propensity in (g, None):
        net = CFMLENet(batch=2048, epochs=30)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AssumptionWarning)
            net.fit(X, y, treatment=t, claimed=c, propensity=propensity)
        shares.append(net.strata(X)[:, 3].mean())
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[1] > 0.6
