"""The hot routes: what comes by `Connection`, without ASGI and without FastAPI.

Requests to decide that came in one turn of the event loop are decided together, with one write to
the log, and answered back to back: a client that waits for several is woken once, and a busy
service spends less on each.  All else is answered by a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from equipoise.core.errors import EquipoiseError, InputError
from equipoise.serving.app.openapi import RewardBody
from equipoise.serving.app.problems import Refusal, answer_of, kind_of, problem_of
from equipoise.serving.app.strict_json import Body
from equipoise.serving.app.wire import JSON_HEADER, start_of
from equipoise.serving.app.worker import Worker
from equipoise.serving.engine.idempotency import KeyedAnswer
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.messages import (
    BatchRequest,
    DecideRequest,
    ExposureRequest,
    Problem,
    RewardRequest,
)

if TYPE_CHECKING:
    from equipoise.serving.app.connection import Connection

CHUNK = 128  # units of a batch before other requests have their turn
EMPTY = b'{"status":"empty"}'
HOT_PATHS = ("/decide", "/decide/batch", "/reward", "/exposure")
Handler = Callable[[bytes], Awaitable[tuple[bytes, int]]]
Reply = bytes | Exception
Unsynced = list[KeyedAnswer]
Together = Callable[[Sequence[bytes], Unsynced | None], Sequence[Reply]]
logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Units(msgspec.Struct, forbid_unknown_fields=True):
    """A batch whose units are decoded one by one."""

    units: list[msgspec.Raw]


class HotRequest(msgspec.Struct, gc=False):
    """A request of a hot route.

    Attributes
    ----------
    connection : Connection
        That it came by.
    route : HotRoute
        Its path's.
    keep : bool
        Whether the connection stays open after the answer.
    body : bytes or bytearray
        What came of it.
    error : Refusal or None
        Why it is refused.
    admitted : bool
        Whether it counts among those in hand.
    waits : bool
        Whether the rest of its body has a deadline.
    answered : bool
        Whether it was refused before all of it came.
    """

    connection: Connection
    route: HotRoute
    keep: bool
    body: bytes | bytearray = b""
    error: Refusal | None = None
    admitted: bool = False
    waits: bool = False
    answered: bool = False


class HotRoute:
    """One path.

    Parameters
    ----------
    hot : HotRoutes
        What answers.
    path : str
        Of the route.
    scope : str
        That a token needs; "": none.
    alone : callable
        Answers one body.
    together : callable, optional
        Answers all bodies of a turn at once, where it can.
    """

    def __init__(
        self,
        hot: HotRoutes,
        path: str,
        scope: str,
        alone: Handler,
        together: Together | None = None,
    ) -> None:
        self.hot, self.path, self.scope = hot, path, scope
        self.alone, self.together = alone, together
        self._turn: list[HotRequest] = []

    def take(self, request: HotRequest) -> None:
        """Answer a request, by the end of this turn of the event loop where that can be."""
        connection = request.connection
        if request.error is not None:
            self._failed(request, request.error)
        elif self.together is not None and self.hot.worker.engine.quick:
            if not self._turn:
                connection.loop.call_soon(self._run)
            self._turn.append(request)
        else:
            task = connection.loop.create_task(self._alone(request))
            connection.tasks.add(task)
            task.add_done_callback(connection.tasks.discard)

    def _run(self) -> None:
        """Answer all requests of a turn."""
        turn, self._turn = self._turn, []
        worker = self.hot.worker
        unsynced: Unsynced | None = [] if self.scope and worker.waits_for_disk else None
        since = 0 if unsynced is None else worker.log.failed_syncs
        together: Any = self.together
        try:
            replies = together([request.body for request in turn], unsynced)
        except Exception as error:  # noqa: BLE001 - each is told
            replies = [error] * len(turn)
        if unsynced is None:
            self._send(turn, replies)
        elif worker.log.disk.is_quick:
            failed: Exception | None = None
            try:
                worker.log.disk.sync_here(since)
            except LogUnavailable as error:
                failed = error
            self._synced(turn, replies, unsynced, failed)
        else:
            on_disk = worker.log.disk.waiter(since)
            on_disk.add_done_callback(partial(self._on_disk, turn, replies, unsynced))

    def _on_disk(
        self,
        turn: Sequence[HotRequest],
        replies: Sequence[Reply],
        unsynced: Unsynced,
        done: asyncio.Future[None],
    ) -> None:
        error = done.exception()
        self._synced(turn, replies, unsynced, error if isinstance(error, Exception) else None)

    def _synced(
        self,
        turn: Sequence[HotRequest],
        replies: Sequence[Reply],
        unsynced: Unsynced,
        error: Exception | None,
    ) -> None:
        """Answer once the disk has what was decided, or failed."""
        engine = self.hot.worker.engine
        if error is None:
            engine.keep(unsynced)
        else:
            engine.keep(unsynced, lost=True)
            replies = unwritten(replies, error)
        self._send(turn, replies)

    def _send(self, turn: Sequence[HotRequest], replies: Sequence[Reply]) -> None:
        """One answer after the other."""
        good = 0
        for request, reply in zip(turn, replies, strict=True):
            if type(reply) is bytes:
                request.connection.answer(request, reply)
                good += 1
            elif isinstance(reply, Exception):
                self._failed(request, reply)
        if self.scope:
            self.hot.worker.gate.in_flight -= good
            self.hot.worker.counts.requested(self.path, 200, good)

    async def _alone(self, request: HotRequest) -> None:
        try:
            reply, status = await self.alone(bytes(request.body))
        except Exception as error:
            self._failed(request, error)
            return
        self.hot.worker.gate.in_flight -= 1
        request.connection.answer(request, reply, status)
        self.hot.worker.counts.requested(self.path, status)

    def _failed(self, request: HotRequest, error: Exception) -> None:
        """Answer an error; tell the log of what nobody foresaw, without a value in it."""
        status, body, headers = answer_of(error)
        if status == 500:
            logger.error("%s failed: %s", self.path, kind_of(error))
        if request.admitted:
            self.hot.worker.gate.in_flight -= 1
            request.admitted = False
        request.connection.answer(request, body, status, headers)
        self.hot.worker.counts.requested(self.path, status)


class HotRoutes:
    """All hot routes of a worker.

    Parameters
    ----------
    worker : Worker
        What decides.
    empty : bool, default False
        Whether ``POST /empty`` is there: what the stack itself costs, for benchmarks.
    """

    def __init__(self, worker: Worker, empty: bool = False) -> None:
        self.worker, self._now = worker, worker.log.now_ns
        routes = [
            HotRoute(self, "/decide", "decide", self.decide, self.decide_together),
            HotRoute(self, "/decide/batch", "decide", self.batch),
            HotRoute(self, "/reward", "reward", self.reward),
            HotRoute(self, "/exposure", "reward", self.exposure),
        ]
        if empty:
            routes.append(HotRoute(self, "/empty", "", nothing, nothing_together))
        self.routes = {route.path.encode(): route for route in routes}
        self._defaults: object = None  # the headers of every answer that the start was made of
        self._start = b""
        self._decide, self._batch = Body(DecideRequest), Body(BatchRequest)
        self._units, self._exposure = Body(Units), Body(ExposureRequest)
        self._reward: Body[Any] = Body(RewardBody)  # type: ignore[arg-type]

    def good_start(self, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """The start of a good answer, up to its length; ``defaults`` change each second."""
        if defaults is not self._defaults:
            self._defaults, self._start = defaults, start_of(200, (*defaults, JSON_HEADER))
        return self._start

    def decide_together(self, bodies: Sequence[bytes], unsynced: Unsynced | None) -> list[Reply]:
        """One unit a body, where stores are quick."""
        asked: list[DecideRequest] = []
        replies: list[Any] = []
        for body in bodies:
            try:
                asked.append(self._decide(body))
                replies.append(None)
            except Exception as error:  # noqa: BLE001 - of this body alone
                replies.append(error)
        answers = self.worker.engine.decide_batch(asked, self._now(), unsynced)
        if len(answers) == len(replies):
            return answers
        each = iter(answers)
        return [next(each) if reply is None else reply for reply in replies]

    async def decide(self, body: bytes) -> tuple[bytes, int]:
        """One unit, where stores are over a network."""
        (reply,) = await self.worker.engine.decide_batch_async([self._decide(body)], self._now())
        if isinstance(reply, Exception):
            raise reply
        return reply, 200

    async def batch(self, body: bytes) -> tuple[bytes, int]:
        """Many units: one answer or problem each."""
        units: Sequence[DecideRequest | Problem]
        try:
            units = self._batch(body).units
        except InputError:
            units = [self._one_of(raw) for raw in self._units(body).units]
        most = self.worker.config.limits.batch
        if len(units) > most:
            fix = "send several batches"
            raise Refusal(
                413, "a batch", f"have at most {most:,} units", f"{len(units):,}", fix=fix
            )
        answers: list[bytes] = []
        unsynced: Unsynced | None = [] if self.worker.waits_for_disk else None
        since = self.worker.log.failed_syncs
        try:
            for start in range(0, len(units), CHUNK):
                if start:
                    await asyncio.sleep(0)
                answers += await self._chunk(units[start : start + CHUNK], unsynced)
        finally:
            if unsynced is not None:
                await self.worker.acknowledged(unsynced, since)
        return b'{"answers":[%b]}' % b",".join(answers), 200

    def _one_of(self, raw: msgspec.Raw) -> DecideRequest | Problem:
        try:
            return self._decide(bytes(raw))
        except EquipoiseError as error:
            return problem_of(error)

    async def _chunk(
        self, units: Sequence[DecideRequest | Problem], unsynced: Unsynced | None
    ) -> list[bytes]:
        """The items of a `BatchAnswer`."""
        engine, now = self.worker.engine, self._now()
        asked = [unit for unit in units if isinstance(unit, DecideRequest)]
        if engine.quick:
            replies = iter(engine.decide_batch(asked, now, unsynced))
        else:
            replies = iter(await engine.decide_batch_async(asked, now))
        return [
            _encode(unit) if isinstance(unit, Problem) else told(next(replies)) for unit in units
        ]

    async def reward(self, body: bytes) -> tuple[bytes, int]:
        """One reward, or several: one answer or problem each."""
        asked = self._reward(body)
        engine, now = self.worker.engine, self._now()
        since = self.worker.log.failed_syncs
        if isinstance(asked, RewardRequest):
            reply = await engine.reward_async(asked, now)
            await self.worker.log.acknowledged(since)
            return _encode(reply), 202 if reply.status == "waiting" else 200
        most = self.worker.config.limits.batch
        if len(asked) > most:
            fix = "send several lists"
            must = f"have at most {most:,} rewards"
            raise Refusal(413, "a list", must, f"{len(asked):,}", fix=fix)
        replies: list[Any] = []
        for place, one in enumerate(asked, 1):
            try:
                replies.append(await engine.reward_async(one, now))
            except EquipoiseError as error:
                replies.append(problem_of(error))
            if place % CHUNK == 0:
                await asyncio.sleep(0)
                now = self._now()
        await self.worker.log.acknowledged(since)
        return _encode(replies), 200

    async def exposure(self, body: bytes) -> tuple[bytes, int]:
        """That a decision was shown."""
        since = self.worker.log.failed_syncs
        reply = self.worker.engine.exposure(self._exposure(body), self._now())
        await self.worker.log.acknowledged(since)
        return _encode(reply), 202 if reply.status == "waiting" else 200


def told(reply: Reply) -> bytes:
    """What stands in the answer of a batch."""
    if isinstance(reply, bytes):
        return reply
    problem = problem_of(reply)
    if problem.status == 500:
        logger.error("a unit of a batch failed: %s", kind_of(reply))
    return _encode(problem)


def unwritten(replies: Sequence[Reply], error: Exception) -> list[Reply]:
    """What is told where the disk failed."""
    return [error if type(reply) is bytes else reply for reply in replies]


async def nothing(body: bytes) -> tuple[bytes, int]:
    """What `POST /empty` says."""
    return EMPTY, 200


def nothing_together(bodies: Sequence[bytes], _: Unsynced | None) -> list[Reply]:
    """The same, to many."""
    return [EMPTY] * len(bodies)
