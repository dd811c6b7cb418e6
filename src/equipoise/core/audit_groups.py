"""The groups of a column that is audited: few, each of rows enough, and none that is a person.

Labels of text in fewer than 10 rows and fewer than a fifth of them are put together, and so are all
but the commonest of many labels; a number of many values is cut into quarters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

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
    groups = audit_grouping(log, column)
    return groups.codes(log.table[column]), list(groups.labels)


@dataclass(frozen=True)
class AuditGroups:
    """How rows are put into the groups of a column, those of the log and any others.

    Attributes
    ----------
    labels : tuple of str
        The groups.
    place : dict of str to int
        The group of each label of the log; empty where a number is cut.
    other : int
        The group of any other label: the last, or behind it.
    cuts : array or None, default None
        Where a number of many values is cut.

    Examples
    --------
    >>> groups = AuditGroups(("Oslo", "Rome"), {"Oslo": 0, "Rome": 1}, 2)
    >>> groups.codes(pa.chunked_array([["Rome", "Bari", "Oslo"]])).tolist()
    [1, 2, 0]
    """

    labels: tuple[str, ...]
    place: dict[str, int]
    other: int
    cuts: Floats | None = None

    def codes(self, column: pa.ChunkedArray) -> Ints:
        """The group of each row.

        Parameters
        ----------
        column : pyarrow.ChunkedArray, (n,)
            Of the log, or of more rows like it.

        Returns
        -------
        array of int, (n,)
            Places among ``labels``, or the one behind them.
        """
        if self.cuts is not None:
            values = columns.numbers(column)
            codes = np.searchsorted(self.cuts, values, side="left").astype(np.int64)
            codes[np.isnan(values)] = len(self.cuts) + 1
            return codes
        codes, labels = columns.codes(column)
        places = np.array([self.place.get(label, self.other) for label in labels], np.int64)
        return places[codes]


def audit_grouping(log: Log, column: str) -> AuditGroups:
    """How the rows of a log are put into the groups of a column.

    Parameters
    ----------
    log : Log
        The experiment.
    column : str
        One of its columns.

    Returns
    -------
    AuditGroups
        See `audit_groups`.
    """
    codes, labels = log.codes(column)
    if not columns.is_text(log.table[column]):
        if len(labels) <= MOST_GROUPS:
            return _each_alone(labels)
        return _quarters(log.numbers(column))
    counts = np.bincount(codes, minlength=len(labels))
    common = counts >= least_rows(len(log))
    common |= np.asarray(labels) == columns.MISSING
    if common.sum() + (not common.all()) > MOST_GROUPS:
        first = np.argsort(np.where(common, -counts, 0), kind="stable")[: MOST_GROUPS - 1]
        common = np.isin(np.arange(len(labels)), first)
    if common.all():
        return _each_alone(labels)
    names = [labels[i] for i in np.flatnonzero(common)]
    groups = (*names, columns.free_name(OTHER, names))
    return AuditGroups(groups, {name: i for i, name in enumerate(names)}, len(names))


def _each_alone(labels: list[str]) -> AuditGroups:
    return AuditGroups(tuple(labels), {name: i for i, name in enumerate(labels)}, len(labels))


def _quarters(values: Floats) -> AuditGroups:
    cuts = np.unique(np.nanquantile(values, [0.25, 0.5, 0.75]))
    edges = short_texts(cuts)
    labels = [
        f"up to {edges[0]}",
        *(f"{a} to {b}" for a, b in zip(edges, edges[1:], strict=False)),
        f"above {edges[-1]}",
    ]
    if np.isnan(values).any():
        labels.append(columns.MISSING)
    return AuditGroups(tuple(labels), {}, len(labels), cuts)
