"""Units in parts: what an allocation needs of them, without their features or effects.

A unit's labels and what is open to it make its kind.  Kinds are few, so demands are compiled once
against a table of them, and a part keeps of each unit a number:

    worth (n, k)   cost (n, k), or (1, k) where all cost the same   kind (n,)
    cube (n, k, q) of the effects on metrics that demands count

Compiled against the kinds of all parts the rows of each part are those that all units together
would have, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.allocation.constraints import Constraint, CountedGroups, Groups
from equipoise.allocation.solve import CLOSED, expand
from equipoise.allocation.solver.compile import Rows, close, compile_rows
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown

Kind = tuple[tuple[Any, ...], bytes]  # labels by column; of each candidate whether it is open
Kinds = NDArray[np.int32]
Asking = Sequence[Constraint] | Callable[[Groups], Sequence[Constraint]]


@shown
@dataclass(frozen=True)
class UnitPart:
    """Some units.

    Attributes
    ----------
    worth : array, (n, k)
        Of each candidate over control, before prices.
    cost : array, (n, k) or (1, k)
        In money.
    cube : array, (n, k, q) or (1, k, 1)
        The effects on the metrics that demands count, in their order; (1, k, 1) where none do.
    kind : array of int, (n,)
        Places in ``kinds``.
    columns : tuple of str
        Of the groups, in the order of the labels of a kind.
    kinds : tuple
        (labels, what is open) of each kind.
    ids : object, default None
        What the units are known by, for whoever takes their choices.

    Examples
    --------
    >>> part = unit_part([[2.0], [1.0]], groups={"city": np.array(["Rome", "Oslo"])})
    >>> part.kind.tolist(), part.kinds
    ([1, 0], ((('Oslo',), b'\\x01'), (('Rome',), b'\\x01')))
    """

    worth: Floats
    cost: Floats
    cube: Floats
    kind: Kinds
    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    ids: Any = None

    def __len__(self) -> int:
        return len(self.worth)

    def counts(self) -> Ints:
        """Count the units of each kind.

        Returns
        -------
        array of int, (kinds,)
            In the order of ``kinds``.
        """
        return np.bincount(self.kind, minlength=len(self.kinds))


def unit_part(
    worth: Any,
    *,
    cost: Any = None,
    cube: Any = None,
    groups: Mapping[str, NDArray[Any]] | None = None,
    eligible: Bools | None = None,
    ids: Any = None,
) -> UnitPart:
    """Keep of some units what an allocation needs.

    Parameters
    ----------
    worth : array-like, (n, k)
        Of each candidate over control.
    cost : array-like, (n, k) or (k,), optional
        In money; by default nothing costs anything.
    cube : array-like, (n, k, q), optional
        The effects on the metrics that demands count.
    groups : mapping, optional
        Column -> labels (n,).
    eligible : array of bool, (n, k), optional
        Whether a candidate is open to a unit.
    ids : object, optional
        What the units are known by.

    Returns
    -------
    UnitPart
        Of these units.

    Examples
    --------
    >>> len(unit_part([[2.0], [1.0]], cost=[1.0]))
    2
    """
    value = np.ascontiguousarray(worth, np.float64)
    n, k = value.shape
    money = np.zeros((1, k)) if cost is None else np.ascontiguousarray(cost, np.float64)
    money = money[None] if money.ndim == 1 else money
    counted = np.zeros((1, k, 1)) if cube is None else np.ascontiguousarray(cube, np.float64)
    columns, kind = tuple(groups or {}), np.zeros(n, np.int64)
    kinds: list[Any] = [()]
    for name in columns:
        labels, own = np.unique(np.asarray((groups or {})[name]), return_inverse=True)
        kind, kinds = _with_label(kind, kinds, own.reshape(-1), labels.tolist())
    opens = np.ones((n, k), np.bool_) if eligible is None else np.asarray(eligible, np.bool_)
    whole = [(labels, np.ones(k, np.bool_).tobytes()) for labels in kinds]
    if not opens.all():
        sets, own = np.unique(opens, axis=0, return_inverse=True)
        kind, kinds = _with_label(kind, kinds, own.reshape(-1), [one.tobytes() for one in sets])
        whole = [(labels[:-1], labels[-1]) for labels in kinds]
    return UnitPart(value, money, counted, kind.astype(np.int32), columns, tuple(whole), ids)


def _with_label(
    kind: Ints, kinds: list[Any], own: Ints, labels: list[Any]
) -> tuple[Ints, list[Any]]:
    """Kinds told apart by one label more, those that occur."""
    both, kind = np.unique(kind * len(labels) + own, return_inverse=True)
    pairs = (divmod(int(code), len(labels)) for code in both)
    return kind.reshape(-1), [(*kinds[old], labels[new]) for old, new in pairs]


class PartBuilder:
    """Parts that come one after another, as one.

    Examples
    --------
    >>> builder = PartBuilder()
    >>> builder.add(unit_part([[2.0]], cost=[1.0]))
    >>> builder.add(unit_part([[3.0], [1.0]], cost=[1.0]))
    >>> whole = builder.build()
    >>> whole.worth.tolist(), whole.cost.tolist()
    ([[2.0], [3.0], [1.0]], [[1.0]])
    """

    def __init__(self) -> None:
        self._arrays: dict[str, list[Any]] = {"worth": [], "cost": [], "cube": [], "kind": []}
        self._place: dict[Kind, int] = {}
        self._columns: tuple[str, ...] = ()

    def add(self, part: UnitPart) -> None:
        """Take the next units.

        Parameters
        ----------
        part : UnitPart
            With the columns and candidates of the others.
        """
        self._columns = part.columns
        new = [self._place.setdefault(kind, len(self._place)) for kind in part.kinds]
        fields = part.worth, part.cost, part.cube, np.array(new, np.int32)[part.kind]
        for name, field in zip(self._arrays, fields, strict=True):
            self._arrays[name].append(field)

    def build(self, ids: Any = None) -> UnitPart:
        """All units; the builder is empty then.

        Parameters
        ----------
        ids : object, default None
            What the units are known by.

        Returns
        -------
        UnitPart
            In the order in which they came.
        """
        every = self._arrays
        if not every["worth"]:
            return unit_part(np.zeros((0, 1)), ids=ids)
        cost, cube = every["cost"], every["cube"]
        alike = all(len(own) == 1 and np.array_equal(own, cost[0]) for own in cost)
        if not alike:
            every["cost"] = [
                np.broadcast_to(own, of.shape) for own, of in zip(cost, every["worth"], strict=True)
            ]
        counted = any(len(own) > 1 or own.any() for own in cube)
        return UnitPart(
            stacked(every["worth"]),
            cost[0] if alike else stacked(every["cost"]),
            stacked(cube) if counted else cube[0],
            stacked(every["kind"]),
            self._columns,
            tuple(self._place),
            ids,
        )


def stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Arrays one under another; the list is emptied, so that memory is not needed twice."""
    whole = np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    start = 0
    while arrays:
        part = arrays.pop(0)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


