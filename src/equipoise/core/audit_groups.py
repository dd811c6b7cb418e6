"""The groups of a column that is audited: few, each of rows enough, and none that is a person.

Labels of text in fewer than 10 rows and fewer than a fifth of them are put together, and so are all
but the commonest of many labels; a number of many values is cut into quarters.
"""

from __future__ import annotations

import numpy as np

from equipoise.core import columns
from equipoise.core.amounts import short_texts
from equipoise.core.arrays import Floats, Ints
from equipoise.core.features import least_rows
from equipoise.core.log import Log

MOST_GROUPS = 12
OTHER = "other"


def audit_groups(log: Log, column: str) -> tuple[Ints, list[str]]:
    """The groups of a column.

    Parameters
    ----------
    log : Log
        The experiment.
    column : str
        One of its columns.

    Returns
    -------
    codes : array of int, (n,)
        The group of each row.
    labels : list of str
        The groups: values, or quarters of a number, the rest as "other".

    Examples
    --------
    >>> from equipoise.data import read_log
    >>> table = {"t": [0, 1] * 20, "y": range(40), "town": ["Oslo"] * 39 + ["Ed"]}
    >>> log = read_log(table, treatment="t", outcomes="y", features=[], protected="town")
    >>> audit_groups(log, "town")[1]
    ['Oslo', 'other']
    """
    codes, labels = log.codes(column)
    if not columns.is_text(log.table[column]):
        return (codes, labels) if len(labels) <= MOST_GROUPS else _quarters(log.numbers(column))
    counts = np.bincount(codes, minlength=len(labels))
    common = counts >= least_rows(len(log))
    common |= np.asarray(labels) == columns.MISSING
    if common.sum() + (not common.all()) > MOST_GROUPS:
        first = np.argsort(np.where(common, -counts, 0), kind="stable")[: MOST_GROUPS - 1]
        common = np.isin(np.arange(len(labels)), first)
    if common.all():
        return codes, labels
    place = np.where(common, np.cumsum(common) - 1, common.sum())
    names = [labels[i] for i in np.flatnonzero(common)]
    return place[codes], [*names, columns.free_name(OTHER, names)]


def _quarters(values: Floats) -> tuple[Ints, list[str]]:
    cuts = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75]))
    codes = np.searchsorted(cuts, values, side="left").astype(np.int64)
    edges = short_texts(cuts)
    labels = [
        f"up to {edges[0]}",
        *(f"{a} to {b}" for a, b in zip(edges, edges[1:], strict=False)),
        f"above {edges[-1]}",
    ]
    absent = np.isnan(values)
    if absent.any():
        codes[absent] = len(labels)
        labels.append(columns.MISSING)
    return codes, labels
