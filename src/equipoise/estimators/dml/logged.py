"""The distinct treatments of a log: which there are, and which of them each row has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.dml import gram
from equipoise.estimators.dml.passes import Sums

MOST_OWN = 300  # distinct treatments that may have deviations of their own


def numbers(space: Space, treatment: NDArray[Any]) -> Floats:
    """Canonical treatments as rows of numbers, (n, c): amounts and vectors as they are, labels by
    their cells.
    """
    values = treatment if treatment.dtype.kind in "biuf" else space.cells(treatment)
    return np.asarray(values, np.float64).reshape(len(values), -1)


def distinct(rows: Floats, known: Floats | None = None, most: int = MOST_OWN) -> Floats:
    """The distinct rows in rising order, (s, c), with those known before; of more than ``most``,
    some more than ``most``.

    >>> distinct(np.array([[2.0], [1.0], [2.0]])).tolist()
    [[1.0], [2.0]]
    """
    for part in gram.cuts(len(rows)):
        if known is not None and len(known) > most:
            break
        near = rows[part]
        if known is not None:
            near = near[places(near, known) < 0]
        if len(near):
            known = np.unique(near if known is None else np.vstack([known, near]), axis=0)
    return rows[:0] if known is None else known


def places(rows: Floats, known: Floats) -> Ints:
    """Where each row stands among the distinct ``known`` ones, (n,); -1: nowhere.

    >>> places(np.array([[2.0], [5.0], [1.0]]), np.array([[1.0], [2.0]])).tolist()
    [1, -1, 0]
    """
    code, own = np.zeros(len(rows), np.int64), np.zeros(len(known), np.int64)
    hit = np.full(len(rows), len(known) > 0)
    for column, names in zip(rows.T, known.T, strict=True):
        at, level, same = _matched(column, names)
        hit &= same
        code, own, same = _matched(code * len(known) + at, own * len(known) + level)
        hit &= same
    order = np.empty(len(known), np.int64)
    order[own] = np.arange(len(known))
    return np.where(hit, order[code] if len(known) else code, -1)


def _matched(column: NDArray[Any], names: NDArray[Any]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """The codes of a column and of the known values, and where the column has a known value."""
    value, level = np.unique(names, return_inverse=True)
    at = np.minimum(np.searchsorted(value, column), len(value) - 1)
    return at, level, value[at] == column


def deviations(rows: Floats, control: Floats, known: Floats) -> Floats:
    """Columns of own deviations, (n, s): 1 at a row's own treatment, less those of control, so that
    control is the zero row.
    """
    out = np.zeros((len(rows), len(known)))
    place = places(rows, known)
    own = np.flatnonzero(place >= 0)
    out[own, place[own]] = 1.0
    base = places(control, known)
    if base[0] >= 0:
        out[:, base[0]] -= 1.0
    return out


def check_few(known: Floats) -> None:
    """Refuse own deviations of more treatments than a Gram matrix should hold."""
    if len(known) > MOST_OWN:
        fix = "leave own deviations out (own=False), or log fewer distinct treatments"
        must = f"be at most {MOST_OWN} distinct ones to have deviations of their own"
        raise InputError("the logged treatments", must, f"more than {MOST_OWN}", fix=fix)


def check_identified(space: Space, columns: int, known: Floats) -> None:
    """Refuse an encoding whose columns the logged treatments cannot tell apart, unless every
    candidate was logged and the space does not extrapolate.   known: the distinct ones, or as many
    as settle it.
    """
    directions = len(known) - 1
    if columns < directions or columns == 0:
        return
    candidates, strict = numbers(space, space.candidates()), getattr(space, "extrapolates", False)
    if (
        not strict
        and columns == directions
        and (columns == 1 or (places(candidates, known) >= 0).all())
    ):
        return
    fix = (
        "lower the degree, log more distinct treatments, or shrink the effects"
        ' (shrink="auto", or the estimator "dml-pooled")'
    )
    must = (
        f"vary in all {columns} directions of its encoding, in more than {columns + 1} distinct"
        " treatments"
    )
    got = f"{len(known)} distinct logged treatments for {columns} columns"
    raise InputError("the treatment", must, got, fix=fix)


def support(sums: Sums, m: int) -> Floats:
    """A root of the inverse Gram matrix of [1, phi], (1 + p, 1 + p); refuses treatments that vary
    too little.
    """
    columns = np.r_[0, 1 + len(sums.centre) : sums.grams.shape[1] - m]
    spread = sums.grams.sum(axis=0)[np.ix_(columns, columns)]
    unit = 1 / np.sqrt(np.where(np.diag(spread) > 0, np.diag(spread), 1.0))
    value, vector = np.linalg.eigh(spread * unit[:, None] * unit)
    directions = value > value[-1] * len(value) * np.finfo(np.float64).eps * 8
    if not directions.all():
        fix = "log more different treatments, or encode them in fewer numbers"
        must = f"vary in all {len(columns) - 1} directions of its encoding"
        raise InputError("the treatment", must, int(directions.sum()) - 1, fix=fix)
    root: Floats = unit[:, None] * vector / np.sqrt(value)
    return root
