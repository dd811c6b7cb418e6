"""A rule that a person can read, learnt from doubly robust scores, and what it loses.

learnt    gains of each candidate by the outcomes of the rows, net of cost where the objective is
          money; for a fold, those of the rows of the other folds
demands   as of the policy: of a fold's rows by their expected costs and out-of-fold effects, so
          that the rule keeps them exactly there, and no outcome of the fold is used
value     each fold by its own rule, judged by the outcomes of the fold's rows (`Judge`); what it
          loses against the policy is paired, with the covariance of folds in both (`swaps`)
signed    the rule that is shown is learnt on all rows, and keeps the demands on all of them
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.rules.compiled import Compiled, compiled_demands
from equipoise.allocation.rules.scorecard import Scorecard
from equipoise.allocation.rules.tree import PolicyTree
from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.estimates import around
from equipoise.core.log import Log
from equipoise.pipeline.plan.rules import RulesPlan
from equipoise.pipeline.study.evaluator import Judge, one_hot
from equipoise.pipeline.study.policy import PolicyTask, Solved
from equipoise.pipeline.study.swaps import Swaps, widened
from equipoise.report.findings import DemandRow, Interval, plain

Rule = PolicyTree | Scorecard
TREE_BINS, CARD_BINS = 32, 5


@shown
@dataclass(frozen=True)
class ReadableRule:
    """A tree or a scorecard beside a policy.

    Attributes
    ----------
    rule : PolicyTree or Scorecard
        Learnt on all rows, within the policy's demands on all of them.
    choice : array of int, shape (n,)
        What it gives the rows of the log: -1 control, a candidate a.
    held : array of int, shape (n,)
        What rules give that were learnt without the outcomes of the row's fold.
    values : dict of str to [value, low, high]
        The gain of ``held`` over control per unit in each metric, by outcomes that chose nothing.
    spend : [value, low, high]
        Its cost per unit.
    lost : dict of str to [value, low, high]
        The policy's gain less that of ``held``, paired row by row.
    demands : list of dict
        Each demand with its bound and what ``rule`` uses of it.
    agreement : float
        The share of rows to which ``rule`` and ``held`` give the same.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(600, metrics=("conversion",))
    >>> policy = eq.honest_policy(log, truth.effects(), offers=0.25, rules="tree")
    >>> bool((policy.rules.choice >= 0).mean() <= 0.25)
    True
    """

    rule: Rule
    choice: Ints
    held: Ints
    values: dict[str, Interval]
    spend: Interval
    lost: dict[str, Interval]
    demands: list[DemandRow]
    agreement: float

    def __str__(self) -> str:
        return self.rule.text()

    def to_json(self) -> dict[str, Any]:
        """The rule as plain JSON, with its sentences.

        Returns
        -------
        dict
            What ``rules.json`` of a run holds.
        """
        about = {"text": self.rule.text().splitlines(), "lost": plain(self.lost)}
        return {"rule": self.rule.to_json(), **about}


def readable_rule(
    plan: RulesPlan | None, task: PolicyTask, judge: Judge, log: Log, solved: Solved
) -> ReadableRule | None:
    """The rule of a plan beside a policy that is solved; None where none is asked for."""
    if plan is None:
        return None
    X, gains, n = log.features, gains_of(task, judge), len(log)
    folds = task.folds()
    rules: list[Rule] = []
    for rows in folds:
        others = np.setdiff1d(np.arange(n), rows)
        units = np.sort(rows)
        part = _demands(task.take(units))
        learnt = _learn(plan, task, X.take(others), gains[others], part, X.take(units))
        rules.append(learnt)
    held = np.empty(n, np.int64)
    for rows, rule in zip(folds, rules, strict=True):
        held[rows] = _open(task, rule.assign(X.take(rows)), rows)
    whole = _demands(task)
    rule = _learn(plan, task, X, gains, whole, None)
    choice = _open(task, rule.assign(X), np.arange(n))
    rival = one_hot(held, gains.shape[1])
    moves = _choices(task, log, folds, rules, solved.swaps)
    values, spend = judge.value(rival, swaps=_own(moves, solved.swaps))
    return ReadableRule(
        rule=rule,
        choice=choice,
        held=held,
        values=values,
        spend=spend,
        lost=_lost(judge, one_hot(solved.choice, gains.shape[1]), rival, moves, solved.swaps),
        demands=[] if whole is None else _rows(whole, choice),
        agreement=float((choice == held).mean()),
    )


def gains_of(task: PolicyTask, judge: Judge) -> Floats:
    """What each candidate adds to a row over control, in the objective, by its outcome, (n, k); 0
    where it is closed.
    """
    weights = np.array([task.weights.get(name, 0.0) for name in judge.metrics])
    worth = judge.scores @ weights
    gains = worth[:, 1:] - worth[:, :1] - task.cost_weight * judge.spend[:, 1:]
    if task.eligible is not None:
        gains = np.where(task.eligible, gains, 0.0)
    for times in (task.importance, judge.weight):
        gains = gains if times is None else gains * times[:, None]
    return np.ascontiguousarray(gains)


def _learn(
    plan: RulesPlan,
    task: PolicyTask,
    X: pa.Table,
    gains: Floats,
    part: Compiled | None,
    units: pa.Table | None,
) -> Rule:
    """The rule by some rows' gains, within the demands on some units."""
    rule: Rule = (
        PolicyTree(plan.depth, plan.bins or TREE_BINS, plan.min_leaf, plan.prudence)
        if plan.kind == "tree"
        else Scorecard(plan.features, plan.bins or CARD_BINS, plan.most)
    )
    names = (task.control, *task.effects.candidates)
    demands = None if part is None else part.demands
    return rule.fit(
        X, gains, candidates=names, demands=demands, units=None if part is None else units
    )


