"""What the rule needs to know of one unit: effects, costs, labels, and what is open."""

from __future__ import annotations

from typing import NamedTuple

from equipoise.core.arrays import Bools, Floats


class UnitFacts(NamedTuple):
    """The facts of one unit under k candidates and M metrics.

    Attributes
    ----------
    values : array, (k, M)
        Effects against control, in the metrics' units.
    errors : array, (k, M), or None
        Their standard errors.
    cost : array, (k,)
        What each candidate is expected to cost, in money; 0 where nothing is known.
    labels : dict of str to str, default {}
        The labels of the columns that the rule names.
    eligible : array of bool, (k,), or None, default None
        Whether each candidate is open; None: all are.
    importance : float, default 1.0
        How often the unit counts.

    Examples
    --------
    >>> import numpy as np
    >>> UnitFacts(np.array([[1.0]]), None, np.zeros(1)).importance
    1.0
    """

    values: Floats
    errors: Floats | None
    cost: Floats
    labels: dict[str, str] = {}
    eligible: Bools | None = None
    importance: float = 1.0
