"""An offset or a unit of a metric, and the size of equal weights, change nothing: the law of every
registered estimator that claims it.
"""

from __future__ import annotations

from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from contract.test_estimators import every_estimator, home, labels, made
from fixtures.without_torch import net_training
from hypothesis import given, settings
from lightgbm import LGBMRegressor
from sklearn.base import clone
from sklearn.linear_model import Lasso, PoissonRegressor, Ridge

from equipoise.estimators import BoostedTrees, DRLearner, SLearner, TLearner, XLearner

TREES = BoostedTrees(n_estimators=4, learning_rate=0.3, num_leaves=4, n_jobs=1)
PLACES = [(1e12, 1.0), (-1e9, 1.0), (0.0, 1e-6), (0.0, 1e6), (1e6, 100.0)]
OFFSETS = st.integers(min_value=-(10**12), max_value=10**12)
UNITS = st.integers(min_value=-6, max_value=6)


@cache
def rows(n=300):
    """X (n, 3), a metric in hundredths, one in whole numbers and one of 0 and 1, cells (n,)."""
    rng = np.random.default_rng(3)
    X, cell = rng.normal(size=(n, 3)), rng.permutation(np.arange(n) % 3)
    spend = np.round(X[:, 0] + cell * (1 + X[:, 1]) + rng.normal(size=n), 2)
    y = np.column_stack([spend, np.round(4 * X[:, 1] + rng.normal(size=n)), X[:, 2] > 0])
    return X, y, cell


def small(name):
    estimator = made(name, home(name), TREES)
    if "training" in estimator.get_params(deep=False):
        estimator.set_params(training=net_training(epochs=2, batch=64, rate=0.01))
    return estimator


@cache
def plain(name):
    """The effects on the metrics as they are, and each metric's spread."""
    return effects(name, rows()[1])


def effects(name, y, **more):
    X, _, cell = rows()
    return small(name).fit(X, y, treatment=labels(home(name), cell), **more).effects(X)


def moved(offset, unit):
    """The metrics elsewhere: exact decimals, so that only their last bits are lost."""
    y = rows()[1]
    return (
        np.array([float(f"{value:.2f}") for value in (unit * y).ravel()]).reshape(y.shape) + offset
    )


def agree(name, y, offset, unit):
    """Effects and errors in spreads of the metric to 1e-6; levels to what 64 bits hold of them."""
    one, other, spread = plain(name), effects(name, y), rows()[1].std(axis=0)
    rounding = 1e-15 * np.abs(offset) / unit
    np.testing.assert_allclose(other.values / unit / spread, one.values / spread, rtol=0, atol=1e-6)
    levels = (other.baseline - offset) / unit / spread, one.baseline / spread
    np.testing.assert_allclose(*levels, rtol=0, atol=1e-6 + rounding)
    if one.std_error is not None:
        errors = other.std_error / unit / spread, one.std_error / spread
        np.testing.assert_allclose(*errors, rtol=1e-6)


@every_estimator
@pytest.mark.parametrize(("offset", "unit"), PLACES, ids=str)
def test_an_offset_or_a_unit_changes_nothing(name, offset, unit):
    assert small(name).unit_free
    agree(name, unit * rows()[1] + offset, offset, unit)


@pytest.mark.parametrize("name", ["dr-learner", "x-learner", "dml"])
@settings(max_examples=25, deadline=None)
@given(offset=OFFSETS, power=UNITS)
def test_any_offset_and_any_unit(name, offset, power):
    unit = 10.0**power
    agree(name, unit * rows()[1], 0.0, unit)
    agree(name, rows()[1] + offset, float(offset), 1.0)


@every_estimator
@pytest.mark.parametrize("weight", [1e-320, 1e-6, 0.3, 7.0, 1e200], ids=str)
def test_equal_weights_are_no_weights_bit_for_bit(name, weight):
    X, y, _ = rows()
    other = effects(name, y, sample_weight=np.full(len(X), weight))
    np.testing.assert_array_equal(other.values, plain(name).values)
    np.testing.assert_array_equal(other.baseline, plain(name).baseline)


@pytest.mark.parametrize("learner", [TLearner, DRLearner, XLearner, SLearner])
def test_a_foreign_outcome_model_of_32_bits_loses_no_offset(learner):
    """LightGBM's labels have 24 bits: of 1e9 + spend nothing of spend was left."""
    X, y, cell = rows()
    model = LGBMRegressor(n_estimators=5, num_leaves=4, n_jobs=1, verbose=-1)
    one, far, farther = (
        learner(model).fit(X, y[:, 0] + offset, treatment=(cell > 0).astype(int)).effects(X)
        for offset in (0.0, 1e6, -1e9)
    )
    for other in (far, farther):
        np.testing.assert_allclose(other.values, one.values, rtol=0, atol=1e-6 * y[:, 0].std())


@pytest.mark.parametrize("learner", [TLearner, DRLearner, XLearner])
def test_foreign_outcome_models_see_the_metric_itself(learner):
    """A model of counts refuses what is negative, so standard units are not for it."""
    X, _, cell = rows()
    y = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0]))
    estimator = learner(PoissonRegressor()).fit(X, y, treatment=(cell > 0).astype(int))
    assert estimator.outcome_units.unit.tolist() == [1.0]
    assert estimator.outcome_units.centre.tolist() == [0.0]


def test_foreign_effect_models_keep_the_unit_and_lose_the_offset():
    X, y, cell = rows()
    for model in (Ridge(), Lasso(0.1)):
        learner = DRLearner(TREES, model)
        one, far = (
            clone(learner).fit(X, y[:, 0] + offset, treatment=(cell > 0).astype(int)).effects(X)
            for offset in (0.0, 1e12)
        )
        np.testing.assert_allclose(far.values, one.values, atol=1e-6)
