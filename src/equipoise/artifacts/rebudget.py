"""A shipped policy's demands met on the given units as a whole, in place of its fixed prices.

Fixed prices decide unit by unit and carry a budget on average; solving again on the units
themselves keeps it in expected cost.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.allocation import Keep, budgeted_policy, decide
from equipoise.allocation.cadence import NONE
from equipoise.allocation.constraints import Constraint, CountedGroups, Groups, Parity, Row
from equipoise.allocation.rule import add_keep, net_value, unit_weights
from equipoise.allocation.solve import compile_problem, expand, solve_problem
from equipoise.allocation.solver.prefix import holds
from equipoise.artifacts.staying import Past
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError
from equipoise.core.policy import Policy

TOLERANCE = 1e-6  # relative gap at which the search ends, as in `budgeted_policy`


def rebudget_units(
    policy: Policy,
    effects: Effects,
    expected: Floats,
    groups: Groups,
    units: Ints,
    eligible: Bools | None = None,
    past: Past | None = None,
    importance: Floats | None = None,
) -> tuple[Ints, Floats]:
    """Choose for n units so that the demands of a policy hold on them as a whole.

    Parameters
    ----------
    policy : Policy
        The shipped rule.
    effects : Effects
        Of the units.
    expected : array, (n, k)
        Expected costs, in money.
    groups : mapping
        Column -> labels (n,).
    units : array, (n,)
        Ids by which random choices are drawn.
    eligible : array of bool, (n, k), optional
        Whether a candidate is open to a unit.
    past : Past, optional
        What of the units' past stays; where the demands leave no room for that, nothing does.
    importance : array, (n,), optional
        How often each unit counts in the objective.

    Returns
    -------
    choice : array of int, (n,)
        -1 control, a candidate a.
    score : array, (n,)
        Of the best candidate, in worth.
    """
    constraints = demands_on(policy, groups)
    price = dict(zip((demand.name for demand in policy.demands), policy.prices, strict=True))
    rule, allocation = budgeted_policy(
        effects,
        weights=dict(zip(policy.metrics, policy.weights, strict=True)),
        constraints=constraints,
        cost=expected,
        groups=groups,
        control=policy.control,
        lower=policy.lower,
        warm=np.array([price.get(demand.name, 0.0) for demand in expand(constraints, groups)]),
        units=units,
        seed=policy.seed,
        keep=None if past is None else Keep(past.previous, policy.keep),
        eligible=eligible,
        importance=importance,
        promise=False,  # the prices only explain the score; the choices keep the demands
        cost_weight=policy.cost_weight,
    )
    choice = allocation.choice.astype(np.int64)
    weights = unit_weights(rule, importance)
    if past is not None and (past.fixed > NONE).any():
        beside = _beside(rule, effects, expected, groups, eligible, past, weights)
        choice = choice if beside is None else beside
    previous = None if past is None else past.previous
    score = decide(
        rule,
        effects,
        cost=expected,
        groups=groups,
        previous=previous,
        weights=weights,
        units=units,
        eligible=eligible,
    ).score
    return choice, score


def _beside(
    rule: Policy,
    effects: Effects,
    expected: Floats,
    groups: Groups,
    eligible: Bools | None,
    past: Past,
    weights: Floats | None,
) -> Ints | None:
    """The best choice, (n,), in which what is fixed stays; None where the demands leave no room."""
    worth = net_value(rule, effects, groups, weights, expected)
    add_keep(worth, rule.keep, past.previous)
    problem = compile_problem(
        worth, rule.demands, effects.candidates, expected, effects, groups, rule.lower, eligible
    )
    free = past.fixed == NONE
    used = problem.measure(np.where(free, -1, past.fixed).astype(np.int16))[1]
    choice = past.fixed.astype(np.int16)
    if free.any():
        part = problem.take(np.flatnonzero(free))
        part = replace(part, rows=replace(part.rows, bounds=problem.rows.bounds - used))
        try:
            choice[free] = solve_problem(part, TOLERANCE, np.array(rule.prices), "auto").choice
        except InfeasibleError:
            return None
    usage = problem.measure(choice)[1]  # of both together, exactly: a difference is rounded
    return choice.astype(np.int64) if holds(problem, usage) else None


def demands_on(policy: Policy, groups: Groups) -> list[Constraint]:
    """The demands as constraints on units with these groups: parity by their own shares, nothing on
    a group that is absent.
    """
    constraints: list[Constraint] = []
    counted = CountedGroups(groups)
    for demand in policy.demands:
        if demand.kind == "parity":
            whole = Parity(str(demand.column), demand.bound, demand.candidate)
            constraints += [] if whole in constraints else [whole]
        elif Row(demand).applies(counted):
            constraints.append(Row(demand))
    return constraints
