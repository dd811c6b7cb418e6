"""What stands in front of FastAPI: the same guard and the same words of errors for every path that
is no hot route, and the paths that say whether the worker is well.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from equipoise.serving.app.hot import EMPTY, HOT_PATHS
from equipoise.serving.app.problems import Refusal, kind_of, problem_of
from equipoise.serving.app.scopes import scope_needed
from equipoise.serving.app.wire import Disconnected, Receive, Scope, Send, answer, refuse
from equipoise.serving.app.worker import Worker

WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
App = Callable[[Scope, Receive, Send], Awaitable[None]]
logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Front:
    """The ASGI app of a worker.

    Parameters
    ----------
    worker : Worker
        What decides.
    rest : callable
        The ASGI app that answers.
    empty : bool, default False
        Whether ``POST /empty/asgi`` is there: what a request by ASGI costs, for benchmarks.
    """

    def __init__(self, worker: Worker, rest: App, empty: bool = False) -> None:
        self.worker, self.rest, self._empty = worker, rest, empty

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.rest(scope, receive, send)
            return
        path = scope["path"]
        if path == "/health/live":
            await answer(send, b'{"status":"live"}')
            return
        if path == "/health/ready":
            await self._ready(send)
            return
        if self._empty and path == "/empty/asgi":
            while (await receive()).get("more_body"):
                pass
            await answer(send, EMPTY)
            return
        started = [0]

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                started[0] = message["status"]
            await send(message)

        hot = path in HOT_PATHS
        try:
            if hot:
                raise (
                    misspelt(path)
                    if scope["method"] == "POST"
                    else not_allowed(scope["method"], "POST")
                )
            await self._guarded(path, scope, receive, sending)
        except Disconnected:
            return
        except Exception as error:
            name = path if hot else route_of(scope)
            if started[0]:
                logger.error("%s failed: %s", name, kind_of(error))
            else:
                started[0] = await self._failed(name, error, send)
        self.worker.counts.requested(path if hot else route_of(scope), started[0])

    async def _failed(self, path: str, error: Exception, send: Send) -> int:
        """Answer an error; tell the log of what nobody foresaw, without a value in it."""
        status = problem_of(error).status
        if status == 500:
            logger.error("%s failed: %s", path, kind_of(error))
        await refuse(send, error)
        return status

    async def _guarded(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        method, headers, gate = scope["method"], scope["headers"], self.worker.gate
        needed = scope_needed(method, path)
        if not needed:
            gate.look(headers)
            gate.at_door += 1
            try:
                await self._passed(scope, receive, send)
            finally:
                gate.at_door -= 1
            return
        scope.setdefault("state", {})["token"] = gate.admit(method, headers, needed)
        gate.in_flight += 1
        try:
            await self._passed(scope, receive, send)
        finally:
            gate.in_flight -= 1

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered that may go on, once its body is here."""
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


def not_allowed(method: str, allowed: str) -> Refusal:
    """A 405."""
    return Refusal(405, "the method", f"be {allowed}", method, headers={"allow": allowed})


def misspelt(path: str) -> Refusal:
    """What is told of a hot path that is written in another way, as with %64 for d."""
    return Refusal(404, "the path", f"be written {path}", "another spelling of it")


def route_of(scope: Scope) -> str:
    """The path as it was declared: the real one may name a unit."""
    return str(getattr(scope.get("route"), "path", "other"))
