"""The best mixes of shares for some clusters at once, under demands that couple them.

    max  sum_c n_c [ sum_k v_ck(s_ck) + sum_p x_cp h_ci h_cj ]     h = s - today, pair p = (i, j)
    s.t. sum_k s_ck = 1 in every cluster,   s_ck within its grid
         for each demand:   sum_c n_c sum_k u_ck(s_ck) <= bound    (or in every cluster)

Curves v and u are piecewise linear on a grid.  As a linear program with a weight a grid point it is
exact where the curves are concave (u convex).  Where an optimum mixes points that are not
neighbours, whole numbers make it keep to one piece of that curve (SOS2; Beale & Tomlin 1970), so
the mix is exact for any curve; the first program's value stays as the bound.  Products of moves are
made linear around the mix so far and walked along while they gain (Frank & Wolfe 1956), which finds
a local best. Prices are the duals of the demands: what the objective gains per head for one more
unit of the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import block_diag, csr_array, hstack, kron, vstack

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InfeasibleError, InputError
from equipoise.core.kernels import njit

ROUNDS, WALKS = 30, 30  # of keeping curves to one piece; of products made linear
TINY = 1e-7  # less than this is rounding
STEPS = np.linspace(0.0, 1.0, 21)[1:]  # tried along a walk
SLACK = 1e-9
OUT_OF_TIME = 1  # what scipy's milp gives as its status
GAP, SECONDS = 1e-3, 60.0  # of the program in whole numbers: what it may leave, and at most so long


@shown
@dataclass(frozen=True)
class MixDemand:
    """A bound on what mixes use, on average over the units or in every cluster.

    Attributes
    ----------
    name : str
        What errors call it.
    usage : array, (C, K, G)
        What a unit uses at each grid point.
    bound : float
        The most that may be used per head.
    each : bool, default False
        Whether it holds in every cluster instead of on average.

    Examples
    --------
    >>> inventory = MixDemand("film", np.linspace(0, 1, 3)[None, None], 0.4)
    >>> inventory.usage.shape, inventory.bound
    ((1, 1, 3), 0.4)
    """

    name: str
    usage: Floats
    bound: float
    each: bool = False


@shown
@dataclass(frozen=True)
class MixProblem:
    """The mixes to choose: K categories in C clusters, curves on grids of G points.

    Attributes
    ----------
    grid : array, (C, K, G)
        Rising shares that each category may have in each cluster.
    worth : array, (C, K, G)
        The curves: worth per head at each grid point.
    size : array, (C,)
        The share of units in each cluster, > 0.
    today : array, (C, K)
        Today's mixes, within the grid, each with a sum of 1.
    demands : sequence of MixDemand, default ()
        What mixes may use.
    pairs : array of int, (P, 2), default none
        Categories whose moves multiply.
    cross : array, (C, P), or None, default None
        The worth of each product.

    Examples
    --------
    >>> grid = np.linspace(0, 1, 3)[None, None].repeat(2, axis=1)
    >>> problem = MixProblem(grid, grid**2, np.ones(1), np.full((1, 2), 0.5))
    >>> problem.pairs.shape
    (0, 2)
    """

    grid: Floats
    worth: Floats
    size: Floats
    today: Floats
    demands: Sequence[MixDemand] = ()
    pairs: Ints = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    cross: Floats | None = None


@shown
@dataclass(frozen=True)
class Mixes:
    """The mixes, what they are worth and what they use.

    Attributes
    ----------
    shares : array, (C, K)
        The mix of each cluster.
    value : float
        The objective per head.
    bound : float or None
        No mixes are worth more; None with products.
    used : list of array
        What each demand counts, (its rows,).
    prices : list of array
        The dual of each demand, (its rows,).
    """

    shares: Floats
    value: float
    bound: float | None
    used: list[Floats]
    prices: list[Floats]


def best_mixes(problem: MixProblem) -> Mixes:
    """Find the best mixes within the demands.

    Parameters
    ----------
    problem : MixProblem
        The curves, today's mixes and the demands.

    Returns
    -------
    Mixes
        Exact up to the tolerance of the integer program without products, a local best with them.

    Raises
    ------
    InfeasibleError
        Where no mix meets the demands.
    InputError
        Where shapes do not fit, or none was found in time.

    References
    ----------
    Beale and Tomlin (1970) for curves kept to one piece; Frank and Wolfe (1956) for products.

    Examples
    --------
    >>> grid = np.linspace(0, 1, 11)[None, None].repeat(2, axis=1)
    >>> hill = np.stack([-(grid[0, 0] - 0.7) ** 2, 0 * grid[0, 1]])[None]
    >>> problem = MixProblem(grid, hill, np.ones(1), np.full((1, 2), 0.5))
    >>> best_mixes(problem).shares.round(6).tolist()
    [[0.7, 0.3]]
    """
    _check(problem)
    cross = np.zeros((len(problem.size), 0)) if problem.cross is None else problem.cross
    shares, prices, bound = _additive_mixes(problem, problem.worth)
    if not cross.any():
        return _answer(problem, cross, shares, prices, bound)
    best = max(
        (_walk(problem, cross, start) for start in _starts(problem, shares)),
        key=lambda walk: walk[0],
    )
    return _answer(problem, cross, best[1], best[2], None)


def _starts(problem: MixProblem, shares: Floats) -> list[Floats]:
    """Where walks begin: the best without products, and today's mix where it meets the demands."""
    feasible = all(
        (usage <= d.bound + SLACK).all()
        for d, usage in zip(problem.demands, _usage(problem, problem.today), strict=True)
    )
    return [shares, problem.today] if feasible else [shares]


