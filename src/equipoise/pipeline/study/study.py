"""A study: the log of a plan with its honest effects, its costs and its judge; what every finding
is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from equipoise.allocation import Keep
from equipoise.artifacts.costs import Costs, make_costs
from equipoise.core.arrays import Ints
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.progress import Progress, silent
from equipoise.core.space import Space
from equipoise.estimators import Bootstrapped
from equipoise.pipeline.plan.constraints import constraints_of, groups_of, weights_of
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.cross_fit import cross_fit, log_folds
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.policy import Task
from equipoise.pipeline.study.previous import previous_choice
from equipoise.pipeline.study.propensity import Design, design_of
from equipoise.pipeline.study.strata import check_strata


@dataclass(frozen=True)
class Study:
    """A log, its out-of-fold effects, and the policy's task.

    Attributes
    ----------
    fold : (n,).   effects : of every row, out of fold, the log's metrics first.   design : how
        treatment was given.
    """

    plan: Plan
    log: Log
    fold: Ints
    estimator: Any
    effects: Effects
    design: Design
    costs: Costs
    task: Task
    judge: Judge


def make_study(plan: Plan, progress: Progress = silent) -> Study:
    """Open the log, fit across folds, and set the policy's task; demands are checked before
    anything is fitted.
    """
    log = open_log(plan)
    plan = with_currency(plan, log.space)
    check_policy(plan, log)
    check_strata(plan, log)
    estimator = make_estimator(plan.estimator, log.space, plan.run.seed)
    fold = log_folds(log, plan.run.folds, plan.run.seed)
    design = design_of(plan, log, fold)
    effects = cross_fit(log, estimator, fold, design.model, progress)
    if plan.policy.lower > 0 and effects.std_error is None:
        estimator = Bootstrapped(estimator, plan.run.replicates, plan.run.seed)
        effects = cross_fit(log, estimator, fold, design.model, progress)
    task, costs = make_task(plan, log, effects, fold)
    judge = make_judge(log, effects, design.propensity, costs, plan.report.level)
    return Study(plan, log, fold, estimator, effects, design, costs, task, judge)


def with_currency(plan: Plan, space: Space) -> Plan:
    """The plan with a name for the money where it names none: a dose's own unit, else units of
    cost.
    """
    if plan.policy.cost is None or plan.report.currency:
        return plan
    own = str(space.to_json().get("unit", "")) if plan.policy.cost == "dose" else ""
    return plan.model_copy(
        update={"report": plan.report.model_copy(update={"currency": own or "units of cost"})}
    )


def check_policy(plan: Plan, log: Log) -> None:
    """Refuse names in [policy] that the log does not have, before anything is fitted."""
    weights_of(plan.policy, log)
    constraints_of(plan.policy, log, groups_of(plan.policy, log))
    make_costs(plan.policy.cost, plan.policy.paid, log.space, log)


def make_task(plan: Plan, log: Log, effects: Effects, fold: Ints) -> tuple[Task, Costs]:
    """What a plan asks of an allocation of these effects, (n,) units, and what offers cost."""
    policy, groups = plan.policy, groups_of(plan.policy, log)
    costs = make_costs(policy.cost, policy.paid, log.space, log)
    task = Task(
        effects=effects,
        expected=costs.expected(effects, log.table),
        groups=groups,
        fold=fold,
        control=log.cell_names[0],
        weights=weights_of(policy, log),
        constraints=constraints_of(policy, log, groups, plan.report.currency),
        lower=policy.lower,
        keep=None
        if policy.keep is None
        else Keep(previous_choice(plan.path(policy.keep.path), log), policy.keep.bonus),
    )
    return task, costs
