"""Labels of numbers as a policy names them.

A column of decimals has labels such as 2.50, and a later column of floats, a file of text or a
request says 2.5 of the same number: in a column of numbers it is the number that counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.columns import MISSING


def as_named(labels: NDArray[Any], named: Iterable[str]) -> NDArray[Any]:
    """The labels of a column of numbers, those that a policy writes otherwise as it writes them.

    Parameters
    ----------
    labels : array of str, (n,)
        Of the units.
    named : iterable of str
        Those that the policy names of this column.

    Returns
    -------
    array of str, (n,)
        The same where the policy's are as floats are written.

    Examples
    --------
    >>> as_named(np.array(["2.5", "3", "missing"]), ["2.50"]).tolist()
    ['2.50', '3', 'missing']
    """
    said = {number: label for label in named if (number := _number(label)) is not None}
    if all(str(label) == f"{number:.15g}" for number, label in said.items()):
        return labels
    unique, place = np.unique(labels, return_inverse=True)
    numbers = [(one, _number(one)) for one in unique.tolist()]
    return np.array([one if x is None else said.get(x, one) for one, x in numbers])[place]


def _number(label: str) -> float | None:
    """The number that a label is; None where it is none."""
    if label == MISSING:
        return None
    try:
        return float(label)
    except ValueError:
        return None
