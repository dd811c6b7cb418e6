"""Confidence sequences: by hand, where they are narrowest, and what daily looks cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from equipoise.core.errors import InputError
from equipoise.operations import confidence_sequence, sequence_margin


def mixture(u, alpha):
    """The margin in standard errors at n r = u, by the formula."""
    return np.sqrt(2 * (u + 1) / u * np.log(np.sqrt(u + 1) / alpha))


def test_by_hand():
    r = (-2 * np.log(0.05) + np.log(1 - 2 * np.log(0.05))) / 400
    assert sequence_margin(100, 400) == pytest.approx(mixture(100 * r, 0.05))
    low, high = confidence_sequence(1.0, 0.5, 100, n_star=400)
    assert (low, high) == pytest.approx(
        (1 - 0.5 * mixture(100 * r, 0.05), 1 + 0.5 * mixture(100 * r, 0.05))
    )
    assert sequence_margin(0, 10) == np.inf


def test_it_is_tuned_to_n_star():
    """No other r is narrower at n* by more than .1 %; a fixed interval is 1.55 times narrower."""
    best = minimize_scalar(lambda u: mixture(u, 0.05), bounds=(0.1, 100), method="bounded").fun
    at = float(sequence_margin(777, 777))
    assert best <= at < 1.001 * best
    assert at / 1.96 == pytest.approx(1.55, abs=0.005)
    assert sequence_margin(777, 7770) > at
    assert sequence_margin(777, 77.7) > at


def test_daily_looks_do_not_spoil_it():
    """200 days of noise, 2,000 times: the sequence leaves out the truth in under 5 % of runs (2 %),
    the interval of one look in over 40 %.
    """
    n = np.arange(1, 201) * 100.0
    noise = np.cumsum(np.random.default_rng(0).normal(size=(2000, 200)), axis=1) * 10
    low, high = confidence_sequence(noise / n, 1 / np.sqrt(n), n, n_star=10_000)
    assert np.mean(((low > 0) | (high < 0)).any(axis=1)) < 0.05
    assert np.mean((np.abs(noise / np.sqrt(n)) > 1.96).any(axis=1)) > 0.4


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n_star": 0.0}, "n_star must be a finite number > 0"),
        ({"n_star": np.nan}, "n_star must be"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"n": [-1.0]}, "sizes must be finite"),
        ({"estimate": [np.nan]}, "estimates must be finite"),
        ({"std_error": [-1.0]}, "standard errors must be >= 0"),
        ({"std_error": [np.nan]}, "standard errors must be >= 0"),
    ],
)
def test_bad_input(change, match):
    good = {"estimate": [0.0], "std_error": [1.0], "n": [10.0], "n_star": 10.0}
    with pytest.raises(InputError, match=match):
        confidence_sequence(**(good | change))
