from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.core.folds import check_seed, fold_ids


def test_every_fold_has_its_share_of_every_stratum():
    strata = np.repeat([0, 1], [30, 60])
    fold = fold_ids(90, 3, seed=1, strata=strata)
    table = np.array([[np.sum((fold == f) & (strata == s)) for s in (0, 1)] for f in range(3)])
    assert table.tolist() == [[10, 20]] * 3


def test_a_group_is_never_torn_apart():
    groups = np.random.default_rng(0).integers(0, 40, 400)
    fold = fold_ids(400, 4, seed=0, groups=groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(40))


def outside(fold, groups, strata, folds):
    """Groups of each stratum outside each fold, (folds, strata)."""
    pairs = np.unique(np.column_stack([strata, groups, fold]), axis=0)
    return np.array(
        [
            [np.sum((pairs[:, 0] == s) & (pairs[:, 2] != f)) for s in np.unique(strata)]
            for f in range(folds)
        ]
    )


@given(seed=st.integers(0, 10**6), folds=st.integers(2, 8), arms=st.integers(2, 6))
def test_groups_treated_whole_are_spread_evenly(seed, folds, arms):
    rng = np.random.default_rng(seed)
    arm = np.concatenate([np.arange(arms), np.arange(arms), rng.integers(0, arms, folds)])
    groups = np.repeat(np.arange(len(arm)), rng.integers(1, 5, len(arm)))
    fold = fold_ids(len(groups), folds, seed, strata=arm[groups], groups=groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(len(arm)))
    held = np.array([[len(set(groups[(fold == f) & (arm[groups] == a)])) for a in range(arms)]
                     for f in range(folds)])  # fmt: skip
    assert np.ptp(held, axis=0).max() <= 1
    assert np.ptp(held.sum(axis=1)) <= 1
    assert outside(fold, groups, arm[groups], folds).min() >= 1


def can_be_dealt(holds, folds):
    """Whether some deal without an empty fold leaves every stratum outside every fold."""
    return any(
        len(set(deal)) == folds
        and all(len(set(np.array(deal)[holds[:, s]])) > 1 for s in range(holds.shape[1]))
        for deal in product(range(folds), repeat=len(holds))
    )


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 3), st.integers(3, 6), st.integers(2, 5))
def test_mixed_groups_leave_every_stratum_outside_every_fold_where_a_deal_can(
    seed, folds, count, arms
):
    rng = np.random.default_rng(seed)
    holds = rng.random((count, arms)) < 0.4
    holds[np.arange(count), rng.integers(0, arms, count)] = True
    holds = holds[:, holds.any(axis=0)]
    groups, strata = np.nonzero(holds)
    fold = fold_ids(len(groups), folds, seed, strata=strata, groups=groups)
    assert set(fold) == set(range(folds))
    assert (outside(fold, groups, strata, folds).min() >= 1) == can_be_dealt(holds, folds)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_a_stratum_of_few_mixed_groups_can_be_cut_again(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(60), 10)
    strata = rng.integers(0, 2, 600)
    strata[::150] = 2  # in four groups
    fold = fold_ids(600, 5, seed, strata=strata, groups=groups)
    assert outside(fold, groups, strata, 5).min() >= 3


def test_groups_of_one_row_are_dealt_as_rows():
    strata = np.random.default_rng(0).integers(0, 3, 200)
    rows = fold_ids(200, 5, 4, strata=strata)
    assert (fold_ids(200, 5, 4, strata=strata, groups=np.arange(200)) == rows).all()


def test_groups_that_hold_every_stratum_are_dealt_by_the_seed_alone():
    groups, strata = np.repeat(np.arange(40), 6), np.tile([0, 1, 2], 80)
    assert (
        fold_ids(240, 4, 7, strata=strata, groups=groups) == fold_ids(240, 4, 7, groups=groups)
    ).all()


def test_the_seed_decides():
    assert (fold_ids(50, 5, seed=3) == fold_ids(50, 5, seed=3)).all()
    assert (fold_ids(50, 5, seed=3) != fold_ids(50, 5, seed=4)).any()


def test_too_few_rows_or_folds():
    with pytest.raises(InputError, match="at least the number of folds, 5; got 3"):
        fold_ids(3, 5, seed=0)
    with pytest.raises(InputError, match="folds must be a whole number >= 2"):
        fold_ids(3, 1, seed=0)


@pytest.mark.parametrize("folds", ["two", 2.5, None, True])
def test_folds_are_a_whole_number(folds):
    with pytest.raises(InputError, match="folds must be a whole number >= 2; got"):
        fold_ids(30, folds, seed=0)


@pytest.mark.parametrize("seed", ["one", 1.5, None, True, -1])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match="random_state must be a whole number >= 0; got"):
        check_seed(seed, "random_state")


@pytest.mark.parametrize("seed", [0, 2**40, np.int64(3)])
def test_any_whole_number_is_a_seed(seed):
    check_seed(seed)
