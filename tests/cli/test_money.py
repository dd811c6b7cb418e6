"""Money from the plan to every verb: observed costs beside claims, sending, worth, population."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = { sale = { kind = "binary", worth = 10 } }
features = ["x0", "x1"]
claimed = "claimed"
cost = "paid"
design = [0.5, 0.5]
id = "user"
[space]
kind = "arms"
labels = ["none", "promo"]
[estimator]
name = "t-learner"
params = { outcome_model = { n_estimators = 20, num_leaves = 4, min_child_samples = 100 } }
[policy]
cost = "paid"
sending = 0.05
[report]
currency = "EUR"
population = 50000
[run]
out = "out"
"""


def rows(n=4000, seed=0):
    """A promotion that sells to those with x1 > 0 alone, of whom who claims costs .2."""
    rng = np.random.default_rng(seed)
    x, sent = rng.standard_normal((n, 2)), rng.integers(0, 2, n)
    sale = rng.random(n) < 0.05 + 0.1 * sent * (x[:, 1] > 0)
    claimed = (sent == 1) & (rng.random(n) < 0.5)
    return pa.table(
        {
            "user": [f"u{i}" for i in range(n)],
            "arm": np.where(sent, "promo", "none"),
            "sale": sale.astype(int),
            "x0": x[:, 0],
            "x1": x[:, 1],
            "claimed": claimed.astype(int),
            "paid": np.where(claimed, 0.2, 0.0),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("money")
    pq.write_table(rows(), folder / "log.parquet")
    pq.write_table(rows(500, 1).select(["user", "x0", "x1"]), folder / "new.parquet")
    (folder / "plan.toml").write_text(PLAN)
    return folder


def test_money_goes_the_whole_way(equipoise, folder):
    said = equipoise("check", folder / "plan.toml")
    assert "The objective is in EUR, net of cost: 10 x sale - cost." in " ".join(said.out.split())
    assert equipoise("run", folder / "plan.toml", "--quiet").out.startswith("Do it: net of cost")
    findings = json.loads((folder / "out" / "metrics.json").read_text())
    assert findings["people"] == 50_000
    assert findings["verdict"] == "do it"
    chosen = findings["rivals"][0]
    value, cost, net = chosen["values"]["sale"][0], chosen["spend"][0], chosen["values"]["net"]
    assert net[0] == pytest.approx(10 * value - cost)
    assert cost == pytest.approx(0.15 * chosen["treated"], rel=0.2)  # .05, and .2 for every other
    assert 0.4 < chosen["treated"] < 0.7
    assert f"{50_000 * net[0]:,.0f}" in findings["answers"][1]["sentences"][0]
    score = ("score", folder / "out" / "policy", folder / "new.parquet")
    where = ("--journal", folder / "days", "--day", "2026-11-01", "--out", folder / "a.parquet")
    assert equipoise(*score, *where).code == 0
    assigned = pq.read_table(folder / "a.parquet")
    sent = np.asarray(assigned["chosen"].to_pylist()) == "promo"
    right = (pq.read_table(folder / "new.parquet")["x1"].to_numpy() > 0) == sent
    assert right.mean() > 0.9
    assert assigned["expected_cost"].to_numpy()[sent].min() >= 0.05
    assert "every bit the same" in equipoise("replay", folder / "days", "2026-11-01").out
    held = (*score, "--hold", "--out", folder / "b.parquet")
    assert equipoise(*held).code == 0
    assert pq.read_table(folder / "b.parquet")["chosen"].equals(assigned["chosen"])
    effects = folder / "out" / "effects.parquet"
    again = equipoise("allocate", effects, folder / "plan.toml", "--out", folder / "c")
    assert "objective 10 x sale - cost" in again.out
    page = (folder / "out" / "report.html").read_text()
    assert "stops paying here" in page
    assert "Net of cost per head" in page


def test_a_cost_that_nothing_weighs_is_told_by_every_verb(equipoise, folder):
    plan = PLAN.replace(", worth = 10", "")
    (folder / "blind.toml").write_text(plan)
    told = "Nothing weighs the cost of offers"
    assert told in " ".join(equipoise("check", folder / "blind.toml").out.split())
    out = folder / "blind"
    assert told in equipoise("run", folder / "blind.toml", "--quiet", "--out", out).out
    effects = folder / "blind" / "effects.parquet"
    said = equipoise("allocate", effects, folder / "blind.toml", "--out", folder / "d")
    assert told in said.out
