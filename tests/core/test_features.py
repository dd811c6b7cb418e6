import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from equipoise.core.errors import InputError
from equipoise.core.features import ONE_HOT_LIMIT, FeatureMap, FittedColumns, encode, matrix
from equipoise.core.frames import to_arrow


def same(one, other):
    np.testing.assert_equal(one.to_pydict(), other.to_pydict())


COLUMNS = {"zip": ["b", "a", None], "age": [31.0, None, 18.0], "new": [True, False, True]}


def test_three_rows_by_hand(frame):
    made = FeatureMap().fit_transform(frame(COLUMNS))
    assert made.column_names == ["zip=a", "zip=b", "zip=missing", "age", "new"]
    values, names = matrix(made)
    assert list(names) == made.column_names
    np.testing.assert_array_equal(
        values, [[0, 1, 0, 31, 1], [1, 0, 0, np.nan, 0], [0, 0, 1, 18, 1]]
    )


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_the_frame_that_scikit_learn_asks_for(name):
    given, plain = pd.DataFrame(COLUMNS, index=[3, 5, 9]), FeatureMap().fit_transform(COLUMNS)
    mapped = clone(FeatureMap().set_output(transform=name)).fit_transform(given)
    assert type(mapped).__module__.startswith(name)
    np.testing.assert_array_equal(matrix(mapped)[0], matrix(plain)[0])
    assert matrix(mapped)[1] == matrix(plain)[1]
    with config_context(transform_output=name):
        assert type(FeatureMap().fit_transform(given)) is type(mapped)
        same(FeatureMap().fit(given).table(given), plain)
        kept = FeatureMap().set_output(transform="default").set_output().fit_transform(given)
        same(kept, plain)
    if name == "pandas":
        assert mapped.index.tolist() == [3, 5, 9]
    with pytest.raises(InputError, match="transform must be one of default, pandas, polars"):
        FeatureMap().set_output(transform="arrow")


def test_a_step_of_a_pipeline():
    X, y = pd.DataFrame({"zip": list("abab"), "age": [1.0, 2.0, 3.0, 5.0]}), [0.0, 1.0, 2.0, 4.0]
    pipe = make_pipeline(FeatureMap(), LinearRegression()).set_output(transform="pandas").fit(X, y)
    assert pipe[-1].feature_names_in_.tolist() == ["zip=a", "zip=b", "age"]
    assert pipe[:-1].get_feature_names_out().tolist() == ["zip=a", "zip=b", "age"]
    assert (pipe.n_features_in_, pipe.feature_names_in_.tolist()) == (2, ["zip", "age"])
    plain = make_pipeline(FeatureMap(), LinearRegression()).fit(X, y)
    np.testing.assert_allclose(pipe.predict(X), plain.predict(X))


def test_a_level_never_seen_is_all_zeros_or_the_last_rank():
    few = FeatureMap().fit({"zip": ["a", "b"]})
    assert few.transform({"zip": ["c", "a"]}).to_pydict() == {
        "zip=a": [0.0, 1.0],
        "zip=b": [0.0, 0.0],
    }
    levels = [f"l{i:02}" for i in range(ONE_HOT_LIMIT + 1)]
    many = FeatureMap().fit({"zip": [*levels, "l05"]})
    got = many.transform({"zip": ["l05", "l00", "new"]})["zip"].to_numpy()
    # the most frequent first, ties by name
    np.testing.assert_array_equal(got, [0, 1, ONE_HOT_LIMIT + 1])
    old = {key: value for key, value in many.to_json().items() if key != "unseen"}  # version 0.1.0
    got = FeatureMap.from_json(old).transform({"zip": ["l05", "l00", "new"]})["zip"].to_numpy()
    np.testing.assert_array_equal(got, [0, 1, np.nan])


def test_what_was_learnt_survives_json(frame):
    fitted = FeatureMap().fit(frame(COLUMNS))
    again = FeatureMap.from_json(json.loads(json.dumps(fitted.to_json())))
    same(again.transform(frame(COLUMNS)), fitted.transform(frame(COLUMNS)))


def test_the_order_of_columns_and_extra_columns_do_not_matter():
    fitted = FeatureMap().fit(COLUMNS)
    turned = {"extra": [1, 2, 3], **dict(reversed(COLUMNS.items()))}
    same(fitted.transform(turned), fitted.transform(COLUMNS))


def test_rows_do_not_depend_on_their_neighbours():
    fitted = FeatureMap().fit(COLUMNS)
    whole = fitted.transform(COLUMNS)
    for row in range(3):
        same(fitted.transform(to_arrow(COLUMNS).slice(row, 1)), whole.slice(row, 1))


def test_the_input_stays_as_it_was():
    X = np.array([[1.0, 2.0]])
    values, _ = matrix(X.copy())
    assert values.tolist() == X.tolist()
    table = to_arrow(COLUMNS)
    before = table.to_pydict()
    FeatureMap().fit_transform(table)
    assert table.to_pydict() == before


