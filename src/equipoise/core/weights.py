"""What weights of rows and propensities of cells must be, checked in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

SUM_TOLERANCE = 1e-6  # how far the propensities of a row may be from 1 in sum


def check_weights(weight: Any, n: int, name: str = "sample_weight") -> Floats:
    """Weights of rows as float64.

    Parameters
    ----------
    weight : array-like, (n,)
        Finite numbers > 0.
    n : int
        The number of rows.
    name : str, default "sample_weight"
        The argument's name, for the error.

    Returns
    -------
    array, (n,)
        The weights, contiguous.

    Raises
    ------
    InputError
        Where there are not n numbers, or one is not finite or not > 0, with its row.

    Examples
    --------
    >>> check_weights([1, 2], 2).tolist()
    [1.0, 2.0]
    """
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
    return np.ascontiguousarray(values)


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
