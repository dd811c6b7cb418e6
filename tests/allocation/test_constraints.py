from __future__ import annotations

import json

import numpy as np
import pytest

from equipoise.allocation import (
    budget,
    cap,
    constraint_from_json,
    floor,
    group_budget,
    offers,
    parity,
)
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
    with pytest.raises(InputError, match="have column 'land'; got city"):
        parity("land", 0.1).rows(GROUPS)
    with pytest.raises(InputError, match="have no missing label; got None at row 1"):
        parity("city", 0.1).rows({"city": np.array(["n", None, "s"], object)})


def test_a_row_applies_where_a_unit_is_in_a_group_that_it_names():
    """A row about all units always does, and parity, which is about all groups."""
    assert group_budget("city", "n", 5.0).applies(GROUPS)
    assert not group_budget("city", "west", 5.0).applies(GROUPS)
    assert budget(5.0).applies({})
    assert parity("city", 0.1).applies(GROUPS)
