"""Average effects: by hand, against the classical two-sample formulas, in simulated truth."""

import numpy as np
import pytest
from scipy.stats import norm

from equipoise.evaluation import average_effects, effects_on_treated, evaluation_data, snips

HALF = [0.5, 0.5]


def test_four_rows_by_hand():
    effects = average_effects(evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=HALF))
    assert effects.effect[0, 0].value == 4
    assert effects.control[0].value == 1.5
    # the variance of each arm is 1/2, over 2 rows; Welch's degrees of freedom are 2
    assert effects.effect[0, 0].std_error == pytest.approx(np.sqrt(1 / 4 + 1 / 4))
    assert effects.effect[0, 0].high - 4 == pytest.approx(4.3026527 * np.sqrt(1 / 2))


@pytest.mark.parametrize("method", [None, snips])
def test_is_the_difference_in_means_with_its_two_sample_error(method):
    rng = np.random.default_rng(0)
    cell = rng.integers(0, 2, 500)
    y = 3 + cell * 0.5 + rng.standard_normal(500) * (1 + cell)
    # the observed shares, as a randomised experiment is usually judged
    share = np.bincount(cell) / 500
    effects = average_effects(
        evaluation_data(y, cell=cell, propensity=share),
        **({} if method is None else {"method": method}),
    ).effect[0, 0]
    treated, control = y[cell == 1], y[cell == 0]
    assert effects.value == pytest.approx(treated.mean() - control.mean())
    error = np.sqrt(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))
    assert effects.std_error == pytest.approx(error, rel=1e-12)
    assert effects.p_value == pytest.approx(2 * norm.sf(abs(effects.value / error)), rel=0.05)


def test_every_arm_and_metric_at_once():
    rng = np.random.default_rng(1)
    cell = rng.choice(3, 30_000, p=[0.6, 0.3, 0.1])
    y = np.stack(
        [np.array([1.0, 1.2, 1.5])[cell], np.array([0.0, -1.0, 3.0])[cell]], axis=1
    ) + rng.standard_normal((30_000, 2))
    effects = average_effects(evaluation_data(y, cell=cell, propensity=[0.6, 0.3, 0.1])).effect
    true = np.array([[0.2, -1.0], [0.5, 3.0]])
    assert effects.value.shape == effects.p_value.shape == (2, 2)
    assert (np.abs(effects.value - true) < 4 * effects.std_error).all()  # worst of 20 seeds: 3.4
    assert effects.std_error[1, 0] > effects.std_error[0, 0]


def test_confounding_that_the_propensity_knows_is_taken_out():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(20_000)
    e = 1 / (1 + np.exp(-x))
    cell = (rng.random(20_000) < e).astype(int)
    y = 2 * x + cell + rng.standard_normal(20_000)
    effects = average_effects(
        evaluation_data(y, cell=cell, propensity=np.column_stack([1 - e, e]))
    ).effect[0, 0]
    assert abs(y[cell == 1].mean() - y[cell == 0].mean() - 1) > 1
    assert abs(effects.value - 1) < 4 * effects.std_error


def test_levels_narrow_the_interval():
    rng = np.random.default_rng(3)
    x, cell = rng.standard_normal(2000), rng.integers(0, 2, 2000)
    y = 3 * x + cell + rng.standard_normal(2000)
    plain = average_effects(evaluation_data(y, cell=cell, propensity=HALF)).effect[0, 0]
    levels = np.column_stack([3 * x, 3 * x + 1])
    modelled = average_effects(
        evaluation_data(y, cell=cell, propensity=HALF, levels=levels)
    ).effect[0, 0]
    assert modelled.std_error < plain.std_error / 2.5
    assert abs(modelled.value - 1) < 4 * modelled.std_error


def test_an_effect_of_nothing_has_p_one():
    effects = average_effects(
        evaluation_data([1, 1, 1, 1], cell=[0, 0, 1, 1], propensity=HALF)
    ).effect[0, 0]
    assert (effects.value, effects.std_error, effects.p_value) == (0, 0, 1)
    assert not effects.excludes_zero


