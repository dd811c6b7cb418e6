"""The decisions of the last hours by their ids and by their units, and what came of them.

A decision is put here some 100 ms after it was logged, many in one transaction; until then its own
worker has it in memory, and to the others it is not known yet, as any reward that is quicker than
its decision.  All of it stands in the decision log too, from which it is filled again.

An id begins with the milliseconds of its decision, so it says in which hour's table it is.

    d id             the record            u id        units of what was written from this id
    c writer, number its context                       on: the hash and the id of each
    e id             when it was shown     r id, name  the sum of a reward
    m slot           all until this is     k hash      a reward that came: its key, or its name
                                           where it waited without one

What is written together lies together, so that a write changes few pages; the history of a unit,
which is seldom asked for, is searched for in all the ``u`` of a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from equipoise.core.errors import InputError
from equipoise.serving.engine.tables import HOUR, Hours, Table
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.records import Context, DecisionRecord, RewardRecord

ID, ENTRY = 16, 32  # bytes of an id, and of a unit's hash and an id
TOGETHER = 254 * ENTRY  # bytes of units that stand together: two pages
MILLISECOND = 1_000_000  # ns
SLOT, WRITER = slice(6, 8), slice(6, 12)  # of an id: the slot; it and the start of who wrote it
WRITTEN = b"m"
KEEP, MOST = 24, 2 << 30  # hours, and bytes, of what is kept here
MOST_UNWRITTEN = 100_000  # decisions in memory while the disk takes nothing
HISTORY = 1000  # decisions of a unit that are told at most

_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(DecisionRecord).decode
_context = msgspec.msgpack.Decoder(Context).decode


class Sum(msgspec.Struct, array_like=True):
    """What a decision had of one reward: its ``value`` so far, from how many (``count``), and when
    the last happened (``at``, in nanoseconds since 1970).
    """

    value: float
    count: int
    at: int

    def plus(self, other: Sum, replace: bool) -> Sum:
        """Both; with ``replace`` the other's value takes the place of this one's."""
        value = other.value if replace else self.value + other.value
        return Sum(value, self.count + other.count, max(self.at, other.at))


_sum = msgspec.msgpack.Decoder(Sum).decode


class Logged(msgspec.Struct, gc=False):
    """A decision that is known here: its ``record``, the ``context`` that it names, and, where it
    is at hand, the record as it was ``encoded`` for the log.
    """

    record: DecisionRecord
    context: Context
    encoded: bytes = b""


def id_of(text: str) -> bytes:
    """A decision's id from its 32 hex digits.

    Parameters
    ----------
    text : str
        As an answer has it.

    Returns
    -------
    bytes
        16.

    Raises
    ------
    InputError
        Where it is something else.

    Examples
    --------
    >>> id_of("00" * 16) == bytes(16)
    True
    """
    if len(text) == 2 * ID and text.isascii() and text.isalnum():
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    fix = "send the field `decision` of an answer as it is"
    raise InputError("a decision's id", "be 32 hex digits", text[:40], fix=fix)


def time_of(id: bytes) -> int:
    """When a decision with this id was made, in nanoseconds since 1970, to the millisecond."""
    return int.from_bytes(id[:6], "big") * MILLISECOND


def exposure_name(id: bytes) -> bytes:
    """What says when a decision was shown."""
    return b"e" + id


def unit_hash(unit: str) -> bytes:
    """What stands for a unit in keys, 16 bytes."""
    return blake2b(unit.encode(errors="surrogatepass"), digest_size=ID).digest()


class Recent:
    """The index of a machine's last decisions.

    Parameters
    ----------
    folder : Path
        Of its tables.
    keep : int, default 24
        Hours.
    most : int, default 2 GiB
        Bytes on disk; of more, the oldest hours go.
    """

    def __init__(self, folder: Path, keep: int = KEEP, most: int = MOST) -> None:
        self.hours = Hours(folder, keep, most)
        self._waiting: dict[bytes, Logged] = {}  # to be written, by id
        self._contexts: set[bytes] = set()  # that stand in the newest table
        self._table: Table | None = None
        self._together = b""  # the name of the units that what is written next joins

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, records: Sequence[DecisionRecord], context: Context, encoded: Sequence[bytes]
    ) -> int:
        """Note decisions that were logged, with the records as they were encoded for the log, b""
        where they are not at hand; how many are noted and not written.
        """
        waiting = self._waiting
        for record, data in zip(records, encoded, strict=False):
            waiting[record.id] = Logged(record, context, data)
        return len(waiting)

    def flush(self, oldest: int | None = None) -> None:
        """Write what was noted, for all workers.

        Parameters
        ----------
        oldest : int, optional
            When the oldest request came of those whose answers are not kept yet, in nanoseconds
            since 1970: `written_until` says no more than that.

        Raises
        ------
        LogUnavailable
            Where the disk takes nothing; it is kept, of very many the newest, until it does.
        """
        try:
            self._flush(b"" if oldest is None else (oldest // MILLISECOND).to_bytes(6, "big"))
        except LogUnavailable:
            self._table = None
            for id in list(self._waiting)[:-MOST_UNWRITTEN]:
                del self._waiting[id]  # the log has them
            raise

    def _flush(self, oldest: bytes) -> None:
        left = [*self._waiting.values()]
        while left:
            hour = time_of(left[0].record.id) // HOUR
            group, others = left, []
            if time_of(left[-1].record.id) // HOUR != hour:  # seldom: else all are of one hour
                group = [one for one in left if time_of(one.record.id) // HOUR == hour]
                others = [one for one in left if time_of(one.record.id) // HOUR != hour]
            self._write(self.hours.of(hour * HOUR), group, oldest)
            left = others
        self._waiting.clear()

    def _write(self, table: Table, group: Sequence[Logged], oldest: bytes) -> None:
        if table is not self._table:
            self._table, self._contexts, self._together = table, set(), b""
        records, units, contexts = [], [], {}
        context = None
        for one in group:
            record = one.record
            id = record.id
            records.append((b"d" + id, one.encoded or _encode(record)))
            units.append(unit_hash(record.unit) + id)
            if one.context is not context:
                context, name = one.context, _context_key(record)
                if name not in self._contexts:
                    contexts[name] = _encode(context)
        first, last = group[0].record.id, group[-1].record.id
        records.sort()
        with table.write() as change:
            before = change.get(self._together) if self._together else None
            if before is None or len(before) + ENTRY * len(units) > TOGETHER:
                self._together, before = b"u" + first, b""
            together = (self._together, before + b"".join(units))
            mark = (WRITTEN + last[SLOT], min(last, oldest or last))
            change.cursor().putmulti([*contexts.items(), *records, mark, together])
        self._contexts.update(contexts)

    def find(self, id: bytes) -> Logged | None:
        """A decision; None where it is not known here."""
        waiting = self._waiting.get(id)
        if waiting is not None:
            return waiting
        table = self.hours.there(time_of(id))
        if table is None:
            return None
        with table.read() as change:
            return _logged(change, id)

    def knows(self, id: bytes) -> bool:
        """Whether a decision is known here."""
        return self.find(id) is not None

    def written_until(self, slot: int) -> int:
        """Up to when the decisions of a slot, and the answers of their keys, are written, in
        nanoseconds since 1970.
        """
        for table in self.hours.newest_first():
            with table.read() as change:
                last = change.get(WRITTEN + slot.to_bytes(2, "big"))
            if last is not None:
                return time_of(last)
        return 0

    def is_unwritten(self, id: bytes) -> bool:
        """Whether a decision is in this worker's memory alone."""
        return id in self._waiting

    def of_unit(self, unit: str) -> list[Logged]:
        """The decisions of a unit, the last first."""
        hashed = unit_hash(unit)
        found: dict[bytes, Logged] = {
            id: one for id, one in self._waiting.items() if one.record.unit == unit
        }
        for table in self.hours.newest_first():
            with table.read() as change:
                for _, units in _groups(change, hashed):
                    for at in _places(units, hashed):
                        id = units[at + ID : at + ENTRY]
                        logged = _logged(change, id)
                        if logged is not None:
                            found[id] = logged
            if len(found) > HISTORY:
                break
        newest = sorted(found, reverse=True)[:HISTORY]
        return [found[id] for id in newest]

    def is_older(self, id: bytes, now_ns: int) -> bool:
        """Whether a decision is from before what is kept here: from too many hours ago, or from one
        whose table went because all took too much room.
        """
        hours = now_ns // HOUR - time_of(id) // HOUR
        return hours > self.hours.keep or (hours > 1 and self.hours.there(time_of(id)) is None)

    def table_for(self, id: bytes, now_ns: int) -> Table:
        """Where to note what came of a decision: in its own hour, or, of an older one, in this."""
        return self.hours.of(now_ns if self.is_older(id, now_ns) else time_of(id))

    def has(self, name: bytes, id: bytes) -> bool:
        """Whether something of this name came of a decision, in the table of its hour."""
        table = self.hours.there(time_of(id))
        if table is None:
            return False
        with table.read() as change:
            return change.get(name) is not None

    def used_before(self, reward: RewardRecord, now_ns: int) -> bool:
        """Whether the key of an older decision's reward came in an hour that is kept."""
        if not reward.key or not self.is_older(reward.decision, now_ns):
            return False
        name = key_name(reward)
        for table in self.hours.newest_first():
            with table.read() as change:
                if change.get(name) is not None:
                    return True
        return False

    def outcomes(self, id: bytes, now_ns: int) -> tuple[dict[str, Sum], bool]:
        """The rewards of a decision by name, and whether it was shown; of an older one, what came
        in the hours that are kept.
        """
        if self.is_older(id, now_ns):
            tables = [*self.hours.newest_first()][::-1]
        else:
            own = self.hours.there(time_of(id))
            tables = [] if own is None else [own]
        sums: dict[str, Sum] = {}
        shown, head = False, b"r" + id
        for table in tables:
            with table.read() as change:
                for name, value in _entries(change, head):
                    metric, more = name.decode(), _sum(value)
                    before = sums.get(metric)
                    sums[metric] = more if before is None else before.plus(more, False)
                shown = shown or change.get(exposure_name(id)) is not None
        return sums, shown

    def forget(self, hashed: bytes) -> int:
        """Remove the decisions of the unit with this hash, and what came of them; how many."""
        ids = {id for id, one in self._waiting.items() if unit_hash(one.record.unit) == hashed}
        for id in ids:
            del self._waiting[id]
        for table in self.hours.newest_first():
            with table.write() as change:
                for name, units in [*_groups(change, hashed)]:
                    places, others = _places(units, hashed), units
                    ids.update(units[at + ID : at + ENTRY] for at in places)
                    for at in reversed(places):
                        others = others[:at] + others[at + ENTRY :]
                    change.put(name, others)
                for id in ids:
                    rewards = [b"r" + id + name for name, _ in _entries(change, b"r" + id)]
                    for name in (b"d" + id, exposure_name(id), *rewards):
                        change.delete(name)
        return len(ids)

    def close(self) -> None:
        """Write what was noted, and let go of the files."""
        self.flush()
        self.hours.close()


