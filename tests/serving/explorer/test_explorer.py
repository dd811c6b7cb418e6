"""The explorer of a service: answers by snapshot, on all units or a sample, and points as plans."""

from __future__ import annotations

import tomllib

import msgspec
import pytest
from fixtures.explorer_units import bound_units, explorer_units

from equipoise.artifacts import plan_settings
from equipoise.artifacts.explorer import write_explorer
from equipoise.artifacts.plan_settings import with_settings
from equipoise.core.errors import DataError, InputError
from equipoise.pipeline import make_plan
from equipoise.serving.explorer import states
from equipoise.serving.explorer.states import (
    ExploreAnswer,
    ExploreRequest,
    ExplorerState,
    ExplorerStates,
    explore,
    plan_of,
)
from equipoise.serving.explorer.units import drop_units, keep_units, units_file

PLAN = """\
# Mails to whom?
[log]
path = "log.csv"  # of May
treatment = "segment"
outcomes = { visit = "binary", conversion = "binary", spend = "amount" }

[policy]
weights = { visit = 1.0 }   # what it is for
cost = { "Mens E-Mail" = 0.1, "Womens E-Mail" = 0.08 }
budget.per_head = 0.05
caps = [
  { candidate = "Mens E-Mail", share = 0.5 },
]

[[policy.floors]]   # a guardrail
metric = "visit"
per_head = 0.01

[[policy.parity]]
column = "town"
within = 0.2

[run]
folds = 3
"""


@pytest.fixture(scope="module")
def state():
    units = explorer_units(3000)
    return ExplorerState("ab" * 32, units, units.explorer(), PLAN)


def test_an_answer_travels(state):
    asked = b'{"bounds": {"budget": 0.03, "floor of visit": 0.02}, "exact": true}'
    answer = explore(state, msgspec.json.decode(asked, type=ExploreRequest))
    again = msgspec.json.decode(msgspec.json.encode(answer), type=ExploreAnswer)
    assert again == answer
    assert [use.name for use in answer.demands] == ["budget", "floor of visit"]
    assert sum(answer.counts) == answer.units == answer.of == 3000
    assert answer.demands[0].used == pytest.approx(0.03, abs=1e-3)
    assert answer.values["visit"][1] > 0 == len(answer.infeasible)


def test_what_cannot_be_is_an_answer_and_a_wrong_name_is_not(state):
    answer = explore(state, ExploreRequest(bounds={"floor of visit": 3.0}))
    assert "floor of visit" in answer.infeasible
    assert answer.units == 0
    with pytest.raises(InputError, match="name demands among"):
        explore(state, ExploreRequest(bounds={"floor": 3.0}))


def test_of_very_many_units_a_moving_slider_is_answered_by_a_sample(state, monkeypatch):
    monkeypatch.setattr(states, "AT_ONCE", 100)
    units = explorer_units(7000)
    big = ExplorerState("cd", units, units.explorer())
    moving, still = (explore(big, ExploreRequest(exact=exact)) for exact in (False, True))
    assert (moving.units, still.units, moving.of) == (5000, 7000, 7000)
    mean, error = moving.values["visit"]
    assert abs(mean - still.values["visit"][0]) < 2 * error


def test_states_are_read_by_snapshot_and_the_last_are_kept(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    write_explorer(run / "explorer.parquet", bound_units(600))
    assert not keep_units(tmp_path / "state", "none", tmp_path / "other")
    ids = [letter * 64 for letter in "abcd"]
    for snapshot in ids[:3]:
        assert keep_units(tmp_path / "state", snapshot, run / "policy")
    kept = ExplorerStates(tmp_path / "state")
    first = kept.get(ids[0])
    assert first is kept.get(ids[0]) is not None
    assert kept.get(ids[1]) is not None
    assert kept.get(ids[2]) is not None
    assert kept.get(ids[0]) is not first
    assert kept.get(ids[3]) is None
    drop_units(tmp_path / "state", ids[2])
    assert not units_file(tmp_path / "state", ids[2]).exists()


def test_a_point_is_a_plan(state):
    request = ExploreRequest(
        weights={"visit": 0.5, "conversion": 1.0, "spend": -0.02},
        bounds={"budget": 0.035, "cap on Womens E-Mail": 0.25, "ceiling of spend": 0.1},
    )
    text = plan_of(state, request)
    plain = tomllib.loads(text)
    assert plain["policy"] == {
        "weights": {"visit": 0.5, "conversion": 1.0, "spend": 0.02},
        "budget": {"per_head": 0.035},
        "caps": [{"candidate": "Womens E-Mail", "share": 0.25}],
        "floors": [{"metric": "spend", "per_head": 0.1}],
        "cost": {"Mens E-Mail": 0.1, "Womens E-Mail": 0.08},
        "parity": [{"column": "town", "within": 0.2}],
    }
    assert "# of May" in text
    assert "# Mails to whom?" in text
    assert make_plan(plain).policy.caps[0].share == 0.25


def test_where_money_is_weighed_the_worth_is_net_of_cost():
    units = explorer_units(
        2000, constraints=(), about=explorer_units(9).about | {"money": ["visit"]}
    )
    state = ExplorerState("ab", units, units.explorer(), PLAN)
    free = explore(state, ExploreRequest(weights={"spend": -0.01}))
    net = explore(state, ExploreRequest(weights={"spend": -0.01, "visit": 1e-9}))
    assert net.values["cost"][0] < 0.8 * free.values["cost"][0]  # what costs more than it brings
    own = units.explorer().point({"spend": -0.01}, units.start(), cost_weight=1.0)
    assert net.counts == own.counts.tolist()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"bounds": {"nope": 1.0}}, "bounds must name demands among"),
        ({"weights": {"zz": 1.0}}, "weights must name metrics among"),
        ({"bounds": {"budget": -0.2}}, "a plan must have demands that hold together"),
    ],
)
def test_what_the_explorer_refuses_is_no_plan(state, asked, words):
    with pytest.raises(InputError, match=words):
        plan_of(state, ExploreRequest(**asked))


def test_demands_of_groups_stay_in_the_plan():
    units = bound_units(600)
    state = ExplorerState("ab", units, units.explorer(), PLAN)
    plain = tomllib.loads(plan_of(state, ExploreRequest(bounds={"budget": None})))["policy"]
    group = {"column": "town", "group": "Oslo", "per_head": 0.04}
    assert plain["group_budgets"] == [group]
    assert "budget" not in plain
    assert plain["parity"] == [{"column": "town", "within": 0.2}]


@pytest.mark.parametrize(
    "text",
    ["", "[log]\npath = 'a'", PLAN, "policy.budget.total = 5\npolicy.cost = 1.0\n", "x = 1\n\n"],
)
def test_all_but_the_settings_stays(text):
    settings = {"weights": {"a b": 1.0, '"': 2.0}, "caps": [{"candidate": "x", "share": 0.5}]}
    before, after = tomllib.loads(text), tomllib.loads(with_settings(text, settings))
    moved = plan_settings.MOVED
    own = {k: v for k, v in before.pop("policy", {}).items() if k not in moved}
    assert after.pop("policy") == own | settings
    assert after == before


def test_a_plan_in_another_form_is_refused():
    with pytest.raises(DataError, match="whose settings can be replaced"):
        with_settings("policy = { cost = 1.0, budget = { total = 5 } }", {"weights": {}})
    with pytest.raises(DataError, match="be TOML"):
        with_settings("[policy", {})
