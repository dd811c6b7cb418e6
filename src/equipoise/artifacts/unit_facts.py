"""What the rule needs to know of units: effects, costs, labels, and what is open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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


class FactsBatch(NamedTuple):
    """The facts of n units under k candidates and M metrics.

    Attributes
    ----------
    units : pyarrow.StringArray, (n,)
        Their ids, as text.
    values : array, (n, k, M)
        Effects against control, in the metrics' units.
    errors : array, (n, k, M), or None
        Their standard errors.
    cost : array, (n, k)
        What each candidate is expected to cost, in money.
    labels : dict of str to array of str, (n,), default {}
        The labels of the columns that the rule names.
    eligible : array of bool, (n, k), or None, default None
        Whether each candidate is open; None: all are.
    importance : array, (n,), or None, default None
        How often each unit counts; None: once.

    Examples
    --------
    >>> batch = FactsBatch(pa.array(["ann"]), np.ones((1, 1, 1)), None, np.zeros((1, 1)))
    >>> len(batch.units), batch.unit(0).values.tolist()
    (1, [[1.0]])
    """

    units: pa.StringArray
    values: Floats
    errors: Floats | None
    cost: Floats
    labels: dict[str, NDArray[np.str_]] = {}
    eligible: Bools | None = None
    importance: Floats | None = None

    def unit(self, row: int) -> UnitFacts:
        """The facts of one unit.

        Parameters
        ----------
        row : int
            Its place, from 0.

        Returns
        -------
        UnitFacts
            Of this unit.
        """
        return UnitFacts(
            self.values[row],
            None if self.errors is None else self.errors[row],
            self.cost[row],
            {name: str(labels[row]) for name, labels in self.labels.items()},
            None if self.eligible is None else self.eligible[row],
            1.0 if self.importance is None else float(self.importance[row]),
        )
