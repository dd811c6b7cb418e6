from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
