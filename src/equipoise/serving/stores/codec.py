"""The facts of a unit as bytes: a fixed layout, so that every bit of a float returns.

    effects (k, M) | standard errors (k, M) | costs (k,) | how often the unit counts
    codes of labels (L,) | what is open (k,) | zeros up to a multiple of 8

Floats are little-endian float64, codes uint32, what is open a byte a candidate.  What all units
share stands once in the store's header: the names, the labels that codes stand for, and which of
the parts there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.artifacts.unit_facts import FactsBatch, UnitFacts
from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError, SnapshotError

LONGEST_KEY = 511  # bytes, of LMDB
FLOAT, code_at = np.dtype("<f8"), Struct("<I").unpack_from
ndarray, new = np.ndarray, tuple.__new__  # each look-up is felt once a unit


class Places(NamedTuple):
    """Where the parts of a unit begin: the first three in numbers of 8 bytes, the others in
    bytes.
    """

    errors: int
    cost: int
    importance: int
    codes: int
    eligible: int
    end: int


@dataclass(frozen=True)
class Layout:
    """What the bytes of a unit mean.

    Attributes
    ----------
    candidates : tuple of str, (k,)
        Their names.
    metrics : tuple of str, (M,)
        Of the effects.
    labels : dict of str to tuple of str
        Of each column that the rule names, the labels that its codes stand for.
    errors : bool, default False
        Whether there are standard errors.
    importance : bool, default False
        Whether some units count more than once.
    eligible : bool, default False
        Whether candidates are open to some units only.

    Examples
    --------
    >>> layout = Layout(("a", "b"), ("y",), {})
    >>> facts = UnitFacts(np.array([[1.0], [2.0]]), None, np.array([0.5, 0.1]))
    >>> layout.decode(layout.encode(facts)).cost.tolist()
    [0.5, 0.1]
    """

    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    errors: bool = False
    importance: bool = False
    eligible: bool = False

    @cached_property
    def places(self) -> Places:
        """Where the parts begin."""
        k = len(self.candidates)
        cube = k * len(self.metrics)
        cost = cube * (1 + self.errors)
        codes = 8 * (cost + k + self.importance)
        eligible = codes + 4 * len(self.labels)
        return Places(cube, cost, cost + k, codes, eligible, eligible + k * self.eligible)

    @cached_property
    def size(self) -> int:
        """The bytes of a unit."""
        return -(-self.places.end // 8) * 8

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The same for numpy: a record of the parts that there are."""
        k, m, at = len(self.candidates), len(self.metrics), self.places
        parts: list[tuple[str, str, tuple[int, ...], int, bool]] = [
            ("values", "<f8", (k, m), 0, True),
            ("errors", "<f8", (k, m), 8 * at.errors, self.errors),
            ("cost", "<f8", (k,), 8 * at.cost, True),
            ("importance", "<f8", (), 8 * at.importance, self.importance),
            ("codes", "<u4", (len(self.labels),), at.codes, bool(self.labels)),
            ("eligible", "?", (k,), at.eligible, self.eligible),
        ]
        there = [part for part in parts if part[-1]]
        return np.dtype(
            {
                "names": [name for name, *_ in there],
                "formats": [(kind, shape) for _, kind, shape, *_ in there],
                "offsets": [offset for *_, offset, _ in there],
                "itemsize": self.size,
            }
        )

    def decode(self, raw: bytes) -> UnitFacts:
        """Read one unit.

        Parameters
        ----------
        raw : bytes
            Of one unit.

        Returns
        -------
        UnitFacts
            Its arrays are views that cannot be written.

        Raises
        ------
        SnapshotError
            Where there are not as many bytes as a unit has.
        """
        size, cube, line, errors, cost, importance, codes, eligible, columns = self._parts
        if len(raw) != size:
            fix = "publish the snapshot again"
            raise SnapshotError("a stored unit", f"have {size} bytes", len(raw), fix=fix)
        labels = {}
        for name, known in columns:
            labels[name] = known[code_at(raw, codes)[0]]
            codes += 4
        facts = (
            ndarray(cube, FLOAT, raw),
            ndarray(cube, FLOAT, raw, errors) if errors else None,
            ndarray(line, FLOAT, raw, cost),
            labels,
            ndarray(line, np.bool_, raw, eligible) if eligible else None,
            float(ndarray(1, FLOAT, raw, importance)[0]) if importance else 1.0,
        )
        return new(UnitFacts, facts)

    @cached_property
    def _parts(self) -> tuple[Any, ...]:
        """What `decode` goes by: sizes, then the byte where each part begins, 0 without it."""
        k, m, at = len(self.candidates), len(self.metrics), self.places
        return (
            self.size,
            (k, m),
            (k,),
            8 * at.errors if self.errors else 0,
            8 * at.cost,
            8 * at.importance if self.importance else 0,
            at.codes,
            at.eligible if self.eligible else 0,
            tuple(self.labels.items()),
        )

    def decode_rows(self, units: pa.StringArray, rows: NDArray[np.void]) -> FactsBatch:
        """Read many units.

        Parameters
        ----------
        units : pyarrow.StringArray, (n,)
            Their ids.
        rows : structured array, (n,)
            As of ``dtype``.

        Returns
        -------
        FactsBatch
            Arrays of their own.
        """

        def part(name: str, there: bool) -> Any:
            return np.ascontiguousarray(rows[name]) if there else None

        labels = {
            name: np.asarray(known, np.str_)[rows["codes"][:, j]]
            for j, (name, known) in enumerate(self.labels.items())
        }
        values, cost = part("values", True), part("cost", True)
        errors, eligible = part("errors", self.errors), part("eligible", self.eligible)
        importance = part("importance", self.importance)
        return FactsBatch(units, values, errors, cost, labels, eligible, importance)

    def encode(self, facts: UnitFacts) -> bytes:
        """Write one unit.

        Parameters
        ----------
        facts : UnitFacts
            Of the unit; its labels are among those of the layout.

        Returns
        -------
        bytes
            As `decode` reads them.
        """
        labels = {name: np.array([facts.labels[name]], np.str_) for name in self.labels}
        errors = None if facts.errors is None else facts.errors[None]
        eligible = None if facts.eligible is None else facts.eligible[None]
        importance, nobody = np.array([facts.importance]), pa.array([""])
        return (
            Encoder(self)
            .encode(
                FactsBatch(
                    nobody,
                    facts.values[None],
                    errors,
                    facts.cost[None],
                    labels,
                    eligible,
                    importance,
                )
            )
            .tobytes()
        )

    def to_json(self) -> dict[str, Any]:
        """Give the layout as plain JSON, for a store's header.

        Returns
        -------
        dict
            Its fields.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Layout:
        """Read a layout of `to_json`.

        Parameters
        ----------
        plain : mapping
            What `to_json` gave.

        Returns
        -------
        Layout
            The same.
        """
        labels = {name: tuple(known) for name, known in plain["labels"].items()}
        names = {name: tuple(plain[name]) for name in ("candidates", "metrics")}
        return cls(**{**plain, **names, "labels": labels})


class Encoder:
    """Writes batches of units as bytes, and learns their labels.

    Parameters
    ----------
    layout : Layout
        What every batch has; its labels may grow.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._codes = {
            name: {label: code for code, label in enumerate(known)}
            for name, known in layout.labels.items()
        }

    @property
    def layout(self) -> Layout:
        """The layout with all labels so far."""
        labels = {name: tuple(codes) for name, codes in self._codes.items()}
        return replace(self._layout, labels=labels)

    def encode(self, batch: FactsBatch) -> NDArray[np.void]:
        """The units of a batch, (n,) records of the layout."""
        layout = self._layout
        rows = np.zeros(len(batch.units), layout.dtype)
        rows["values"], rows["cost"] = batch.values, batch.cost
        if layout.errors:
            rows["errors"] = batch.errors
        if layout.importance:
            rows["importance"] = 1.0 if batch.importance is None else batch.importance
        if layout.eligible:
            rows["eligible"] = True if batch.eligible is None else batch.eligible
        for j, (name, codes) in enumerate(self._codes.items()):
            rows["codes"][:, j] = _coded(codes, batch.labels[name])
        return rows


