"""The routes of a running service: what they answer, and each wrong request in its own words."""

from __future__ import annotations

import json
import socket
import time

import msgspec
import pytest

from equipoise.serving.app.rest import ROUTES
from equipoise.serving.app.scopes import scope_needed
from equipoise.serving.app.tokens import new_token
from equipoise.serving.client import Client
from equipoise.serving.messages import DecideAnswer, Problem, UnitHistory

JSON = {"content-type": "application/json"}


def ask(http, path: str, body: object, status: int = 200):
    """The answer to a body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = http.post(path, content=data, headers=JSON)
    assert reply.status_code == status, reply.text
    return reply.json()


def wrong(http, path: str, body: object, status: int) -> str:
    """The words of a problem document."""
    problem = msgspec.convert(ask(http, path, body, status), Problem)
    assert problem.status == status
    assert problem.title
    assert f"{problem.what} must {problem.must}" in problem.detail
    return problem.detail


def test_from_a_decision_to_its_reward(http, shipped):
    answer = msgspec.convert(ask(http, "/decide", {"unit": "0000003"}), DecideAnswer)
    table = shipped.scorer.assign(shipped.table.slice(3, 1))
    assert answer.candidate == str(table["chosen"][0])
    assert (answer.unit, answer.reason, answer.policy) == ("0000003", "best_score", "shop")
    assert answer.logged
    shown = ask(http, "/exposure", {"decision": answer.decision})
    assert shown["status"] == "joined"
    reward = {"decision": answer.decision, "name": "y", "value": 1.0, "key": "first"}
    assert ask(http, "/reward", reward)["status"] == "joined"
    assert ask(http, "/reward", reward)["status"] == "duplicate"
    status = http.get(f"/decisions/{answer.decision}").json()
    assert (status["shown"], status["rewards"]["y"]["value"]) == (True, 1.0)
    history = msgspec.convert(http.get("/units/0000003").json(), UnitHistory)
    assert history.known
    assert history.decisions[0].answer.decision == answer.decision


def test_features_decide_as_the_scorer_does(http, shipped):
    row = shipped.table.slice(5, 1).to_pylist()[0]
    features = {name: row[name] for name in ("age", "code", "member", "plan_name", "shop", "user")}
    features |= {name: row[name].isoformat() for name in ("since", "seen_at", "born")}
    answer = ask(http, "/decide", {"unit": "somebody", "features": features, "dry_run": True})
    assert answer["reason"] in ("best_score", "below_threshold")
    assert answer["logged"] is False
    known = ask(http, "/decide", {"unit": "0000005", "dry_run": True})
    assert answer["scores"] == known["scores"]


def test_of_a_batch_each_unit_has_its_own_answer_or_problem(http):
    units = [
        {"unit": "0000001"},
        {"unit": 5},
        {"unit": "0000001", "cost": [-1]},
        {"unit": "nobody"},
    ]
    answers = ask(http, "/decide/batch", {"units": units})["answers"]
    assert [answer.get("unit") for answer in answers] == ["0000001", None, None, "nobody"]
    assert [answer.get("status", 200) for answer in answers] == [200, 422, 422, 200]
    assert answers[1]["detail"].startswith("the value must be str; got int at $.unit")
    assert answers[3]["reason"] == "unknown_unit"
    many = [{"unit": f"{i:07d}", "dry_run": True} for i in range(300)]
    answers = ask(http, "/decide/batch", {"units": many})["answers"]
    assert [answer["unit"] for answer in answers] == [unit["unit"] for unit in many]


def test_of_a_list_of_rewards_each_has_its_own(http):
    decision = ask(http, "/decide", {"unit": "0000009"})["decision"]
    rewards = [
        {"decision": decision, "name": "y", "value": 1},
        {"decision": decision, "name": "z", "value": 1},
    ]
    first, second = ask(http, "/reward", rewards)
    assert first["status"] == "joined"
    assert "be of a known metric" in second["detail"]
    rewards[1] = {"decision": decision, "name": "y", "value": 1e308}  # two of them: infinite
    assert "be at most 3.4e+38; got a larger one at $[1].value" in wrong(
        http, "/reward", rewards, 422
    )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"unit":"a","features":' + b'{"x":' * 100_000, 422, "got object at $.features"),
        (b'{"unit":"a","features":{"age":NaN}}', 400, "be JSON"),
        (b'{"unit":"a","unit":"b"}', 400, "'unit' twice"),
        (b'{"unit":"\xff"}', 400, "UTF-8"),
        ({"unit": ""}, 422, "unit must be text of 1 to"),
        ({"unit": "a", "previous": "7"}, 422, "be control or a candidate"),
        ({"unit": "a", "features": {"age": 1}}, 422, "be among the units' columns"),
        ({"unit": "a", "weights": {"z": 1}}, 422, "name metrics of the policy"),
        ({"unit": "0000001", "cost": [1, 2, 3]}, 422, "one a candidate"),
        ({"unit": "0000001", "effects": [[1.0, 1.0]]}, 422, "have shape"),
        (
            {"unit": "a", "effects": [[1e308]]},
            422,
            "the number must be at most 3.4e+38; got a larger one at $.effects",
        ),
        ({"unit": "0000001", "weights": {"y": -1e308}}, 422, "be at least -3.4e+38"),
        ({"unit": "0000001", "cost": [1e39]}, 422, "be at most 3.4e+38"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(http, body, status, words):
    assert words in wrong(http, "/decide", body, status)


def test_a_repeated_key_has_the_same_bytes_and_no_other_body(http):
    request = json.dumps({"unit": "0000007", "key": "cart-1"}).encode()
    first, again = (http.post("/decide", content=request, headers=JSON) for _ in range(2))
    assert first.content == again.content
    assert "another body" in wrong(http, "/decide", {"unit": "0000008", "key": "cart-1"}, 422)


def test_a_body_of_10_mb_is_413(service, http):
    body = b'{"unit":"' + b"a" * 10_000_000 + b'"}'
    assert "be at most 8,388,608 bytes" in wrong(http, "/decide", body, 413)
    assert ask(http, "/decide", {"unit": "0000001"})["unit"] == "0000001"


def test_too_many_units_are_413(http):
    units = [{"unit": "a", "dry_run": True}] * 10_001
    assert "have at most 10,000 units" in wrong(http, "/decide/batch", {"units": units}, 413)


def test_a_slow_client_holds_nobody_up(service, http):
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        head = f"POST /decide HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {service.token}\r\n"
        slow.sendall(
            f"{head}content-type: application/json\r\ncontent-length: 99\r\n\r\n{{".encode()
        )
        began = time.monotonic()
        assert ask(http, "/decide", {"unit": "0000001"})["unit"] == "0000001"
        assert time.monotonic() - began < 2
        assert http.get("/health/ready").status_code == 200


def test_paths_and_methods_that_are_not_there(http):
    assert http.get("/nowhere").json()["status"] == 404
    assert http.get("/decide").headers["allow"] == "POST"
    assert http.get("/decide").json()["status"] == 405
    assert http.get(f"/decisions/{'0' * 32}").json()["status"] == 404
    assert http.get(f"/decisions/{'f' * 32}").json()["status"] == 404  # nobody has had that slot
    assert http.get("/decisions/abc").json()["status"] == 422
    assert "be written /decide" in http.post("/%64ecide", json={}).json()["detail"]


def test_each_route_needs_its_scope(service):
    for route in ROUTES:
        if not route.path.startswith(("/decide", "/reward", "/exposure")):
            assert scope_needed(route.method.upper(), route.path) == route.scope, route.path
    with service.client(token="") as nobody, service.client(token=new_token(["read"])[1]) as other:
        for client in (nobody, other):
            for route in ROUTES:
                if not route.scope:
                    continue
                reply = client.request(route.method, route.path, headers=JSON, content=b"{}")
                assert reply.status_code == 401, route.path
                assert reply.headers["www-authenticate"] == "Bearer"
        page = nobody.get("/docs").text
        assert f"{service.url}/decide\n" in page.replace("</pre>", "\n")
        assert "localhost" not in page
        assert nobody.get("/health/live").json() == {"status": "live"}


def test_a_unit_that_is_forgotten_is_unknown(http):
    ask(http, "/decide", {"unit": "0000011"})
    assert http.delete("/units/0000011").json() == {"decisions": 1}
    assert ask(http, "/decide", {"unit": "0000011"})["reason"] == "unknown_unit"


@pytest.mark.parametrize(
    "unit", ["a/b", "a//", "..", ".", "%2F", "a?b#c", "line\n", "\ufffd", " a "]
)
def test_a_unit_may_have_any_name_in_a_path(service, http, unit):
    """An end of a line at the end of a path is part of the name, and no other unit's."""
    answers = [ask(http, "/decide", {"unit": one})["decision"] for one in (unit, unit.strip(" \n"))]
    with Client(service.url, service.token, timeout=30) as client:
        history = client.unit(unit)
    assert history.unit == unit
    assert history.decisions[0].answer.decision == answers[unit == unit.strip(" \n")]
    path = "/units/" + "".join(f"%{byte:02X}" for byte in unit.encode())
    assert http.delete(path).json()["decisions"] > 0
    assert http.get(f"/decisions/{answers[1]}").status_code == 200 or unit == unit.strip(" \n")


@pytest.mark.parametrize(
    ("path", "words"),
    [("", "of 1 to 1,024 letters"), ("a" * 1025, "1,025"), ("%FF", "unit must be UTF-8")],
)
def test_a_path_that_names_no_unit_forgets_none(http, path, words):
    for method in ("GET", "DELETE"):
        reply = http.request(method, f"/units/{path}")
        assert (reply.status_code, words in reply.json()["detail"]) == (422, True)


def test_no_unit_and_no_value_is_in_the_lines_of_the_service(service, http):
    ask(http, "/decide", {"unit": "Marlene Muster", "features": {"age": 41.5}}, 422)
    http.get("/units/Marlene%20Muster")
    said = "".join(service.out[5:] + service.err)
    assert "Muster" not in said
    assert "41.5" not in said
