"""The space of schedules: what it takes, what it encodes, and what it refuses."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.treatments import Schedule, Strategy

MENU = {
    "flat": (1.2, 4, 3),
    "base": (0.2, 2, 4),
    "late": (1.2, 4, 3, -0.6, 0.4, 0, 0),
    "many": (1.2, 8, 1),
    "wavy": (0.9, 3, 2, 0.1, 0, 0.3, -0.2),
}


def products(u, degree):
    """Every product of at most ``degree`` of the columns, by a loop."""
    return np.array(
        [
            [
                np.prod([row[j] for j in some])
                for d in range(1, degree + 1)
                for some in combinations_with_replacement(range(len(row)), d)
            ]
            for row in u
        ]
    )


def test_names_and_numbers_are_one_treatment():
    space = Schedule(MENU)
    assert tuple(space.menu) == ("base", "flat", "late", "many", "wavy")
    assert space.control.tolist() == [0.2, 2, 4, 0, 0, 0, 0]
    for same in (
        ["late", "base"],
        np.array(["late", "base"], object),
        [Strategy(1.2, 4, 3.0, (-0.6, 0.4)), Strategy(0.2, 2, 4.0)],
        np.array([[1.2, 4, 3, -0.6, 0.4, 0, 0], [0.2, 2, 4, 0, 0, 0, 0]], np.float32),
    ):
        assert (
            space.check(same).tolist() == [MENU["late"][:7], [0.2, 2, 4, 0, 0, 0, 0]]
            or (space.check(same) == [MENU["late"], [0.2, 2, 4, 0, 0, 0, 0]]).all()
        )
        assert space.cells(same).tolist() == [2, 0]
        assert space.names(same) == ("late", "base")
    assert space.cells([[1.2, 8, 1]]).tolist() == [3]
    assert space.check(Strategy(0.2, 2, 4.0)).shape == (1, 7)
    assert Schedule({1: (0.2, 2, 4), 2: (1.2, 4, 3)}).cells([2, 1, 2]).tolist() == [1, 0, 1]
    assert Schedule({1: (0.2, 2, 4), 2: (1.2, 4, 3)}).cells([2.0, 1.0]).tolist() == [1, 0]


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("form", ["vector", "log-vector", "sine", "log-sine"])
def test_a_form_is_its_products_less_those_of_the_base(form, degree):
    space = Schedule(MENU, form, degree)
    menu = np.vstack([space.control, space.candidates()])

    def elements(t):
        u = np.array(t, float)
        if form.startswith("log"):
            u[:, :3] = np.log(u[:, :3])
        return u if form.endswith("sine") else u[:, :3]

    new = np.array([[0.7, 5, 2.5, 0.2, 0.2, -0.1, 0.3]])
    every = elements(np.vstack([menu, new]))
    u = (every - every[:-1].mean(axis=0)) / every[:-1].std(axis=0)
    phi = products(u, degree) - products(u[:1], degree)
    np.testing.assert_allclose(space.encode(menu), phi[:-1], atol=1e-12)
    np.testing.assert_allclose(space.encode(new), phi[-1:], atol=1e-12)
    own = Schedule(MENU, form, degree, own=True)
    np.testing.assert_allclose(own.encode(menu), np.hstack([phi[:-1], np.eye(5)[:, 1:]]), atol=1e-9)
    np.testing.assert_allclose(own.encode(new), np.hstack([phi[-1:], np.zeros((1, 4))]), atol=1e-9)


def test_ids_know_the_menu_only():
    space = Schedule(MENU, "ids")
    assert space.encode(["wavy", "base", "flat"]).tolist() == np.eye(5)[[4, 0, 1], 1:].tolist()
    with pytest.raises(
        UnsupportedSpace, match=r"'ids' knows no other; got 0\.7 .* at row 1; .*log-v"
    ):
        space.encode([[0.2, 2, 4], [0.7, 2, 4]])


def test_a_schedule_that_is_not_in_the_menu_has_no_cell():
    space = Schedule(MENU)
    t = [[0.2, 2, 4], [0.7, 5, 2.5]]
    assert space.names(t) == ("base", "0.7 yuan in 5 every 2.5 h")
    with pytest.raises(UnsupportedSpace, match=r"one of the 5 .*; got 0\.7 yuan in 5 .* at row 1"):
        space.cells(t)


def test_what_never_varies_has_no_column_and_cannot_be_asked():
    space = Schedule({"base": (0.2, 2, 4), "more": (1.2, 2, 3), "most": (2.2, 2, 2)}, degree=1)
    assert space.encode([[2, 2, 3.5]]).shape == (1, 2)
    with pytest.raises(UnsupportedSpace, match=r"count must be 2, as in all .*; got 3 at row 1"):
        space.encode([[2, 2, 3.5], [2, 3, 3.5]])
    flat = Schedule({"base": (0.2, 2, 4), "more": (1.2, 4, 3)}, "sine", 1)
    with pytest.raises(UnsupportedSpace, match=r"schedule's ic must be 0"):
        flat.encode([[0.2, 3, 4, 0, 0, 0, 0.1]])


@settings(max_examples=30)
@given(st.permutations(list(MENU)), st.sampled_from(["ids", "vector", "log-sine"]))
def test_the_order_of_a_menu_names_no_other_base(names, form):
    """The base is that of the smallest total, and a schedule's columns are its own."""
    one, other = Schedule(MENU, form), Schedule({name: MENU[name] for name in names}, form)
    assert next(iter(other.menu)) == "base"
    if form != "ids":
        np.testing.assert_allclose(one.encode(list(MENU)), other.encode(list(MENU)), atol=1e-12)


