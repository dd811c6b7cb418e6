"""A snapshot that was verified and passed its self-test, opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import MANIFEST, verify_snapshot
from equipoise.serving.protocols import EffectStore
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.self_test import SelfTest, run_self_test
from equipoise.serving.snapshots.signing import check_signature
from equipoise.serving.snapshots.state import LIVE, POLICY, State
from equipoise.serving.stores.building import open_store
from equipoise.serving.stores.redis_store import RedisStore

KIND = "decisions"
STORE, SELF_TEST = "store", "self_test"


class LoadedSnapshot(NamedTuple):
    """A snapshot that may be served.

    Attributes
    ----------
    id : str
        The sha256 of its manifest, 64 hex digits.
    artifact : Scorer
        The model, the costs and the rule.
    store : EffectStore or None
        The known units; None where it knows none.
    self_test : SelfTest
        What was decided again here, to the bit.
    meta : dict
        What its manifest says: ``policy`` (the id of the policy's snapshot), ``candidates``,
        ``control``, ``columns``, ``demands``, ``units``.
    folder : Path
        Where it is.
    """

    id: str
    artifact: Scorer
    store: EffectStore | None
    self_test: SelfTest
    meta: dict[str, Any]
    folder: Path

    def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            self.store.close()


def load_snapshot(
    state: Path | str, id: str, *, redis: str | None = None, deadline: float = 0.02
) -> LoadedSnapshot:
    """Verify a snapshot, let it pass its self-test, and open it.

    Parameters
    ----------
    state : path
        The state folder.
    id : str
        Of the snapshot.
    redis : str, optional
        The address of the Redis that has its units; by default they are read from its own files.
    deadline : float, default 0.02
        By when Redis must answer, in seconds.

    Returns
    -------
    LoadedSnapshot
        Close it when it is served no more.

    Raises
    ------
    SnapshotError
        Where a byte was changed, it is not signed as it must be, or a decision comes out
        differently here.
    StoreError
        Where Redis does not answer.
    """
    folder = State(Path(state)).snapshot(id)
    return open_snapshot(folder, id, redis=redis, deadline=deadline)


def open_snapshot(
    folder: Path, id: str | None = None, *, redis: str | None = None, deadline: float = 0.02
) -> LoadedSnapshot:
    """As `load_snapshot`, of any folder; without an id, whatever id it has."""
    if not (folder / MANIFEST).exists():
        fix = "see what there is with `equipoise versions`"
        raise SnapshotError("a snapshot", "be in the state folder", "none", str(folder), fix)
    check_signature(folder)
    content = verify_snapshot(folder)
    kind = content.meta.get("kind")
    if kind != KIND:
        fix = "publish the run, or its policy/ folder"
        raise SnapshotError("a snapshot", "be one that was published", kind, str(folder), fix)
    if id is not None and content.id != id:
        fix = "restore it: it was changed"
        raise SnapshotError("a snapshot", "have the id of its folder", content.id, str(folder), fix)
    scorer = read_scorer(folder / POLICY)
    local = open_store(folder / STORE) if content.meta["units"] else None
    try:
        passed = run_self_test(folder / SELF_TEST, scorer, local)
    except BaseException:
        if local is not None:
            local.close()
        raise
    if local is None or redis is None:
        return LoadedSnapshot(content.id, scorer, local, passed, content.meta, folder)
    local.close()
    remote = RedisStore(redis, content.id, local.header, deadline=deadline)
    return LoadedSnapshot(content.id, scorer, remote, passed, content.meta, folder)


def load_live(state: Path | str, *, redis: str | None = None) -> LoadedSnapshot:
    """Load what is live.

    Parameters
    ----------
    state : path
        The state folder.
    redis : str, optional
        As of `load_snapshot`.

    Returns
    -------
    LoadedSnapshot
        Of the channel `live`.

    Raises
    ------
    SnapshotError
        Where nothing was published, or as of `load_snapshot`.
    """
    live = Channels(state).read(LIVE)
    if live is None:
        fix = "publish a run: equipoise publish RUN"
        raise SnapshotError("a service", "have a snapshot that is live", "none", str(state), fix)
    return load_snapshot(state, live.snapshot, redis=redis)
