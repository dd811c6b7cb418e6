import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core import columns

NAN = np.nan


def column(values, kind=None, encoded=False):
    array = pa.array(values, kind)
    return pa.chunked_array([array.dictionary_encode() if encoded else array])


@pytest.mark.parametrize(
    ("values", "kind", "want"),
    [
        ([1, None], pa.int8(), [1, NAN]),
        ([True, None], pa.bool_(), [1, NAN]),
        ([1.5, NAN, None], pa.float32(), [1.5, NAN, NAN]),
        ([None, None], pa.null(), [NAN, NAN]),
        ([1, None], pa.timestamp("s", tz="UTC"), [1e6, NAN]),
        ([1, None], pa.date32(), [86_400e6, NAN]),
        ([1, None], pa.time32("s"), [1e6, NAN]),
        ([1, None], pa.duration("ms"), [1e3, NAN]),
    ],
)
def test_numbers_of_every_type(values, kind, want):
    np.testing.assert_array_equal(columns.numbers(column(values, kind)), want)
    assert columns.missing(column(values, kind)).tolist() == np.isnan(want).tolist()


def test_a_decimal_is_a_number():
    wide = pa.chunked_array([pa.array([1, None]).cast(pa.decimal128(30, 2))])
    np.testing.assert_array_equal(columns.numbers(wide), [1, NAN])


def test_a_dictionary_is_its_values():
    np.testing.assert_array_equal(columns.numbers(column([7, None, 7], encoded=True)), [7, NAN, 7])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_of_every_type(kind):
    plain = column(["a", None], kind)
    view = kind == pa.string_view()
    encoded = (
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), pa.array(["a"], kind))
        if view
        else None
    )
    every = (
        [plain, pa.chunked_array([encoded])]
        if view
        else [plain, column(["a", None], kind, encoded=True)]
    )
    for each in every:
        assert columns.is_text(each)
        assert columns.labels(each).to_pylist() == ["a", "missing"]
        assert columns.missing(each).tolist() == [False, True]
        with pytest.raises(TypeError):
            columns.numbers(each)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2)]
)
def test_a_vector_reads_as_its_numbers(kind):
    assert columns.labels(pa.chunked_array([pa.array([[0, 1], None], kind)])).to_pylist() == [
        "0 1",
        "missing",
    ]


def test_nan_reads_missing_as_text():
    assert columns.labels(column([1.0, NAN, None])).to_pylist() == ["1", "missing", "missing"]


def test_text_that_is_missing_stays_null():
    assert columns.text(column([1.0, NAN, None])).to_pylist() == ["1", None, None]
    assert columns.text(column(["missing", None])).to_pylist() == ["missing", None]


STRANGE = ["missing", '"missing"', '"missing', "", "nan", "NaN", "None", "null", "NA", "\0", "a\0"]
STRANGE_TEXT = st.none() | st.sampled_from(STRANGE) | st.text(st.sampled_from('a"\0\n'), max_size=4)


@settings(max_examples=50)
@given(st.lists(STRANGE_TEXT, min_size=1, max_size=12), st.booleans())
def test_labels_are_equal_where_values_are(values, encoded):
    """No text is taken for a missing value or for another text, in Arrow or in numpy."""
    labels = columns.labels(column(values, pa.string(), encoded)).to_pylist()
    assert len(set(zip(values, labels, strict=True))) == len(set(values)) == len(set(labels))
    assert len(np.unique(np.asarray(labels, np.str_))) == len(set(values))
    assert [label == "missing" for label in labels] == [value is None for value in values]
    codes, names = columns.codes(column(values, pa.string(), encoded))
    assert [names[code] for code in codes] == labels


def test_no_rows_are_no_trouble():
    empty = pa.chunked_array([], pa.dictionary(pa.int8(), pa.string()))
    assert columns.labels(empty).to_pylist() == []
    assert columns.missing(empty).tolist() == []


def test_a_name_that_is_taken_gets_underscores():
    assert columns.free_name("id", ()) == "id"
    assert columns.free_name("score", ("score", "score_")) == "score__"


def test_zero_is_one_label_whatever_its_sign():
    column = pa.chunked_array([pa.array([-0.0, 0.0, 0.1, None], kind) for kind in [pa.float32()]])
    assert columns.labels(column).to_pylist() == ["0", "0", "0.1", "missing"]
