"""A study: the log of a plan with its honest effects, its costs and its judge; what every finding
is made of.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.allocation import Keep
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.model import Model
from equipoise.core.arrays import Ints
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.progress import Progress, silent
from equipoise.estimators.dml.curvature import CurvatureWarning
from equipoise.pipeline.plan.constraints import own_groups
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.money import Objective, currency_of, objective_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.cross_fit import Swapped, cross_fit, log_folds, with_std_error
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.policy import PolicyTask, check_policy, make_policy_task
from equipoise.pipeline.study.population import Population, population_of
from equipoise.pipeline.study.previous import previous_choice
from equipoise.pipeline.study.propensity import Design, design_of
from equipoise.pipeline.study.segments import check_segments
from equipoise.pipeline.study.shipping import staying_of
from equipoise.pipeline.study.strata import check_strata


@dataclass(frozen=True)
class Study:
    """A log, its out-of-fold effects, and the policy's task.

    Attributes
    ----------
    plan : Plan
        What is to be done.
    log : Log
        The experiment, n rows.
    fold : array of int, shape (n,)
        The fold of each row.
    estimator : estimator
        As the plan names it, with a bootstrap where ``lower`` needs one; not fitted.
    effects : Effects
        Of every row, out of fold, the log's metrics first.
    model : Model
        The one that ships: of fold `SHIPPED`, which it never saw.
    design : Design
        How treatment was given.
    costs : Costs
        What offers cost.
    task : PolicyTask
        What the policy has to meet.
    judge : Judge
        What values any policy.
    objective : Objective
        What the policy makes large, and whether that is money.
    shared : Effects or None, default None
        By the model of all rows alone, where groups have models of their own.
    """

    plan: Plan
    log: Log
    fold: Ints
    estimator: Any
    effects: Effects
    model: Model
    design: Design
    costs: Costs
    task: PolicyTask
    judge: Judge
    objective: Objective
    shared: Effects | None = None


def make_study(
    plan: Plan, progress: Progress = silent, population: Population | None = None
) -> Study:
    """Open the log, fit across folds, and set the policy's task; demands are checked before
    anything is fitted.   population: of some rows of the plan's log, in its place.
    """
    whole = population is None
    population = population_of(plan, open_log(plan)) if population is None else population
    log = population.log
    plan = with_currency(plan, log)
    check_policy(plan.policy, log, plan.report.currency, whole)
    staying_of(plan.policy, plan.cadence, log)
    check_strata(plan, log)
    check_segments(plan, log)
    estimator = make_estimator(plan.estimator, log.space, plan.run.seed)
    if plan.policy.lower > 0:
        estimator = with_std_error(estimator, plan.run.replicates, plan.run.seed)
    fold = log_folds(log, plan.run.folds, plan.run.seed)
    design = design_of(plan, log, fold, population.learns).told_of(population.check)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurvatureWarning)  # it is a check of the findings
        own, cost = own_groups(plan.policy), plan.policy.cost
        fit = cross_fit(log, estimator, fold, design.model, progress, own, cost)
    task, costs = make_task(plan, log, fit.effects, fold, fit.swapped)
    judged = design.judged(log, fit.effects)
    objective = objective_of(plan.policy, log, plan.report.currency)
    judge = make_judge(log, judged, design.propensity, costs, plan.report.level, objective)
    return Study(
        plan,
        log,
        fold,
        estimator,
        fit.effects,
        fit.model,
        design,
        costs,
        task,
        judge,
        objective,
        fit.shared,
    )


def with_currency(plan: Plan, log: Log) -> Plan:
    """The plan with a name for the money where it names none, see `currency_of`."""
    currency = currency_of(plan.policy, log, plan.report.currency)
    report = plan.report.model_copy(update={"currency": currency})
    return plan.model_copy(update={"report": report})


def make_task(
    plan: Plan, log: Log, effects: Effects, fold: Ints, swapped: Sequence[Swapped] = ()
) -> tuple[PolicyTask, Costs]:
    """What a plan wants of an allocation of these effects, (n,) units, and what offers cost."""
    keep = plan.policy.keep
    previous = (
        None if keep is None else Keep(previous_choice(plan.path(keep.path), log), keep.bonus)
    )
    return make_policy_task(
        plan.policy, log, effects, fold, plan.report.currency, previous, swapped
    )
