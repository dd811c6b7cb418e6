"""Every measure of every score, with its replicates over users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.labelled_rows import LabelledRows
from equipoise.evaluation.ranking.intervals import Draws
from equipoise.evaluation.ranking.measures import (
    GroupMean,
    GroupTable,
    RankedRows,
    group_mean,
    ranked_rows,
)
from equipoise.evaluation.ranking.replicates import Users, auc_replicates, group_replicates


@dataclass(frozen=True)
class Judge:
    """Labelled rows in groups of users, and the replicates that all scores are judged in.

    Attributes
    ----------
    rows : LabelledRows
        The labels.
    group : array of int, (n,)
        The code of each row's group.
    users : Users
        Who is drawn.
    places : int
        Of NDCG.
    weight : str
        What a group weighs in GAUC.
    seeds : array of uint64, (B,)
        Of the replicates.
    share : array, (M,)
        What each objective counts in a mean over them.
    """

    rows: LabelledRows
    group: Ints
    users: Users
    places: int
    weight: str
    seeds: NDArray[np.uint64]
    share: Floats

    def draws(self, scores: Mapping[str, Floats]) -> tuple[dict[str, Draws], GroupMean]:
        """AUC, GAUC and NDCG of every score, and the coverage of groups.   scores: (n, S) each."""
        copies = max(columns.shape[1] for columns in scores.values())
        names = ("auc", "gauc", f"ndcg@{self.places}")
        value = np.empty((3, len(scores), copies, len(self.rows.objectives)))
        replicates = np.empty((*value.shape[:3], len(self.seeds), value.shape[3]))
        for k, (name, columns) in enumerate(scores.items()):
            for s, score in enumerate(columns.T):
                ranked = ranked_rows(
                    self.rows, score, self.group, len(self.users.of_group), f"scores of {name}"
                )
                tables = self._tables(ranked)
                means = [group_mean(table, self.rows, self.group) for table in tables]
                value[:, k, s] = [ranked.auc(), *(mean.value for mean in means)]
                replicates[0, k, s] = auc_replicates(ranked, self.users, self.seeds)
                for i, table in enumerate(tables, 1):
                    replicates[i, k, s] = group_replicates(table, self.users, self.seeds)
            if columns.shape[1] < copies:
                value[:, k, 1:], replicates[:, k, 1:] = value[:, k, :1], replicates[:, k, :1]
        effective = [self.users.effective_cases(self.rows)]
        effective += [self.users.effective(self.users.totals(table.sums[1])) for table in tables]
        parts = {
            name: Draws(value[i], replicates[i], effective[i] - 1).with_mean(self.share)
            for i, name in enumerate(names)
        }
        return parts, means[0]

    def _tables(self, ranked: RankedRows) -> list[GroupTable]:
        return [ranked.group_auc(self.weight), ranked.group_ndcg(self.places, "uniform")]
