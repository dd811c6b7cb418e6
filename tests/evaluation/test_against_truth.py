"""Against the truth of a simulator."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.truth import Truth
from equipoise.evaluation import pehe, regret, true_value

LEVELS = np.array([[[0.0], [1.0], [-1.0]], [[0.0], [1.0], [3.0]]])
TRUTH = Truth(LEVELS, np.full((2, 3), 1 / 3), np.ones((2, 2)), ("y",), ("none", "a", "b"))


def test_two_units_by_hand():
    assert pehe([[[1.0], [-1.0]], [[3.0], [3.0]]], truth=TRUTH) == pytest.approx(
        np.array([[np.sqrt(2)], [0.0]])
    )
    assert true_value([-1, 1], truth=TRUTH).tolist() == [1.5]
    assert regret([-1, 1], truth=TRUTH) == 0.5
    assert regret([0, 1], truth=TRUTH) == 0
    assert regret([[1, 0, 0], [0.5, 0, 0.5]], truth=TRUTH) == 1.25


def test_where_less_is_better_the_objective_says_so():
    assert regret([1, -1], truth=TRUTH, objective=[-1.0]) == 0


def test_bad_input():
    with pytest.raises(InputError, match=r"the truth's shape \(n, k, m\) = \(2, 2, 1\)"):
        pehe([[1.0]], truth=TRUTH)
    with pytest.raises(InputError, match="objective must be one weight per metric"):
        regret([0, 0], truth=TRUTH, objective=[1.0, 2.0])


def test_the_objective_is_the_first_metric_unless_it_is_said():
    """Candidate a is best for the first metric, b for the second."""
    levels = np.array([[[0.0, 0.0], [2.0, 1.0], [1.0, 5.0]]])
    truth = Truth(levels, np.full((1, 3), 1 / 3), np.ones((1, 2)), ("y", "z"), ("none", "a", "b"))
    assert regret([0], truth=truth) == 0
    assert regret([1], truth=truth) == 1.0
    assert regret([0], truth=truth, objective=[0.0, 1.0]) == 4.0
