"""Folds: which rows a model may not see.  Rows of one group (a user's requests) always share a
fold.

Groups are dealt so that the rows outside each fold hold every stratum, wherever that is possible.
With c_sf the groups of fold f that hold stratum s, and C_s those of all folds, the shortfall

    sum_sf max(0, r_s - (C_s - c_sf)),   r_s = min(C_s - ceil(C_s / F), 3)

falls by swaps of two groups until none helps; three groups outside a fold can be cut again, as a
learner within does.  A stratum that still has all its groups in one fold loses one of them, drawn
at random, to another fold, as in WalkSAT; one that only one group holds cannot be mended.

    Selman, Kautz & Cohen (1994), Noise strategies for improving local search, AAAI.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Ints
from equipoise.core.errors import InputError

OUTSIDE = 3  # groups of a stratum outside each fold that are aimed at
SWAPS, STEPS = 200, 2_000  # most of either


class FewGroups(InputError):
    """Groups that stay whole do not fill the folds."""


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
    """Assign rows to folds, equal in size (with groups: in groups) and within every stratum.

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
        Codes of clusters that must not be torn apart.  Where each holds one stratum, a stratum's
        groups are spread evenly; else the rows outside each fold hold every stratum, wherever
        two groups or more hold it and the layout allows it.

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
        must = f"be at least the number of folds, {folds}"
        if groups is not None:
            raise FewGroups(
                "the number of groups", must, units, fix="use fewer folds, or more groups"
            )
        raise InputError("the number of rows", must, units, fix="use fewer folds")
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _whole_groups(groups, strata, folds, rng)[groups]
    order = rng.permutation(n)
    fold = np.empty(n, np.int64)
    fold[order if strata is None else _by_stratum(order, strata)] = np.arange(n) % folds
    return fold


def _by_stratum(order: Ints, strata: Ints) -> Ints:
    """An order of units, (n,), stratum by stratum."""
    units: Ints = order[np.argsort(strata[order], kind="stable")]
    return units


def _whole_groups(groups: Ints, strata: Ints | None, folds: int, rng: np.random.Generator) -> Ints:
    """The fold of each group, (G,)."""
    place = rng.permutation(int(groups.max()) + 1)
    fold = np.asarray(place % folds, np.int64)
    if strata is None:
        return fold
    code = np.unique(strata, return_inverse=True)[1].reshape(-1)
    holds = np.zeros((len(place), int(code.max()) + 1), bool)
    holds[groups, code] = True
    if (holds.sum(axis=1) <= 1).all():  # whole groups were treated alike: stratum by stratum
        fold[_by_stratum(place, holds.argmax(axis=1))] = np.arange(len(place)) % folds
    _swap(fold, holds, folds)
    _walk(fold, holds, folds, rng)
    return fold


def _counts(fold: Ints, holds: Bools, folds: int) -> Ints:
    """How many groups of each fold hold each stratum, (folds, strata)."""
    member = np.arange(folds)[:, None] == fold
    count: Ints = member.astype(np.int64) @ holds.astype(np.int64)
    return count


def _swap(fold: Ints, holds: Bools, folds: int) -> None:
    """Swap groups of two folds, in place, while that makes the shortfall less."""
    total = holds.sum(axis=0)
    most = total - np.minimum(total - -(-total // folds), OUTSIDE)  # of a stratum's groups a fold
    for _ in range(SWAPS):
        count = _counts(fold, holds, folds)
        f, s = np.unravel_index(int(np.argmax(count - most)), count.shape)
        if count[f, s] <= most[s]:
            return
        own, other = np.flatnonzero((fold == f) & holds[:, s]), np.flatnonzero(fold != f)
        # shortfalls of the two folds that a swap of own i and other j would leave, (own, other)
        moved = holds[other].astype(np.int64) - holds[own][:, None].astype(np.int64)
        left = np.maximum(count[f] + moved - most, 0).sum(axis=2)
        left += np.maximum(count[fold[other]] - moved - most, 0).sum(axis=2)
        excess = np.maximum(count - most, 0).sum(axis=1)
        gain = excess[f] + excess[fold[other]] - left
        i, j = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if gain[i, j] <= 0:
            return
        fold[[own[i], other[j]]] = fold[[other[j], own[i]]]


def _walk(fold: Ints, holds: Bools, folds: int, rng: np.random.Generator) -> None:
    """Move groups at random, in place, until no stratum that two groups hold lies in one fold."""
    shared = holds[:, holds.sum(axis=0) >= 2]
    for _ in range(STEPS):
        lonely = np.flatnonzero((_counts(fold, shared, folds) > 0).sum(axis=0) == 1)
        if not len(lonely):
            return
        mover = rng.choice(np.flatnonzero(shared[:, rng.choice(lonely)]))
        goal = rng.choice(np.flatnonzero(np.arange(folds) != fold[mover]))
        if (fold == fold[mover]).sum() == 1:  # no fold is left empty: a group comes back for it
            fold[rng.choice(np.flatnonzero(fold == goal))] = fold[mover]
        fold[mover] = goal
