"""The table [supply] of a plan: how a whole is to be divided among categories, by cluster of users.

[log]     treatment = ["film", "food", ...]      one column of shares per category
[space]   kind = "shares", move = 0.1            bounds of shares, and how far one may go from
today's
[policy]  weights = {...}, floors = [...]        what a mix is for, and which metric it must not
harm
[supply]  the keys below
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from equipoise.pipeline.plan.base import Names, PlanTable, Share, wrong

Way = Literal["binary", "vector", "doses", "shares", "forest"]


def _inventory(value: Any) -> Any:
    """A factor of today's exposure for every category, or a table category = largest share of all
    exposure.
    """
    amounts = value.values() if isinstance(value, dict) else [value]
    good = all(
        isinstance(a, int | float) and not isinstance(a, bool) and math.isfinite(a) and a > 0
        for a in amounts
    )
    if not good or value == {} or (isinstance(value, dict) and any(a > 1 for a in amounts)):
        raise wrong(
            "be a factor > 0 of today's exposure, or a table category = share of all exposure in"
            " (0, 1]"
        )
    return (
        {name: float(a) for name, a in value.items()} if isinstance(value, dict) else float(value)
    )


class Together(PlanTable):
    """Categories that may have at most so much of a cluster's mix together."""

    categories: Names
    most: Share


class SupplyPlan(PlanTable):
    """How mixes are found.

    way : "shares" (curves of all shares at once), "doses" (a curve per category), "vector" (all
        switches up or down at once),
        "binary" (each category up or down by itself), or "forest" (the MDP2 forest: per user).
        rivals: other ways to judge.
    estimator : of "doses" and "binary"; "dml" where none is named, and of trees and nets of a dose
        "dose-s-learner" first.   degree: of the curves of "shares".
    step : how far "binary" and "vector" go, in today's shares.
    clusters, count : of users.   inventory, together : limits.   crowding : pairs whose joint
        effect is learnt.
    """

    way: Way = "shares"
    rivals: tuple[Way, ...] = Field(default=(), strict=False)
    clusters: Literal["none", "kmeans", "sccl"] = "kmeans"
    count: Annotated[int, Field(ge=2, le=200)] = 12
    estimator: str | None = None
    degree: Annotated[int, Field(ge=1, le=5)] = 3
    step: Annotated[float, Field(gt=0, le=1)] = 0.3
    inventory: Annotated[Any, BeforeValidator(_inventory)] = None
    together: Annotated[tuple[Together, ...], Strict(strict=False)] = ()
    crowding: Annotated[tuple[Names, ...], Strict(strict=False)] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(len(pair) != 2 for pair in self.crowding):
            raise wrong("have two categories in each entry of crowding")
        if self.way in self.rivals or len(set(self.rivals)) < len(self.rivals):
            raise wrong("name rivals other than its way, each once")
        if "forest" in (self.way, *self.rivals) and (self.inventory is not None or self.together):
            raise wrong(
                "leave inventory and together out with the way 'forest', which finds each user's"
                " mix alone"
            )
        return self
