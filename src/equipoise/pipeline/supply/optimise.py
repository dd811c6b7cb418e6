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
from equipoise.core.arrays import Floats, Ints
from equipoise.core.log import Outcome
from equipoise.core.progress import Progress, silent
from equipoise.estimators import ESTIMATORS, Clusters
from equipoise.pipeline.plan.schema import Floor
from equipoise.pipeline.plan.supply import SupplyPlan
from equipoise.pipeline.supply.curve_methods import WAYS, Asked, Curves
from equipoise.pipeline.supply.exposures import Reach, Rows, enough, reach_of, with_control
from equipoise.treatments import Shares

FOREST, SMALLEST = "forest", 20


@dataclass(frozen=True)
class Task:
    """What is asked of any rows.   weights: (m,), signed by which way is better."""

    plan: SupplyPlan
    space: Shares
    outcomes: tuple[Outcome, ...]
    weights: Floats
    floors: tuple[Floor, ...]
    seed: int

    @property
    def pairs(self) -> Ints:
        """The categories that crowd, (P, 2)."""
        places = [[self.space.parts.index(name) for name in pair] for pair in self.plan.crowding]
        return np.array(places, np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class Learnt:
    """Clusters, and the mixes of one way.

    Attributes
    ----------
    clusters : None where all users are one.   reach : of each cluster.   size : (C,), their shares
        of the rows.
    curves, answer, demands : None and () where the forest found a mix for each user.   forest :
        None but there.
    """

    clusters: Clusters | None
    reach: list[Reach]
    size: Floats
    curves: list[Curves] | None
    answer: Mixes | None
    demands: tuple[MixDemand, ...]
    forest: Any = None

    def labels(self, X: Floats) -> Ints:
        """The cluster of each row, (n,)."""
        return np.zeros(len(X), np.int64) if self.clusters is None else self.clusters.predict(X)

    def mixes(self, X: Floats) -> Floats:
        """The mix recommended to each row, (n, K)."""
        if self.answer is not None:
            return self.answer.shares[self.labels(X)]
        label, found = self.labels(X), np.empty((len(X), len(self.reach[0].today)))
        for c, reach in enumerate(self.reach):
            if (label == c).any():
                low, high = reach.grid[:, 0], reach.grid[:, -1]
                found[label == c] = self.forest.recommend(X[label == c], low=low, high=high)
        return found


def learn_clusters(task: Task, rows: Rows) -> Clusters | None:
    """The clusters of users; None where all are one."""
    if task.plan.clusters == "none":
        return None
    return Clusters(task.plan.clusters, task.plan.count, random_state=task.seed).fit(
        rows.X, sample_weight=rows.weight
    )


def learn(
    task: Task, rows: Rows, way: str, clusters: Clusters | None, progress: Progress = silent
) -> Learnt:
    """The mixes of one way."""
    label = np.zeros(len(rows), np.int64) if clusters is None else clusters.predict(rows.X)
    count = 1 if clusters is None else task.plan.count
    parts = [rows.take(np.flatnonzero(label == c)) for c in range(count)]
    for c, part in enumerate(parts):
        enough(part, SMALLEST, f"cluster {c + 1}")
    size = np.array([part.weight.sum() for part in parts]) / rows.weight.sum()
    reach = [reach_of(task.space, part) for part in parts]
    if way == FOREST:
        return Learnt(clusters, reach, size, None, None, (), _forest(task, rows))
    curves = WAYS[way](parts, reach, Asked(task.plan, task.space, task.seed, progress))
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
    return Learnt(clusters, reach, size, curves, best_mixes(problem), demands)


def _forest(task: Task, rows: Rows) -> Any:
    """The MDP2 forest of the weighted metrics: they have to be one outcome."""
    space = with_control(task.space, rows.T.mean(axis=0))
    made = ESTIMATORS.load("mdp2")(space=space, seed=task.seed)
    return made.fit(
        rows.X,
        rows.y @ task.weights,
        treatment=rows.T,
        sample_weight=rows.weight,
        groups=rows.groups,
    )


def _demands(task: Task, curves: list[Curves], size: Floats) -> tuple[MixDemand, ...]:
    """The plan's floors, inventory and joint caps on the grid."""
    grid, parts = np.stack([one.reach.grid for one in curves]), task.space.parts
    effect = np.stack([one.effect for one in curves])
    found = []
    for floor in task.floors:
        j = [outcome.name for outcome in task.outcomes].index(floor.metric)
        sign = task.outcomes[j].sign
        found.append(
            MixDemand(f"floor of {floor.metric}", -sign * effect[..., j], -sign * floor.per_head)
        )
    today = size @ np.stack([one.reach.today for one in curves])
    for name, bound in _inventory(task, today).items():
        found.append(MixDemand(f"inventory of {name}", _only(grid, [parts.index(name)]), bound))
    for together in task.plan.together:
        places = [parts.index(name) for name in together.categories]
        found.append(
            MixDemand(
                f"{' + '.join(together.categories)} together",
                _only(grid, places),
                together.most,
                each=True,
            )
        )
    return tuple(found)


def _inventory(task: Task, today: Floats) -> dict[str, float]:
    """The largest share of all exposure that each category has in stock."""
    given = task.plan.inventory
    if isinstance(given, dict):
        return given
    return (
        {}
        if given is None
        else {
            name: given * float(share) for name, share in zip(task.space.parts, today, strict=True)
        }
    )


def _only(grid: Floats, places: list[int]) -> Floats:
    """The shares of some categories, 0 for the others, (C, K, G)."""
    usage = np.zeros_like(grid)
    usage[:, places] = grid[:, places]
    return usage
