"""A row as numbers, to the bits of the table's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core import columns
from equipoise.core.column_types import ColumnType, column_type
from equipoise.core.feature_rows import RowEncoder, UnusualRow, label_of
from equipoise.core.features import FeatureMap

TEXTS = ["Oslo", "Rome", "missing", '"missing"', "a\0", '"a\0"', "", "#0123456789abcdef", "rare"]
N = 400
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "few": pa.array(RNG.choice(TEXTS[:-1], N), mask=RNG.random(N) < 0.1),
        "many": [TEXTS[i % 9] if i % 3 else f"level {i % 40}" for i in range(N)],
        "rare": [TEXTS[-1] if i < 5 else "usual" for i in range(N)],
        "number": pa.array(RNG.normal(size=N), mask=RNG.random(N) < 0.1),
        "narrow": RNG.normal(size=N).astype(np.float32),
        "whole": RNG.integers(0, 9, N),
        "flag": RNG.random(N) < 0.5,
    }
)
TYPES = {name: column_type(TABLE[name]) for name in TABLE.column_names}
TEXT = (
    st.none()
    | st.sampled_from([*TEXTS, "level 7"])
    | st.text(st.characters(codec="utf-8"), max_size=3)
)
NUMBER = st.none() | st.floats(-1e30, 1e30) | st.just(float("nan"))


@pytest.mark.parametrize("old", [False, True], ids=["now", "as version 0.1.0"])
@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, TEXT, NUMBER, st.none() | st.booleans())
def test_a_row_is_a_row_of_the_table(old, few, many, rare, number, flag):
    features = FeatureMap().fit(TABLE)
    if old:
        features = FeatureMap.from_json(features.to_json() | {"unseen": "missing"})
    row = {"few": few, "many": many, "rare": rare, "number": number, "flag": flag}
    row |= {"narrow": number, "whole": None if flag else 4.0}
    types = {name: TABLE.schema.field(name).type for name in TABLE.column_names}
    types["whole"] = pa.float64()
    narrow = pa.array([number], pa.float64()).cast(pa.float32(), safe=False)
    table = pa.table(
        {name: pa.array([row[name]], types[name]) for name in types if name != "narrow"}
    )
    table = table.append_column("narrow", narrow)
    want = [column[0].as_py() for column in features.table(table).columns]
    got = RowEncoder(features, TYPES).encode(row | {"more": 1})
    np.testing.assert_array_equal(got.values, want)
    lacks = [name for name in features.columns_ if columns.missing(table[name])[0]]
    assert got.missing == lacks
    new = [n for n in features.levels_ if n not in lacks and not features.is_level(n, table[n])[0]]
    assert got.unseen == new


@settings(max_examples=100, deadline=None)
@given(TEXT, st.integers(-(2**53), 2**53), st.booleans())
def test_a_label_is_that_of_the_column(text, whole, flag):
    for value, array, own in (
        (text, pa.array([text], pa.string()), ColumnType("text", "string")),
        (float(whole), pa.array([whole]), ColumnType("number", "int64")),
        (whole, pa.array([whole]), ColumnType("number", "int64")),
        (flag, pa.array([flag]), ColumnType("true/false", "bool")),
    ):
        assert label_of(value, own) == columns.labels(pa.chunked_array([array]))[0].as_py()


@pytest.mark.parametrize(
    "change",
    [
        {"number": "3"},
        {"number": True},
        {"number": 2**60},
        {"number": float("inf")},
        {"number": 1e39},
        {"flag": 1.0},
        {"few": 1.0},
        {"few": float("nan")},
    ],
)
def test_a_row_out_of_the_ordinary_is_left_to_the_table(change):
    encoder = RowEncoder(FeatureMap().fit(TABLE), TYPES)
    row = {name: TABLE[name][0].as_py() for name in TABLE.column_names}
    encoder.encode(row)
    with pytest.raises(UnusualRow):
        encoder.encode(row | change)
    with pytest.raises(KeyError):
        encoder.encode({"few": "Oslo"})
    for value, own in ((2.5, TYPES["whole"]), ("2", TYPES["whole"]), (2.5, TYPES["number"])):
        with pytest.raises(UnusualRow):
            label_of(value, own)
