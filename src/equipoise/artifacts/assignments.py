"""What units got, as a table: the id, the cell, the score of the best candidate, and the expected
cost of the choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.staying import REASON, UNTIL
from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints

FACTS = ("chosen", "score", "expected_cost", REASON, UNTIL)  # of an assignment, beside the id


def assignments(
    unit: Any, name: str, choice: Ints, score: Floats, expected: Floats, cells: tuple[str, ...]
) -> pa.Table:
    """Tabulate choices, one row per unit.

    Parameters
    ----------
    unit : array-like, (n,)
        Ids or row numbers.
    name : str
        The name of their column; an underscore follows where another column has that name.
    choice : array of int, (n,)
        -1 control, a candidate a.
    score : array, (n,)
        Of the best candidate, in worth.
    expected : array, (n, k)
        Expected costs, in money.
    cells : tuple of str, (1 + k,)
        The names of control and the candidates.

    Returns
    -------
    pyarrow.Table
        The id, the cell ``chosen``, the ``score`` and the ``expected_cost`` of the choice.
    """
    cost = np.where(choice >= 0, expected[np.arange(len(choice)), np.maximum(choice, 0)], 0.0)
    cell_of_unit = pa.DictionaryArray.from_arrays(
        pa.array((choice + 1).astype(np.int32)), pa.array(cells)
    ).dictionary_decode()
    facts = dict(zip(FACTS, (cell_of_unit, score, cost), strict=False))
    return pa.table({columns.free_name(name, FACTS): unit, **facts})
