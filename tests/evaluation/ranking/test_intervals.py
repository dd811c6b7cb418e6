"""What users and seeds add to an interval, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from equipoise.core.labelled_rows import labelled_rows
from equipoise.evaluation.ranking.intervals import Draws, interval, welch
from equipoise.evaluation.ranking.kernels import over
from equipoise.evaluation.ranking.replicates import Users

ALL_PICKS = np.array(list(itertools.product(range(3), repeat=3)))  # of 3 seeds, 3 times


def three_seeds(of_users):
    """One method and column, 3 seeds, 27 replicates with a part of users that all seeds share."""
    value = np.array([1.0, 2.0, 6.0]).reshape(1, 3, 1)
    return Draws(value, value[:, :, None] + of_users[None, None, :, None], np.array([20.0]))


def test_over_all_draws_of_seeds_the_variance_is_that_of_their_mean():
    """Values 1, 2, 6: variance 7, of the mean of three 7 / 3."""
    spread = three_seeds(np.zeros(27)).over_seeds(ALL_PICKS)
    assert spread.shape == (1, 27, 1)
    assert spread.mean() == pytest.approx(3)
    assert spread.var() == pytest.approx(7 / 3)


def test_degrees_of_freedom_are_welchs_of_users_and_seeds():
    of_users = np.random.default_rng(0).standard_normal(27)
    estimate = three_seeds(of_users).estimates(ALL_PICKS, 0.95)[0, 0]
    u, s = of_users.var(ddof=1), 7 / 3
    assert estimate.value == 3
    assert estimate.df == pytest.approx((u + s) ** 2 / (u**2 / 20 + s**2 / 2))


def test_the_mean_over_objectives_pools_their_variances():
    rng = np.random.default_rng(1)
    spread = rng.standard_normal((1, 1, 50, 3)) * [1.0, 2.0, np.nan]
    spread[..., 0, 1] = np.nan  # a replicate without a positive of the second
    draws = Draws(np.array([[[0.5, 0.7, np.nan]]]), spread, np.array([9.0, np.nan, 5.0]))
    whole = draws.with_mean(np.ones(3))
    assert whole.value[0, 0, 3] == pytest.approx(0.6)
    v = np.array([spread[0, 0, :, 0].var(ddof=1), spread[0, 0, 1:, 1].var(ddof=1)])
    assert whole.df[3] == pytest.approx(welch(v, np.array([9.0, 1.0])))
    estimate = whole.estimates(np.zeros((50, 1), int), 0.95)[0, 3]
    known = spread[0, 0, 1:, :2].mean(axis=1)
    assert estimate.std_error == pytest.approx(known.std(ddof=1))


def test_no_interval_of_fewer_than_two_users():
    draws = np.array([0.4, 0.6, 0.5])
    assert np.isnan(interval(0.5, draws, df=0.99, level=0.95).low)
    assert interval(0.5, draws, df=1.0, level=0.95).low < 0.4
    assert np.isnan(interval(0.5, np.array([np.nan, 0.5]), df=9.0, level=0.95).low)


def test_effective_users_are_those_of_the_rarer_class_and_count_by_their_weight():
    """Of 4 users two hold a positive, one of them with three times the weight: 16 / 10."""
    rows = labelled_rows([1, 0, 1, 0, 0, 0], None, [3, 1, 1, 1, 1, 1])
    users = Users(np.array([0, 0, 1, 1, 2, 3]), np.arange(4), 4)
    assert users.effective_cases(rows).tolist() == pytest.approx([16 / 10])
    assert users.effective(np.array([[2.0], [2.0], [2.0], [0.0]])).tolist() == [3.0]
    assert np.isnan(over(np.array([0.0]), np.array([0.0]))[0])
