"""Evaluation data: the experiment's rows that a judgement stands on, checked once at the door; and
the scores made of them.

n units, K = 1 + k cells (0 is control), m metrics.  The score of candidate a against control on one
metric,

    gain_i = mu_ia - mu_i0 + 1{c_i = a} (y_i - mu_ia) / e_ia - 1{c_i = 0} (y_i - mu_i0) / e_i0,

has the effect of a as its mean given x wherever the propensity e is right (Robins, Rotnitzky & Zhao
1994).  All rows serve all candidates.  mu are the cross-fitted levels of an outcome model; without
one they are the cells' weighted means (Hajek), which takes the outcome's level out of the score's
variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import Assignment, Units, effective_units
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around
from equipoise.core.kernels import njit
from equipoise.core.weights import check_propensities, check_weights
from equipoise.evaluation.base import weighted_means
from equipoise.learners.outcome_units import differences

FAR = 4.0  # ranges that a metric lies from its zero before sums are counted from elsewhere


@shown
@dataclass(frozen=True)
class EvaluationData:
    """Checked rows of an experiment; `evaluation_data` makes them.

    Attributes
    ----------
    y : array, (n, m)
        Outcomes.
    cell : array, (n,)
        What each row got: 0 control, 1 + a candidate a.
    propensity : array, (n, K) or (1, K)
        The probability of every cell; one row where the design is the same for all.  0 where a cell
        is closed to a row.
    levels : array, (n, K, m) or (1, K, m)
        The expected outcome of every cell; one row where the cells' means stand in for a model.
    weight : array, (n,)
        Weights > 0, ones where none were given.
    weighted : bool
        Whether weights were given.
    groups : array (n,) or None
        Codes of clusters.

    Examples
    --------
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> len(rows), rows.candidates, rows.levels[0, :, 0].tolist()
    (4, 1, [1.5, 5.5])
    """

    y: Floats
    cell: Ints
    propensity: Floats
    levels: Floats
    weight: Floats
    weighted: bool
    groups: Ints | None

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def zero(self) -> Floats:
        """The zero that sums count each metric from, (m,): its own, or a value of a metric far from
        it, so that no number of the size of an offset meets one of the size of the spread.
        """
        first = self.y[0]
        far = np.abs(self.y).max(axis=0) > FAR * np.abs(self.y - first).max(axis=0)
        return np.where(far, first, 0.0)

    @cached_property
    def near_y(self) -> Floats:
        """Outcomes less `zero`, (n, m)."""
        if not self.zero.any():
            return self.y
        columns = zip(self.y.T, self.zero, strict=True)
        return np.stack([differences(y, zero) if zero else y for y, zero in columns], axis=1)

    @cached_property
    def near_levels(self) -> Floats:
        """Levels less `zero`, (n or 1, K, m)."""
        if not self.zero.any() or len(self.levels) > 1:
            return self.levels - self.zero if self.zero.any() else self.levels
        return _means(self.near_y, self.cell, self.propensity, self.weight)[0][None]

    @property
    def candidates(self) -> int:
        """k."""
        return int(self.propensity.shape[1]) - 1

    def judged(self, candidate: int) -> tuple[EvaluationData, Bools]:
        """The rows that a candidate is judged on: those that it is open to.

        Parameters
        ----------
        candidate : int
            In 0..k-1.

        Returns
        -------
        rows : EvaluationData
            These rows; itself where no row is closed.
        open : array of bool, (n,)
            Which they are.

        Raises
        ------
        InputError
            Where none of them got control.
        """
        rows = self.open_to(candidate)
        if rows.all():
            return self, rows
        if not (self.cell[rows] == 0).any():
            what = f"control among the rows open to cell {1 + candidate}"
            raise InputError(what, "have rows", 0, fix="drop the candidate")
        return self.take(rows), rows

    def open_to(self, candidate: int) -> Bools:
        """Whether a candidate is open to each row.

        Parameters
        ----------
        candidate : int
            In 0..k-1.

        Returns
        -------
        array of bool, (n,)
            Where its propensity is above 0.
        """
        if len(self.propensity) == 1:
            return np.ones(len(self), np.bool_)
        return np.asarray(self.propensity[:, 1 + candidate] > 0)

    def take(self, rows: Bools | Ints) -> EvaluationData:
        """Some of the rows; without a model of the levels, with means of their own.

        Parameters
        ----------
        rows : array of bool, (n,), or of int
            Which, or their numbers.

        Returns
        -------
        EvaluationData
            These rows.

        Examples
        --------
        >>> data = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
        >>> data.take(np.array([True, False, True, False])).levels[0, :, 0].tolist()
        [1.0, 5.0]
        """
        fixed = len(self.propensity) == 1
        e = self.propensity if fixed else np.ascontiguousarray(self.propensity[rows])
        y, c, w = np.ascontiguousarray(self.y[rows]), self.cell[rows], self.weight[rows]
        groups = (
            None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1]
        )
        modelled = len(self.levels) > 1
        mu = self.levels[rows] if modelled else _means(y, c, e, w)[0][None]
        return EvaluationData(y, c, e, mu, w, self.weighted, groups)

    def logged_propensity(self) -> Floats:
        """The probability of the cell that each row got.

        Returns
        -------
        array, (n,)
            In 0..1.
        """
        fixed = len(self.propensity) == 1
        return (
            self.propensity[0][self.cell]
            if fixed
            else self.propensity[np.arange(len(self)), self.cell]
        )

    def logged_level(self) -> Floats:
        """The expected outcome under the cell that each row got.

        Returns
        -------
        array, (n, m)
            In the outcomes' units.
        """
        fixed = len(self.levels) == 1
        return self.levels[0][self.cell] if fixed else self.levels[np.arange(len(self)), self.cell]

    @cached_property
    def units(self) -> Units:
        """The independent units of each arm."""
        return effective_units(self.weight, groups=self.groups, assignment=self.assignment)

    @property
    def assignment(self) -> Assignment:
        """What each row got."""
        fixed = len(self.propensity) == 1
        own = self.propensity[0] if fixed else self.logged_propensity()
        return Assignment(self.cell, own, 1 + self.candidates, fixed)

    def means(self, values: Floats, level: float) -> Estimates:
        """Weighted means of values of these rows.

        Parameters
        ----------
        values : array, (n, m)
            Row values.
        level : float
            Of the intervals.

        Returns
        -------
        Estimates, (m,)
            In the units of the values.
        """
        value = weighted_means(values, self.weight)
        return around(value, *self.units.errors(values - value), level=level)

    def gain(self, candidate: int, metric: int) -> Floats:
        """The doubly robust score of one candidate against control on one metric.

        Parameters
        ----------
        candidate : int
            In 0..k-1.
        metric : int
            The column of y.

        Returns
        -------
        array, (n,)
            Scores whose mean is the average effect, in the outcome's unit.
        """
        if not 0 <= candidate < self.candidates:
            raise InputError(
                "candidate",
                f"lie in 0..{self.candidates - 1}",
                candidate,
                fix="control is not a candidate",
            )
        gain = np.empty(len(self))
        y, levels = (
            np.ascontiguousarray(self.near_y[:, metric]),
            np.ascontiguousarray(self.near_levels[:, :, metric]),
        )
        if len(levels) == len(self.propensity) == 1:
            slope = np.zeros(1 + self.candidates)
            slope[0], slope[1 + candidate] = (
                -1 / self.propensity[0, 0],
                1 / self.propensity[0, 1 + candidate],
            )
            _fixed_gains(
                y, self.cell, slope, levels[0], levels[0, 1 + candidate] - levels[0, 0], gain
            )
        else:
            _gains(y, self.cell, self.propensity, levels, 1 + candidate, gain)
        return gain


def evaluation_data(
    y: Any,
    *,
    cell: Any,
    propensity: Any = None,
    action_propensity: Any = None,
    cells: int | None = None,
    levels: Any = None,
    weight: Any = None,
    groups: Any = None,
    sum_tolerance: float | None = None,
) -> EvaluationData:
    """Check the rows that judgements stand on: the one door of this folder.

    Parameters
    ----------
    y : array-like, (n,) or (n, m)
        Outcomes.
    cell : array-like of int, (n,)
        What each row got: 0 control, 1 + a candidate a.
    propensity : array-like, (n, K) or (K,), default None
        The probability of every cell; (K,) where the design is the same for every row.  0 in a row
        closes the cell to it: candidates are judged on the rows that they are open to.
    action_propensity : array-like, (n,), default None
        In place of ``propensity``: the probability of what each row got, in (0, 1], as logs of
        deployed policies have it.  Policies can be valued by it; the others' are taken as alike.
    cells : int, default None
        K, beside ``action_propensity``; None: one more than the largest cell.
    levels : array-like, (n, K, m) or (n, K), default None
        The expected outcome of every cell, cross-fitted, so that no row's level was learnt from
        that row; (n, K) for one metric.  None: the cells' weighted means.
    weight : array-like, (n,), default None
        Weights > 0; None: ones.
    groups : array-like, (n,), default None
        Labels of clusters, whose rows are not independent.
    sum_tolerance : float or None, default None
        How far from 1 the propensities of a row may be in sum; they are then divided by it, with a
        `RoundedPropensityWarning`.  None: as far as rounding to the digits they have explains.

    Returns
    -------
    EvaluationData
        For `rank_by_score`, `average_effects` and `policy_value`.

    Raises
    ------
    InputError
        With the row, where something is not what it must be.

    Examples
    --------
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> rows.gain(candidate=0, metric=0).tolist()
    [5.0, 3.0, 3.0, 5.0]
    """
    outcome = _outcomes(y)
    n = len(outcome)
    if (propensity is None) == (action_propensity is None):
        got = "neither" if propensity is None else "both"
        raise InputError("the design", "be propensity or action_propensity, one of them", got)
    if propensity is None:
        propensity = _spread(action_propensity, cell, n, cells)
    e = _propensities(propensity, n)
    c = _cells(cell, n, e.shape[1])
    e = np.ascontiguousarray(check_propensities(e, c, sum_tolerance))
    given = check_weights(weight, n, "weight")
    w = np.ones(n) if given is None else given
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != (n,):
        raise InputError("groups", f"be one label per row, ({n},)", labels.shape)
    codes = None if labels is None else np.unique(labels, return_inverse=True)[1].astype(np.int64)
    mean, mass = _means(outcome, c, e, w)
    if mass.min() == 0:
        fix = "drop the cell from the propensities, or evaluate on rows that have it"
        raise InputError("every cell", "have rows", f"none in cell {np.argmin(mass)}", fix=fix)
    mu = mean[None] if levels is None else _levels(levels, (n, *mean.shape))
    return EvaluationData(outcome, c, e, mu, w, given is not None, codes)


def _means(y: Floats, cell: Ints, e: Floats, w: Floats) -> tuple[Floats, Floats]:
    """(mean (K, m), mass (K,)) of every cell, weighted by w / e; 0 where it has no rows."""
    mean, mass = np.zeros((e.shape[1], y.shape[1])), np.zeros(e.shape[1])
    inverse = np.divide(1.0, e, out=np.zeros_like(e), where=e > 0)
    _cell_means(y, cell, inverse, w, mean, mass)
    return mean, mass


def _outcomes(y: Any) -> Floats:
    values = np.asarray(y, np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise InputError("y", "have shape (n,) or (n, m) with at least one row", values.shape)
    values = values.reshape(len(values), -1)
    if not np.isfinite(values).all():
        row, j = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError(
            "y", "be finite", values[row, j], f"row {row}, metric {j}", "mend or drop the row"
        )
    return np.ascontiguousarray(values)


def _propensities(propensity: Any, n: int) -> Floats:
    e = np.asarray(propensity, np.float64)
    if e.ndim == 1 and len(e) >= 2:
        e = e[None]
    elif e.ndim == 2 and len(e) == n and e.shape[1] >= 2:
        e = e[:1] if e.strides[0] == 0 else e
    else:
        fix = "give one column per cell, control first; or (K,) where the design is fixed"
        raise InputError("propensity", f"have shape ({n}, K) or (K,)", e.shape, fix=fix)
    return e


def _spread(own: Any, cell: Any, n: int, cells: int | None) -> Floats:
    """Propensities (n, K) of which only that of each row's own cell is known."""
    p = np.asarray(own, np.float64)
    if p.shape != (n,) or not ((p > 0) & (p <= 1)).all():
        good = p.shape == (n,)
        row = int(np.argmin((p > 0) & (p <= 1))) if good else 0
        got, where = (f"{p[row]:g}", f"row {row}") if good else (str(p.shape), "")
        raise InputError("action_propensity", f"be ({n},) numbers in (0, 1]", got, where)
    K = max(2, int(np.max(cell)) + 1 if cells is None else cells)
    c = _cells(cell, n, K)
    e = np.repeat(((1 - p) / (K - 1))[:, None], K, axis=1)
    e[np.arange(n), c] = p
    return e


