"""What models of base scores say of rows, as the columns that an ensemble reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.columns import free_name


def score_table(models: Mapping[str, Any], X: Any, taken: Iterable[str] = ()) -> pa.Table:
    """The base scores of rows.

    Parameters
    ----------
    models : mapping of str to ScoreModel
        By their names, fitted on other rows.
    X : frame, (n, d)
        The columns of their fit.
    taken : iterable of str, default ()
        Names of other scores.

    Returns
    -------
    pyarrow.Table
        n rows; a column ``p_<objective>`` each, of several models ``p_<objective>_<model>``.

    Examples
    --------
    >>> from equipoise.ranking import BoostedScores
    >>> X = {"x": np.arange(200.0)}
    >>> model = BoostedScores(5).fit(X, pa.table({"buy": np.arange(200) // 100}))
    >>> score_table({"trees": model}, X).column_names
    ['p_buy']
    """
    columns: dict[str, Floats] = {}
    for name, model in models.items():
        values = model.predict(X)
        for j, objective in enumerate(model.objectives_):
            label = f"p_{objective}" if len(models) == 1 else f"p_{objective}_{name}"
            columns[free_name(label, (*taken, *columns))] = np.ascontiguousarray(values[:, j])
    return pa.table(columns)
