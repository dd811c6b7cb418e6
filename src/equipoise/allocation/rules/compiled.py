"""The demands of a policy as what rules may use of some units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.constraints import Constraint, Groups
from equipoise.allocation.rules.demands import Demands
from equipoise.allocation.solve import compile_problem, expand
from equipoise.core.arrays import Bools, Floats
from equipoise.core.effects import Effects
from equipoise.core.policy import Demand


@dataclass(frozen=True)
class Compiled:
    """Demands with what they were made of; ``heads`` (m,) are the units that each is told per."""

    demands: Demands
    asked: tuple[Demand, ...]
    heads: Floats


def compiled_demands(
    constraints: Sequence[Constraint],
    effects: Effects,
    cost: Floats,
    groups: Groups,
    lower: float = 0.0,
    eligible: Bools | None = None,
) -> Compiled | None:
    """What constraints ask of n units; None where they ask nothing.   cost, eligible: (n, k); a
    candidate that is closed to a unit uses nothing.
    """
    asked = expand(constraints, groups)
    if not asked:
        return None
    worth = np.zeros(effects.values.shape[:2])
    problem = compile_problem(
        worth, asked, effects.candidates, cost, effects, groups, lower, eligible
    )
    open_to_all = replace(problem, value=worth, eligible=None)
    usage = np.stack([-open_to_all.scores(price) for price in np.eye(len(asked))])
    names = tuple(demand.name for demand in asked)
    heads = np.array([float(_heads(demand, groups, len(effects))) for demand in asked])
    return Compiled(Demands(usage, problem.rows.bounds, names), asked, heads)


def _heads(demand: Demand, groups: Groups, n: int) -> int:
    """The units that a demand counts."""
    if demand.column is None or demand.other != 0:
        return n
    labels = [label for label, _ in demand.factors]
    return max(int(np.isin(groups[demand.column], labels).sum()), 1)
