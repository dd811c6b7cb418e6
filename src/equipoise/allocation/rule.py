"""The decision rule: one pure function, offline, in replay and online, bit for bit.

    value_ia = sum_j (w_ij effect_iaj - z |w_ij| std_error_iaj)  + keep bonus
    score_ia = value_ia - sum_q price table_q[code of i, a] * quantity_q[i, a]
    choose the candidate with the largest score if it is > threshold (the first of equals), else
    control

A policy that had to split ties has two price vectors; which one a unit gets is drawn from its
id, so it is always the same.

Each number comes from one row by a fixed order of additions, without BLAS and without
reassociation, so a batch, a part of it and a single row give the same bits.  The dual of an
allocation adds up in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.allocation.constraints import Groups, groups_of
from equipoise.allocation.hashing import draw, uniform
from equipoise.allocation.solver.compile import Rows, compile_rows
from equipoise.allocation.solver.kernels import price_all, weigh
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Decision, Policy

NEW = -2  # the previous choice of a unit that had none
LOW_STREAM = 2  # of a policy's seed: the lot that says who gets the lower prices


@dataclass(frozen=True)
class Decisions:
    """choice (n,): -1 control, a candidate a; score (n,) of the best candidate; probability (n,) of
    the choice; low (n,): whether
    the policy's lower prices made it."""

    choice: Ints
    score: Floats
    probability: Floats
    low: Bools

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
) -> Floats:
    """The score of every candidate for every unit, (n, k).

    cost : (n, k) or (k,), needed where a demand counts it.   groups : the labels of each unit in
        each column the policy names.
    previous : (n,), yesterday's choice: -1 control, -2 none.   weights : (n, m) of each request;
        None: the policy's own.
    """
    if effects.candidates != policy.candidates:
        raise InputError(
            "the effects' candidates", f"be the policy's, {policy.candidates}", effects.candidates
        )
    check_effects(effects)
    groups = groups or {}
    value = weighted_value(policy, effects, groups, weights)
    add_keep(value, policy.keep, previous)
    paid = check_cost(cost, value.shape)
    rows = compile_rows(
        policy.demands, policy.candidates, effects.metrics, groups, len(value), cost is not None
    )
    out = np.empty_like(value)
    cube, columns = metric_quantities(effects, rows, policy.lower)
    price_all(
        value,
        paid,
        cube,
        columns,
        rows.table(np.asarray(policy.prices, np.float64)),
        rows.codes,
        out,
    )
    return out


def decide(
    policy: Policy,
    effects: Effects,
    *,
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    previous: Ints | None = None,
    weights: Floats | None = None,
    units: ArrayLike | None = None,
) -> Decisions:
    """Choose one candidate or control for every unit.  Arguments as in `scores`; units : (n,) ids,
    which a lot is drawn by.
    """
    if policy.mode == "each":
        raise InputError(
            "decide",
            "need a policy with mode 'argmax' or 'random'",
            "mode 'each'",
            fix="call decide_each",
        )
    if policy.mode == "random":
        check_effects(effects)
        choice = draw(policy, len(effects), units)
        shares = np.array([*policy.shares, max(0.0, 1.0 - sum(policy.shares))])
        return Decisions(
            choice, np.zeros(len(effects)), shares[choice], np.zeros(len(effects), np.bool_)
        )
    made = _best(
        scores(policy, effects, cost=cost, groups=groups, previous=previous, weights=weights),
        policy.threshold,
    )
    if policy.low_share == 0:
        return made
    if units is None or np.shape(units) != (len(effects),):
        raise InputError(
            "units",
            f"be one id per unit, {len(effects)}: this policy splits ties at random",
            None if units is None else np.shape(units),
        )
    lower = replace(policy, prices=policy.low_prices)
    low = _best(
        scores(lower, effects, cost=cost, groups=groups, previous=previous, weights=weights),
        policy.threshold,
    )
    drawn = uniform(units, policy.seed, LOW_STREAM) < policy.low_share
    chance = np.where(drawn, policy.low_share, 1 - policy.low_share)
    return Decisions(
        np.where(drawn, low.choice, made.choice),
        np.where(drawn, low.score, made.score),
        np.where(low.choice == made.choice, 1.0, chance),
        drawn,
    )


def _best(score: Floats, threshold: float) -> Decisions:
    """The best candidate of each unit if it scores more than the threshold, else control.   score:
    (n, k).
    """
    choice = score.argmax(axis=1)
    best = score[np.arange(len(score)), choice]
    return Decisions(
        np.where(best > threshold, choice, -1),
        best,
        np.ones(len(score)),
        np.zeros(len(score), np.bool_),
    )


