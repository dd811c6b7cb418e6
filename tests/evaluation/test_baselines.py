"""The policies that a policy is measured against."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import constant_policy, random_at_equal_spend, top_share


def test_top_share_by_hand():
    effects = np.array([[1.0, 3.0], [2.0, 0.0], [0.5, 0.4]])
    assert top_share(effects, 2 / 3).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert top_share([3.0, 1.0, 1.0], 2 / 3)[:, 1].tolist() == [1, 0.5, 0.5]


@pytest.mark.parametrize("share", [0, 0.13, 0.5, 1])
def test_top_share_treats_just_that_share_whatever_the_ties(share):
    score = np.round(np.random.default_rng(0).standard_normal((97, 3)), 1)
    policy = top_share(score, share)
    assert 1 - policy[:, 0].mean() == pytest.approx(share)
    shuffled = np.random.default_rng(1).permutation(97)
    assert top_share(score[shuffled], share) == pytest.approx(policy[shuffled])


def test_everybody_and_nobody():
    assert constant_policy(2, 3, 3).tolist() == [[0, 0, 1]] * 3
    assert constant_policy(0, 2, 3).tolist() == [[1, 0, 0]] * 2


def test_by_lot_spends_what_the_policy_spends():
    rng = np.random.default_rng(2)
    cost = rng.uniform(1, 3, (500, 2))
    # the cheap ones: more offers than a lot could pay for
    choice = np.where(cost.min(axis=1) < 1.5, cost.argmin(axis=1), -1)
    spend = np.where(choice >= 0, cost[np.arange(500), np.maximum(choice, 0)], 0).mean()
    lot = random_at_equal_spend(choice, cost)
    assert (lot[:, 1:] * cost).sum(axis=1).mean() == pytest.approx(spend)
    assert (lot == lot[0]).all()
    assert lot[0, 1] / lot[0, 2] == pytest.approx(np.mean(choice == 0) / np.mean(choice == 1))


def test_by_lot_never_treats_more_than_everybody():
    cost = np.array([[1.0], [9.0]])
    assert random_at_equal_spend(np.array([-1, 0]), cost)[0].tolist() == pytest.approx([0.1, 0.9])
    assert random_at_equal_spend(np.array([0, 0]), cost)[0].tolist() == [0, 1]
    # the policy gives each unit its dear arm: no lot can spend as much
    dear = np.array([[10.0, 1.0], [1.0, 10.0]])
    assert random_at_equal_spend(np.array([0, 1]), dear)[0].tolist() == [0, 0.5, 0.5]


def test_a_policy_that_treats_nobody_is_matched_by_nobody():
    assert random_at_equal_spend(np.full(4, -1))[0].tolist() == [1, 0]


def test_bad_input():
    with pytest.raises(InputError, match=r"share must lie in 0\.\.1; got 1.2"):
        top_share([1.0, 2.0], 1.2)
    for score in (np.zeros((2, 2, 2)), []):
        with pytest.raises(InputError, match=r"score must have shape \(n,\) or \(n, k\); got"):
            top_share(score, 0.5)
    with pytest.raises(InputError, match="nan at row 1"):
        top_share(np.array([[1.0, 2.0], [np.nan, 1.0]]), 0.5)
