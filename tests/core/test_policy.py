from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from equipoise import allocation
from equipoise.core.errors import InputError
from equipoise.core.policy import Decision, Demand, Policy

BUDGET = Demand("budget", "cost", 0.1 + 0.2, per_head=True, unit="USD")
CITY = Demand(
    "city",
    "offers",
    5,
    column="city",
    factors=(("north", 1.5), (3, -0.25), (True, 0.0)),
    other=-1.0,
)
FLOOR = Demand("floor", "effect", -1 / 3, -1.0, metric="plays", candidate="a")
POLICY = Policy(
    ("a", "b"),
    "none",
    ("sales", "plays"),
    (1.0, -1 / 7),
    (BUDGET, CITY, FLOOR),
    (np.pi, 0.0, 1e-300),
    lower=1.64,
    keep=0.1,
    segment="city",
    segment_weights=(("north", (2.0, 0.1)),),
)


def test_json_keeps_every_bit():
    back = Policy.from_json(json.loads(json.dumps(POLICY.to_json())))
    assert back == POLICY
    assert [x.hex() for x in back.prices] == [x.hex() for x in POLICY.prices]
    assert back.demands[1].factors == CITY.factors
    assert type(back.demands[1].factors[1][0]) is int


def test_the_old_argument_of_from_json_still_works():
    with pytest.warns(FutureWarning, match="made= is called plain= since version 0.2"):
        assert Policy.from_json(made=POLICY.to_json()) == POLICY  # type: ignore[call-arg]
    with pytest.warns(FutureWarning, match="made= is called plain="):
        assert Demand.from_json(made=CITY.to_json()) == CITY  # type: ignore[call-arg]


def test_random_shares_round_trip():
    policy = Policy(
        ("a", "b"), "none", ("sales",), (1.0,), mode="random", shares=(0.1, 1 / 3), seed=7
    )
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "best"}, "mode must be one of argmax, each, random"),
        ({"weights": (1.0,)}, "weights must be finite, one for each metric"),
        ({"weights": (1.0, float("nan"))}, "weights must be finite"),
        ({"prices": (1.0, -1.0, 0.0)}, "prices must be finite numbers >= 0"),
        ({"prices": (1.0,)}, "one a demand"),
        ({"low_prices": (1.0,), "low_share": 0.5}, "low prices must be finite numbers >= 0"),
        ({"low_prices": (1.0, -1.0, 0.0), "low_share": 0.5}, "low prices must be finite"),
        ({"low_prices": (1.0, 1.0, 0.0), "low_share": 1.5}, "for a share in [0, 1]"),
        ({"candidates": ("a", "none")}, "control not among them"),
        ({"keep": -1.0}, "keep must be a finite number >= 0"),
        ({"threshold": float("inf")}, "threshold must be a finite number"),
        ({"mode": "random", "shares": (0.6, 0.6)}, "shares must be numbers >= 0"),
        (
            {"metrics": ("sales", "visits")},
            "the metric of demand 'floor' must be one of sales, visits",
        ),
        ({"candidates": ("b", "c")}, "the candidate of demand 'floor' must be one of b, c"),
        ({"segment_weights": (("north", (2.0,)),)}, "weights must be finite, one for each metric"),
    ],
)
def test_a_wrong_policy_is_refused(change, says):
    with pytest.raises(InputError, match=re.escape(says)):
        replace(POLICY, **change)


def test_a_policy_of_another_format_is_refused():
    with pytest.raises(InputError, match="format must be 1; got 2"):
        Policy.from_json(POLICY.to_json() | {"format": 2})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bound": float("nan")}, "the bound of demand 'floor' must be a finite number"),
        ({"quantity": "money"}, "must count one of cost, offers, effect"),
        ({"metric": None}, "must count one of"),
        ({"sign": 2.0}, "sign of demand 'floor' must be 1 or -1"),
        ({"kind": "wish"}, "the kind of demand 'floor' must be one of .*; got 'wish'"),
        ({"other": float("inf")}, "factors of demand 'floor' must be finite"),
    ],
)
def test_a_wrong_demand_is_refused(change, says):
    with pytest.raises(InputError, match=says):
        replace(FLOOR, **change)


def test_the_nouns_are_light():
    code = (
        "import sys, equipoise.core.policy, equipoise.allocation; print([m for m in ('numba',"
        " 'scipy') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"


GROUPS = {"city": np.array(["north", "north", "south"])}
ASKED: dict[str, list[Any]] = {
    "budget": [allocation.budget(10)],
    "offers": [allocation.offers(2)],
    "cap": [allocation.cap("a", 1)],
    "floor": [allocation.floor("plays", 0.1)],
    "ceiling": [allocation.ceiling("plays", 0.1)],
    "group-budget": [allocation.group_budget("city", "north", 5)],
    "parity": [allocation.parity("city", 0.1)],
}


@pytest.mark.parametrize("kind", ASKED)
def test_rows_of_version_0_1_0_are_of_the_kind_that_was_asked(kind):
    """They have no kind; it follows from their other fields."""
    for demand in (row for one in ASKED[kind] for row in one.rows(GROUPS)):
        earlier = {name: value for name, value in demand.to_json().items() if name != "kind"}
        assert Demand.from_json(earlier) == demand
        assert demand.kind == kind


def test_a_decision_survives_json():
    decision = Decision(
        "a", 0.25, -1 / 3, (1.0, -1 / 7), (np.pi,), "id", "low", unit="u1", cost=(0.1, 0.0)
    )
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision


def test_a_decision_of_version_0_1_0_has_no_costs():
    earlier = {"candidate": "a", "probability": 1.0, "score": 2.0, "weights": [1.0], "prices": []}
    assert Decision.from_json(earlier) == Decision("a", 1.0, 2.0, (1.0,), ())