def decide_each(
    policy: Policy,
    effects: Effects,
    *,
    cost: ArrayLike | None = None,
    groups: Groups | None = None,
    previous: Ints | None = None,
    weights: Floats | None = None,
) -> Bools:
    """Every candidate on its own, (n, k): on where its score is > threshold (mode "each")."""
    if policy.mode != "each":
        raise InputError(
            "decide_each", "be given a policy of mode 'each'", repr(policy.mode), fix="call decide"
        )
    on: Bools = (
        scores(policy, effects, cost=cost, groups=groups, previous=previous, weights=weights)
        > policy.threshold
    )
    return on


def decision_of(policy: Policy, made: Decisions, row: int, snapshot: str = "") -> Decision:
    """The decision on one unit as a record that can be replayed."""
    a = int(made.choice[row])
    name = policy.control if a < 0 else policy.candidates[a]
    prices = policy.low_prices if made.low[row] else policy.prices
    return Decision(
        name, float(made.probability[row]), float(made.score[row]), policy.weights, prices, snapshot
    )


def weighted_value(
    policy: Policy, effects: Effects, groups: Groups, weights: Floats | None = None
) -> Floats:
    """The worth of every candidate before prices, (n, k)."""
    columns = np.array([_metric(effects, name) for name in policy.metrics], np.int64)
    n, k = effects.values.shape[:2]
    table, which = (
        np.array([policy.weights, *(own for _, own in policy.segment_weights)]),
        np.zeros(n, np.int64),
    )
    if weights is not None:
        table, which = np.ascontiguousarray(weights, np.float64), np.arange(n)
        if table.shape != (n, len(columns)) or not np.isfinite(table).all():
            raise InputError(
                "weights", f"be finite and have shape (n, m) = {(n, len(columns))}", table.shape
            )
    elif policy.segment is not None:
        given = groups_of(groups, policy.segment, "the weights of a segment")
        for place, (label, _) in enumerate(policy.segment_weights, 1):
            which[given == label] = place
    if policy.lower > 0 and effects.std_error is None:
        raise InputError(
            "effects",
            "have a std_error for lower > 0",
            None,
            fix="use an estimator that gives one, or bootstrap it",
        )
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
        kept = rows.columns
        low: Floats = effects.values[:, :, kept] - lower * effects.std_error[:, :, kept]  # type: ignore[index]
        return np.ascontiguousarray(low), np.arange(len(kept))
    return np.ascontiguousarray(effects.values, np.float64), rows.columns


def add_keep(value: Floats, bonus: float, previous: NDArray[Any] | None) -> None:
    """Add to ``value`` (n, k), in place, the bonus for leaving a unit where it was; leaving control
    costs the bonus.
    """
    if previous is None or bonus == 0:
        return
    k = value.shape[1]
    was = np.asarray(previous)
    bad = (was < NEW) | (was >= k) if was.shape == (len(value),) else np.ones(1, bool)
    if bad.any():
        row = int(bad.argmax())
        got = was[row] if was.shape == (len(value),) else f"shape {was.shape}"
        raise InputError(
            "the previous choice",
            f"be one of -2 (none), -1 (control), 0..{k - 1} for each unit",
            got,
            f"row {row}",
        )
    treated = np.flatnonzero(was >= 0)
    value[treated, was[treated]] += bonus
    value[was == -1] -= bonus


def check_cost(cost: ArrayLike | None, shape: tuple[int, int]) -> Floats:
    """Costs as (n, k), or (1, k) where all units cost the same; None is free."""
    if cost is None:
        return np.zeros((1, shape[1]))
    paid = np.ascontiguousarray(cost, np.float64)
    paid = paid[None] if paid.ndim == 1 else paid
    if paid.shape not in (shape, (1, shape[1])):
        raise InputError("cost", f"have shape (n, k) = {shape} or (k,)", paid.shape)
    _all_right("cost", "be finite and >= 0", paid, np.isfinite(paid) & (paid >= 0))
    return paid


def check_effects(effects: Effects) -> None:
    """Refuse effects that are not numbers, naming the row."""
    _all_right("effects", "be finite", effects.values, np.isfinite(effects.values))


def _all_right(what: str, must: str, given: NDArray[Any], right: Bools) -> None:
    if not right.all():
        where = np.unravel_index(int(np.argmin(right)), right.shape)
        raise InputError(
            what,
            must,
            given[where],
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
