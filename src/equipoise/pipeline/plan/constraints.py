"""The demands of a plan as constraints of the allocator: every bound per head, so that it serves
any number of units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.allocation import constraints as make
from equipoise.allocation.constraints import Constraint
from equipoise.artifacts.costs import Costs
from equipoise.core import columns
from equipoise.core.errors import PlanError
from equipoise.core.limits import Limit
from equipoise.core.log import Log
from equipoise.core.space import current_names
from equipoise.core.start import Start
from equipoise.core.suggest import nearest
from equipoise.core.unique_text import is_nearly_unique
from equipoise.pipeline.plan.schema import FloorPlan, GroupBudget, LimitPlan, ParityPlan, PolicyPlan

Groups = dict[str, NDArray[Any]]
MOST_NAMES = 20  # that an error lists


def weights_of(plan: PolicyPlan, log: Log) -> dict[str, float]:
    """What one unit of each metric is worth, weight times worth, signed by which way is better; by
    default those with a worth count, else the first metric alone.
    """
    worth = {outcome.name: outcome.worth for outcome in log.roles.outcomes}
    weights = plan.weights
    if weights is None:
        weights = {name: 1.0 for name in worth if worth[name] is not None} or {log.metrics[0]: 1.0}
    for name in weights:
        known_name("weight of", name, log.metrics, "[policy] weights")
    return {
        outcome.name: outcome.sign * weights.get(outcome.name, 0.0) * (outcome.worth or 1.0)
        for outcome in log.roles.outcomes
    }


def groups_of(plan: PolicyPlan, log: Log) -> Groups:
    """The labels, as text, of each unit in every column that a demand names."""
    named: list[GroupBudget | ParityPlan | LimitPlan] = [*plan.group_budgets, *plan.parity]
    names = dict.fromkeys(table.column for table in [*named, *plan.limits])
    for name in names:
        known_column(name, log.table.column_names)
    for parity in plan.parity:
        if is_nearly_unique(log.table[parity.column]):
            must, fix = "be of a column whose labels rows share", "leave it out, or name another"
            got = "a label in nearly every row"
            raise PlanError(f"parity of {parity.column!r}", must, got, "[policy.parity]", fix)
    return {
        name: np.asarray(columns.labels(log.table[name]).to_pylist(), dtype=np.str_)
        for name in names
    }


def check_labels(plan: PolicyPlan, groups: Groups) -> None:
    """Refuse a group that no unit is in.   groups: as of `groups_of`; or the labels that there are
    in each column.
    """
    named: list[GroupBudget | LimitPlan] = [*plan.group_budgets, *plan.limits]
    for own in named:
        labels = tuple(np.unique(groups[own.column]).tolist())
        where = "[policy.limits]" if isinstance(own, LimitPlan) else "[policy.group_budgets]"
        known_name(f"group of {own.column!r}", own.group, labels, where)


def constraints_of(
    plan: PolicyPlan, log: Log, groups: Groups, currency: str = ""
) -> list[Constraint]:
    """Every demand of the plan, per head; the budget comes first."""
    n, candidates = len(log), log.cell_names[1:]
    constraints: list[Constraint] = []
    if plan.budget is not None:
        constraints.append(make.budget(plan.budget.head(n), per_head=True, unit=currency))
    if plan.offers is not None:
        constraints.append(make.offers(plan.offers.head(n), per_head=True))
    now = current_names(log.space)
    for cap in plan.caps:
        candidate = now.get(cap.candidate, cap.candidate)
        known_name("cap on", candidate, candidates, "[policy.caps]")
        constraints.append(make.cap(candidate, cap.head(n), per_head=True))
    constraints += [_floor(floor, log) for floor in plan.floors]
    constraints += [_group_budget(budget, groups, currency) for budget in plan.group_budgets]
    constraints += [make.parity(parity.column, parity.within) for parity in plan.parity]
    return constraints


def limits_of(plan: PolicyPlan, log: Log, costs: Costs) -> tuple[Limit, ...]:
    """The candidates that the plan's limits close to groups: offers of more than the limit."""
    limits = []
    for limit in plan.limits:
        if limit.most is None:
            limits.append(Limit(limit.column, limit.group, ()))
            continue
        if costs.column is not None or (costs.metric is not None and not costs.probability):
            fix = 'give amounts: cost = 2.0, a table candidate = amount, or "dose"'
            got = "a cost of each row"
            raise PlanError("a limit", "be of offers of known amounts", got, "[policy.limits]", fix)
        named = zip(log.cell_names[1:], costs.amount, strict=True)
        closed = tuple(name for name, amount in named if amount > limit.most)
        limits.append(Limit(limit.column, limit.group, closed))
    return tuple(limits)


def own_groups(plan: PolicyPlan) -> tuple[tuple[str, str], ...]:
    """The (column, group) that have models of their own; a unit of several has the first's."""
    own = ((limit.column, limit.group) for limit in plan.limits if limit.model == "own")
    return tuple(dict.fromkeys(own))


def start_of(plan: PolicyPlan, log: Log) -> Start | None:
    """How much more new units count; None where all count once."""
    if plan.start is None:
        return None
    known_name("column", plan.start.column, tuple(log.table.column_names), "[policy.start]")
    return Start(**plan.start.model_dump())


def _floor(floor: FloorPlan, log: Log) -> Constraint:
    """The mean effect on a metric may not be worse than so much: at least, or at most where lower
    is better.
    """
    known_name("floor of", floor.metric, log.metrics, "[policy.floors]")
    outcome = next(o for o in log.roles.outcomes if o.name == floor.metric)
    if outcome.sign > 0:
        return make.floor(floor.metric, floor.per_head, per_head=True, unit=outcome.unit)
    return make.ceiling(floor.metric, floor.per_head, per_head=True, unit=outcome.unit)


def _group_budget(budget: GroupBudget, groups: Groups, currency: str) -> Constraint:
    heads = int((groups[budget.column] == budget.group).sum())
    head = budget.head(max(heads, 1))
    return make.group_budget(budget.column, budget.group, head, per_head=True, unit=currency)


def known_column(name: str, names: Sequence[str]) -> None:
    """Refuse a column of [policy] that has no role in the log."""
    if name not in names:
        must = f"have a role in the log, as {', '.join(names[:MOST_NAMES])} have"
        near, own = nearest(name, names), f"give it one: [log] protected = [{name!r}]"
        fix = f"{near} else {own}" if near else own
        raise PlanError(f"column {name!r}", must, "none", "[policy]", fix)


def known_name(what: str, name: str, names: tuple[str, ...], where: str) -> None:
    """Refuse a name that is not among those there are, and say the nearest."""
    if name in names:
        return
    listed = ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        listed += f", ... ({len(names):,} of them)"
    fix = nearest(name, names)
    raise PlanError(f"{what} {name!r}", f"be one of {listed}", repr(name), where, fix)
