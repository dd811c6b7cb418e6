"""Folds: which rows a model may not see.  Rows of one group (a user's requests) always share a
fold.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError


def check_folds(folds: Any, name: str = "folds") -> None:
    """Refuse a number of folds that is none."""
    if not isinstance(folds, Integral) or isinstance(folds, bool) or folds < 2:
        raise InputError(name, "be a whole number >= 2", repr(folds))


def check_seed(seed: Any, name: str = "seed") -> None:
    """Refuse a seed that is none."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(name, "be a whole number >= 0", repr(seed))


def fold_ids(
    n: int, folds: int, seed: int, *, strata: Ints | None = None, groups: Ints | None = None
) -> Ints:
    """Assign rows to folds, equal in size and, without groups, equal within every stratum.

    Parameters
    ----------
    n : int
        The number of rows.
    folds : int
        The number of folds, >= 2.
    seed : int
        Of the permutation.
    strata : array of int, (n,), optional
        Usually the treatment's cells, so that each fold has each arm.
    groups : array of int, (n,), optional
        Clusters that must not be torn apart; strata are then not balanced.

    Returns
    -------
    array of int, (n,)
        The fold of each row, in 0..folds-1.

    Raises
    ------
    InputError
        Where there are fewer rows (or groups) than folds.

    Examples
    --------
    >>> np.bincount(fold_ids(6, 3, 0)).tolist()
    [2, 2, 2]
    """
    check_folds(folds)
    units = n if groups is None else int(groups.max()) + 1
    if units < folds:
        raise InputError(
            "the number of rows (or groups)",
            f"be at least the number of folds, {folds}",
            units,
            fix="use fewer folds",
        )
    rng = np.random.default_rng(seed)
    if groups is not None:
        return (rng.permutation(units) % folds)[groups].astype(np.int64)
    order = rng.permutation(n)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % folds
    return fold
