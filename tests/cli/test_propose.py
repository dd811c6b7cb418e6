"""`equipoise propose`: new schedules, the shortlist, and claims, in words and as JSON."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PLAN = """[log]
path = "log.parquet"
treatment = "strategy"
outcomes = ["y"]
[space]
kind = "schedule"
menu = "menu.csv"
[search]
tries = 20
take = 2
check = 2
way = "random"
"""


@pytest.fixture
def plan(tmp_path):
    totals = np.linspace(0.4, 2.8, 8)
    menu = "name,total,count,interval\nbase,0.2,2,4\n"
    menu += "".join(f"s{k},{t},{1 + k % 4},2\n" for k, t in enumerate(totals))
    (tmp_path / "menu.csv").write_text(menu)
    (tmp_path / "plan.toml").write_text(PLAN)
    rng = np.random.default_rng(0)
    for name in ("log", "fresh"):
        s = np.repeat(np.arange(9), 50)
        y = np.r_[0.2, totals][s] + rng.normal(size=450)
        table = pa.table({"strategy": np.array(["base", *(f"s{k}" for k in range(8))])[s], "y": y})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path / "plan.toml"


def test_what_it_says(equipoise, plan):
    log, out = plan.parent / "log.parquet", plan.parent / "out"
    said = equipoise("propose", plan, log, "--out", out)
    assert said.code == 0
    assert "A surrogate's value is no estimate" in said.out
    assert (out / "menu.csv").read_text().startswith("name,total,count,interval")
    said = equipoise("propose", plan, log, "--check")
    assert "claims need fresh traffic" in said.out
    claims = json.loads(
        equipoise("propose", plan, log, "--fresh", plan.parent / "fresh.parquet", "--json").out
    )
    assert len(claims) == 8
    said = equipoise("propose", plan, log, "--check", "--fresh", plan.parent / "fresh.parquet")
    assert said.code == 2
    assert "one thing" in said.line
