"""What weights of rows and propensities of cells must be, checked in one place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.user_line import user_level

SUM_TOLERANCE = 1e-6  # how far the propensities of a row may be from 1 in sum


RANGE = 1e100  # a row that weighs so much less than the heaviest is lost in any sum


def check_weights(weight: Any, n: int, name: str = "sample_weight") -> Floats | None:
    """Weights of rows as float64, of mean 1: only how they compare says anything.

    Parameters
    ----------
    weight : array-like, (n,), or None
        Finite numbers > 0; None where there are none.
    n : int
        The number of rows.
    name : str, default "sample_weight"
        The argument's name, for the error.

    Returns
    -------
    array, (n,), or None
        The weights, contiguous; None where all are the same, which is no weight.

    Raises
    ------
    InputError
        Where there are not n numbers, or one is not finite, not > 0 or nothing beside the others,
        with its row.

    Examples
    --------
    >>> check_weights([1e-320, 3e-320], 2).round(3).tolist(), check_weights([7, 7], 2)
    ([0.5, 1.5], None)
    """
    if weight is None:
        return None
    try:
        values = np.asarray(weight, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "be numbers", str(error)) from error
    if values.shape != (n,):
        raise InputError(name, f"be one number per row, ({n},)", f"shape {values.shape}")
    good = np.isfinite(values) & (values > 0)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            name, "be a finite number > 0", values[row], f"row {row}", "drop rows of weight 0"
        )
    return mean_one(values, name)


def mean_one(weight: Floats, name: str) -> Floats | None:
    """Weights > 0, (n,), scaled to mean 1; None where all are the same.

    Raises
    ------
    InputError
        Where one is nothing beside the largest, with its row.

    Examples
    --------
    >>> mean_one(np.array([1e300, 3e300]), "w").tolist()
    [0.5, 1.5]
    """
    least, most = float(weight.min(initial=np.inf)), float(weight.max(initial=0.0))
    if least == most or weight.size == 0:
        return None
    if least < most / RANGE:
        must, row = f"lie within a factor of {RANGE:g} of each other", int(np.argmin(weight))
        raise InputError(name, must, f"{least:g} and {most:g}", f"row {row}", "drop the row")
    share = weight / most
    return np.ascontiguousarray(share / share.mean())


class RoundedPropensityWarning(UserWarning):
    """Propensities that were rounded were divided by their sums."""


def rounding_error(propensity: Floats) -> float:
    """How far from 1 the sum of a row may be where all probabilities were rounded to as many digits
    as they have: K / 2 of the last digit; 0 for fewer than two digits or more than six.

    >>> rounding_error(np.array([[0.3333, 0.3333, 0.3333]]))
    0.00015000000000000001
    """
    for digits in range(2, 7):
        if np.abs(propensity - propensity.round(digits)).max() < 1e-9:
            one_digit = np.abs(propensity - propensity.round(1)).max() < 1e-9
            return 0.0 if one_digit else propensity.shape[1] / 2 * 10.0**-digits
    return 0.0


def over_sums(propensity: Floats) -> Floats:
    """Probabilities (n, K) over their sums; the same where all sums are 1."""
    total = propensity.sum(axis=1)
    near = np.abs(total - 1) <= SUM_TOLERANCE
    return propensity if near.all() else propensity / np.where(near, 1.0, total)[:, None]


def rescaled(propensity: Floats, tolerance: float | None = None) -> Floats:
    """Probabilities whose rows sum to 1: those that rounding put off it are divided by their sum.

    Parameters
    ----------
    propensity : array, (n, K)
        One column per cell.
    tolerance : float or None, default None
        How far from 1 a sum may be; None: as far as rounding to the digits they have explains.

    Returns
    -------
    array, (n, K)
        The same where all sums are 1.

    Raises
    ------
    InputError
        Where a sum is further off, with the row.

    Warns
    -----
    RoundedPropensityWarning
        Where rows were divided by their sums.

    Examples
    --------
    >>> rescaled(np.array([[0.5, 0.49]]), tolerance=1e-12)
    Traceback (most recent call last):
    equipoise.core.errors.InputError: propensities must sum to 1; got 0.99 at row 0; give the ...
    """
    total = propensity.sum(axis=1)
    off = np.abs(total - 1)
    if off.max() <= SUM_TOLERANCE:
        return propensity
    most = rounding_error(propensity) if tolerance is None else tolerance
    if off.max() > most + 1e-9:
        row = int(np.argmax(off))
        fix = "give the probability of every cell, or a sum_tolerance that allows it"
        raise InputError("propensities", "sum to 1", f"{total[row]:g}", f"row {row}", fix)
    warnings.warn(
        f"propensities of {np.count_nonzero(off > SUM_TOLERANCE):,} rows sum to"
        f" {total.min():.6g}..{total.max():.6g}, not 1, as if rounded; each row was divided by its"
        " sum",
        RoundedPropensityWarning,
        stacklevel=user_level(),
    )
    return over_sums(propensity)


def check_propensities(
    propensity: Floats, cell: Ints | None = None, tolerance: float | None = None
) -> Floats:
    """Probabilities of cells, which every row must have a chance of, or of those open to it.

    Parameters
    ----------
    propensity : array, (n, K)
        One column per cell.
    cell : array of int, (n,), default None
        What each row got.  With it a candidate's probability of 0 says that it is closed to the
        row, and control's of 1 that all are; None: every cell must be open to every row.
    tolerance : float or None, default None
        How far from 1 a sum may be; None: as far as rounding to the digits they have explains.

    Returns
    -------
    array, (n, K)
        The same; divided by their sums where rounding put these off 1.

    Raises
    ------
    InputError
        Where one is not strictly between 0 and 1, or a row's do not sum to 1, with the row; where a
        row got a cell that was closed to it, or no row had a choice.

    Examples
    --------
    >>> check_propensities(np.array([[0.5, 0.5]])).tolist()
    [[0.5, 0.5]]
    >>> check_propensities(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([1, 0])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    good = (propensity > 0) & (propensity < 1)
    fix = "drop the rows that could get one treatment only"
    if not good.all() and cell is not None and len(propensity) == len(cell):
        own = cell[:, None] == np.arange(propensity.shape[1])
        alone = (np.where(own, 0.0, propensity) == 0).all(axis=1, keepdims=True)
        good |= np.where(own, (propensity == 1) & alone, propensity == 0)
        good[:, 0] &= propensity[:, 0] > 0
        fix = (
            "0 closes a candidate to a row that did not get it; control is open to all, or drop it"
        )
        if good.all() and alone.all():
            raise InputError("propensities", "leave some row a choice", "0 or 1 in every row")
    if not good.all():
        row, a = (int(i) for i in np.argwhere(~good)[0])
        must, where = "lie strictly between 0 and 1", f"row {row}, cell {a}"
        raise InputError("propensity", must, propensity[row, a], where, fix)
    return rescaled(propensity, tolerance)
