"""A rule within demands: each enters by its price, and the rule that is taken is measured.

    maximise  value(rule)   subject to   used_r(rule) <= bound_r
    dual      L(prices) = max over rules of value - prices . used, + prices . bounds

Rules are few and coarse, so the best within the demands may lie below the dual; the difference is
the certificate.  The dual is minimised by cutting planes (Kelley 1960): each rule found is a plane,
the next prices are lowest on all of them.  Every rule met on the way is measured, and the best that
keeps all demands is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import linprog

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InfeasibleError, InputError

TURNS = 40  # of cutting planes at most
SLACK = 1e-9  # of a bound: a use so little above it is rounding
WIDEN = 100.0  # times the worth of all gains: prices of a demand's whole use


@shown
@dataclass(frozen=True)
class Demands:
    """What a rule may use of some units.

    Attributes
    ----------
    usage : array, (m, u, k)
        What each candidate uses of each demand for each unit; control uses nothing.
    bounds : array, (m,)
        The most that may be used in all; negative where something must be reached.
    names : tuple of str
        The m names.

    Examples
    --------
    >>> import numpy as np
    >>> demands = Demands(np.ones((1, 4, 1)), np.array([2.0]), ("offers",))
    >>> demands.used(np.array([0, -1, 0, 0])).tolist()
    [3.0]
    """

    usage: Floats
    bounds: Floats
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.bounds)

    def used(self, choice: Ints) -> Floats:
        """What a choice uses of each demand, (m,).

        Parameters
        ----------
        choice : array of int, shape (u,)
            -1 control, a candidate a.

        Returns
        -------
        array, (m,)
            In the units of the bounds.
        """
        rows = np.flatnonzero(choice >= 0)
        used: Floats = self.usage[:, rows, choice[rows]].sum(axis=1)
        return used

    def kept(self, used: Floats) -> bool:
        """Whether all demands hold.

        Parameters
        ----------
        used : array, (m,)
            What `used` gave.

        Returns
        -------
        bool
            Up to rounding.
        """
        size = np.maximum(np.abs(self.bounds), np.abs(self.usage).max(axis=(1, 2), initial=0.0))
        return bool((used <= self.bounds + SLACK * size).all())

    def priced(self, prices: Floats) -> Floats:
        """What each candidate's use costs at prices, (u, k).

        Parameters
        ----------
        prices : array, (m,)
            Of a unit of each demand.

        Returns
        -------
        array, (u, k)
            To be taken from gains.
        """
        return np.tensordot(prices, self.usage, axes=1)


Rule = TypeVar("Rule")


@dataclass(frozen=True)
class Candidate(Generic[Rule]):
    """A rule with its value and what it uses of each demand, (m,)."""

    rule: Rule
    value: float
    used: Floats


@dataclass(frozen=True)
class Search(Generic[Rule]):
    """What a search came to.

    Attributes
    ----------
    best : the best rule that keeps all demands.   bound : no rule is worth more.   prices : (m,) at
        the bound.   near : rules that are best at or near these prices, the demands kept or not.
    """

    best: Candidate[Rule] | None
    bound: float
    prices: Floats
    near: tuple[Candidate[Rule], ...]


def best_within(
    demands: Demands | None, gains: Floats, best_at: Callable[[Floats], Candidate[Rule]]
) -> Search[Rule]:
    """The best rule within demands.   best_at: prices (m,) -> the rule that is best at them.

    gains: (n, k), by whose size prices are bounded.
    """
    m = 0 if demands is None else len(demands)
    first = best_at(np.zeros(m))
    if demands is None or demands.kept(first.used):
        return Search(first, first.value, np.zeros(m), (first,))
    scale = np.maximum(np.abs(demands.usage).max(axis=2).sum(axis=1), 1e-300)
    most = WIDEN * max(float(np.maximum(gains, 0.0).max(axis=1, initial=0.0).sum()), 1e-12)
    met, bound, at = [first], np.inf, np.zeros(m)
    for _ in range(TURNS):
        prices, low = _lowest(met, demands.bounds, scale, most)
        if np.isfinite(bound) and low >= bound - 1e-9 * max(abs(bound), 1e-12):
            break
        rule = best_at(prices)
        height = rule.value - float(prices @ (rule.used - demands.bounds))
        met.append(rule)
        if height < bound:
            bound, at = height, prices
    kept = [one for one in met if demands.kept(one.used)]
    best = max(kept, key=lambda one: one.value, default=None)
    near = sorted(met, key=lambda one: at @ (one.used - demands.bounds) - one.value)
    return Search(best, bound, at, tuple(near[: m + 2]))


def _lowest(
    met: Sequence[Candidate[Rule]], bounds: Floats, scale: Floats, most: float
) -> tuple[Floats, float]:
    """Prices where the highest of all planes is lowest, and its height."""
    slopes = np.array([(one.used - bounds) / scale for one in met])
    values = np.array([one.value for one in met])
    rows = np.column_stack([-np.ones(len(met)), -slopes])
    whole = max(np.abs(values).max(), most / WIDEN, 1e-12)
    limits = [(None, None), *([(0.0, most / whole)] * len(bounds))]
    cost = np.zeros(1 + len(bounds))
    cost[0] = 1.0
    solved = linprog(cost, A_ub=rows, b_ub=-values / whole, bounds=limits, method="highs")
    return np.maximum(solved.x[1:], 0.0) * whole / scale, float(solved.x[0]) * whole


def check_demands(demands: Demands, candidates: int) -> None:
    """Refuse demands of other shapes."""
    shape = (len(demands.names), *demands.usage.shape[1:2], candidates)
    if demands.usage.shape != shape or demands.bounds.shape != shape[:1]:
        got = f"usage {demands.usage.shape}, bounds {demands.bounds.shape}"
        raise InputError("demands", f"be usage (m, u, {candidates}) and bounds (m,)", got)


def beyond(names: tuple[str, ...], kind: str) -> InfeasibleError:
    """No rule of a kind keeps the demands."""
    fix = "loosen a demand, or ask for a deeper tree"
    return InfeasibleError(", ".join(map(repr, names)), f"hold under a {kind}", "none", fix=fix)
