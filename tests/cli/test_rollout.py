"""`equipoise rollout start | next | status | back`: words, JSON and exit codes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

PLAN = """[log]
path = "log.parquet"
treatment = "strategy"
outcomes = ["y"]
time = "day"
group = "user"
[rollout]
base = "base"
seeds = ["a", "b"]
batches = 1
every_days = 2
stay = 2
then = [1]
"""


def test_from_start_to_status(equipoise, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    pq.write_table(pa.table({"user": [f"u{i}" for i in range(60)]}), tmp_path / "users.parquet")
    out = tmp_path / "out"
    said = equipoise(
        "rollout", "start", tmp_path / "plan.toml", tmp_path / "users.parquet",
        "--day", "2026-11-02", "--out", out,
    )  # fmt: skip
    assert said.code == 0
    assert "batches 1 since 2026-11-02, traffic until 2026-11-03; policy base" in said.out
    traffic = pq.read_table(out / "traffic.parquet")
    worth = {"base": 0.0, "a": 1.0, "b": 2.0}
    y = [worth[s] + (i % 7) / 10 for i, s in enumerate(traffic["strategy"].to_pylist())]
    log = pa.table({"user": traffic["unit"], "day": traffic["day"], "y": y,
                    "strategy": traffic["strategy"]})  # fmt: skip
    pq.write_table(log, tmp_path / "log.parquet")
    said = equipoise("rollout", "next", out, tmp_path / "log.parquet")
    assert said.code == 0
    assert "halving 1" in said.out
    assert "has left" in said.out
    again = equipoise("rollout", "next", out, tmp_path / "log.parquet")
    assert "nothing was changed" in again.out
    facts = json.loads(equipoise("rollout", "status", out, "--json").out)
    assert facts["running"] == ["b"]
    assert len(facts["steps"]) == 2
    said = equipoise("rollout", "back", out)
    assert said.code == 2
    assert "must have a parent" in said.line


def test_a_folder_that_is_no_rollout_is_refused(equipoise, tmp_path):
    said = equipoise("rollout", "status", tmp_path)
    assert said.code == 2
    assert "equipoise rollout start" in said.line
