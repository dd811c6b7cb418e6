"""Which demands cannot hold together: a certificate, and its rows by name.

Without a value to gain, g is homogeneous; prices with g(prices) < 0 prove that no choice meets the
demands (Farkas), since any feasible choice would make g >= 0.  The rows with a price in it are in
conflict; a row that the proof does without is dropped.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.allocation.solver.bundle import Cuts, minimise
from equipoise.allocation.solver.compile import Rows
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.minimum import Scale
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Floats
from equipoise.core.errors import InfeasibleError

SURE = -1e-9  # a certificate, as a share of the rows' potential usage
CLOSE = 1e-7


def conflict(problem: Problem) -> list[int]:
    """The rows that cannot hold together, none of them needless; empty if all hold, were units
    divisible.
    """
    free = replace(problem, value=np.zeros_like(problem.value))
    rows = _certificate(free, list(range(len(problem.rows))))
    for r in list(rows):
        without = _certificate(free, [other for other in rows if other != r]) if r in rows else []
        rows = without or rows
    return rows


def _certificate(free: Problem, indices: list[int]) -> list[int]:
    """Rows among ``kept`` whose prices prove that they cannot hold together; empty if they can."""
    if not indices:
        return []
    part = replace(free, rows=free.rows.only(indices))
    height = Scale(1.0, part.potential()).function(part)
    start = np.full(len(indices), 1.0 / len(indices))
    minimum = minimise(
        height, start, Cuts(), tol=CLOSE, floor=1.0, box=1.0, below=SURE, simplex=True
    )
    if minimum.height >= SURE:
        return []
    return [r for r, y in zip(indices, minimum.y.tolist(), strict=True) if y > 0]


def beyond_prices(rows: Rows, usage: Floats) -> InfeasibleError:
    """The error that single choices hold the demands together, but no rule by prices was found that
    does.   usage: (m,) by the prices that come nearest.
    """
    over = [
        (demand.name, float(total - bound))
        for demand, total, bound in zip(rows.demands, usage, rows.bounds, strict=True)
        if total > bound
    ]
    return InfeasibleError(
        " and ".join(repr(name) for name, _ in over),
        "hold under one rule by prices",
        "prices that miss by " + " and ".join(f"{excess:.3g}" for _, excess in over),
        fix="loosen the demand by as much, or take single choices from allocate()",
    )


def infeasible(problem: Problem) -> InfeasibleError:
    """The error that names the rows in conflict and, for a floor, how much of it can be reached."""
    rows = conflict(problem)
    demands = problem.rows.demands
    if not rows:
        names = (
            " and ".join(
                repr(d.name) for d, b in zip(demands, problem.rows.bounds, strict=True) if b < 0
            )
            or "the demands"
        )
        return InfeasibleError(
            names,
            "leave room for whole units",
            "no choice that meets every demand was found",
            fix="loosen one of them a little",
        )
    names = " and ".join(repr(demands[r].name) for r in rows)
    floors = [r for r in rows if demands[r].metric is not None and demands[r].sign < 0]
    reach = "no choice that meets them"
    if floors:
        reach = _reach(problem, floors[0], [r for r in rows if r != floors[0]])
    return InfeasibleError(
        f"demand{'s' if len(rows) > 1 else ''} {names}",
        "hold together" if len(rows) > 1 else "be attainable",
        reach,
        fix="loosen or leave out one of them" if len(rows) > 1 else "loosen it or leave it out",
    )


def _reach(problem: Problem, floor: int, others: list[int]) -> str:
    """How much of a floor can be had under the other rows."""
    rows, demand = problem.rows, problem.rows.demands[floor]
    column = problem.columns[rows.quantity[floor] - 2]
    coefficient = -rows.coefficient[floor][rows.codes]  # (n, k)
    value = np.ascontiguousarray(coefficient * problem.cube[:, :, column])
    best = solve_dual(replace(problem, value=value, rows=rows.only(others)), 1e-6).bound
    under = " with the others" if others else ""
    return (
        f"at most {best / rows.heads[floor]:.6g} of the {-demand.bound:.6g} asked for"
        f" {demand.name!r}{under}"
    )
