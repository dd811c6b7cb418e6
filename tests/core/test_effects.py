from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise.core.display import frame_library
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, MissingExtra


def two_units(std_error=None):
    values = np.array([[[1.0, 0.1], [2.0, -0.2]], [[0.0, 0.3], [4.0, 0.4]]])  # (2, 2, 2)
    return Effects(
        values, np.array([[10.0, 0.5], [1.0, 0.0]]), ("mail", "call"), ("spend", "visit"), std_error
    )


def test_names_reach_the_right_numbers():
    effects = two_units()
    assert effects.metric("visit").tolist() == [[0.1, -0.2], [0.3, 0.4]]
    assert effects.candidate("call").tolist() == [[2.0, -0.2], [4.0, 0.4]]
    with pytest.raises(InputError, match="spend, visit; got 'spnd'"):
        effects.metric("spnd")


def test_levels_are_baseline_then_baseline_plus_effect():
    assert two_units().levels()[0].tolist() == [[10.0, 0.5], [11.0, 0.6], [12.0, 0.3]]


def test_relative_change_has_a_guarded_denominator():
    relative = two_units().relative([2.0, 0.1])
    assert relative[:, 1, 0].tolist() == [2 / 10, 4 / 2]
    assert relative[1, 0, 1] == pytest.approx(0.3 / 0.1)
    with pytest.raises(InputError, match="floor must be > 0"):
        two_units().relative(0)


def test_lower_bound_needs_an_error():
    assert two_units(np.full((2, 2, 2), 0.5)).lower(2)[0, 0, 0] == 1.0 - 2 * 0.5
    with pytest.raises(InputError, match="std_error"):
        two_units().lower(1)


def test_intervals_say_their_method():
    error = np.full((2, 2, 2), 0.5)
    effects = replace(two_units(error), error_method="by hand")
    low, high = effects.interval(0.9)
    np.testing.assert_allclose(low, effects.values - 1.6448536 * 0.5)
    np.testing.assert_allclose(high, effects.values + 1.6448536 * 0.5)
    assert effects.interval().method == "by hand"
    assert two_units(error).interval().method == "standard errors as given"
    few = replace(effects, error_df=4).interval()
    np.testing.assert_allclose(few.high, effects.values + 2.7764451 * 0.5, rtol=1e-6)
    with pytest.raises(InputError, match="level must lie between 0 and 1; got 95"):
        effects.interval(95)
    with pytest.raises(InputError, match="dml, dml-sparse and causal-forest give them"):
        two_units().interval()


def test_the_method_goes_with_the_table():
    effects = replace(
        two_units(np.ones((2, 2, 2))), error_method="bootstrap, 20 replicates", error_df=19
    )
    again = Effects.from_table(effects.to_table()).take([1])
    assert (again.error_method, again.error_df) == ("bootstrap, 20 replicates", 19.0)
    old = effects.to_table()
    meta = {k: v for k, v in old.schema.metadata.items() if b"error" not in k}
    assert Effects.from_table(old.replace_schema_metadata(meta)).error_df == np.inf
    bad = old.replace_schema_metadata({**meta, b"equipoise.error_df": b"many"})
    with pytest.raises(InputError, match="degrees of freedom"):
        Effects.from_table(bad)


@pytest.mark.parametrize(
    "error", [None, np.arange(8.0).reshape(2, 2, 2)], ids=["no error", "error"]
)
def test_through_parquet_and_back(tmp_path, error):
    effects = two_units(error)
    pq.write_table(effects.to_table(), tmp_path / "effects.parquet")
    again = Effects.from_table(pq.read_table(tmp_path / "effects.parquet"))
    assert again.candidates == effects.candidates
    assert again.metrics == effects.metrics
    np.testing.assert_array_equal(again.values, effects.values)
    np.testing.assert_array_equal(again.baseline, effects.baseline)
    assert (again.std_error is None) == (error is None)


def test_take_keeps_the_order_asked():
    assert two_units().take([1, 0]).baseline[:, 0].tolist() == [1.0, 10.0]


def test_shapes_that_disagree_are_refused():
    with pytest.raises(InputError, match="shape"):
        Effects(np.zeros((2, 1, 1)), np.zeros((3, 1)), ("a",), ("y",))
    with pytest.raises(InputError, match=r"std_error must have the shape of values \(2, 2, 2\)"):
        two_units(np.zeros((2, 2)))


def test_units_are_counted():
    assert len(two_units()) == 2


def test_a_table_that_no_effects_wrote_is_refused():
    with pytest.raises(InputError, match="be written by Effects.to_table; got .*'age'"):
        Effects.from_table(pa.table({"age": [31.0]}))


