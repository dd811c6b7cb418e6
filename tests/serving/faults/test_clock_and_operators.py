"""Over HTTP: a clock that is set back, a token at the moment it expires, and what operators send
that cannot be done.
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pyarrow as pa
import pytest
from fixtures.units import FEATURES, unit_table
from serving.conftest import until

from equipoise.artifacts.policy import write_scorer
from equipoise.data import read_log
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.pipeline import honest_policy
from equipoise.serving.app.tokens import new_token
from equipoise.serving.snapshots.build import build_snapshot
from equipoise.serving.snapshots.channels import Channels
from equipoise.treatments import Arms

BACK = "equipoise_clock_back_seconds"


@pytest.fixture
def clock(shop):
    """Moves the clock of the service, and back at the end."""
    file = shop.parent / "clock"

    def moved(seconds: float) -> None:
        beside = file.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(file)

    yield moved
    moved(0)


def decided(http, unit: str, key: str | None = None) -> dict:
    reply = http.post("/decide", json={"unit": unit, "key": key} if key else {"unit": unit})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_clock_that_is_set_back(http, clock):
    """By more than an answer is kept: the same key has its answer, and each id is new."""
    first = [decided(http, f"{n:07d}", f"clock {n}") for n in range(3)]
    clock(-3 * 3600)
    again = [decided(http, f"{n:07d}", f"clock {n}") for n in range(3)]
    assert again == first
    more = [decided(http, f"{n:07d}") for n in range(3, 6)]
    ids = [answer["decision"] for answer in (*first, *more)]
    assert ids == sorted(set(ids))
    assert all(answer["logged"] for answer in more)
    for answer in (first[0], more[0]):
        reward = {"decision": answer["decision"], "name": "y", "value": 1.0}
        assert http.post("/reward", json=reward).json()["status"] == "joined"

    def told() -> float:
        lines = http.get("/metrics").text.splitlines()
        return next(float(one.split()[1]) for one in lines if one.startswith(BACK))

    until(lambda: told() > 3 * 3600 - 60)  # another test may have set it back by more


@pytest.fixture(scope="module")
def built(shop, shipped, tmp_path_factory):
    """Snapshots beside the live one: without units, with other prices, with other candidates, and
    one whose policy was changed behind its back.
    """
    place = tmp_path_factory.mktemp("built")
    table = unit_table(300)
    other = table.set_column(2, "arm", pa.array([2 * arm for arm in table["arm"].to_pylist()]))
    snapshots = [build_snapshot(shop, shipped.folder)]
    told = {"treatment": "arm", "outcomes": "y", "features": FEATURES, "id": "user"}
    for name, world, budget in (("less", table, 0.3), ("others", other, 0.4), ("torn", table, 0.2)):
        space = Arms([0, 2] if name == "others" else [0, 1], control=0)
        log = read_log(world, space=space, **told)
        learner = TLearner(BoostedTrees(2, min_child_samples=5))
        scorer = honest_policy(log, learner, cv=2, cost=1.0, budget=budget).scorer
        write_scorer(place / name, scorer, plan="")
        snapshots.append(build_snapshot(shop, place / name))
    part = shop / "snapshots" / snapshots[-1] / "policy" / "policy.json"
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)
    return snapshots


def live(http) -> str:
    return http.get("/policy").json()["snapshot"]


def test_other_candidates_are_refused_unless_they_are_meant(http, built):
    before = live(http)
    reply = http.post("/admin/publish", json={"snapshot": built[2]})
    assert (reply.status_code, live(http)) == (422, before)
    assert "have the candidates of what it follows: 1; got 2" in reply.json()["detail"]
    asked = {"snapshot": built[2], "replace_candidates": True}
    assert http.post("/admin/publish", json=asked).status_code == 200
    known = ("2", "0")
    assert decided(http, "0000001")["candidate"] in known
    wrong = http.post("/decide", json={"unit": "0000001", "previous": "1"})
    assert "be control or a candidate" in wrong.json()["detail"]
    assert http.post("/admin/rollback", json={}).json()["snapshot"] == before
    assert decided(http, "0000001")["candidate"] in ("1", "0")


def test_a_changed_byte_is_refused_and_what_is_live_stays(http, built):
    before = live(http)
    reply = http.post("/admin/publish", json={"snapshot": built[3]})
    assert reply.status_code == 422
    assert "part 'policy/policy.json' must have sha256" in reply.json()["detail"]
    assert live(http) == before
    assert decided(http, "0000001")["snapshot"] == before


def test_of_two_publishes_at_once_one_wins(service, http, built):
    sequence = Channels(service.state).live().sequence
    replies, together = [], Barrier(2)

    def one(snapshot: str) -> None:
        with service.client() as client:
            together.wait()
            asked = {"snapshot": snapshot, "expect_sequence": sequence}
            replies.append(client.post("/admin/publish", json=asked))

    threads = [Thread(target=one, args=(snapshot,)) for snapshot in built[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won, lost = sorted(replies, key=lambda reply: reply.status_code)
    assert (won.status_code, lost.status_code) == (200, 409)
    assert won.json()["snapshot"] == live(http)
    assert all(snapshot in lost.json()["detail"] for snapshot in built[:2])


def test_a_token_is_revoked_by_a_reload(service, shop):
    """The process goes on, and so do the others' tokens."""
    file = shop.parent / "tokens"
    entry, secret = new_token(["read"])
    kept = file.read_text()

    def status(text: str) -> int:
        file.write_text(text)
        service.process.send_signal(signal.SIGHUP)
        with service.client(token=secret) as client:
            return client.get("/policy").status_code

    until(lambda: status(f"{kept}{entry}\n") == 200)
    until(lambda: status(kept) == 401)


def test_a_token_is_good_until_the_last_moment_of_its_day(service, clock):
    now = datetime.now(UTC)
    night = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    left = (night - now).total_seconds()
    with service.client(token=(service.state.parent / "last").read_text()) as client:
        clock(left - 1.5)
        assert client.get("/policy").status_code == 200
        while time.time() + left - 1.5 < night.timestamp():
            time.sleep(0.05)
        reply = client.get("/policy")
    assert reply.status_code == 401
    assert "got one that has expired" in reply.json()["detail"]
