"""The budgeted policy: an allocation, and the rule by prices that keeps its demands.

The prices of the dual carry the choice but for a few units; a rule is let out only after it was
measured on the units it was made on, draws included, and exceeds no demand there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.constraints import Constraint, Groups
from equipoise.allocation.hashing import uniform
from equipoise.allocation.rule import (
    LOW_STREAM,
    add_keep,
    check_effects,
    check_eligible,
    net_value,
    unit_weights,
)
from equipoise.allocation.solve import (
    Allocation,
    certified_dual,
    compile_problem,
    draft_policy,
    expand,
    solve_problem,
    with_choice,
)
from equipoise.allocation.solver.infeasible import beyond_prices
from equipoise.allocation.solver.line_search import gain_along_lines
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.promise import (
    Rule,
    RuleResult,
    keep_promise,
    measure_rule,
    rule_choice,
)
from equipoise.allocation.solver.ties import SIZE, tie_penalty
from equipoise.allocation.solver.tighten import hold
from equipoise.allocation.solver.unit_weights import check_weight, ties_broken
from equipoise.allocation.switching import Keep
from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy

CARRIED = 1e-4  # of the choice's value: a rule by prices that loses more is looked at again
NEAR = 1e-6  # of the mean worth of a candidate: so near to another choice a unit is tied
TURNS = 16  # of the draws, over which what a rule makes of all draws is averaged


def budgeted_policy(
    effects: Effects,
    *,
    weights: Mapping[str, float],
    constraints: Sequence[Constraint],
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    control: str = "control",
    lower: float = 0.0,
    keep: Keep | None = None,
    eligible: ArrayLike | None = None,
    importance: Floats | None = None,
    weight: ArrayLike | None = None,
    tol: float = 1e-6,
    warm: ArrayLike | None = None,
    method: str = "auto",
    units: ArrayLike | None = None,
    seed: int = 0,
    promise: bool = True,
    cost_weight: float = 0.0,
) -> tuple[Policy, Allocation]:
    """The policy whose prices make the demands hold, and the allocation of these units.

    Parameters
    ----------
    effects : Effects
        Of n units under k candidates; cross-fitted, never of the rows a model was fitted on.
    weights : mapping
        Metric -> worth of one unit of it; the sign says which way is better.
    constraints : sequence of Constraint
        What the policy must obey on these units.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    groups : mapping, optional
        Column -> labels (n,), where a demand names it.
    control : str, default "control"
        The name of no candidate.
    lower : float, default 0.0
        The confidence penalty z >= 0: effects count less z standard errors.
    keep : Keep, optional
        The choices in force and the bonus for staying with them.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit, as in `decide`; by default all are.
    importance : array, (n,), optional
        How often each unit's worth counts in the objective, >= 0; by default once.  Demands count
        every unit once, and the policy must be given the same weights, `unit_weights`.
    weight : array-like, (n,), optional
        How many times each unit counts, > 0, as in `allocate`: its worth, all it uses, and its
        head; by default once.  The rule decides each unit without them.
    tol : float, default 1e-6
        Relative optimality gap at which the search ends.
    warm : array-like, (m,), optional
        Prices to start from.
    method : str, default "auto"
        As in `allocate`.
    units : array-like, (n,), optional
        Ids by which a random part of the rule is drawn, as in `decide`; the row numbers by default.
    seed : int, default 0
        Of the draws; the policy keeps it.
    promise : bool, default True
        Whether the rule keeps every demand on these units; without it the policy is the draft of
        one, whose prices explain the allocation's choice.
    cost_weight : float, default 0.0
        What a unit of cost takes from the worth: 1 where the weights are in money, so that the
        best policy is that of the largest net worth, and gives nobody what does not pay.

    Returns
    -------
    policy : Policy
        The rule; on these units, with these ids, it exceeds no demand.
    allocation : Allocation
        The units' own choices, with the certificate of both.

    Raises
    ------
    InfeasibleError
        Where no choice meets the demands, or where one does but no rule by prices was found.

    Notes
    -----
    The policy's prices are the dual's, raised by the least that keeps the rule by prices within
    every demand on these units.  A last pass measures what the rule makes of these units and
    changes it until no demand is exceeded (`keep_promise`).  Where that loses more than 1e-4 of
    the choice's value, prices are moved along lines (`gain_along_lines`); where units are tied, a
    rule that tells them apart by a number drawn from their ids (`tie_penalty`) is made too, and
    the better one is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.core.effects import Effects
    >>> from equipoise.allocation import budget
    >>> gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    >>> effects = Effects(gain, np.zeros((3, 1)), ("mail",), ("spend",))
    >>> policy, allocation = budgeted_policy(
    ...     effects, weights={"spend": 1.0}, constraints=[budget(2.0)], cost=[1.0]
    ... )
    >>> allocation.choice.tolist(), allocation.rule_value
    ([0, -1, 0], 5.0)
    """
    groups = groups or {}
    check_effects(effects)
    bonus = keep.bonus if keep else 0.0
    demands = expand(constraints, groups)
    draft = draft_policy(effects, weights, demands, control, lower, bonus, cost_weight)
    draft = replace(draft, seed=seed)
    worth = net_value(draft, effects, groups, unit_weights(draft, importance), cost)
    add_keep(worth, draft.keep, keep.previous if keep else None)
    open_to = check_eligible(eligible, worth.shape)
    each = None if weight is None else check_weight(weight, len(effects))
    problem = compile_problem(
        worth, draft.demands, effects.candidates, cost, effects, groups, lower, open_to, each
    )
    solution = solve_problem(problem, tol, warm, method)
    ids = np.arange(len(effects)) if units is None else units
    draws = uniform(ids, seed, LOW_STREAM)
    if draws.shape != (len(effects),):
        raise InputError("units", f"be one id per unit, {len(effects)}", draws.shape)
    if promise:
        result, promise_cost = _promised(problem, solution, tol, draws)
    else:
        result, promise_cost = measure_rule(problem, Rule(hold(problem, solution.prices))), 0.0
    rule = result.rule
    value, usage = _over_all_draws(problem, result, draws)
    if promise and result.value > solution.value:
        solution = with_choice(problem, solution, _choice_of(problem, rule, draws), tol)
    policy = replace(
        draft,
        prices=tuple(rule.prices.tolist()),
        threshold=rule.threshold,
        tie_penalty=rule.tie_penalty,
    )
    return policy, replace(
        solution,
        expected_value=value,
        expected_usage=usage,
        rule_value=result.value,
        rule_usage=result.usage,
        promise_cost=promise_cost,
    )


def _promised(
    problem: Problem, solution: Allocation, tol: float, draws: Floats
) -> tuple[RuleResult, float]:
    """The rule that keeps every demand, and the value that this gave up.

    Where prices leave much of the choice's value, they are moved along lines; where units are tied,
    the rule that tells equal units apart by their draws is made too, and the better one is taken.
    """
    rule = Rule(hold(problem, solution.prices))
    before = measure_rule(problem, rule)
    best = keep_promise(problem, rule, solution.prices)
    if best is not None and best.value >= solution.value - CARRIED * abs(solution.value):
        return best, before.value - best.value
    if best is None or _tied(problem, solution.prices):
        parted = _parted(problem, solution, tol, draws)
        if best is None or (parted is not None and parted.value > best.value):
            best = parted
    else:
        best = gain_along_lines(problem, best)
    if best is None:
        raise beyond_prices(problem.rows, measure_rule(problem, rule).usage)
    return best, max(before.value - best.value, 0.0)


def _tied(problem: Problem, prices: Floats) -> bool:
    """Whether more units are tied at the prices than the demands split among units that differ."""
    near = problem.choose(prices).margin <= NEAR * np.abs(problem.value).mean()
    return int(near.sum()) > len(problem.rows)


def _choice_of(problem: Problem, rule: Rule, draws: Floats) -> Choice:
    """What a rule gives units with these draws, (n,)."""
    if rule.tie_penalty:
        problem = ties_broken(problem, rule.tie_penalty, draws)
    return rule_choice(problem, rule)


def _parted(problem: Problem, solution: Allocation, tol: float, draws: Floats) -> RuleResult | None:
    """A rule that tells equal units apart by their draws, or None where none keeps every row."""
    one = problem if problem.single is None else problem.single
    penalty = tie_penalty(one.value)
    apart = ties_broken(problem, penalty, draws)
    prices = certified_dual(apart, tol * SIZE, solution.prices, "auto").prices
    rule = Rule(hold(apart, prices), tie_penalty=penalty)
    result = keep_promise(apart, rule, prices)
    if result is None:
        return None
    rule = gain_along_lines(apart, result).rule
    return RuleResult(rule, *problem.measure(_choice_of(problem, rule, draws)))


def _over_all_draws(problem: Problem, result: RuleResult, draws: Floats) -> tuple[float, Floats]:
    """The value and the usage (m,) of a rule over all draws: the mean over draws that are turned
    by parts of a whole, so that each unit is in each part once.
    """
    rule = result.rule
    if not rule.tie_penalty:
        return result.value, result.usage
    value, usage = 0.0, np.zeros(len(result.usage))
    for turn in range(TURNS):
        turned = (draws + turn / TURNS) % 1.0
        worth, use = problem.measure(_choice_of(problem, rule, turned))
        value, usage = value + worth / TURNS, usage + use / TURNS
    return value, usage
