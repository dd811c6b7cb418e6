"""The TOML plan: its schema, and what each table makes."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.pipeline.plan.read import make_plan as make_plan
    from equipoise.pipeline.plan.read import read_plan as read_plan
    from equipoise.pipeline.plan.schema import Plan as Plan

NAMES = {
    "Plan": "equipoise.pipeline.plan.schema",
    "make_plan": "equipoise.pipeline.plan.read",
    "read_plan": "equipoise.pipeline.plan.read",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = list(NAMES)
