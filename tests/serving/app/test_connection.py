"""One connection: requests in any form that HTTP allows, several at once, and their order."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, contextmanager

import pytest


class Talk:
    """A connection by hand.

    Attributes
    ----------
    link : socket
        To the service.
    replies : file
        What comes of it.
    """

    def __init__(self, service) -> None:
        self.host, port = service.url.removeprefix("http://").split(":")
        self.token = service.token
        self.link = socket.create_connection((self.host, int(port)), timeout=30)
        self.replies = self.link.makefile("rb")

    def head(self, *lines: str, method: str = "POST", target: str = "/decide", version="1.1"):
        """A request's, with these lines more."""
        first = f"{method} {target} HTTP/{version}", f"Host: {self.host}"
        auth = f"authorization: Bearer {self.token}"
        return "\r\n".join(
            (*first, auth, "Content-Type: application/json", *lines, "", "")
        ).encode()

    def decide(self, unit: str, **more: str) -> bytes:
        """A whole request to decide."""
        body = json.dumps({"unit": unit, "dry_run": True}).encode()
        return self.head(f"content-length: {len(body)}", **more) + body

    def reply(self) -> tuple[int, dict[str, str], dict]:
        """The next answer: its status, headers and body."""
        status = int(self.replies.readline().split()[1])
        headers = {}
        while line := self.replies.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        return status, headers, json.loads(self.replies.read(int(headers["content-length"])))


@contextmanager
def talk(service):
    """A connection, closed at the end."""
    one = Talk(service)
    with one.link, one.replies:
        yield one


def test_what_is_sent_at_once_is_answered_in_its_order(service):
    with talk(service) as one:
        wrong = one.head("content-length: 1") + b"{"
        live = one.head(method="GET", target="/health/live")
        policy = one.head(method="GET", target="/policy")
        refused = one.head("content-length: 2").replace(b"Bearer eq_", b"Bearer no_") + b"{}"
        units = [f"{i:07d}" for i in range(1, 5)]
        first, second, third, fourth = map(one.decide, units)
        one.link.sendall(
            first + live + second + refused + policy + live + wrong + third + refused + fourth
        )
        replies = [one.reply() for _ in range(10)]
    assert [status for status, _, _ in replies] == [
        200,
        200,
        200,
        401,
        200,
        200,
        400,
        200,
        401,
        200,
    ]
    bodies = [body for _, _, body in replies]
    assert [body.get("unit") for body in bodies if "decision" in body] == units
    assert bodies[1] == bodies[5] == {"status": "live"}
    assert all("date" in headers for _, headers, _ in replies)


def test_many_clients_at_once_have_each_its_own_answer(service):
    with ExitStack() as stack:
        every = [stack.enter_context(talk(service)) for _ in range(40)]
        for number, one in enumerate(every):
            body = one.decide(f"{number:07d}")
            one.link.sendall(body.replace(b"true", b"trve") if number % 10 == 3 else body)
        replies = [one.reply() for one in every]
    for number, (status, _, body) in enumerate(replies):
        assert status == (400 if number % 10 == 3 else 200)
        assert body.get("unit", f"{number:07d}") == f"{number:07d}"


@pytest.mark.parametrize("target", ["/decide?a=b", "http://localhost/decide"])
def test_the_path_counts(service, target):
    with talk(service) as one:
        one.link.sendall(one.decide("0000001", target=target))
        assert one.reply()[2]["unit"] == "0000001"


def test_a_body_in_chunks_and_one_that_asks_first(service):
    body = b'{"unit":"0000002","dry_run":true}'
    with talk(service) as one:
        one.link.sendall(one.head("transfer-encoding: chunked") + b"5\r\n" + body[:5] + b"\r\n")
        one.link.sendall(b"%x\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n")
        assert one.reply()[2]["unit"] == "0000002"
        one.link.sendall(one.head(f"content-length: {len(body)}", "expect: 100-continue"))
        assert one.replies.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert one.replies.readline() == b"\r\n"
        one.link.sendall(body)
        assert one.reply()[2]["unit"] == "0000002"


def test_a_refusal_does_not_wait_for_the_body_and_leaves_the_rest_of_it(service):
    with talk(service) as one:
        head = one.head("content-length: 20").replace(b"/json", b"/text")
        one.link.sendall(head + b"{")
        assert one.reply()[0] == 415
        one.link.sendall(b" " * 19 + one.decide("0000003"))
        assert one.reply()[2]["unit"] == "0000003"


@pytest.mark.parametrize(("version", "line"), [("1.0", "a: b"), ("1.1", "connection: close")])
def test_who_wants_no_more_is_let_go(service, version, line):
    body = b'{"unit":"0000004","dry_run":true}'
    with talk(service) as one:
        one.link.sendall(one.head(f"content-length: {len(body)}", line, version=version) + body)
        status, headers, answer = one.reply()
        assert (status, headers["connection"], answer["unit"]) == (200, "close", "0000004")
        assert one.replies.read() == b""


def test_clients_that_leave_leave_no_place_taken(service, http):
    """More of them than a worker takes at once."""
    for _ in range(6):
        with ExitStack() as stack:
            for _ in range(50):
                one = stack.enter_context(talk(service))
                one.link.sendall(one.head("content-length: 99") + b"{")
    with talk(service) as one:
        one.link.sendall(one.decide("0000005"))
        assert one.reply()[0] == 200


def test_a_refusal_that_waits_for_its_turn_does_not_wait_for_its_body(service):
    """In one packet with a request that is answered first; the rest of the body may never come."""
    with talk(service) as one:
        live = one.head(method="GET", target="/health/live")
        refused = one.head("content-length: 100").replace(b"Bearer eq_", b"Bearer no_")
        one.link.sendall(live + refused)
        one.link.settimeout(4)  # a body has five seconds
        assert [one.reply()[0] for _ in range(2)] == [200, 401]
        one.link.sendall(b" " * 100 + one.decide("0000006"))
        assert one.reply()[2]["unit"] == "0000006"
