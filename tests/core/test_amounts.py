import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.amounts import amount_text, decimal, inexact, merged, short_texts, snapped

AMOUNTS = st.floats(allow_nan=False, allow_infinity=False)


@given(AMOUNTS)
def test_the_text_of_an_amount_gives_it_back(amount):
    assert float(amount_text(amount)) == decimal(amount)
    assert decimal(decimal(amount)) == decimal(amount) == pytest.approx(amount, rel=1e-15, abs=0)


@given(st.decimals(-10_000_000, 10_000_000, places=3))
def test_an_amount_of_a_narrower_type_is_the_decimal_it_was_written_as(amount):
    single = np.float32(float(amount))
    assert np.float32(decimal(single)) == single
    assert decimal(np.float64(float(amount))) == float(amount)


@given(st.integers(-(2**53), 2**53))
def test_whole_amounts_are_written_in_full(amount):
    assert amount_text(float(amount)) == str(amount)


def test_sums_are_the_decimals_they_stand_for():
    assert [decimal(x) for x in (0.1 + 0.2, 1.1 * 3, np.float32(0.3), np.float16(0.1), 7)] == [
        0.3,
        3.3,
        0.3,
        0.1,
        7.0,
    ]
    assert decimal(1.0000001) == 1.0000001


def test_amounts_within_the_tolerance_are_the_point_and_others_stay():
    points = np.array([0.0, 0.1, 0.3])
    amounts = np.array([0.1 + 0.2 - 0.3, 0.1 + 0.2, 0.3001, 1e-9])
    assert snapped(amounts, points, 4e-15, 0.1).tolist() == [0.0, 0.3, 0.3001, 1e-9]
    assert snapped(np.array([np.nan, 5.0]), np.array([0.0]), 1e-9).tolist()[1] == 5.0


def test_points_that_are_one_amount_are_merged():
    assert merged(np.array([0.1 + 0.2, 0.3, 1.0])).tolist() == [0.3, 1.0]
    assert merged(np.array([])).tolist() == []
    assert merged(np.array([1234567.0, 1234568.0])).tolist() == [1234567.0, 1234568.0]


def test_whole_numbers_that_floats_do_not_tell_apart_are_known():
    wide = np.array([2**53, 2**53 + 1])
    assert inexact(wide).tolist() == [False, True]
    assert inexact(wide.astype(np.uint64)).tolist() == [False, True]
    assert inexact(-wide).tolist() == [False, True]
    assert inexact(np.array([1.0, 1e300])).tolist() == [False, False]


@given(st.lists(AMOUNTS, min_size=1, max_size=5, unique=True))
def test_short_texts_tell_different_numbers_apart(numbers):
    assert len(set(short_texts(np.array(numbers) + 0.0))) == len(set(numbers))
