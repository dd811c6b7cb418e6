"""What a budget buys, and what one metric costs in another: the same effects allocated again under
other budgets and weights.

Nothing is fitted again.  Every point is allocated within folds and judged on held-out outcomes like
the chosen policy; no rule is made of it, for none of them ships.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from equipoise.allocation import budget as budget_of
from equipoise.allocation.constraints import Constraint
from equipoise.core.arrays import Floats
from equipoise.core.errors import InfeasibleError
from equipoise.core.progress import Progress, silent
from equipoise.pipeline.study.evaluator import Judge
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
    stops: float | None = None,
) -> list[BudgetPoint]:
    """What the objective gains at each budget per head; by default from 0 to the unbounded cost,
    with the chosen one, and with that where the next offer stops paying.  No cost is taken off
    here: each budget is used in full, beyond what pays too.
    """
    task = replace(task, cost_weight=0.0)
    other = _without_budget(task.constraints)
    free = replace(task, constraints=other)
    most = _cost(free, solve_folds(free, promise=False))
    marked = {point for point in (current, stops) if point is not None}
    grid = sorted({*budgets, *({stops} if stops is not None else ())} if budgets else marked)
    if not budgets:
        ends = sorted({0.0, most, *({stops} if stops is not None and stops < most else ())})
        parts = [np.linspace(a, b, POINTS // (len(ends) - 1) + 1) for a, b in pairwise(ends)]
        grid = sorted({*grid, *(float(point) for part in parts for point in part)}) or [0.0]
    points: list[BudgetPoint] = []
    for step, budget in enumerate(grid):
        progress("budgets", step, len(grid))
        priced = replace(task, constraints=[budget_of(budget, per_head=True), *other])
        try:
            solved = solve_folds(priced, promise=False)
        except InfeasibleError as error:
            LOG.info("no policy has budget %g: %s", budget, error)
            continue
        values, spend = judge.value(solved.choice, swaps=solved.swaps)
        price = next(row["price"] for row in solved.rows if row["kind"] == "budget")
        points.append(
            {
                "budget": budget,
                "spend": spend,
                "treated": float((solved.choice >= 0).mean()),
                "values": values,
                "price": price,
            }
        )
    progress("budgets", len(grid), len(grid))
    return points


def stops_paying(task: PolicyTask) -> float | None:
    """The expected cost per head at which the next offer brings no more than it costs; None where
    the objective is not net of cost.
    """
    if not task.cost_weight:
        return None
    free = replace(task, constraints=_without_budget(task.constraints))
    return _cost(free, solve_folds(free, promise=False))


def _without_budget(constraints: Sequence[Constraint]) -> list[Constraint]:
    return [constraint for constraint in constraints if constraint.kind != "budget"]


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
    mixes = [(dict(task.weights), task.cost_weight, True)]
    reach = _reach(task)
    for name, sign in signs.items():
        if all(weight == 0 for metric, weight in task.weights.items() if metric != name):
            continue  # the chosen objective is this metric alone
        for mix in MIXES:
            weights = {
                metric: (1 - mix) * weight / reach[""] for metric, weight in task.weights.items()
            }
            weights[name] += mix * sign / reach[name]
            mixes.append((weights, (1 - mix) * task.cost_weight / reach[""], False))
    points: list[TradeOff] = []
    for step, (weights, cost, is_chosen) in enumerate(mixes):
        progress("trade-off", step, len(mixes))
        solved = solution if is_chosen else _try(replace(task, weights=weights, cost_weight=cost))
        if solved is not None:
            values, _ = judge.value(solved.choice, swaps=solved.swaps)
            points.append({"weights": weights, "values": values, "chosen": is_chosen})
    progress("trade-off", len(mixes), len(mixes))
    return points


def _try(task: PolicyTask) -> Solved | None:
    try:
        return solve_folds(task, promise=False)
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


def _cost(task: PolicyTask, solved: Solved) -> float:
    """The expected cost per head."""
    rows = np.flatnonzero(solved.choice >= 0)
    return float(task.expected[rows, solved.choice[rows]].sum() / len(solved.choice))
