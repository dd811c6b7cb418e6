from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.operations import confirm
from equipoise.operations.claims import normal_priors


def test_a_claim_by_hand():
    # first values so far apart and so sure that their prior says nothing: 3 and 1 by precision
    claims = confirm(np.linspace(-300, 300, 201), np.ones(201), [101], [1.0], [0.5])
    np.testing.assert_allclose(claims.value, (3 * 1 + 1 * 4) / 5, rtol=1e-3)
    np.testing.assert_allclose(claims.std_error, np.sqrt(1 / 5), rtol=1e-3)
    assert claims.pick == 101
    assert abs(claims.mean) < 0.01
    assert 165 < claims.spread < 185  # 600 / sqrt(12) = 173


def test_what_first_values_say_of_the_spread():
    # noise of 1 on values that are alike: small spreads are the likely ones, and none is 0
    spread, mean, chance = normal_priors(np.array([1.0, 1.2, 0.8, 1.1]), np.ones(4))
    assert (np.diff(chance) < 0).all()
    assert spread.min() > 0
    np.testing.assert_allclose(mean, 1.025)
    claims = confirm([1.0, 1.2, 0.8, 1.1], np.ones(4), [1, 3], [5.0, 4.0], [0.5, 0.5])
    assert (claims.value < [4.2, 3.6]).all()
    assert claims.pick == 1  # by data, though the prior could explain all by noise


def test_the_claim_of_the_pick_is_right_where_the_largest_value_is_too_high():
    gap, loud, miss = [], [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        worth = 0.7 + 0.8 * rng.normal(size=64)
        first = worth + 1.1 * rng.normal(size=64)
        rows = np.argsort(-first)[:5]
        fresh = worth[rows] + 0.55 * rng.normal(size=5)
        claims = confirm(first, np.full(64, 1.1), rows, fresh, np.full(5, 0.55))
        best = int(np.argmax(claims.value))
        gap.append(claims.value[best] - worth[claims.pick])
        loud.append(fresh.max() - worth[rows[np.argmax(fresh)]])
        miss.append(gap[-1] / claims.std_error[best])
    assert abs(np.mean(gap)) < 0.12  # 400 seeds: -0.04
    assert np.mean(loud) > 0.3
    assert 0.85 < np.std(miss) < 1.15


def test_bad_values_are_refused():
    ones = np.ones(4)
    with pytest.raises(InputError, match="row 1"):
        confirm([1, np.nan, 2, 3], ones, [0], [1.0], [1.0])
    with pytest.raises(InputError, match="error > 0"):
        confirm(np.arange(4), ones, [0], [1.0], [0.0])
    with pytest.raises(InputError, match=r"different rows in 0\.\.3"):
        confirm(np.arange(4), ones, [0, 0], [1.0, 2.0], [1.0, 1.0])
    with pytest.raises(InputError, match="one row for each"):
        confirm(np.arange(4), ones, [0], [1.0, 2.0], [1.0, 1.0])
    with pytest.raises(InputError, match="one of each"):
        confirm(np.arange(4), np.ones(3), [0], [1.0], [1.0])
    with pytest.raises(InputError, match="3 or more"):
        normal_priors(np.ones(2), np.ones(2))
