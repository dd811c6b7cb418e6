"""The decision rule: one pure function, offline, in replay and online, bit for bit.

    value_ia = sum_j (w_ij effect_iaj - z |w_ij| std_error_iaj) - c cost_ia + keep bonus
    score_ia = value_ia - penalty_ia - sum_q price table_q[code of i, a] * quantity_q[i, a]
    choose the candidate with the largest score if it is > threshold, else control; of equals the
    one that uses least of what the demands count (in parts of their bounds), then the cheaper, then
    the first

A policy that had to split ties takes a little from each value by a number drawn from the unit's
id (`solver/ties.py`), so a unit's choice is always the same.  One that version 0.1.0 made has
two price vectors, and the number says which.

Each number comes from one row by a fixed order of additions, without BLAS and without
reassociation, so a batch, a part of it and a single row give the same bits.  The dual of an
allocation adds up in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.allocation.constraints import Groups, groups_of
from equipoise.allocation.hashing import draw, uniform
from equipoise.allocation.row_kernels import decide_all, rule_numbers, score_all, share_all
from equipoise.allocation.solver.compile import Rows, compile_rows
from equipoise.allocation.solver.kernels import weigh
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy

NEW = -2  # the previous choice of a unit that had none
LOW_STREAM = 2  # of a policy's seed: the draw that tells equal units apart


@shown
@dataclass(frozen=True)
class Decisions:
    """What was decided for n units, and what decided it.

    Attributes
    ----------
    choice : array of int, (n,)
        -1 control, else the place of a candidate.
    score : array, (n,)
        Of the best candidate, in worth.
    probability : array, (n,)
        Of the choice.
    low : array of bool, (n,)
        Whether the policy's lower prices made it.
    weights : array, (s, m), or None, default None
        The weights that were used, one row for each set of them.
    weight_row : array of int, (n,), or None, default None
        Which row of the weights each unit's are.
    cost : array, (n, k) or (1, k), or None, default None
        What each candidate cost each unit, or all of them.
    units : array, (n,), or None, default None
        The ids that draws were made by.
    eligible : array of bool, (n, k), or None, default None
        Whether each candidate was open to each unit; None: all were.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1)), ("a",), ("y",))
    >>> decisions = decide(Policy(("a",), "none", ("y",), (1.0,)), effects)
    >>> len(decisions), decisions.choice.tolist(), decisions.score.tolist()
    (2, [0, -1], [1.0, -1.0])
    """

    choice: Ints
    score: Floats
    probability: Floats
    low: Bools
    weights: Floats | None = None
    weight_row: Ints | None = None
    cost: Floats | None = None
    units: NDArray[Any] | None = None
    eligible: Bools | None = None

    def __len__(self) -> int:
        return len(self.choice)


def scores(
    policy: Policy,
    effects: Effects,
    *,
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    previous: Ints | None = None,
    weights: Floats | None = None,
    draws: Floats | None = None,
    eligible: ArrayLike | None = None,
) -> Floats:
    """Score every candidate for every unit: its worth less the prices of what it uses.

    Parameters
    ----------
    policy : Policy
        The rule.
    effects : Effects
        Of n units under the policy's k candidates.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    groups : mapping, optional
        Column -> labels (n,), where the policy names it.
    previous : array of int, (n,), optional
        The choices in force: -2 none, -1 control, a candidate a.
    weights : array, (n, m), optional
        Of each request; by default the policy's own.
    draws : array, (n,), optional
        The units' draws in [0, 1), where the policy tells equal units apart; by default 0, with
        which no score is less for it.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit; by default all are.

    Returns
    -------
    array, (n, k)
        In worth; -inf where the candidate is closed.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> effects = Effects(np.array([[[3.0]]]), np.zeros((1, 1)), ("a",), ("y",))
    >>> rule = Policy(("a",), "none", ("y",), (1.0,), (budget(1.0).demand,), (0.5,))
    >>> scores(rule, effects, cost=[2.0]).tolist()
    [[2.0]]
    """
    rows = _Rows.of(policy, effects, cost, groups or {}, previous, weights)
    out = np.empty(effects.values.shape[:2])
    draws = np.zeros(1) if draws is None else np.asarray(draws, np.float64)
    open_to = check_eligible(eligible, out.shape)
    score_all(*rows.arrays(draws, open_to), out)
    return out


class Usage(NamedTuple):
    """What candidates use: cost (n, k) or (1, k), cube (n, k, M) of effects, the columns of it that
    count, and the rows of the demands.
    """

    cost: Floats
    cube: Floats
    columns: Ints
    rows: Rows


def usage_of(policy: Policy, effects: Effects, cost: ArrayLike | None, groups: Groups) -> Usage:
    """What the policy's candidates use of what its demands count."""
    money, rows = _demand_rows(policy, effects, cost, groups)
    return Usage(money, *metric_quantities(effects, rows, policy.lower), rows)


