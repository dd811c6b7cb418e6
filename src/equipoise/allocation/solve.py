"""Allocate: at most one candidate per unit, the most worth, no demand exceeded; and the policy that
its prices make.

    maximise sum_u value[u, x_u]  subject to usage_r(x) <= bound_r
    prices = argmin g (the dual) -> choice by the one decision rule -> repair -> certificate gap =
    (g(prices) - value) / g(prices)

Price r is the marginal value of demand r: what one more unit of its bound would add.  Value and
effects must not come from the rows that the models were fitted on, or the best-looking units are
the luckiest (the winner's curse): pass cross-fitted effects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.constraints import Constraint, CountedGroups, Groups
from equipoise.allocation.rule import (
    add_keep,
    check_cost,
    check_effects,
    check_eligible,
    metric_quantities,
)
from equipoise.allocation.solver.bundle import TINY
from equipoise.allocation.solver.compile import Rows, close, compile_rows
from equipoise.allocation.solver.dual import Dual, solve_dual
from equipoise.allocation.solver.exact import solve_exactly
from equipoise.allocation.solver.infeasible import infeasible
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.refine import polish
from equipoise.allocation.solver.repair import repair
from equipoise.allocation.solver.separable import separate
from equipoise.allocation.solver.stages import Stage
from equipoise.allocation.solver.unit_weights import check_weight, weighted_heads, weighted_units
from equipoise.allocation.switching import Keep
from equipoise.core.arrays import Bools, Floats
from equipoise.core.deprecation import warn_renamed
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy

METHODS = ("auto", "bisect", "level", "highs")
SPLIT = 1e-3  # of a unit a row, where rows are many: at the bound m units are split
IDLE = 1e-9  # a demand whose use is worth a smaller share of the value has no price
DUAL_SHARE = 0.01  # of the tolerance, left to the dual
SMALL, POLISH = 500, 1e-3  # so few units with a gap above this are worth a small integer program
CLOSED = 0.01  # of the largest value: how much less than control a closed candidate is worth


class DemandTerms(TypedDict):
    """What a demand asked and got, in the words it was asked in."""

    rule: str  # "at most" or "at least"
    bound: float
    used: float
    price: float
    binding: bool


@shown
@dataclass(frozen=True)
class Allocation:
    """Who gets what, at which prices, and how good it provably is.

    Attributes
    ----------
    choice : array of int, (n,)
        -1 control, else the place of a candidate.
    prices : array, (m,)
        The dual price of each demand, in worth per unit of its usage.
    demands : tuple of Demand, (m,)
        The rows.
    value : float
        The worth of the choice, bonuses for staying included.
    bound : float
        No choice within the demands is worth more.
    gap : float
        The optimality gap that is left at most: (bound - value) / abs(bound).
    usage : array, (m,)
        What the choice uses of each row, in the form usage <= bound.
    bounds : array, (m,)
        The most it may use, as totals over the units.
    heads : array, (m,)
        The units that a bound per head is multiplied by; 1 for totals.
    slack : array, (m,)
        bounds - usage.
    repaired : int
        Units that got something else than prices give them.
    expected_value : float
        What the rule by prices makes of these units, in expectation where it draws at random.
    expected_usage : array, (m,)
        The same for usages.
    status : str
        "optimal" (gap <= tol) or "feasible".
    trace : tuple
        One line per stage of the dual.
    rule_value : float, default NaN
        What the policy's rule makes of these units with their own draws; NaN without a policy.
    rule_usage : array, (m,), or None, default None
        The same for usages; no demand is exceeded.
    promise_cost : float, default 0.0
        The value that the last pass gave up so that the rule exceeds no demand; 0 where nothing had
        to be changed.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> allocation = allocate([[3.0], [1.0], [2.0]], [budget(2.0)], cost=[1.0])
    >>> allocation.usage.tolist(), allocation.slack.tolist(), allocation.status
    ([2.0], [0.0], 'optimal')
    """

    choice: Choice
    prices: Floats
    demands: tuple[Demand, ...]
    value: float
    bound: float
    gap: float
    usage: Floats
    bounds: Floats
    heads: Floats
    slack: Floats
    repaired: int
    expected_value: float
    expected_usage: Floats
    status: str
    trace: tuple[Stage, ...]
    rule_value: float = math.nan
    rule_usage: Floats | None = None
    promise_cost: float = 0.0

    @property
    def carried_value(self) -> float:
        """The old name of ``expected_value``."""
        warn_renamed("Allocation.carried_value", "Allocation.expected_value")
        return self.expected_value

    @property
    def carried_usage(self) -> Floats:
        """The old name of ``expected_usage``."""
        warn_renamed("Allocation.carried_usage", "Allocation.expected_usage")
        return self.expected_usage

    def binds(self, r: int) -> bool:
        """Whether a demand has a price that is worth anything; a solver leaves prices of about
        1e-19 on idle ones.

        Parameters
        ----------
        r : int
            The place of the demand.

        Returns
        -------
        bool
            True where its price is above 0 and it is used in full, or the use is worth more than
            1e-9 of the value.
        """
        worth = self.prices[r] * max(abs(self.bounds[r]), abs(self.usage[r]))
        used_up = self.slack[r] == 0 or worth > IDLE * abs(self.value)
        return bool(self.prices[r] > 0 and used_up)

    def terms(self, r: int, heads: float) -> DemandTerms:
        """A demand in the words it was asked in, per so many heads.

        Parameters
        ----------
        r : int
            The place of the demand.
        heads : float
            What bound and use are divided by, >= 1.

        Returns
        -------
        dict
            A floor is "at least" its bound; the price is the solver's.
        """
        demand = self.demands[r]
        turned = demand.sign if demand.metric is not None else 1.0
        return {
            "rule": "at least" if turned < 0 else "at most",
            "bound": turned * float(self.bounds[r]) / heads,
            "used": turned * float(self.usage[r]) / heads,
            "price": float(self.prices[r]),
            "binding": self.binds(r),
        }

    def report(self) -> list[dict[str, Any]]:
        """Report each demand as it was asked: a floor as "at least", per head where it was so.

        Returns
        -------
        list of dict
            One per demand: name, unit, rule, bound, used, price and whether it is binding.
        """
        lines = []
        for r, demand in enumerate(self.demands):
            terms = self.terms(r, float(self.heads[r]))
            bound = -demand.bound if terms["rule"] == "at least" else demand.bound
            lines.append({"name": demand.name, "unit": demand.unit, **terms, "bound": bound})
        return lines


def allocate(
    value: ArrayLike,
    constraints: Sequence[Constraint],
    *,
    cost: ArrayLike | None = None,
    effects: Effects | None = None,
    groups: Groups | None = None,
    candidates: Sequence[str] | None = None,
    keep: Keep | None = None,
    eligible: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    tol: float = 1e-6,
    warm: ArrayLike | None = None,
    method: str = "auto",
) -> Allocation:
    """Choose at most one candidate for every unit: the most worth within the demands.

    Parameters
    ----------
    value : array-like, (n, k)
        The worth of each candidate over control.
    constraints : sequence of Constraint
        What the choice must obey.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    effects : Effects, optional
        Where a demand counts a metric.
    groups : mapping, optional
        Column -> labels (n,), where a demand names it.
    candidates : sequence of str, (k,), optional
        Their names; by default those of the effects, else "0", "1", ...
    keep : Keep, optional
        The choices in force and the bonus for staying with them.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit; by default all are.
    weight : array-like, (n,), optional
        How many times each unit counts, > 0: its value, all it uses, and its head; by default once.
        Prices are those of a rule that decides units one by one, whatever their weight.
    tol : float, default 1e-6
        Relative optimality gap at which the search ends.
    warm : array-like, (m,), optional
        Prices to start from.
    method : {"auto", "bisect", "level", "highs"}, default "auto"
        How the dual is solved: "bisect" for one row, "level" for several, "highs" for the exact
        program of few units.

    Returns
    -------
    Allocation
        The choice with its prices and certificate.

    Raises
    ------
    InfeasibleError
        Where no choice meets the demands.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> allocation = allocate([[3.0], [1.0], [2.0]], [budget(2.0)], cost=[1.0])
    >>> allocation.choice.tolist(), allocation.value
    ([0, -1, 0], 5.0)
    """
    worth = (
        np.array(value, np.float64, order="C") if keep else np.ascontiguousarray(value, np.float64)
    )
    if worth.ndim != 2 or worth.size == 0:
        raise InputError("value", "have shape (n, k) with n, k >= 1", worth.shape)
    n, k = worth.shape
    if not np.isfinite(worth).all():
        row, a = np.unravel_index(int(np.argmin(np.isfinite(worth))), worth.shape)
        raise InputError("value", "be finite", worth[row, a], f"row {row}, candidate {a}")
    if effects is not None:
        check_effects(effects)
        if effects.values.shape[:2] != (n, k):
            raise InputError(
                "effects",
                f"be of the value's units and candidates, {(n, k)}",
                effects.values.shape[:2],
            )
    names = tuple(candidates or (effects.candidates if effects is not None else map(str, range(k))))
    if len(names) != k:
        raise InputError("candidates", f"be {k} names, one per column of value", names)
    if keep is not None:
        add_keep(worth, keep.bonus, keep.previous)
    demands = expand(constraints, groups or {})
    open_to = check_eligible(eligible, (n, k))
    each = None if weight is None else check_weight(weight, n)
    problem = compile_problem(
        worth, demands, names, cost, effects, groups or {}, eligible=open_to, weight=each
    )
    return solve_problem(problem, tol, warm, method)


def draft_policy(
    effects: Effects,
    weights: Mapping[str, float],
    demands: Sequence[Demand],
    control: str,
    lower: float = 0.0,
    keep: float = 0.0,
    cost_weight: float = 0.0,
) -> Policy:
    """A policy with its weights and demands, all prices 0.  Metrics that a demand counts are
    carried with weight 0.
    """
    for name in weights:
        if name not in effects.metrics:
            raise InputError(
                "weights", f"name metrics among {', '.join(effects.metrics)}", repr(name)
            )
    names = {demand.metric for demand in demands} | set(weights)
    metrics = tuple(name for name in effects.metrics if name in names)
    worth = tuple(float(weights.get(name, 0.0)) for name in metrics)
    prices = (0.0,) * len(demands)
    return Policy(
        effects.candidates,
        control,
        metrics,
        worth,
        tuple(demands),
        prices,
        lower=float(lower),
        keep=float(keep),
        cost_weight=float(cost_weight),
    )


def expand(constraints: Sequence[Constraint], groups: Groups) -> tuple[Demand, ...]:
    """The rows of all constraints; names must differ."""
    counted = groups if isinstance(groups, CountedGroups) else CountedGroups(groups)
    demands = tuple(demand for constraint in constraints for demand in constraint.rows(counted))
    names = [demand.name for demand in demands]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise InputError(
            "the names of demands", "be different", twice, fix="give name= to one of them"
        )
    return demands


def compile_problem(
    worth: Floats,
    demands: Sequence[Demand],
    candidates: Sequence[str],
    cost: ArrayLike | None,
    effects: Effects | None,
    groups: Groups,
    lower: float = 0.0,
    eligible: Bools | None = None,
    weight: Floats | None = None,
) -> Problem:
    """The problem, with the demands compiled against the units.  A candidate that is closed to a
    unit uses nothing and is worth less than control, so that no choice gains by it.
    """
    metrics = effects.metrics if effects is not None else ()
    rows: Rows = compile_rows(demands, candidates, metrics, groups, len(worth), cost is not None)
    rows = rows if weight is None else weighted_heads(rows, weight)
    if eligible is not None:
        rows, worth = close(rows, eligible), closed_worth(worth, eligible)
    cube, columns = np.zeros((1, worth.shape[1], 1)), rows.columns
    if effects is not None and len(columns):
        cube, columns = metric_quantities(effects, rows, lower)
    problem = Problem(worth, check_cost(cost, worth.shape), cube, columns, rows, eligible)
    return problem if weight is None else weighted_units(problem, weight)


def closed_worth(worth: Floats, eligible: Bools | None) -> Floats:
    """The worth (n, k), less than control's where a candidate is closed, so that no choice gains by
    it.   eligible: (n, k), None where all are open.
    """
    if eligible is None:
        return worth
    least = np.where(eligible, worth, 0.0).min(axis=1, keepdims=True)
    margin = CLOSED * max(float(np.abs(worth).max()), 1e-300)
    return np.where(eligible, worth, np.minimum(least, 0) - margin)


def solve_problem(problem: Problem, tol: float, warm: ArrayLike | None, method: str) -> Allocation:
    """Dual, repair, certificate."""
    start = _check_options(method, tol, warm, len(problem.rows))
    dual = certified_dual(problem, tol, start, method)
    expected_value, expected_usage = problem.measure(problem.choose(dual.prices).choice)
    best = repair(problem, dual.prices, dual.bound, tol)
    free, _, _ = problem.evaluate(np.zeros(len(problem.rows)))
    loose = len(problem) <= SMALL and optimality_gap(dual.bound, best.value, free) > max(
        tol, POLISH
    )
    if loose or not best.feasible:
        best = polish(problem, dual.prices, best)
    if not best.feasible:
        raise infeasible(problem)
    gap = optimality_gap(dual.bound, best.value, free)
    return Allocation(
        choice=best.choice,
        prices=dual.prices,
        demands=problem.rows.demands,
        value=best.value,
        bound=dual.bound,
        gap=gap,
        usage=best.usage,
        bounds=problem.rows.bounds,
        heads=problem.rows.heads,
        slack=problem.rows.bounds - best.usage,
        repaired=int(best.switched.sum()),
        expected_value=expected_value,
        expected_usage=expected_usage,
        status=status_of(gap, tol),
        trace=dual.trace,
    )


def with_choice(problem: Problem, solution: Allocation, choice: Choice, tol: float) -> Allocation:
    """The allocation with the choice of a rule, which is worth more than its own."""
    value, usage = problem.measure(choice)
    free, _, _ = problem.evaluate(np.zeros(len(problem.rows)))
    gap = optimality_gap(solution.bound, value, free)
    return replace(
        solution,
        choice=choice,
        value=value,
        usage=usage,
        slack=problem.rows.bounds - usage,
        repaired=int((choice != problem.choose(solution.prices).choice).sum()),
        gap=gap,
        status=status_of(gap, tol),
    )


def optimality_gap(bound: float, value: float, free: float) -> float:
    """The optimality gap that is left at most.   free: the bound without demands."""
    return max(bound - value, 0.0) / max(abs(bound), TINY * free, 1e-300)


def status_of(gap: float, tol: float) -> str:
    """What a gap is called: "optimal" within the tolerance, else "feasible"."""
    return "optimal" if gap <= tol else "feasible"


def _check_options(method: str, tol: float, warm: ArrayLike | None, m: int) -> Floats | None:
    """The prices to start from, (m,) or None; options that mean nothing are refused."""
    if method not in METHODS or (method == "bisect" and m != 1):
        raise InputError(
            "method", f"be one of {', '.join(METHODS)}; bisect for one row", (method, f"{m} rows")
        )
    if not tol > 0:
        raise InputError("tol", "be > 0", tol)
    start = None if warm is None else np.asarray(warm, np.float64)
    if start is not None and (start.shape != (m,) or not (np.isfinite(start) & (start >= 0)).all()):
        raise InputError("warm", f"be {m} finite prices >= 0", start)
    return start


def certified_dual(problem: Problem, tol: float, start: Floats | None, method: str) -> Dual:
    """Prices and a bound that no choice exceeds; demands that cannot hold together are refused."""
    least = float(np.minimum(problem.value.min(axis=1), 0.0).sum())
    dual: Dual | None
    if method == "highs":
        dual = solve_exactly(problem)
    else:
        m = len(problem.rows)
        inner = "bisect" if method == "auto" and m == 1 else method
        many = SPLIT * m / len(problem) if separate(problem.rows.support) is not None else 0.0
        dual = solve_dual(
            problem,
            max(DUAL_SHARE * tol, many),
            warm=start,
            method="bisect" if inner == "bisect" else "level",
            least=least - 1e-9 * abs(least) - 1e-300,
        )
    if dual is None or dual.bound < least - 1e-9 * abs(least):
        raise infeasible(problem)
    return dual
