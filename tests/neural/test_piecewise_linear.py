from __future__ import annotations

import numpy as np

from equipoise.neural.piecewise_linear import Inputs

NAN = float("nan")


def test_a_number_lies_between_its_quantiles():
    X = np.linspace(0, 1, 1001)[:, None]
    inputs = Inputs.learn(X, bins=4)
    assert inputs.knots[0].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert inputs.positions(np.array([[0.0], [0.125], [0.5], [9.0], [-9.0]]))[:, 0].tolist() == [
        0,
        0.5,
        2,
        4,
        0,
    ]


def test_a_long_tail_does_not_press_the_others_together():
    """Cut by the largest value, as some do, all of these would share a bucket."""
    X = np.r_[np.arange(1000.0), 1e9][:, None]
    place = Inputs.learn(X).positions(np.array([[100.0], [500.0], [900.0]]))[:, 0]
    assert (np.diff(place) > 5).all()


def test_few_values_have_a_knot_each_and_others_are_read_between_or_as_the_nearest():
    X = np.array([[3.0], [7.0], [7.0], [20.0]])
    inputs = Inputs.learn(X)
    assert inputs.positions(np.array([[3.0], [7.0], [20.0], [5.0], [-1.0], [99.0]]))[
        :, 0
    ].tolist() == [0, 1, 2, 0.5, 0, 2]
    assert inputs.slots == 2


def test_missing_has_a_place_of_its_own_where_it_was_seen():
    seen = np.array([[1.0], [2.0], [2.0], [NAN]])
    inputs = Inputs.learn(seen)
    assert inputs.positions(np.array([[NAN], [5.0]]))[:, 0].tolist() == [2, 1]
    assert inputs.slots == 2
    never = Inputs.learn(np.array([[0.0], [1.0], [1.0], [1.0]]))
    # the mean of the basis, and so of the two answers
    assert never.positions(np.array([[NAN]]))[:, 0].tolist() == [0.75]
    assert Inputs.learn(np.arange(101.0)[:, None], bins=4).positions(np.array([[NAN]]))[
        :, 0
    ].tolist() == [2]


def test_every_position_that_can_be_asked_was_trained_on():
    """A slot that no training row reached would answer with its first, random weights."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.integers(0, 3, 500), rng.normal(size=500), rng.integers(0, 2, 500)]
    ).astype(float)
    X[:9, 2] = NAN
    inputs = Inputs.learn(X)
    asked = inputs.positions(
        np.array([[NAN, NAN, NAN], [-9.0, -9.0, -9.0], [9.0, 9.0, 9.0], [1.5, 0.5, 0.5]])
    )
    assert (asked <= inputs.positions(X).max(axis=0)).all()
    assert (asked >= 0).all()


def test_positions_are_those_of_linear_interpolation():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.normal(size=400),
            rng.integers(0, 5, 400),
            rng.exponential(size=400) * (rng.random(400) > 0.5),
        ]
    )
    inputs, new = Inputs.learn(X), 3 * rng.normal(size=(300, 3))
    want = [
        np.interp(x, knots, np.arange(len(knots)))
        for x, knots in zip(new.T, inputs.knots, strict=True)
    ]
    np.testing.assert_allclose(inputs.positions(new), np.transpose(want), atol=1e-6)


def test_a_column_of_nothing_but_missing_values():
    inputs = Inputs.learn(np.full((3, 1), NAN))
    assert np.isfinite(inputs.positions(np.array([[NAN], [1.0]]))).all()


def test_parts_are_plain_and_make_the_same_inputs():
    X = np.random.default_rng(0).normal(size=(50, 2))
    inputs = Inputs.learn(X)
    np.testing.assert_array_equal(Inputs(**inputs.parts()).positions(X), inputs.positions(X))
