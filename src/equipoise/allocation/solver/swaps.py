"""Trade: pairs of switches that gain value together and together exceed no row, where one alone
does not fit.

A budget that is nearly spent leaves no room for a single dearer candidate; one unit down and
another up use the rest. All pairs of the switches that lose least in score are tried, so the cost
does not grow with the number of units.
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.kernels import losses, weigh_switches
from equipoise.allocation.solver.problem import Choice
from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit

SWITCHES = 2000  # those that lose least; all pairs of them are tried
PASSES = 10  # over all pairs
LEAST = 1e-12  # gains below this part of the gap are rounding


Arrays = tuple[Floats, Floats, Floats, Ints, Floats, Ints, Floats, Ints, Ints, Ints, Choice]


def trade(arrays: Arrays, slack: Floats, gap: float, enough: float) -> None:
    """Change the choice and the slack (m,), in place, until ``gap`` <= ``enough`` or nothing gains.

    arrays : value, cost, cube, columns, table, codes, coefficient, quantity, start, row, choice.
    gap : what the value may still gain; a switch that loses more in score is no part of that.
    """
    value, codes, (start, row, choice) = arrays[0], arrays[5], arrays[8:]
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
        gained = take_pairs(unit, to, codes, start, row, gain, more, slack, choice, LEAST * gap)
        if gained <= LEAST * gap:
            break
        gap -= gained


@njit(cache=True)
def take_pairs(unit, to, codes, start, row, gain, more, slack, choice, least):  # type: ignore[no-untyped-def]
    """For each switch in turn take the best partner, or it alone, that gains and fits; the value
    gained.
    """
    busy = np.zeros(len(choice), np.bool_)
    total = 0.0
    for i in range(len(unit)):
        if busy[unit[i]]:
            continue
        best = least
        partner = -1
        c = codes[unit[i]]
        if gain[i] > best and fit(row, start[c], start[c + 1], more[i], more[i], 0.0, slack):
            best = gain[i]
            partner = i
        for j in range(len(unit)):
            together = gain[i] + gain[j]
            if together <= best or unit[j] == unit[i] or busy[unit[j]]:
                continue
            d = codes[unit[j]]
            if fit(row, start[c], start[c + 1], more[i], more[j], 1.0, slack) and fit(
                row, start[d], start[d + 1], more[i], more[j], 1.0, slack
            ):
                best = together
                partner = j
        if partner < 0:
            continue
        total += best
        choice[unit[i]] = to[i]
        busy[unit[i]] = True
        slack -= more[i]
        if partner != i:
            choice[unit[partner]] = to[partner]
            busy[unit[partner]] = True
            slack -= more[partner]
    return total


@njit(cache=True, inline="always")
def fit(row, first, end, one, other, times, slack):  # type: ignore[no-untyped-def]
    """Whether a switch and ``times`` another exceed none of some rows."""
    e = first
    while e < end and one[row[e]] + times * other[row[e]] <= slack[row[e]]:
        e += 1
    return e == end
