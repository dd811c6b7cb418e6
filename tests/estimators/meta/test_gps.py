"""The generalised propensity score against a truth that it can tell, and against what a regression
on the dose alone says.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators import GPS
from equipoise.treatments import Dose

GRID = [2.0, 3.0, 4.0]


def rows(seed, n=8000):
    """A dose that grows with x, an outcome that is higher where the dose was likely; its
    expectations, and E[Y(t)].
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    t = 3 + x[:, 0] + 0.5 * rng.normal(size=n)
    y = t + 3 * density(t, x[:, 0]) + 0.2 * rng.normal(size=n)
    return x, t, y, np.array([a + 3 * density(a, x[:, 0]).mean() for a in GRID])


def density(t, x):
    """Of the dose, up to a constant."""
    return np.exp(-(((t - 3 - x) / 0.5) ** 2) / 2)


def curve(x, t, y):
    """The average level at the grid."""
    made = GPS(space=Dose(-3, 9, levels=GRID)).fit(x, y, treatment=t).effects(x)
    return (made.baseline[:, None, 0] + made.values[:, :, 0]).mean(axis=0)


def test_it_finds_the_response_where_its_model_holds():
    """The margin is three times the worst error over seeds 100 to 104 (.0143); a cubic of the dose
    alone errs by 1.25.
    """
    for seed in range(5):
        x, t, y, truth = rows(seed)
        np.testing.assert_allclose(curve(x, t, y), truth, atol=0.043)
        assert np.abs(np.polyval(np.polyfit(t, y, 3), GRID) - truth).max() > 0.5


def test_without_the_features_it_is_fooled():
    x, t, y, truth = rows(0)
    broken = curve(np.random.default_rng(1).normal(size=x.shape), t, y)
    assert np.abs(broken - truth).max() > 0.3


def test_levels_by_hand_where_the_dose_is_random():
    """With a density that says nothing of the outcome the quadratic in t remains."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(20_000, 2)), rng.uniform(0, 2, 20_000)
    y = 1 + 2 * t - t**2
    made = GPS(space=Dose(0, 2, levels=[0.5, 1.0, 1.5])).fit(x, y, treatment=t).effects(x[:50])
    np.testing.assert_allclose(made.values[:, :, 0], np.tile([0.75, 1.0, 0.75], (50, 1)), atol=1e-6)
    np.testing.assert_allclose(made.baseline, 1.0, atol=1e-6)


def test_bad_input():
    x, t, y, _ = rows(0, 50)
    t = t / 4
    with pytest.raises(InputError, match="the dose must vary"):
        GPS(space=Dose(0, 2)).fit(x, y, treatment=np.ones(50))
    with pytest.raises(InputError, match="ridge must be a number >= 0"):
        GPS(-1.0, space=Dose(0, 2)).fit(x, y, treatment=t)
    x[3] = np.nan
    with pytest.raises(
        InputError, match=r"feature 'x0' must have no missing value; got nan at row 3"
    ):
        GPS(space=Dose(0, 2)).fit(x, y, treatment=t)
