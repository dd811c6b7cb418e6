from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.effects import Effects
from equipoise.estimators import (
    BoostedTrees,
    DRLearner,
    LinearDML,
    RLearner,
    SLearner,
    TLearner,
    XLearner,
)
from equipoise.estimators.level_bounds import joint_bounds, outcome_bounds, within_bounds
from equipoise.treatments import Arms

UNIT = np.array([[0.0], [1.0]])
TREES = BoostedTrees(3, learning_rate=1.0, num_leaves=4, min_child_samples=2, n_jobs=1)
LEARNERS = {
    "dr": DRLearner(TREES, TREES, cv=2),
    "r": RLearner(TREES, TREES, cv=2),
    "x": XLearner(TREES, TREES),
    "t": TLearner(TREES),
    "s": SLearner(TREES),
    "dml": LinearDML(cv=2),
}
sizes = st.sampled_from([1e-3, 0.1, 1.0, 100.0])


def named(values, baseline):
    k, m = values.shape[1:]
    return Effects(values, baseline, tuple("abc"[:k]), tuple("xyz"[:m]))


def bounded(effects, bounds):
    return named(*within_bounds(effects.values, effects.baseline, bounds))


def lie_within(effects, low=0.0, high=1.0):
    """The law: levels between the two values, effects their differences."""
    rounding = 0 if high == 1 else 1e-15 * high  # of other units than 0 and 1
    levels = effects.levels()[:, :, :1]
    assert low - rounding <= levels.min()
    assert levels.max() <= high + rounding
    assert np.abs(effects.values[:, :, :1]).max() <= high - low + rounding
    differences = levels[:, 1:] - levels[:, :1]
    np.testing.assert_allclose(effects.values[:, :, :1], differences, rtol=0, atol=1e-15 * high)


def rare_rows(seed, events, n=90):
    """X (n, 2) of heavy tails, y (n, 2) of few events in each of three arms beside an amount."""
    rng = np.random.default_rng(seed)
    X, cell = rng.standard_t(2, size=(n, 2)), rng.permutation(np.arange(n) % 3)
    y = np.column_stack([np.zeros(n), rng.normal(size=n)])
    for a in range(3):
        y[rng.choice(np.flatnonzero(cell == a), events, replace=False), 0] = 1
    return X, y, cell


def test_bounds_are_the_two_values():
    y = np.array([[0.0, 5.0, 1.0], [1.0, 20.0, 2.0], [1.0, 5.0, 3.0]])
    assert outcome_bounds(y).tolist() == [[0, 5, -np.inf], [1, 20, np.inf]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=6), st.data())
def test_bounds_of_parts_are_those_of_the_whole(y, data):
    column = np.array(y)[:, None]
    cut = data.draw(st.integers(1, len(y) - 1))
    parts = [outcome_bounds(part) for part in (column[:cut], column[cut:])]
    np.testing.assert_array_equal(joint_bounds(*parts), outcome_bounds(column))


def test_levels_by_hand():
    effect = np.array([[[-0.2], [0.1]], [[0.3], [0.0]], [[0.1], [0.2]], [[-1.0], [3.0]]])
    baseline = np.array([[0.1], [0.9], [0.5], [-0.5]])
    got = bounded(named(effect, baseline), UNIT)
    assert got.baseline[:, 0].tolist() == [0.1, 0.9, 0.5, 0.0]
    np.testing.assert_allclose(
        got.values[:, :, 0], [[-0.1, 0.1], [0.1, 0.0], [0.1, 0.2], [0.0, 1.0]], atol=1e-16
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), sizes)
def test_levels_lie_within_and_what_lay_within_keeps_every_bit(seed, size):
    rng = np.random.default_rng(seed)
    before = named(
        size * rng.standard_cauchy((30, 2, 2)), 0.1 + size * rng.standard_cauchy((30, 2))
    )
    after = bounded(before, np.array([[0.0, -np.inf], [1.0, np.inf]]))
    lie_within(after)
    levels = before.levels()
    inside = ((levels[:, :1] >= 0) & (levels[:, :1] <= 1)) & ((levels >= 0) & (levels <= 1))
    inside[:, :, 1] = True  # of a metric without bounds
    np.testing.assert_array_equal(after.values[inside[:, 1:]], before.values[inside[:, 1:]])
    np.testing.assert_array_equal(after.baseline[:, 1], before.baseline[:, 1])
    again = bounded(after, UNIT[:, [0, 0]] + [[0, -np.inf], [0, np.inf]])
    np.testing.assert_array_equal(again.values, after.values)


def test_an_estimator_of_before_has_no_bounds():
    values, baseline = np.full((2, 1, 1), 5.0), np.zeros((2, 1))
    assert within_bounds(values, baseline, None)[0] is values


@pytest.mark.parametrize("name", LEARNERS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1000), events=st.integers(1, 4))
def test_every_learner_states_levels_between_two_values(name, seed, events):
    X, y, cell = rare_rows(seed, events)
    learner = LEARNERS[name].set_params(space=Arms([0, 1, 2])).fit(X, y, treatment=cell)
    effects = learner.effects(3 * X)
    lie_within(effects)
    np.testing.assert_array_equal(learner.outcomes(3 * X), effects.levels()[:, 1:])
    one = learner.effects(3 * X, [2])  # nor do they hang on the candidates asked
    np.testing.assert_array_equal(one.values, effects.values[:, 1:])


def test_levels_of_other_values_than_0_and_1():
    X, y, cell = rare_rows(0, 2)
    effects = TLearner(TREES, space=Arms([0, 1, 2])).fit(X, 5 + 15 * y[:, 0], treatment=cell)
    lie_within(effects.effects(3 * X), 5, 20)


def test_an_offset_takes_no_digits_of_bounded_levels():
    X, y, cell = rare_rows(0, 2)
    learner = LinearDML(cv=2, space=Arms([0, 1, 2]))
    near, far = (learner.fit(X, y + offset, treatment=cell).effects(9 * X) for offset in (0, 1e12))
    np.testing.assert_allclose(far.values[:, :, 0], near.values[:, :, 0], atol=1e-6)


def test_levels_where_arms_are_closed_and_levels_under_another_base():
    X, y, cell = rare_rows(3, 3)
    e = np.full((len(X), 3), 1 / 3)
    closed = (cell != 2) & (X[:, 0] > 0)
    e[closed] = [0.5, 0.5, 0]
    dml = LinearDML(cv=2, space=Arms([0, 1, 2]))
    lie_within(dml.fit(X, y, treatment=cell, propensity=e).effects(9 * X))
    lie_within(dml.fit(X, y, treatment=cell).contrast(9 * X, 1))


@pytest.mark.parametrize("rows", [7, 90])
def test_levels_learnt_from_batches(rows):
    X, y, cell = rare_rows(4, 3)
    columns = {"a": X[:, 0], "b": X[:, 1], "y": y[:, 0], "amount": y[:, 1], "t": cell}
    batches = pa.table(columns).to_batches(max_chunksize=rows)
    learner = LinearDML(cv=2, space=Arms([0, 1, 2])).fit_batches(
        lambda: batches, treatment="t", outcomes=["y", "amount"], features=["a", "b"]
    )
    assert learner.outcome_bounds_.tolist() == [[0, -np.inf], [1, np.inf]]
    lie_within(learner.effects(9 * X))
