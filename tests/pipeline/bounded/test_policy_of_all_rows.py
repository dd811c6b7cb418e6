"""What a policy names is of all rows: a group of which the sample has none, a column of costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.policy import read_scorer
from equipoise.core.errors import InputError, PlanError
from equipoise.core.roles import Roles
from equipoise.pipeline import make_plan, run
from equipoise.pipeline.bounded import run as bounded
from equipoise.pipeline.bounded.keys import SAMPLE, unit_draws
from equipoise.pipeline.plan.schema import Plan

N, LEARN = 2_000, 500


@pytest.fixture(scope="module")
def columns() -> dict:
    rng = np.random.default_rng(0)
    arm, x = rng.integers(0, 2, N), rng.normal(size=N)
    sale = rng.random(N) < 0.3 + 0.2 * arm * (x > 0)
    town = np.array(["north", "south"])[rng.integers(0, 2, N)]
    columns = {"user": np.arange(N), "arm": arm, "x": x, "sale": sale.astype(int), "town": town}
    roles = Roles("arm", (), (), id="user")
    draws = unit_draws(pa.table({"user": columns["user"]}), roles, 0, SAMPLE)
    judged = np.flatnonzero(draws >= LEARN / N)
    town[judged[np.argsort(-x[judged])[:3]]] = "isle"
    return columns


def plan_of(folder, columns, protected=("town",), **policy) -> Plan:
    pq.write_table(pa.table(columns), folder / "log.parquet", row_group_size=500)
    log: dict[str, Any] = {
        "path": "log.parquet",
        "treatment": "arm",
        "outcomes": {"sale": "binary"},
    }
    log |= {"features": ["x"], "protected": list(protected), "id": "user", "design": [0.5, 0.5]}
    tables: dict[str, Any] = {
        "log": log,
        "policy": {"cost": 1.0, **policy},
        "report": {"explorer": False},
    }
    params = {"outcome_model": {"n_estimators": 5, "num_leaves": 4}}
    tables["estimator"] = {"name": "t-learner", "params": params}
    tables["run"] = {"folds": 2, "learn_rows": LEARN}
    return make_plan(tables, base=folder)


def test_its_budget_holds_and_its_limit_closes(columns, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 1_000)
    budgets = [{"column": "town", "group": "isle", "total": 2.0}]
    limits = [{"column": "town", "group": "north", "most": 0.5}]
    plan = plan_of(tmp_path, columns, group_budgets=budgets, limits=limits)
    findings = run(plan, tmp_path / "out")
    (row,) = findings["policy"]["demands"]
    assert (row["name"], row["bound"]) == ("budget of town = isle", pytest.approx(2 / 3))
    assert row["used"] <= 2 / 3
    chosen = read_scorer(tmp_path / "out" / "policy").decided(pa.table(columns)).choice >= 0
    assert chosen[columns["town"] == "isle"].sum() <= 2
    assert chosen[columns["town"] == "south"].mean() > 0.3
    assert not chosen[columns["town"] == "north"].any()


START = {"column": "days", "until": 7.0, "factor": 2.0, "half_life_days": 3.0}


@pytest.mark.parametrize(
    ("name", "value", "policy", "text"),
    [
        ("price", -1.0, {"cost": "price"}, "cost column 'price' must be a finite amount.*row"),
        ("days", np.nan, {"start": START}, "tenure in 'days' must be finite.*row"),
    ],
)
def test_columns_of_the_policy_are_checked_before_anything_is_learnt(
    columns, tmp_path, monkeypatch, name, value, policy, text
):
    monkeypatch.setattr(bounded, "PARTITION", 1_000)
    pay = np.where(np.arange(N) == N - 7, value, 1.0)
    plan = plan_of(tmp_path, columns | {name: pay}, protected=["town", name], **policy)
    steps: list[str] = []
    with pytest.raises(InputError, match=f"{text} {N - 7}"):
        run(plan, tmp_path / "out", progress=lambda what, *_: steps.append(what))
    assert set(steps) <= {"sample", "checks"}


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (
            {"group_budgets": [{"column": "town", "group": "east", "total": 2.0}]},
            "one of north, south;",
        ),
        ({"limits": [{"column": "town", "group": "west", "most": 1.0}]}, "one of north, south;"),
        ({"limits": [{"column": "zip", "group": "west", "most": 1.0}]}, "protected = .'zip'"),
    ],
)
def test_a_group_of_no_row_is_refused_and_nothing_stays(columns, tmp_path, policy, text):
    with pytest.raises(PlanError, match=text):
        run(plan_of(tmp_path, columns, **policy), tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.parquet"]
