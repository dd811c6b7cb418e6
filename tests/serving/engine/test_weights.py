"""The weights of a request: given, by a net, by the segment, or the policy's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fixtures.served import FACTS, ServedSnapshot, World, with_

from equipoise.core.errors import InputError, SnapshotError
from equipoise.neural.piecewise_linear import Inputs
from equipoise.neural.request_weights import NAMES, Weigher
from equipoise.serving.engine.weight_net import NAMES as FEATURES
from equipoise.serving.engine.weight_net import NET, read_weight_net
from equipoise.serving.records import DecisionRecord


@pytest.fixture
def folder(tmp_path):
    inputs = Inputs.learn(np.array([[0.0], [1.0], [2.0]]))
    shapes = [(1, inputs.slots, 2), (1, 2), (3, 2, 2), (3, 1, 2)]
    shapes += [(2, 2, 3), (2, 1, 3), (2, 2, 1), (2, 1, 1)]
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in zip(NAMES, shapes, strict=True)
    }
    Weigher(inputs, arrays, ("sales", "visits")).save(tmp_path / NET)
    (tmp_path / FEATURES).write_text(json.dumps({"features": ["hour"]}))
    return tmp_path


def test_a_net_weighs_the_metrics_by_the_context(folder):
    live = ServedSnapshot()
    live.net = net = read_weight_net(folder)
    world = World(folder / "state", live=live)
    noon, night = (world.decide("ann", request={"hour": hour}) for hour in (0.0, 2.0))
    assert noon.weights != night.weights
    assert sum(noon.weights.values()) == pytest.approx(1)
    assert noon.weights == net.weights({"hour": 0.0})
    assert noon.scores["small"] == pytest.approx(noon.weights["sales"] * 2.0 - 0.5)
    record = world.records(DecisionRecord)[0]
    assert record.request == {"hour": 0.0}
    assert np.frombuffer(record.weights).tolist() == list(noon.weights.values())
    assert world.decide("ann", request={}).weights == net.weights({})
    with pytest.raises(InputError, match="features of the net"):
        world.decide("ann", request={"day": 1.0})
    world.close()


def test_a_net_whose_names_are_not_there_is_refused(folder):
    (folder / FEATURES).write_text(json.dumps({"features": ["hour", "day"]}))
    with pytest.raises(SnapshotError, match="features"):
        read_weight_net(folder)
    (folder / FEATURES).unlink()
    with pytest.raises(SnapshotError):
        read_weight_net(folder)
    (folder / NET).unlink()
    assert read_weight_net(folder) is None


def test_a_segment_has_weights_of_its_own_and_a_request_comes_first(tmp_path):
    policy = with_(segment="region", segment_weights=(("north", (2.0, 0.0)),))
    units = {name: FACTS._replace(labels={"region": name}) for name in ("north", "south")}
    world = World(tmp_path, live=ServedSnapshot(policy=policy, units=units))
    assert world.decide("north").weights["sales"] == 2.0
    assert world.decide("north").scores["small"] == 3.5
    assert world.decide("south").weights["sales"] == 1.0
    assert world.decide("north", weights={"visits": 1.0}).weights == {"sales": 1.0, "visits": 1.0}
    own = {"effects": FACTS.values.tolist(), "cost": [1.0, 4.0]}
    assert world.decide("dan", **own, features={"region": "north"}).weights["sales"] == 2.0
    with pytest.raises(InputError, match="region"):
        world.decide("dan", **own)
    world.close()
