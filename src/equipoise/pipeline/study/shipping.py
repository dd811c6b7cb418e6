"""What serves units never seen: the model and the prices of one fold.

The model never saw the fold's rows, so their effects spread like those of new units, and the prices
found on them carry the demands over.  A model of all rows has none left to price it: its in-sample
effects would leave half of a budget unspent, and effects of the other models miss it by a tenth and
more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from equipoise.allocation.constraints import Constraint, Row
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.fingerprint import fingerprint
from equipoise.artifacts.model import Model
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.staying import Staying
from equipoise.artifacts.unit_columns import unit_columns
from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.core.policy import Policy
from equipoise.pipeline.plan.constraints import known_name
from equipoise.pipeline.plan.operations import CadencePlan
from equipoise.pipeline.plan.schema import PolicyPlan
from equipoise.pipeline.study.policy import PolicyTask, Solved


def staying_of(policy: PolicyPlan, cadence: CadencePlan | None, log: Log) -> Staying:
    """When units keep what they have.

    Parameters
    ----------
    policy : PolicyPlan
        Of which ``most_missing`` counts.
    cadence : CadencePlan or None
        How often whose strategy may change.
    log : Log
        The experiment.

    Returns
    -------
    Staying
        As the plan says.

    Raises
    ------
    PlanError
        Where classes have no days, or days no class, or the log does not name its units.
    """
    if cadence is None:
        return Staying(gaps=policy.most_missing)
    staying = Staying(
        cadence.column if cadence.days else None,
        cadence.days,
        cadence.average_days,
        policy.most_missing,
    )
    if cadence.days:
        known_name("[cadence] column", cadence.column, tuple(log.table.column_names), "the log")
        classes, days = tuple(log.codes(cadence.column)[1]), tuple(cadence.days)
        for name in days:
            known_name("a class of [cadence] days", name, classes, repr(cadence.column))
        for name in classes:
            known_name(f"a class of {cadence.column!r}", name, days, "[cadence] days")
    if (staying.by_day or cadence.keep) and unit_id(log) is None:
        fix = "name the column of units, [log] id, or group where a unit has several rows"
        raise PlanError("[cadence]", "have units that days know again", "no ids", "[log]", fix)
    if cadence.keep and not staying.by_day:
        fix = "give days to every class of the column, 1 where it may change every day"
        raise PlanError("[cadence] keep", "come with days", "none", "[cadence]", fix)
    if cadence.keep and policy.keep is not None:
        fix = "leave one of them out"
        raise PlanError("the bonus for staying", "be given once", "two", "[cadence] keep", fix)
    return staying


def unit_id(log: Log) -> str | None:
    """The column that names units: the id, or the group where a unit has several rows."""
    return log.roles.id or log.roles.group


def ship(
    log: Log,
    model: Model,
    costs: Costs,
    solved: Solved,
    task: PolicyTask,
    staying: Staying = Staying(),  # noqa: B008 - frozen
    keep: float = 0.0,
) -> Scorer:
    """The scorer of a policy that was solved within folds.

    Parameters
    ----------
    log : Log
        The experiment; its columns' digests go with the model, so that nobody judges it on them.
    model : Model
        `CrossFit.model`: that of fold `SHIPPED`, which it never saw.
    costs : Costs
        What offers cost.
    solved : Solved
        By `solve_folds`: its rule has the prices of the rows of that fold.
    task : PolicyTask
        What was solved: its limits and its start go along.
    staying : Staying, optional
        When units keep what they have.
    keep : float, default 0.0
        The bonus for staying, where the task had none.

    Returns
    -------
    Scorer
        What assigns any unit, and what a policy's snapshot holds.
    """
    model = replace(model, seen=fingerprint(log))
    id = unit_id(log) if staying.by_day or keep else log.roles.id
    policy = with_demands(solved.policy, task.constraints)
    policy = replace(policy, keep=keep) if keep else policy
    scorer = Scorer(
        model,
        costs,
        policy,
        id,
        eligibility=log.eligibility,
        limits=task.limits,
        staying=staying,
        start=task.start,
    )
    single = () if log.eligibility is None or log.eligibility.listed else log.eligibility.columns
    named = (*single, *(() if task.start is None else (task.start.column,)))
    known = unit_columns(log, scorer.units.groups, costs.column, id, named)
    return replace(scorer, columns=known)


def with_demands(policy: Policy, constraints: Sequence[Constraint]) -> Policy:
    """A policy with all rows that it was asked for, those of groups without a unit where it was
    solved among them, at a price of 0.
    """
    known = {demand.name for demand in policy.demands}
    more = [one.demand for one in constraints if isinstance(one, Row)]
    more = [demand for demand in more if demand.name not in known]
    prices = (*policy.prices, *([0.0] * len(more)))
    return replace(policy, demands=(*policy.demands, *more), prices=prices)
