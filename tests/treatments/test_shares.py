from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.errors import SpaceError
from equipoise.treatments import Shares


def test_candidates_move_towards_each_part_by_hand():
    mix = Shares(["a", "b", "c"], control=[0.5, 0.3, 0.2], move=0.2)
    want = [
        [0.7, 0.18, 0.12],
        [0.5 - 0.2 * 5 / 7, 0.5, 0.2 - 0.2 * 2 / 7],
        [0.5 - 0.2 * 5 / 8, 0.3 - 0.2 * 3 / 8, 0.4],
    ]
    np.testing.assert_allclose(mix.candidates(), want)


def test_bounds_and_the_movement_limit_hold_for_every_candidate():
    for ways in ("toward", "sample"):
        mix = Shares(4, candidates=ways, low=0.05, high=0.6, move=0.15, count=30, seed=1)
        low, high = mix.bounds()
        made = mix.candidates()
        assert ((made >= low - 1e-12) & (made <= high + 1e-12)).all()
        np.testing.assert_allclose(made.sum(axis=1), 1)
    assert len(mix.candidates()) == 30


def test_the_nearest_known_mix_is_a_cell():
    mix = Shares(2, candidates=[[0.8, 0.2], [0.2, 0.8]])
    assert mix.cells([[0.5, 0.5], [0.9, 0.1], [0.3, 0.7], [0.52, 0.48]]).tolist() == [0, 1, 2, 0]


def test_the_encoding_by_hand():
    """Moves from control but the last part's, their squares, and the product of a crossing pair."""
    mix = Shares(["a", "b", "c"], control=[0.5, 0.3, 0.2], degree=2, crosses=[("a", "c")])
    code = mix.encode([[0.6, 0.3, 0.1]])
    np.testing.assert_allclose(code, [[0.1, 0.0, 0.01, 0.0, 0.01, -0.01]], atol=1e-12)


@given(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.integers(1, 3),
)
def test_what_parts_alone_answer_for_adds_up_to_the_encoding(control, mix, degree):
    """The products of a pair apart, which no part answers for alone."""
    control, mix = np.array(control) / sum(control), np.array(mix) / sum(mix)
    space = Shares(3, control=control, degree=degree, crosses=[("part0", "part1")])
    added = sum(space.alone(part, mix[part : part + 1]) for part in range(3))
    code = space.encode(mix[None])
    assert (added[:, -1] == 0).all()
    np.testing.assert_allclose(added[:, :-1], code[:, :-1], atol=1e-12)


@pytest.mark.parametrize(
    ("t", "said"),
    [
        (
            [[0.5, 0.5], [0.5, 0.6]],
            r"treatment must sum to 1; got 1.1 at row 1; Shares\(..., normalise=True\)",
        ),
        ([[0.5, 0.5], [-0.1, 1.1]], "treatment must be shares >= 0; .* at row 1"),
        ([[0.5, np.nan]], "be shares >= 0"),
        ([[0.2, 0.3, 0.5]], "have 2 shares per row"),
        ([["much", "little"]], "treatment must be numbers; got .*much.*; one column a part"),
    ],
)
def test_rows_that_are_no_mix_are_named(t, said):
    with pytest.raises(SpaceError, match=said):
        Shares(2).check(t)


def test_normalise_is_the_way_out():
    assert Shares(2, normalise=True).check([[1.0, 3.0]]).tolist() == [[0.25, 0.75]]
    with pytest.raises(SpaceError, match="a row of nothing has no mix"):
        Shares(2, normalise=True).check([[0.0, 0.0]])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"parts": ["a"]}, "one part is always the whole"),
        ({"parts": 2, "low": 0.6}, "bounds of shares"),
        ({"parts": 2, "move": 0.0}, "move must be a share"),
        ({"parts": 2, "control": [0.9, 0.2]}, "control must sum to 1"),
        ({"parts": 2, "candidates": "near"}, "candidates must be one of toward, sample"),
        ({"parts": 2, "degree": 0}, "degree must be a whole number >= 1; got 0"),
        ({"parts": 2, "degree": 1.5}, "degree must be a whole number >= 1; got 1.5"),
        ({"parts": ["a", "b"], "crosses": [("a", "z")]}, "a cross must be two different parts"),
        ({"parts": ["a", "b"], "crosses": [("a", "a")]}, "got .*'a', 'a'.*; parts: a, b"),
        (
            {"parts": ["a", "b"], "crosses": [("a", "b"), ("b", "a")]},
            "crosses must be different pairs",
        ),
    ],
)
def test_settings_that_make_no_space(keys, said):
    with pytest.raises(SpaceError, match=said):
        Shares(**keys)


def test_names_have_the_digits_that_tell_candidates_apart():
    near = [[0.33333, 0.66667], [0.333331, 0.666669]]
    shares = Shares(["a", "b"], candidates=near)
    assert shares.names(near) == ("a 33.333% b 66.667%", "a 33.3331% b 66.6669%")
    assert len(set(shares.former_names(near))) == 1
    assert Shares(3).names([[1 / 3, 1 / 3, 1 / 3]]) == Shares(3).former_names([[1 / 3] * 3])


def test_text_is_no_list_of_parts():
    with pytest.raises(SpaceError, match="parts must be a list; got 'abc'"):
        Shares("abc")


@pytest.mark.parametrize("what", ["parts", "count"])
def test_numbers_that_no_memory_holds_are_refused(what):
    with pytest.raises(SpaceError, match=f"{what} must be at most 4,095; got 4294967296"):
        Shares(**{"parts": 3, what: 2**32})
