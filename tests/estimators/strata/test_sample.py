from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError, SpaceError, UnsupportedSpace
from equipoise.core.strata import AssumptionWarning
from equipoise.estimators.strata import CFOR
from equipoise.treatments import Arms


def changed(column, row, value):
    values = np.asarray(column, np.float64).copy()
    values[row] = value
    return values


def test_a_claim_without_offer_names_rows_and_the_way_out(incentive, fit):
    world = incentive(600)
    bad = np.flatnonzero(world.treatment == 0)[[1, 4]]
    claimed = changed(world.claimed, bad, 1)
    with pytest.raises(
        InputError, match=rf"1 in 2 rows .* at rows {bad[0]}, {bad[1]}; .*pass claimed \* offered"
    ):
        fit(CFOR(), world, claimed=claimed)
    fit(CFOR(), world, claimed=claimed * world.treatment)


@pytest.mark.parametrize("column", ["claimed", "y"])
def test_not_binary_names_the_row(incentive, fit, column):
    world = incentive(600)
    row = int(np.flatnonzero(world.treatment == 1)[2])
    with pytest.raises(InputError, match=f"0 or 1; got 0.5 at row {row}"):
        fit(CFOR(), world, **{column: changed(getattr(world, column), row, 0.5)})


def test_text_claims_and_wrong_lengths_are_refused(incentive, fit):
    world = incentive(600)
    with pytest.raises(InputError, match="claimed must be 0 or 1 in every row"):
        fit(CFOR(), world, claimed=["yes"] * 600)
    with pytest.raises(InputError, match=r"one entry per row of X \(600\)"):
        fit(CFOR(), world, claimed=world.claimed[:-1])


def test_treatment_is_two_arms(incentive, fit):
    world = incentive(600)
    with pytest.raises(SpaceError, match="given unless the treatment is 0 or 1"):
        fit(CFOR(), world, treatment=world.treatment + (np.arange(600) % 2))
    with pytest.raises(UnsupportedSpace, match="two arms: no offer, offer"):
        fit(CFOR(space=Arms([0, 1, 2])), world)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_propensity_of_0_or_1_names_the_row(incentive, fit, value):
    world = incentive(600)
    with pytest.raises(InputError, match="strictly between 0 and 1.*row 7"):
        fit(CFOR(), world, propensity=changed(world.propensity, 7, value))


def test_an_empty_arm_is_refused(incentive, fit):
    world = incentive(600)
    with pytest.raises(InputError, match="rows of treatment '0' must be at least 3; got 0"):
        fit(CFOR(), world, treatment=np.ones(600, int), propensity=None)


def test_an_empty_cell_is_said_and_its_stratum_is_zero(incentive, fit):
    world = incentive(600)
    # nobody buys without a claim: the claim is the visit
    y = world.y * np.where(world.treatment == 1, world.claimed, 1)
    with pytest.warns(
        AssumptionWarning, match="no offered unit buys without a claim: q01 is taken to be 0"
    ):
        estimator = fit(CFOR(), world, y=y)
    assert estimator.strata(world.X)[:, 1].max() < 0.01


def test_one_filled_cell_is_refused(incentive, fit):
    world = incentive(600)
    with pytest.raises(
        InputError, match="differ in claim or outcome; got only a unit that neither claims nor buys"
    ):
        fit(CFOR(), world, y=world.y * (1 - world.treatment), claimed=0 * world.claimed)


def test_more_than_one_outcome_is_refused(incentive, fit):
    world = incentive(600)
    with pytest.raises(InputError, match="one outcome of strata; got 2 columns"):
        fit(CFOR(), world, y=np.column_stack([world.y, 1 - world.y]))
