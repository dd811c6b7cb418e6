"""Units written to Redis under the id of their snapshot, and which snapshot a channel names there.

A channel is changed only from the sequence that was seen, in one step on the server.  Units of a
snapshot that no channel names any more are let to expire, so that requests on their way still find
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from equipoise.serving.errors import ConflictError, StoreError
from equipoise.serving.stores.header import Header
from equipoise.serving.stores.redis_store import (
    FIX,
    PREFIX,
    WHOLE,
    connect,
    named,
    redis_package,
    unit_prefix,
)

TOGETHER = 512  # units of one command
PATIENCE = 10.0  # seconds, of a tool
SAMPLE = 64  # units that are read back
LATER = 3600  # seconds
ADVANCE = """
local now = redis.call('GET', KEYS[1])
local sequence = 0
if now then sequence = cjson.decode(now)['sequence'] end
if sequence ~= tonumber(ARGV[1]) then return now or '' end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return false
"""


class RedisUnits:
    """The snapshots and channels in one Redis.

    Parameters
    ----------
    url : str
        As "redis://host:6379/0".
    prefix : str, default PREFIX
        Of all keys.
    """

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self._client, self._prefix = connect(url, PATIENCE), prefix

    def upload(
        self,
        snapshot: str,
        header: Header,
        units: Iterable[tuple[bytes, bytes]],
        told: Callable[[int], None] = lambda units: None,
    ) -> None:
        """Write every unit of a snapshot.

        Parameters
        ----------
        snapshot : str
            Its id.
        header : Header
            Of its store.
        units : iterable of tuple of bytes
            The key and the bytes of each unit.
        told : callable, optional
            Is told how many were written so far.

        Raises
        ------
        StoreError
            Where Redis fails, or does not hold what was written.
        """
        begin, whole = unit_prefix(self._prefix, snapshot), self._key(snapshot, WHOLE)
        every, written, sample = iter(units), 0, dict[bytes, bytes]()
        step = max(TOGETHER, header.units // SAMPLE)
        self._do("SADD", f"{self._prefix}:snapshots", snapshot)
        self._do("DEL", whole)
        self._do("SET", self._key(snapshot, "header"), json.dumps(header.to_json()))
        while some := list(islice(every, TOGETHER)):
            self._do("MSET", *(part for key, raw in some for part in (begin + key, raw)))
            if written % step < TOGETHER:
                sample[begin + some[0][0]] = some[0][1]
            written += len(some)
            told(written)
        if written != header.units or self._do("MGET", *sample) != list(sample.values()):
            got, fix = "others", "give it more memory, and no policy that evicts"
            raise StoreError("Redis", f"hold the {header.units:,} units", got, snapshot, fix)
        self._do("SET", whole, "1")

    def channel(self, name: str) -> dict[str, Any] | None:
        """What a channel says; None where nothing was published on it."""
        raw = self._do("GET", self._channel(name))
        return None if raw is None else dict(json.loads(raw))

    def advance(self, name: str, seen: int, plain: dict[str, Any]) -> None:
        """Change a channel from the sequence that was seen.

        Parameters
        ----------
        name : str
            Of the channel.
        seen : int
            The sequence that it had; 0: there was none.
        plain : dict
            What it is to say; its ``snapshot`` is an id, its ``sequence`` above ``seen``.

        Raises
        ------
        ConflictError
            Where another was first, with both ids.
        """
        text = json.dumps(plain)
        now = self._do("EVAL", ADVANCE, 1, self._channel(name), seen, text)
        if now is not None:
            other = json.loads(now) if now else {"sequence": 0, "snapshot": "nothing"}
            got = f"sequence {other['sequence']}, snapshot {other['snapshot']}"
            fix = f"look at it, then publish {plain['snapshot']} again"
            must = f"still be at sequence {seen}"
            raise ConflictError(f"channel {name!r} of Redis", must, got, fix=fix)

    def has(self, snapshot: str) -> bool:
        """Whether all units of a snapshot are there, and not about to expire."""
        return bool(self._do("TTL", self._key(snapshot, WHOLE)) == -1)

    def snapshots(self) -> set[str]:
        """The ids of the snapshots that were ever begun and not removed."""
        return {raw.decode() for raw in self._do("SMEMBERS", f"{self._prefix}:snapshots")}

    def retire(self, snapshot: str, seconds: int = LATER) -> int:
        """Let the units of a snapshot expire.

        Parameters
        ----------
        snapshot : str
            Its id.
        seconds : int, default LATER
            When.

        Returns
        -------
        int
            How many keys.
        """
        keys = 0
        for some in self._keys_of(snapshot):
            pipe = self._client.pipeline(transaction=False)
            for key in some:
                pipe.expire(key, seconds)
            self._through(pipe.execute)
            keys += len(some)
        self._do("SREM", f"{self._prefix}:snapshots", snapshot)
        return keys

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _keys_of(self, snapshot: str) -> Iterator[list[bytes]]:
        """All keys of a snapshot, some at a time."""
        cursor, pattern = 0, f"{self._prefix}:{snapshot}:*"
        while True:
            cursor, keys = self._do("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            if keys:
                yield keys
            if cursor == 0:
                return

    def _key(self, snapshot: str, what: str) -> bytes:
        return named(self._prefix, snapshot, what)

    def _channel(self, name: str) -> str:
        return f"{self._prefix}:channel:{name}"

    def _do(self, *words: Any) -> Any:
        return self._through(lambda: self._client.execute_command(*words))

    def _through(self, command: Callable[[], Any]) -> Any:
        redis = redis_package()
        try:
            return command()
        except (redis.RedisError, OSError) as error:
            raise StoreError("Redis", "take what is published", str(error), fix=FIX) from error
