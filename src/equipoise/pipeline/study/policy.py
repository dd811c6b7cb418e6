"""The budgeted policy, met within folds.

    for each fold f:   the demands, per head, are met on the rows of f with their out-of-fold
    effects; no outcome of f is used
    pays               where the worth is net of cost, a fold makes its offers only if those of the
    other folds are worth more than none, by their outcomes; else nobody gets one
    value              the pooled choices are judged by the outcomes of their rows (`Judge`)
    shipped            the model and the prices of one fold: it never saw the rows that its prices
    were found on, as it will not
                       have seen new units, so the prices carry the demands to them
    shipped value      what that rule alone would do for the rows of its fold, judged by these
    rows, the only ones whose outcomes chose nothing for it
    carried            within a fold, prices of one half applied to the other: what a budget becomes
    on units that set no price

Prices found on a model's own rows, or on effects of other models, would not: the one spread too
widely, the others differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from equipoise.allocation import Allocation, Keep, budgeted_policy, decide
from equipoise.allocation.constraints import Constraint
from equipoise.allocation.rule import Decisions, unit_weights
from equipoise.artifacts.costs import Costs, make_costs
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.limits import Limit, within_limits
from equipoise.core.log import Log
from equipoise.core.policy import Policy
from equipoise.core.start import Start
from equipoise.evaluation.base import student_reach
from equipoise.pipeline.plan.constraints import (
    Groups,
    check_labels,
    constraints_of,
    groups_of,
    limits_of,
    start_of,
)
from equipoise.pipeline.plan.money import objective_of
from equipoise.pipeline.plan.schema import PolicyPlan
from equipoise.pipeline.study.cross_fit import SHIPPED, Swapped
from equipoise.pipeline.study.evaluator import Judge, one_hot
from equipoise.pipeline.study.swaps import Swaps, unknown_swaps
from equipoise.report.findings import DemandRow, Interval


@dataclass(frozen=True)
class PolicyTask:
    """All that an allocation needs: effects of n units, what offers cost them, and the demands.

    Attributes
    ----------
    effects : Effects
        Of k candidates on every metric, out of fold.
    expected : array of float, shape (n, k)
        Expected costs, >= 0.
    groups : dict of str to array of str, shape (n,)
        The labels of every column that a demand names.
    fold : array of int, shape (n,)
        The fold of each unit.
    control : str
        The name of the control cell.
    weights : dict of str to float
        The worth of one unit of each metric, negative where lower is better.
    constraints : sequence of Constraint
        Every demand, per unit.
    lower : float, default 0
        z of the lower-confidence mode: effects enter as effect - z std_error.
    keep : Keep or None
        The choices in force and the bonus for staying with them.
    eligible : array of bool, shape (n, k), or None
        Whether a candidate is open to a unit; None: all are.
    order : array of int, shape (n,), or None
        The order in which ties between units are broken; None for that of the rows.
    limits : tuple of Limit
        What the policy may not give to a group; `eligible` keeps them.
    start : Start or None
        How much more new units count; None: all count once.
    importance : array of float, shape (n,), or None
        By `start`.
    swapped : tuple of PolicyTask
        Of some rows by the models of other folds: ``fold`` is that of the model.
    swapped_rows : array of int or None
        These rows.
    cost_weight : float, default 0
        What a unit of cost takes from the worth; 1 where weights are in money.
    """

    effects: Effects
    expected: Floats
    groups: Groups
    fold: Ints
    control: str
    weights: dict[str, float]
    constraints: Sequence[Constraint] = ()
    lower: float = 0.0
    keep: Keep | None = None
    eligible: Bools | None = None
    order: Ints | None = None
    limits: tuple[Limit, ...] = ()
    start: Start | None = None
    importance: Floats | None = None
    swapped: tuple[PolicyTask, ...] = ()
    swapped_rows: Ints | None = None
    cost_weight: float = 0.0

    def folds(self) -> list[Ints]:
        """The rows of each fold, in the task's order."""
        order = np.arange(len(self.fold)) if self.order is None else self.order
        return [order[self.fold[order] == f] for f in np.unique(self.fold)]

    def take(self, rows: Ints) -> PolicyTask:
        """The task on some of the units."""
        groups = {name: labels[rows] for name, labels in self.groups.items()}
        keep = None if self.keep is None else replace(self.keep, previous=self.keep.previous[rows])
        constraints = [constraint for constraint in self.constraints if constraint.applies(groups)]
        effects, expected, fold = self.effects.take(rows), self.expected[rows], self.fold[rows]
        return replace(
            self,
            effects=effects,
            expected=expected,
            fold=fold,
            groups=groups,
            keep=keep,
            eligible=None if self.eligible is None else self.eligible[rows],
            constraints=constraints,
            order=None,
            importance=None if self.importance is None else self.importance[rows],
            swapped=(),
            swapped_rows=None,
        )

    def rule(self, policy: Policy, units: Ints) -> Decisions:
        """What a rule with its prices says for the units; ``units`` number their draws."""
        return decide(
            policy,
            self.effects,
            cost=self.expected,
            groups=self.groups,
            previous=None if self.keep is None else self.keep.previous,
            weights=unit_weights(policy, self.importance),
            units=units,
            eligible=self.eligible,
        )


