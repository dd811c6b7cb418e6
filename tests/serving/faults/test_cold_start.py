"""A service that starts where another one left off, on a machine where nothing can be compiled: by
the kernels of `equipoise warm` alone, beside a slot of the log that a starter began to take over.
"""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from serving.conftest import QUIET, start

from equipoise.serving.engine.idempotency import key_hash
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest

BUDGET = "[serve.budget]\ntotal = 1000.0\npacing = 'resolve'\nrequests = 1e6\n"
# what `equipoise warm` does for a service, and from then on no kernel takes another type
FROZEN = """
import sys
from equipoise.core import kernels
made, njit, warm_now = [], kernels.njit, True
def kept(**options):
    def kernel(function):
        made.append(njit(**options)(function))
        if not warm_now:
            made[-1]._can_compile = False
        return made[-1]
    return kernel
kernels.njit = kept
from equipoise.cli.main import main
from equipoise.cli.warm import _serve_one
_serve_one()
warm_now = False
for one in made:
    one._can_compile = False
main(sys.argv[1:])
"""
LEFT = DecideRequest(unit="0000003", key="left in hand")


@pytest.fixture(scope="module")
def service(published, tmp_path_factory):
    """Of one worker; slot 1 was another's, who died with a key in hand, and then a starter's."""
    state = tmp_path_factory.mktemp("cold") / "shop-serving"
    used = shutil.ignore_patterns("log", "index", "counters", "control")  # by another test's
    shutil.copytree(published, state, ignore=used)
    shared = SharedState(state)
    with shared.starting():
        log = DecisionLog(state / "log", 1)
        assert shared.idempotency.begin([key_hash(LEFT)], log.writer, time.time_ns) == [None]
        log.close()
        DecisionLog(state / "log", 1).close()  # and failed before it had read what was left
    shared.close()
    settings = state.parent / "serve.toml"
    settings.write_text(f"[serve]\nholdout = 0.2\nexplore = 0.3\n{QUIET}{BUDGET}")
    child = start(state, "--config", settings, code=(FROZEN,))
    yield child
    assert (child.stop(), child.err) == (0, [])


@pytest.fixture(scope="module")
def http(service):
    with service.client() as client:
        yield client


def test_no_decision_compiles_a_kernel(http, shipped):
    rows = shipped.table.drop_columns(["arm", "y"]).slice(0, 40).to_pylist()
    features = [
        {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in rows
    ]
    asked = [{"unit": f"new {n}", "features": one} for n, one in enumerate(features)]
    asked += [{"unit": row["user"], "previous": "1", "cost": [0.5]} for row in rows]
    own: dict[str, Any] = {
        "effects": [[0.4]],
        "cost": [0.5],
        "weights": {"y": 2.0},
        "features": {"shop": "000"},
    }
    asked += [{"unit": f"own {n}", **own} for n in range(3)]
    for one in asked[:3] + asked[-3:]:
        assert http.post("/decide", json=one).status_code == 200
    answers = http.post("/decide/batch", json={"units": asked}).json()["answers"]
    reasons = {answer["reason"] for answer in answers}
    assert (
        {"best_score", "explored", "holdout"}
        <= reasons
        <= {
            "best_score",
            "below_threshold",
            "explored",
            "holdout",
        }
    )


def test_a_key_that_was_in_hand_in_a_slot_that_nobody_takes_is_decided(http):
    """It answered 409 until its table went, hours later."""
    reply = http.post("/decide", json={"unit": LEFT.unit, "key": LEFT.key})
    assert (reply.status_code, reply.json()["unit"]) == (200, LEFT.unit)
