"""One row of the decision rule, compiled: all of a policy's numbers for the units of one group code
in one flat array, and the steps from a unit's effects to its choice.

A single row, a batch and offline take the same steps in the same order, so they give the same bits;
the dual of an allocation (`solver/kernels.py`) adds up in that order too.

    rule      HEAD numbers, then places of the m metrics among the effects', places of the q
              effects that demands count, rates (k,) of the tie penalty, and three tables
              (2 + q, k): prices, low prices, and what tells equal scores apart
    unit u    its rule is that of code c, its weights row s, its costs and what is open i and o:
              rules (G, size); weights (s, m); values, errors (n, k, M); cost (n, k) or (1, k);
              open_to (n, k) or (1, 0), where all are
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.compile import Rows
from equipoise.allocation.solver.ties import rates_of
from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit
from equipoise.core.policy import Policy

K, METRICS, M, Q, LOWER, THRESHOLD, KEEP, COST_WEIGHT, TIE, LOW_SHARE, HEAD = range(11)
GOOD, BAD_VALUE, BAD_COST, BAD_PREVIOUS, BAD_WEIGHT, BAD_SHAPE = range(6)
LEAST = float(np.finfo(np.float64).eps)  # the chance of a choice that its own draw just allows


def rule_numbers(policy: Policy, columns: Ints, rows: Rows, metrics: int) -> Floats:
    """The numbers of a policy for each group code, (G, size).

    columns : places of its metrics among the effects', (m,).   rows : its demands, compiled.
    metrics : of the effects, M.
    """
    k, codes = len(policy.candidates), rows.coefficient.shape[1]
    head = np.zeros(HEAD)
    head[[K, METRICS, M, Q]] = k, metrics, len(columns), len(rows.columns)
    head[[LOWER, THRESHOLD, KEEP]] = policy.lower, policy.threshold, policy.keep
    head[[COST_WEIGHT, TIE, LOW_SHARE]] = policy.cost_weight, policy.tie_penalty, policy.low_share
    start = np.concatenate([head, columns, rows.columns, rates_of(k, policy.tie_penalty)])
    usual = np.asarray(policy.prices, np.float64)
    low = np.asarray(policy.low_prices, np.float64) if policy.low_share else usual
    tables = [rows.table(usual), rows.table(low), rows.tie]
    by_code = [table.transpose(1, 0, 2).reshape(codes, -1) for table in tables]
    return np.ascontiguousarray(np.hstack([np.tile(start, (codes, 1)), *by_code]))


@njit(cache=True)
def check_row(rule, weights, values, errors, cost, open_to, previous):  # type: ignore[no-untyped-def]
    """What is wrong with one unit, `GOOD` where nothing is: its arrays are those of a row."""
    k, metrics, m = int(rule[K]), int(rule[METRICS]), int(rule[M])
    if values.shape != (k, metrics) or len(cost) != k or len(weights) != m:
        return BAD_SHAPE
    if errors.shape != values.shape or (len(open_to) > 0 and len(open_to) != k):
        return BAD_SHAPE
    for a in range(k):
        for j in range(metrics):
            if not np.isfinite(values[a, j]):
                return BAD_VALUE
        if not (np.isfinite(cost[a]) and cost[a] >= 0.0):
            return BAD_COST
    for j in range(m):
        if not np.isfinite(weights[j]):
            return BAD_WEIGHT
    return BAD_PREVIOUS if rule[KEEP] != 0.0 and not -2 <= previous < k else GOOD


@njit(cache=True, inline="always")
def score_row(  # type: ignore[no-untyped-def]
    rules, c, weights, s, values, errors, u, cost, i, open_to, o, draw, previous, low, out
):
    """out[u]: the score of each candidate, -inf where it is closed; low 1: by the low prices."""
    k, m, q = int(rules[c, K]), int(rules[c, M]), int(rules[c, Q])
    lower, weight, keep = rules[c, LOWER], rules[c, COST_WEIGHT], rules[c, KEEP]
    tie, rates = rules[c, TIE], HEAD + m + q
    table = rates + k + low * (2 + q) * k
    for a in range(k):
        total = 0.0
        for j in range(m):
            column, w = int(rules[c, HEAD + j]), weights[s, j]
            total += w * values[u, a, column]
            if lower > 0.0:
                total -= lower * abs(w) * errors[u, a, column]
        total -= weight * cost[i, a]
        if keep != 0.0 and previous == a:
            total += keep
        elif keep != 0.0 and previous == -1:
            total -= keep
        if tie != 0.0:
            total -= draw * rules[c, rates + a]
        total -= rules[c, table + a]
        total -= rules[c, table + k + a] * cost[i, a]
        for p in range(q):
            column = int(rules[c, HEAD + m + p])
            amount = values[u, a, column]
            if lower > 0.0:
                amount -= lower * errors[u, a, column]
            total -= rules[c, table + (2 + p) * k + a] * amount
        out[u, a] = total if open_to.shape[1] == 0 or open_to[o, a] else -np.inf


@njit(cache=True)
def usage_row(rules, c, values, errors, u, cost, i, a):  # type: ignore[no-untyped-def]
    """What candidate a uses of what demands count, in parts of their bounds."""
    k, m, q, lower = int(rules[c, K]), int(rules[c, M]), int(rules[c, Q]), rules[c, LOWER]
    tie = HEAD + m + q + k + 2 * (2 + q) * k
    total = rules[c, tie + a] + rules[c, tie + k + a] * cost[i, a]
    for p in range(q):
        column = int(rules[c, HEAD + m + p])
        amount = values[u, a, column]
        if lower > 0.0:
            amount -= lower * errors[u, a, column]
        total += rules[c, tie + (2 + p) * k + a] * amount
    return total


@njit(cache=True, inline="always")
def best_row(rules, c, values, errors, u, cost, i, score):  # type: ignore[no-untyped-def]
    """The choice, -1 control, and the score of the best candidate: of equals the one that uses
    least, of these the cheapest, of these the first; 0 where all are closed.
    """
    to = 0
    for a in range(1, score.shape[1]):
        if score[u, a] > score[u, to]:
            to = a
        elif score[u, a] == score[u, to]:
            one = usage_row(rules, c, values, errors, u, cost, i, a)
            other = usage_row(rules, c, values, errors, u, cost, i, to)
            if one < other or (one == other and cost[i, a] < cost[i, to]):
                to = a
    best = score[u, to]
    if not best > -np.inf:
        return -1, 0.0
    return (to if best > rules[c, THRESHOLD] else -1), best


@njit(cache=True)
def interval_row(rules, c, score, u, draw, choice):  # type: ignore[no-untyped-def]
    """How long the part of [0, 1) is in which a unit's draw gives a cell, -1 control; not cut at 0.

    `solver/ties.py` has the reason: each score falls along a line as the draw grows.
    """
    k = score.shape[1]
    rates, threshold = HEAD + int(rules[c, M]) + int(rules[c, Q]), rules[c, THRESHOLD]
    speed = 0.0 if choice < 0 else rules[c, rates + choice]
    own = threshold if choice < 0 else score[u, choice] + draw * speed
    least, most = 0.0, 1.0
    for rival in range(k + 1):
        other = 0.0 if rival == k else rules[c, rates + rival]
        lead = own - (threshold if rival == k else score[u, rival] + draw * other)
        faster = speed - other  # > 0: it falls behind as the draw grows
        if faster != 0.0:
            edge = lead / faster
            if faster > 0.0 and (edge < most or np.isnan(edge)):
                most = edge
            if faster < 0.0 and (edge > least or np.isnan(edge)):
                least = edge
    return most - least


@njit(cache=True, inline="always")
def choose_row(  # type: ignore[no-untyped-def]
    rules, c, weights, s, values, errors, u, cost, i, open_to, o, draw, previous, out
):
    """The choice, its score and its probability, whether low prices made it; scores to out[u]."""
    share = rules[c, LOW_SHARE]
    drawn = 1 if draw < share else 0
    other, choice, best = -1, -1, 0.0
    for side in (1 - drawn, drawn):
        if share > 0.0 or side == drawn:
            other = choice
            score_row(
                rules, c, weights, s, values, errors, u, cost, i, open_to, o, draw, previous, side,
                out,
            )  # fmt: skip
            choice, best = best_row(rules, c, values, errors, u, cost, i, out)
    chance = 1.0
    if rules[c, TIE] != 0.0:
        chance = interval_row(rules, c, out, u, draw, choice)
        if chance < LEAST:
            chance = LEAST
        elif chance > 1.0:
            chance = 1.0
    elif share > 0.0 and other != choice:
        chance = share if drawn else 1.0 - share
    return choice, best, chance, drawn == 1


@njit(cache=True)
def intervals_one(rules, c, score, draw, chance):  # type: ignore[no-untyped-def]
    """chance (1 + k,): of each cell over all draws, by a unit's scores (k,) under its own."""
    for a in range(-1, len(score)):
        length = 0.0
        if a < 0 or score[a] > -np.inf:
            length = interval_row(rules, c, score.reshape(1, len(score)), 0, draw, a)
        chance[1 + a] = min(max(length, 0.0), 1.0)


