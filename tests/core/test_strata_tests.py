from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER
from equipoise.core.strata_tests import bin_means, equal_bins, latent_calibration, restriction_tests


def test_bins_by_hand():
    assert equal_bins(np.array([0.3, 0.1, 0.2, 0.4]), 2).tolist() == [1, 0, 0, 1]
    assert equal_bins(np.array([1.0, 1.0, 1.0, 2.0]), 4).tolist() == [1, 1, 1, 3]


def test_means_by_hand():
    found = bin_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]))
    assert found.rows.tolist() == [2]  # a bin of one row has no spread
    assert found.mean.tolist() == [[2.0]]
    assert found.std_error.tolist() == [[1.0]]


def test_weights_count_like_copies_and_clusters_like_one():
    rng = np.random.default_rng(0)
    values, bins = rng.normal(size=(60, 2)), np.arange(60) % 3
    twice = bin_means(
        np.repeat(values, 2, axis=0), np.repeat(bins, 2), groups=np.repeat(np.arange(60), 2)
    )
    once = bin_means(values, bins)
    np.testing.assert_allclose(twice.mean, once.mean)
    np.testing.assert_allclose(twice.std_error, once.std_error)
    weighted = bin_means(values, bins, weight=np.full(60, 7.0))
    np.testing.assert_allclose(weighted.std_error, once.std_error)


def noisy(n, shift, seed):
    """Estimates (n, 5) and signals of strata that are larger by ``shift`` (5,)."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), n)
    return p, p + shift + rng.normal(0, 1, (n, 5))


def test_valid_signals_pass_at_the_promised_rate():
    """1 % of false alarms are allowed in both tests together; 200 draws gave none."""
    alarms = [
        test["violated"]
        for seed in range(50)
        for test in restriction_tests(*noisy(1000, 0.0, seed))
    ]
    assert np.mean(alarms) <= 0.03


@pytest.mark.parametrize(("stratum", "assumption"), [(ALWAYS_BUYER, "A5"), (COUPON_BUYER, "A6")])
def test_a_negative_stratum_names_its_assumption(stratum, assumption):
    shift = np.zeros(5)
    shift[stratum] = -0.6
    found = {test["assumption"]: test for test in restriction_tests(*noisy(20_000, shift, 0))}
    assert found.pop(assumption)["violated"]
    assert not any(test["violated"] for test in found.values())


def test_calibration_sees_a_shift():
    """Largest of 50 |z| where right: 2.3, worst of 20 seeds 3.3; smallest z of a stratum that is
    off by 0.2: 6.9.
    """
    right = latent_calibration(*noisy(20_000, 0.0, 1))
    assert max(abs(z) for one in right for z in one["z"]) < 4.2
    off = latent_calibration(*noisy(20_000, np.array([0, 0, 0, 0.2, 0]), 1))
    assert min(off[COUPON_BUYER]["z"]) > 4
    assert off[COUPON_BUYER]["error"] == pytest.approx(0.2, abs=0.05)
