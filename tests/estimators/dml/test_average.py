"""Mean effects of `dml`: by hand, by identities, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators import LinearDML
from equipoise.estimators.dml.answers import mean_basis
from equipoise.treatments import Arms


def fitted(n=400, seed=0, **fit):
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(n, 2)), rng.integers(3, size=n)
    y = np.column_stack([X[:, 0] + t * (1 + X[:, 0]), 3 - (t == 2)]) + rng.normal(size=(n, 2))
    return LinearDML(space=Arms([0, 1, 2])).fit(X, y, treatment=t, **fit), X


def test_the_mean_basis_by_hand():
    z = np.array([[1.0, 1.0], [2.0, 4.0]])
    slots, weight = np.array([[0, 0], [0, 1]]), np.array([1.0, 3.0])
    one = mean_basis(np.array([[2.0]]), np.array([[0.5]]), z, weight, slots)
    assert one.tolist() == [[1.5, 1.5 * 3.5]]
    own = mean_basis(np.array([[2.0]]), np.array([[1.0], [0.0]]), z, weight, slots)
    assert own.tolist() == [[2 - 0.25, 2 * 3.5 - 0.25 * 2]]


def test_one_row_is_its_effect_and_many_are_the_mean_of_theirs():
    model, X = fitted()
    effects, one = model.effects(X), model.average_effects(X[:1], population=False)
    np.testing.assert_allclose(one.value, effects.values[0], rtol=1e-10)
    np.testing.assert_allclose(one.std_error, effects.std_error[0], rtol=1e-10)
    weight = np.random.default_rng(1).uniform(1, 2, len(X))
    mean = np.average(effects.values, axis=0, weights=weight)
    for population in (True, False):
        every = model.average_effects(X, sample_weight=weight, population=population)
        np.testing.assert_allclose(every.value, mean, rtol=1e-10)
    plain, wide = model.average_effects(X, population=False), model.average_effects(X)
    drawn = effects.values.var(axis=0, ddof=1) / len(X)
    np.testing.assert_allclose(wide.std_error**2, plain.std_error**2 + drawn, rtol=1e-10)
    np.testing.assert_allclose(plain.df, 400 - 6)
    assert (wide.df > plain.df).all()


def test_against_another_base():
    model, X = fitted()
    base = np.resize([0, 1, 2], len(X))
    own = model.average_effects(X, base=base, population=False)
    np.testing.assert_allclose(own.value, model.contrast(X, base).values.mean(axis=0), rtol=1e-9)
    same = model.average_effects(X, [1], base=1)
    assert same.value.tolist() == same.std_error.tolist() == [[0, 0]]


def test_what_has_no_covariance_or_no_sample_is_refused():
    model, X = fitted()
    with pytest.raises(InputError, match="two or more units"):
        model.average_effects(X[:1])
    with pytest.raises(InputError, match="two or more units"):
        model.average_effects(X[:2], groups=[7, 7])
    with pytest.raises(InputError, match="one entry per row of X"):
        model.average_effects(X, groups=[1, 2])
    t = np.arange(400) % 2
    shrunk = LinearDML(shrink="auto").fit(X, X[:, 0] + t, treatment=t)
    with pytest.raises(InputError, match="least squares"):
        shrunk.average_effects(X)


@pytest.mark.parametrize("clustered", [False, True], ids=["units", "clusters"])
def test_intervals_hold_the_mean_as_often_as_they_say(clustered):
    """120 experiments whose effect is 1 + 3 x: who was sampled is half of the error.  Over 1,000
    they hold .95 of the population, .95 to .96 of these rows and .92 to .93 of a segment of so few;
    the interval of these rows holds .76 to .79 of the population.
    """
    held = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(60), 5) if clustered else np.arange(200)
        size, groups = group.max() + 1, group if clustered else None
        X, t = rng.normal(size=(size, 2))[group], rng.integers(2, size=size)[group]
        shock = rng.normal(size=size)[group] if clustered else 0.0
        y = X[:, 1] + t * (1 + 3 * X[:, 0]) + shock + rng.normal(size=len(X))
        model = LinearDML(modifiers=[0]).fit(X, y, treatment=t, groups=groups)
        some = X[X[:, 0] > 0]
        of_all = model.average_effects(X, groups=groups)[0, 0]
        of_rows = model.average_effects(X, population=False)[0, 0]
        of_some = model.average_effects(some, population=False)[0, 0]
        truths = 1.0, 1 + 3 * X[:, 0].mean(), 1 + 3 * some[:, 0].mean(), 1.0
        each = zip((of_all, of_rows, of_some, of_rows), truths, strict=True)
        held.append([one.low < truth < one.high for one, truth in each])
    share = np.mean(held, axis=0)
    assert share[:3].min() > 0.88
    assert share[3] < 0.86