def _demand_rows(
    policy: Policy, effects: Effects, cost: ArrayLike | None, groups: Groups
) -> tuple[Floats, Rows]:
    """The costs and the compiled demands of units whose effects are the policy's."""
    if effects.candidates != policy.candidates:
        raise InputError(
            "the effects' candidates", f"be the policy's, {policy.candidates}", effects.candidates
        )
    check_effects(effects)
    _check_lower(policy, effects)
    n = len(effects)
    money = weighed_cost(policy, cost, effects.values.shape[:2])
    rows = compile_rows(
        policy.demands, policy.candidates, effects.metrics, groups, n, cost is not None
    )
    return money, rows


class _Rows(NamedTuple):
    """What the kernels take of n units: see `row_kernels.decide_all`."""

    rules: Floats
    codes: Ints
    weights: Floats
    which: Ints
    values: Floats
    errors: Floats
    cost: Floats
    previous: Ints

    @classmethod
    def of(
        cls,
        policy: Policy,
        effects: Effects,
        cost: ArrayLike | None,
        groups: Groups,
        previous: Ints | None,
        weights: Floats | None,
    ) -> _Rows:
        """The arrays of a policy's units, checked."""
        money, rows = _demand_rows(policy, effects, cost, groups)
        columns = np.array([_metric(effects, name) for name in policy.metrics], np.int64)
        n, k, metrics = effects.values.shape
        table, which = used_weights(policy, n, groups, weights)
        values = np.ascontiguousarray(effects.values, np.float64)
        errors = np.ascontiguousarray(effects.std_error, np.float64) if policy.lower else values
        before = np.full(1, NEW) if previous is None or not policy.keep else np.asarray(previous)
        if previous is not None and policy.keep:
            check_previous(before, n, k)
        rules = rule_numbers(policy, columns, rows, metrics)
        return cls(rules, rows.codes, table, which, values, errors, money, before.astype(np.int64))

    def arrays(self, draws: Floats, open_to: Bools | None) -> tuple[Any, ...]:
        """What all kernels of n units take first."""
        shut = np.ones((1, 0), np.bool_) if open_to is None else np.ascontiguousarray(open_to)
        return (*self[:7], shut, draws, self.previous)


