"""A shipped policy's demands met on the given units as a whole, in place of its fixed prices.

Fixed prices decide unit by unit and carry a budget on average; solving again on the units
themselves keeps it in expected cost.  Of each unit only what the demands and the rule need is kept
(`allocation/parts.py`), so that a file of units may come batch by batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from equipoise.allocation.cadence import NONE
from equipoise.allocation.constraints import Constraint, CountedGroups, Groups, Parity, Row
from equipoise.allocation.parts import UnitPart, compile_kinds, unit_part
from equipoise.allocation.rule import (
    add_keep,
    check_cost,
    check_effects,
    check_eligible,
    net_value,
    unit_weights,
)
from equipoise.allocation.solve import draft_policy, solve_problem
from equipoise.allocation.solver.prefix import holds
from equipoise.allocation.solver.problem import Choice, Problem, best_scores
from equipoise.allocation.solver.tighten import hold
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
    eligible: Bools | None = None,
    past: Past | None = None,
    importance: Floats | None = None,
) -> tuple[Choice, Floats]:
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
    part = held_units(policy, effects, expected, groups, eligible, past, importance)
    return rebudget_part(policy, part, None if past is None else past.fixed)


def held_units(
    policy: Policy,
    effects: Effects,
    expected: Floats,
    groups: Groups,
    eligible: Bools | None = None,
    past: Past | None = None,
    importance: Floats | None = None,
) -> UnitPart:
    """Keep of units what `rebudget_part` needs; arguments as of `rebudget_units`.

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
    eligible : array of bool, (n, k), optional
        Whether a candidate is open to a unit.
    past : Past, optional
        What the units had.
    importance : array, (n,), optional
        How often each unit counts in the objective.

    Returns
    -------
    UnitPart
        The units' worths, costs, counted effects and kinds.
    """
    check_effects(effects)
    weights = dict(zip(policy.metrics, policy.weights, strict=True))
    draft = draft_policy(
        effects,
        weights,
        policy.demands,
        policy.control,
        policy.lower,
        0.0 if past is None else policy.keep,
        policy.cost_weight,
    )
    worth = net_value(draft, effects, groups, unit_weights(draft, importance), expected)
    add_keep(worth, draft.keep, None if past is None else past.previous)
    columns = dict.fromkeys(d.column for d in policy.demands if d.column is not None)
    cost = check_cost(expected, worth.shape)
    alike = len(cost) > 0 and bool((cost == cost[0]).all())
    return unit_part(
        worth,
        cost=cost[0] if alike else cost,
        cube=_counted(policy, effects),
        groups={name: groups[name] for name in columns},
        eligible=check_eligible(eligible, worth.shape),
    )


def rebudget_part(
    policy: Policy, part: UnitPart, fixed: Ints | None = None
) -> tuple[Choice, Floats]:
    """`rebudget_units` of units that are kept; fixed (n,): what is not decided, `NONE` where it is.

    Parameters
    ----------
    policy : Policy
        The shipped rule.
    part : UnitPart
        The units.
    fixed : array of int, (n,), optional
        What of the units' past stays.

    Returns
    -------
    choice : array of int, (n,)
        -1 control, a candidate a.
    score : array, (n,)
        Of the best candidate, in worth.
    """
    counts = dict(zip(part.kinds, part.counts().tolist(), strict=True))
    largest = max(float(part.worth.max()), -float(part.worth.min()))
    kinds = compile_kinds(
        lambda groups: demands_on(policy, groups),
        part.columns,
        counts,
        policy.candidates,
        metrics_of(policy),
        largest,
    )
    problem = kinds.problem(part)
    shipped = prices_of(policy)
    warm = np.array([shipped.get(demand.name, 0.0) for demand in kinds.rows.demands])
    solution = solve_problem(problem, TOLERANCE, warm, "auto")
    prices, choice = hold(problem, solution.prices), solution.choice
    if fixed is not None and (fixed > NONE).any():
        beside = _beside(problem, prices, fixed)
        choice = choice if beside is None else beside
    return choice, best_scores(problem, prices)


def metrics_of(policy: Policy) -> list[str]:
    """The metrics that demands count, each once, in order.

    Parameters
    ----------
    policy : Policy
        With its demands.

    Returns
    -------
    list of str
        As in the cubes of `held_units`.
    """
    return list(dict.fromkeys(d.metric for d in policy.demands if d.metric is not None))


def prices_of(policy: Policy) -> Mapping[str, float]:
    """The shipped price of each demand, by its name.

    Parameters
    ----------
    policy : Policy
        With its prices.

    Returns
    -------
    mapping
        Where a new search starts.
    """
    names = (demand.name for demand in policy.demands)
    return dict(zip(names, policy.prices, strict=True))


def _counted(policy: Policy, effects: Effects) -> Floats | None:
    """The effects that demands count, (n, k, q), less their standard errors where the policy takes
    some off.
    """
    columns = [effects.metrics.index(name) for name in metrics_of(policy)]
    if not columns:
        return None
    values: Floats = effects.values[:, :, columns]
    if policy.lower > 0 and effects.std_error is not None:
        values = values - policy.lower * effects.std_error[:, :, columns]
    return values


def _beside(problem: Problem, prices: Floats, fixed: Ints) -> Choice | None:
    """The best choice, (n,), in which what is fixed stays; None where the demands leave no room."""
    free = fixed == NONE
    used = problem.measure(np.where(free, -1, fixed).astype(np.int16))[1]
    choice = fixed.astype(np.int16)
    if free.any():
        part = problem.take(np.flatnonzero(free))
        part = replace(part, rows=replace(part.rows, bounds=problem.rows.bounds - used))
        try:
            choice[free] = solve_problem(part, TOLERANCE, prices, "auto").choice
        except InfeasibleError:
            return None
    usage = problem.measure(choice)[1]  # of both together, exactly: a difference is rounded
    return choice if holds(problem, usage) else None


def demands_on(policy: Policy, groups: Groups) -> list[Constraint]:
    """The demands as constraints on units with these groups: parity by their own shares, nothing on
    a group that is absent.
    """
    constraints: list[Constraint] = []
    counted = groups if isinstance(groups, CountedGroups) else CountedGroups(groups)
    for demand in policy.demands:
        if demand.kind == "parity":
            whole = Parity(str(demand.column), demand.bound, demand.candidate)
            constraints += [] if whole in constraints else [whole]
        elif Row(demand).applies(counted):
            constraints.append(Row(demand))
    return constraints