def _walk(problem: MixProblem, cross: Floats, shares: Floats) -> tuple[float, Floats, list[Floats]]:
    """From one mix to a local best: its objective, the mix and the prices."""
    value, prices = (
        _objective(problem, cross, shares),
        [np.zeros(len(usage)) for usage in _usage(problem, shares)],
    )
    for _ in range(WALKS):
        aim, prices = _relaxation(problem, problem.worth + _slopes(problem, cross, shares))
        ways = [(1 - step) * shares + step * aim for step in STEPS]
        worths = [
            _objective(problem, cross, way) if _meets_demands(problem, way) else -np.inf
            for way in ways
        ]
        at = int(np.argmax(worths))
        if worths[at] <= value + SLACK:
            break
        value, shares = worths[at], ways[at]
    return value, shares, prices


def _meets_demands(problem: MixProblem, shares: Floats) -> bool:
    return all(
        (usage <= d.bound + 1e-7).all()
        for d, usage in zip(problem.demands, _usage(problem, shares), strict=True)
    )


def _slopes(problem: MixProblem, cross: Floats, shares: Floats) -> Floats:
    """The products made linear around some mixes, as curves (C, K, G)."""
    move, slope = shares - problem.today, np.zeros_like(shares)
    first, second = problem.pairs.T
    for p in range(len(problem.pairs)):
        slope[:, first[p]] += cross[:, p] * move[:, second[p]]
        slope[:, second[p]] += cross[:, p] * move[:, first[p]]
    curves: Floats = slope[:, :, None] * (problem.grid - problem.today[:, :, None])
    return curves


@njit(cache=True, nogil=True)
def _at(grid, curves, shares):  # type: ignore[no-untyped-def]
    """Piecewise linear curves (C, K, G) at shares, (C, K): `np.interp` of every curve."""
    C, K, G = grid.shape
    values = np.empty((C, K))
    for c in range(C):
        for k in range(K):
            x, curve, share = grid[c, k], curves[c, k], shares[c, k]
            piece = np.searchsorted(x, share, side="right") - 1
            if piece < 0:
                values[c, k] = curve[0]
            elif piece == G - 1 or x[piece] == share:
                values[c, k] = curve[piece]
            else:
                slope = (curve[piece + 1] - curve[piece]) / (x[piece + 1] - x[piece])
                values[c, k] = slope * (share - x[piece]) + curve[piece]
    return values


def _objective(problem: MixProblem, cross: Floats, shares: Floats) -> float:
    move = shares - problem.today
    joint = (cross * move[:, problem.pairs].prod(axis=2)).sum(axis=1) if len(problem.pairs) else 0.0
    return float(
        (problem.size * (_at(problem.grid, problem.worth, shares).sum(axis=1) + joint)).sum()
    )


