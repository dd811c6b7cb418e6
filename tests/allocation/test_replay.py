"""A record says what decided: it and the effects of its unit give the decision again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import decide, decision_of, replay
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Decision, Demand, Policy

NAMES, METRICS = ("a", "b", "c"), ("sales", "plays")
DEMANDS = (
    Demand("budget", "cost", 1.0),
    Demand("floor", "effect", 0.0, -1.0, metric="plays"),
    Demand("north", "cost", 1.0, column="city", factors=(("north", 1.0),), other=0.0),
)


def world(seed, n=6):
    """A policy with segments, lots and a floor, and n units; many numbers are rounded, so tie."""
    rng = np.random.default_rng(seed)
    digits = int(rng.integers(0, 3))
    prices = tuple(np.round(rng.gamma(1.0, 0.3, 3), digits).tolist())
    low_share = float(rng.choice([0.0, 0.4, 1.0]))
    policy = Policy(
        NAMES,
        "none",
        METRICS,
        tuple(rng.normal(size=2).tolist()),
        DEMANDS,
        prices,
        threshold=float(rng.choice([0.0, 0.1])),
        lower=float(rng.choice([0.0, 0.5])),
        keep=float(rng.choice([0.0, 0.3])),
        segment="city" if rng.random() < 0.5 else None,
        segment_weights=(("north", tuple(rng.normal(size=2).tolist())),),
        low_prices=tuple(price / 2 for price in prices) if low_share else (),
        low_share=low_share,
        seed=int(rng.integers(9)),
    )
    effects = Effects(
        np.round(rng.normal(0.5, 1.0, (n, 3, 2)), digits),
        np.ones((n, 2)),
        NAMES,
        METRICS,
        rng.uniform(0, 1, (n, 3, 2)),
    )
    cost = rng.uniform(0, 2, (n, 3)) if rng.random() < 0.7 else rng.uniform(0, 2, 3)
    weights = rng.normal(size=(n, 2)) if rng.random() < 0.4 else None
    ids = rng.permutation(99)[:n]
    units = ids if rng.random() < 0.5 else np.array([f"user {i}" for i in ids])
    return (
        policy,
        effects,
        {
            "cost": cost,
            "groups": {"city": rng.choice(["north", "south"], n)},
            "previous": rng.integers(-2, 3, n),
            "weights": weights,
            "units": units,
        },
    )


def again(record, policy, effects, known, row):
    """The replay of one row."""
    labels = {column: values[[row]] for column, values in known["groups"].items()}
    one, before = effects.take([row]), known["previous"][[row]]
    return replay(record, policy, one, groups=labels, previous=before)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_a_record_gives_its_decision_again_bit_for_bit(seed):
    policy, effects, known = world(seed)
    decisions = decide(policy, effects, **known)
    for row in range(len(effects)):
        record = decision_of(policy, decisions, row, "id")
        record = Decision.from_json(json.loads(json.dumps(record.to_json())))
        # the policy's own weights are not looked at
        other = replace(policy, weights=(9.0, 9.0), segment=None)
        assert again(record, other, effects, known, row) == record


def test_the_weights_of_the_segment_and_of_the_request_are_recorded():
    effects = Effects(np.tile([[1.0, 2.0]], (2, 1, 1)), np.zeros((2, 2)), ("a",), METRICS)
    policy = Policy(
        ("a",), "none", METRICS, (1.0, 0.0), segment="city", segment_weights=(("n", (0.0, 5.0)),)
    )
    decisions = decide(policy, effects, groups={"city": np.array(["n", "s"])})
    records = [decision_of(policy, decisions, row) for row in (0, 1)]
    assert [record.weights for record in records] == [(0.0, 5.0), (1.0, 0.0)]
    assert [record.score for record in records] == [10.0, 1.0]
    decisions = decide(policy, effects, weights=np.array([[3.0, 0.0], [0.0, 3.0]]))
    records = [decision_of(policy, decisions, row) for row in (0, 1)]
    assert [(record.weights, record.score) for record in records] == [
        ((3.0, 0.0), 3.0),
        ((0.0, 3.0), 6.0),
    ]


def test_the_price_set_unit_and_cost_are_recorded():
    effects = Effects(np.ones((40, 1, 1)), np.zeros((40, 1)), ("a",), ("y",))
    policy = Policy(
        ("a",), "none", ("y",), (1.0,), DEMANDS[:1], (2.0,), low_prices=(0.25,), low_share=0.5
    )
    units = np.arange(40)
    decisions = decide(policy, effects, cost=[1.0], units=units)
    records = [decision_of(policy, decisions, row) for row in range(40)]
    assert {(record.price_set, record.prices) for record in records} == {
        ("low", (0.25,)),
        ("usual", (2.0,)),
    }
    assert [record.unit for record in records] == units.tolist()
    assert {record.cost for record in records} == {(1.0,)}


@pytest.mark.parametrize(
    "change",
    [{"prices": (0.0, 0.0, 0.0)}, {"weights": (7.0, -7.0)}, {"cost": (9.0, 9.0, 9.0)}],
    ids=["prices", "weights", "cost"],
)
def test_a_record_that_was_tampered_with_does_not_give_itself(change):
    caught = 0
    for seed in range(30):
        policy, effects, known = world(seed)
        wrong = replace(decision_of(policy, decide(policy, effects, **known), 0), **change)
        caught += again(wrong, policy, effects, known, 0) != wrong
    assert caught >= 20


def test_a_random_policy_replays_by_the_id():
    effects = Effects(np.zeros((9, 2, 1)), np.zeros((9, 1)), ("a", "b"), ("y",))
    policy = Policy(("a", "b"), "none", ("y",), (1.0,), mode="random", shares=(0.3, 0.3))
    decisions = decide(policy, effects, units=np.arange(9))
    for row in range(9):
        record = decision_of(policy, decisions, row)
        assert replay(record, policy, effects.take([row])) == record


def test_a_record_of_the_first_version_is_read_and_replays():
    effects = Effects(np.ones((1, 1, 1)), np.zeros((1, 1)), ("a",), ("y",))
    policy = Policy(("a",), "none", ("y",), (1.0,))
    plain = {
        "candidate": "a",
        "probability": 1.0,
        "score": 1.0,
        "weights": [1.0],
        "prices": [],
        "snapshot": "",
    }
    record = Decision.from_json(plain)
    assert (record.price_set, record.unit, record.cost) == ("", None, ())
    assert replay(record, policy, effects) == record


def test_more_than_one_unit_is_refused():
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("y",))
    policy = Policy(("a",), "none", ("y",), (1.0,))
    record = decision_of(policy, decide(policy, effects), 0)
    with pytest.raises(
        InputError, match="effects must be of the one unit of the record; got 2 units"
    ):
        replay(record, policy, effects)
