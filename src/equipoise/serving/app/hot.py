"""The hot routes, by bare ASGI and msgspec, in front of FastAPI for all other paths.

A request here costs what ASGI itself costs: one look at its headers, one read of its body, one
decode, one decision, one encode, two messages.  FastAPI would cost more than twice of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import time_ns
from typing import Any

import msgspec

from equipoise.core.errors import EquipoiseError, InputError
from equipoise.serving.app.openapi import RewardBody
from equipoise.serving.app.problems import Refusal, kind_of, problem_of
from equipoise.serving.app.scopes import scope_needed
from equipoise.serving.app.strict_json import Body
from equipoise.serving.app.wire import (
    Disconnected,
    Receive,
    Scope,
    Send,
    answer,
    refuse,
)
from equipoise.serving.app.worker import Worker
from equipoise.serving.messages import (
    BatchAnswer,
    BatchRequest,
    DecideAnswer,
    DecideRequest,
    ExposureRequest,
    Problem,
    RewardRequest,
)

CHUNK = 128  # units of a batch before other requests have their turn
EMPTY = b'{"status":"empty"}'
WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[bytes], Awaitable[tuple[bytes, int]]]
logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Units(msgspec.Struct, forbid_unknown_fields=True):
    """A batch whose units are decoded one by one."""

    units: list[msgspec.Raw]


class Front:
    """The app that the server calls.

    Parameters
    ----------
    worker : Worker
        What decides.
    rest : callable
        The ASGI app of all other paths.
    empty : bool, default False
        Whether ``POST /empty`` is there: what the stack itself costs, for benchmarks.
    """

    def __init__(self, worker: Worker, rest: App, empty: bool = False) -> None:
        self.worker, self.rest = worker, rest
        self._hot: dict[str, tuple[str, Handler]] = {
            "/decide": ("decide", self.decide),
            "/decide/batch": ("decide", self.batch),
            "/reward": ("reward", self.reward),
            "/exposure": ("reward", self.exposure),
        }
        self._empty = empty
        self._decide, self._batch = Body(DecideRequest), Body(BatchRequest)
        self._units, self._exposure = Body(Units), Body(ExposureRequest)
        self._reward: Body[Any] = Body(RewardBody)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        path = scope["path"]
        route = self._hot.get(path)
        if route is None:
            await self._other(path, scope, receive, send)
            return
        gate, status = self.worker.gate, 200
        try:
            if scope["method"] != "POST":
                raise not_allowed(scope["method"], "POST")
            gate.admit(scope, route[0])
            gate.in_flight += 1
            try:
                body = await self.worker.bodies.read(receive)
                reply, status = await route[1](body)
            finally:
                gate.in_flight -= 1
            await answer(send, reply, status)
        except Disconnected:
            return
        except Exception as error:
            status = await self._failed(path, error, send)
        self.worker.counts.requested(path, status)

    async def _failed(self, path: str, error: Exception, send: Send) -> int:
        """Answer an error; tell the log of what nobody foresaw, without a value in it."""
        status = problem_of(error).status
        if status == 500:
            logger.error("%s failed: %s", path, kind_of(error))
        await refuse(send, error)
        return status

    async def _other(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Health, and what FastAPI answers: as guarded as the hot routes."""
        if path == "/health/live":
            await answer(send, b'{"status":"live"}')
            return
        if path == "/health/ready":
            await self._ready(send)
            return
        if path == "/empty" and self._empty:
            while (await receive()).get("more_body"):
                pass
            await answer(send, EMPTY)
            return
        started = [0]

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                started[0] = message["status"]
            await send(message)

        try:
            await self._guarded(path, scope, receive, sending)
        except Disconnected:
            return
        except Exception as error:
            if started[0]:
                logger.error("%s failed: %s", route_of(scope), kind_of(error))
            else:
                started[0] = await self._failed(route_of(scope), error, send)
        self.worker.counts.requested(route_of(scope), started[0])

    async def _guarded(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        needed = scope_needed(scope["method"], path)
        if needed:
            token = self.worker.gate.admit(scope, needed)
            scope.setdefault("state", {})["token"] = token
        else:
            self.worker.gate.look(scope)
        if scope["method"] in WITH_BODY:
            body = await self.worker.bodies.read(receive)
            first = [{"type": "http.request", "body": body, "more_body": False}]

            async def again() -> Any:
                return first.pop() if first else await receive()

            await self.rest(scope, again, send)
        else:
            await self.rest(scope, receive, send)

    async def _ready(self, send: Send) -> None:
        if self.worker.ready:
            snapshot = self.worker.engine.now.live.id
            await answer(send, _encode({"status": "ready", "snapshot": snapshot}))
            return
        again = {"retry-after": "1"}
        error = Refusal(503, "the worker", "be ready", "one that starts or stops", headers=again)
        await refuse(send, error)

    async def decide(self, body: bytes) -> tuple[bytes, int]:
        """One unit."""
        return _encode(await self.one(self._decide(body))), 200

    async def one(self, request: DecideRequest) -> DecideAnswer:
        """Decide for one unit, and wait for the disk where the settings say so."""
        engine, now = self.worker.engine, time_ns()
        if not engine.quick:
            return await engine.decide_async(request, now)
        reply = engine.decide(request, now)
        if self.worker.waits_for_disk:
            await self.worker.log.acknowledged()
        return reply

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
        answers: list[DecideAnswer | Problem] = []
        for start in range(0, len(units), CHUNK):
            if start:
                await asyncio.sleep(0)
            answers += await self._chunk(units[start : start + CHUNK])
        if self.worker.waits_for_disk:
            await self.worker.log.acknowledged()
        return _encode(BatchAnswer(answers)), 200

    def _one_of(self, raw: msgspec.Raw) -> DecideRequest | Problem:
        try:
            return self._decide(bytes(raw))
        except EquipoiseError as error:
            return problem_of(error)

    async def _chunk(
        self, units: Sequence[DecideRequest | Problem]
    ) -> list[DecideAnswer | Problem]:
        engine, now = self.worker.engine, time_ns()
        asked = [unit for unit in units if isinstance(unit, DecideRequest)]
        if engine.quick:
            replies = iter(engine.decide_batch(asked, now))
        else:
            replies = iter(await engine.decide_batch_async(asked, now))
        return [unit if isinstance(unit, Problem) else told(next(replies)) for unit in units]

    async def reward(self, body: bytes) -> tuple[bytes, int]:
        """One reward, or several: one answer or problem each."""
        asked = self._reward(body)
        engine, now = self.worker.engine, time_ns()
        if isinstance(asked, RewardRequest):
            reply = engine.reward(asked, now)
            await self.worker.log.acknowledged()
            return _encode(reply), 202 if reply.status == "waiting" else 200
        most = self.worker.config.limits.batch
        if len(asked) > most:
            fix = "send several lists"
            must = f"have at most {most:,} rewards"
            raise Refusal(413, "a list", must, f"{len(asked):,}", fix=fix)
        replies: list[Any] = []
        for place, one in enumerate(asked, 1):
            try:
                replies.append(engine.reward(one, now))
            except EquipoiseError as error:
                replies.append(problem_of(error))
            if place % CHUNK == 0:
                await asyncio.sleep(0)
        await self.worker.log.acknowledged()
        return _encode(replies), 200

    async def exposure(self, body: bytes) -> tuple[bytes, int]:
        """That a decision was shown."""
        reply = self.worker.engine.exposure(self._exposure(body), time_ns())
        await self.worker.log.acknowledged()
        return _encode(reply), 202 if reply.status == "waiting" else 200


def told(reply: DecideAnswer | EquipoiseError) -> DecideAnswer | Problem:
    """What stands in the answer of a batch."""
    return problem_of(reply) if isinstance(reply, EquipoiseError) else reply


def not_allowed(method: str, allowed: str) -> Refusal:
    """A 405."""
    return Refusal(405, "the method", f"be {allowed}", method, headers={"allow": allowed})


def route_of(scope: Scope) -> str:
    """The path as it was declared: the real one may name a unit."""
    return str(getattr(scope.get("route"), "path", "other"))