def _usage(problem: MixProblem, shares: Floats) -> list[Floats]:
    """What each demand counts: per head, or in every cluster."""
    usages = []
    for demand in problem.demands:
        usage = _at(problem.grid, demand.usage, shares).sum(axis=1)
        usages.append(usage if demand.each else np.array([problem.size @ usage]))
    return usages


def _answer(
    problem: MixProblem, cross: Floats, shares: Floats, prices: list[Floats], bound: float | None
) -> Mixes:
    return Mixes(shares, _objective(problem, cross, shares), bound, _usage(problem, shares), prices)


def _relaxation(problem: MixProblem, worth: Floats) -> tuple[Floats, list[Floats]]:
    """Where the first program points to, and its prices: the aim of a step of a walk."""
    z, program = _solve(
        -(problem.size[:, None, None] * worth).ravel(),
        _rows(problem),
        np.ones(worth.size, np.bool_),
    )
    return _shares(problem, z), _prices(problem, program)


def _additive_mixes(problem: MixProblem, worth: Floats) -> tuple[Floats, list[Floats], float]:
    """The best mixes for additive curves, their prices, and the bound of the first program."""
    c = -(problem.size[:, None, None] * worth).ravel()
    rows = _rows(problem)
    z, program = _solve(c, rows, np.ones(c.shape, np.bool_))
    bound, loose = -program.fun, np.zeros(worth.shape[:2], np.bool_)
    for _ in range(ROUNDS):
        split = _split_curves(problem, worth, z.reshape(worth.shape))
        if not split.any():
            break
        loose |= split
        z = _whole(c, rows, loose, worth.shape)
        z, program = _solve(c, rows, _pieces(z.reshape(worth.shape), loose).ravel())
    return _shares(problem, z), _prices(problem, program), float(bound)


def _shares(problem: MixProblem, z: Floats) -> Floats:
    """The mixes that weights of grid points make, (C, K)."""
    mean = (problem.grid * z.reshape(problem.grid.shape)).sum(axis=2)
    shares: Floats = mean / mean.sum(axis=1, keepdims=True)
    return shares


def _prices(problem: MixProblem, program: Any) -> list[Floats]:
    """The duals of the demands."""
    prices, at = [], 0
    for demand in problem.demands:
        many = len(problem.size) if demand.each else 1
        prices.append(np.maximum(-program.ineqlin.marginals[at : at + many], 0.0))
        at += many
    return prices


class Rows(NamedTuple):
    """Equalities and inequalities on the weights of grid points, (C K G,)."""

    one: csr_array
    one_is: Floats
    less: csr_array | None
    less_is: Floats | None


def _rows(problem: MixProblem) -> Rows:
    """The rows of a problem."""
    C, K, G = problem.grid.shape
    weights = kron(csr_array(np.eye(C * K)), np.ones((1, G)))
    whole = block_diag([csr_array(problem.grid[c].reshape(1, -1)) for c in range(C)])
    one, one_is = vstack([weights, whole]).tocsr(), np.ones(C * K + C)
    rows, bounds = [], []
    for demand in problem.demands:
        if demand.each:
            rows.append(block_diag([csr_array(demand.usage[c].reshape(1, -1)) for c in range(C)]))
            bounds += [demand.bound] * C
        else:
            rows.append(csr_array((problem.size[:, None, None] * demand.usage).reshape(1, -1)))
            bounds.append(demand.bound)
    return Rows(
        one, one_is, vstack(rows).tocsr() if rows else None, np.array(bounds) if rows else None
    )


def _solve(c: Floats, rows: Rows, open_points: Bools) -> tuple[Floats, Any]:
    """The linear program on the points that are open."""
    # 1 would take the demands' price
    bounds = np.column_stack([np.zeros(len(c)), np.where(open_points, np.inf, 0.0)])
    program = linprog(
        c,
        A_ub=rows.less,
        b_ub=rows.less_is,
        A_eq=rows.one,
        b_eq=rows.one_is,
        bounds=bounds,
        method="highs",
    )
    if program.status != 0:
        raise _impossible(program.message)
    return program.x, program


