"""Files of units: CSV and Parquet agree in every choice, ids stay as they stand, and what is
missing, misspelt or of another type is an error or a counted caution.
"""

from __future__ import annotations

import datetime as dt
import pickle
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.units import FEATURES, Shipped

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.batch_scorer import score_batches
from equipoise.artifacts.unit_counts import UnitCounts, UnitsWarning
from equipoise.core.errors import EquipoiseError, InputError


def scored(shipped: Shipped, folder, table: pa.Table, suffix=".parquet", **how):
    """The assignments of a table as a file, and what was said of it."""
    units, out = folder / f"units{suffix}", folder / "scored.parquet"
    out.unlink(missing_ok=True)
    writer = pq.write_table if suffix == ".parquet" else pcsv.write_csv
    writer(table, units)
    said = score_file(shipped.folder, units, out, **how)
    return pq.read_table(out), said


def with_column(table: pa.Table, name: str, values) -> pa.Table:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    return table.set_column(table.column_names.index(name), name, column)


@pytest.mark.parametrize("hold", [False, True], ids=["fixed prices", "held"])
@pytest.mark.parametrize("codes", ["all", "digits only"])
def test_a_csv_gives_what_the_parquet_gives(shipped, tmp_path, hold, codes):
    table = with_column(shipped.table, "user", [f"{i:020d}" for i in range(600)])
    if codes == "digits only":
        table = table.filter(pa.array(["1" not in code for code in table["code"].to_pylist()]))
    one, _ = scored(shipped, tmp_path, table, hold=hold)
    other, said = scored(shipped, tmp_path, table, ".csv", hold=hold)
    assert other.equals(one)
    assert other["user"].to_pylist() == table["user"].to_pylist()
    assert not said["cautions"]
    assert set(said["unseen"].values()) == {0}


@pytest.mark.parametrize("name", [*FEATURES, "user", "shop"])
def test_a_missing_column_is_named_with_the_nearest(shipped, tmp_path, name):
    wrong = [n.capitalize() if n == name else n for n in shipped.table.column_names]
    with pytest.raises(
        InputError,
        match=f"'{name}' must be among .*did you mean '{wrong[wrong.index(name.capitalize())]}'",
    ):
        scored(shipped, tmp_path, shipped.table.rename_columns(wrong))
    assert not (tmp_path / "scored.parquet").exists()


OTHERS = {
    "numbers": pa.array(np.arange(600.0)),
    "text": pa.array(["a"] * 600),
    "true or false": pa.array([True] * 600),
    "times": pa.array(np.arange(600)).cast(pa.timestamp("s")),
    "nothing": pa.nulls(600),
}
OWN = {"age": "numbers", "code": "text", "member": "true or false", "since": "times"}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("other", OTHERS)
def test_another_type_is_refused(shipped, tmp_path, name, other):
    table = with_column(shipped.table, name, OTHERS[other])
    if OWN[name] == other:
        scored(shipped, tmp_path, table)
        return
    with pytest.raises(EquipoiseError, match=f"feature '{name}' must"):
        scored(shipped, tmp_path, table)
    assert not (tmp_path / "scored.parquet").exists()


def test_seconds_for_a_time_are_refused_in_a_csv_too(shipped, tmp_path):
    seconds = pa.array([int(dt.datetime(2024, 1, 1).timestamp())] * 600)
    with pytest.raises(EquipoiseError, match="column 'since' must be times throughout"):
        scored(shipped, tmp_path, with_column(shipped.table, "since", seconds), ".csv")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("hold", [False, True], ids=["fixed prices", "held"])
def test_ids_are_there_and_differ(shipped, tmp_path, suffix, hold):
    users = shipped.table["user"].to_pylist()
    users[41] = users[7]
    with pytest.raises(InputError, match="id 'user' must be unique; got one id at rows 7 and 41"):
        scored(shipped, tmp_path, with_column(shipped.table, "user", users), suffix, hold=hold)
    users[41] = None
    with pytest.raises(
        InputError, match="id 'user' must have no missing value; got null at row 41"
    ):
        scored(shipped, tmp_path, with_column(shipped.table, "user", users), suffix, hold=hold)
    assert not (tmp_path / "scored.parquet").exists()


