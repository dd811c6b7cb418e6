"""Trade: pairs of switches that gain value together and together exceed no row, where one alone does not fit.

A budget that is nearly spent leaves no room for a single dearer candidate; one unit down and another up use the rest.
All pairs of the switches that lose least in score are tried, so the cost does not grow with the number of units.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from equipoise.allocation.problem import Choice
from equipoise.allocation.rule import priced
from equipoise.core.arrays import Floats, Ints

SWITCHES = 2000
PASSES = 10
LEAST = 1e-12  # gains below this part of the gap are rounding


Arrays = tuple[Floats, Floats, Floats, Ints, Floats, Ints, Floats, Ints, Choice]


def trade(arrays: Arrays, slack: Floats, gap: float, enough: float) -> None:
    """Change the choice and the slack (m,), in place, until ``gap`` <= ``enough`` or nothing gains.

    arrays : value, cost, cube, columns, table, codes, coefficient, quantity, choice.
    gap : what the value may still gain; a switch that loses more in score is no part of that.
    """
    value, choice = arrays[0], arrays[-1]
    for _ in range(PASSES):
        if gap <= enough:
            break
        loss = np.empty((len(value), value.shape[1] + 1))
        losses(*arrays[:6], choice, loss)
        flat = loss.ravel()
        near = np.flatnonzero(flat <= gap)
        near = near[np.argsort(flat[near], kind="stable")[:SWITCHES]]
        unit, to = near // loss.shape[1], (near % loss.shape[1] - 1).astype(np.int16)
        gain, more = np.empty(len(near)), np.empty((len(near), len(slack)))
        weigh_switches(*arrays, unit, to, gain, more)
        gained = take_pairs(unit, to, gain, more, slack, choice, LEAST * gap)
        if gained <= LEAST * gap:
            break
        gap -= gained


@njit(cache=True)
def losses(value, cost, cube, columns, table, codes, choice, loss):  # type: ignore[no-untyped-def]
    """loss (n, 1 + k): what switching to control (first) or each candidate loses in score; inf for the choice itself."""
    for u in range(len(choice)):
        now = choice[u]
        score_now = priced(value, cost, cube, columns, table, u, now, codes[u]) if now >= 0 else 0.0
        loss[u, 0] = score_now
        for a in range(value.shape[1]):
            loss[u, 1 + a] = score_now - priced(value, cost, cube, columns, table, u, a, codes[u])
        loss[u, 1 + now] = np.inf


@njit(cache=True)
def weigh_switches(  # type: ignore[no-untyped-def]
    value, cost, cube, columns, table, codes, coefficient, quantity, choice, unit, to, gain, more
):
    """The value each switch gains, (s,), and the usage it adds to each row, (s, m)."""
    for i in range(len(unit)):
        u = unit[i]
        gain[i] = 0.0
        more[i] = 0.0
        for a, sign in ((to[i], 1.0), (choice[u], -1.0)):
            if a < 0:
                continue
            gain[i] += sign * value[u, a]
            for r in range(len(quantity)):
                q = quantity[r]
                x = 1.0
                if q == 1:
                    x = cost[u if cost.shape[0] > 1 else 0, a]
                elif q > 1:
                    x = cube[u, a, columns[q - 2]]
                more[i, r] += sign * coefficient[r, codes[u], a] * x


@njit(cache=True)
def take_pairs(unit, to, gain, more, slack, choice, least):  # type: ignore[no-untyped-def]
    """For each switch in turn take the best partner, or it alone, that gains and fits; the value gained."""
    changed = np.zeros(len(choice), np.bool_)
    total = 0.0
    for i in range(len(unit)):
        if changed[unit[i]]:
            continue
        best = least
        partner = -1
        if gain[i] > best and fits(more[i], slack):
            best = gain[i]
            partner = i
        for j in range(len(unit)):
            together = gain[i] + gain[j]
            if together > best and unit[j] != unit[i] and not changed[unit[j]] and both_fit(more[i], more[j], slack):
                best = together
                partner = j
        if partner < 0:
            continue
        total += best
        choice[unit[i]] = to[i]
        changed[unit[i]] = True
        slack -= more[i]
        if partner != i:
            choice[unit[partner]] = to[partner]
            changed[unit[partner]] = True
            slack -= more[partner]
    return total


@njit(cache=True)
def fits(more, slack):  # type: ignore[no-untyped-def]
    """Whether a switch exceeds nothing."""
    room = True
    for r in range(len(slack)):
        room = room and more[r] <= slack[r]
    return room


@njit(cache=True)
def both_fit(one, other, slack):  # type: ignore[no-untyped-def]
    """Whether two switches together exceed nothing."""
    r = 0
    while r < len(slack) and one[r] + other[r] <= slack[r]:
        r += 1
    return r == len(slack)
