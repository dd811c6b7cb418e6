"""One connection: uvicorn's own protocol, and the hot routes without ASGI.

ASGI makes a task, a scope and four messages of each request, which cost as much as a decision.  So
a request of a hot route is read here and given to its `HotRoute` with its whole body; every other
one goes on to ASGI as it came.  Requests that a client sends without waiting for answers are
answered in their order, of whichever kind they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from equipoise.serving.app.hot import HotRequest, HotRoute, HotRoutes
from equipoise.serving.app.problems import Refusal, answer_of
from equipoise.serving.app.tokens import ANYBODY_HERE
from equipoise.serving.app.wire import JSON_HEADER, start_of, too_large, too_slow

if TYPE_CHECKING:
    import asyncio

EXPECT = (b"expect", b"100-continue")
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = (b"connection", b"close")
LARGEST = 1 << 16  # bytes of a head


class Connection(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    hot : HotRoutes
        What answers hot routes.
    **server
        As uvicorn has it.
    """

    def __init__(self, hot: HotRoutes, **server: Any) -> None:
        super().__init__(**server)
        self.hot, self.bodies = hot, hot.worker.bodies
        self._gate = hot.worker.gate
        self._admitted: tuple[Any, ...] = ()  # headers, scope, and of which tokens
        self._token = ANYBODY_HERE
        self._coming: HotRequest | None = None  # whose body is not here yet
        self._in_hand = self._last = self._in_head = False
        self.coming_since: int | None = None  # by the looks of `Bodies`; until all of it is here
        self._unread = (0, 0)  # bytes, and since when they are so many

    # ---- what comes ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.bodies.connections.add(self)
        self.quiet_since = self.bodies.now

    def connection_lost(self, error: Exception | None) -> None:
        """End; who was not answered yet is not in hand any more."""
        super().connection_lost(error)
        self.bodies.connections.discard(self)
        left: list[Any] = [self._coming, *(request for request, _ in self.pipeline)]
        for request in left:
            if isinstance(request, HotRequest):
                self._let_go(request)
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        """Read what came; the rest of a body has a deadline."""
        super().data_received(data)
        coming = self._coming
        if coming is not None and not coming.waits and coming.error is None:
            coming.waits = True
            self.bodies.begin(self.too_late)

    def on_message_begin(self) -> None:
        """A request; nothing is made of it before its path is known."""
        self.url, self.headers = b"", []
        self.coming_since, self._in_head = self.bodies.now, True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is here: whose request is it?"""
        self._in_head = False
        parser = self.parser
        route = self.hot.routes.get(self.url) or self._route_of(self.url)
        if route is None or parser.get_method() != b"POST":
            self._to_asgi()
            return
        keep = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        request = self._coming = HotRequest(self, route, keep)
        if route.scope:
            gate, asks = self._gate, (self.headers, route.scope, self._gate.tokens.taken)
            try:
                if asks == self._admitted:  # as the request before
                    gate.again(self._token)
                else:
                    self._token, self._admitted = (
                        gate.admit("POST", self.headers, route.scope),
                        asks,
                    )
            except Refusal as error:
                self._refuse(request, error)
                return
            gate.in_flight += 1
            request.admitted = True
        if EXPECT in self.headers and not self._is_busy():
            self.transport.write(GO_ON)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        request = self._coming
        if request is None:
            super().on_body(body)
        elif request.error is None:
            if not request.body:
                request.body = body
            else:
                if type(request.body) is bytes:
                    request.body = bytearray(request.body)
                request.body += body
            if len(request.body) > self.bodies.most:
                self._refuse(request, too_large(self.bodies.most))

    def on_message_complete(self) -> None:
        """All of it is here."""
        self.coming_since = None
        request = self._coming
        if request is None:
            super().on_message_complete()
            return
        self._coming = None
        if request.waits:
            self.bodies.end(self.too_late)
        if not request.answered:
            self._begin(request)

    def too_late(self) -> None:
        """A body did not come in time."""
        if self._coming is not None:
            self._refuse(self._coming, too_slow(self.bodies.seconds))

    def _route_of(self, url: bytes) -> HotRoute | None:
        """The route of a target that is no plain path."""
        if b"?" not in url and b":" not in url:
            return None
        try:
            return self.hot.routes.get(httptools.parse_url(url).path)
        except httptools.HttpParserInvalidURLError:
            return None

    def _to_asgi(self) -> None:
        """Let uvicorn have what came until now."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    # ---- whose turn it is ----

    def _is_busy(self) -> bool:
        """Whether an answer is due before that of a request that is here now."""
        before = self.cycle
        waits = before is not None and not before.response_complete
        return self._in_hand or waits or bool(self.pipeline)

    def _refuse(self, request: HotRequest, error: Refusal) -> None:
        """Refuse a request before all of it is here; what else comes of it is left alone."""
        request.error, request.keep = error, request.keep and "connection" not in error.headers
        if not self._is_busy():
            request.answered = True
            self._begin(request)

    def _begin(self, request: HotRequest) -> None:
        """Have a request answered, once those before it are."""
        if self._is_busy():
            self.flow.pause_reading()
            self.pipeline.appendleft((request, self.app))  # type: ignore[arg-type]
        else:
            self._in_hand = True
            request.route.take(request)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Begin what has its turn: uvicorn gives here its own requests, and those that waited."""
        if isinstance(cycle, HotRequest):
            self._in_hand = True
            cycle.route.take(cycle)
        elif self._in_hand:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    def answer(
        self,
        request: HotRequest,
        body: bytes,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Send the answer of the request in hand.

        Parameters
        ----------
        request : HotRequest
            Whose.
        body : bytes
            JSON, or a problem document where there are headers.
        status : int, default 200
            Of HTTP.
        headers : sequence of (bytes, bytes), optional
            In place of the one that says JSON.
        """
        self._in_hand = False
        transport = self.transport
        if transport.is_closing():
            return
        if headers is None and status == 200 and request.keep:
            start = self.hot.good_start(self.server_state.default_headers)
            transport.write(b"%b%d\r\n\r\n%b" % (start, len(body), body))
        else:
            more = (JSON_HEADER,) if headers is None else tuple(headers)
            if not request.keep and CLOSE not in more:
                more = (*more, CLOSE)
            start = start_of(status, (*self.server_state.default_headers, *more))
            transport.write(b"%b%d\r\n\r\n%b" % (start, len(body), body))
        self.quiet_since = self.bodies.now
        if not request.keep or (self._last and not self.pipeline):
            transport.close()
        elif self.pipeline:
            self.loop.call_soon(self._next)

    def _next(self) -> None:
        """Begin what waits for its turn."""
        if not self.pipeline or self.transport.is_closing():
            return
        cycle, app = self.pipeline.pop()
        if not self.pipeline and not self.flow.write_paused:
            self.flow.resume_reading()
        self._start_asgi_task(cycle, app)

    def _let_go(self, request: HotRequest) -> None:
        """Whose client went is not in hand any more."""
        if request.admitted:
            self._gate.in_flight -= 1
            request.admitted = False
        if request.waits:
            self.bodies.end(self.too_late)

    # ---- how it ends ----

    def pause_writing(self) -> None:
        """A client that does not read its answers asks nothing more meanwhile."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def shutdown(self) -> None:
        """Close, once what is in hand is answered."""
        coming = self._coming is not None and not self._coming.answered
        self._last = coming or self._is_busy()
        if not self._last or (self.cycle is not None and not self.cycle.response_complete):
            super().shutdown()

    def look(self, late: int, unread: int) -> None:
        """Cut off who is too slow, where nobody else does: see `Connected`."""
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            size = self.transport.get_write_buffer_size()
            if size != self._unread[0]:
                self._unread = size, self.bodies.now
            elif self._unread[1] < unread:
                self.transport.abort()
        elif self.coming_since is not None and not self._is_busy():
            request = self._coming
            if request is not None and request.error is not None and not request.answered:
                self._refuse(request, request.error)  # what was before it is answered now
                return
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if self._in_head and size > LARGEST:
                self._turn_away(too_large(LARGEST, "the head", 431))
            elif self.coming_since < late and (request is None or request.answered):
                self._turn_away(too_slow(self.bodies.seconds, "the head"))

    def _turn_away(self, error: Refusal) -> None:
        """Refuse what is no request yet; the rest of one that has its answer is left alone."""
        if self._in_head:
            status, body, headers = answer_of(error)
            start = start_of(status, (*self.server_state.default_headers, *headers))
            self.transport.write(b"%b%d\r\n\r\n%b" % (start, len(body), body))
        self.transport.close()

    def close_if_idle(self) -> None:
        """Close where nobody asks anything."""
        if self._coming is None and not self._is_busy() and not self.transport.is_closing():
            self.transport.close()
