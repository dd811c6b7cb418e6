"""Average effects of many arms: claims where nothing is true, and the largest of many estimates."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.estimates import around
from equipoise.evaluation import average_effects, evaluation_data
from equipoise.evaluation.average import AverageEffects

ARMS, ROWS = 37, 1_850


def experiment(seed, spread=0.0):
    """37 arms of 50 rows, and what they truly do."""
    rng = np.random.default_rng(seed)
    effect = np.r_[0, spread * rng.normal(size=ARMS - 1)]
    cell = np.arange(ROWS) % ARMS
    y = effect[cell] + rng.normal(size=ROWS)
    rows = evaluation_data(y, cell=cell, propensity=np.full(ARMS, 1 / ARMS))
    return average_effects(rows), effect[1:, None]


def test_a_family_of_nothing_is_claimed_in_one_of_twenty():
    told = np.array(
        [
            [(some <= 0.05).any() for some in (one.adjusted, one.effect.p_value)]
            for one, _ in (experiment(seed) for seed in range(60))
        ]
    ).mean(axis=0)
    # seeds 1000 to 1399: .03 of the experiments have a claim, .53 by the p-values one by one
    assert told[0] <= 0.12
    assert told[1] > 0.4


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_shrunk_effects_are_nearer_and_the_largest_is_no_luck(spread):
    errors, luck = [], []
    for seed in range(20):
        one, truth = experiment(seed, spread)
        shrunk = one.shrunk().value
        for values in (shrunk, one.effect.value):
            errors.append(((values - truth) ** 2).mean())
            best = int(values.argmax())
            # control's noise is common to all: it is no part of the luck of the best
            luck.append((values - truth)[best, 0] - np.median(values - truth))
    assert np.mean(errors[::2]) < 0.75 * np.mean(errors[1::2])
    assert np.mean(luck[::2]) < 0.5 * np.mean(luck[1::2])


def test_shrunk_intervals_hold_what_is_true():
    held = []
    for seed in range(20):
        one, truth = experiment(seed, 0.3)
        shrunk = one.shrunk()
        held.append(((shrunk.low <= truth) & (truth <= shrunk.high)).mean())
    assert 0.9 < np.mean(held) <= 1


def test_two_arms_are_as_they_are():
    effect = around(np.array([[1.0], [3.0]]), np.ones((2, 1)), level=0.95)
    one = AverageEffects(effect, effect)
    np.testing.assert_array_equal(one.shrunk().value, effect.value)
    np.testing.assert_allclose(
        one.adjusted.ravel(), [effect.p_value[0, 0], 2 * effect.p_value[1, 0]]
    )
