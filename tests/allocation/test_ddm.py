from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import (
    Guard,
    choose_sigma,
    ddm_policy,
    decide_each,
    switched_on,
    trade_off,
)
from equipoise.allocation.ddm import check_weights
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError


def effects(n=200, seed=0, error=None) -> Effects:
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.5, 3, (n, 2))
    values = 0.1 * rng.standard_normal((n, 2, 2))
    return Effects(
        values,
        base,
        ("s1", "s2"),
        ("time", "views"),
        None if error is None else np.full((n, 2, 2), error),
    )


def weights(n=200, seed=1):
    w = np.random.default_rng(seed).uniform(0.1, 1, (n, 2))
    return w / w.sum(axis=1, keepdims=True)


def test_one_request_by_hand():
    said = Effects(
        np.array([[[0.2, -0.3], [-0.1, 0.6]]]),
        np.array([[2.0, 0.5]]),
        ("s1", "s2"),
        ("time", "views"),
    )
    guard = Guard((1.0, 1.0))  # 0.5 is floored at 1
    phi = trade_off(ddm_policy(said), said, guard, np.array([[0.75, 0.25]]))
    np.testing.assert_allclose(phi, [[0.75 * 0.1 - 0.25 * 0.3, 0.75 * -0.05 + 0.25 * 0.6]])
    assert guard.floored(said).tolist() == [0.0, 1.0]
    assert switched_on(phi, 0.01).tolist() == [[False, True]]


def test_a_batch_and_a_row_give_the_same_bits():
    """Offline a batch, online per request: the same function, to the last bit."""
    said, w, guard = effects(), weights(), Guard((0.7, 0.7))
    phi = trade_off(ddm_policy(said), said, guard, w)
    rows = [
        trade_off(ddm_policy(said), said.take([i]), guard, w[i : i + 1]) for i in range(len(said))
    ]
    assert phi.tobytes() == np.concatenate(rows).tobytes()
    on = decide_each(ddm_policy(said, sigma=0.01), guard.relative(said), weights=w)
    np.testing.assert_array_equal(on, switched_on(phi, 0.01))


def test_a_rule_is_made_of_what_it_is_given():
    said = effects(3)
    plain = ddm_policy(effects=said)
    assert (plain.candidates, plain.metrics, plain.weights) == (
        ("s1", "s2"),
        ("time", "views"),
        (0.5, 0.5),
    )
    assert (plain.threshold, plain.mode, plain.lower, plain.control) == (0.0, "each", 0.0, "none")
    own = ddm_policy(said, sigma=0.1, mode="argmax", lower=2.0, control="off")
    assert (own.threshold, own.mode, own.lower, own.control) == (0.1, "argmax", 2.0, "off")


def test_errors_and_values_are_divided_by_the_same_levels():
    """Floored where the level is below; a level at the floor is not counted as floored."""
    said = Effects(
        np.full((2, 1, 1), 3.0), np.array([[1.0], [2.0]]), ("s",), ("m",), np.full((2, 1, 1), 0.5)
    )
    guard = Guard(floor=(2.0,))
    relative = guard.relative(said)
    assert relative.values.ravel().tolist() == [1.5, 1.5]
    assert relative.std_error.ravel().tolist() == [0.25, 0.25]
    assert relative.baseline.tolist() == [[1.0], [1.0]]
    assert guard.floored(said).tolist() == [0.5]
    assert guard.quantile == 0.01
    assert Guard.learn(np.array([[1.0], [3.0]]), 0.0) == Guard((1.0,), 0.0)


def test_weights_may_miss_one_by_rounding_only():
    good = np.array([[0.5, 0.5 + 9e-7], [0.5, 0.5 - 9e-7]])
    assert (check_weights(good, (2, 2)) == good).all()
    for miss in (2e-6, -2e-6):
        with pytest.raises(InputError, match="at row 1"):
            check_weights(np.array([[0.5, 0.5], [0.5, 0.5 + miss]]), (2, 2))


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_of_most_worst_gain(seed):
    """By looking at all: quantiles of phi in fortieths, and 0; the lowest of equals."""
    rng = np.random.default_rng(seed)
    phi, gains = rng.normal(0, 0.1, (30, 2)), rng.normal(0, 1, (30, 2, 2))
    sigmas = sorted({0.0, *np.quantile(phi, np.arange(41) / 40).tolist()})

    def worst(sigma):
        totals = [0.0, 0.0]
        for i, k in zip(*np.nonzero(phi > sigma), strict=True):
            totals = [total + gains[i, k, r] / 30 for r, total in enumerate(totals)]
        return min(totals)

    best = max(map(worst, sigmas))
    want = next(sigma for sigma in sigmas if worst(sigma) >= best - 1e-12)
    assert choose_sigma(phi, gains) == pytest.approx(want, abs=1e-12)
    assert choose_sigma(phi, gains, [0.5, 0.4]) == 0.4  # nothing is on: equal