def decide(
    policy: Policy,
    effects: Effects,
    *,
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    previous: Ints | None = None,
    weights: Floats | None = None,
    units: ArrayLike | None = None,
    eligible: ArrayLike | None = None,
) -> Decisions:
    """Choose one candidate or control for every unit.

    Parameters
    ----------
    policy : Policy
        The rule, of mode "argmax" or "random".
    effects : Effects
        Of n units under the policy's k candidates.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    groups : mapping, optional
        Column -> labels (n,), where the policy names it.
    previous : array of int, (n,), optional
        The choices in force: -2 none, -1 control, a candidate a.
    weights : array, (n, m), optional
        Of each request; by default the policy's own.
    units : array-like, (n,), optional
        Ids by which the policy draws, where it does.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit; by default all are.

    Returns
    -------
    Decisions
        The choices, with their scores and probabilities.

    Raises
    ------
    InputError
        Where the policy decides each candidate on its own, or draws and has no ids.

    Notes
    -----
    A unit gets the candidate of largest score if that is above the threshold, else control.  Of
    equal candidates it gets the one that uses least of what the demands count, in parts of their
    bounds; of these the cheapest; of these the first.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0], [2.0]]]), np.zeros((1, 1)), ("a", "b"), ("y",))
    >>> decide(Policy(("a", "b"), "none", ("y",), (1.0,)), effects).choice.tolist()
    [1]
    """
    open_to = check_eligible(eligible, effects.values.shape[:2])
    decisions = _choose(policy, effects, cost, groups, previous, weights, units, open_to)
    table, which = used_weights(policy, len(effects), groups or {}, weights)
    return replace(
        decisions,
        weights=table,
        weight_row=which,
        cost=None if cost is None else check_cost(cost, effects.values.shape[:2]),
        units=None if units is None else np.asarray(units),
        eligible=open_to,
    )


def _choose(
    policy: Policy,
    effects: Effects,
    cost: ArrayLike | None,
    groups: Groups | None,
    previous: Ints | None,
    weights: Floats | None,
    units: ArrayLike | None,
    eligible: Bools | None,
) -> Decisions:
    """`decide`, without what decided it."""
    if policy.mode == "each":
        raise InputError(
            "decide",
            "need a policy with mode 'argmax' or 'random'",
            "mode 'each'",
            fix="call decide_each",
        )
    if policy.mode == "random":
        check_effects(effects)
        return _at_random(policy, draw(policy, len(effects), units), eligible)
    draws = tie_draws(policy, len(effects), units)
    rows = _Rows.of(policy, effects, cost, groups or {}, previous, weights)
    return decide_arrays(rows.arrays(draws, eligible))


def decide_arrays(arrays: tuple[Any, ...]) -> Decisions:
    """The choices of n units by what `row_kernels.decide_all` takes first."""
    n, k = arrays[4].shape[:2]
    choice, best, chance = np.empty(n, np.int16), np.empty(n), np.empty(n)
    low = np.empty(n, np.bool_)
    decide_all(*arrays, choice, best, chance, low, np.empty((n, k)))
    return Decisions(choice, best, chance, low)


def tie_draws(policy: Policy, n: int, units: ArrayLike | None) -> Floats:
    """The number in [0, 1) of each unit, (n,), drawn from its id; 0 where the policy draws none."""
    if not policy.low_share and not policy.tie_penalty:
        return np.zeros(n)
    if units is None or np.shape(units) != (n,):
        raise InputError(
            "units",
            f"be one id per unit, {n}: this policy splits ties at random",
            None if units is None else np.shape(units),
        )
    return uniform(units, policy.seed, LOW_STREAM)


def _at_random(policy: Policy, choice: Ints, eligible: Bools | None) -> Decisions:
    """Choices that were drawn, (n,): control in place of what is closed."""
    n = len(choice)
    choice, chance = choice.astype(np.int64), np.empty(n)
    open_to = np.ones((1, 0), np.bool_) if eligible is None else np.ascontiguousarray(eligible)
    share_all(np.asarray(policy.shares, np.float64), open_to, choice, chance)
    return Decisions(choice, np.zeros(n), chance, np.zeros(n, np.bool_))


