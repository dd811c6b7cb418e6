"""A store built from batches of facts: encoded, sorted by key, written; memory does not grow with
the units.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from equipoise.artifacts.unit_facts import FactsBatch
from equipoise.core.errors import DataError, InputError, SnapshotError
from equipoise.core.suggest import among
from equipoise.serving.stores.array_store import ArrayStore, write_arrays
from equipoise.serving.stores.codec import Encoder, keys_of, layout_of
from equipoise.serving.stores.header import Header, read_header
from equipoise.serving.stores.lmdb_store import LmdbStore, write_lmdb
from equipoise.serving.stores.sorting import RUN, SortedUnits

KINDS = {"lmdb": write_lmdb, "arrays": write_arrays}


def usual_kind() -> str:
    """The kind of store that is written where nobody asks: LMDB where it is installed."""
    return "lmdb" if importlib.util.find_spec("lmdb") else "arrays"


def build_store(
    folder: Path | str,
    candidates: tuple[str, ...],
    metrics: tuple[str, ...],
    batches: Iterable[FactsBatch],
    *,
    kind: str | None = None,
    told: Callable[[int], None] = lambda units: None,
    run: int = RUN,
) -> Header:
    """Write the store of known units.

    Parameters
    ----------
    folder : path
        Where; it is made.
    candidates : tuple of str, (k,)
        Of the facts.
    metrics : tuple of str, (M,)
        Of the effects.
    batches : iterable of FactsBatch
        The units, in any order.
    kind : {"lmdb", "arrays"}, optional
        How they are kept; by default in LMDB where that is installed.
    told : callable, optional
        Is told how many units were taken so far.
    run : int, default RUN
        How many bytes of units are sorted in memory; more go by disk.

    Returns
    -------
    Header
        Of the store.

    Raises
    ------
    InputError
        Where a unit has no id, or occurs twice.
    DataError
        Where there are no units.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> from tempfile import TemporaryDirectory
    >>> units = FactsBatch(pa.array(["bob", "ann"]), np.eye(2)[:, None], None, np.zeros((2, 1)))
    >>> with TemporaryDirectory() as place:
    ...     header = build_store(f"{place}/store", ("a",), ("x", "y"), [units], kind="arrays")
    ...     store = open_store(f"{place}/store")
    ...     header.units, store.get("ann").values.tolist(), store.get("eve")
    (2, [[0.0, 1.0]], None)
    """
    kind = kind or usual_kind()
    if kind not in KINDS:
        raise InputError("a store", "be of a known kind", repr(kind), fix=among(kind, KINDS))
    place, runs = Path(folder), Path(folder, ".runs")
    place.mkdir(parents=True, exist_ok=True)
    encoder, every = None, None
    try:
        for batch in batches:
            if encoder is None or every is None:
                encoder = Encoder(layout_of(candidates, metrics, batch))
                every = SortedUnits(runs, encoder.layout.size, run)
            every.add(keys_of(batch.units, every.units), encoder.encode(batch))
            told(every.units)
        if encoder is None or every is None:
            fix = "check the file and its filters"
            raise DataError("a file of units", "have rows", 0, str(folder), fix)
        KINDS[kind](place, every.blocks(), every.units, encoder.layout)
    finally:
        shutil.rmtree(runs, ignore_errors=True)
    return Header(kind, every.units, encoder.layout)


def open_store(folder: Path | str) -> LmdbStore | ArrayStore:
    """Open a store that was built.

    Parameters
    ----------
    folder : path
        Of the store.

    Returns
    -------
    LmdbStore or ArrayStore
        As its header says.

    Raises
    ------
    SnapshotError
        Where it cannot be read.

    Examples
    --------
    >>> open_store("nowhere")
    Traceback (most recent call last):
    equipoise.core.errors.SnapshotError: a snapshot must be as it was written; got
    FileNotFoundError: ...
    """
    header = read_header(folder)
    if header.kind not in KINDS:
        fix = "use the version that wrote it"
        must = f"be of a kind: {', '.join(KINDS)}"
        raise SnapshotError("a store", must, header.kind, str(folder), fix)
    return LmdbStore(folder) if header.kind == "lmdb" else ArrayStore(folder)
