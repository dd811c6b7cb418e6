"""Estimates: means with intervals, by hand and against textbook formulas; the folder stays light to
import.
"""

import subprocess
import sys

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import Estimate, mean_estimates
from equipoise.evaluation.base import student_interval


def test_three_rows_by_hand():
    estimate = mean_estimates(np.array([[1.0], [2.0], [3.0]]))[0]
    assert estimate.value == 2
    assert estimate.std_error == pytest.approx(1 / np.sqrt(3))  # sd 1 over sqrt(3)
    assert estimate.interval == pytest.approx(
        [2, 2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)]
    )
    assert not estimate.excludes_zero  # two degrees of freedom reach far
    assert mean_estimates(np.array([[1.0], [2.0], [3.0]]), level=0.8)[0].excludes_zero


def test_each_column_has_its_own_interval_and_level():
    rows = np.random.default_rng(0).standard_normal((50, 3))
    wide, narrow = mean_estimates(rows, level=0.99), mean_estimates(rows, level=0.5)
    assert wide.value == pytest.approx(rows.mean(axis=0))
    assert wide.std_error == pytest.approx(rows.std(axis=0, ddof=1) / np.sqrt(50))
    assert (wide.low < narrow.low).all()
    assert wide[1].p_value == wide.p_value[1]
    assert len(wide) == 3


def test_rows_of_one_cluster_are_one_observation():
    values = np.random.default_rng(1).standard_normal((20, 1))
    copies = np.repeat(np.arange(20), 5)
    together = mean_estimates(values[copies], groups=copies)[0]
    assert together.interval == pytest.approx(mean_estimates(values)[0].interval)
    assert mean_estimates(values[copies])[0].std_error < together.std_error / 2


def test_an_estimate_without_interval_claims_nothing():
    assert not Estimate(3.0, np.nan, np.nan, np.nan).excludes_zero


def test_bad_input():
    for level in (0, 1, 95):
        with pytest.raises(InputError, match="level must lie strictly between 0 and 1"):
            mean_estimates(np.ones((3, 1)), level=level)
    with pytest.raises(InputError, match="rows must have shape"):
        mean_estimates(np.ones(3))


def test_importing_the_folder_and_its_registry_loads_nothing_heavy():
    heavy = ("numba", "scipy.stats", "lightgbm")
    code = (
        f"import sys; from equipoise.evaluation import METRICS; print([m for m in {heavy} if m in"
        " sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_student_interval_by_hand():
    mean, low, high = student_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, round(high - mean, 3)) == (2.0, round(4.302653 / 3**0.5, 3))
    assert mean - low == pytest.approx(high - mean)