def make_policy_task(
    policy: PolicyPlan,
    log: Log,
    effects: Effects,
    fold: Ints,
    currency: str = "",
    keep: Keep | None = None,
    swapped: Sequence[Swapped] = (),
) -> tuple[PolicyTask, Costs]:
    """What a plan's [policy] wants of these effects, and what offers cost.

    Parameters
    ----------
    policy : PolicyPlan
        The table [policy].
    log : Log
        The experiment, n rows.
    effects : Effects
        Of every row of the log.
    fold : array of int, shape (n,)
        The fold of each row.
    currency : str, optional
        The unit of money, for the names of budgets.
    keep : Keep, optional
        The choices in force and the bonus for staying with them.
    swapped : sequence of Swapped, default ()
        Effects of some rows by the models of other folds.

    Returns
    -------
    task : PolicyTask
        The task of an allocator.
    costs : Costs
        The costs of offers, for any units.
    """
    groups, objective = groups_of(policy, log), objective_of(policy, log, currency)
    costs = make_costs(policy.cost, policy.paid, log.space, log, policy.sending)
    limits, start = limits_of(policy, log, costs), start_of(policy, log)
    open_to = None if log.eligible is None else log.eligible[:, 1:]
    task = PolicyTask(
        effects=effects,
        expected=costs.expected(effects, log.table),
        groups=groups,
        fold=fold,
        control=log.cell_names[0],
        weights=objective.weights,
        cost_weight=objective.cost_weight,
        constraints=constraints_of(policy, log, groups, currency),
        lower=policy.lower,
        keep=keep,
        eligible=within_limits(limits, groups, log.cell_names[1:], open_to),
        order=log.order,
        limits=limits,
        start=start,
        importance=None if start is None else start.importance(log.table[start.column]),
    )
    parts = []
    for other in swapped:
        expected = costs.expected(other.effects, log.table.take(pa.array(other.rows)))
        part = task.take(other.rows)
        parts.append(replace(part, effects=other.effects, expected=expected, fold=other.fold))
    rows = swapped[0].rows if swapped else None
    return replace(task, swapped=tuple(parts), swapped_rows=rows), costs


def check_policy(policy: PolicyPlan, log: Log, currency: str = "", whole: bool = True) -> None:
    """Refuse names in [policy] that the log does not have, before anything is fitted.   whole:
    whether it has every label that there is.
    """
    objective_of(policy, log, currency)
    groups = groups_of(policy, log)
    if whole:
        check_labels(policy, groups)
    constraints_of(policy, log, groups)
    costs = make_costs(policy.cost, policy.paid, log.space, log, policy.sending)
    limits_of(policy, log, costs)
    start = start_of(policy, log)
    if start is not None:
        start.importance(log.table[start.column])


@dataclass(frozen=True)
class Solved:
    """A task solved.

    Attributes
    ----------
    choice : array of int, shape (n,)
        -1 control, a candidate a.
    score : array of float, shape (n,)
        Of the best candidate after prices.
    rows : list of dict
        Every demand with its use and price, per unit.
    gap : float
        The certificate: the share of the best objective that may be missing; NaN where a fold's
        offers are held back.
    policy : Policy
        The rule with its prices: of all units, or of those of the first fold, `SHIPPED`.
    ruled : array of int, shape (n,)
        What the rule with the prices of each unit's fold says without the allocation, as for new
        units.
    swaps : Swaps or None
        How choices change with the folds that a rule was learnt from; None for one rule.
    models : array of int, shape (n,), or None
        The choices by the models alone, where they are held back in some folds since by the other
        folds they do not pay.
    held : int
        In how many folds.
    """

    choice: Ints
    score: Floats
    rows: list[DemandRow]
    gap: float
    policy: Policy
    ruled: Ints
    swaps: Swaps | None = None
    models: Ints | None = None
    held: int = 0

    def shares(self, candidates: int) -> Floats:
        """The choices as probabilities, (n, 1 + k)."""
        return one_hot(self.choice, candidates)


