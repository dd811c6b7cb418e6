"""``equipoise init``: a plan is written once, and runs."""

from __future__ import annotations

import pyarrow.parquet as pq

from equipoise.data import make_coupon_world


def test_from_a_file_to_a_checked_plan(equipoise, tmp_path):
    log, _ = make_coupon_world(600, seed=1)
    pq.write_table(log.table, tmp_path / "log.parquet")
    plan = tmp_path / "first.toml"
    said = equipoise("init", tmp_path / "log.parquet", "-t", "arm", "-y", "visits", "-o", plan)
    assert said.code == 0, said.err
    assert "next: equipoise check" in said.out
    checked = equipoise("check", plan)
    assert checked.code in (0, 1)
    assert "600 rows" in checked.out
    again = equipoise("init", tmp_path / "log.parquet", "-o", plan)
    assert again.code == 2
    assert "the plan to write must be new" in again.err