def test_modes():
    assert switched_on(np.array([[0.5, 0.2]]), 0.2).tolist() == [[True, False]]
    phi = np.array([[0.3, 0.2], [-0.1, 0.1], [-0.2, -0.3]])
    assert switched_on(phi, 0.0).tolist() == [[True, True], [False, True], [False, False]]
    assert switched_on(phi, 0.0, "argmax").tolist() == [
        [True, False],
        [False, True],
        [False, False],
    ]


def test_what_is_uncertain_is_not_switched_on():
    said, w = effects(error=0.5), weights()
    free = trade_off(ddm_policy(said), said, Guard((0.7, 0.7)), w)
    low = trade_off(ddm_policy(said, lower=1.0), said, Guard((0.7, 0.7)), w)
    assert (low < free).all()
    assert switched_on(low, 0.0).mean() < 0.1 < switched_on(free, 0.0).mean()


def test_a_floor_comes_from_training_rows():
    base = np.column_stack([np.arange(1.0, 101), np.arange(101.0, 201)])
    assert Guard.learn(base, 0.5).floor == pytest.approx((50.5, 150.5))
    with pytest.raises(
        InputError, match=r"the floor of metric 0 must be > 0; got 0.0; .*larger quantile"
    ):
        Guard.learn(np.zeros((5, 1)))
    for quantile in (-0.1, 1.0):
        with pytest.raises(InputError, match=r"quantile must be a share in \[0, 1\); got"):
            Guard.learn(base, quantile)


def test_a_denominator_near_nothing_does_not_explode():
    said = Effects(np.full((1, 1, 1), 0.1), np.full((1, 1), 1e-12), ("s",), ("m",))
    assert float(Guard((0.5,)).relative(said).values[0, 0, 0]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[0.5, 0.6]], r"weights must be > 0 and sum to 1; got \[0.5, 0.6\] at row 0; divide them"),
        ([[1.0, 0.0]], "weights must be > 0"),
        ([[np.nan, 1.0]], "weights must be > 0"),
        ([[1.0]], r"weights must have shape \(n, m\)"),
    ],
)
def test_weights_are_positive_and_sum_to_one(given, said):
    with pytest.raises(InputError, match=said):
        check_weights(np.asarray(given), (1, 2))


def test_sigma_keeps_noise_off():
    """Noise of no effect that costs a little when on: sigma rises until only what is worth it is
    on.
    """
    rng = np.random.default_rng(0)
    phi = rng.normal(0, 0.1, (4000, 1))
    gains = np.where(phi > 0.15, 0.2, -0.05)[:, :, None] * np.ones((1, 1, 2))
    assert 0.1 < choose_sigma(phi, gains) <= 0.2
    assert choose_sigma(phi, np.abs(gains)) == phi.min() or choose_sigma(phi, np.abs(gains)) < 0


def test_weights_of_a_request_beat_fixed_ones():
    """Each strategy serves one metric; requests are about one metric each.   Turned round, the
    weights lose.
    """
    rng = np.random.default_rng(0)
    about = rng.integers(0, 2, 2000)
    base = np.where(np.arange(2) == about[:, None], 10.0, 1.0)
    delta = np.array([[0.1, -0.1], [-0.1, 0.1]])
    said = Effects(base[:, None] * delta, base, ("s1", "s2"), ("time", "views"))
    w = base / base.sum(axis=1, keepdims=True)
    guard = Guard((0.5, 0.5))

    def totals(weights):
        on = switched_on(trade_off(ddm_policy(said), said, guard, weights), 0.0)
        return (on[:, :, None] * said.values).sum(axis=(0, 1)) / base.sum(axis=0)

    assert (totals(w) > 0.05).all()
    assert (totals(w[:, ::-1]) < -0.05).all()
    assert np.abs(totals(np.full((2000, 2), 0.5))).max() < 1e-9
