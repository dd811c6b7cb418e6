"""Units in Redis, for many machines: one value a unit, and one question for all who ask at once.

    PREFIX:ID:u:UNIT     the facts of a unit, bytes
    PREFIX:ID:header     the store's header, JSON
    PREFIX:ID:whole      there once every unit is there; asked with every question

All that ask within one turn of the event loop share one MGET.  Each question has a deadline of its
own.  After a failure nobody is asked for a second, then one question tries again: a Redis that is
down or slow costs a deadline a second, and is used again when it answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.errors import InputError, MissingExtra
from equipoise.core.snapshot import as_written
from equipoise.serving.errors import StoreError
from equipoise.serving.stores.codec import key_of
from equipoise.serving.stores.header import Header

PREFIX, WHOLE = "equipoise", "whole"
CONNECTIONS = 32  # of one worker, at most
FIX = "see whether Redis runs and how busy it is; control is served meanwhile"


def redis_package() -> Any:
    """The package, with its asynchronous half."""
    try:
        import redis
        import redis.asyncio
    except ImportError as error:
        fix = 'pip install "equipoise[serve]"'
        raise MissingExtra("a store of Redis", "have redis", "no such package", fix=fix) from error
    return redis


def unit_prefix(prefix: str, snapshot: str) -> bytes:
    """What the keys of a snapshot's units begin with."""
    return f"{prefix}:{snapshot}:u:".encode()


def named(prefix: str, snapshot: str, what: str) -> bytes:
    """The key of what else is known of a snapshot."""
    return f"{prefix}:{snapshot}:{what}".encode()


