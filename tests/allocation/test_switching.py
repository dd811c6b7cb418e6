from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import Churn, Keep, churn, expected_cost
from equipoise.core.errors import InputError


def test_churn_by_hand():
    before, now = np.array([-1, 0, 1, -2]), np.array([0, 0, -1, 1])
    cost = np.array([[1.0, 2.0]] * 4)
    assert churn(before, now, cost) == Churn(2 / 3, 3.0, 3)
    assert churn(before, before[[0, 1, 2, 3]]) == Churn(0.0, 0.0, 3)
    assert churn(np.array([-2]), [0]) == Churn(0.0, 0.0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_churn_is_the_loop(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    before, now, money = rng.integers(-2, 3, n), rng.integers(-1, 3, n), rng.random((n, 3))
    for cost in (None, money[0], money):
        known = moved = changed = 0
        for u in range(n):
            prices = np.ones(3) if cost is None else np.atleast_2d(cost)[u if cost is money else 0]
            paid = [0.0 if choice < 0 else prices[choice] for choice in (before[u], now[u])]
            if before[u] != -2:
                known += 1
                changed += before[u] != now[u]
                moved += abs(paid[1] - paid[0])
        result = churn(before, now, cost)
        assert (result.units, result.share) == (known, changed / max(known, 1))
        assert result.moved == pytest.approx(moved, abs=1e-12)


def test_a_claim_is_certain_impossible_or_between():
    paid = expected_cost([[2.0, 4.0], [1.0, 3.0]], [[0.0, 1.0], [1.0, 0.25]])
    assert paid.tolist() == [[0.0, 4.0], [1.0, 0.75]]
    assert Keep(np.array([0]), 0.0).bonus == 0.0


def test_bad_input():
    with pytest.raises(InputError, match="keep bonus must be a finite number >= 0; got -1"):
        Keep(np.array([0]), -1.0)
    with pytest.raises(InputError, match="one per unit, 2"):
        churn(np.array([0]), [0, 1])
    with pytest.raises(InputError, match=r"P\(claimed\) must lie in 0..1; got 1.5 at row 1"):
        expected_cost([1.0], [[0.5], [1.5]])
    with pytest.raises(InputError) as error:
        expected_cost([1.0, 1.0], [[0.0, 1.0], [1.0, -0.5]])
    assert (
        str(error.value) == "P(claimed) must lie in 0..1; got -0.5 at row 1; clip or calibrate it"
    )
    for bonus in (np.inf, np.nan):
        with pytest.raises(InputError, match="keep bonus must be a finite number >= 0; got"):
            Keep(np.array([0]), bonus)
    with pytest.raises(
        InputError, match=r"the previous choice must be one per unit, 1; got \(2,\)"
    ):
        churn(np.array([0, 1]), [0])