@njit(cache=True)
def share_row(shares, open_to, choice):  # type: ignore[no-untyped-def]
    """A choice that was drawn by shares (k,), control in place of what is closed; and its chance.

    open_to : (k,), or (0,) where all are.
    """
    total = 0.0
    for a in range(len(shares)):
        if len(open_to) == 0 or open_to[a]:
            total += shares[a]
    if choice >= 0 and (len(open_to) == 0 or open_to[choice]):
        return choice, shares[choice]
    return -1, max(0.0, 1.0 - total)


@njit(cache=True)
def share_one(shares, open_to, choice):  # type: ignore[no-untyped-def]
    """`share_row` of one unit."""
    return share_row(shares, open_to, choice)


@njit(cache=True)
def share_all(shares, open_to, choice, chance):  # type: ignore[no-untyped-def]
    """`share_row` of n choices, in place.  open_to: (n, k), or (1, 0)."""
    for u in range(len(choice)):
        choice[u], chance[u] = share_row(shares, open_to[u if len(open_to) > 1 else 0], choice[u])


@njit(cache=True)
def decide_one(rules, c, weights, values, errors, cost, open_to, draw, previous, out):  # type: ignore[no-untyped-def]
    """What is wrong with one unit, `GOOD` where nothing is; and `choose_row` of it, by its arrays
    without the axis of units.
    """
    wrong = check_row(rules[c], weights, values, errors, cost, open_to, previous)
    if wrong != GOOD:
        return wrong, -1, 0.0, 0.0, False
    k, metrics = values.shape
    one = (1, k, metrics)
    choice, best, chance, low = choose_row(
        rules, c, weights.reshape(1, len(weights)), 0, values.reshape(one), errors.reshape(one),
        0, cost.reshape(1, k), 0, open_to.reshape(1, len(open_to)), 0, draw, previous,
        out.reshape(1, k),
    )  # fmt: skip
    return wrong, choice, best, chance, low


