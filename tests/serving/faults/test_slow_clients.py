"""Clients that send or read a byte at a time: cut off in time, and nobody waits for them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn

from equipoise.serving.app.connection import Connection
from equipoise.serving.app.wire import IDLE, LOOKS, UNREAD, Bodies

HEAD = "POST /decide HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
JSON = "content-type: application/json\r\ncontent-length: {size}\r\n\r\n"
DEADLINE = 0.5  # as the settings of this service say


def connected(service) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(service, size: int) -> bytes:
    return (HEAD + JSON).format(host="127.0.0.1", token=service.token, size=size).encode()


def trickled(link: socket.socket, data: bytes, every: float) -> tuple[bytes, float]:
    """Send a byte at a time until an answer comes: all that came, and after how long it began."""
    began = time.monotonic()
    link.settimeout(every)
    for byte in data:
        with suppress(TimeoutError):
            link.sendall(bytes([byte]))
            if said := link.recv(10_000):
                seconds, more = time.monotonic() - began, b"?"
                link.settimeout(30)
                while more:  # until it is closed
                    said += (more := link.recv(10_000))
                return said, seconds
    raise AssertionError("no answer")


@pytest.mark.parametrize("part", ["head", "body", "second head"])
def test_a_byte_at_a_time_is_cut_off(service, http, part):
    body = json.dumps({"unit": "0000001"}).encode()
    with connected(service) as link:
        if part == "second head":
            link.sendall(head(service, len(body)) + body)
            said = link.recv(10_000)
            while not said.endswith(b"}"):
                said += link.recv(10_000)
            assert said.startswith(b"HTTP/1.1 200")
        if part == "body":
            link.sendall(head(service, len(body)))
        said, seconds = trickled(link, head(service, len(body)) if part != "body" else body, 0.05)
        began = time.monotonic()
        assert http.post("/decide", json={"unit": "0000001"}).status_code == 200
        assert time.monotonic() - began < 2
        assert said.startswith(b"HTTP/1.1 408 Request Timeout")
        assert b"come within 0.5 s" in said
        assert DEADLINE <= seconds < DEADLINE + 2


def test_an_endless_head_is_431(service):
    with connected(service) as link:
        link.sendall(b"GET /policy HTTP/1.1\r\n" + b"x: %b\r\n" % (b"y" * 1000) * 100)
        assert link.recv(10_000).startswith(b"HTTP/1.1 431")


def megabytes(service) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1e3


def test_who_does_not_read_is_not_written_for(service, http):
    """Answers of some 50 MB in all are asked for, and none is read."""
    units = [{"unit": f"{n % 600:07d}", "dry_run": True} for n in range(300)]
    body = json.dumps({"units": units}).encode()
    request = head(service, len(body)).replace(b"/decide", b"/decide/batch") + body
    size = len(http.post("/decide/batch", json={"units": units}).content)
    before, sent = megabytes(service), 0
    host, port = service.url.removeprefix("http://").split(":")
    with socket.socket() as link:
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            link.setsockopt(socket.SOL_SOCKET, buffer, 8192)
        link.connect((host, int(port)))
        link.settimeout(0.3)
        with suppress(TimeoutError):
            while sent * size < 50e6:
                link.sendall(request)
                sent += 1
        assert sent * size < 25e6  # nobody takes the rest
        assert http.post("/decide", json={"unit": "0000001"}).status_code == 200
        assert megabytes(service) - before < 15


def test_who_reads_nothing_or_says_nothing_is_let_go():
    """By looks of the test's own: the real deadlines are half a minute and more."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(50_000_000)})

    async def main() -> None:
        bodies = Bodies(1 << 20, 0.1 * LOOKS)
        hot = SimpleNamespace(worker=SimpleNamespace(bodies=bodies, gate=None), routes={})
        config = uvicorn.Config(
            app, http=partial(Connection, hot), lifespan="off", port=0, log_config=None
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        links = [await asyncio.open_connection("127.0.0.1", port, limit=1000) for _ in range(2)]
        links[0][1].write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        while not any(vars(one)["flow"].write_paused for one in bodies.connections):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        watch = asyncio.create_task(bodies.watch())
        for seconds, left in ((0, 2), (UNREAD - 1, 2), (2, 1), (IDLE - UNREAD - 5, 1), (6, 0)):
            bodies.now += int(seconds / 0.1)
            await asyncio.sleep(0.25)
            assert len(bodies.connections) == left, seconds
        watch.cancel()
        for _, writer in links:
            writer.close()
        await server.shutdown()

    asyncio.run(main())
