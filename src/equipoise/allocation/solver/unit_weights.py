"""Units that count so many times: with a weight w its value and all it uses are w times those of
one unit, so a unit of weight 2 is two units alike that get the same.

    w score = w value - sum_q table[q] (w quantity_q)

A positive factor moves no choice: the prices of weighted units are those of the rule that decides
one by one, offline and online, without weights.  So scores, thresholds and draws are those of one
unit, and only what a choice is worth and uses counts the weights.  Offers count 1 each without a
column of their own; weighted they get one, w.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.solver.compile import FIRST_METRIC, Rows
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.solver.ties import break_ties
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

OFFERS = 0  # of quantities


def check_weight(weight: ArrayLike, n: int) -> Floats:
    """Weights of n units, (n,), each above 0."""
    array = np.asarray(weight, np.float64)
    if array.shape != (n,):
        raise InputError("weight", f"have one number per unit, ({n},)", array.shape)
    good = np.isfinite(array) & (array > 0)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError("weight", "be above 0", array[row], f"row {row}", "drop the unit")
    return array


def weighted_heads(rows: Rows, weight: Floats) -> Rows:
    """The rows with bounds per head times the weight of the units that they count."""
    for demand in rows.demands:
        if demand.kind == "parity":
            fix = "drop the weights, or cap the groups' offers"
            raise InputError("weights", "come without parity", demand.name, fix=fix)
    counted = rows.support @ np.bincount(rows.codes, weight, rows.coefficient.shape[1])
    per_head = np.array([demand.per_head for demand in rows.demands], np.bool_)
    heads = np.where(per_head, counted, 1.0)
    bounds = np.array([demand.bound for demand in rows.demands], np.float64) * heads
    return replace(rows, heads=heads, bounds=bounds)


def weighted_units(problem: Problem, weight: Floats) -> Problem:
    """The problem in which each unit counts so many times."""
    n, k = problem.value.shape
    each, rows = weight[:, None], problem.rows
    offers = rows.quantity == OFFERS
    cube = np.empty((n, k, 0))
    if len(problem.columns):
        cube = problem.cube[:, :, problem.columns] * each[:, :, None]
    quantity = rows.quantity
    if offers.any():
        quantity = np.where(offers, FIRST_METRIC + cube.shape[2], quantity)
        column = np.broadcast_to(each[:, :, None], (n, k, 1))
        cube = np.concatenate([cube, column], axis=2)
    columns = np.arange(cube.shape[2])
    return replace(
        problem,
        value=problem.value * each,
        cost=np.ascontiguousarray(np.broadcast_to(problem.cost, (n, k)) * each),
        cube=np.ascontiguousarray(cube) if len(columns) else problem.cube,
        columns=columns,
        rows=replace(rows, quantity=quantity, columns=columns),
        weight=weight,
        single=problem,
    )


def ties_broken(problem: Problem, penalty: float, draws: Floats) -> Problem:
    """The problem whose worths are less the penalties of the units' draws, (n,)."""
    one = problem if problem.single is None else problem.single
    one = replace(one, value=break_ties(one.value, penalty, draws))
    return one if problem.weight is None else weighted_units(one, problem.weight)
