"""HTTP by hand: bodies by their deadline and within their size, and how an answer begins."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from equipoise.serving.app.problems import Refusal, answer_of, title_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JSON_HEADER = (b"content-type", b"application/json")
IDLE = 65.0  # seconds that a connection may be without a request
UNREAD = 30.0  # seconds in which a client must read something of its answer
LOOKS = 10  # at the clock, in the time that a body has
CLOSE = {"connection": "close"}  # nobody reads the rest of that body


class Connected(Protocol):
    """A connection, as far as it is looked after here."""

    quiet_since: int  # the last look at the clock before its last answer

    def close_if_idle(self) -> None:
        """Close where nobody asks anything."""

    def look(self, late: int, unread: int) -> None:
        """Cut off a request that began to come before the look ``late`` and that nobody waits for,
        and who has read nothing of an answer since the look ``unread``.
        """


class Disconnected(Exception):
    """The client went away: there is nobody to answer."""


class Bodies:
    """Reads bodies, and cuts off who is too slow; one timer for all of them, since a timer for each
    costs as much as a decision.

    Parameters
    ----------
    most : int
        Bytes of one body.
    seconds : float
        By when it must have come.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.now = 0  # looks at the clock
        self.connections: set[Connected] = set()
        self._waiting: dict[Callable[[], None], int] = {}

    def begin(self, stop: Callable[[], None]) -> None:
        """Have this called once the time of a body that begins to come is over."""
        self._waiting[stop] = self.now

    def end(self, stop: Callable[[], None]) -> None:
        """It has come."""
        self._waiting.pop(stop, None)

    async def watch(self) -> None:
        """Cut off those that wait too long, and connections that nobody uses; runs as long as the
        service.
        """
        while True:
            every = self.seconds / LOOKS
            await asyncio.sleep(every)
            self.now += 1
            overdue = [stop for stop, look in self._waiting.items() if look < self.now - LOOKS]
            for stop in overdue:
                self.end(stop)
                stop()
            quiet, unread = self.now - IDLE / every, self.now - round(UNREAD / every)
            for one in list(self.connections):
                one.look(self.now - LOOKS, unread)
                if one.quiet_since < quiet:
                    one.close_if_idle()

    async def read(self, receive: Receive) -> bytes:
        """The body of a request that ASGI brings.

        Raises
        ------
        Refusal
            408 or 413.
        Disconnected
            Where the client has gone.
        """
        task, late = current_task(), [False]

        def stop() -> None:
            late[0] = True
            if task is not None:
                task.cancel()

        self.begin(stop)
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
            if task is None or not late[0]:
                raise
            task.uncancel()
            raise too_slow(self.seconds) from None
        finally:
            self.end(stop)
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > self.most:
            raise too_large(self.most)
        return body


def too_slow(seconds: float, what: str = "the body") -> Refusal:
    """A 408."""
    must, fix = f"come within {seconds:g} s", "send it faster, or in smaller parts"
    return Refusal(408, what, must, "a part of it", fix=fix, headers=CLOSE)


def too_large(most: int, what: str = "the body", status: int = 413) -> Refusal:
    """A 413, or another."""
    fix = "send fewer units at a time" if status == 413 else "send fewer headers"
    must = f"be at most {most:,} bytes"
    return Refusal(status, what, must, "a larger one", fix=fix, headers=CLOSE)


def start_of(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The start of an answer, up to the length of its body.

    >>> start_of(200, [(b"a", b"b")])
    b'HTTP/1.1 200 OK\\r\\na: b\\r\\ncontent-length: '
    """
    lines = [b"HTTP/1.1 %d %b" % (status, title_of(status).encode())]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join((*lines, b"content-length: "))


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
