"""An unmeasured cause of known strength: the bounds hold the truth and the estimate does not; the
strength of features by their definition.
"""

import numpy as np
import pytest
from scipy.special import expit

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    average_effects,
    evaluation_data,
    feature_strengths,
    hidden_bias,
    policy_value,
)
from equipoise.evaluation.data import EvaluationData

EFFECT, BOTH = 0.5, [0, 1]


class World:
    """y = effect a + x + .8 u + noise, u = -1 or 1 by half; P(a | x, u) = expit(.4 x + .5 u).

    What is known without u follows by Bayes: e_s = (e_1 + e_-1) / 2 and P(u = 1 | a, x).
    """

    def __init__(self, seed: int, n: int) -> None:
        rng = np.random.default_rng(seed)
        self.x, self.u = rng.normal(size=n), 2.0 * rng.integers(0, 2, n) - 1
        up, down = expit(0.4 * self.x + 0.5), expit(0.4 * self.x - 0.5)
        self.e_long = np.where(self.u > 0, up, down)
        self.a = (rng.random(n) < self.e_long).astype(int)
        self.y = EFFECT * self.a + self.x + 0.8 * self.u + rng.normal(size=n)
        self.e = (up + down) / 2
        mean_u = np.column_stack([(down - up) / (2 - up - down), (up - down) / (up + down)])
        arms = np.array([0.0, EFFECT])
        self.levels = arms + (self.x[:, None] + 0.8 * mean_u)
        self.levels_long = arms + (self.x + 0.8 * self.u)[:, None]

    def rows(self, *, with_u: bool = False) -> EvaluationData:
        """The rows with the propensities and levels that are right for what is known."""
        e, levels = (self.e_long, self.levels_long) if with_u else (self.e, self.levels)
        p = np.column_stack([1 - e, e])
        return evaluation_data(self.y, cell=self.a, propensity=p, levels=levels)

    def strength(self) -> tuple[float, float]:
        """C_Y^2 and r of u, by their definitions."""
        own = np.arange(len(self.a)), self.a
        moved = (self.levels_long[own] - self.levels[own]) ** 2
        squares = [np.where(self.a == 1, 1 / e, 1 / (1 - e)) ** 2 for e in (self.e, self.e_long)]
        short, long = (float(square.mean()) for square in squares)
        return moved.mean() / ((self.y - self.levels[own]) ** 2).mean(), 1 - short / long


@pytest.fixture(scope="module")
def strength():
    return World(1_000, 1_000_000).strength()


def test_bounds_at_the_true_strength_hold_the_truth_that_the_estimate_misses(strength):
    outcome, treatment = strength
    assert strength == pytest.approx((0.377, 0.067), abs=0.002)
    held, alone, broken, least = [], [], [], []
    for seed in range(100):
        hidden = hidden_bias(np.zeros(2_000, int), World(seed, 2_000).rows())
        (low,), (high,) = hidden.bounds(outcome, treatment)
        effect = hidden.effect[0]
        held.append(low <= EFFECT <= high)
        alone.append(effect.low <= EFFECT <= effect.high)
        factor = np.sqrt(outcome * treatment / (1 - treatment))
        least.append(effect.value - factor * hidden.scale[0])
        # as if the weights had a variance of 1: S = sigma
        sigma = hidden.scale[0] / 2.05
        broken.append(effect.low - factor * sigma <= EFFECT)
    assert np.mean(held) >= 0.95  # .99
    assert np.mean(alone) == 0
    assert np.mean(broken) < 0.5
    # the bound is sharp but for g and alpha, that go together by .926
    assert np.mean(least) == pytest.approx(EFFECT - (1 / 0.926 - 1) * 0.39, abs=0.02)


