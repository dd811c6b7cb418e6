"""Policies given as tables of probabilities, valued on the log of a deployed policy."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import equipoise as eq
from equipoise.cli.app import app
from equipoise.core.errors import InputError, LogError
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.target_policies import target_probabilities, value_targets

ITEMS = 5
RATES = np.array([[0.05, 0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1, 0.05]])  # by slot and item


def bandit(rows=6_000, seed=0):
    """Items drawn by slot and by a feature, with the probability of the one drawn alone."""
    rng = np.random.default_rng(seed)
    slot, x = rng.integers(0, 2, rows), rng.normal(size=rows)
    scores = np.outer(x, np.linspace(-1, 1, ITEMS)) + slot[:, None] * np.linspace(0.5, -0.5, ITEMS)
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    item = (p.cumsum(axis=1) < rng.random(rows)[:, None]).sum(axis=1)
    click = (rng.random(rows) < RATES[slot, item]).astype(np.int64)
    own = p[np.arange(rows), item]
    return pa.table({"slot": slot, "x": x, "item": item, "click": click, "pscore": own})


ROLES = {"treatment": "item", "outcomes": ["click"], "features": ["slot", "x"]}
ARMS = ",".join(map(str, range(ITEMS)))


def log_of(table, **roles):
    named = {"action_propensity": "pscore"} | roles
    return eq.read_log(table, space=eq.Arms(list(range(ITEMS))), **ROLES, **named)


def by_slot():
    """Mostly the best item of each slot."""
    p = np.full((2, ITEMS), 0.1)
    p[0, 4] = p[1, 0] = 0.6
    return p


def wide(p):
    return pa.table({"slot": [0, 1], **{str(a): p[:, a] for a in range(ITEMS)}})


def test_a_table_says_for_which_rows_it_is():
    table, p = bandit(300), by_slot()
    log = log_of(table)
    slot = table["slot"].to_numpy()
    np.testing.assert_array_equal(target_probabilities(wide(p), log), p[slot])
    long = pa.table(
        {
            "probability": p.ravel(),
            "item": np.tile(np.arange(ITEMS), 2),
            "slot": np.repeat([0, 1], ITEMS),
        }
    )
    np.testing.assert_array_equal(target_probabilities(long, log), p[slot])
    everywhere = pa.table({str(a): [p[0, a]] for a in range(ITEMS)})
    np.testing.assert_array_equal(target_probabilities(everywhere, log), np.tile(p[0], (300, 1)))
    each = pa.table({str(a): p[slot, a] for a in range(ITEMS)})
    np.testing.assert_array_equal(target_probabilities(each, log), p[slot])
    best = pa.table({"item": [4], "probability": [1.0]})
    np.testing.assert_array_equal(target_probabilities(best, log), np.eye(ITEMS)[[4] * 300])


def test_values_hold_the_truth_by_every_method(tmp_path):
    pq.write_table(wide(by_slot()), tmp_path / "new.parquet")
    plan = make_plan({"log": {"path": "none.parquet", "treatment": "item", "outcomes": ["click"]}})
    truth = (by_slot() * RATES).sum(axis=1).mean()
    z = {"dr": [], "snips": [], "ips": []}
    for seed in range(3):
        found = value_targets(plan, log_of(bandit(seed=seed)), {"new": tmp_path / "new.parquet"})
        for row in found["policies"]:
            value, low, high = row["value"]
            z[row["method"]].append((value - truth) / ((high - low) / 3.92))
            gain = row["less_logged"]
            assert gain[1] > 0  # surely better than what was in force
    for method, each in z.items():
        assert np.abs(each).max() < 3, method
        assert abs(np.mean(each)) < 1.8, method
    assert found["support"][0]["mean_weight"] == pytest.approx(1, abs=0.1)


def test_the_command_line(tmp_path):
    log, new, even = (tmp_path / f"{name}.parquet" for name in ("log", "new", "even"))
    pq.write_table(bandit(1_500), log)
    pq.write_table(wide(by_slot()), new)
    pq.write_table(pa.table({str(a): [1 / ITEMS] for a in range(ITEMS)}), even)
    command = ["evaluate", str(log), "-t", "item", "-y", "click", "-x", "slot", "-x", "x"]
    command += ["--action-propensity", "pscore", "-p", str(even), "-p", f"best={new}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "The log's own policy: click" in done.output
    assert "less the first" in done.output
    done = CliRunner().invoke(app, [*command, "-m", "snips", "--json"])
    found = json.loads(done.stdout)
    assert [row["policy"] for row in found["policies"]] == ["even", "best"]
    assert found["policies"][1]["less_first"][1] > 0
    for wrong, says in (
        (["evaluate", str(log)], "be given effects and a log"),
        (["evaluate", str(log), str(log), "-p", str(new)], "be given one log"),
        ([*command, "-p", str(new), "-p", str(new)], "have different names"),
        ([*command, "-m", "magic"], "be one of dr, snips, ips"),
    ):
        refused = CliRunner().invoke(app, wrong)
        assert says in str(refused.exception), wrong


def test_a_run_learns_the_other_probabilities_and_judges_by_the_logged(tmp_path):
    pq.write_table(bandit(2_000), tmp_path / "log.parquet")
    plan = make_plan(
        {
            "log": {"path": "log.parquet", **ROLES, "action_propensity": "pscore"},
            "space": {"kind": "arms", "labels": list(range(ITEMS))},
            "estimator": {"name": "t-learner", "params": {"outcome_model": {"n_estimators": 10}}},
        },
        base=tmp_path,
    )
    from equipoise.pipeline.study.study import make_study

    study = make_study(plan)
    own = study.design.propensity[np.arange(2_000), study.log.cells]
    np.testing.assert_allclose(own, study.log.own_propensity)
    np.testing.assert_allclose(study.design.propensity.sum(axis=1), 1)


def test_bad_tables_and_roles():
    table = bandit(300)
    log, p = log_of(table), by_slot()
    with pytest.raises(InputError, match="column '7' of the policy must be an arm, or a column"):
        target_probabilities(pa.table({"7": [1.0]}), log)
    with pytest.raises(InputError, match="have 1 row, or 300 as the log"):
        target_probabilities(pa.table({"0": [1.0, 1.0]}), log)
    with pytest.raises(InputError, match="have one row per slot"):
        target_probabilities(pa.concat_tables([wide(p), wide(p)]), log)
    with pytest.raises(InputError, match="a row for every row of the log; got none for slot"):
        target_probabilities(wide(p).slice(0, 1), log)
    twice = pa.table({"item": [4, 4], "probability": [0.5, 0.5]})
    with pytest.raises(InputError, match="name each arm once"):
        target_probabilities(twice, log)
    broken = table.set_column(4, "pscore", pa.array(np.zeros(300)))
    with pytest.raises(LogError, match=r"column 'pscore' must lie in \(0, 1\]"):
        log_of(broken)
    with pytest.raises(LogError, match="design must be left out where action_propensity"):
        log_of(table, design="shares")