def test_a_library_that_is_not_there_is_named_with_its_cure():
    with pytest.raises(MissingExtra, match="no_such_frames must be installed .* pip install no_"):
        frame_library("no_such_frames")


def test_frames_have_one_row_per_unit_candidate_and_metric():
    values = np.arange(12.0).reshape(2, 3, 2)
    baseline = np.array([[10.0, 20.0], [30.0, 40.0]])
    effects = Effects(values, baseline, ("a", "b", "c"), ("visits", "spend"), values / 10)
    frame = effects.to_pandas()
    assert frame.equals(effects.to_polars().to_pandas())
    for row in frame.to_dict("records"):
        a, j = "abc".index(row["candidate"]), ("visits", "spend").index(row["metric"])
        assert row["effect"] == values[row["unit"], a, j]
        assert row["baseline"] == baseline[row["unit"], j]
        assert row["std_error"] == values[row["unit"], a, j] / 10
    assert len(frame) == 12
    assert replace(effects, std_error=None).to_pandas()["std_error"].isna().all()


def test_a_repr_shows_the_mean_effects():
    effects = Effects(np.array([[[1.0]], [[3.0]]]), np.zeros((2, 1)), ("mail",), ("visits",))
    assert "2 units" in repr(effects)
    assert "mail  visits +2" in repr(effects)


NAMES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
        st.text("|\\\x1fse=@ ", max_size=5),
        st.sampled_from(["baseline", "\\baseline", "se", "a|se", "a", "", "y", "y|baseline"]),
    ),
    min_size=1,
    max_size=4,
    unique=True,
).map(tuple)


@given(NAMES, NAMES, st.booleans())
@example(("baseline", "a", "a|se"), ("y", "y|a"), True)
@example(("a\x1fb",), ("",), False)
def test_any_names_go_through_a_table_and_back(candidates, metrics, has_errors):
    n, k, m = 3, len(candidates), len(metrics)
    values = np.arange(float(n * k * m)).reshape(n, k, m)
    error = values + 0.5 if has_errors else None
    effects = Effects(values, -np.ones((n, m)), candidates, metrics, error)
    table = effects.to_table()
    assert len(set(table.column_names)) == table.num_columns == m * (1 + k * (1 + has_errors))
    file = pa.BufferOutputStream()
    pq.write_table(table, file)
    again = Effects.from_table(pq.read_table(pa.BufferReader(file.getvalue())))
    assert (again.candidates, again.metrics) == (candidates, metrics)
    np.testing.assert_array_equal(again.values, values)
    np.testing.assert_array_equal(again.baseline, effects.baseline)
    assert (again.std_error is None) != has_errors
    if has_errors:
        np.testing.assert_array_equal(again.std_error, error)


def test_plain_names_are_columns_as_they_are():
    assert two_units().to_table().column_names == [
        "spend|baseline",
        "spend|mail",
        "spend|call",
        "visit|baseline",
        "visit|mail",
        "visit|call",
    ]


def table_of_0_1_0(candidates, columns):
    names = {"equipoise.candidates": "\x1f".join(candidates), "equipoise.metrics": "y"}
    return pa.table({name: [float(i)] for i, name in enumerate(columns)}).replace_schema_metadata(
        names
    )


def test_a_table_of_version_0_1_0_is_read_with_names_as_they_were():
    effects = Effects.from_table(table_of_0_1_0(["a|b", "c"], ["y|baseline", "y|a|b", "y|c"]))
    assert effects.candidates == ("a|b", "c")
    assert (effects.baseline.tolist(), effects.values.tolist()) == ([[0.0]], [[[1.0], [2.0]]])


@pytest.mark.parametrize(
    ("candidates", "columns"),
    [
        (["baseline", "c"], ["y|baseline", "y|c"]),
        (["1e+06", "1e+06"], ["y|baseline", "y|1e+06"]),
        (["a", "a|se"], ["y|baseline", "y|a", "y|a|se"]),
    ],
)
def test_a_table_in_which_0_1_0_lost_a_column_is_refused(candidates, columns):
    with pytest.raises(InputError, match=r"must have a column each; got two in .*make the effects"):
        Effects.from_table(table_of_0_1_0(candidates, columns))


def test_a_table_that_lacks_a_column_is_refused():
    table = two_units().to_table()
    with pytest.raises(InputError, match=r"'spend\|call' must occur once; got 0 of them"):
        Effects.from_table(table.drop_columns(["spend|call"]))
    meta = {**table.schema.metadata, b"equipoise.metrics": b"spend"}
    with pytest.raises(InputError, match="be written by"):
        Effects.from_table(table.replace_schema_metadata(meta))


