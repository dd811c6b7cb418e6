"""Choices in force are matched by id, or by row where there is none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.assignments import assignments
from equipoise.core.errors import PlanError
from equipoise.data import read_log
from equipoise.pipeline.study.previous import previous_choice
from equipoise.treatments import Dose

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


def test_an_id_that_is_called_as_a_fact_of_the_choice(tmp_path):
    table = assignments(
        pa.array([14, 12]),
        "chosen",
        np.array([0, -1]),
        np.zeros(2),
        np.ones((2, 1)),
        ("0", "1"),
    )
    assert table.column_names == ["chosen_", "chosen", "score", "expected_cost"]
    pq.write_table(table, tmp_path / "before.parquet")
    rows = pa.table(TABLE).rename_columns({"user": "chosen"})
    of_users = read_log(rows, treatment="t", outcomes="y", features=["x"], id="chosen")
    assert previous_choice(tmp_path / "before.parquet", of_users).tolist() == [-2, -1, -2, 0]


def test_doses_by_the_names_of_version_0_1_0(tmp_path):
    rows = {"t": [0, 1234567, 0, 1234567, 2e6, 2e6], "y": [1.0, 2, 3, 4, 5, 6], "x": range(6)}
    doses = read_log(
        pa.table(rows),
        treatment="t",
        outcomes={"y": "amount"},
        features=["x"],
        space=Dose(0, 2e6, levels=[1234567, 2e6]),
    )
    file = saved(tmp_path, row=[0, 1, 2], chosen=["1.23457e+06", "0", "2000000"])
    assert previous_choice(file, doses).tolist() == [0, -1, 1, -2, -2, -2]