def test_chance_of_scale_is_counted():
    """The spread of the lower bound over worlds is what its interval says."""
    ends, errors = [], []
    for seed in range(150):
        hidden = hidden_bias(np.zeros(800, int), World(seed, 800).rows())
        (low,), _ = hidden.bounds(0.5, 0.3)
        bound = hidden.effect.value[0] - np.sqrt(0.5 * 0.3 / 0.7) * hidden.scale[0]
        ends.append(bound)
        errors.append((bound - low) / 1.963)
    assert np.mean(errors) == pytest.approx(np.std(ends), rel=0.15)


def test_robustness_and_times_are_where_the_interval_meets_zero():
    rows = World(3, 3_000).rows()
    for turned in (1.0, -1.0):
        y, levels = turned * rows.y, turned * rows.levels
        flipped = evaluation_data(y, cell=rows.cell, propensity=rows.propensity, levels=levels)
        hidden = hidden_bias(np.zeros(3_000, int), flipped)
        r = float(hidden.robustness[0])
        low, high = hidden.bounds(r, r)
        assert min(abs(low[0]), abs(high[0])) == pytest.approx(0, abs=1e-9)
        (k,) = hidden.times(np.array([0.1]), 0.05)
        square = k * 0.05 / 0.95
        low, high = hidden.bounds(0.1 * k, square / (1 + square))
        assert min(abs(low[0]), abs(high[0])) == pytest.approx(0, abs=1e-9)
        (k,) = hidden.times(np.array([0.9]), 0.001)  # more than all of the outcome
        square = k * 0.001 / 0.999
        low, high = hidden.bounds(1.0, square / (1 + square))
        assert min(abs(low[0]), abs(high[0])) == pytest.approx(0, abs=1e-9)
    assert hidden.times(np.array([0.5]), 0.0).tolist() == [np.inf]
    nothing = hidden_bias(np.full(3_000, -1), rows)
    assert nothing.effect.value.tolist() == nothing.undoing.tolist() == [0.0]


def test_without_a_cause_the_bounds_are_the_interval_of_the_average_effect():
    rows = World(4, 500).rows()
    hidden = hidden_bias(np.zeros(500, int), rows)
    effect = average_effects(rows).effect[0, 0]
    low, high = hidden.bounds(0.0, 0.5)
    assert [low[0], high[0]] == pytest.approx([effect.low, effect.high])
    policy = np.random.default_rng(0).dirichlet([1, 1], 500)
    gain = policy_value(policy, rows).minus(policy_value(np.full(500, -1), rows))
    assert hidden_bias(policy, rows).effect.low == pytest.approx(gain.low)


def test_a_feature_is_as_strong_as_by_definition_when_it_is_left_out(strength):
    world = World(5, 40_000)
    X = np.column_stack([world.x, world.u, np.random.default_rng(0).normal(size=40_000)])
    rows = world.rows(with_u=True)
    x, u, noise = feature_strengths(np.zeros(40_000, int), rows, X, ["x", "u", "noise"])
    assert (x.feature, u.feature, noise.feature) == ("x", "u", "noise")
    # of what is left with u known, a variance of 1; without u it is 1 / (1 - .377)
    assert u.outcome[0] == pytest.approx(strength[0] / (1 - strength[0]), abs=0.02)
    assert u.treatment == pytest.approx(strength[1], abs=0.01)
    assert noise.both[0] < 1e-3 < x.both[0]
    together = feature_strengths(np.zeros(40_000, int), rows, X, ["one", "one", "noise"])
    assert [s.feature for s in together] == ["one", "noise"]
    assert together[0].both[0] > max(x.both[0], u.both[0])


def test_bad_input_is_told():
    rows = World(6, 100).rows()
    hidden = hidden_bias(np.zeros(100, int), rows)
    with pytest.raises(InputError, match=r"outcome .* share"):
        hidden.bounds(1.2, 0.1)
    with pytest.raises(InputError, match=r"treatment .* below 1"):
        hidden.bounds(0.1, 1.0)
    with pytest.raises(InputError, match="X"):
        feature_strengths(np.zeros(100, int), rows, np.zeros((100, 2)), ["x"])