def test_names_of_effects_differ():
    with pytest.raises(InputError, match="candidates must have different names"):
        Effects(np.zeros((1, 2, 1)), np.zeros((1, 1)), ("a", "a"), ("y",))
    with pytest.raises(InputError, match="metrics must have different names"):
        Effects(np.zeros((1, 1, 2)), np.zeros((1, 2)), ("a",), ("y", "y"))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "dict"])
def test_what_a_frame_of_any_library_says(library):
    effects = two_units(np.arange(8.0).reshape(2, 2, 2))
    columns = {"who": ["a", "b"], **effects.to_table().to_pydict()}
    frame = columns if library == "dict" else pa.table(columns)
    if library in ("pandas", "polars"):
        frame = frame_library(library).DataFrame(columns)
    again = Effects.from_frame(frame, id="who")
    assert (again.candidates, again.metrics) == (effects.candidates, effects.metrics)
    np.testing.assert_array_equal(again.values, effects.values)
    np.testing.assert_array_equal(again.baseline, effects.baseline)
    np.testing.assert_array_equal(again.std_error, effects.std_error)


def test_columns_of_one_metric_are_the_candidates_names():
    frame = {"call": [2.0, 4.0], "mail": [1, 0], "mail|se": [0.1, 0.2], "call|se": [0.3, 0.4]}
    effects = Effects.from_frame(frame, metric="spend", candidates=["mail", "call"])
    assert effects.values[:, :, 0].tolist() == [[1.0, 2.0], [0.0, 4.0]]
    assert effects.std_error[:, :, 0].tolist() == [[0.1, 0.3], [0.2, 0.4]]
    assert effects.baseline.tolist() == [[0.0], [0.0]]
    levels = Effects.from_frame({"baseline": [3.0], "mail": [1.0]}).levels()
    assert levels[0].tolist() == [[3.0], [4.0]]


def test_arrays_name_their_candidates():
    assert Effects.from_frame(np.array([1.0, 2.0]), candidates=["mail"]).values.shape == (2, 1, 1)
    both = Effects.from_frame([[1.0, 2.0]], candidates=["a|b", "baseline"])
    assert both.candidates == ("a|b", "baseline")
    assert both.values[0, :, 0].tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="names for its columns"):
        Effects.from_frame(np.ones((2, 2)))
    with pytest.raises(InputError, match="have 1 columns"):
        Effects.from_frame(np.ones((2, 2)), candidates=["mail"])


def test_names_with_bars_come_back():
    names, metrics = ("a|b", "baseline", "se", "a\\"), ("m|", "se")
    values = np.arange(8.0).reshape(1, 4, 2)
    effects = Effects(values, np.ones((1, 2)), names, metrics, values + 1)
    again = Effects.from_frame(effects.to_table())
    assert (again.candidates, again.metrics) == (names, metrics)
    np.testing.assert_array_equal(again.std_error, effects.std_error)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        ({"mail": ["x"]}, {}, "column 'mail' of a frame of effects must be numbers; got string"),
        ({"mail": [1.0, None]}, {}, "must be finite; got nan at row 1"),
        ({"s|mail": [1.0], "call": [1.0]}, {}, "'call' and 's|mail'"),
        ({"s|mail": [1.0], "v|call": [1.0]}, {}, "the effect of 'mail' on 'v' must be in"),
        ({"s|mail|sd": [1.0]}, {}, "be called candidate"),
        ({"s|mail|se|x": [1.0]}, {}, "be called candidate"),
        ({"s|": [1.0]}, {}, "be called candidate"),
        ({"baseline": [1.0]}, {}, "a column for each candidate"),
        ({"mail": [1.0]}, {"id": "user"}, "the id column 'user' must be in the frame"),
        ({"mail": [1.0]}, {"candidates": ["mial"]}, "did you mean 'mail'"),
        ({"mail": [1.0]}, {"candidates": "mail"}, "a list of names"),
        ({"mail": [1.0]}, {"candidates": []}, "at least one"),
        ({"a": [1.0], "b": [1.0], "a|se": [1.0]}, {}, "the standard error of 'b'"),
        ({"a": [1.0], "a|se": [-1.0]}, {}, "a standard error must be >= 0; got -1"),
        ({"s|a": [1.0], "v|a": [1.0], "s|baseline": [1.0]}, {}, "the level of 'v'"),
    ],
)
def test_wrong_frames_end_in_an_error(frame, arguments, message):
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        Effects.from_frame(frame, **arguments)
