"""`equipoise monitor`: words, JSON and the exit code."""

import json

import pyarrow.parquet as pq
import pytest
from fixtures.daily_logs import PLAN, a_log


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def test_a_quiet_log_exits_with_0(equipoise, plan, tmp_path):
    pq.write_table(a_log(), tmp_path / "log.parquet")
    said = equipoise("monitor", plan, tmp_path / "log.parquet", "--out", tmp_path / "out")
    assert said.code == 0
    assert "54,000 rows of 45 days, 2026-09-01 to 2026-10-15" in said.out
    assert "All is quiet." in said.out
    assert (tmp_path / "out" / "monitor.html").exists()


def test_an_alarm_exits_with_1_in_words_and_as_json(equipoise, plan, tmp_path):
    pq.write_table(a_log(drop=0.15), tmp_path / "log.parquet")
    asked = (plan, tmp_path / "log.parquet", "--out", tmp_path / "out")
    said = equipoise("monitor", *asked)
    assert said.code == 1
    assert "Alarm: The effect of late on back changed from" in said.out
    said = equipoise("monitor", *asked, "--json")
    assert said.code == 1
    assert [alarm["what"] for alarm in json.loads(said.out)["alarms"]] == ["effect"]


def test_a_wrong_column_exits_with_2(equipoise, plan, tmp_path):
    pq.write_table(a_log().drop_columns(["back"]), tmp_path / "log.parquet")
    said = equipoise("monitor", plan, tmp_path / "log.parquet", "--out", tmp_path / "out")
    assert said.code == 2
    assert "'back' must be in the log" in said.line
