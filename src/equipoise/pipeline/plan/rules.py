"""[policy.rules]: a rule that a person can read, beside the policy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from equipoise.pipeline.plan.base import Amount, PlanTable, wrong

KINDS = ("tree", "scorecard")


def rules_table(value: Any) -> Any:
    """``"tree"`` is short for ``{kind = "tree"}``."""
    if isinstance(value, str) and value not in KINDS:
        raise wrong('be "tree" or "scorecard", or a table such as {kind = "tree", depth = 2}')
    return {"kind": value} if isinstance(value, str) else value


class RulesPlan(PlanTable):
    """What kind of rule, and how large: a tree's depth, smallest leaf, prudence and bins; a
    scorecard's features, most points of a bin, and bins.
    """

    kind: Literal["tree", "scorecard"] = "tree"
    depth: Annotated[int, Field(ge=1, le=3)] = 2
    min_leaf: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    prudence: Amount = 0.5
    features: Annotated[int, Field(ge=1, le=8)] = 5
    most: Annotated[int, Field(ge=1, le=20)] = 5
    bins: Annotated[int, Field(ge=2, le=256)] | None = None
