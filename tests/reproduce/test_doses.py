"""The measure of dose curves, against worlds and estimators whose error is known."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import DataError
from equipoise.reproduce import doses
from equipoise.reproduce.doses import judged, worlds


def test_a_dose_that_does_nothing_to_the_answer_misses_by_the_curves_spread():
    """DML of degree 1 says a straight line: its error is that of the best line, or more."""
    world, new = worlds("vcnet", 3)
    grid = np.sort(new.t)
    curve = new.response(grid)
    line = np.polyval(np.polyfit(grid, curve, 1), grid)
    error = judged("vcnet", 3, 1, name="dml", degree=1)["AMSE"]
    assert len(world.t) == 500
    assert ((curve - line) ** 2).mean() <= error < 1


def test_both_worlds_are_judged():
    try:
        train, new = worlds("ihdp", 0)
    except DataError:
        pytest.skip("no covariates of IHDP in the data folders")
    assert (len(train.t), len(new.t)) == (471, 276)
    assert (
        judged("ihdp", 0, 1, name="dose-s-learner")["AMSE"]
        < 0.5
        < judged("ihdp", 0, 1, name="dml", degree=3)["AMSE"]
    )
    assert doses.DOSES.data == ("vcnet", "ihdp")
