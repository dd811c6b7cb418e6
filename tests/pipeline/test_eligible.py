"""A run of a log with closed arms: nobody gets what is closed, and the value is honest."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from fixtures.closed_arms import ARMS, closed_columns, closed_log
from sklearn.linear_model import LinearRegression

from equipoise.artifacts.batch import score_file
from equipoise.core.errors import InputError
from equipoise.estimators import DRLearner
from equipoise.pipeline.jobs import run
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import cross_fit_effects
from equipoise.pipeline.study.honest import honest_policy

ROLES = {
    "propensity": {"propensity": ["p0", "pa", "pb"]},
    "column": {"eligible": {"b": "b_open"}, "design": "shares"},
    "list": {"eligible": "arms", "design": [0.4, 0.3, 0.3]},
}


def closed_given(file, columns):
    chosen = np.array(pq.read_table(file)["chosen"].to_pylist())
    assert (chosen == "b").any()
    return int(((chosen == "b") & ~columns["b_open"]).sum())


@pytest.mark.parametrize("role", ["propensity", "column"])
def test_nobody_gets_what_is_closed_by_run_and_by_score(role, tmp_path):
    columns, new = closed_columns(0, n=600), closed_columns(1, n=300)
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    log = {"path": "log.parquet", "treatment": "arm", "outcomes": ["y"], "features": ["x"]}
    tables = {
        "log": log | {"id": "id"} | ROLES[role],
        "space": {"kind": "arms", "labels": list(ARMS.labels)},
        "estimator": {"name": "t-learner"},
        "policy": {"cost": 1.0, "budget": {"per_head": 0.3}},
        "report": {"budgets": [0.3]},
        "run": {"folds": 2},
    }
    findings = run(make_plan(tables, base=tmp_path), tmp_path / "run")
    assert closed_given(tmp_path / "run" / "assignments.parquet", columns) == 0
    treated = {row["policy"]: row["treated"] for row in findings["rivals"]}
    assert treated["everybody: b"] == pytest.approx(columns["b_open"].mean())
    assert any(check["name"] == "eligibility" for check in findings["experiment"]["checks"])
    units = pa.table(new).drop_columns(["arms"])
    pq.write_table(units, tmp_path / "new.parquet")
    pa_csv.write_csv(units, tmp_path / "new.csv")
    for hold in (False, True):
        for form in ("parquet", "csv"):
            out = tmp_path / f"{form}{hold}.parquet"
            score_file(tmp_path / "run" / "policy", tmp_path / f"new.{form}", out, hold=hold)
            assert closed_given(out, new) == 0
        same = [pq.read_table(tmp_path / f"{form}{hold}.parquet") for form in ("parquet", "csv")]
        assert same[0].equals(same[1])
    pq.write_table(units.drop_columns(["pb", "b_open"]), tmp_path / "without.parquet")
    with pytest.raises(InputError, match="eligibility column 'p?b.*among the units' columns"):
        score_file(
            tmp_path / "run" / "policy", tmp_path / "without.parquet", tmp_path / "x.parquet"
        )


@pytest.mark.parametrize("role", ROLES)
def test_the_value_is_honest_over_seeds(role):
    inside = 0
    for seed in range(6):
        columns = closed_columns(seed, n=600)
        log = closed_log(columns, **ROLES[role])
        effects = cross_fit_effects(log, DRLearner(LinearRegression(), LinearRegression()))
        policy = honest_policy(log, effects, cost=1.0, paid="always", budget=0.3)
        choice, x = policy.choice, columns["x"]
        assert not ((choice == 1) & ~columns["b_open"]).any()
        true = np.where(choice == 0, 0.5, np.where(choice == 1, 2 + x, 0.0)).mean()
        value, low, high = policy.values["y"]
        inside += low <= true <= high
    assert inside >= 5  # of 6, at 95 %


def test_propensities_that_close_what_the_log_does_not():
    columns = closed_columns(0, n=300)
    log = closed_log(columns, design="shares")
    effects = cross_fit_effects(log, DRLearner(LinearRegression(), LinearRegression()))
    p = np.column_stack([columns[name] for name in ("p0", "pa", "pb")])
    with pytest.raises(InputError, match="be 0 where the log says"):
        honest_policy(log, effects, propensity=p, cost=1.0)
