import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.errors import SpaceError
from equipoise.core.space import current_names
from equipoise.treatments import Dose, space_from_json


def test_equal_steps_above_control():
    assert Dose(0, 1, levels=4).levels.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert Dose(0, 3, levels=[3, 0, 1]).candidates().tolist() == [1.0, 3.0]


def test_a_row_belongs_to_its_nearest_candidate_and_only_control_to_control():
    dose = Dose(0, 3, levels=[1, 2, 3])
    assert dose.cells([0.0, 0.01, 1.49, 1.51, 3.0]).tolist() == [0, 1, 1, 2, 3]
    assert dose.cells(dose.candidates()).tolist() == [1, 2, 3]


def test_encode_is_a_polynomial_around_control():
    assert Dose(0, 4, degree=2, control=1).encode([1, 3]).tolist() == [[0, 0], [2, 4]]


def test_waves_of_fixed_frequency_follow_the_powers():
    encoded = Dose(0, 4, waves=[1, 0.5]).encode([0, 1, 4])
    np.testing.assert_allclose(encoded[0], 0, atol=0)
    # a quarter and an eighth turn
    np.testing.assert_allclose(encoded[1], [1, 1, np.sqrt(0.5), -1, np.sqrt(0.5) - 1], atol=1e-15)
    np.testing.assert_allclose(encoded[2], [4, 0, 0, 0, -2], atol=1e-15)
    assert Dose(0, 4, degree=0, waves=[1], control=2).encode([2, 3]).shape == (2, 2)
    assert not Dose(0, 4, degree=0, waves=[1], control=2).encode([2]).any()


@pytest.mark.parametrize(
    ("values", "row"), [([0.5, 2.0], 1), ([-0.1], 0), ([0.2, np.nan], 1), ([np.inf], 0)]
)
def test_an_amount_outside_is_named_with_its_row(values, row):
    with pytest.raises(SpaceError, match=f"row {row}"):
        Dose(0, 1).check(values)


@pytest.mark.parametrize(
    "wrong",
    [
        dict(low=1, high=0),
        dict(control=2),
        dict(degree=0),
        dict(degree=-1, waves=[1]),
        dict(waves=[0]),
        dict(waves=[1, 1.0]),
        dict(waves=[np.nan]),
        dict(levels=[0]),
        dict(levels=[5]),
        dict(levels=[]),
        dict(high=np.inf),
    ],
)
def test_settings_that_are_no_dose(wrong):
    with pytest.raises(SpaceError):
        Dose(**wrong)


def test_labels_are_no_amounts():
    with pytest.raises(SpaceError, match="use Arms"):
        Dose(0, 1).check(["much"])


def test_levels_of_a_large_currency_are_named_in_full():
    dose = Dose(0, 2_000_000, levels=[1234567, 1234568, 2_000_000], unit="VND")
    assert dose.names(dose.candidates()) == ("1234567 VND", "1234568 VND", "2000000 VND")
    assert "1234567, 1234568, 2000000" in dose.describe()
    assert "2000000]" in str(pytest.raises(SpaceError, dose.check, [2_000_001]).value)


LEVELS = st.lists(
    st.one_of(
        st.integers(1, 10**12),
        st.floats(1e-6, 1e12),
        st.decimals(1, 10_000_000, places=2).map(float),
    ),
    min_size=1,
    max_size=6,
)


@given(LEVELS, st.sampled_from(["", "VND", "1 %", "| baseline"]))
def test_names_tell_every_level_apart_and_give_it_back(levels, unit):
    dose = Dose(0, 1e12, levels=levels, unit=unit)
    names = dose.names(dose.candidates())
    assert len(set(names)) == len(names) == len(dose.levels)
    given_back = [float(name.split(" ")[0]) for name in names]
    assert given_back == dose.levels.tolist()
    assert dose.cells(given_back).tolist() == list(range(1, len(names) + 1))
    np.testing.assert_allclose(dose.levels, np.unique(dose.levels), rtol=0)
    for level in levels:
        assert np.isclose(dose.levels, level, rtol=1e-15, atol=0).any()