def decide_each(
    policy: Policy,
    effects: Effects,
    *,
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    previous: Ints | None = None,
    weights: Floats | None = None,
    eligible: ArrayLike | None = None,
) -> Bools:
    """Decide on every candidate on its own.

    Parameters
    ----------
    policy : Policy
        The rule, of mode "each".
    effects : Effects
        Of n units under the policy's k candidates.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    groups : mapping, optional
        Column -> labels (n,), where the policy names it.
    previous : array of int, (n,), optional
        The choices in force: -2 none, -1 control, a candidate a.
    weights : array, (n, m), optional
        Of each request; by default the policy's own.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit; by default all are.

    Returns
    -------
    array of bool, (n, k)
        True where the score is above the threshold.

    Raises
    ------
    InputError
        Where the policy has another mode.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0], [2.0]]]), np.zeros((1, 1)), ("a", "b"), ("y",))
    >>> decide_each(Policy(("a", "b"), "none", ("y",), (1.0,), mode="each"), effects).tolist()
    [[True, True]]
    """
    if policy.mode != "each":
        raise InputError(
            "decide_each", "need a policy with mode 'each'", repr(policy.mode), fix="call decide"
        )
    on: Bools = (
        scores(
            policy,
            effects,
            cost=cost,
            groups=groups,
            previous=previous,
            weights=weights,
            eligible=eligible,
        )
        > policy.threshold
    )
    return on


def used_weights(
    policy: Policy, n: int, groups: Groups, weights: Floats | None = None
) -> tuple[Floats, Ints]:
    """The weights of n units as a table, (s, m), and the row of it that each unit's are, (n,).

    Parameters
    ----------
    policy : Policy
        Its weights, and those of its segments.
    n : int
        How many units.
    groups : mapping
        Column -> labels (n,), where the policy names a segment.
    weights : array, (n, m), optional
        Of each request; they come before all others.

    Returns
    -------
    table, row : array
        (s, m) and (n,).
    """
    if weights is not None:
        table, m = np.ascontiguousarray(weights, np.float64), len(policy.metrics)
        if table.shape != (n, m) or not np.isfinite(table).all():
            raise InputError("weights", f"be finite and have shape (n, m) = {(n, m)}", table.shape)
        return table, np.arange(n)
    table = np.array([policy.weights, *(own for _, own in policy.segment_weights)])
    which = np.zeros(n, np.int64)
    if policy.segment is not None:
        labels = groups_of(groups, policy.segment, "the weights of a segment")
        for place, (label, _) in enumerate(policy.segment_weights, 1):
            which[labels == label] = place
    return table, which


def unit_weights(policy: Policy, importance: Floats | None) -> Floats | None:
    """The weights of units that count more or less than once.

    Parameters
    ----------
    policy : Policy
        Its weights are those of a unit that counts once.
    importance : array, (n,), or None
        How often each unit counts, >= 0; None: once.

    Returns
    -------
    array, (n, m), or None
        For `decide`.

    Examples
    --------
    >>> unit_weights(Policy(("a",), "none", ("y",), (0.5,)), np.array([1.0, 2.0])).tolist()
    [[0.5], [1.0]]
    """
    return None if importance is None else importance[:, None] * np.asarray(policy.weights)


def weighted_value(
    policy: Policy, effects: Effects, groups: Groups, weights: Floats | None = None
) -> Floats:
    """The worth of every candidate before prices, (n, k)."""
    columns = np.array([_metric(effects, name) for name in policy.metrics], np.int64)
    n, k = effects.values.shape[:2]
    table, which = used_weights(policy, n, groups, weights)
    _check_lower(policy, effects)
    values = np.ascontiguousarray(effects.values, np.float64)
    errors = np.ascontiguousarray(effects.std_error, np.float64) if policy.lower > 0 else values
    out = np.empty((n, k))
    weigh(values, errors, columns, table, which, policy.lower, out)
    return out


def metric_quantities(effects: Effects, rows: Rows, lower: float) -> tuple[Floats, Ints]:
    """The effects that rows count, (n, k, columns), and where they stand in it; with ``lower`` less
    so many standard errors.
    """
    if lower > 0 and len(rows.columns):
        columns = rows.columns
        low: Floats = effects.values[:, :, columns] - lower * effects.std_error[:, :, columns]  # type: ignore[index]
        return np.ascontiguousarray(low), np.arange(len(columns))
    return np.ascontiguousarray(effects.values, np.float64), rows.columns