def solve(task: PolicyTask, promise: bool = True) -> Solved:
    """Meet the demands on all units at once.   promise: whether the rule keeps them too, as it must
    where it ships.
    """
    policy, allocation = budgeted_policy(
        task.effects,
        weights=task.weights,
        constraints=task.constraints,
        cost=task.expected,
        groups=task.groups,
        control=task.control,
        lower=task.lower,
        keep=task.keep,
        eligible=task.eligible,
        importance=task.importance,
        cost_weight=task.cost_weight,
        promise=promise,
    )
    rule = task.rule(policy, np.arange(len(task.fold)))
    return Solved(
        choice=allocation.choice.astype(np.int64),
        score=rule.score,
        rows=_rows(allocation, task),
        gap=allocation.gap,
        policy=policy,
        ruled=rule.choice.astype(np.int64),
    )


def _rows(allocation: Allocation, task: PolicyTask) -> list[DemandRow]:
    """Every demand with its use and price, per head of the units it counts, in the words it was
    asked in.
    """
    rows: list[DemandRow] = []
    for r, demand in enumerate(allocation.demands):
        heads = len(task.fold)
        if demand.column is not None and demand.other == 0:
            heads = int(
                np.isin(task.groups[demand.column], [label for label, _ in demand.factors]).sum()
            )
        terms = allocation.terms(r, max(heads, 1))
        rows.append(
            {
                "name": demand.name,
                "kind": demand.kind,
                "metric": demand.metric,
                **terms,
                "price": terms["price"] if terms["binding"] else 0.0,
            }
        )
    return rows


def solve_folds(task: PolicyTask, judge: Judge | None = None, promise: bool = True) -> Solved:
    """Meet the demands within each fold, so that no unit's choice depends on its own outcome;
    figures are pooled per head.   judge: where the worth is net of cost, it says whether a fold's
    offers pay, by the rows of the other folds (`_paying`); promise: as of `solve`.
    """
    n, folds = len(task.fold), task.folds()
    models = [solve(task.take(rows), promise) for rows in folds]
    parts = models if judge is None else _paying(task, folds, models, judge)
    choice, ruled = np.empty(n, np.int64), np.empty(n, np.int64)
    score = np.empty(n)
    for rows, part in zip(folds, parts, strict=True):
        choice[rows], score[rows], ruled[rows] = part.choice, part.score, part.ruled
    sizes = [len(rows) / n for rows in folds]
    pooled = _pooled(sizes, [part.rows for part in parts])
    swaps = _swaps(task, parts, choice, ruled, pooled)
    held = [part is not model for part, model in zip(parts, models, strict=True)]
    return Solved(
        choice,
        score,
        pooled,
        sum(size * part.gap for size, part in zip(sizes, parts, strict=True)),
        parts[SHIPPED].policy,
        ruled,
        swaps,
        _choices(folds, models) if any(held) else None,
        sum(held),
    )


def _choices(folds: list[Ints], parts: list[Solved]) -> Ints:
    """The choices of all folds in the order of the log, (n,)."""
    choice = np.empty(sum(map(len, folds)), np.int64)
    for rows, part in zip(folds, parts, strict=True):
        choice[rows] = part.choice
    return choice


def _paying(task: PolicyTask, folds: list[Ints], parts: list[Solved], judge: Judge) -> list[Solved]:
    """What the folds do: what their models say, or nothing, whichever is worth more by the outcomes
    of the rows of the other folds; no outcome of a fold's own rows is looked at.  Where demands
    forbid that nobody gets an offer, it is what the models say.
    """
    if not task.cost_weight or judge.money is None or len(folds) < 2:
        return parts
    net = judge.net(_choices(folds, parts))
    paying = []
    for rows, part in zip(folds, parts, strict=True):
        free = all(demand.bound >= 0 for demand in part.policy.demands)
        pays = net.sum() - net[rows].sum() > 0
        offers = (part.choice >= 0).any() or (part.ruled >= 0).any()
        paying.append(part if pays or not offers or not free else _nobody(task.take(rows), part))
    return paying


def _nobody(task: PolicyTask, part: Solved) -> Solved:
    """The same fold with nobody treated, and the rule that says so."""
    weights, prices = (0.0,) * len(part.policy.weights), (0.0,) * len(part.policy.prices)
    policy = replace(part.policy, weights=weights, prices=prices, keep=0.0)
    none = np.full(len(part.choice), -1, np.int64)
    rows: list[DemandRow] = [
        {**row, "used": 0.0, "price": 0.0, "binding": False} for row in part.rows
    ]
    score = task.rule(policy, np.arange(len(none))).score
    return Solved(none, score, rows, float("nan"), policy, none)


