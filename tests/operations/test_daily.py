"""Daily effects are differences of the day's means, with their standard errors."""

import numpy as np
import pytest

from equipoise.core.errors import LogError
from equipoise.operations.daily import daily_effects
from equipoise.operations.rows import day_rows


def test_they_are_those_of_each_day_alone():
    rng = np.random.default_rng(0)
    s, day, y = rng.integers(0, 3, 900), rng.integers(0, 5, 900), 1e6 + rng.normal(size=(900, 2))
    daily = daily_effects(day_rows(s, day, y), "1")
    assert daily.strategy == ("0", "2")
    for d in range(5):
        for k, name in enumerate((0, 2)):
            one, base = (y[(s == c) & (day == d)] for c in (name, 1))
            effect = one.mean(axis=0) - base.mean(axis=0)
            error = np.sqrt(
                one.var(axis=0, ddof=1) / len(one) + base.var(axis=0, ddof=1) / len(base)
            )
            assert daily.effect[d, k] == pytest.approx(effect, abs=1e-9)
            assert daily.std_error[d, k] == pytest.approx(error, rel=1e-6)


def test_a_day_without_two_rows_or_without_any_spread_has_none():
    s = ["a", "a", "b", "b", "a", "a", "b", "a", "a", "b", "b"]
    day = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    y = [1.0, 2, 3, 4, 1, 2, 3, 1, 1, 1, 1]
    daily = daily_effects(day_rows(s, day, y), "a")
    assert np.isfinite(daily.effect).ravel().tolist() == [True, False, False]
    assert np.isfinite(daily.std_error).ravel().tolist() == [True, False, False]


def test_the_base_is_a_strategy_of_the_log():
    with pytest.raises(LogError, match="did you mean 'base'"):
        daily_effects(day_rows(["base", "b"], [0, 0], [1.0, 2.0]), "bse")