def add_reward(change: Any, reward: RewardRecord, once: bytes = b"") -> bool:
    """Take a reward into the sums of an open transaction; a late one only uses its key.

    Parameters
    ----------
    change : transaction
        That writes.
    reward : RewardRecord
        What came.
    once : bytes, default b""
        A name that stands for its key where it has none: it is then taken once.

    Returns
    -------
    bool
        Whether it is new: False where its key was used.
    """
    name = key_name(reward) if reward.key else once
    if name and not change.put(name, b"", overwrite=False):
        return False
    if not reward.late:
        name = b"r" + reward.decision + reward.name.encode()
        before, own = change.get(name), Sum(reward.value, 1, reward.at)
        change.put(name, _encode(own if before is None else _sum(before).plus(own, reward.set)))
    return True


def key_name(reward: RewardRecord) -> bytes:
    """What says that the key of a reward was used."""
    parts = (reward.decision, reward.name.encode(), reward.key.encode(errors="surrogatepass"))
    return b"k" + blake2b(b"\0".join(parts), digest_size=ID).digest()


def _groups(change: Any, hashed: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and the entries of what was written together with one of this hash."""
    cursor = change.cursor()
    if cursor.set_range(b"u"):  # no name begins with a later letter
        yield from (item for item in cursor if hashed in item[1])


def _places(units: bytes, hashed: bytes) -> list[int]:
    """Where entries of the unit with this hash begin."""
    found, at = [], units.find(hashed)
    while at >= 0:
        if at % ENTRY == 0:
            found.append(at)
        at = units.find(hashed, at + 1)
    return found


def _context_key(record: DecisionRecord) -> bytes:
    return b"c" + record.id[WRITER] + record.context.to_bytes(4, "big")


def _logged(change: Any, id: bytes) -> Logged | None:
    data = change.get(b"d" + id)
    if data is None:
        return None
    record = _record(data)
    context = change.get(_context_key(record))
    return None if context is None else Logged(record, _context(context))


def _entries(change: Any, head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """What follows a head in names, and the values."""
    cursor = change.cursor()
    more = cursor.set_range(head)
    while more and cursor.key().startswith(head):
        yield cursor.key()[len(head) :], cursor.value()
        more = cursor.next()