@njit(cache=True)
def decide_all(  # type: ignore[no-untyped-def]
    rules, codes, weights, which, values, errors, cost, open_to, draws, previous, choice, best,
    chance, low, score,
):  # fmt: skip
    """`choose_row` of n units, into (n,) arrays, and the scores into ``score`` (n, k).

    codes, which (n,): whose rules and weights; draws and previous (n,), or (1,) for all.
    """
    for u in range(len(codes)):
        choice[u], best[u], chance[u], low[u] = choose_row(
            rules, codes[u], weights, which[u], values, errors, u, cost, u if len(cost) > 1 else 0,
            open_to, u if len(open_to) > 1 else 0, draws[u if len(draws) > 1 else 0],
            previous[u if len(previous) > 1 else 0], score,
        )  # fmt: skip


@njit(cache=True)
def score_all(  # type: ignore[no-untyped-def]
    rules, codes, weights, which, values, errors, cost, open_to, draws, previous, score
):
    """`score_row` of n units by the usual prices, into ``score`` (n, k); see `decide_all`."""
    for u in range(len(codes)):
        score_row(
            rules, codes[u], weights, which[u], values, errors, u, cost, u if len(cost) > 1 else 0,
            open_to, u if len(open_to) > 1 else 0, draws[u if len(draws) > 1 else 0],
            previous[u if len(previous) > 1 else 0], 0, score,
        )  # fmt: skip
