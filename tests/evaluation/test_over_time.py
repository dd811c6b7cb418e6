"""Effects by period: those of the period's rows, and a test of change that holds its level and sees
what fades.
"""

import numpy as np
import pytest
from scipy.stats import chi2

from equipoise.core.errors import InputError
from equipoise.evaluation import average_effects, effects_over_time, evaluation_data
from equipoise.evaluation.over_time import change_of

HALF = [0.5, 0.5]
P = 12


def test_the_effect_of_a_period_is_that_of_its_rows():
    rng = np.random.default_rng(0)
    n = 1200
    e = rng.dirichlet([5, 5, 5], n)
    cell = (rng.random(n)[:, None] > e.cumsum(axis=1)).sum(axis=1)
    y = np.column_stack([rng.normal(cell, 1.0), rng.random(n) < 0.3])
    levels, week = rng.normal(size=(n, 3, 2)), rng.integers(-1, 4, n)
    group, weight = rng.integers(0, 300, n), rng.uniform(0.5, 2, n)
    rows = evaluation_data(y, cell=cell, propensity=e, levels=levels, weight=weight, groups=group)
    found = effects_over_time(rows, week)
    for p in range(4):
        own = week == p
        alone = evaluation_data(
            y[own],
            cell=cell[own],
            propensity=e[own],
            levels=levels[own],
            weight=weight[own],
            groups=group[own],
        )
        whole = average_effects(alone).effect
        np.testing.assert_allclose(found.effect.value[p], whole.value)
        np.testing.assert_allclose(found.effect.low[p], whole.low)
        assert found.rows[p].tolist() == [
            ((cell[own] == 0) | (cell[own] == a)).sum() for a in (1, 2)
        ]
    assert found.line.value.shape == found.p_value.shape == found.adjusted.shape == (2, 2)


def rates(draws: int, change: float = 0.0):
    """Effects of 12 periods with few rows, the last with six times those of the first: rates of 5 %
    and 6 %, the latter at first by ``change`` above.
    """
    rng = np.random.default_rng(3)
    n0 = np.linspace(90, 510, P).astype(int)
    n1 = n0 // 3
    extra = change * np.exp(-np.arange(P) / 3)
    a, b = (rng.binomial(n, p, (draws, P)) / n for n, p in ((n0, 0.05), (n1, 0.06 + extra)))
    va, vb = a * (1 - a) / (n0 - 1), b * (1 - b) / (n1 - 1)
    df = np.maximum((va + vb) ** 2, 1e-12) / np.maximum(
        va**2 / (n0 - 1) + vb**2 / (n1 - 1), 1e-12 / n1
    )
    return b - a, va + vb, df, (n0 + n1).astype(float)


def test_without_a_change_the_test_holds_its_level_and_that_by_own_variances_does_not():
    theta, v, df, c = rates(2_000)
    when = np.arange(float(P))
    p = [change_of(t, np.diag(s), d, c, when)[2] for t, s, d in zip(theta, v, df, strict=True)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.055  # .038
    some = (v > 0).all(axis=1)
    w = 1 / v[some]
    mean = (w * theta[some]).sum(axis=1) / w.sum(axis=1)
    q = (w * (theta[some] - mean[:, None]) ** 2).sum(axis=1)  # Cochran's
    assert (chi2.sf(q, P - 1) < 0.05).mean() > 0.1


def test_what_fades_is_seen():
    theta, v, df, c = rates(200, 0.16)
    when = np.arange(float(P))
    told = [change_of(t, np.diag(s), d, c, when) for t, s, d in zip(theta, v, df, strict=True)]
    assert np.mean([p < 0.05 for _, _, p in told]) > 0.65  # .81
    assert np.mean([slope < 0 for slope, _, _ in told]) > 0.95


def by_user(seed: int, fade: float):
    """Users who differ much, each with a row in every week, all in one arm."""
    rng = np.random.default_rng(seed)
    user, week = np.repeat(np.arange(120), 6), np.tile(np.arange(6), 120)
    cell = (user % 2).astype(np.int64)
    y = 3 * rng.normal(size=120)[user] + 0.5 * rng.normal(size=720)
    return y + cell * (1 - fade * week / 5), cell, user, week


def test_what_a_users_weeks_share_is_taken_out_of_the_change():
    flat, fading, alone = [], [], []
    for seed in range(80):
        for fade, told in ((0.0, flat), (0.3, fading)):
            y, cell, user, week = by_user(seed, fade)
            rows = evaluation_data(y, cell=cell, propensity=HALF, groups=user)
            told.append(effects_over_time(rows, week).p_value[0, 0])
            if fade:
                rows = evaluation_data(y, cell=cell, propensity=HALF)
                alone.append(effects_over_time(rows, week).p_value[0, 0])
    # .075, .69, and .00 as if weeks of a user were of different people
    assert 0.005 < np.mean(np.array(flat) < 0.05) < 0.1
    assert np.mean(np.array(fading) < 0.05) > 0.5
    assert np.mean(np.array(alone) < 0.05) < 0.1


def test_where_rows_are_few_nothing_is_told():
    rng = np.random.default_rng(1)
    week = np.repeat([0, 1, 2, 3], [100, 100, 30, 100])
    cell = np.arange(330) % 2
    y = rng.normal(size=330)
    found = effects_over_time(evaluation_data(y, cell=cell, propensity=HALF), week)
    assert np.isnan(found.effect.value[:, 0, 0]).tolist() == [False, False, True, False]
    assert found.rows[:, 0].tolist() == [100, 100, 30, 100]
    assert np.isfinite(found.p_value).all()
    two = effects_over_time(evaluation_data(y, cell=cell, propensity=HALF), np.minimum(week, 1))
    assert np.isnan(two.p_value).all()
    assert two.adjusted.tolist() == [[1.0]]
    with pytest.raises(InputError, match=r"period .* one whole number per row"):
        effects_over_time(evaluation_data(y, cell=cell, propensity=HALF), week[:5])
