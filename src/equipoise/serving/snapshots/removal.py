"""Snapshots that nothing names any more are removed: no channel, no rollback, no decision that was
logged.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from equipoise.core.snapshot import locked
from equipoise.serving.explorer.units import drop_units
from equipoise.serving.log.reader import read_records
from equipoise.serving.records import Context
from equipoise.serving.snapshots.audit import change
from equipoise.serving.snapshots.build import BUILDING
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.state import CHANNELS, State
from equipoise.serving.stores.redis_units import RedisUnits

YOUNG = 3600.0  # seconds: what was just built may be about to be published


def remove_unnamed(
    state: Path | str,
    log: Path | str | None = None,
    *,
    keep: Iterable[str] = (),
    older_than: float = YOUNG,
    redis: RedisUnits | None = None,
) -> list[str]:
    """Remove the snapshots that nothing names, and what dead builders left.

    Parameters
    ----------
    state : path
        The state folder.
    log : path, optional
        The decision log; by default that of the state folder, where there is one.  A snapshot that
        any segment names is kept, for its decisions could not be replayed without it.
    keep : iterable of str, default ()
        Ids to keep besides.
    older_than : float, default YOUNG
        Younger ones are kept, in seconds.
    redis : RedisUnits, optional
        Where units are let to expire whose snapshots are no longer in this folder.

    Returns
    -------
    list of str
        The ids that were removed.

    Raises
    ------
    DataError
        Where the log is damaged: nothing is removed then.
    """
    place = State(Path(state))
    if not place.snapshots.is_dir():
        return []
    named = {*keep, *_of_log(place.log if log is None else Path(log))}
    with change(place.audit):  # nobody publishes meanwhile
        for name in CHANNELS:
            channel = Channels(state).read(name)
            named |= set() if channel is None else {channel.snapshot, channel.previous}
        old = time.time() - older_than
        gone = [id for id in place.ids() if id not in named and _made(place.snapshot(id)) < old]
        for id in gone:  # by one step, so that nobody loads half of it
            place.snapshot(id).rename(place.snapshots / f"{BUILDING}{id}")
            drop_units(state, id)
    for left in place.snapshots.glob(f"{BUILDING}*"):
        with locked(left, wait=False) as free:
            if free and (left.name[len(BUILDING) :] in gone or _made(left) < old):
                shutil.rmtree(left, ignore_errors=True)
    if redis is not None:
        for id in redis.snapshots() - set(place.ids()):
            redis.retire(id)
    return gone


def _of_log(log: Path) -> set[str]:
    """The ids that a log names."""
    named: set[str] = set()
    if log.is_dir() and any(log.iterdir()):
        for entry in read_records(log):
            record = entry.record
            if isinstance(record, Context):
                named |= {record.snapshot, record.candidate_snapshot, *record.shadows}
    return named


def _made(folder: Path) -> float:
    """When a folder was made, in seconds since 1970."""
    return folder.stat().st_mtime