def _split_curves(problem: MixProblem, worth: Floats, z: Floats) -> Bools:
    """The curves whose weighted points promise more worth, or less usage, than the curve has at
    their mean, (C, K).
    """
    shares = (problem.grid * z).sum(axis=2)
    split: Bools = (worth * z).sum(axis=2) - _at(problem.grid, worth, shares) > TINY
    for demand in problem.demands:
        split |= _at(problem.grid, demand.usage, shares) - (demand.usage * z).sum(axis=2) > TINY
    return split


def _pieces(z: Floats, loose: Bools) -> Bools:
    """The points that stay open, (C, K, G): of the curves kept to one piece only its two ends."""
    open_points = np.ones(z.shape, np.bool_)
    for c, k in zip(*np.nonzero(loose), strict=True):
        heaviest = int(np.argmax(z[c, k, :-1] + z[c, k, 1:]))
        open_points[c, k] = False
        open_points[c, k, heaviest : heaviest + 2] = True
    return open_points


def _whole(c: Floats, rows: Rows, loose: Bools, shape: tuple[int, ...]) -> Floats:
    """The same with whole numbers that keep the loose curves to one piece each."""
    G = shape[2]
    curves = np.flatnonzero(loose.ravel())
    N, B = len(c), len(curves) * (G - 1)
    pieces = kron(csr_array(np.eye(len(curves))), np.ones((1, G - 1)))
    near = np.zeros((G, G - 1))  # a point may have weight where a piece beside it is taken
    near[np.arange(G - 1), np.arange(G - 1)] = near[np.arange(1, G), np.arange(G - 1)] = 1.0
    place = (curves[:, None] * G + np.arange(G)).ravel()
    weight = csr_array((np.ones(len(place)), (np.arange(len(place)), place)), (len(place), N))
    ties = hstack([weight, -kron(csr_array(np.eye(len(curves))), near)])
    rules = [
        LinearConstraint(
            hstack([rows.one, csr_array((rows.one.shape[0], B))]), rows.one_is, rows.one_is
        ),
        LinearConstraint(hstack([csr_array((len(curves), N)), pieces]), 1, 1),
        LinearConstraint(ties, -np.inf, 0),
    ]
    if rows.less is not None:
        rules.append(
            LinearConstraint(
                hstack([rows.less, csr_array((rows.less.shape[0], B))]), -np.inf, rows.less_is
            )
        )
    program = milp(
        np.r_[c, np.zeros(B)],
        integrality=np.r_[np.zeros(N), np.ones(B)],
        bounds=Bounds(0, 1),
        constraints=rules,
        options={"mip_rel_gap": GAP, "time_limit": SECONDS},
    )
    if program.x is None and program.status == OUT_OF_TIME:
        fix = "take fewer clusters or parts, a coarser grid or a narrower movement limit"
        raise InputError(
            "the search for whole mixes", f"end in {SECONDS:g} s", "no mix yet", "", fix
        )
    if program.x is None:
        raise _impossible(program.message)
    weights: Floats = program.x[:N]
    return weights


def _impossible(message: str) -> InfeasibleError:
    fix = "loosen a floor, an inventory, a joint cap or the movement limit"
    return InfeasibleError("some mix", "meet all demands at once", message, fix=fix)


def _check(problem: MixProblem) -> None:
    """Refuse shapes that do not fit, and a today's mix that is none."""
    C, K, G = problem.grid.shape
    shapes = {
        "worth": (problem.worth.shape, (C, K, G)),
        "size": (problem.size.shape, (C,)),
        "today": (problem.today.shape, (C, K)),
        **{f"the usage of {d.name!r}": (d.usage.shape, (C, K, G)) for d in problem.demands},
    }
    for what, (shape, must) in shapes.items():
        if shape != must:
            raise InputError(what, f"have shape {must}", shape)
    if (np.diff(problem.grid, axis=2) < 0).any():
        raise InputError("the grid", "rise", "a falling one")
    if np.abs(problem.today.sum(axis=1) - 1).max() > 1e-6:
        raise InputError("today's mixes", "sum to 1", problem.today.sum(axis=1).tolist())
