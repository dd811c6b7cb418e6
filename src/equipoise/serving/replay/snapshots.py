"""The snapshots that a log's contexts name, and others that are held against them: a state folder,
one published snapshot, or a run.
"""

from __future__ import annotations

from pathlib import Path

from equipoise.artifacts.policy import read_scorer
from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.snapshot import MANIFEST, read_manifest
from equipoise.serving.replay.again import Load
from equipoise.serving.snapshots.compiled import CompiledSnapshot, compile_snapshot
from equipoise.serving.snapshots.load import KIND, open_snapshot
from equipoise.serving.snapshots.state import State

POLICY = "policy"  # of a run's folder


def load_from(place: Path | str) -> Load:
    """What gives the snapshots of a place by their ids.

    Parameters
    ----------
    place : path
        A state folder, its folder of snapshots, or one snapshot.

    Returns
    -------
    callable
        Id -> snapshot, or None where it is not there.
    """
    folder = Path(place)
    if (folder / MANIFEST).is_file():
        one = compiled(folder)
        return lambda id: one if id == one.id else None
    folder = folder / "snapshots" if (folder / "snapshots").is_dir() else folder
    return lambda id: compiled(folder / id) if (folder / id / MANIFEST).is_file() else None


def compiled(folder: Path) -> CompiledSnapshot:
    """A published snapshot's folder, or that of a policy, ready to decide.

    Raises
    ------
    SnapshotError
        Where it was changed, or decides differently here.
    """
    if not (folder / MANIFEST).is_file() and (folder / POLICY / MANIFEST).is_file():
        folder = folder / POLICY
    if not (folder / MANIFEST).is_file():
        fix = "name a state folder, a snapshot of one, or the folder of a run"
        raise SnapshotError("a policy", "be a folder with a snapshot", "none", str(folder), fix)
    content = read_manifest(folder)  # whoever opens it verifies it
    if content.meta.get("kind") != KIND:
        return CompiledSnapshot(content.id, UnitScorer(read_scorer(folder)), None, None)
    return compile_snapshot(open_snapshot(folder))


def policy_named(state: Path, name: str) -> CompiledSnapshot:
    """A policy by the first digits of its id in a state folder, or by its folder.

    Raises
    ------
    InputError
        Where it is neither.
    """
    if Path(name).is_dir():
        return compiled(Path(name))
    try:
        id = State(state).one(name)
    except InputError as error:
        fix = f"name a folder, or the first digits of an id; {error.fix}"
        raise InputError("another policy", "be a snapshot or a run", repr(name), fix=fix) from error
    return compiled(State(state).snapshot(id))