def test_rows_are_numbered_where_that_is_asked_for(shipped, tmp_path):
    table = shipped.table.drop_columns(["user"])
    numbered, _ = scored(shipped, tmp_path, table, number_rows=True)
    assert numbered["row"].to_pylist() == list(range(600))
    assert "user" not in numbered.column_names
    by_id, _ = scored(shipped, tmp_path, shipped.table)
    assert numbered["score"].equals(by_id["score"])


def test_what_is_missing_or_unseen_is_counted_and_said(shipped, tmp_path, caplog):
    codes = ["99999"] * 400 + shipped.table["code"].to_pylist()[400:]
    table = with_column(shipped.table, "code", codes)
    table = with_column(table, "age", [None] * 301 + [0.5] * 299)
    table = with_column(table, "shop", ["900"] * 6 + shipped.table["shop"].to_pylist()[6:])
    _, said = scored(shipped, tmp_path, table)
    assert (said["missing"]["age"], said["unseen"]["code"], said["unknown"]) == (
        301,
        400,
        {"shop": 6},
    )
    assert said["missing"]["plan_name"] == 200
    assert said["unseen"]["plan_name"] == 0
    assert len(said["cautions"]) == 3
    for words in (
        "50% of the units have no 'age'",
        "67% of .* a level of 'code'",
        "1.0% .* 'shop'",
    ):
        assert any(re.search(words, sentence) for sentence in said["cautions"])
    assert caplog.text.count("units.parquet") == 3


def test_a_gap_that_the_log_did_not_know_is_said(shipped, tmp_path):
    age = [None] * 6 + shipped.table["age"].to_pylist()[6:]
    _, said = scored(shipped, tmp_path, with_column(shipped.table, "age", age))
    assert said["cautions"] == [
        "1.00% of the units have no 'age', as every row of the log had: its mean there stands in"
    ]


@pytest.mark.parametrize("how", ["frame", "held", "batches", "small batches", "snapshot"])
def test_frames_and_streams_are_counted_as_files_are(shipped, how):
    """What is most of a column is warned of once, with the counts that a file gives."""
    table = with_column(shipped.table, "age", [None] * 301 + [0.5] * 299)
    table = with_column(table, "code", ["99999"] * 400 + table["code"].to_pylist()[400:])
    stream = table.to_batches(max_chunksize=600 if how != "small batches" else 7)
    scorer = shipped.scorer
    ways = {
        "frame": lambda: scorer.assign(table),
        "held": lambda: scorer.rebudget(table),
        "snapshot": lambda: list(score_batches(shipped.folder, stream)),
    }
    with pytest.warns(UnitsWarning) as said:
        ways.get(how, lambda: list(scorer.batches(stream)))()
    texts = [str(warning.message) for warning in said]
    share = "100%" if how == "small batches" else "50%"
    assert [text for text in texts if f"{share} have no 'age'" in text] == texts[:1]
    assert len(texts) == 2
    assert "have a level of 'code' that no row of the log had" in texts[1]


def test_units_held_by_batches_are_held_whole(shipped):
    """To the same bits, in the same order; no units are none."""
    scorer, table = shipped.scorer, shipped.table
    whole = scorer.rebudget(table)
    for size in (7, 250):
        batches = table.to_batches(max_chunksize=size)
        held = scorer.hold(batches, UnitCounts(scorer.units))
        assert pa.Table.from_batches(held).equals(whole)
    assert scorer.rebudget(table.slice(0, 0)).num_rows == 0
    assert list(scorer.hold([], UnitCounts(scorer.units))) == []


def test_counts_take_no_memory_of_the_units(shipped):
    counts = UnitCounts(shipped.scorer.units)
    size = None
    for _ in range(20):
        counts.read(shipped.table)
        size = size or len(pickle.dumps(vars(counts)))
        assert len(pickle.dumps(vars(counts))) < size + 100
    assert counts.units == 20 * len(shipped.table)


def test_a_column_of_no_label_of_the_log_is_refused(shipped, tmp_path):
    table = with_column(
        shipped.table, "shop", [str(int(s)) for s in shipped.table["shop"].to_pylist()]
    )
    with pytest.raises(
        InputError, match="group 'shop' must have labels of the log; got none in 600"
    ):
        scored(shipped, tmp_path, table)


def test_one_unit_may_lack_a_value(shipped):
    unit = {name: pa.nulls(1) for name in FEATURES} | {"user": ["u"], "shop": ["000"]}
    assert shipped.scorer.assign(unit).num_rows == 1
