"""The columns by which a plan wants effects to be told: checked before anything is fitted."""

from __future__ import annotations

from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.core.unique_text import is_nearly_unique
from equipoise.pipeline.plan.constraints import known_name
from equipoise.pipeline.plan.schema import Plan

WHERE = "[report] segments"


def check_segments(plan: Plan, log: Log) -> None:
    """Refuse columns that are not there, that the treatment has changed, or that name single
    rows.
    """
    roles = log.roles
    after = {*roles.treatments, *log.metrics, roles.claimed, roles.cost}
    for name in plan.report.segments or ():
        known_name("column", name, tuple(log.table.column_names), WHERE)
        if name in after:
            must, fix = "be known before the treatment", "name a feature"
            raise PlanError(f"a segment by {name!r}", must, "a role of what came after", WHERE, fix)
        if name == roles.id or is_nearly_unique(log.table[name]):
            must, fix = "be of a column whose labels rows share", "leave it out, or name another"
            got = "a label in nearly every row"
            raise PlanError(f"a segment by {name!r}", must, got, WHERE, fix)
