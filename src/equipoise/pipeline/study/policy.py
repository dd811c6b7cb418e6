"""The budgeted policy and its honest value.

    for each fold f:   the demands, per head, are met on the rows of f with their out-of-fold
    effects; no outcome of f is used
    value              the pooled choices are judged by the outcomes of their rows (`Judge`)
    shipped            the model and the prices of one fold: it never saw the rows that its prices
    were found on, as it will not
                       have seen new units, so the prices carry the demands to them
    carried            within a fold, prices of one half applied to the other: what a budget becomes
    on units that set no price

Prices found on a model's own rows, or on effects of other models, would not: the one spread too
widely, the others differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from equipoise.allocation import Allocation, Keep, budgeted_policy, decide
from equipoise.allocation.constraints import Constraint
from equipoise.artifacts.costs import make_costs
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.policy import Policy
from equipoise.pipeline.plan.constraints import Groups, constraints_of, groups_of, weights_of
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan.schema import PolicyPlan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.evaluator import make_judge, one_hot
from equipoise.pipeline.study.propensity import propensity_of
from equipoise.report.findings import DemandRow, Interval

IDLE = 1e-9  # a demand whose use is worth a smaller share of the objective has no price


@dataclass(frozen=True)
class Task:
    """All that an allocation needs: effects of n units, what offers cost them, and what is asked.

    Attributes
    ----------
    effects : out of fold.   expected : (n, k) expected costs.   groups : column -> labels (n,).
        fold : (n,).
    weights : metric -> worth, signed.   constraints : every demand, per head.
    lower : z of the lower-confidence mode.   keep : the choices in force and the bonus for staying,
        or None.
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

    def take(self, rows: Ints) -> Task:
        """The task on some of the units."""
        groups = {name: labels[rows] for name, labels in self.groups.items()}
        keep = None if self.keep is None else replace(self.keep, previous=self.keep.previous[rows])
        asked = [constraint for constraint in self.constraints if constraint.applies(groups)]
        effects, expected, fold = self.effects.take(rows), self.expected[rows], self.fold[rows]
        return replace(
            self,
            effects=effects,
            expected=expected,
            fold=fold,
            groups=groups,
            keep=keep,
            constraints=asked,
        )


@dataclass(frozen=True)
class Solved:
    """A task solved.

    Attributes
    ----------
    choice : (n,), -1 control, a candidate a.   score : (n,), of the best candidate after prices.
    rows : every demand with its use and price, per head.   gap : the certificate, relative.
        policy : the rule with its prices.
    """

    choice: Ints
    score: Floats
    rows: list[DemandRow]
    gap: float
    policy: Policy

    def shares(self, candidates: int) -> Floats:
        """The choices as probabilities, (n, 1 + k)."""
        return one_hot(self.choice, candidates)


def solve(task: Task) -> Solved:
    """Meet the demands on all units at once."""
    policy, made = budgeted_policy(
        task.effects,
        weights=task.weights,
        constraints=task.constraints,
        cost=task.expected,
        groups=task.groups,
        control=task.control,
        lower=task.lower,
        keep=task.keep,
    )
    previous = None if task.keep is None else task.keep.previous
    rows = np.arange(len(task.fold))
    score = decide(
        policy, task.effects, cost=task.expected, groups=task.groups, previous=previous, units=rows
    ).score
    return Solved(made.choice.astype(np.int64), score, _rows(made, task), made.gap, policy)


def _rows(made: Allocation, task: Task) -> list[DemandRow]:
    """Every demand with its use and price, per head of the units it counts, in the words it was
    asked in.
    """
    rows: list[DemandRow] = []
    for r, demand in enumerate(made.demands):
        heads = len(task.fold)
        if demand.column is not None and demand.other == 0:
            heads = int(
                np.isin(task.groups[demand.column], [label for label, _ in demand.factors]).sum()
            )
        turned = demand.sign if demand.metric is not None else 1.0
        binding = _binds(made, r)
        rows.append(
            {
                "name": demand.name,
                "kind": demand.kind,
                "metric": demand.metric,
                "rule": "at least" if turned < 0 else "at most",
                "bound": turned * float(made.bounds[r]) / max(heads, 1),
                "used": turned * float(made.usage[r]) / max(heads, 1),
                "price": float(made.prices[r]) if binding else 0.0,
                "binding": binding,
            }
        )
    return rows


def _binds(made: Allocation, r: int) -> bool:
    """Whether a demand has a price that is worth anything; a solver leaves prices of about 1e-19 on
    idle demands.
    """
    worth = made.prices[r] * max(abs(made.bounds[r]), abs(made.usage[r]))
    return bool(made.prices[r] > 0 and (made.slack[r] == 0 or worth > IDLE * abs(made.value)))


