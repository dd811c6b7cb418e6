from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from equipoise.core.errors import InputError
from equipoise.core.strata import COUPON, identify
from equipoise.data import make_incentive_world
from equipoise.evaluation.bounds import BUYS_ALONE, CELL_OF, TYPES, strata_bounds, utility_bounds

ASSUMED = {"neither": (), "A5": ("A5",), "A6": ("A6",), "both": ("A5", "A6")}
WORLDS = {  # violations that each set of assumptions allows
    "neither": {"harm": 0.5, "direct": 0.2, "direct_loss": 0.2},
    "A5": {"harm": 0.5},
    "A6": {"direct": 0.3},
    "both": {},
}
RULED_OUT = {"A5": ("direct_gain", "direct_loss"), "A6": ("harm", "direct_loss")}
every_set = pytest.mark.parametrize("which", ASSUMED)


def law(which, n=15, seed=9):
    _, truth = make_incentive_world(n, seed=seed, **WORLDS[which])
    return truth.types, *truth.claim_cells()


def program(q, m0, which, utility, sign):
    """The least (sign 1) or largest (-1) utility over all types that show q and m0."""
    show = np.vstack([c == CELL_OF for c in range(4)] + [BUYS_ALONE]).astype(float)
    ruled = {name for one in ASSUMED[which] for name in RULED_OUT[one]}
    limits = [(0, 0 if name in ruled else 1) for name in TYPES]
    return sign * linprog(sign * utility, A_eq=show, b_eq=np.r_[q, m0], bounds=limits).fun


@every_set
def test_bounds_are_the_linear_programs(which):
    _, q, m0 = law(which)
    bounds = strata_bounds(q, m0, assume=ASSUMED[which])
    assert bounds.compatible.all()
    for row in range(len(q)):
        for kind in range(len(TYPES)):
            one = (np.arange(8) == kind).astype(float)
            assert bounds.low[row, kind] == pytest.approx(
                program(q[row], m0[row], which, one, 1), abs=1e-9
            )
            assert bounds.high[row, kind] == pytest.approx(
                program(q[row], m0[row], which, one, -1), abs=1e-9
            )


@every_set
def test_utilities_are_the_linear_programs(which):
    _, q, m0 = law(which)
    for seed in range(3):
        utility = np.random.default_rng(seed).normal(size=8)
        low, high = utility_bounds(q, m0, utility, assume=ASSUMED[which])
        for row in range(len(q)):
            assert low[row] == pytest.approx(program(q[row], m0[row], which, utility, 1), abs=1e-9)
            assert high[row] == pytest.approx(
                program(q[row], m0[row], which, utility, -1), abs=1e-9
            )


@every_set
def test_the_truth_lies_within(which):
    types, q, m0 = law(which, 2000)
    bounds = strata_bounds(q, m0, assume=ASSUMED[which])
    assert (types >= bounds.low - 1e-9).all()
    assert (types <= bounds.high + 1e-9).all()


def test_both_assumptions_leave_one_answer():
    _, q, m0 = law("both")
    bounds = strata_bounds(q, m0)
    np.testing.assert_allclose(bounds.low[:, :5], identify(q, m0), atol=1e-12)
    np.testing.assert_allclose(bounds.high, bounds.low, atol=1e-12)


def test_a_profit_needs_no_assumption():
    """margin (Y(1) - Y(0)) - cost 1{paid} is known whatever the types are."""
    _, q, m0 = law("neither")
    buys = np.array([0, 1, 0, 1, 1, 0, 1, 0])
    utility = 1.4 * (buys - BUYS_ALONE) - 0.4 * np.asarray(COUPON.paid)[CELL_OF]
    low, high = utility_bounds(q, m0, utility, assume=())
    np.testing.assert_allclose(low, high, atol=1e-12)
    np.testing.assert_allclose(low, COUPON.profit_uplift(q, m0, margin=1.4, cost=0.4), atol=1e-12)


def test_an_impossible_law_is_marked():
    q, m0 = np.array([[0.3, 0.4, 0.2, 0.1], [0.4, 0.1, 0.2, 0.3]]), np.array([0.1, 0.25])
    assert strata_bounds(q, m0).compatible.tolist() == [False, True]
    assert strata_bounds(q, m0, assume=("A6",)).compatible.tolist() == [True, True]


@pytest.mark.parametrize("assume", [("A7",), "A5"])
def test_unknown_assumptions(assume):
    with pytest.raises(InputError, match="hold A5, A6, both or neither"):
        strata_bounds(np.full((1, 4), 0.25), np.array([0.3]), assume=assume)


def test_a_utility_is_eight_numbers():
    with pytest.raises(InputError, match="utility must be 8 finite numbers"):
        utility_bounds(np.full((1, 4), 0.25), np.array([0.3]), np.ones(5))


def test_unknown_type():
    with pytest.raises(InputError, match="a type must be one of never_buyer"):
        strata_bounds(np.full((1, 4), 0.25), np.array([0.3])).of("sleeper")
