"""`equipoise pace`, from files to files: a day's budget lasts and is never overspent."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from equipoise.artifacts.policy import write_scorer
from equipoise.cli.app import app
from equipoise.core.errors import InputError, PlanError
from equipoise.pipeline import make_plan
from equipoise.pipeline.pacing import pace, pacer_of, seconds_of_day

PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = ["y"]
id = "user"
time = "at"
[pacing]
profile = "profile.parquet"
requests = 600
"""
HOURS = np.array([1, 1, 1, 1, 1, 2, 3, 4, 6, 8, 9, 9, 9, 8, 7, 7, 8, 9, 9, 8, 6, 4, 2, 1.0])


def written(shipped, folder, pacing="", plan=PLAN):
    """A run folder with a paced plan, its profile, and a day of requests."""
    write_scorer(folder / "run" / "policy", shipped.scorer, plan=plan + pacing)
    pq.write_table(pa.table({"share": HOURS / HOURS.sum()}), folder / "profile.parquet")
    pq.write_table(requests(shipped), folder / "requests.parquet")
    return folder / "run"


def requests(shipped, seed=0, late=1.0):
    rng = np.random.default_rng(seed)
    hour = rng.choice(24, len(shipped.table), p=HOURS / HOURS.sum())
    seconds = (hour + rng.random(len(hour)) ** late) * 3600
    at = np.datetime64("2026-11-02", "us") + (seconds * 1e6).astype("timedelta64[us]")
    return shipped.table.append_column("at", pa.array(at))


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("way", ["resolve", "pi", "price"])
def test_a_day_from_files_to_files(shipped, tmp_path, way):
    run = written(shipped, tmp_path, f'way = "{way}"\nevery = "30m"\nbudget = 60.0\n')
    said = invoke("pace", run, tmp_path / "requests.parquet", "-o", tmp_path / "out", "--json")
    assert said.exit_code == 0, said.output
    summary, paced = json.loads(said.stdout), pq.read_table(tmp_path / "out" / "paced.parquet")
    assert summary["requests"] == 600
    assert 30 < summary["spent"] <= 60.0
    assert (np.diff(paced["seconds"].to_numpy()) >= 0).all()
    assert paced["expected_cost"].to_numpy().sum() == pytest.approx(summary["spent"])
    assert summary["offers"] == pa.compute.sum(pa.compute.equal(paced["chosen"], "1")).as_py()
    slot = paced["seconds"].to_numpy() // 1800
    prices = paced["price"].to_numpy()
    assert all(len(set(prices[slot == s])) == 1 for s in np.unique(slot))
    assert (len(set(prices[np.isfinite(prices)])) == 1) == (way == "price")
    assert "Budget used against plan" in (tmp_path / "out" / "pacing.html").read_text()
    again = pace(run, tmp_path / "requests.parquet", tmp_path / "out")
    assert {"folder": str(tmp_path / "out"), **again} == summary


def test_no_day_is_overspent(shipped, tmp_path):
    for seed in range(5):
        budget = float(np.random.default_rng(seed).uniform(1, 300))
        written(shipped, tmp_path, f"budget = {budget}\n")
        pq.write_table(requests(shipped, seed, 3.0), tmp_path / "requests.parquet")
        summary = pace(tmp_path / "run", tmp_path / "requests.parquet", tmp_path / "out")
        assert summary["spent"] <= budget * (1 + 1e-12)


def test_without_a_budget_of_its_own_the_policys_holds_per_head(shipped, tmp_path):
    run = written(shipped, tmp_path)
    summary = pace(run, tmp_path / "requests.parquet", tmp_path / "out")
    assert summary["budget"] == pytest.approx(0.4 * 600)


@pytest.mark.parametrize(
    ("pacing", "match"),
    [
        ('every = "7m"', "divide a day"),
        ('every = "soon"', "be a number > 0 and a unit of time"),
        ("hard_stop = false", "be true"),
        ("budget = 0", "greater than 0"),
        ('way = "resolv"', "way"),
    ],
)
def test_a_wrong_plan_is_refused(pacing, match):
    key, value = pacing.split(" = ")
    table = {"profile": "p.parquet", "requests": 9, key: json.loads(value)}
    with pytest.raises(PlanError, match=match):
        make_plan({"log": {"dataset": "thornton"}, "pacing": table})


@pytest.mark.parametrize(
    ("shares", "match"),
    [
        ({"share": [0.5, 0.6]}, "the profile must sum to 1; got 1.1"),
        ({"share": [1.5, -0.5]}, "be shares >= 0"),
        ({"shares": [0.5, 0.5]}, "did you mean 'shares'"),
        ({"share": [0.5, 0.5], "spend": [0.5, 0.4]}, "the spend must sum to 1"),
    ],
)
def test_a_wrong_profile_is_refused(shipped, tmp_path, shares, match):
    run = written(shipped, tmp_path)
    pq.write_table(pa.table(shares), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=match):
        pace(run, tmp_path / "requests.parquet", tmp_path / "out", tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (pa.array([0, 3600]), "have times of day; got int64"),
        (pa.array([0, 0]).cast(pa.timestamp("us")), "midnight in every row"),
        (pa.array([0, 86_400_000_001]).cast(pa.timestamp("us")), "be of one day; got 2 days"),
        (pa.array([5, None]).cast(pa.timestamp("us")), "be there in every row; got none at row 1"),
        (pa.array([1, 2], pa.int32()).cast(pa.date32()), "have times of day; got date32"),
    ],
)
def test_what_is_no_time_of_day_is_refused(at, match):
    with pytest.raises(InputError, match=match):
        seconds_of_day(pa.chunked_array([at]), "at")


def test_a_plan_without_pacing_cannot_be_paced(shipped):
    with pytest.raises(PlanError, match=r"have \[pacing\]"):
        pacer_of(make_plan({"log": {"dataset": "thornton"}}), shipped.scorer.policy)


def test_requests_without_a_time_are_refused(shipped, tmp_path):
    run = written(shipped, tmp_path, plan=PLAN.replace('time = "at"\n', ""))
    with pytest.raises(PlanError, match="have a column of times"):
        pace(run, tmp_path / "requests.parquet", tmp_path / "out")
    written(shipped, tmp_path, plan=PLAN.replace('"at"', '"when"'))
    with pytest.raises(InputError, match="time 'when' must be a column"):
        pace(run, tmp_path / "requests.parquet", tmp_path / "out")