def _demands(task: PolicyTask) -> Compiled | None:
    """What a task demands of its units."""
    return compiled_demands(
        task.constraints, task.effects, task.expected, task.groups, task.lower, task.eligible
    )


def _open(task: PolicyTask, choice: Ints, rows: Ints) -> Ints:
    """A choice for some rows, control where its candidate is closed to the unit."""
    if task.eligible is None:
        return choice
    fine = task.eligible[rows, np.maximum(choice, 0)]
    return np.where(fine, choice, -1)


def _rows(whole: Compiled, choice: Ints) -> list[DemandRow]:
    """Every demand with its use by a choice, per head of the units it counts."""
    used, rows = whole.demands.used(choice), list[DemandRow]()
    for r, demand in enumerate(whole.asked):
        turned = demand.sign if demand.metric is not None else 1.0
        rows.append(
            {
                "name": demand.name,
                "kind": demand.kind,
                "metric": demand.metric,
                "rule": "at least" if turned < 0 else "at most",
                "bound": turned * float(whole.demands.bounds[r] / whole.heads[r]),
                "used": turned * float(used[r] / whole.heads[r]),
                "price": 0.0,
                "binding": False,
            }
        )
    return rows


@dataclass(frozen=True)
class _Moves:
    """What the policy and the rules give some rows of the log, by their own fold's and by those of
    the one or two folds before, (r,) each.
    """

    folds: int
    rows: Ints
    policy: tuple[Ints, ...]
    rule: tuple[Ints, ...]


def _choices(
    task: PolicyTask, log: Log, folds: list[Ints], rules: list[Rule], swaps: Swaps | None
) -> _Moves | None:
    """How choices change with the folds that rules and the policy were learnt from."""
    if swaps is None or swaps.rows is None or len(rules) < 2:
        return None
    rows = swaps.rows
    place = np.empty(len(task.fold), np.int64)
    for f, own in enumerate(folds):
        place[own] = f
    X, at = log.features.take(pa.array(rows)), place[rows]
    every = np.stack([_open(task, rule.assign(X), rows) for rule in rules])
    steps = range(len(swaps.choices))
    mine = tuple(every[(at - step) % len(rules), np.arange(len(rows))] for step in steps)
    return _Moves(len(rules), rows, swaps.choices, mine)


def _own(moves: _Moves | None, swaps: Swaps | None) -> Swaps | None:
    """The swaps of the rules alone."""
    if swaps is None or moves is None:
        return swaps
    return Swaps(moves.folds, moves.rows, moves.rule, swaps.objective, swaps.price)


def _lost(
    judge: Judge, policy: Floats, rival: Floats, moves: _Moves | None, swaps: Swaps | None
) -> dict[str, Interval]:
    """The policy's gain over the rules', paired; both change with the folds."""
    if moves is None:
        return judge.difference(policy, rival, swaps)
    every, k = np.arange(len(policy)), policy.shape[1] - 1
    gains = judge.gains(policy) - judge.gains(rival)
    units = judge.units(every)
    weight = units.weight / units.weight.sum()
    mean = weight @ gains
    error, df = units.errors(gains - mean)
    estimates = around(mean, error, df, level=judge.level)
    phi = [
        judge.gains(one_hot(a, k), moves.rows) - judge.gains(one_hot(b, k), moves.rows)
        for a, b in zip(moves.policy, moves.rule, strict=True)
    ]
    part, lost = judge.units(moves.rows), {}
    names = [*judge.metrics, None, *([] if judge.money is None else [judge.money.name])]
    for j, name in enumerate(names):
        if name is None:
            continue
        steps = [a[:, j] - b[:, j] for a, b in pairwise(phi)]
        one = widened(estimates[j], steps, part, moves.folds, len(policy), judge.level)
        lost[name] = one.interval
    return lost
