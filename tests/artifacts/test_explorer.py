"""The units of an explorer: a file of them answers as they do, and its dials hold what can be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.explorer_units import bound_units, explorer_units

from equipoise.artifacts import explorer as files
from equipoise.artifacts.explorer import read_explorer, write_explorer
from equipoise.artifacts.explorer_terms import answer_of, dials_of
from equipoise.core.errors import DataError


@pytest.mark.parametrize("make", [explorer_units, bound_units])
def test_a_file_answers_as_its_units(tmp_path, make):
    units = make()
    write_explorer(tmp_path / "explorer.parquet", units)
    again = read_explorer(tmp_path / "explorer.parquet")
    assert again.constraints == units.constraints
    assert again.about == units.about
    there = answer_of(again.explorer().point(again.weights, again.start()))
    here = answer_of(units.explorer().point(units.weights, units.start()))
    assert there["bound"] == pytest.approx(here["bound"], rel=1e-6)
    assert there["counts"] == pytest.approx(here["counts"], abs=2)
    assert there["values"]["spend"] == pytest.approx(here["values"]["spend"], rel=0.02)
    assert dials_of(again, again.explorer()) == dials_of(units, units.explorer())


def test_of_many_units_a_sample_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST", 500)
    write_explorer(tmp_path / "explorer.parquet", explorer_units(600))
    again = read_explorer(tmp_path / "explorer.parquet")
    assert (len(again), again.of) == (500, 600)


def test_dials_hold_their_start_and_what_can_be():
    units = bound_units()
    dials = {dial["name"]: dial for dial in dials_of(units, units.explorer())}
    assert [name for name in dials if name.startswith("parity")] == []
    for dial in dials.values():
        assert dial["low"] < dial["high"]
        assert dial["start"] is None or dial["low"] <= dial["start"] <= dial["high"]
        assert 20 <= (dial["high"] - dial["low"]) / dial["step"] <= 1000
    values = units.effects.values[:, :, 0]
    reach = np.maximum(np.where(units.eligible, values, 0).max(axis=1), 0).mean()
    assert reach <= dials["floor of visit"]["high"] <= reach + dials["floor of visit"]["step"]
    assert dials["spend"]["low"] < 0 == dials["spend"]["high"]  # less of it is better


def test_another_file_is_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="have format 1"):
        read_explorer(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="be a readable Parquet file"):
        read_explorer(tmp_path / "none.parquet")