@given(LEVELS)
def test_a_space_that_is_written_is_read_as_the_same(levels):
    dose = Dose(0, 1e12, levels=levels)
    assert space_from_json(json.loads(json.dumps(dose.to_json()))) == dose


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True),
    st.sampled_from([np.float16, np.float32, np.float64, np.longdouble, np.int64, object]),
)
def test_amounts_of_any_type_are_the_levels_they_were_logged_as(tenths, kind):
    levels = [a / 10 for a in sorted(tenths)]
    if kind is np.int64:
        levels = [float(a) for a in sorted(tenths)]
    dose = Dose(0, levels[-1], levels=levels)
    rows = np.array([0.0, *levels]).astype(kind)
    assert dose.cells(rows).tolist() == list(range(len(levels) + 1))
    assert dose.check(rows).tolist() == [0.0, *levels]
    assert dose.names(rows)[1:] == dose.names(dose.candidates())
    assert dose.check(dose.check(rows)).tolist() == dose.check(rows).tolist()


def test_sums_of_amounts_are_the_amounts():
    dose = Dose(0, 1, levels=np.cumsum([0.1] * 10))
    assert dose.levels.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert dose.cells([0.1 + 0.2, 0.1 + 0.2 - 0.3, sum([0.1] * 10)]).tolist() == [3, 0, 10]
    assert dose.cells(np.float32([0.1]) + np.float32([0.2])).tolist() == [3]
    assert Dose(0, 0.3, levels=[0.1 + 0.2], control=0.0).levels.tolist() == [0.3]
    assert Dose(0, 0.1 + 0.2, levels=[0.3, 0.1 + 0.2]).levels.tolist() == [0.3]
    assert Dose(0, 1).names(Dose(0, 1).candidates())[2] == "0.3"


def test_bounds_and_levels_of_32_bits_are_their_decimals():
    narrow = Dose(np.float32(0), np.float32(0.3), levels=np.float32([0.1, 0.2, 0.3]))
    assert narrow == Dose(0, 0.3, levels=[0.1, 0.2, 0.3])
    assert narrow.names(np.float32([0.15, 0.3])) == ("0.15", "0.3")


@pytest.mark.parametrize("over", [0.3 * (1 + 1e-14), 0.30001, np.float32(0.3001), -1e-9])
def test_more_than_rounding_outside_stays_an_error(over):
    with pytest.raises(SpaceError, match=r"lie in \[0, 0.3\].* at row 1"):
        Dose(0, 0.3, levels=[0.1, 0.2, 0.3]).check(np.array([0.1, over], np.asarray(over).dtype))


@pytest.mark.parametrize(
    "rows",
    [
        np.array([0, 2**53 + 1], np.int64),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([0, 1], "datetime64[s]"),
        np.array([0, 1], "timedelta64[s]"),
        np.array([0, 1j]),
        np.array([0.5, None], object),
        np.array([0.5, 10**400], object),
        np.ma.masked_array([0.5, 0.5], [False, True]),
        ["0.5", "half"],
        [0.5, "half"],
    ],
    ids=str,
)
def test_what_is_no_amount_or_none_that_64_bits_hold_is_refused(rows):
    with pytest.raises(SpaceError, match="row [01]"):
        Dose(0, 2.0**70, levels=[1]).check(rows)


def test_decimals_are_amounts():
    assert Dose(0, 1, levels=[0.3]).cells([Decimal("0.30"), Decimal(0)]).tolist() == [1, 0]


def test_the_names_of_version_0_1_0_are_known():
    dose = Dose(0, 2e6, levels=[1 / 3, 1234567, 1234568], unit="VND")
    assert dose.former_names(dose.candidates()) == (
        "0.333333 VND",
        "1.23457e+06 VND",
        "1.23457e+06 VND",
    )
    names = current_names(dose)
    assert names["0.333333 VND"] == "0.3333333333333333 VND"
    assert "1.23457e+06 VND" not in names  # it was that of two
    assert names["1234567 VND"] == "1234567 VND"


def test_text_is_no_list_of_levels():
    with pytest.raises(SpaceError, match="levels must be a list; got '123'"):
        Dose(0, 3, levels="123")


def test_amounts_of_32_bits_that_came_as_64_since_are_the_same():
    amounts = np.array([0, 0.1, 0.3], np.float32).astype(np.float64)
    space = Dose(0, 0.3, levels=[0.1, 0.3])
    assert space.check(amounts).tolist() == [0.0, 0.1, 0.3]
    with pytest.raises(SpaceError, match="lie in .*; got 0.300001 at row 0"):
        space.check([0.300001])