def test_arrays_get_names():
    values, names = matrix([[1, 2], [3, 4]])
    assert names == ("x0", "x1")
    assert values.dtype == np.float64
    assert FeatureMap().fit_transform(np.array([[1, 2]])).column_names == ["x0", "x1"]


def test_float32_and_nullable_integers(frame):
    values, _ = matrix(frame({"i": [1, None, 3], "f": np.array([1, 2, 3], np.float32)}))
    np.testing.assert_array_equal(values, [[1, 1], [np.nan, 2], [3, 3]])


def test_times_keep_their_distances(frame):
    stamps = np.array(["2024-01-01", "2024-01-02"], "datetime64[ms]")
    values, _ = matrix(FeatureMap().fit_transform(frame({"t": stamps})))
    assert values[1, 0] - values[0, 0] == 86_400e6


def test_a_category_is_text(frame):
    encoded = pa.table({"zip": pa.array(["a", None, "b"], pa.large_string()).dictionary_encode()})
    assert FeatureMap().fit_transform(encoded).column_names == ["zip=a", "zip=b", "zip=missing"]


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_names_column_and_row(frame, bad):
    with pytest.raises(InputError, match=r"feature 'b' must be finite; got -?inf at row 1"):
        matrix(frame({"a": [0.0, 1.0], "b": [0.0, bad]}))
    with pytest.raises(InputError, match="'x0'.*row 0"):
        matrix(np.array([[bad]]))


def test_bad_frames_are_refused(frame):
    with pytest.raises(InputError, match="'zip'.*FeatureMap"):
        matrix(frame({"zip": ["a", "b"]}))
    with pytest.raises(InputError, match="feature 'age' must be in the frame"):
        FeatureMap().fit(frame(COLUMNS)).transform(frame({"zip": ["a"]}))
    with pytest.raises(InputError, match="be numbers as in fit"):
        FeatureMap().fit(frame({"age": [1.0]})).transform(frame({"age": ["old"]}))


