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


def test_bad_input():
    with pytest.raises(InputError, match="keep bonus must be a finite number >= 0; got -1"):
        Keep(np.array([0]), -1.0)
    with pytest.raises(InputError, match="one per unit, 2"):
        churn(np.array([0]), [0, 1])
    with pytest.raises(InputError, match=r"P\(claimed\) must lie in 0..1; got 1.5 at row 1"):
        expected_cost([1.0], [[0.5], [1.5]])
