"""Open the log that a plan names: a file with its roles, or a known dataset with some of its roles
replaced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Ints
from equipoise.core.errors import PlanError
from equipoise.core.log import Log, Outcome
from equipoise.core.space import Space
from equipoise.core.unique_text import is_nearly_unique
from equipoise.data import DATASETS, read_log
from equipoise.data.said_arms import arms_of_text
from equipoise.data.sources import table_version
from equipoise.data.tables import LOGS
from equipoise.pipeline.plan.read import space_of
from equipoise.pipeline.plan.schema import LogPlan, OutcomePlan, Plan
from equipoise.pipeline.study.propensity import LEARN


def open_log(plan: Plan, rows: pa.Table | None = None) -> Log:
    """The log of a plan, checked; ``sample`` rows of it, drawn by the run's seed, where the plan
    says so.   rows: of its files, read already.
    """
    if plan.ranking is not None:
        fix = "a plan with [ranking] is for `equipoise run`, `check` and `score`"
        raise PlanError("the plan", "have a table [log]", "[ranking]", fix=fix)
    space = space_of(plan)
    log = _dataset(plan.log, space) if plan.log.dataset else _file(plan, space, rows)
    if plan.log.sample is not None and plan.log.sample < len(log):
        rng = np.random.default_rng(plan.run.seed)
        rows = np.sort(log.order[rng.choice(len(log), plan.log.sample, replace=False)])
        log = _sample(log, rows)
    return log


def _sample(log: Log, rows: Ints) -> Log:
    """Some rows of a log; features that nobody named are left out where in these rows they are
    nearly unique.
    """
    table, roles, left_out = log.table.take(pa.array(rows)), log.roles, log.left_out
    if left_out is not None:
        personal = [
            name
            for name in roles.features
            if name not in roles.nearly_unique and is_nearly_unique(table[name])
        ]
        left_out = {**left_out, **dict.fromkeys(personal, "its text nearly names the row")}
        features = tuple(name for name in roles.features if name not in personal)
        roles = replace(roles, features=features)
    return Log(table, roles, log.space, left_out=left_out)


def places(plan: Plan) -> Any:
    """Where the rows lie: paths from the plan's folder, an address as it is; one, or a list."""
    said = plan.log.path
    if isinstance(said, tuple):
        return [_place(plan, part) for part in said]
    return _place(plan, said)


def _place(plan: Plan, part: str) -> Any:
    kind, found, rest = part.partition("://")
    if kind in LOGS:
        return f"{kind}://{_place(plan, rest)}"
    return part if found else plan.path(part)


def at_version(plan: Plan) -> Plan:
    """A plan whose log is a table, with the version that is read: the one that it names, or that of
    now.
    """
    if plan.log is None or plan.log.path is None:
        return plan
    version = table_version(places(plan), plan.log.version)
    log = plan.log.model_copy(update={"version": version})
    return plan if version is None else plan.model_copy(update={"log": log})


def as_text(log: LogPlan) -> dict[str, pa.DataType]:
    """The columns that are read as they stand where a file, or the name of a folder, is text."""
    named = (log.id, log.group, *(log.text or ()))
    return {name: pa.string() for name in named if name is not None}


def _file(plan: Plan, space: Space | str | None, rows: pa.Table | None = None) -> Log:
    roles = _roles(plan.log)
    treatment = roles.pop("treatment")
    outcomes = {
        name: spec.model_dump(exclude_none=True) for name, spec in (plan.log.outcomes or {}).items()
    }
    return read_log(
        places(plan) if rows is None else rows,
        treatment=treatment,
        outcomes=outcomes,
        space=space,
        text=plan.log.text or (),
        version=plan.log.version if rows is None else None,
        **roles,
    )


def _dataset(plan: LogPlan, space: Space | str | None) -> Log:
    log: Log = DATASETS.load(plan.dataset or "")()
    named_roles = _roles(plan)
    if not named_roles and plan.outcomes is None and space is None:
        return log
    if plan.outcomes is not None:
        named_roles["outcomes"] = tuple(
            _known_outcome(log, name, spec) for name, spec in plan.outcomes.items()
        )
    roles = replace(log.roles, **named_roles)
    taken = {*roles.treatments, roles.claimed, roles.cost, roles.id, roles.group, *roles.protected}
    taken |= {outcome.name for outcome in roles.outcomes}
    if plan.features is None:
        roles = replace(roles, features=tuple(name for name in roles.features if name not in taken))
    if isinstance(space, str):
        space = arms_of_text(space, log.table[roles.treatments[0]])
    return Log(log.table, roles, log.space if space is None else space)


def _roles(plan: LogPlan) -> dict[str, Any]:
    named_roles = plan.roles()
    if named_roles.get("design") == LEARN:
        named_roles["design"] = None
    return named_roles


def _known_outcome(log: Log, name: str, spec: OutcomePlan) -> Outcome:
    outcomes = {outcome.name: outcome for outcome in log.roles.outcomes}
    if name not in outcomes:
        raise PlanError(
            f"outcome {name!r}", f"be one of {', '.join(outcomes)}", repr(name), "[log.outcomes]"
        )
    settings = spec.model_dump(exclude_unset=True)
    return replace(outcomes[name], **settings)
