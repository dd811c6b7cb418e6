"""A run, and a file of units, as a snapshot: built beside its place, on disk before it gets there.

The id is the sha256 of the manifest over all its files, so what was built is known only then: the
folder is renamed to its id at the very end.  A builder that dies leaves a folder that nobody names.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import (
    flush,
    locked,
    read_snapshot,
    seal_snapshot,
    sync,
    verify_snapshot,
)
from equipoise.core.version import __version__
from equipoise.data.sources import read_source_batches, source_columns
from equipoise.serving.engine.weight_net import NAMES, NET, read_weight_net
from equipoise.serving.explorer.units import keep_units
from equipoise.serving.snapshots.load import KIND, SELF_TEST, STORE
from equipoise.serving.snapshots.self_test import write_self_test
from equipoise.serving.snapshots.signing import check_signature, sign
from equipoise.serving.snapshots.state import POLICY, State, policy_folder
from equipoise.serving.stores.building import build_store, open_store

LOGGER = logging.getLogger(__name__)
BUILDING = ".building-"  # begins the names of folders where a snapshot is being built
EACH_ONE = "decide on one candidate or none: mode 'argmax' or 'random'"
EACH_FIX = (
    "publish one policy for each candidate; several at once have no single probability to log"
)
ONE_DAY = "decide each unit by itself"
ONE_DAY_FIX = "learn a policy without means of days, or score files day by day"


def build_snapshot(
    state: Path | str,
    source: Path | str,
    units: Path | str | None = None,
    *,
    id: str | None = None,
    weights: Path | str | None = None,
    kind: str | None = None,
    progress: Progress = silent,
) -> str:
    """Build a snapshot that can be published.

    Parameters
    ----------
    state : path
        The state folder; it is made.
    source : path
        A run, or its policy/ folder.
    units : path, optional
        A Parquet or CSV file of units that are known ahead: their effects are stored, so that a
        request need only name them.  It is read in batches, and may be of any size.
    id : str, optional
        The column of their ids, where the policy has none.
    weights : path, optional
        A folder with a net of weights for the context of a request: `weights.safetensors`, as
        `Weigher.save` writes it, and `weights.json`, which names its features.
    kind : {"lmdb", "arrays"}, optional
        How they are stored; by default in LMDB where that is installed.
    progress : callable, default silent
        Is told of the units.

    Returns
    -------
    str
        The snapshot's id; the same for the same policy and units.

    Raises
    ------
    InputError
        Where the policy cannot be served, a unit lacks its id or occurs twice, or ``state`` is a
        folder of data.
    SnapshotError
        Where the policy is not as it was written.
    """
    place = State(Path(state))
    place.check()
    policy = policy_folder(Path(source))
    scorer = read_scorer(policy)
    _must_be_served(scorer, str(policy))
    with _beside(place.snapshots) as folder:
        _copy(policy, folder / POLICY)
        if weights is not None:
            _net(folder, Path(weights), scorer)
        known = 0
        if units is not None:
            known = _known_units(folder / STORE, scorer, units, id, kind, progress)
        store = open_store(folder / STORE) if known else None
        try:
            write_self_test(folder / SELF_TEST, scorer, store)
        finally:
            if store is not None:
                store.close()
        meta = _meta(scorer, known, read_snapshot(folder / POLICY).id)
        snapshot = seal_snapshot(folder, meta)
        sign(folder)
        flush(folder)
        _put(folder, place.snapshot(snapshot))
    keep_units(state, snapshot, source)
    return snapshot


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; the first file that cannot be is the error, unlike `shutil.copytree`'s."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        (_copy if path.is_dir() else shutil.copyfile)(path, target / path.name)


def _net(folder: Path, weights: Path, scorer: Scorer) -> None:
    """Copy a net of weights that the policy can take."""
    net, own = read_weight_net(weights), scorer.policy.metrics
    if net is None or not set(net.weigher.metrics) <= set(own):
        must = f"hold {NET}, for metrics of the policy: {', '.join(own)}"
        got = "no such file" if net is None else ", ".join(net.weigher.metrics)
        raise InputError("a folder of weights", must, got, str(weights))
    for name in (NET, NAMES):
        shutil.copyfile(weights / name, folder / name)


def _put(folder: Path, final: Path) -> None:
    """Give a snapshot its name, unless the same one stands there already."""
    if final.exists():
        try:
            check_signature(final)
            verify_snapshot(final)
            return
        except SnapshotError:
            os.rename(final, final.with_name(f"{BUILDING}{secrets.token_hex(4)}"))
    os.rename(folder, final)
    sync(final.parent)


def _meta(scorer: Scorer, units: int, policy: str) -> dict[str, Any]:
    """What the manifest says beside the sums."""
    rule = scorer.policy
    return {
        "kind": KIND,
        "version": __version__,
        "policy": policy,
        "candidates": list(rule.candidates),
        "control": rule.control,
        "columns": sorted(scorer.units.needed),
        "demands": [demand.name for demand in rule.demands],
        "units": units,
    }


def _known_units(
    folder: Path,
    scorer: Scorer,
    units: Path | str,
    id: str | None,
    kind: str | None,
    progress: Progress,
) -> int:
    """Store the facts of a file of units: how many."""
    if id is not None:
        scorer = replace(scorer, id=id)
    if scorer.id is None:
        fix = "name it: --id COLUMN"
        raise InputError("units", "have a column of ids", "a policy without one", str(units), fix)
    reader = scorer.units
    reader.check_names(source_columns(units), str(units))
    counts, total = UnitCounts(reader), _rows(units)
    rows = read_source_batches(units, list(reader.needed), reader.in_text)

    def told(done: int) -> None:
        progress("units", done, max(done, total))

    header = build_store(
        folder,
        scorer.policy.candidates,
        scorer.model.metrics,
        scorer.facts(rows, counts),
        kind=kind,
        told=told,
    )
    counts.check()
    for caution in counts.cautions():
        LOGGER.warning("%s: %s", units, caution)
    return header.units


def _rows(units: Path | str) -> int:
    """The rows of a file, where it says how many; else 0."""
    path = Path(units)
    known = path.is_file() and path.suffix in (".parquet", ".pq")
    return int(pq.read_metadata(path).num_rows) if known else 0


def _must_be_served(scorer: Scorer, where: str) -> None:
    """Refuse, before anything is written, what one request cannot be answered by."""
    if scorer.policy.mode == "each":
        raise InputError("a policy that is served", EACH_ONE, "mode 'each'", where, EACH_FIX)
    if scorer.staying.average_days > 1:
        got = "one whose features are means of days"
        raise InputError("a policy that is served", ONE_DAY, got, where, ONE_DAY_FIX)


@contextmanager
def _beside(snapshots: Path) -> Iterator[Path]:
    """A folder to build in, locked while its builder lives; it is removed unless it was renamed."""
    snapshots.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=snapshots))
    try:
        with locked(folder):
            folder.chmod(0o755)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
