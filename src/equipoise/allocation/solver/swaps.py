"""Trade: pairs of switches that gain value together and together exceed no row, where one alone
does not fit.

A budget that is nearly spent leaves no room for a single dearer candidate; one unit down and
another up use the rest. All pairs of the switches that lose least in score are tried, so the cost
does not grow with the number of units.
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.kernels import losses, take_pairs, weigh_switches
from equipoise.allocation.solver.problem import Choice
from equipoise.core.arrays import Floats, Ints

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