def net_value(
    policy: Policy,
    effects: Effects,
    groups: Groups,
    weights: Floats | None = None,
    cost: ArrayLike | None = None,
) -> Floats:
    """The worth of every candidate less what its cost weighs, before prices, (n, k)."""
    value = weighted_value(policy, effects, groups, weights)
    value -= policy.cost_weight * weighed_cost(policy, cost, (len(value), value.shape[1]))
    return value


def weighed_cost(policy: Policy, cost: ArrayLike | None, shape: tuple[int, int]) -> Floats:
    """Costs as `check_cost` gives them; none is an error where the policy's worth is net of it."""
    if cost is None and policy.cost_weight:
        fix = "give cost=: this policy's worth is net of it"
        raise InputError("cost", "be known", "none", fix=fix)
    return check_cost(cost, shape)


def add_keep(value: Floats, bonus: float, previous: NDArray[Any] | None) -> None:
    """Add to ``value`` (n, k), in place, the bonus for leaving a unit where it was; leaving control
    costs the bonus.
    """
    if previous is None or bonus == 0:
        return
    before = np.asarray(previous)
    check_previous(before, *value.shape)
    units = np.flatnonzero(before >= 0)
    value[units, before[units]] += bonus
    value[before == -1] -= bonus


def check_previous(before: NDArray[Any], n: int, k: int) -> None:
    """Refuse previous choices that are none of k candidates."""
    bad = (before < NEW) | (before >= k) if before.shape == (n,) else np.ones(1, bool)
    if bad.any():
        row = int(bad.argmax())
        got = before[row] if before.shape == (n,) else f"shape {before.shape}"
        raise InputError(
            "the previous choice",
            f"be one of -2 (none), -1 (control), 0..{k - 1} for each unit",
            got,
            f"row {row}",
        )


def check_cost(cost: ArrayLike | None, shape: tuple[int, int]) -> Floats:
    """Costs as (n, k), or (1, k) where all units cost the same; None is free."""
    if cost is None:
        return np.zeros((1, shape[1]))
    money = np.ascontiguousarray(cost, np.float64)
    money = money[None] if money.ndim == 1 else money
    if money.shape not in (shape, (1, shape[1])):
        raise InputError("cost", f"have shape (n, k) = {shape} or (k,)", money.shape)
    _check_all("cost", "be finite and >= 0", money, np.isfinite(money) & (money >= 0))
    return money


def check_eligible(eligible: ArrayLike | None, shape: tuple[int, ...]) -> Bools | None:
    """Which candidates are open to which units, (n, k); None where all are to all."""
    if eligible is None:
        return None
    open_to = np.asarray(eligible)
    if open_to.shape != shape or open_to.dtype != np.bool_:
        got = f"{open_to.dtype} {open_to.shape}"
        raise InputError("eligible", f"be true or false, of shape (n, k) = {shape}", got)
    return None if open_to.all() else open_to


def check_effects(effects: Effects) -> None:
    """Refuse effects that are not numbers, naming the row."""
    _check_all("effects", "be finite", effects.values, np.isfinite(effects.values))


def _check_lower(policy: Policy, effects: Effects) -> None:
    """Refuse effects without standard errors where the policy takes some off."""
    if policy.lower > 0 and effects.std_error is None:
        fix = "use an estimator that gives one, or bootstrap it"
        raise InputError("effects", "have a std_error for lower > 0", None, fix=fix)


def _check_all(what: str, must: str, values: NDArray[Any], good: Bools) -> None:
    if not good.all():
        where = np.unravel_index(int(np.argmin(good)), good.shape)
        raise InputError(
            what,
            must,
            values[where],
            f"row {where[0]}, candidate {where[1]}",
            "mend or drop the row",
        )


def _metric(effects: Effects, name: str) -> int:
    if name not in effects.metrics:
        raise InputError(
            "the policy's metric",
            f"be one of the effects' {', '.join(effects.metrics)}",
            repr(name),
        )
    return effects.metrics.index(name)
