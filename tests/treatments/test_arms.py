import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.treatments import Arms, space_from_json


def test_control_is_put_first():
    arms = Arms(["a", "b", "none"], control="none")
    assert arms.labels == ("none", "a", "b")
    assert arms.cells(["b", "none", "a"]).tolist() == [2, 0, 1]
    assert arms.candidates().tolist() == ["a", "b"]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_, np.float32, object])
def test_binary_labels_of_any_dtype(dtype):
    assert Arms().cells(np.array([0, 1, 1], dtype=dtype)).tolist() == [0, 1, 1]


def test_a_foreign_label_is_named_with_its_row():
    with pytest.raises(SpaceError, match=r"one of \['none', 'mail'\]; got .*'call'.* at row 2"):
        Arms(["none", "mail"]).check(["none", "mail", "call"])
    with pytest.raises(SpaceError, match="row 1"):
        Arms([0, 1]).check([0.0, 0.5])
    with pytest.raises(SpaceError, match="row 0"):
        Arms([0, 1]).check([np.nan, 1.0])


@pytest.mark.parametrize("labels", [["a"], ["a", "a"], ["a", 1], [0.5, 1.5]])
def test_labels_that_are_no_arms(labels):
    with pytest.raises(SpaceError, match="arms must"):
        Arms(labels)


def test_control_must_be_an_arm():
    with pytest.raises(SpaceError, match="control"):
        Arms(["a", "b"], control="c")


def test_arms_have_no_amount():
    with pytest.raises(UnsupportedSpace, match="interval of amounts"):
        Arms().dose([0, 1])


NUMBERS = st.integers(-(2**63), 2**63 - 1)
TYPES = [
    *(np.dtype(f"{sign}int{8 * size}") for sign in ("", "u") for size in (1, 2, 4, 8)),
    *map(np.dtype, (np.float16, np.float32, np.float64, np.longdouble, np.bool_, object)),
]


@given(
    st.lists(st.one_of(st.integers(-3, 300), NUMBERS), min_size=2, max_size=6, unique=True),
    st.sampled_from(TYPES),
    st.lists(st.one_of(st.integers(-3, 300), NUMBERS, st.integers(0, 2**64 - 1)), max_size=6),
)
def test_a_label_of_any_numeric_type_is_exactly_an_arm_or_an_error_with_its_row(labels, kind, rows):
    if kind.kind in "iu":
        rows = [row for row in rows if np.iinfo(kind).min <= row <= np.iinfo(kind).max]
    with np.errstate(all="ignore"):
        t = np.array(rows, object).astype(kind)
    exact = [int(value) if np.isfinite(float(value)) else None for value in t]
    places = [labels.index(value) if value in labels else -1 for value in exact]
    if -1 in places:
        with pytest.raises(SpaceError, match=f"row {places.index(-1)};"):
            Arms(labels).cells(t)
    else:
        assert Arms(labels).cells(t).tolist() == places
        assert Arms(labels).check(t).tolist() == [labels[i] for i in places]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    st.data(),
)
def test_any_text_is_a_label(labels, data):
    arms = Arms(labels)
    places = data.draw(st.lists(st.integers(0, len(labels) - 1)))
    rows = [labels[i] for i in places]
    assert arms.cells(np.array(rows, object)).tolist() == places
    assert arms.check(rows).tolist() == rows if rows else True
    assert arms.names(arms.candidates()) == tuple(labels[1:])
    assert space_from_json(json.loads(json.dumps(arms.to_json()))) == arms


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        ([0, -1], np.array([0, 2**64 - 1], np.uint64)),
        ([0, -(2**63)], np.array([0.0, 1e300])),
        ([0, 2**53 + 1], np.array([0.0, 2.0**53])),
        ([0, 1], np.array([0.0, 1.0000001])),
        ([0, 1], np.array([0, Decimal("1.5")], object)),
        ([0, 1], np.array([0, None], object)),
        ([0, 1], np.array([0, [1]], object)),
        ([0, 1], np.array([0, Decimal("sNaN")], object)),
        ([0, 1], np.array([0, "1"], object)),
        ([0, 1], np.ma.masked_array([0, 1], [False, True])),
        (["a", "b"], np.array([b"a", b"b"])[[0, 1]]),
        (["0", "1"], np.array([0, 1])),
        (["a", "ab"], np.array(["a", "abc"])),
    ],
    ids=str,
)
def test_what_is_not_exactly_an_arm_is_refused_with_its_row(labels, rows):
    with pytest.raises(SpaceError, match="treatment must be one of .* at row [01];"):
        Arms(labels).cells(rows)


def test_numbers_of_every_type_that_say_a_label_exactly():
    mixed = [Decimal("1.0"), np.float32(0), True, 1.0, np.uint64(0), Fraction(1)]
    assert Arms([0, 1]).cells(np.array(mixed, object)).tolist() == [1, 0, 1, 1, 0, 1]
    assert Arms([-1, 1]).cells(np.array([1, 1], np.uint8)).tolist() == [1, 1]
    assert Arms([0, 2**64 - 1]).cells(np.array([2**64 - 1], np.uint64)).tolist() == [1]
    assert Arms([-1, -2]).labels == (-1, -2)
    with pytest.raises(SpaceError, match="got np.uint8.* at row 0"):
        Arms([-1, -2]).cells(np.array([255], np.uint8))


def test_floats_that_are_whole_are_labels_and_the_type_of_another_is_named():
    assert Arms([0.0, 1.0]).labels == Arms(np.array([0, 1]), control=0.0).labels == (0, 1)
    with pytest.raises(SpaceError, match="the log's labels are text"):
        Arms([0, 1]).cells(["0", "1"])
    with pytest.raises(SpaceError, match="the log's labels are numbers"):
        Arms(["0", "1"]).cells([0, 1])


@pytest.mark.parametrize("labels", [["a\0", "a"], ["\ud800", "a"], [-1, 2**63], [0, 2**64]])
def test_labels_that_arrays_and_files_do_not_hold_are_refused(labels):
    with pytest.raises(SpaceError, match="arms must"):
        Arms(labels)


@pytest.mark.parametrize("labels", ["ab", b"ab", {"a", "b"}, {"a": 1, "b": 2}, None, 3])
def test_arms_are_listed_in_order(labels):
    with pytest.raises(SpaceError, match="arms must be a list"):
        Arms(labels)
