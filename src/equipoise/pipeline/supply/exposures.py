"""The rows of a log of exposures, as the job sees them; and what each cluster shows today and could
show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import effective_units
from equipoise.core.errors import InputError, PlanError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.estimators.base import complete
from equipoise.pipeline.plan.constraints import known_name
from equipoise.pipeline.plan.schema import Plan
from equipoise.treatments import Shares

SEEN = (0.01, 0.99)  # quantiles of a cluster's shares: a mix stays between
POINTS = 10  # of a curve on either side of today's share


@dataclass(frozen=True)
class Exposures:
    """X (n, d) with its names; T (n, K) mixes shown; y (n, m); weight (n,); groups (n,) or None."""

    X: Floats
    names: tuple[str, ...]
    T: Floats
    y: Floats
    weight: Floats
    groups: Ints | None

    def __len__(self) -> int:
        return len(self.X)

    def degrees(self, parameters: int) -> float:
        """Degrees of freedom that the units leave beside so many parameters, at least 1."""
        units = effective_units(self.weight, groups=self.groups)
        return max(float(units.normal[0]) + 1 - parameters, 1.0)

    def take(self, rows: Any) -> Exposures:
        """Some of the rows."""
        groups = (
            None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1]
        )
        return Exposures(
            self.X[rows], self.names, self.T[rows], self.y[rows], self.weight[rows], groups
        )


@dataclass(frozen=True)
class Reach:
    """What a cluster of users shows today, (K,), and the grid of shares it could be shown, (K, G),
    today's among them.
    """

    today: Floats
    grid: Floats


def exposures_of(log: Log, features: FeatureMap) -> Exposures:
    """A log's rows; a missing feature is refused, since clusters and curves have no use for it."""
    X, names = matrix(features.table(log.features))
    complete(X, names)
    weight = np.ones(len(log)) if log.weight is None else log.weight / log.weight.mean()
    return Exposures(X, names, log.treatment, log.y, weight, log.groups)


def check_supply(plan: Plan, log: Log) -> Shares:
    """The space of the log, after refusing what [supply] asks that the log has not got."""
    space: Any = log.space
    if not isinstance(space, Shares):
        fix = (
            'name one column of shares per category: [log] treatment = ["film", "food"], and'
            ' [space] kind = "shares"'
        )
        raise PlanError("the space of [supply]", "be shares", space.describe(), "[space]", fix)
    supply = plan.supply
    if supply is None:
        raise PlanError("table [supply]", "be given", "nothing", "the plan")
    if len(log.roles.features) == 0:
        raise PlanError(
            "the features", "be one or more", 0, "[log]", "users are told apart by features"
        )
    named = [name for together in supply.together for name in together.categories]
    named += [name for pair in supply.crowding for name in pair]
    named += list(supply.inventory) if isinstance(supply.inventory, dict) else []
    for name in named:
        known_name("category", name, space.parts, "[supply]")
    return space


def reach_of(space: Shares, rows: Exposures) -> Reach:
    """Today's mean mix of some rows, and how far each share may go: the plan's bounds, within what
    was seen.
    """
    today = rows.weight @ rows.T / rows.weight.sum()
    today /= today.sum()
    move = 1.0 if space.move is None else space.move
    low, high = np.maximum(space.low, today - move), np.minimum(space.high, today + move)
    if (low > high).any():
        part = space.parts[int(np.argmax(low > high))]
        must = (
            f"be within its bounds after a move of {move:g} from today's"
            f" {today[space.parts.index(part)]:.3g}"
        )
        raise PlanError(
            f"the share of {part!r}", must, "no such share", "[space]", "widen the bounds, or move"
        )
    least, most = np.quantile(rows.T, SEEN, axis=0)
    low, high = np.maximum(low, np.minimum(least, high)), np.minimum(high, np.maximum(most, low))
    middle = np.clip(today, low, high)
    steps = np.linspace(0, 1, POINTS + 1)
    below = low[:, None] + steps * (middle - low)[:, None]
    above = middle[:, None] + steps[1:] * (high - middle)[:, None]
    return Reach(today, np.concatenate([below, above], axis=1))


def with_control(space: Shares, control: Floats, **more: Any) -> Shares:
    """Shares without bounds around a mix of today, for models.   more: degree, crosses."""
    return Shares(space.parts, control=control.tolist(), normalise=True, **more)


def enough(rows: Exposures, needed: int, what: str) -> None:
    """Refuse a cluster that is too small for its curves."""
    if len(rows) < needed:
        fix = "ask for fewer clusters or a lower degree, or log more"
        raise InputError(what, f"have at least {needed} rows", len(rows), fix=fix)