def few_clusters(rng, clusters=6):
    group = np.repeat(np.arange(clusters), rng.integers(5, 40, clusters))
    cell = rng.permutation(np.arange(clusters) % 2)[group]
    y = 0.5 * rng.normal(size=clusters)[group] + rng.normal(size=len(group))
    return y, cell, cell.mean(), None, group


def uneven_weights(rng):
    cell = rng.permutation(np.arange(400) % 2)
    return 3 + rng.normal(size=400), cell, 0.5, np.exp(2 * rng.normal(size=400)), None


def few_buyers(rng):
    cell = (rng.random(3000) < 0.03).astype(int)
    amount = np.where(rng.random(3000) < 0.06, rng.lognormal(2, 0.5, 3000), 0.0)
    return amount, cell, 0.03, None, None


def one_in_ten(rng):
    return rng.normal(size=40), (np.arange(40) < 4).astype(int), 0.1, None, None


@pytest.mark.parametrize(
    ("world", "least"),
    # of 250 worlds .976, .980, .936, .936; with normal quantiles .864, .924, .892, .880
    [(few_clusters, 0.94), (uneven_weights, 0.95), (few_buyers, 0.915), (one_in_ten, 0.91)],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_intervals_hold_the_truth_where_little_is_known(world, least):
    inside = []
    for seed in range(250):
        y, cell, p, weight, groups = world(np.random.default_rng(seed))
        rows = evaluation_data(y, cell=cell, propensity=[1 - p, p], weight=weight, groups=groups)
        effect = average_effects(rows).effect[0, 0]
        inside.append(effect.low <= 0 <= effect.high)
    assert np.mean(inside) > least


def test_of_many_rows_the_interval_is_the_normal_one():
    rng = np.random.default_rng(3)
    cell, y = rng.integers(0, 2, 60_000), rng.normal(size=60_000)
    effect = average_effects(evaluation_data(y, cell=cell, propensity=HALF)).effect[0, 0]
    assert effect.high - effect.value == pytest.approx(1.959964 * effect.std_error, rel=1e-4)


def logged_by_a_feature(seed, n=2_000):
    """The first half is treated seldom and gains 1, the second often and gains 3."""
    rng = np.random.default_rng(seed)
    late = np.arange(n) % 2
    e = np.where(late == 1, 0.8, 0.2)
    cell = (rng.random(n) < e).astype(int)
    y = 5.0 * late + np.where(late == 1, 3.0, 1.0) * cell + rng.standard_normal(n)
    return y, cell, np.column_stack([1 - e, e]), late


@pytest.mark.parametrize("modelled", [False, True])
def test_effects_on_the_treated_are_of_those_who_got_it(modelled):
    """The treated gain 0.2 / (0.2 + 0.8) 1 + 0.8 3 = 2.6, everybody 2."""
    found = []
    for seed in range(200):
        y, cell, e, late = logged_by_a_feature(seed)
        levels = np.column_stack([5.0 * late, np.zeros(len(y))]) if modelled else None
        rows = evaluation_data(y, cell=cell, propensity=e, levels=levels)
        one = effects_on_treated(rows)[0, 0]
        found.append((one.value, one.low <= 2.6 <= one.high))
    values, held = np.array(found).T
    assert abs(values.mean() - 2.6) < 4 * values.std() / 200**0.5
    assert 0.92 <= held.mean() <= 0.985


def test_with_equal_chances_the_treated_are_everybody():
    rng = np.random.default_rng(0)
    cell, y = rng.integers(0, 3, 900), rng.standard_normal((900, 2))
    rows = evaluation_data(y, cell=cell, propensity=[1 / 3] * 3)
    np.testing.assert_allclose(
        effects_on_treated(rows).value, average_effects(rows).effect.value, atol=1e-12
    )
