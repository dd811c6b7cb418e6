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

Many demands: 3,000 units in m groups with a budget each, m = 1, 2, 5, 10, 25, 50, 100, 200.

    demands_exponent     slope of log CPU seconds on log m, of policy and certificate
    demands_cost         CPU seconds of 200 groups over those of one
    demands_gap          (bound - value) / bound at 200 groups of 15 units: of the allocation
    demands_gap_least    the same of the integer optimum (HiGHS, group by group): no choice has less
    demands_rule_lost    (integer optimum - value of the rule by prices) / integer optimum there

Quick: 1,000 instances, HiGHS on every tenth; FULL=1: 10,000.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: E402

from equipoise.allocation import budgeted_policy, decide, group_budget  # noqa: E402
from equipoise.allocation.rule import weighted_value  # noqa: E402
from equipoise.allocation.solve import Allocation, compile_problem, expand  # noqa: E402
from equipoise.allocation.solver.exact import one_each, usage_matrix  # noqa: E402
from equipoise.allocation.solver.problem import Problem  # noqa: E402
from equipoise.core.effects import Effects  # noqa: E402
from equipoise.core.errors import InfeasibleError  # noqa: E402
from tests.fixtures.promise_instances import Instance, draw_instance  # noqa: E402

INSTANCES = 10_000 if full() else 1_000
EVERY = 10  # instances, of which one goes to HiGHS
SECONDS = 10.0  # for HiGHS
LARGE = 250  # units from which the value lost is stated
GROUPS, PEOPLE, RUNS = (1, 2, 5, 10, 25, 50, 100, 200), 3000, 3


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


def rule(case: Instance, seed: int) -> tuple[Problem, Allocation, float, float]:
    """The problem of one instance and its allocation, the value of the rule by prices, and the most
    by which it exceeds a demand, relative to potential usage.
    """
    policy, solution = budgeted_policy(case.effects, **case.asked(), seed=seed)
    choice = decide(policy, case.effects, **case.known()).choice.astype(np.int16)
    worth = weighted_value(policy, case.effects, case.groups)
    demands = expand(case.demands, case.groups)
    names = case.effects.candidates
    problem = compile_problem(worth, demands, names, case.cost, case.effects, case.groups)
    value, usage = problem.measure(choice)
    excess = float(((usage - problem.rows.bounds) / problem.potential()).max(initial=0.0))
    return problem, solution, value, excess


def outcome(case: Instance, seed: int) -> Outcome:
    """One instance; an InfeasibleError where no choice is feasible or no rule was found."""
    problem, solution, value, excess = rule(case, seed)
    best = np.nan
    if seed % EVERY == 0 and len(case) >= LARGE:
        best = integer_optimum(problem)
    size = max(abs(best), 1e-300)
    cost = solution.promise_cost / max(abs(solution.bound), 1e-300)
    return Outcome(excess, (best - value) / size, (best - solution.value) / size, cost)


def many_demands() -> list[dict]:
    """How the cost grows with the groups that have a budget, and what is lost at 200 of them."""
    rng = np.random.default_rng(0)
    values, cost = rng.gamma(2.0, 1.0, (PEOPLE, 3, 1)), rng.uniform(0.5, 1.5, (PEOPLE, 3))
    effects = Effects(values, np.zeros((PEOPLE, 1)), ("a", "b", "c"), ("sales",))
    seconds = []
    for m in GROUPS:
        group = np.arange(PEOPLE) % m
        asked = {
            "weights": {"sales": 1.0},
            "constraints": [group_budget("g", g, 0.3 * PEOPLE / m) for g in range(m)],
            "cost": cost,
            "groups": {"g": group},
        }
        runs = []
        for _ in range(RUNS + 1):  # the first compiles
            start = time.process_time()
            _, solution = budgeted_policy(effects, **asked)
            runs.append(time.process_time() - start)
        seconds.append(min(runs[1:]))
    slope = np.polyfit(np.log(GROUPS), np.log(seconds), 1)[0]
    optimum = sum(
        best_of_group(values[group == g, :, 0], cost[group == g], 0.3 * PEOPLE / m)
        for g in range(m)
    )
    return [
        figure("demands_exponent", float(slope), n=PEOPLE),
        figure("demands_cost", seconds[-1] / seconds[0], unit="times", against="one group"),
        figure("demands_gap", solution.gap, against="the bound", n=m),
        figure("demands_gap_least", (solution.bound - optimum) / solution.bound, n=m),
        figure("demands_rule_lost", (optimum - solution.rule_value) / optimum, n=m),
    ]


def best_of_group(value: np.ndarray, cost: np.ndarray, most: float) -> float:
    """The integer optimum of one group under its budget.   value, cost: (n, k)."""
    n, k = value.shape
    matrix = sp.vstack([sp.csr_array(cost.reshape(1, -1)), one_each(n, k)], format="csr")
    solved = milp(
        -value.ravel(),
        constraints=LinearConstraint(matrix, ub=np.append(most, np.ones(n))),
        integrality=np.ones(n * k),
        bounds=Bounds(0, 1),
    )
    return float(-solved.fun)


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
    figures += many_demands()
    for each in figures:
        print(each)
    protocol = (
        f"{INSTANCES} instances of 1 to 2,000 units; HiGHS, {SECONDS:g} s, on one in {EVERY}"
        f" of {LARGE} units or more; low and high: 10 % and 90 % of instances; {PEOPLE:,} people in"
        f" {GROUPS} groups, the least CPU time of {RUNS} runs"
    )
    record("promises", protocol, versions("numpy", "scipy"), [0, INSTANCES - 1], figures)


def _spread(name: str, values: np.ndarray, against: str) -> dict:
    """The median of instances, with 10 % and 90 %."""
    middle, low, high = np.quantile(values, [0.5, 0.1, 0.9]).tolist()
    return figure(name, middle, low=low, high=high, against=against, n=len(values))


if __name__ == "__main__":
    main()
