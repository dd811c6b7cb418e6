"""What a budget buys, and what one metric costs in another: the same effects allocated again under
other budgets and weights.

Nothing is fitted again.  Every point is allocated within folds and judged on held-out outcomes like
the chosen policy.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equipoise.allocation import budget as budget_of
from equipoise.core.arrays import Floats
from equipoise.core.errors import InfeasibleError
from equipoise.core.progress import Progress, silent
from equipoise.pipeline.study.evaluator import Judge, one_hot
from equipoise.pipeline.study.policy import PolicyTask, Solved, solve_folds
from equipoise.report.findings import BudgetPoint, TradeOff

POINTS = 8  # budgets between nothing and as much as the policy would spend unbounded
# how much of the weight moves from the chosen objective to one metric
MIXES = (0.25, 0.5, 0.75, 1.0)
LOG = logging.getLogger(__name__)


def budget_sweep(
    task: PolicyTask,
    judge: Judge,
    budgets: Sequence[float],
    current: float | None,
    progress: Progress = silent,
) -> list[BudgetPoint]:
    """What the objective gains at each budget per head; by default from 0 to the unbounded spend,
    with the chosen one.
    """
    other = [constraint for constraint in task.constraints if constraint.kind != "budget"]
    free = replace(task, constraints=other)
    most = _spend(free, solve_folds(free))
    grid = sorted(set(budgets)) or sorted(
        {*np.linspace(0, most, POINTS + 1).tolist(), *([current] if current is not None else [])}
    )
    points: list[BudgetPoint] = []
    for step, budget in enumerate(grid):
        progress("budgets", step, len(grid))
        priced = replace(task, constraints=[budget_of(budget, per_head=True), *other])
        try:
            solved = solve_folds(priced)
        except InfeasibleError as error:
            LOG.info("no policy has budget %g: %s", budget, error)
            continue
        policy = one_hot(solved.choice, len(task.effects.candidates))
        values, spend = judge.value(policy, swaps=solved.swaps)
        price = next(row["price"] for row in solved.rows if row["kind"] == "budget")
        points.append(
            {
                "budget": budget,
                "spend": spend,
                "treated": float(1 - policy[:, 0].mean()),
                "values": values,
                "price": price,
            }
        )
    progress("budgets", len(grid), len(grid))
    return points


def trade_off(
    task: PolicyTask,
    judge: Judge,
    solution: Solved,
    signs: dict[str, float],
    progress: Progress = silent,
) -> list[TradeOff]:
    """What the metrics get as the objective moves from the chosen weights to each metric alone; the
    demands stay.

    A metric alone is weighted so that its best reach counts as much as the whole objective's, since
    units differ.
    """
    mixes = [(dict(task.weights), True)]
    reach = _reach(task)
    for name, sign in signs.items():
        if all(weight == 0 for metric, weight in task.weights.items() if metric != name):
            continue  # the chosen objective is this metric alone
        for mix in MIXES:
            weights = {
                metric: (1 - mix) * weight / reach[""] for metric, weight in task.weights.items()
            }
            weights[name] += mix * sign / reach[name]
            mixes.append((weights, False))
    points: list[TradeOff] = []
    for step, (weights, is_chosen) in enumerate(mixes):
        progress("trade-off", step, len(mixes))
        solved = solution if is_chosen else _try(replace(task, weights=weights))
        if solved is not None:
            shares = one_hot(solved.choice, len(task.effects.candidates))
            values, _ = judge.value(shares, swaps=solved.swaps)
            points.append({"weights": weights, "values": values, "chosen": is_chosen})
    progress("trade-off", len(mixes), len(mixes))
    return points


def _try(task: PolicyTask) -> Solved | None:
    try:
        return solve_folds(task)
    except InfeasibleError:
        return None


def _reach(task: PolicyTask) -> dict[str, float]:
    """The gain per head within predicted reach of each metric alone, and under the name "" of the
    chosen objective; > 0.
    """
    values = task.effects.values
    if task.eligible is not None:
        values = values * task.eligible[:, :, None]
    columns = [task.effects.metrics.index(name) for name in task.weights]

    def best(objective: Floats) -> float:
        return max(
            float(np.maximum(objective.max(axis=1), 0).mean()), float(np.finfo(np.float64).tiny)
        )

    reach = {
        name: best(np.abs(values[:, :, task.effects.metrics.index(name)])) for name in task.weights
    }
    reach[""] = best(
        np.einsum("iaj,j->ia", values[:, :, columns], np.asarray([*task.weights.values()]))
    )
    return reach


def _spend(task: PolicyTask, solved: Solved) -> float:
    """The expected spend per head."""
    rows = np.flatnonzero(solved.choice >= 0)
    return float(task.expected[rows, solved.choice[rows]].sum() / len(solved.choice))