def options(deadline: float) -> dict[str, Any]:
    """How to connect: by a deadline, without trying again."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"socket_timeout": deadline, "socket_connect_timeout": deadline, "protocol": 2} | {
        "retry": Retry(NoBackoff(), 0)
    }


def connect(url: str, deadline: float) -> Any:
    """A client that waits."""
    redis = redis_package()
    try:
        return redis.Redis.from_url(url, **options(deadline))
    except ValueError as error:
        fix = "write it as redis://user:password@host:6379/0"
        raise InputError("the address of Redis", "be a URL", str(error), fix=fix) from error


class RedisStore:
    """Facts of known units of one snapshot in Redis.

    Parameters
    ----------
    url : str
        As "redis://host:6379/0".
    snapshot : str
        Its id.
    header : Header, optional
        Of the snapshot's store; by default it is read at once.
    prefix : str, default PREFIX
        Of all keys.
    deadline : float, default 0.02
        By when an answer must be there, in seconds.
    pause : float, default 1.0
        How long nobody is asked after a failure, in seconds.

    Attributes
    ----------
    questions, failures, refusals : int
        How many MGETs were sent, how many of them failed, and how many units were not asked for
        during a pause.

    Raises
    ------
    StoreError
        Where Redis does not answer, or does not have the snapshot.
    """

    quick = False

    def __init__(
        self,
        url: str,
        snapshot: str,
        header: Header | None = None,
        *,
        prefix: str = PREFIX,
        deadline: float = 0.02,
        pause: float = 1.0,
    ) -> None:
        self.url, self.snapshot, self.deadline, self.pause = url, snapshot, deadline, pause
        self._units = unit_prefix(prefix, snapshot)
        self._whole = named(prefix, snapshot, WHOLE)
        self._waiting_client = connect(url, max(deadline, 0.001))
        self.header = header or self._header(named(prefix, snapshot, "header"))
        self._pool: Any = None
        self._free: list[Any] = []  # connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[tuple[bytes, asyncio.Future[bytes | None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken, self._again, self._probing = False, 0.0, False
        self.questions = self.failures = self.refusals = 0

    def __len__(self) -> int:
        return self.header.units

    def get(self, unit: str) -> UnitFacts | None:
        """Read the facts of a unit, and wait for it: for tools, not for the event loop.

        Parameters
        ----------
        unit : str
            Its id.

        Returns
        -------
        UnitFacts or None
            None where it is not known.

        Raises
        ------
        StoreError
            Where Redis does not answer in time, or no longer has the snapshot.
        """
        key = key_of(unit)
        if key is None:
            return None
        whole, raw = self._ask(lambda: self._waiting_client.mget(self._whole, self._units + key))
        self._check(whole)
        return None if raw is None else self.header.layout.decode(raw)

    async def fetch(self, unit: str) -> UnitFacts | None:
        """Read the facts of a unit, together with all that are asked for at this moment.

        Parameters
        ----------
        unit : str
            Its id.

        Returns
        -------
        UnitFacts or None
            None where it is not known.

        Raises
        ------
        StoreError
            Where Redis does not answer in time, or no longer has the snapshot; at once during a
            pause.
        """
        key = key_of(unit)
        if key is None:
            return None
        if self._broken and (self._probing or time.monotonic() < self._again):
            self.refusals += 1
            raise StoreError("Redis", "answer", "a pause after a failure", fix=FIX)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes | None] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._send)
        self._pending.append((self._units + key, answer))
        raw = await answer
        return None if raw is None else self.header.layout.decode(raw)

    def close(self) -> None:
        """Close the connections; a second time does nothing."""
        self._waiting_client.close()
        pool, self._pool, self._free = self._pool, None, []
        if pool is None or self._loop is None or self._loop.is_closed():
            return
        self._keep(self._loop.create_task(pool.disconnect()))

    async def aclose(self) -> None:
        """Close the connections, and wait until they are closed."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self) -> None:
        """Ask for all that is pending."""
        asked, self._pending = self._pending, []
        self._probing = self._broken
        self._keep(asyncio.get_running_loop().create_task(self._answer(asked)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: list[tuple[bytes, asyncio.Future[bytes | None]]]) -> None:
        """One MGET, and its answers to all who asked."""
        redis = redis_package()
        self.questions += 1
        try:
            async with asyncio.timeout(self.deadline):
                whole, *raws = await self._mget([key for key, _ in asked])
            self._check(whole)
        except (redis.RedisError, OSError, TimeoutError, StoreError) as error:
            self._broken, self._again = True, time.monotonic() + self.pause
            self.failures += 1
            failure = self._failure(error)
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(failure)
            return
        finally:
            self._probing = False
        self._broken = False
        for (_, answer), raw in zip(asked, raws, strict=True):
            if not answer.done():  # nobody waits for it any more
                answer.set_result(raw)

    async def _mget(self, keys: list[bytes]) -> Any:
        """What one MGET answers.  The connection is asked itself: what a client does around each
        command would cost more than the command.
        """
        pool = self._connections()
        connection = self._free.pop() if self._free else await pool.get_connection()
        try:
            await connection.send_command("MGET", self._whole, *keys, check_health=False)
            answer = await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)  # whose answer is still to come
            await pool.release(connection)
            while self._free:  # of a server that may have gone
                other = self._free.pop()
                await other.disconnect(nowait=True)
                await pool.release(other)
            raise
        self._free.append(connection)
        return answer

    def _connections(self) -> Any:
        """The connections of this event loop."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            asynchronous = redis_package().asyncio
            own = options(10 * self.deadline) | {"socket_timeout": None}
            self._pool = asynchronous.ConnectionPool.from_url(
                self.url, max_connections=CONNECTIONS, **own
            )
            self._loop, self._free = loop, []
        return self._pool

    def _failure(self, error: Exception) -> StoreError:
        """What is told of a failure; no address, which may hold a password."""
        if isinstance(error, StoreError):
            return error
        must = f"answer within {1000 * self.deadline:g} ms"
        failure = StoreError("Redis", must, type(error).__name__, fix=FIX)
        failure.__cause__ = error
        return failure

    def _check(self, whole: bytes | None) -> None:
        if whole is None:
            fix = "publish it again"
            raise StoreError("Redis", "have the units of the snapshot", "none", self.snapshot, fix)

    def _ask(self, question: Any) -> Any:
        redis = redis_package()
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            raise self._failure(error) from error

    def _header(self, key: bytes) -> Header:
        whole, raw = self._ask(lambda: self._waiting_client.mget(self._whole, key))
        self._check(None if whole is None else raw)
        with as_written():
            plain: Mapping[str, Any] = json.loads(raw)
            return Header.from_json(plain)
