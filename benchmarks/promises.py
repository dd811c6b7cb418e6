"""A budget is a promise: the rule with its shipped prices, draws included, exceeds no demand on the
rows it was made on; and what that costs.

Instances: 1 to 2,000 units, 1 to 4 candidates, 1 to 10 demands of every kind; continuous effects,
integers, few kinds of equal units, equal costs.  Figures:

    budget_excess        the most by which a row is exceeded, over all instances, relative to the
                         row's potential usage: 0
    budget_refused       share of the instances with a feasible choice for which no rule by prices
                         was found
    budget_value_lost    (integer optimum - value of the rule) / integer optimum, n >= 250, where
                         HiGHS proves the optimum in time: median and 10 % to 90 %
    budget_choice_lost   the same of the allocation's own choice
    budget_promise_moved share of the rules that the last pass had to change
    budget_promise_cost  value that the last pass gave up, relative to the bound, where it changed
                         the rule: median and 10 % to 90 %

Quick: 1,000 instances, HiGHS on every tenth; FULL=1: 10,000.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from dataclasses import dataclass  # noqa: E402

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: E402

from equipoise.allocation import budgeted_policy, decide  # noqa: E402
from equipoise.allocation.rule import weighted_value  # noqa: E402
from equipoise.allocation.solve import compile_problem, expand  # noqa: E402
from equipoise.allocation.solver.exact import one_each, usage_matrix  # noqa: E402
from equipoise.allocation.solver.problem import Problem  # noqa: E402
from equipoise.core.errors import InfeasibleError  # noqa: E402
from tests.fixtures.promise_instances import Instance, draw_instance  # noqa: E402

INSTANCES = 10_000 if full() else 1_000
EVERY = 10  # instances, of which one goes to HiGHS
SECONDS = 10.0  # for HiGHS
LARGE = 250  # units from which the value lost is stated


@dataclass(frozen=True)
class Outcome:
    """What one instance gave; lost is NaN where HiGHS did not tell."""

    excess: float
    rule_lost: float
    choice_lost: float
    promise_cost: float


def integer_optimum(problem: Problem) -> float:
    """The value of the best choice, NaN where HiGHS does not prove it in time."""
    n, k = problem.value.shape
    matrix = sp.vstack([sp.csr_array(usage_matrix(problem)), one_each(n, k)], format="csr")
    right = np.concatenate([problem.rows.bounds, np.ones(n)])
    solved = milp(
        -problem.value.ravel(),
        constraints=LinearConstraint(matrix, ub=right),
        integrality=np.ones(n * k),
        bounds=Bounds(0, 1),
        options={"time_limit": SECONDS, "mip_rel_gap": 1e-6},
    )
    return float(-solved.fun) if solved.status == 0 else np.nan


def outcome(case: Instance, seed: int) -> Outcome:
    """One instance; an InfeasibleError where no choice is feasible or no rule was found."""
    policy, solution = budgeted_policy(case.effects, **case.asked(), seed=seed)
    choice = decide(policy, case.effects, **case.known()).choice.astype(np.int16)
    worth = weighted_value(policy, case.effects, case.groups)
    demands = expand(case.demands, case.groups)
    names = case.effects.candidates
    problem = compile_problem(worth, demands, names, case.cost, case.effects, case.groups)
    value, usage = problem.measure(choice)
    excess = float(((usage - problem.rows.bounds) / problem.potential()).max(initial=0.0))
    best = np.nan
    if seed % EVERY == 0 and len(case) >= LARGE:
        best = integer_optimum(problem)
    size = max(abs(best), 1e-300)
    cost = solution.promise_cost / max(abs(solution.bound), 1e-300)
    return Outcome(excess, (best - value) / size, (best - solution.value) / size, cost)


def main() -> None:
    """Run all instances and record the figures."""
    outcomes, refused, infeasible = [], 0, 0
    for seed in range(INSTANCES):
        try:
            outcomes.append(outcome(draw_instance(seed), seed))
        except InfeasibleError as error:
            by_prices = "rule by prices" in str(error)
            refused, infeasible = refused + by_prices, infeasible + (not by_prices)
    excess = max(each.excess for each in outcomes)
    moved = np.array([each.promise_cost for each in outcomes if each.promise_cost != 0])
    figures = [
        figure("budget_excess", excess, n=len(outcomes), unit="of potential usage"),
        figure("budget_refused", refused / (INSTANCES - infeasible), n=INSTANCES - infeasible),
        figure("budget_promise_moved", len(moved) / len(outcomes), n=len(outcomes)),
        _spread("budget_promise_cost", moved, "the bound"),
    ]
    for name, attribute in (
        ("budget_value_lost", "rule_lost"),
        ("budget_choice_lost", "choice_lost"),
    ):
        lost = np.array([getattr(each, attribute) for each in outcomes])
        figures.append(_spread(name, lost[np.isfinite(lost)], "the integer optimum"))
    for each in figures:
        print(each)
    protocol = (
        f"{INSTANCES} instances of 1 to 2,000 units; HiGHS, {SECONDS:g} s, on one in {EVERY}"
        f" of {LARGE} units or more; low and high: 10 % and 90 % of instances"
    )
    record("promises", protocol, versions("numpy", "scipy"), [0, INSTANCES - 1], figures)


def _spread(name: str, values: np.ndarray, against: str) -> dict:
    """The median of instances, with 10 % and 90 %."""
    middle, low, high = np.quantile(values, [0.5, 0.1, 0.9]).tolist()
    return figure(name, middle, low=low, high=high, against=against, n=len(values))


if __name__ == "__main__":
    main()
