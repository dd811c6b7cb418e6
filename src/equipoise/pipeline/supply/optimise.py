"""From rows to mixes: clusters, curves, and the best mix of each cluster under the plan's demands.

max  sum_j w_j (effect of the mixes on metric j, per head)
s.t. shares within reach, floors of metrics, inventory of categories, joint caps
`allocation.mixes`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.allocation.share_allocation import MixDemand, Mixes, MixProblem, best_mixes
from equipoise.artifacts.mixes import cluster_labels, cluster_mixes
from equipoise.core.arrays import Floats, Ints
from equipoise.core.log import Outcome
from equipoise.core.progress import Progress, silent
from equipoise.estimators import ESTIMATORS, Clusters
from equipoise.pipeline.plan.schema import FloorPlan
from equipoise.pipeline.plan.supply import SupplyPlan
from equipoise.pipeline.supply.curve_methods import CURVE_METHODS, Curves, CurveSettings
from equipoise.pipeline.supply.exposures import Exposures, Reach, enough, reach_of, with_control
from equipoise.treatments import Shares

FOREST, SMALLEST = "forest", 20


@dataclass(frozen=True)
class SupplyTask:
    """What is asked of any rows.   weights: (m,), signed by which way is better."""

    plan: SupplyPlan
    space: Shares
    outcomes: tuple[Outcome, ...]
    weights: Floats
    floors: tuple[FloorPlan, ...]
    seed: int

    @property
    def pairs(self) -> Ints:
        """The categories that crowd, (P, 2)."""
        places = [[self.space.parts.index(name) for name in pair] for pair in self.plan.crowding]
        return np.array(places, np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class ClusterMixes:
    """Clusters of users, and the mixes that one method finds for them.

    Attributes
    ----------
    clusters : Clusters or None
        None where all users are one.
    reach : list of Reach, length C
        What each cluster is shown today, and could be shown.
    size : array of float, shape (C,)
        The clusters' shares of the rows.
    curves : list of Curves or None
        Of each cluster; None where the forest finds a mix for each user.
    answer : Mixes or None
        The best mixes of the clusters by their curves; None with the forest.
    demands : tuple of MixDemand
        What the mixes had to meet; () with the forest.
    forest : estimator, optional
        The MDP2 forest; None but there.
    """

    clusters: Clusters | None
    reach: list[Reach]
    size: Floats
    curves: list[Curves] | None
    answer: Mixes | None
    demands: tuple[MixDemand, ...]
    forest: Any = None

    @property
    def shares(self) -> Floats:
        """The mix of each cluster, (C, K): the best one, or with the forest that of today."""
        if self.answer is None:
            return np.stack([reach.today for reach in self.reach])
        return self.answer.shares

    @property
    def bounds(self) -> Floats:
        """The least and the largest share of each category in each cluster, (2, C, K)."""
        low = np.stack([reach.grid[:, 0] for reach in self.reach])
        high = np.stack([reach.grid[:, -1] for reach in self.reach])
        return np.stack([low, high])

    def labels(self, X: Floats) -> Ints:
        """The cluster of each row, (n,)."""
        return cluster_labels(self.clusters, X)

    def mixes(self, X: Floats) -> Floats:
        """The mix recommended to each row, (n, K)."""
        return cluster_mixes(X, self.labels(X), self.shares, self.bounds, self.forest)


def learn_clusters(task: SupplyTask, rows: Exposures) -> Clusters | None:
    """The clusters of users; None where all are one."""
    if task.plan.clusters == "none":
        return None
    return Clusters(task.plan.clusters, task.plan.count, random_state=task.seed).fit(
        rows.X, sample_weight=rows.weight
    )


def learn(
    task: SupplyTask,
    rows: Exposures,
    way: str,
    clusters: Clusters | None,
    progress: Progress = silent,
) -> ClusterMixes:
    """The mixes of one way."""
    label = np.zeros(len(rows), np.int64) if clusters is None else clusters.predict(rows.X)
    count = 1 if clusters is None else task.plan.count
    parts = [rows.take(np.flatnonzero(label == c)) for c in range(count)]
    for c, part in enumerate(parts):
        enough(part, SMALLEST, f"cluster {c + 1}")
    size = np.array([part.weight.sum() for part in parts]) / rows.weight.sum()
    reach = [reach_of(task.space, part) for part in parts]
    if way == FOREST:
        return ClusterMixes(clusters, reach, size, None, None, (), _forest(task, rows))
    curves = CURVE_METHODS[way](
        parts, reach, CurveSettings(task.plan, task.space, task.seed, progress)
    )
    demands = _demands(task, curves, size)
    crossed = way == "shares" and len(task.pairs) > 0
    problem = MixProblem(
        grid=np.stack([one.reach.grid for one in curves]),
        worth=np.stack([one.effect @ task.weights for one in curves]),
        size=size,
        today=np.stack([one.reach.today for one in curves]),
        demands=demands,
        pairs=task.pairs if crossed else np.zeros((0, 2), np.int64),
        cross=np.stack([one.cross @ task.weights for one in curves]) if crossed else None,
    )
    return ClusterMixes(clusters, reach, size, curves, best_mixes(problem), demands)


def _forest(task: SupplyTask, rows: Exposures) -> Any:
    """The MDP2 forest of the weighted metrics: they have to be one outcome."""
    space = with_control(task.space, rows.T.mean(axis=0))
    forest = ESTIMATORS.load("mdp2")(space=space, random_state=task.seed)
    return forest.fit(
        rows.X,
        rows.y @ task.weights,
        treatment=rows.T,
        sample_weight=rows.weight,
        groups=rows.groups,
    )


def _demands(task: SupplyTask, curves: list[Curves], size: Floats) -> tuple[MixDemand, ...]:
    """The plan's floors, inventory and joint caps on the grid."""
    grid, parts = np.stack([one.reach.grid for one in curves]), task.space.parts
    effect = np.stack([one.effect for one in curves])
    demands = []
    for floor in task.floors:
        j = [outcome.name for outcome in task.outcomes].index(floor.metric)
        sign = task.outcomes[j].sign
        demands.append(
            MixDemand(f"floor of {floor.metric}", -sign * effect[..., j], -sign * floor.per_head)
        )
    today = size @ np.stack([one.reach.today for one in curves])
    for name, bound in _inventory(task, today).items():
        demands.append(MixDemand(f"inventory of {name}", _only(grid, [parts.index(name)]), bound))
    for together in task.plan.together:
        places = [parts.index(name) for name in together.categories]
        demands.append(
            MixDemand(
                f"{' + '.join(together.categories)} together",
                _only(grid, places),
                together.most,
                each=True,
            )
        )
    return tuple(demands)


def _inventory(task: SupplyTask, today: Floats) -> dict[str, float]:
    """The largest share of all exposure that each category has in stock."""
    stock = task.plan.inventory
    if isinstance(stock, dict):
        return stock
    return (
        {}
        if stock is None
        else {
            name: stock * float(share) for name, share in zip(task.space.parts, today, strict=True)
        }
    )


def _only(grid: Floats, places: list[int]) -> Floats:
    """The shares of some categories, 0 for the others, (C, K, G)."""
    usage = np.zeros_like(grid)
    usage[:, places] = grid[:, places]
    return usage
