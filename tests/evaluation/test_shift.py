"""The value of a step: right where either model is right, wrong where both are; it covers; few rows
are not believed.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation.shift import shift_value

STEP = 0.3


def draw(seed, n=2000):
    """A dose that is normal around x, an outcome that bends with it, and the exact ratio of a step
    up.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = x + rng.normal(size=n)
    y = (x + np.sin(t) + rng.normal(size=n))[:, None]
    ratio = np.exp(((t - x) ** 2 - (t - STEP - x) ** 2) / 2)
    return x, t, y, ratio


def level(x, t):
    return (x + np.sin(t))[:, None]


def truth():
    rng = np.random.default_rng(99)
    x = rng.normal(size=400_000)
    t = x + rng.normal(size=400_000)
    return float((np.sin(t + STEP) - np.sin(t)).mean())


def test_either_model_is_enough_and_neither_is_not():
    gains = {"levels": [], "ratio": [], "none": []}
    for seed in range(30):
        x, t, y, ratio = draw(seed)
        before, after, wrong = level(x, t), level(x, t + STEP), np.zeros((len(x), 1))
        gains["levels"].append(shift_value(y, before, after, np.ones(len(x))).gain.value[0])
        gains["ratio"].append(shift_value(y, wrong, wrong, ratio).gain.value[0])
        gains["none"].append(shift_value(y, wrong, wrong, np.ones(len(x))).gain.value[0])
    true = truth()
    assert np.mean(gains["levels"]) == pytest.approx(true, abs=0.01)
    assert np.mean(gains["ratio"]) == pytest.approx(true, abs=0.03)
    assert np.mean(gains["none"]) == pytest.approx(0, abs=0.01)


def test_intervals_cover():
    """200 draws at 95 %."""
    true, inside = truth(), 0
    for seed in range(200):
        x, t, y, ratio = draw(seed, 800)
        gain = shift_value(y, level(x, t), level(x, t + STEP), ratio).gain
        inside += gain.low[0] <= true <= gain.high[0]
    assert 0.91 <= inside / 200 <= 0.985


def test_few_effective_rows_are_not_believed():
    _, _, y, ratio = draw(0)
    assert shift_value(y, y, y, ratio).told
    heavy = np.where(np.arange(len(y)) < 20, 100.0, 0.01)
    value = shift_value(y, y, y, heavy)
    assert not value.told
    assert value.effective < 0.02
    assert not shift_value(y[:100], y[:100], y[:100], ratio[:100]).told


def test_weights_and_groups_are_those_of_means():
    _, _, y, ratio = draw(1, 400)
    twice = shift_value(
        np.repeat(y, 2, axis=0),
        np.repeat(y, 2, axis=0),
        np.repeat(y + 1, 2, axis=0),
        np.repeat(ratio, 2),
    )
    once = shift_value(y, y, y + 1, ratio, weight=np.full(400, 2.0))
    np.testing.assert_allclose(once.gain.value, twice.gain.value)
    assert shift_value(y, y * 0, y, ratio, groups=np.arange(400) // 2).gain.std_error[0] > 0


def test_bad_input_is_told():
    y = np.ones((5, 1))
    with pytest.raises(InputError, match="shapes"):
        shift_value(y, y[:4], y, np.ones(5))
    with pytest.raises(InputError, match="row 2"):
        shift_value(y, y, y, np.array([1, 1, -1, 1, 1.0]))
