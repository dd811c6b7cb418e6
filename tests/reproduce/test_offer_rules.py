import numpy as np
import pytest

from equipoise.core.strata import CASH, COUPON
from equipoise.reproduce.offer_rules import best_pairs, met
from equipoise.reproduce.published import COLUMNS, ROWS, published_reward


def test_offers_go_to_the_best_within_the_budget_and_to_none_of_no_worth():
    reward = np.array([0.1, -1.0, 0.3, 0.2, -0.5])
    assert best_pairs(reward, 0.4).tolist() == [2, 3]
    assert best_pairs(reward, 1.0).tolist() == [2, 3, 0]
    assert best_pairs(-np.abs(reward), 1.0).tolist() == []


def test_whom_a_policy_meets_by_hand():
    stratum = np.array([0, 1, 2, 2, 3, 3, 3, 4])
    assert met(stratum, COUPON) == {
        "positive": 3,
        "negative": 1,
        "neutral": 4,
        "reward": pytest.approx(3 - 0.4),
    }
    assert met(stratum, CASH) == {
        "positive": 3,
        "negative": 3,
        "neutral": 2,
        "reward": pytest.approx(3 - 1.2),
    }


@pytest.mark.parametrize("data", ROWS)
@pytest.mark.parametrize("scheme", ["coupon", "cash"])
def test_every_printed_reward_is_positive_less_four_tenths_of_negative(data, scheme):
    for method, row in ROWS[data][scheme].items():
        assert abs(row[0] - 0.4 * row[1] - row[3]) <= 1, method
        assert published_reward(data, method, scheme) == row[COLUMNS.index("reward")]


@pytest.mark.parametrize("scheme", ["coupon", "cash"])
def test_printed_rows_spend_the_same_budget(scheme):
    for method, row in ROWS["movielens_1m"][scheme].items():
        assert abs(sum(row[:3]) - 216_045) <= 10, method


def test_what_was_not_printed_is_none():
    assert published_reward("movielens_1m", "CF-MLE", "cash") is None
    assert published_reward("movielens_1m", "CF-MTL-v1 w/o both", "cash") == 35_232
