"""Publish, promote, roll back: a channel is changed in one step, from what its publisher saw.

    1  the snapshot is verified, passes its self-test, and has the candidates of what it follows
    2  under the lock of the audit: the sequence is still the one seen, or a `ConflictError`
    3  a row of the audit, and the channel's file: written beside, on disk, renamed, its folder on
       disk

Whoever dies before the rename leaves the old one live, after it the new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import read_manifest
from equipoise.serving.errors import ConflictError
from equipoise.serving.snapshots.audit import Changes, change
from equipoise.serving.snapshots.channels import Channel, Channels
from equipoise.serving.snapshots.load import load_snapshot
from equipoise.serving.snapshots.state import CANDIDATE, CHANNELS, LIVE, SHOWN, State
from equipoise.serving.stores.array_store import ArrayStore
from equipoise.serving.stores.lmdb_store import LmdbStore
from equipoise.serving.stores.redis_units import RedisUnits

NOTHING = Channel("", 0, "", "", 0.0)


@dataclass(frozen=True)
class Difference:
    """What differs between a snapshot and the one that it follows.

    Attributes
    ----------
    what : {"candidates", "control", "columns", "demands"}
        Of the policy.
    before, after : tuple of str
        Their names.

    Examples
    --------
    >>> print(Difference("columns", ("age",), ("age", "city")))
    columns: more city
    """

    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        more = [name for name in self.after if name not in self.before]
        fewer = [name for name in self.before if name not in self.after]
        said = [f"more {', '.join(more)}"] * bool(more) + [f"no {', '.join(fewer)}"] * bool(fewer)
        return f"{self.what}: {'; '.join(said) or 'in another order'}"


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Compare two snapshots by what their manifests say.

    Parameters
    ----------
    before, after : dict
        Of `LoadedSnapshot.meta`.

    Returns
    -------
    list of Difference
        Empty where candidates, control, columns and demands are the same.

    Examples
    --------
    >>> one = {"candidates": ["5"], "control": "0", "columns": ["age"], "demands": ["budget"]}
    >>> [str(each) for each in differences(one, {**one, "demands": ["budget", "cap"]})]
    ['demands: more cap']
    """
    named = ((name, _names(before[name]), _names(after[name])) for name in COMPARED)
    return [Difference(name, one, other) for name, one, other in named if one != other]


COMPARED = ("candidates", "control", "columns", "demands")


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def check_successor(
    before: dict[str, Any], after: dict[str, Any], replace_candidates: bool = False
) -> list[Difference]:
    """Refuse a snapshot with other candidates than those of what it follows, unless that is asked
    for: open rewards, overrides and bonuses for staying name them.

    Parameters
    ----------
    before, after : dict
        Of `LoadedSnapshot.meta`.
    replace_candidates : bool, default False
        Whether it is asked for.

    Returns
    -------
    list of Difference
        What differs, to be told.

    Raises
    ------
    InputError
        Where the candidates, their order or control differ.
    """
    found = differences(before, after)
    for each in found:
        if each.what in ("candidates", "control") and not replace_candidates:
            fix = "if that is meant, ask for it: --replace-candidates"
            must = f"have the {each.what} of what it follows: {', '.join(each.before)}"
            raise InputError("a snapshot", must, ", ".join(each.after), fix=fix)
    return found


