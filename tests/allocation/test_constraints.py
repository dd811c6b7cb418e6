from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise.allocation import (
    budget,
    cap,
    ceiling,
    constraint_from_json,
    floor,
    group_budget,
    offers,
    parity,
)
from equipoise.allocation.solve import expand
from equipoise.core.errors import InputError

GROUPS = {"city": np.array(["n", "n", "n", "s"])}


def test_a_floor_is_kept_as_minus_usage_at_most_minus_floor():
    row = floor("plays", 3.0).demand
    assert (row.sign, row.bound, row.metric, row.quantity) == (-1.0, -3.0, "plays", "effect")


def test_parity_by_hand():
    rows = parity("city", 0.1).rows(GROUPS)
    assert [row.name for row in rows] == [
        f"parity of city: {g} not {side}" for g in "ns" for side in ("above", "below")
    ]
    assert rows[0].factors == (("n", 4 / 3 - 1),)
    assert rows[2].factors == (("s", 3.0),)
    assert {(row.other, row.bound, row.per_head) for row in rows} == {(-1.0, 0.1, True)}


def test_every_constraint_by_its_fields():
    """In the words of `Demand`: what is counted, of whom, and how much."""
    for row, fields in (
        (
            budget(total=5),
            {"name": "budget", "quantity": "cost", "bound": 5.0, "unit": "", "kind": "budget"},
        ),
        (offers(total=0), {"name": "offers", "quantity": "offers", "bound": 0.0, "unit": "units"}),
        (offers(0.5, per_head=True), {"per_head": True, "unit": "share", "kind": "offers"}),
        (
            cap(candidate="a", total=3),
            {"name": "cap on a", "quantity": "offers", "candidate": "a", "unit": "units"},
        ),
        (
            cap("a", 0.5, per_head=True, name="few"),
            {"name": "few", "per_head": True, "kind": "cap"},
        ),
        (
            floor(metric="m", at_least=2),
            {"name": "floor of m", "sign": -1.0, "bound": -2.0, "unit": "", "kind": "floor"},
        ),
        (
            floor("m", 2, per_head=True, unit="h", name="f"),
            {"name": "f", "unit": "h", "per_head": True},
        ),
        (
            ceiling(metric="m", at_most=2),
            {"name": "ceiling of m", "sign": 1.0, "bound": 2.0, "metric": "m", "kind": "ceiling"},
        ),
        (ceiling("m", 2, name="c", unit="h"), {"name": "c", "unit": "h", "quantity": "effect"}),
        (
            group_budget(column="city", group="n", total=2),
            {
                "name": "budget of city = n",
                "column": "city",
                "factors": (("n", 1.0),),
                "other": 0.0,
            },
        ),
        (group_budget("city", "n", 2, name="g"), {"name": "g", "kind": "group-budget"}),
    ):
        assert {name: getattr(row.demand, name) for name in fields} == fields
        assert row.demand.per_head is fields.get("per_head", False)
        assert (row.kind, row.rows(GROUPS)) == (row.demand.kind, (row.demand,))


def test_parity_of_one_candidate_says_so():
    rows = parity(column="city", within=0.0, candidate="a").rows(GROUPS)
    assert rows[3].name == "parity of city: s not below (a)"
    assert {(row.candidate, row.kind, row.unit) for row in rows} == {("a", "parity", "share")}
    assert [row.sign for row in rows] == [1.0, -1.0, 1.0, -1.0]
    assert parity("city", 1.0).within == 1.0


def test_a_row_of_version_0_1_0_is_read():
    """It wrote the demand's own fields beside the kind."""
    row = cap("a", 3)
    plain = {name: value for name, value in row.demand.to_json().items() if name != "kind"}
    assert constraint_from_json({"kind": "row"} | plain) == row


@pytest.mark.parametrize(
    "made",
    [
        budget(0.1 + 0.2, per_head=True, unit="USD"),
        offers(7),
        cap("a", 0.3, per_head=True),
        floor("plays", -0.5),
        group_budget("city", "n", 5.0),
        parity("city", 0.05, candidate="a"),
    ],
)
def test_json_round_trip(made):
    assert constraint_from_json(json.loads(json.dumps(made.to_json()))) == made


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="kind of a constraint must be row or parity"):
        constraint_from_json({"kind": "sum"})


@pytest.mark.parametrize(
    "make",
    [budget, offers, lambda total: cap("a", total), lambda total: group_budget("city", "n", total)],
)
@pytest.mark.parametrize("total", [-1.0, float("nan"), float("inf")])
def test_a_negative_or_missing_total_is_refused(make, total):
    with pytest.raises(InputError, match=r"must be a finite number >= 0; got (-1|nan|inf)"):
        make(total)


def test_a_floor_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="floor of plays must be a finite number; got nan"):
        floor("plays", float("nan"))


def test_parity_within_more_than_all_is_refused():
    with pytest.raises(InputError, match="must be a share in 0..1; got 1.5"):
        parity("city", 1.5)


def test_unknown_groups_are_refused():
    with pytest.raises(InputError, match="be a label of column 'city'; got 'x'"):
        group_budget("city", "x", 1.0).rows(GROUPS)
    with pytest.raises(InputError) as error:
        group_budget("city", 3, 1.0).rows(GROUPS)
    assert str(error.value) == (
        "the group of demand 'budget of city = 3' must be a label of column 'city'; got 3; known:"
        " ['n', 's']"
    )
    with pytest.raises(InputError, match="have column 'land'; got city"):
        parity("land", 0.1).rows(GROUPS)
    with pytest.raises(InputError, match="'parity of land' must have column 'land'; got none were"):
        parity("land", 0.1).rows({})
    with pytest.raises(InputError, match="ceiling of m must be a finite number; got -inf"):
        ceiling("m", -np.inf)
    for within in (-0.1, float("nan")):
        with pytest.raises(InputError, match="parity of city must be a share in 0..1; got"):
            parity("city", within)
    with pytest.raises(InputError, match="have no missing label; got None at row 1"):
        parity("city", 0.1).rows({"city": np.array(["n", None, "s"], object)})


def test_a_row_applies_where_a_unit_is_in_a_group_that_it_names():
    """A row about all units always does, and parity, which is about all groups."""
    assert group_budget("city", "n", 5.0).applies(GROUPS)
    assert not group_budget("city", "west", 5.0).applies(GROUPS)
    assert budget(5.0).applies({})
    assert parity("city", 0.1).applies(GROUPS)


TEXTS = st.text("a=: ()'\"not above", max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=6, unique=True))
@example([("a", "b = c"), ("a = b", "c")])
def test_group_budgets_of_any_names_have_names_that_differ(groups):
    labels = {
        column: np.array([label for c, label in groups if c == column]) for column, _ in groups
    }
    demands = expand([group_budget(column, label, 1.0) for column, label in groups], labels)
    assert len({demand.name for demand in demands}) == len(groups)


def test_plain_names_stand_in_the_names_of_demands_as_they_are():
    assert group_budget("city", "Rome", 1.0).demand.name == "budget of city = Rome"
    rows = parity("city", 0.1).rows({"city": np.array(["a: b", "c"])})
    assert [row.name for row in rows][::2] == [
        "parity of city: 'a: b' not above",
        "parity of city: c not above",
    ]
