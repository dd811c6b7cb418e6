"""Choices in force are matched by id, or by row where there is none."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import PlanError
from equipoise.data import read_log
from equipoise.pipeline.study.previous import previous_choice

TABLE = {"t": [0, 1, 0, 1], "y": [1.0, 2, 3, 4], "x": [1, 2, 3, 4], "user": [11, 12, 13, 14]}


def log(**roles):
    return read_log(
        pa.table(TABLE), treatment="t", outcomes={"y": "amount"}, features=["x"], **roles
    )


def saved(folder, **columns):
    pq.write_table(pa.table(columns), folder / "before.parquet")
    return folder / "before.parquet"


def test_matched_by_id_whatever_the_order(tmp_path):
    file = saved(tmp_path, user=[14, 12, 99], chosen=["1", "0", "1"])
    assert previous_choice(file, log(id="user")).tolist() == [-2, -1, -2, 0]


def test_matched_by_row_without_an_id(tmp_path):
    file = saved(tmp_path, row=[0, 2], chosen=["1", "0"])
    assert previous_choice(file, log()).tolist() == [0, -2, -1, -2]


def test_assignments_of_another_policy_are_refused(tmp_path):
    with pytest.raises(PlanError, match="'letter'.*row 1"):
        previous_choice(saved(tmp_path, row=[0, 1], chosen=["1", "letter"]), log())
    with pytest.raises(PlanError, match="column 'user'"):
        previous_choice(saved(tmp_path, row=[0, 1], chosen=["1", "0"]), log(id="user"))