def test_a_base_by_name_and_some_of_the_menu():
    space = Schedule(MENU, "vector", base="many", window=(7, 23), unit="USD")
    assert space.cells(["many", "base"]).tolist() == [0, 2]
    some = space.among(np.array([4, 2]))
    assert tuple(some.menu) == ("many", "wavy", "base")
    assert (some.window, some.unit, some.form) == ((7, 23), "USD", "vector")


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"form": "cosine"}, "form must be one of ids, vector, log-vector, sine, log-sine"),
        ({"degree": 0}, "degree must be a whole number in 1..4"),
        ({"degree": True}, "degree must be a whole number in 1..4"),
        ({"form": "ids", "own": True}, "own must go with a form that schedules share"),
        ({"base": "none"}, "base must be \"smallest\" or a name of the menu; got 'none'"),
        ({"window": (8, 9)}, "by 9 o'clock; got 17 o'clock at schedule 'flat'"),
        ({"window": (9, 8)}, "hours with 0 <= start < end <= 24"),
        ({"window": 8}, "window must be two hours"),
        ({"form": ["ids"]}, "form must be one of"),
        ({"own": "yes"}, "own must be true or false; got 'yes'"),
        ({"unit": None}, "unit must be text"),
        ({"base": ["base"]}, "base must be text"),
        ({"menu": {"a": (1, 2, 3), "b": None}}, "at schedule 'b'"),
        ({"menu": [["a", 1, 2, 3], ["b", 2, 2]]}, "at schedule 'b'"),
        ({"menu": {"a": (1, 2, 3)}}, "hold a schedule beside the base"),
        ({"menu": {"a": (1, 2, 3), "b": (1, 3, 3)}}, "that of one schedule; got 'a' and 'b'"),
        ({"menu": {"a": (1, 2, 3), "b": (1, 2, 3)}}, "be different"),
    ],
)
def test_bad_settings(knobs, message):
    with pytest.raises(SpaceError, match=message):
        Schedule(**{"menu": MENU, **knobs})


@pytest.mark.parametrize(
    ("treatment", "message"),
    [
        (["base", "lamp"], r"a name of the menu \(base, .*; got 'lamp' at row 1"),
        (["base", None], "the same in all rows; got None at row 1"),
        ([[1, 2, 3], [1, 9, 3]], "by 24 o'clock; got 32 o'clock at row 1"),
        ([[1, 2, 3], [1, 2, np.nan]], "be finite; .* at row 1"),
        ([[1, 2], [1, 2]], r"shape \(2, 2\)"),
        ([1.5, 2.0], r"be names, or columns total, count, interval .* shape \(2,\) of float64"),
        (np.array([["base"] * 3], object), "be numbers or names; got 'base' at row 0"),
        (np.array([[1, 2, 3], ["1.2", 4, 3]], object), "be numbers or names; got '1.2' at row 1"),
        (np.array([[1, 2, 3], [None, 4, 3]], object), "be finite; .* at row 1"),
        ([[1, 2, 3], [1, 2]], "be rows of one length"),
    ],
)
def test_bad_rows(treatment, message):
    with pytest.raises(SpaceError, match=message):
        Schedule(MENU).check(treatment)
