"""Types of columns: what agrees, what is refused, and what a file of text is read as."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core import columns
from equipoise.core.column_types import KINDS, ColumnType, column_type
from equipoise.core.errors import InputError

OF_KIND = {
    "number": [pa.array([1, 2]), pa.array([1.5, None]), pa.array([1.5], pa.float32())],
    "text": [pa.array(["00007", None]), pa.array(["a"]).dictionary_encode()],
    "true/false": [pa.array([True, None])],
    "date": [pa.array([dt.date(2024, 1, 2)]), pa.array([0], pa.int64()).cast(pa.date64())],
    "time": [pa.array([1], pa.int64()).cast(pa.timestamp(unit)) for unit in ("s", "us", "ns")],
    "instant": [pa.array([1]).cast(pa.timestamp("ms", tz=z)) for z in ("UTC", "Europe/Oslo")],
    "hour": [pa.array([1], pa.int64()).cast(pa.time64("us"))],
    "duration": [pa.array([1], pa.int64()).cast(pa.duration("s"))],
}


def test_every_kind_has_a_case():
    assert set(OF_KIND) == set(KINDS)


@pytest.mark.parametrize("logged", KINDS)
@pytest.mark.parametrize("later", KINDS)
def test_a_kind_takes_its_own_and_no_other(logged, later):
    for own in OF_KIND[logged]:
        expected = column_type(pa.chunked_array([own]))
        assert expected.kind == logged
        for other in OF_KIND[later]:
            column = pa.chunked_array([other])
            if logged == later:
                assert expected.cast(column, "feature 'x'") is column
            else:
                with pytest.raises(InputError, match="feature 'x' must be .* as in the log"):
                    expected.cast(column, "feature 'x'")


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_without_a_value_is_missing_values_of_the_type(kind):
    for own in OF_KIND[kind]:
        expected = column_type(pa.chunked_array([own]))
        none = expected.cast(pa.chunked_array([pa.nulls(3)]), "x")
        assert (len(none), none.null_count, none.type) == (3, 3, expected.data_type)


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_is_what_its_json_says(kind):
    for own in OF_KIND[kind]:
        expected = column_type(pa.chunked_array([own]))
        assert ColumnType(**expected.to_json()) == expected


@pytest.mark.parametrize(
    ("text", "arrow", "whole"),
    [
        ("7", "int64", 7),
        ("18446744073709551615", "uint64", 2**64 - 1),
        ("00007", "int64", None),
        ("7.0", "int64", None),
        ("+7", "int64", None),
        ("18446744073709551615", "int64", None),
        ("u7", "int64", None),
        ("40000", "int16", 40_000),  # the log's users were few
    ],
)
def test_a_whole_key_is_written_as_one_or_refused(text, arrow, whole):
    expected, column = ColumnType("number", arrow), pa.chunked_array([[text]])
    if whole is None:
        with pytest.raises(InputError, match="id 'user' must be whole numbers as in the log"):
            expected.cast_key(column, "id 'user'")
    else:
        assert expected.cast_key(column, "id 'user'").to_pylist() == [whole]


@pytest.mark.parametrize(
    ("values", "kind", "whole"),
    [
        ([7.0, None, float("nan")], pa.float64(), [7, None, None]),
        ([7.0, -2.0], pa.float16(), [7, -2]),
        ([Decimal(2**62 + 1), None], pa.decimal128(38, 0), [2**62 + 1, None]),
        ([Decimal("7.00")], pa.decimal128(9, 2), [7]),
        ([7.5], pa.float64(), None),
        ([2.0**53 + 2], pa.float64(), None),
        ([float("inf")], pa.float32(), None),
        ([Decimal("7.50")], pa.decimal128(9, 2), None),
        ([True], pa.bool_(), None),
        ([dt.date(2026, 1, 1)], pa.date32(), None),
    ],
    ids=str,
)
def test_a_whole_key_may_stand_in_another_type_of_number(values, kind, whole):
    for column in (pa.array(values, kind), pa.array(values, kind).dictionary_encode()):
        keys = pa.chunked_array([column])
        if whole is not None:
            assert ColumnType("number", "int32").cast_key(keys, "group 'g'").to_pylist() == whole
            continue
        with pytest.raises(InputError, match="group 'g' must be whole numbers as in the log; got"):
            ColumnType("number", "int32").cast_key(keys, "group 'g'")


VALUES = {
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.float32(): st.floats(allow_nan=False, allow_infinity=False, width=32),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)),
    pa.timestamp("us", tz="UTC"): st.datetimes(
        dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)
    ),
}


@st.composite
def typed_columns(draw):
    kind = draw(st.sampled_from(sorted(VALUES, key=str)))
    values = draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=8))
    return pa.chunked_array([pa.array(values, kind)])


@given(typed_columns())
def test_a_file_of_text_means_what_the_table_means(column):
    expected, sink = column_type(column), pa.BufferOutputStream()
    pcsv.write_csv(pa.table({"x": column, "row": range(len(column))}), sink)
    types = {"x": expected.in_text}
    options = pcsv.ConvertOptions(
        column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    again = pcsv.read_csv(pa.BufferReader(sink.getvalue()), convert_options=options)["x"]
    again = expected.cast(again, "x")
    if expected.kind == "text":
        assert columns.text(again).to_pylist() == columns.text(column).to_pylist()
    else:
        np.testing.assert_array_equal(columns.numbers(again), columns.numbers(column))


CLOCKS = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]


@pytest.mark.parametrize("kind", [*CLOCKS, *map(pa.duration, ("s", "ns")), pa.date32()], ids=str)
@pytest.mark.parametrize(
    "text",
    ["08:30", "08:30:59.5", "8:30", "24:00", "08:30Z", "90", "-90", "9" * 19, "2026-03-01", "soon"],
)
def test_one_value_of_text_is_what_a_file_of_text_makes_of_it(kind, text):
    expected = column_type(pa.chunked_array([pa.nulls(1, kind)]))
    options = pcsv.ConvertOptions(column_types={"x": kind}, strings_can_be_null=False)
    try:
        file = pcsv.read_csv(pa.BufferReader(f"x,y\n{text},\n".encode()), convert_options=options)
        same = file["x"].to_pylist() if file["x"].null_count == 0 else None
    except pa.ArrowInvalid:
        same = None
    if same is None:
        with pytest.raises(InputError, match="feature 'x' must be .* as in the log; got string"):
            expected.cast(pa.chunked_array([expected.of_text(text)]), "feature 'x'")
    else:
        assert expected.of_text(text).to_pylist() == same


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT90S", 90), ("P1DT12H", 129_600), ("-PT1M", -60), ("P2W", 1_209_600), ("PT0.5S", 0.5)],
)
def test_a_length_of_time_may_be_written_by_iso_8601(text, seconds):
    read = ColumnType("duration", "duration[ms]").of_text(text)
    assert read.to_pylist() == [dt.timedelta(seconds=seconds)]


@pytest.mark.parametrize("text", ["P", "PT", "1.5h", "PT0.5S", "P1Y", "PT-5S", "PT1", "９０"])
def test_no_other_text_is_a_length_of_time(text):
    assert ColumnType("duration", "duration[s]").of_text(text).type == pa.string()