@dataclass(frozen=True)
class KindRows:
    """Demands compiled against kinds of units.

    Attributes
    ----------
    kinds : list
        Of all parts.
    rows : Rows
        Their codes are those of the kinds.
    margin : float
        How much less than control a closed candidate is worth at least.
    """

    kinds: list[Kind]
    rows: Rows
    margin: float

    def problem(self, part: UnitPart, share: float = 1.0) -> Problem:
        """The problem of the units of a part, under the bounds of all times ``share``."""
        place = {kind: i for i, kind in enumerate(self.kinds)}
        which = np.array([place[kind] for kind in part.kinds], np.int64)
        rows = replace(
            self.rows, codes=self.rows.codes[which][part.kind], bounds=self.rows.bounds * share
        )
        patterns = np.array([np.frombuffer(kind[1], np.bool_) for kind in part.kinds])
        worth, eligible = part.worth, None
        if not patterns.all():
            eligible = patterns[part.kind]
            least = np.where(eligible, worth, 0.0).min(axis=1, keepdims=True)
            worth = np.where(eligible, worth, np.minimum(least, 0) - self.margin)
        return Problem(worth, part.cost, part.cube, rows.columns, rows, eligible)


def compile_kinds(
    constraints: Asking,
    columns: Sequence[str],
    counts: Mapping[Kind, int],
    candidates: Sequence[str],
    metrics: Sequence[str],
    largest: float,
) -> KindRows:
    """Compile constraints against the kinds of all units.

    Parameters
    ----------
    constraints : sequence of Constraint, or callable
        What the choice must obey; or groups with counted labels -> these.
    columns : sequence of str
        Of the groups.
    counts : mapping
        The units of each kind.
    candidates : sequence of str, (k,)
        Their names.
    metrics : sequence of str
        Those that the cubes of the parts have, in their order.
    largest : float
        The largest size of a worth.

    Returns
    -------
    KindRows
        The demands, compiled.
    """
    kinds = sorted(counts)
    number = np.array([counts[kind] for kind in kinds], np.int64)
    groups = {name: np.array([kind[0][j] for kind in kinds]) for j, name in enumerate(columns)}
    counted = _counted(groups, number)
    demands = expand(constraints(counted) if callable(constraints) else constraints, counted)
    rows = compile_rows(demands, candidates, metrics, groups, len(kinds), True, number)
    patterns = np.array([np.frombuffer(kind[1], np.bool_) for kind in kinds])
    if not patterns.all():
        rows = close(rows, patterns)
    return KindRows(kinds, rows, CLOSED * max(largest, 1e-300))


def _counted(groups: Mapping[str, NDArray[Any]], number: Ints) -> CountedGroups:
    """The groups of kinds, their labels counted in units."""
    counted = CountedGroups(groups)
    for name, values in groups.items():
        labels, place = np.unique(values, return_inverse=True)
        sums = np.bincount(place.reshape(-1), number).astype(np.int64)
        counted.counts[name] = dict(zip(labels.tolist(), sums.tolist(), strict=True))
    return counted
