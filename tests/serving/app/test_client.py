"""The client against a real service, and against one that fails in each way."""

from __future__ import annotations

import asyncio
import time

import httpx
import msgspec
import pytest

from equipoise.core.errors import InputError
from equipoise.serving.client import (
    AsyncClient,
    Client,
    ServiceError,
    request_of,
    reward_of,
)
from equipoise.serving.engine.idempotency import key_hash
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import ConflictError
from equipoise.serving.messages import DecideAnswer


@pytest.fixture(scope="module")
def client(service):
    """A client with a token."""
    with Client(service.url, service.token, timeout=30) as client:
        yield client


def test_from_a_decision_to_its_reward(client):
    answer = client.decide("0000021")
    assert answer.reason == "best_score"
    assert client.exposure(answer.decision).status == "joined"
    assert client.reward(answer.decision, "y", 1.0, key="once").status == "joined"
    assert client.reward(answer.decision, "y", 1.0, key="once").status == "duplicate"
    status = client.decision(answer.decision)
    assert (status.shown, status.rewards["y"].count) == (True, 1)
    assert client.unit("0000021").decisions[0].answer == answer


def test_of_many_each_has_an_answer_or_an_error(client):
    units = [request_of("0000021"), request_of("0000022", cost=[1, 2, 3])]
    first, second = client.decide_many(units)
    assert isinstance(first, DecideAnswer)
    assert isinstance(second, InputError)
    joined, unknown = client.reward_many(
        [reward_of(first.decision, "y", 1.0), reward_of(first.decision, "z", 1.0)]
    )
    assert joined.status == "joined"
    assert "be of a known metric" in str(unknown)


def test_a_refusal_is_an_error_of_ours(client, service):
    with pytest.raises(InputError, match="previous must be control or a candidate"):
        client.decide("0000021", previous="seven")
    with Client(service.url, "eq_other", fallback="0") as other:
        with pytest.raises(ServiceError, match="the token must be valid") as refused:
            other.decide("0000021")
        assert refused.value.status == 401


def test_the_async_client_says_the_same(client, service):
    async def ask():
        async with AsyncClient(service.url, service.token, timeout=30) as other:
            answer, (known,) = await asyncio.gather(
                other.decide("0000023"), other.decide_many([request_of("0000023")])
            )
            await other.exposure(answer.decision)
            await other.reward(answer.decision, "y", 2.0)
            return answer, known, await other.decision(answer.decision)

    answer, known, status = asyncio.run(ask())
    assert answer.scores == known.scores == client.decide("0000023", dry_run=True).scores
    assert status.rewards["y"].value == 2.0


def failing(*replies):
    """A transport that fails in these ways, one after another, and the keys that it saw."""
    left, keys = list(replies), []

    def handle(request: httpx.Request) -> httpx.Response:
        keys.append(request.content)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return httpx.MockTransport(handle), keys


def test_what_failed_is_sent_again_with_the_same_key(client):
    good = client.decide("0000024")
    body = httpx.Response(200, content=msgspec.json.encode(good))
    busy = httpx.Response(503, headers={"retry-after": "0"})
    transport, sent = failing(httpx.ConnectError("gone"), busy, body)
    with Client("http://shop", transport=transport) as other:
        assert other.decide("0000024") == good
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert b'"key":"' in sent[0]


@pytest.mark.parametrize(
    ("reply", "sent_often"),
    [(httpx.ReadTimeout("late"), 3), (httpx.Response(502), 3), (httpx.Response(500), 1)],
)
def test_control_only_where_nobody_could_answer(reply, sent_often):
    transport, sent = failing(*[reply] * 3)
    with Client("http://shop", fallback="none", transport=transport) as other:
        if sent_often == 1:
            with pytest.raises(ServiceError):
                other.decide("u")
        else:
            answer = other.decide("u")
            assert (answer.candidate, answer.reason, answer.logged) == (
                "none",
                "unreachable",
                False,
            )
    assert len(sent) == sent_often


def test_a_key_whose_first_request_is_in_hand_is_sent_again(client, service):
    """Of a worker that died, until another one has taken over."""
    good, request = client.decide("0000024"), request_of("0000025", key="in hand")
    shared = SharedState(service.state)
    keys, writer = [key_hash(request)], b"\0\7died"
    assert shared.idempotency.begin(keys, writer, time.time_ns) == [None]
    held = httpx.post(
        f"{service.url}/decide",
        json={"unit": "0000025", "key": "in hand"},
        headers={"authorization": f"Bearer {service.token}"},
    )
    assert (held.status_code, held.headers["retry-after"]) == (409, "1")
    shared.idempotency.release(keys[0])
    shared.close()
    assert client.decide("0000025", key="in hand").logged
    held.headers["retry-after"] = "0"
    replies = [httpx.Response(409, headers=held.headers, content=held.content) for _ in range(6)]
    body = httpx.Response(200, content=msgspec.json.encode(good))
    transport, sent = failing(replies[0], body, *replies[1:])
    with Client("http://shop", transport=transport) as other:
        assert other.decide("0000024", key="k") == good
        with pytest.raises(ServiceError, match="be used once at a time"):
            other.decide("0000024", key="k")
    assert len(sent) == 5


def test_a_conflict_is_not_sent_again():
    transport, sent = failing(httpx.Response(409, json={"status": 409, "what": "the key"}))
    with (
        Client("http://shop", fallback="none", transport=transport) as other,
        pytest.raises(ConflictError, match="the key must"),
    ):
        other.decide("u", key="k")
    assert len(sent) == 1