def _coded(codes: dict[str, int], labels: NDArray[np.str_]) -> Ints:
    """The code of each label, (n,); new labels get the next ones."""
    known, place = np.unique(labels, return_inverse=True)
    of_known = [codes.setdefault(label, len(codes)) for label in known.tolist()]
    return np.asarray(of_known, np.int64)[place]


def layout_of(candidates: tuple[str, ...], metrics: tuple[str, ...], batch: FactsBatch) -> Layout:
    """The layout of a store whose first units are those of a batch; no label is known yet."""
    return Layout(
        candidates,
        metrics,
        {name: () for name in batch.labels},
        batch.errors is not None,
        batch.importance is not None,
        batch.eligible is not None,
    )


def key_of(unit: str) -> bytes | None:
    """The key of a unit: its id in UTF-8; None where no unit of a store can have that id.

    >>> key_of("ann"), key_of("a" * 600)
    (b'ann', None)
    """
    try:
        raw = unit.encode()
    except UnicodeEncodeError:
        return None
    return raw if 0 < len(raw) <= LONGEST_KEY else None


def keys_of(units: pa.StringArray, first: int = 0) -> pa.BinaryArray:
    """The keys of many units, (n,); the number of the first row is for the error."""
    length = pc.fill_null(pc.binary_length(units), 0)
    odd = pc.or_(pc.equal(length, 0), pc.greater(length, LONGEST_KEY))
    if pc.any(odd).as_py():
        row = pc.index(odd, True).as_py()
        must, got = f"have 1 to {LONGEST_KEY} bytes", f"{length[row].as_py()} bytes"
        raise InputError("a unit's id", must, got, f"row {first + row}", "mend or drop the row")
    return units.cast(pa.binary())