def solve_folds(task: Task) -> Solved:
    """Meet the demands within each fold, so that no unit's choice depends on its own outcome;
    figures are pooled per head.
    """
    n = len(task.fold)
    choice, score = np.empty(n, np.int64), np.empty(n)
    parts: list[tuple[int, Solved]] = []
    for f in np.unique(task.fold):
        rows = np.flatnonzero(task.fold == f)
        part = solve(task.take(rows))
        choice[rows], score[rows] = part.choice, part.score
        parts.append((len(rows), part))
    gap = sum(size * part.gap for size, part in parts) / n
    return Solved(
        choice,
        score,
        _pooled([size / n for size, _ in parts], [part.rows for _, part in parts]),
        gap,
        parts[0][1].policy,
    )


def carried(task: Task, level: float = 0.95) -> Interval | None:
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
    folds = [np.flatnonzero(task.fold == f) for f in np.unique(task.fold)]
    halves = [(rows[i::2], rows[1 - i :: 2]) for rows in folds for i in (0, 1) if len(rows) > 1]
    spends = np.array([_spend_on(task, pricing, judged) for pricing, judged in halves])
    mean = float(spends.mean())
    half = float(stats.t.ppf((1 + level) / 2, len(spends) - 1) * spends.std(ddof=1) / 2)
    return [mean, max(mean - half, 0.0), mean + half]


def _spend_on(task: Task, pricing: Ints, judged: Ints) -> float:
    """Expected spend per head of some rows at prices of others."""
    policy, part = solve(task.take(pricing)).policy, task.take(judged)
    previous = None if part.keep is None else part.keep.previous
    choice = decide(
        policy,
        part.effects,
        cost=part.expected,
        groups=part.groups,
        previous=previous,
        units=judged,
    ).choice
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


@dataclass(frozen=True)
class HonestPolicy:
    """A policy within its demands, and what it is worth on rows that no model of its saw.

    Attributes
    ----------
    policy : the rule with its prices, which serves units never seen.
    choice : (n,), -1 control, a candidate a, of the log's rows.   shares : cell -> share of the
        rows.
    values : metric -> [gain over control per head, low, high].   spend : [per head, low, high].
    demands : each with its bound, use and price per head.   gap : share of the best objective that
        may be missing.
    """

    policy: Policy
    choice: Ints
    shares: dict[str, float]
    values: dict[str, Interval]
    spend: Interval
    demands: list[DemandRow]
    gap: float


def honest_policy(
    log: Log,
    effects: Effects,
    *,
    propensity: Floats | None = None,
    folds: int = 3,
    seed: int = 0,
    level: float = 0.95,
    **policy: Any,
) -> HonestPolicy:
    """The best policy within its demands by out-of-fold effects, judged by doubly robust scores of
    the log.

    Parameters
    ----------
    log, effects : an experiment, and its effects from `cross_fit_effects` with the same ``folds``
        and ``seed``.
    propensity : (n, K) to judge by; by default what the log knows, else its observed shares.
        level : of the intervals.
    policy : the keys of a plan's [policy]: weights, cost, paid, budget, offers, caps, floors,
        group_budgets, parity, lower;
        a plain number for ``budget`` is per head, for ``offers`` a share.
    """
    asked = _asked(policy)
    groups, costs = groups_of(asked, log), make_costs(asked.cost, asked.paid, log.space, log)
    expected = costs.expected(effects, log.table)
    task = Task(
        effects=effects,
        expected=expected,
        groups=groups,
        fold=log_folds(log, folds, seed),
        control=log.cell_names[0],
        weights=weights_of(asked, log),
        constraints=constraints_of(asked, log, groups),
        lower=asked.lower,
    )
    solved = solve_folds(task)
    shares = solved.shares(len(effects.candidates))
    known = propensity_of(log) if propensity is None else propensity
    judge = make_judge(log, effects, known, costs, level)
    values, spend = judge.value(shares)
    named = dict(zip(log.cell_names, shares.mean(axis=0).tolist(), strict=True))
    return HonestPolicy(
        solve(task).policy, solved.choice, named, values, spend, solved.rows, solved.gap
    )


def _asked(policy: dict[str, Any]) -> PolicyPlan:
    """The keys of [policy], with plain numbers for budget and offers."""
    given = {name: value for name, value in policy.items() if value is not None}
    for name, form in (("budget", "per_head"), ("offers", "share")):
        if isinstance(given.get(name), int | float):
            given[name] = {form: given[name]}
    return make_plan({"log": {"dataset": "-"}, "policy": given}, where="the arguments").policy
