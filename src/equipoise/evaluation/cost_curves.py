"""What every budget buys: the gain of the best offers within a budget over the budget, with errors,
and the area between two such curves, from one sort.

Units have predicted worths v_ia and costs c_ia > 0 of k candidates.  With a price p on cost a unit
takes the largest v_ia - p c_ia, or control; as p falls from infinity it climbs the upper concave
envelope of its points (c_ia, v_ia) and (0, 0).  The steps of all units, sorted by their efficiency
dv / dc, are the path of the optimum over all budgets: a fractional knapsack, so the step at which a
budget ends is taken in part.

    G(B) = mean of the doubly robust gains of what units hold when the mean cost is B

The path is given by predictions that the rows which judge it have not made.  The influence value of
a unit at B is  phi_i - G - G'(B) (c_i - B),  with phi_i and c_i its gain and cost there, G' the
slope of the curve around B and 0 past the end of the path: the price moves with the sample so that
the budget is met.  That of an area is the integral of these over budgets, and of the difference of
two curves on the same rows their difference: it is paired.

Sverdrup, Wu, Athey & Wager (2023), Qini curves for multi-armed treatment rules, arXiv 2306.11979.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, Estimates, around
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.off_policy import Decisions, dr_parts

REACH = 0.05  # the slope at a budget is taken over this share of the path to either side
POINTS = 50  # budgets at which the influence on an area is integrated


@shown
@dataclass(frozen=True)
class CostCurve:
    """The gain over control per head that each budget per head buys.

    Attributes
    ----------
    budget : array, (s + 1,)
        The mean cost after each step of the path, from 0.
    gain : array, (s + 1,)
        The gain over control per head, in the metric's unit; between two steps it is a line, and
        past the last it stays.
    unit : array of int, (s,)
        The row that takes each step.
    steps : array, (s, 2)
        What the step adds to the row's gain and to its cost.
    rows : EvaluationData
        The rows that judge it.
    level : float
        Of the intervals.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> curve = cost_curve([[4], [3], [2], [-1]], [1], rows)
    >>> curve.budget.tolist()
    [0.0, 0.25, 0.5, 0.75]
    """

    budget: Floats
    gain: Floats
    unit: Ints
    steps: Floats
    rows: EvaluationData
    level: float

    def at(self, budget: ArrayLike) -> Estimates:
        """The gain that some budgets buy, with intervals.

        Parameters
        ----------
        budget : array-like, (b,)
            Per head, >= 0.

        Returns
        -------
        Estimates, (b,)
            In the metric's unit.

        Examples
        --------
        >>> from equipoise.evaluation import evaluation_data
        >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
        >>> curve = cost_curve([[4], [3], [2], [-1]], [1], rows)
        >>> curve.at([0.25, 9.0]).value.tolist() == curve.gain[[1, 3]].tolist()
        True
        """
        budgets = _budgets(budget)
        psi = np.column_stack([self._influence(b) for b in budgets])
        return self._estimates(self._value(budgets), psi)

    def area(self, most: float | None = None) -> Estimate:
        """The area under the curve up to a budget: the gain at a budget drawn evenly, times it.

        Parameters
        ----------
        most : float, optional
            The budget; by default that of the whole path.

        Returns
        -------
        Estimate
            In the metric's unit times that of the cost.

        Examples
        --------
        >>> from equipoise.evaluation import evaluation_data
        >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
        >>> curve = cost_curve([[4], [3], [2], [-1]], [1], rows)
        >>> bool(curve.area(0.25).value == curve.gain[1] / 8)
        True
        """
        end = float(self.budget[-1]) if most is None else float(_budgets([most])[0])
        psi = self._area_influence(end)
        return self._estimates(np.array([self._area(end)]), psi[:, None])[0]

    def gain_over(self, other: CostCurve, budget: ArrayLike) -> Estimates:
        """By how much this curve is above another of the same rows at some budgets, paired.

        Parameters
        ----------
        other : CostCurve
            The other curve.
        budget : array-like, (b,)
            Per head, >= 0.

        Returns
        -------
        Estimates, (b,)
            This one's gain less the other's.

        Raises
        ------
        InputError
            Where the two are not of the same rows.

        Examples
        --------
        >>> from equipoise.evaluation import evaluation_data
        >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
        >>> curve = cost_curve([[4], [3], [2], [-1]], [1], rows)
        >>> curve.gain_over(curve, [0.5]).high.tolist()
        [0.0]
        """
        self._refuse_other(other)
        budgets = _budgets(budget)
        psi = np.column_stack([self._influence(b) - other._influence(b) for b in budgets])
        return self._estimates(self._value(budgets) - other._value(budgets), psi)

    def area_over(self, other: CostCurve, most: float | None = None) -> Estimate:
        """The area between this curve and another of the same rows up to a budget, paired.

        Parameters
        ----------
        other : CostCurve
            The other curve.
        most : float, optional
            The budget; by default the longer path's.

        Returns
        -------
        Estimate
            This one's area less the other's.

        Raises
        ------
        InputError
            Where the two are not of the same rows.

        Examples
        --------
        >>> from equipoise.evaluation import evaluation_data
        >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
        >>> good = cost_curve([[4], [3], [2], [-1]], [1], rows)
        >>> bad = cost_curve([[-1], [2], [3], [4]], [1], rows)
        >>> bool(good.area_over(bad).value == good.area(0.75).value - bad.area(0.75).value)
        True
        """
        self._refuse_other(other)
        longest = float(max(self.budget[-1], other.budget[-1]))
        end = longest if most is None else float(_budgets([most])[0])
        psi = self._area_influence(end) - other._area_influence(end)
        return self._estimates(np.array([self._area(end) - other._area(end)]), psi[:, None])[0]

    def _refuse_other(self, other: CostCurve) -> None:
        if self.rows is not other.rows:
            raise InputError("two curves", "be judged by the same rows", "two sets of rows")

    def _estimates(self, value: Floats, psi: Floats) -> Estimates:
        return around(value, *self.rows.units.errors(psi), level=self.level)

    def _value(self, budgets: Floats) -> Floats:
        return np.interp(budgets, self.budget, self.gain)

    def _area(self, end: float) -> float:
        """The integral of the curve from 0 to a budget."""
        knots = np.r_[self.budget[self.budget < end], end]
        return float(np.trapezoid(self._value(knots), knots))

    @cached_property
    def _zero(self) -> Floats:
        return np.zeros(len(self.rows))

    def _influence(self, budget: float) -> Floats:
        """Influence values of the gain at a budget, (n,)."""
        last = float(self.budget[-1])
        if budget <= 0 or last == 0:
            return self._zero
        taken = int(np.searchsorted(self.budget, budget, "right")) - 1
        units, steps = self.unit[:taken], self.steps[:taken]
        sums = [np.bincount(units, part, len(self.rows)) for part in steps.T]
        held = np.column_stack(sums).astype(np.float64, copy=False)  # of no steps: whole numbers
        if taken < len(self.unit):  # the step at which the budget ends, in part
            ends = self.budget[taken : taken + 2]
            held[self.unit[taken]] += self.steps[taken] * (budget - ends[0]) / np.ptp(ends)
        mean = self.rows.weight @ held / self.rows.weight.sum()
        away = held - mean
        if budget >= last:
            return np.asarray(away[:, 0])
        around_it = np.clip([budget - REACH * last, budget + REACH * last], 0, last)
        slope = float(np.diff(self._value(around_it))[0] / np.diff(around_it)[0])
        return np.asarray(away[:, 0] - slope * away[:, 1])

    def _area_influence(self, end: float) -> Floats:
        """Influence values of the area up to a budget, (n,)."""
        grid = np.linspace(0, end, POINTS + 1)
        width = np.full(len(grid), end / POINTS)
        width[[0, -1]] /= 2
        total = np.zeros(len(self.rows))
        for b, share in zip(grid, width, strict=True):
            total += share * self._influence(float(b))
        return total


def cost_curve(
    worth: ArrayLike,
    cost: ArrayLike,
    rows: EvaluationData,
    *,
    metric: int = 0,
    level: float = 0.95,
) -> CostCurve:
    """The gain of the best offers within each budget, over all budgets at once.

    Parameters
    ----------
    worth : array-like, (n, k)
        The predicted worth of each candidate over control, not learnt from the rows.
    cost : array-like, (n, k) or (k,)
        What each candidate is expected to cost, > 0.
    rows : EvaluationData
        The rows that judge it; a candidate that is closed to a row is not offered to it.
    metric : int, default 0
        The metric that is gained.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    CostCurve
        From budget 0, where it is 0, to that of everybody's best.

    Raises
    ------
    InputError
        Where worths and costs have other shapes, are not finite, or a cost is not above 0.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([6, 0, 2, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> curve = cost_curve([[4], [3], [2], [-1]], [1], rows)
    >>> curve.unit.tolist()
    [0, 1, 2]
    """
    n, k = len(rows), rows.candidates
    v = _table(worth, (n, k), "worth")
    c = _table(cost, (n, k), "cost")
    if not (c > 0).all():
        row, a = (int(i) for i in np.argwhere(~(c > 0))[0])
        where = f"row {row}, candidate {a}"
        raise InputError("cost", "be above 0", c[row, a], where, "leave free candidates out")
    open_to = np.broadcast_to(rows.propensity[:, 1:] > 0, (n, k))
    unit, before, after, efficiency = _path(v, c, open_to)
    scores = np.column_stack([_scores(rows, a, metric) for a in range(k + 1)])
    held = np.stack([scores - scores[:, :1], np.column_stack([np.zeros(n), c])])
    order = np.argsort(-efficiency, kind="stable")
    unit, before, after = unit[order], before[order], after[order]
    steps = (held[:, unit, after] - held[:, unit, before]).T
    mean = rows.weight[unit, None] * steps / rows.weight.sum()
    gain, budget = np.vstack([np.zeros(2), np.cumsum(mean, axis=0)]).T
    return CostCurve(budget, gain, unit, steps, rows, level)


def _scores(rows: EvaluationData, cell: int, metric: int) -> Floats:
    """Doubly robust scores of one cell, less the metric's zero, (n,)."""
    level, ratio, miss = dr_parts(Decisions(np.full(len(rows), cell)), rows)
    return np.asarray(level[:, metric] + ratio * miss[:, metric])


def _path(v: Floats, c: Floats, open_to: Bools) -> tuple[Ints, Ints, Ints, Floats]:
    """All steps of all rows up their envelopes: the row, the cell before and after, dv / dc."""
    n, k = v.shape
    rows, cell = np.arange(n), np.zeros(n, np.int64)
    worths, costs = np.column_stack([np.zeros(n), v]), np.column_stack([np.zeros(n), c])
    found: list[tuple[Ints, Ints, Ints, Floats]] = []
    for _ in range(k):
        more = c[rows] - costs[rows, cell][:, None]
        gained = v[rows] - worths[rows, cell][:, None]
        up = (more > 0) & (gained > 0) & open_to[rows]
        efficiency = np.divide(gained, more, out=np.zeros_like(gained), where=up)
        best = efficiency.argmax(axis=1)
        steepest = efficiency[np.arange(len(rows)), best]
        climbs = steepest > 0
        step = (rows[climbs], cell[climbs], 1 + best[climbs], steepest[climbs])
        found.append(step)
        rows, cell = step[0], step[2]
        if not len(rows):
            break
    unit, before, after, each = (np.concatenate(part) for part in zip(*found, strict=True))
    return unit, before, after, each


def _table(values: ArrayLike, shape: tuple[int, int], name: str) -> Floats:
    """Finite numbers of every row and candidate."""
    table = np.asarray(values, np.float64)
    if table.shape not in (shape, shape[1:]):
        must = f"have shape {shape}" + (f" or {shape[1:]}" if name == "cost" else "")
        raise InputError(name, must, table.shape)
    if name == "worth" and table.shape != shape:
        raise InputError(name, f"have shape {shape}", table.shape)
    if not np.isfinite(table).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise InputError(name, "be finite", table[bad], f"at {bad}")
    return np.broadcast_to(table, shape)


def _budgets(budget: ArrayLike) -> Floats:
    """Budgets, (b,), each >= 0."""
    budgets = np.atleast_1d(np.asarray(budget, np.float64))
    if budgets.ndim != 1 or not (budgets >= 0).all():
        raise InputError("budget", "be numbers >= 0", budgets.tolist())
    return budgets
