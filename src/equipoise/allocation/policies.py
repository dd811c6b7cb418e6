"""Policies to choose from and to compare with.  Each is one function of a `Task`, and one line in
`POLICIES`.

    budgeted    the most worth within the demands, by prices
    argmax      the best candidate of each unit if it is worth anything; demands are not looked at
    threshold   the best candidate of each unit, for the units with the most worth, as many as the
    demands allow
    single      one candidate for everybody, or for a random share of the units where the
                demands do not allow all
    random      every candidate equally likely, for the largest random share of the units that
                the demands allow
    none        control for everybody

On the units it was made on, each but argmax exceeds no demand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.budgeted import budgeted_policy
from equipoise.allocation.constraints import Constraint, Groups
from equipoise.allocation.hashing import draw, uniform
from equipoise.allocation.rule import check_cost, check_effects, usage_of, weighted_value
from equipoise.allocation.solve import draft_policy, expand
from equipoise.allocation.solver.compile import Rows, compile_rows
from equipoise.allocation.solver.problem import best_of
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError
from equipoise.core.policy import Policy

ROUNDING = 1e-12  # of a running sum: so near to a bound the sum is taken exactly


@dataclass(frozen=True)
class Task:
    """What a policy is made from.

    Attributes
    ----------
    effects : Effects
        Of n units under k candidates.
    weights : mapping of str to float
        Metric -> worth of one unit of it.
    constraints : sequence of Constraint, default ()
        What the policy must obey.
    cost : array-like, (n, k) or (k,), or None, default None
        What each candidate costs.
    groups : mapping, default {}
        Column -> labels (n,).
    units : array-like, (n,), or None, default None
        Ids by which random choices are drawn; the row numbers by default.
    control : str, default "control"
        The name of no candidate.
    seed : int, default 0
        Of the draws.
    eligible : array of bool, (n, k), or None, default None
        Whether a candidate is open to a unit; None: all are.
    """

    effects: Effects
    weights: Mapping[str, float]
    constraints: Sequence[Constraint] = ()
    cost: ArrayLike | None = None
    groups: Groups = field(default_factory=dict)
    units: ArrayLike | None = None
    control: str = "control"
    seed: int = 0
    eligible: Bools | None = None

    def draft(self) -> Policy:
        """A policy with the weights and no demand."""
        check_effects(self.effects)
        return draft_policy(self.effects, self.weights, (), self.control)

    def ids(self) -> ArrayLike:
        """One id per unit."""
        return np.arange(len(self.effects)) if self.units is None else self.units

    def value(self) -> Floats:
        """The worth of every candidate before prices, (n, k); -inf where closed."""
        value = weighted_value(self.draft(), self.effects, self.groups)
        return value if self.eligible is None else np.where(self.eligible, value, -np.inf)

    def open_choice(self, choice: Ints) -> Ints:
        """A choice (n,) with control in place of what is closed."""
        if self.eligible is None:
            return choice
        own = self.eligible[np.arange(len(choice)), np.maximum(choice, 0)]
        return np.where(own, choice, -1)


def budgeted(task: Task) -> Policy:
    """The policy of `budgeted_policy`."""
    policy, _ = budgeted_policy(
        task.effects,
        weights=task.weights,
        constraints=task.constraints,
        cost=task.cost,
        groups=task.groups,
        control=task.control,
        units=task.ids(),
        seed=task.seed,
        eligible=task.eligible,
    )
    return policy


def argmax(task: Task) -> Policy:
    """The candidate of most worth, whatever the demands."""
    return task.draft()


def threshold(task: Task) -> Policy:
    """The candidate of most worth where that exceeds a threshold, the lowest >= 0 that the demands
    allow.
    """
    draft, value, edge = task.draft(), task.value(), 0.0
    # equal candidates are told apart by cost where `decide` gets one: the demands hold either way
    for cost in (task.cost, None):
        want, best = best_of(value, *usage_of(draft, task.effects, cost, task.groups))
        count, order = _longest(task, np.where(best > 0, want, -1), -best)
        edge = max(edge, float(best[order[count]]) if count < len(order) else 0.0)
    return replace(draft, threshold=edge)


def single(task: Task, candidate: str | None = None) -> Policy:
    """One candidate, by default the one of most worth within the demands."""
    draft, value = task.draft(), task.value()
    key = uniform(task.ids(), task.seed)
    names = task.effects.candidates
    if candidate is not None and candidate not in names:
        raise InputError("candidate", f"be one of {', '.join(names)}", repr(candidate))
    trials = []
    for a in range(len(names)) if candidate is None else [names.index(candidate)]:
        count, order = _longest(task, task.open_choice(np.full(len(value), a)), key)
        trials.append((float(value[order[:count], a].sum()), a, _share(key, order, count)))
    _, a, share = max(trials, key=lambda trial: trial[0])
    return _random_share(draft, np.arange(len(names)) == a, share, task.seed)


def random(task: Task) -> Policy:
    """Candidates at random.  With a budget of what another policy spends it is its peer at equal
    spend.
    """
    draft = task.draft()
    every = np.ones(len(task.effects.candidates), bool)
    want = draw(_random_share(draft, every, 1.0, task.seed), len(task.effects), task.ids())
    key = uniform(task.ids(), task.seed)
    count, order = _longest(task, task.open_choice(want), key)
    return _random_share(draft, every, _share(key, order, count), task.seed)


def none(task: Task) -> Policy:
    """Control for everybody; refused where a floor asks for more."""
    nobody = np.full(len(task.effects), -1)
    _longest(task, nobody, np.zeros(len(nobody)))
    return _random_share(task.draft(), np.ones(len(task.effects.candidates), bool), 0.0, task.seed)


def _random_share(draft: Policy, which: Bools, share: float, seed: int) -> Policy:
    """A share of the units at random, the candidates ``which`` (k,) equally likely."""
    shares = np.where(which, share / which.sum(), 0.0)
    return replace(draft, mode="random", shares=tuple(shares.tolist()), seed=seed)


def _share(key: Floats, order: Ints, count: int) -> float:
    """A share that treats exactly the first ``count`` of the units in ``order`` of ``key``: those
    that can be treated.
    """
    if count == len(order) > 0:
        return 1.0
    return 0.0 if count == 0 else float((key[order[count - 1]] + key[order[count]]) / 2)


def _longest(task: Task, want: Ints, key: Floats) -> tuple[int, Ints]:
    """How many of the units in order of ``key`` (n,) can get what they ``want`` (n,) so that every
    demand holds, and the order.

    Units of equal key go together.  The order ends before the units that want control.
    """
    effects, groups = task.effects, task.groups
    n = len(want)
    demands = expand(task.constraints, groups)
    rows = compile_rows(
        demands, effects.candidates, effects.metrics, groups, n, task.cost is not None
    )
    order = np.argsort(key, kind="stable")
    order = order[want[order] >= 0]
    each = _usage(
        rows, effects, check_cost(task.cost, effects.values.shape[:2]), order, want[order]
    )
    running = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(each, axis=1)], axis=1)
    spare = ROUNDING * np.abs(running).max(axis=1, initial=0.0)
    together = (
        np.r_[False, key[order][1:] == key[order][:-1], False] if len(order) else np.zeros(1, bool)
    )
    nearly = (running <= (rows.bounds + spare)[:, None]).all(axis=0) & ~together
    for count in np.flatnonzero(nearly)[::-1].tolist():
        if all(
            math.fsum(usage) <= bound
            for usage, bound in zip(each[:, :count].tolist(), rows.bounds, strict=True)
        ):
            return count, order
    names = [
        d.name
        for d, least, b in zip(demands, running.min(axis=1), rows.bounds, strict=True)
        if least > b
    ]
    raise InfeasibleError(
        " and ".join(map(repr, names or [d.name for d in demands])),
        "hold for some share of the units",
        "no such share",
        fix="loosen it or use the budgeted policy",
    )


def _usage(rows: Rows, effects: Effects, cost: Floats, units: Ints, choice: Ints) -> Floats:
    """What each of the units uses of each row, (m, units)."""
    usage = np.empty((len(rows), len(units)))
    for r, q in enumerate(rows.quantity.tolist()):
        usage[r] = rows.coefficient[r, rows.codes[units], choice]
        if q == 1:
            usage[r] *= cost[units if len(cost) > 1 else 0, choice]
        elif q > 1:
            usage[r] *= effects.values[units, choice, rows.columns[q - 2]]
    return usage
