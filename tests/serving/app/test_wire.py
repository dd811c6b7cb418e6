"""Bodies over the wire: in parts, too large, too slow, and clients that leave."""

from __future__ import annotations

import asyncio

import pytest

from equipoise.serving.app.problems import Refusal
from equipoise.serving.app.wire import Bodies, Disconnected


def receiver(*messages, wait=0.0):
    """An ASGI `receive` that gives these messages, then waits for ever."""
    left = list(messages)

    async def receive():
        await asyncio.sleep(wait)
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body: bytes, more: bool = True):
    """A part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def read(receive, most=8, seconds=60.0):
    """Read with the watch on."""
    bodies = Bodies(most, seconds)
    watch = asyncio.create_task(bodies.watch())
    try:
        return await bodies.read(receive)
    finally:
        watch.cancel()
        assert not bodies._waiting


def test_parts_are_joined():
    got = asyncio.run(read(receiver(part(b"ab"), part(b""), part(b"cd", more=False))))
    assert got == b"abcd"


def test_too_large_is_413_before_all_of_it_came():
    with pytest.raises(Refusal) as refused:
        asyncio.run(read(receiver(part(b"x" * 5), part(b"x" * 5))))
    assert (refused.value.status, refused.value.headers) == (413, {"connection": "close"})
    assert asyncio.run(read(receiver(part(b"x" * 8, more=False)))) == b"x" * 8


def test_too_slow_is_408():
    with pytest.raises(Refusal) as refused:
        asyncio.run(read(receiver(part(b"x")), seconds=0.05))
    assert refused.value.status == 408
    assert asyncio.run(read(receiver(part(b"x", more=False), wait=0.03), seconds=0.1)) == b"x"


def test_a_client_that_leaves_gets_nothing():
    with pytest.raises(Disconnected):
        asyncio.run(read(receiver(part(b"x"), {"type": "http.disconnect"})))


def test_a_stop_from_outside_is_no_408():
    async def stopped():
        task = asyncio.create_task(read(receiver()))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