def publish(
    state: Path | str,
    id: str,
    *,
    channel: str = LIVE,
    expect_sequence: int | None = None,
    by: str = "",
    replace_candidates: bool = False,
    redis: RedisUnits | None = None,
    progress: Progress = silent,
) -> Channel:
    """Publish a snapshot that was built.

    Parameters
    ----------
    state : path
        The state folder.
    id : str
        Of the snapshot.
    channel : {"live", "candidate"}, default LIVE
        Where: for everybody, or for the share of the traffic that a candidate has.
    expect_sequence : int, optional
        The channel's sequence that the caller saw; by default that of when this was called.
    by : str, default ""
        Who publishes.
    replace_candidates : bool, default False
        Whether it may have other candidates than what is live.
    redis : RedisUnits, optional
        Where its units, and the channel, are written too.
    progress : callable, default silent
        Is told of the units that are written to Redis.

    Returns
    -------
    Channel
        As it is now.

    Raises
    ------
    ConflictError
        Where somebody else changed the channel meanwhile, with both ids.
    SnapshotError
        Where the snapshot was changed, is not signed as it must be, or fails its self-test.
    InputError
        Where it has other candidates, or is on the channel already.
    """
    step = _Step(state, channel, expect_sequence, redis)
    if step.now.snapshot == id:
        must = f"be another than the one that is {channel}"
        raise InputError("a snapshot to publish", must, id[:SHOWN], fix="build another")
    meta = step.verify(id, progress)
    live = step.channels.live()
    if live is not None and step.place.snapshot(live.snapshot).exists():
        before = read_manifest(step.place.snapshot(live.snapshot)).meta
        check_successor(before, meta, replace_candidates)
    return step.advance(id, lambda changes: step.now.snapshot, by, "publish", replace_candidates)


def promote(
    state: Path | str,
    *,
    by: str = "",
    replace_candidates: bool = False,
    redis: RedisUnits | None = None,
    progress: Progress = silent,
) -> Channel:
    """Make the candidate live, and take it from its channel.

    Parameters
    ----------
    state : path
        The state folder.
    by : str, default ""
        Who does.
    replace_candidates : bool, default False
        Whether it may have other candidates than what is live.
    redis : RedisUnits, optional
        As of `publish`.
    progress : callable, default silent
        As of `publish`.

    Returns
    -------
    Channel
        What is live now.

    Raises
    ------
    InputError
        Where there is no candidate.
    ConflictError, SnapshotError
        As of `publish`.
    """
    candidate = Channels(state).candidate()
    if candidate is None:
        fix = "publish one: equipoise publish RUN --channel candidate"
        raise InputError("a promotion", "have a candidate", "none", str(state), fix)
    live = Channels(state).live()
    if live is None or live.snapshot != candidate.snapshot:
        live = publish(
            state,
            candidate.snapshot,
            by=by,
            replace_candidates=replace_candidates,
            redis=redis,
            progress=progress,
        )
    withdraw(state, by=by, redis=redis)
    return live


def withdraw(state: Path | str, *, by: str = "", redis: RedisUnits | None = None) -> None:
    """Take the candidate from its channel; without one nothing happens.

    Parameters
    ----------
    state : path
        The state folder.
    by : str, default ""
        Who does.
    redis : RedisUnits, optional
        As of `publish`.
    """
    step = _Step(state, CANDIDATE, None, redis)
    if step.now.sequence:
        step.advance("", lambda changes: step.now.snapshot, by, "withdraw", False)


def rollback(
    state: Path | str,
    *,
    to: str | None = None,
    by: str = "",
    redis: RedisUnits | None = None,
    progress: Progress = silent,
) -> Channel:
    """Make live again what was live before; done again, what was live before that.

    Parameters
    ----------
    state : path
        The state folder.
    to : str, optional
        The id to go back to; by default the one before.
    by : str, default ""
        Who does.
    redis : RedisUnits, optional
        As of `publish`.
    progress : callable, default silent
        As of `publish`.

    Returns
    -------
    Channel
        What is live now, under a new sequence.

    Raises
    ------
    InputError
        Where nothing was live before.
    ConflictError, SnapshotError
        As of `publish`.
    """
    step = _Step(state, LIVE, None, redis)
    target = to or step.now.previous
    if not target or target == step.now.snapshot:
        got, fix = "the one that is live" if target else "none", "publish another"
        raise InputError("a rollback", "have a snapshot from before", got, str(state), fix)
    step.verify(target, progress)
    return step.advance(target, lambda changes: changes.before(LIVE, target), by, "rollback", True)