BAD = {
    "a number": (3, "be pandas, polars or pyarrow"),
    "columns of two lengths": ({"a": [1], "b": [1, 2]}, "one length per column"),
    "a column of two types": ({"a": [1, "x"]}, "one type"),
    "a vector": (np.array([1.0, 2.0]), r"\(n, d\)"),
    "rows of two lengths": ([[1], [1, 2]], "be numbers"),
    "text in an array": (np.array([["a"]]), "FeatureMap"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_table_is_refused(case):
    thing, words = BAD[case]
    with pytest.raises(InputError, match=words):
        matrix(thing)


def test_a_pandas_frame_with_one_name_twice():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="each name once"):
        to_arrow(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_columns_that_make_one_name_are_refused():
    with pytest.raises(InputError, match="'zip=a' must come from one column"):
        FeatureMap().fit({"zip": ["a", "b"], "zip=a": [1.0, 2.0]})


def test_encode_leaves_numbers_and_learns_text(frame):
    numbers = np.array([[1.0, 2.0]])
    assert encode(numbers) == (numbers, None)
    table, encoding = encode(frame({"age": [31.0, None], "new": [True, False]}))
    assert encoding is None
    assert matrix(table)[1] == ("age", "new")
    table, encoding = encode(frame(COLUMNS))
    same(table, FeatureMap().fit_transform(frame(COLUMNS)))
    same(encoding.transform(frame(COLUMNS)), table)


@pytest.mark.parametrize("kind", ["list", "object", "text"])
def test_encode_reads_rows_of_text(kind):
    rows = {
        "list": [["a", 1.0], ["b", 2.0]],
        "object": np.array([["a", 1.0], ["b", 2.0]], dtype=object),
        "text": np.array([["a", "1"], ["b", "2"]]),
    }[kind]
    table, _ = encode(rows)
    assert table["x0=a"].to_pylist() == [1.0, 0.0]
    assert table.column_names[2:] == (["x1"] if kind != "text" else ["x1=1", "x1=2"])


def test_objects_that_are_numbers_stay_numbers():
    values, encoding = encode(np.array([[1, True], [2.5, None]], dtype=object))
    assert encoding is None
    np.testing.assert_array_equal(values, [[1, 1], [2.5, np.nan]])


def test_encode_refuses_what_no_column_can_be():
    with pytest.raises(InputError, match="be numbers; got complex"):
        encode(np.array([[1j]]))


def remembered(X):
    columns = FittedColumns()
    return columns, *columns._fit_columns(X)


@pytest.mark.parametrize("made", [COLUMNS, {"age": [31.0, 2.0], "new": [1, 0]}], ids=["text", "no"])
def test_later_rows_are_read_as_those_of_fit(frame, made):
    """Whatever their order; the columns are the user's, the names those after encoding."""
    columns, values, names = remembered(frame(made))
    assert columns.feature_names_in_.tolist() == list(made)
    assert columns.n_features_in_ == len(made)
    assert columns._encoded_names == names
    turned = frame(dict(reversed(made.items())))
    np.testing.assert_array_equal(columns._as_fitted(turned), values)


def test_an_array_may_follow_a_frame_in_the_order_of_fit():
    columns, values, _ = remembered({"age": [31.0, 2.0], "new": [1.0, 0.0]})
    np.testing.assert_array_equal(columns._as_fitted(values), values)


@pytest.mark.parametrize(
    ("X", "says"),
    [
        ({"age": [1.0]}, "X must have the 2 features of fit; got 1"),
        ({"age": [1.0], "old": [1.0]}, r"got unknown \['old'\]; fit saw age, new"),
        (np.ones((1, 3)), "X must have the 2 features of fit; got 3"),
    ],
)
def test_other_columns_than_those_of_fit_are_refused(X, says):
    columns, *_ = remembered({"age": [31.0, 2.0], "new": [1.0, 0.0]})
    with pytest.raises(InputError, match=says):
        columns._as_fitted(X)


def test_rare_levels_are_kept_as_digests_and_encoded_as_before():
    """Neither JSON nor names hold them, and the numbers are those of the plain levels."""
    few = ["a"] * 60 + ["b"] * 40 + ["ann@example.org"] * 3
    many = [f"city{i % 9}" for i in range(100)] + [f"rare{i}" for i in range(3)]
    many = many[:-3] + ["x", "y", "z"]
    names = [f"m{i}" for i in range(93)] + ["often"] * 10
    table = {"few": few, "many": many, "names": names}
    features = FeatureMap().fit(table)
    said = json.dumps(features.to_json()) + "".join(features.get_feature_names_out())
    assert "example.org" not in said
    assert "m17" not in said
    assert '"often"' in said
    assert '"city0"' in said
    numbers = features.table(table)
    assert numbers["few=a"].to_pylist() == [1.0] * 60 + [0.0] * 43
    (hidden,) = (name for name in numbers.column_names if name.startswith("few=#"))
    assert numbers[hidden].to_pylist() == [0.0] * 100 + [1.0] * 3
    plain = sorted(set(names), key=lambda level: (-names.count(level), level))
    assert numbers["names"].to_pylist() == [plain.index(level) for level in names]
    again = FeatureMap.from_json(json.loads(json.dumps(features.to_json())))
    assert again.table(table).equals(numbers)
    new = again.table({"few": ["bob"], "many": ["city1"], "names": ["m999"]})
    assert new["names"][0].as_py() == len(plain)  # after the rarest
    assert {new[name][0].as_py() for name in new.column_names if name.startswith("few=")} == {0.0}
    assert again.is_level("few", pa.chunked_array([["ann@example.org", "bob"]])).tolist() == [
        True,
        False,
    ]


def test_levels_of_few_rows_stand_as_they_are():
    assert FeatureMap().fit({"zip": ["rural"] + ["urban"] * 4}).levels_["zip"] == [
        "rural",
        "urban",
    ]
    hidden, urban = FeatureMap().fit({"zip": ["rural"] + ["urban"] * 5}).levels_["zip"]
    assert (hidden[:1], urban) == ("#", "urban")


def test_a_text_that_reads_missing_is_not_a_missing_one():
    features = FeatureMap().fit({"zip": ["missing", None, "urban"]})
    assert features.table({"zip": ["missing", None, '"missing"']}).to_pydict() == {
        'zip="missing"': [1.0, 0.0, 0.0],
        "zip=missing": [0.0, 1.0, 0.0],
        "zip=urban": [0.0, 0.0, 0.0],
    }
    old = {"columns": ["zip"], "levels": {"zip": ["missing", "urban"]}}  # version 0.1.0
    of_old = FeatureMap.from_json(old).table({"zip": ["missing", None]})
    assert of_old["zip=missing"].to_pylist() == [1.0, 1.0]


def test_a_text_that_reads_like_a_digest_is_not_one():
    emails = [f"user{i}@example.org" for i in range(3)]
    levels = FeatureMap().fit({"who": ["a"] * 40 + emails}).levels_["who"]
    hidden = [level for level in levels if level != "a"]
    again = FeatureMap().fit({"who": ["a"] * 40 + emails + hidden * 20})
    assert not set(hidden) & set(again.levels_["who"])
    every = pa.chunked_array([["a", *emails, *hidden, "#" + "0" * 16]])
    assert again.is_level("who", every).tolist() == [True] * 7 + [False]


def test_digests_are_those_of_no_list():
    """Lists of hashed e-mail addresses are sha256, or the digests of another map."""
    levels = {}
    for other in ("rome", "oslo"):
        features = FeatureMap().fit({"who": ["ann@example.org"] + [other] * 40})
        levels[other] = features.levels_["who"]
        assert features.to_json() == FeatureMap.from_json(features.to_json()).to_json()
    assert len({level for each in levels.values() for level in each}) == 4
    assert hashlib.sha256(b"ann@example.org").hexdigest()[:16] not in str(levels)
