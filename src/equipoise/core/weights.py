"""What weights of rows and propensities of cells must be, checked in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

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


def check_propensities(propensity: Floats) -> Floats:
    """Probabilities of cells, which every row must have a chance of.

    Parameters
    ----------
    propensity : array, (n, K)
        One column per cell.

    Returns
    -------
    array, (n, K)
        The same.

    Raises
    ------
    InputError
        Where one is not strictly between 0 and 1, or a row's do not sum to 1, with the row.

    Examples
    --------
    >>> check_propensities(np.array([[0.5, 0.5]])).tolist()
    [[0.5, 0.5]]
    """
    good = (propensity > 0) & (propensity < 1)
    if not good.all():
        row, a = (int(i) for i in np.argwhere(~good)[0])
        fix = "drop the rows that could get one treatment only"
        must, where = "lie strictly between 0 and 1", f"row {row}, cell {a}"
        raise InputError("propensity", must, propensity[row, a], where, fix)
    total = propensity.sum(axis=1)
    off = np.abs(total - 1)
    if off.max() > SUM_TOLERANCE:
        row, fix = int(np.argmax(off)), "give the probability of every cell"
        raise InputError("propensities", "sum to 1", f"{total[row]:g}", f"row {row}", fix)
    return propensity
