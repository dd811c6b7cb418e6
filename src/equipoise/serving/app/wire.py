"""ASGI by hand: a body by its deadline and within its size, and an answer in two messages."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Task, current_task
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from equipoise.serving.app.problems import Refusal, answer_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JSON_HEADER = (b"content-type", b"application/json")
LOOKS = 10  # at the clock, in the time that a body has
CLOSE = {"connection": "close"}  # nobody reads the rest of that body


class Disconnected(Exception):
    """The client went away: there is nobody to answer."""


class Bodies:
    """Reads bodies; one timer for all of them, since a timer for each costs as much as a decision.

    Parameters
    ----------
    most : int
        Bytes of one body.
    seconds : float
        By when it must have come.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._look = 0
        self._waiting: dict[Task[Any] | None, int] = {}
        self._late: set[Task[Any] | None] = set()

    async def watch(self) -> None:
        """Cut off those that wait too long; runs as long as the service."""
        while True:
            await asyncio.sleep(self.seconds / LOOKS)
            self._look += 1
            overdue = [task for task, look in self._waiting.items() if look < self._look - LOOKS]
            for task in overdue:
                if task is not None and task not in self._late:
                    self._late.add(task)
                    task.cancel()

    async def read(self, receive: Receive) -> bytes:
        """The body of a request.

        Raises
        ------
        Refusal
            408 or 413.
        Disconnected
            Where the client has gone.
        """
        task = current_task()
        self._waiting[task] = self._look
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                parts, size = [body], len(body)
                while message.get("more_body", False) and size <= self.most:
                    message = await receive()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                body = b"".join(parts)
        except CancelledError:
            if task is None or task not in self._late:
                raise
            task.uncancel()
            must, fix = f"come within {self.seconds:g} s", "send it faster, or in smaller parts"
            raise Refusal(408, "the body", must, "a part of it", fix=fix, headers=CLOSE) from None
        finally:
            del self._waiting[task]
            self._late.discard(task)
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > self.most:
            must = f"be at most {self.most:,} bytes"
            fix = "send fewer units at a time"
            raise Refusal(413, "the body", must, "a larger one", fix=fix, headers=CLOSE)
        return body


async def answer(
    send: Send,
    body: bytes,
    status: int = 200,
    headers: tuple[tuple[bytes, bytes], ...] = (JSON_HEADER,),
) -> None:
    """Send an answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": (*headers, length)})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, error: Exception) -> None:
    """Send the problem document of an error."""
    status, body, headers = answer_of(error)
    await answer(send, body, status, tuple(headers))
