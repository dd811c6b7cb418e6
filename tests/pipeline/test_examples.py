"""The examples run as they stand, and their figures are what the data's publishers lead us to
expect.
"""

from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data import fetch_hillstrom, make_exposure_world
from equipoise.pipeline import run
from equipoise.pipeline.plan.read import read_plan
from equipoise.pipeline.plan.schema import LogPlan

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_voucher_example(tmp_path):
    findings = run(read_plan(EXAMPLES / "voucher.toml"), tmp_path / "out")
    assert findings["experiment"]["rows"] == 2834
    assert {average["candidate"]: average["effect"][0] for average in findings["averages"]}[
        "0.95 USD"
    ] == pytest.approx(0.43, abs=0.05)
    budget = findings["policy"]["demands"][0]
    assert budget["used"] <= budget["bound"] == pytest.approx(0.60)
    policy = findings["rivals"][0]
    assert policy["values"]["got"][1] > 0.25  # anything at all makes people come
    assert policy["spend"][1] < 0.60 < 1.05 * policy["spend"][2]
    assert {group["group"] for group in findings["policy"]["groups"]} == {
        "negative",
        "positive",
        "indeterminate",
    }


def test_the_hillstrom_example_on_fewer_rows(tmp_path):
    try:
        fetch_hillstrom(download_if_missing=False)
    except DataError:
        pytest.skip("hillstrom is not on this machine")
    plan = read_plan(EXAMPLES / "hillstrom.toml")
    plan = plan.model_copy(update={"log": LogPlan(dataset="hillstrom", sample=8_000)})
    findings = run(plan, tmp_path / "out")
    assert findings["experiment"]["rows"] == 8_000
    demands = {row["name"]: row for row in findings["policy"]["demands"]}
    assert demands["budget"]["used"] <= 0.05
    assert demands["floor of spend"]["used"] >= 0.30
    assert len(findings["averages"]) == 2 * 3
    assert len(findings["tradeoff"]) > 4


def test_a_month_of_packets(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("packets", EXAMPLES / "packets.py")
    packets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packets)
    policy = packets.month(tmp_path, n=450, days=16)
    said = capsys.readouterr().out
    assert policy == "base"  # sixteen days replace nothing
    assert "batch 2 of 2 joins" in said
    for name in ("packets-policy/report.html", "packets-watched/monitor.html",
                 "packets-rollout/rollout.html"):  # fmt: skip
        assert (tmp_path / name).exists()
    plan = read_plan(EXAMPLES / "packets.toml")
    assert plan.job == "targeting"


def test_the_quickstart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "quickstart.py"), run_name="__main__")
    said = capsys.readouterr()
    assert "more of 100 people come" in said.out
    assert said.err == ""
    lines = [
        line for line in (EXAMPLES / "quickstart.py").read_text().splitlines()[1:] if line.strip()
    ]
    assert len(lines) <= 10


def test_the_strata_of_hillstrom(tmp_path):
    """Shares are of all 42,613 rows of two arms; no one buys without a visit, so never-takers are
    none.  A tenth of the trees: shares are means of scores whatever they learnt.
    """
    try:
        fetch_hillstrom(download_if_missing=False)
    except DataError:
        pytest.skip("hillstrom is not on this machine")
    text = re.sub(
        r"n_estimators = (\d+)0,",
        r"n_estimators = \1,",
        (EXAMPLES / "hillstrom_strata.toml").read_text(),
    )
    (tmp_path / "plan.toml").write_text(text)
    findings = run(read_plan(tmp_path / "plan.toml"), tmp_path / "out")["strata"]
    shares = {row["stratum"]: row["share"] for row in findings["shares"]}
    assert (findings["rows"], findings["left_out"], findings["unoffered"]) == (
        42_613,
        21_387,
        2_262,
    )
    assert shares["never_taker"][0] == pytest.approx(0, abs=1e-4)
    assert shares["coupon_taker"][0] == pytest.approx(3627 / 21_307, abs=0.002)
    assert shares["coupon_buyer"][0] == pytest.approx(267 / 21_307 - 122 / 21_306, abs=5e-4)
    assert shares["always_buyer"][0] == pytest.approx(122 / 21_306, abs=3e-4)
    assert findings["assumptions"][3]["status"] == "note"


def test_the_supply_example_on_fewer_users(tmp_path):
    """The plan as it stands but for its place, its clusters and folds, which 1,500 users are too
    few for; all of them are one, as curves of two clusters keep the integer program busy for most
    of a minute.
    """
    world = make_exposure_world(1500, seed=0)
    pq.write_table(world.log().table, tmp_path / "log.parquet")
    text = (
        (EXAMPLES / "supply.toml")
        .read_text()
        .replace("../runs/exposure/log.parquet", "log.parquet")
    )
    plan = tmp_path / "plan.toml"
    text = re.sub("clusters = .*\ncount = 12", 'clusters = "none"', text)
    plan.write_text(text.replace("folds = 3", "folds = 2"))
    findings = run(read_plan(plan), tmp_path / "out")
    assert set(findings["whole"]) == {"shares", "vector", "binary", "today's mean mix"}
    assert findings["whole"]["shares"]["skips"][0] < 0  # the floor of skips
    used = {demand["demand"]: demand for demand in findings["demands"]}
    assert len(used) == 21
    assert all(demand["used"] <= demand["bound"] + 1e-6 for demand in used.values())
