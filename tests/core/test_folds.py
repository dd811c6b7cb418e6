import numpy as np
import pytest

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