def _swaps(
    task: PolicyTask, parts: list[Solved], choice: Ints, ruled: Ints, demands: list[DemandRow]
) -> Swaps | None:
    """How choices change with the folds that rules were learnt from.  A demand that leaves nobody
    an offer leaves none by other effects either: they would have prices of their own.
    """
    if len(parts) < 2:
        return None
    if not task.swapped or task.swapped_rows is None:
        return unknown_swaps(len(parts), float((choice >= 0).mean()))
    place = np.empty(len(task.fold), np.int64)
    for rows in task.folds():
        place[rows] = np.arange(len(rows))
    others, at = [], place[task.swapped_rows]
    shut = [_leaves_nobody(part) for part in parts]
    for swapped in task.swapped:
        other = np.full(len(at), -1, np.int64)
        for f in np.flatnonzero(~np.array(shut)):
            mine = np.flatnonzero(swapped.fold == f)
            other[mine] = swapped.take(mine).rule(parts[f].policy, at[mine]).choice
        others.append(other)
    objective, price = dict(task.weights), task.cost_weight
    for row in demands:
        if row["metric"] is not None:
            sign = 1.0 if row["rule"] == "at least" else -1.0
            worth = objective.get(row["metric"], 0.0) + sign * row["price"]
            objective[row["metric"]] = worth
        elif row["kind"] in ("budget", "group-budget"):
            price += row["price"]
    rows = task.swapped_rows
    return Swaps(len(parts), rows, (ruled[rows], *others), objective, price)


def _leaves_nobody(part: Solved) -> bool:
    """Whether nobody gets an offer since a demand is met by none only."""
    choices = part.choice, part.ruled
    return not any((choice >= 0).any() for choice in choices) and any(
        row["binding"] for row in part.rows
    )


def weighing(task: PolicyTask, choice: Ints, weight: Floats | None) -> dict[str, float]:
    """What choices are expected to cost by the weights of rows, in parts of what they cost row by
    row; nothing where there are no weights, or no costs.
    """
    place = np.maximum(choice, 0)[:, None]
    each = np.take_along_axis(
        np.broadcast_to(task.expected, task.effects.values.shape[:2]), place, 1
    )
    cost = np.where(choice >= 0, each[:, 0], 0.0)
    if weight is None or not cost.any():
        return {}
    return {"weighing": float(np.average(cost, weights=weight) / cost.mean())}


def carried(task: PolicyTask, level: float = 0.95) -> Interval | None:
    """Spend per head of units that did not set the prices, [mean, low, high]; None without a
    budget.

    Within each of the F folds, whose effects are of one model, prices found on either half of the
    rows are applied to the other. With mean m and standard deviation s of these 2F spends, the
    interval is that of a large new population at prices of a whole fold, as shipped:  m +- t(2F -
    1) s / 2,  at least 0.  A half prices and is judged with the noise of a half each, so its
    variance is four times that of a fold's prices.
    """
    if not any(constraint.kind == "budget" for constraint in task.constraints):
        return None
    folds = task.folds()
    halves = [(rows[i::2], rows[1 - i :: 2]) for rows in folds for i in (0, 1) if len(rows) > 1]
    spends = np.array([_spend_on(task, pricing, judged) for pricing, judged in halves])
    mean = float(spends.mean())
    half = student_reach(spends, level) / 2
    return [mean, max(mean - half, 0.0), mean + half]


def _spend_on(task: PolicyTask, pricing: Ints, judged: Ints) -> float:
    """Expected spend per head of some rows at prices of others."""
    policy, part = solve(task.take(pricing)).policy, task.take(judged)
    choice = part.rule(policy, np.arange(len(judged))).choice
    return float(
        np.where(
            choice >= 0, part.expected[np.arange(len(judged)), np.maximum(choice, 0)], 0.0
        ).mean()
    )


def _pooled(sizes: list[float], folds: list[list[DemandRow]]) -> list[DemandRow]:
    """The demands of the folds as one list, their figures averaged by the sizes of the folds that
    have them.
    """
    named: dict[str, list[tuple[float, DemandRow]]] = {}
    for size, rows in zip(sizes, folds, strict=True):
        for row in rows:
            named.setdefault(row["name"], []).append((size, row))

    def mean(parts: list[tuple[float, DemandRow]], key: str) -> float:
        return float(sum(size * row[key] for size, row in parts) / sum(size for size, _ in parts))  # type: ignore[literal-required]

    return [
        {
            "name": name,
            "kind": parts[0][1]["kind"],
            "metric": parts[0][1]["metric"],
            "rule": parts[0][1]["rule"],
            "bound": mean(parts, "bound"),
            "used": mean(parts, "used"),
            "price": mean(parts, "price"),
            "binding": any(row["binding"] for _, row in parts),
        }
        for name, parts in named.items()
    ]