def _cells(cell: Any, n: int, cells: int) -> Ints:
    array = np.asarray(cell)
    if array.shape != (n,) or array.dtype.kind not in "iub":
        raise InputError(
            "cell", f"be one whole number per row of y, ({n},)", f"{array.dtype} {array.shape}"
        )
    c = np.ascontiguousarray(array, np.int64)
    if c.min() < 0 or c.max() >= cells:
        row = int(np.argmax((c < 0) | (c >= cells)))
        raise InputError(
            "cell",
            f"lie in 0..{cells - 1}",
            c[row],
            f"row {row}",
            "0 is control, 1 + a is candidate a",
        )
    return c


def _levels(levels: Any, shape: tuple[int, int, int]) -> Floats:
    mu = np.asarray(levels, np.float64)
    mu = mu[:, :, None] if mu.ndim == 2 else mu
    if mu.shape != shape:
        raise InputError("levels", f"have shape (n, K, m) = {shape}", mu.shape)
    if not np.isfinite(mu).all():
        row, a, j = (int(i) for i in np.argwhere(~np.isfinite(mu))[0])
        raise InputError("levels", "be finite", mu[row, a, j], f"row {row}, cell {a}, metric {j}")
    return mu


@njit(cache=True)
def _cell_means(y, cell, inverse, w, mean, mass):  # type: ignore[no-untyped-def]
    """By cell: mass (K,) := sum w / e, mean (K, m) := sum w y / e over it, or 0.   inverse: 1 / e,
    (n or 1, K).
    """
    step = 1 if len(inverse) > 1 else 0
    for i in range(len(y)):
        a = cell[i]
        share = w[i] * inverse[i * step, a]
        mass[a] += share
        for j in range(y.shape[1]):
            mean[a, j] += share * y[i, j]
    for a in range(len(mean)):
        if mass[a] > 0:
            for j in range(mean.shape[1]):
                mean[a, j] /= mass[a]


@njit(cache=True)
def _fixed_gains(y, cell, slope, mean, rest, gain):  # type: ignore[no-untyped-def]
    """gain (n,) := rest + slope (y - mean) of each row's cell: `_gains` where design and levels are
    the same for every row.
    """
    for i in range(len(y)):
        a = cell[i]
        gain[i] = rest + slope[a] * (y[i] - mean[a])


@njit(cache=True)
def _gains(y, cell, e, mu, a, gain):  # type: ignore[no-untyped-def]
    """gain (n,) := the score of cell a against control.   y: (n,); e, mu: (n or 1, K)."""
    e_step, mu_step = (1 if len(e) > 1 else 0), (1 if len(mu) > 1 else 0)
    for i in range(len(y)):
        p, q = i * e_step, i * mu_step
        value = mu[q, a] - mu[q, 0]
        if cell[i] == a:
            value += (y[i] - mu[q, a]) / e[p, a]
        elif cell[i] == 0:
            value -= (y[i] - mu[q, 0]) / e[p, 0]
        gain[i] = value