def follow(state: Path | str, redis: RedisUnits, *, by: str = "redis") -> list[str]:
    """Say here what is published on Redis by whoever publishes: for the other machines of many.

    Parameters
    ----------
    state : path
        This machine's state folder, which has the snapshot: its folder was copied here.
    redis : RedisUnits
        Where channels are.
    by : str, default "redis"
        For the audit of this machine.

    Returns
    -------
    list of str
        The channels that were changed.

    Raises
    ------
    SnapshotError
        Where the snapshot is not here, or is refused: the channel stays as it is.
    """
    place, channels, changed = State(Path(state)), Channels(state), []
    for name in CHANNELS:
        there, here = redis.channel(name), channels.read(name) or NOTHING
        target = NOTHING if there is None else Channel.from_json(there)
        if target.sequence <= here.sequence or target.snapshot == here.snapshot:
            continue
        if target.snapshot:
            load_snapshot(state, target.snapshot).close()
        with change(place.audit) as changes:
            changes.add(name, target._replace(by=f"{target.by}, {by}".removeprefix(", ")))
            channels.write(name, target if target.snapshot else None)
        changed.append(name)
    return changed


class _Step:
    """One change of a channel, from what was seen when it began."""

    def __init__(
        self, state: Path | str, name: str, seen: int | None, redis: RedisUnits | None
    ) -> None:
        self.place, self.channels = State(Path(state)), Channels(state)
        self.name, self._redis = name, redis
        self.now = self.channels.read(name) or NOTHING
        self._seen = self.now.sequence if seen is None else seen
        there = None if redis is None else redis.channel(name)
        self._there = 0 if there is None else int(there["sequence"])

    def verify(self, id: str, progress: Progress) -> dict[str, Any]:
        """What the manifest of a snapshot says that can be served; its units are in Redis then."""
        loaded = load_snapshot(self.place.path, id)
        try:
            store = loaded.store
            if self._redis is not None and isinstance(store, LmdbStore | ArrayStore):
                total = len(store)
                told = partial(_told, progress, total)
                if not self._redis.has(id):
                    self._redis.upload(id, store.header, store.items(), told)
        finally:
            loaded.close()
        return loaded.meta

    def advance(
        self,
        id: str,
        previous: Callable[[Changes], str],
        by: str,
        action: str,
        replace_candidates: bool,
    ) -> Channel:
        """Change the channel, under the lock of all who publish; without an id, take it away."""
        with change(self.place.audit) as changes:
            now = self.channels.read(self.name) or NOTHING
            if now.sequence:
                changes.add(self.name, now)  # whoever wrote it may have died before the row
            if now.sequence != self._seen:
                raise self._conflict(now, id)
            sequence = max(changes.last(self.name), self._there) + 1
            channel = Channel(
                id, sequence, previous(changes), by, time.time(), action, replace_candidates
            )
            changes.add(self.name, channel)
            if self._redis is not None:
                self._redis.advance(self.name, self._there, channel.to_json())
            self.channels.write(self.name, channel if id else None)
        if self._redis is not None and now.snapshot not in self._named():
            self._redis.retire(now.snapshot)
        return channel

    def _named(self) -> set[str]:
        """The ids that channels name, and none."""
        every = (self.channels.live(), self.channels.candidate())
        return {"", *(each.snapshot for each in every if each is not None)}

    def _conflict(self, now: Channel, id: str) -> ConflictError:
        """Somebody else was first."""
        what = f"snapshot {now.snapshot}" if now.snapshot else "nothing"
        got = f"sequence {now.sequence}: {what}, by {now.by or 'nobody named'}"
        must = f"still be at sequence {self._seen}"
        fix = f"look at it, then publish {id} again" if id else "look at it again"
        return ConflictError(f"channel {self.name!r}", must, got, str(self.place.path), fix)


def _told(progress: Progress, total: int, done: int) -> None:
    progress("units to Redis", done, total)
