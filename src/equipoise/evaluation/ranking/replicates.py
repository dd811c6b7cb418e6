"""Bootstrap over users of everything that a score is judged by, from its one sort.

A replicate counts each user Poisson(1) times, all methods alike, so differences are paired.  A
group lies within a user, so its AUC and NDCG stay what they are and only its weight counts anew:
replicates of means over groups are two matrix products.  Replicates of the AUC over all rows are
one walk over the sorted rows for many replicates at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.labelled_rows import NEGATIVE, POSITIVE, LabelledRows
from equipoise.evaluation.ranking.kernels import over, replicate_pairs
from equipoise.evaluation.ranking.measures import GroupTable, RankedRows
from equipoise.evaluation.resampling import resample

BLOCK = 32  # replicates that are walked at once: a user's counts fill half a cache line


@dataclass(frozen=True)
class Users:
    """Who is drawn: users, and the groups that lie within them.

    Attributes
    ----------
    of_row : array of int, (n,)
        The code of each row's user.
    of_group : array of int, (G,)
        The code of each group's user.
    count : int
        How many users there are.
    """

    of_row: Ints
    of_group: Ints
    count: int

    def totals(self, table: Floats) -> Floats:
        """Sums of a table of groups (G, M) over the groups of each user, (users, M)."""
        sums = [np.bincount(self.of_group, column, self.count) for column in table.T]
        return np.stack(sums, axis=1)

    def effective(self, mass: Floats) -> Floats:
        """How many users of equal mass tell as much, (M,).   mass: (users, M)."""
        return over(mass.sum(axis=0) ** 2, (mass**2).sum(axis=0))

    def effective_cases(self, rows: LabelledRows) -> Floats:
        """The same of the users who hold the rarer class of each objective, (M,)."""
        return np.minimum(*(self._effective_class(rows, s) for s in (POSITIVE, NEGATIVE)))

    def _effective_class(self, rows: LabelledRows, state: int) -> Floats:
        mass = [
            np.bincount(self.of_row, rows.weight * (column == state), self.count)
            for column in rows.state.T
        ]
        return self.effective(np.stack(mass, axis=1))


def users_of(groups: Ints, count: int, users: tuple[Ints, int] | None) -> Users:
    """Users by row and by group; without users each group is one.

    Raises
    ------
    InputError
        Where the rows of a group are of several users, with two of them.

    Examples
    --------
    >>> users_of(np.array([0, 0, 1]), 2, (np.array([1, 1, 0]), 2)).of_group.tolist()
    [1, 0]
    """
    if users is None:
        return Users(groups, np.arange(count), count)
    of_row, total = users
    of_group = np.zeros(count, np.int64)
    of_group[groups] = of_row
    strange = of_group[groups] != of_row
    if strange.any():
        row = int(np.argmax(strange))
        other = int(np.argmax((groups == groups[row]) & (of_row == of_group[groups[row]])))
        fix = "a group is a request or a user's day; leave out users to draw whole groups"
        raise InputError(
            "every group", "be of one user", "two users", f"rows {row} and {other}", fix
        )
    return Users(of_row, of_group, total)


def group_replicates(table: GroupTable, users: Users, seeds: NDArray[np.uint64]) -> Floats:
    """Means over groups in every replicate, (B, M)."""
    total, mass = map(users.totals, table.sums)
    draws = [
        over(count @ total, count @ mass) for count in (_counts(users.count, s) for s in seeds)
    ]
    return np.array(draws)


def auc_replicates(rows: RankedRows, users: Users, seeds: NDArray[np.uint64]) -> Floats:
    """AUC over all rows in every replicate, (B, M)."""
    state, weight, last = rows.whole
    unit = users.of_row[rows.ranked.order]
    draws = np.empty((len(seeds), len(state)))
    for first in range(0, len(seeds), BLOCK):
        block = seeds[first : first + BLOCK]
        count = np.stack([_counts(users.count, seed) for seed in block], axis=1).astype(np.uint8)
        auc = np.empty((len(state), len(block)))
        replicate_pairs(state, weight, last, unit, count, auc)
        draws[first : first + BLOCK] = auc.T
    return draws


def _counts(users: int, seed: np.uint64) -> Floats:
    """How often each user stands in a replicate, (users,)."""
    return resample(np.arange(users), np.ones(users), seed)
