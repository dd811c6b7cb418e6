"""What every estimator gets from its base: tests of the assumptions, and the door."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError
from equipoise.core.strata import AssumptionWarning, project_simplex
from equipoise.estimators import LearntPropensity
from equipoise.estimators.strata import CFDR, CFIPS, CFMTL, CFOR
from equipoise.estimators.strata.base import OutOfFold, diagnose
from equipoise.estimators.strata.sample import strata_sample
from equipoise.treatments import Arms


def test_a_valid_world_raises_no_alarm(incentive, fit):
    """The least z over both tests and 3 seeds: 0.9 (warnings are errors here)."""
    found = fit(CFOR(), incentive(20_000, 1)).diagnostics()
    assert [test["assumption"] for test in found["restrictions"]] == ["A5", "A6"]
    assert min(test["least_z"] for test in found["restrictions"]) > 0
    assert [one["name"] for one in found["assumptions"]] == ["A1", "A2", "A3", "A4", "A5", "A6"]


@pytest.mark.parametrize(("knobs", "assumption"), [({"harm": 0.95}, "A6"), ({"direct": 0.9}, "A5")])
def test_a_violation_is_named_and_the_result_still_labelled(incentive, fit, knobs, assumption):
    """z over 3 seeds: -18 and -28 or less; the strata are probabilities all the same."""
    world = incentive(20_000, 1, **knobs)
    with pytest.warns(
        AssumptionWarning, match=rf"{assumption} .*fails with z = -\d.*bounds and sensitivity"
    ):
        estimator = fit(CFOR(), world)
    np.testing.assert_allclose(estimator.strata(world.X[:10]).sum(axis=1), 1)


def test_diagnostics_are_plain(incentive, fit):
    found = fit(CFDR(), incentive()).diagnostics()
    assert json.loads(json.dumps(found)) == found
    assert 0 <= found["share_clipped"] <= 1
    assert set(found["overlap"]) == {"least", "percent_1", "median", "effective_rows"}
    assert [one["stratum"] for one in found["calibration"]][3] == "coupon_buyer"


def test_calibration_is_of_held_out_estimates(incentive, fit):
    """Largest mean gap of a stratum over 3 seeds: 0.022."""
    found = fit(CFOR(), incentive(20_000, 1)).diagnostics()
    assert max(one["error"] for one in found["calibration"]) < 0.05


def test_a_learnt_propensity_takes_the_confounding_out(incentive, fit):
    """Largest |z| of the mean signals over 6 seeds: 1.4; with the observed shares at least 7.3."""
    world = incentive(20_000, 1)
    gap = (
        fit(CFIPS(LinearRegression()), world, propensity=LearntPropensity()).signals()
        - world.strata
    )
    assert np.abs(gap.mean(axis=0) / (gap.std(axis=0) / np.sqrt(len(gap)))).max() < 4


def test_signals_are_a_copy(incentive, fit):
    estimator = fit(CFOR(), incentive())
    estimator.signals()[:] = 0
    assert estimator.signals().any()


def test_what_was_clipped_is_counted_in_rows_and_in_distance():
    """One row of six lies outside the simplex, and is moved by .8."""
    strata = np.full((6, 5), 0.2)
    strata[2] = [1.2, 0.2, -0.2, -0.2, 0.0]
    offer, claim, y = [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1]
    rows = strata_sample(np.arange(6.0)[:, None], y, Arms(), offer, claim, least=1)
    report = diagnose(rows, OutOfFold(strata, strata, strata, np.full(6, 0.5)))
    assert report["share_clipped"] == pytest.approx(1 / 6)
    moved = np.abs(project_simplex(strata) - strata).sum()
    assert report["clipped_by"] == pytest.approx(moved / 6)
    assert project_simplex(strata)[2].tolist() == pytest.approx([1, 0, 0, 0, 0])
    assert moved == pytest.approx(0.8)


def test_text_is_a_feature_but_no_id():
    ids = np.array([["u", "a"], ["v", "b"]] * 4, dtype=object)
    offer, claim, y = [0, 1] * 4, [0, 0, 0, 1] * 2, [0, 1, 1, 0] * 2
    with pytest.raises(InputError, match="ids must be whole numbers; got text"):
        CFMTL().fit(ids, y, treatment=offer, claimed=claim)
