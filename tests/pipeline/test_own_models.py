"""[[policy.limits]] model = "own": a group's effects come from a model of its rows alone, in the
run, in what ships, and beside the shared model in the report.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from equipoise.artifacts.model import read_model
from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.cli.app import app
from equipoise.core.errors import EquipoiseError, PlanError, SnapshotError
from equipoise.core.snapshot import read_snapshot, write_snapshot
from equipoise.data import read_log
from equipoise.estimators import BoostedTrees, LinearDML, TLearner
from equipoise.pipeline import honest_policy
from equipoise.pipeline.study.cross_fit import cross_fit, fit_model, log_folds
from equipoise.treatments import Arms

N = 1200
COST = {"1": 1.0, "5": 5.0}
OWN = {"column": "minor", "group": "yes", "most": 2.0, "model": "own"}
TEEN = {"column": "teen", "group": "1", "model": "own"}
PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = ["y"]
features = ["age", "teen"]
protected = ["minor"]
id = "user"
[space]
kind = "arms"
labels = ["0", "1", "5"]
[estimator]
name = "t-learner"
params = { outcome_model = { n_estimators = 8, min_child_samples = 5 } }
[policy]
cost = { 1 = 1.0, 5 = 5.0 }
budget = { per_head = 2.0 }
limits = [
  { column = "minor", group = "yes", most = 2.0, model = "own" },
  { column = "teen", group = "1", model = "own" },
]
[run]
folds = 2
"""


def a_log(n=N, seed=0) -> pa.Table:
    """The small offer works for minors only, by nothing that the features tell."""
    rng = np.random.default_rng(seed)
    arm, minor, age = rng.integers(0, 3, n), rng.random(n) < 0.4, rng.random(n)
    gain = np.array([0.0, 0.0, 1.0])[arm] + np.where(minor, np.array([0.0, 1.0, 0.0])[arm], 0)
    return pa.table(
        {
            "user": [f"u{i}" for i in range(n)],
            "arm": np.array(["0", "1", "5"])[arm],
            "minor": np.where(minor, "yes", "no"),
            "teen": (rng.random(n) < 0.3).astype(np.int64),
            "age": age,
            "y": gain * (0.5 + age) + 0.5 * rng.normal(size=n),
        }
    )


def log_of(table):
    return read_log(table, treatment="arm", outcomes="y", features=["age", "teen"], id="user",
                    protected="minor", space=Arms(["0", "1", "5"], control="0"))  # fmt: skip


def trees():
    return TLearner(BoostedTrees(8, min_child_samples=5))


def learn(limits, estimator=None, table=None, **more):
    log = log_of(a_log() if table is None else table)
    return honest_policy(log, estimator or trees(), cv=2, limits=limits, cost=COST, budget=2.0,
                         **more)  # fmt: skip


def is_minor(table):
    return np.array(table["minor"].to_pylist()) == "yes"


def test_a_group_has_the_effects_of_a_model_of_its_rows():
    table, log = a_log(), log_of(a_log())
    fold, minor = log_folds(log, 2, 0), is_minor(a_log())
    fit = cross_fit(log, trees(), fold, own=[("minor", "yes")])
    plain = cross_fit(log, trees(), fold)
    assert (fit.effects.values[~minor] == plain.effects.values[~minor]).all()
    assert fit.shared is not None
    assert (fit.shared.values == plain.effects.values).all()
    for f in (0, 1):
        alone = fit_model(log.take(np.flatnonzero((fold != f) & minor)), trees())
        rows = np.flatnonzero((fold == f) & minor)
        by_hand = alone.effects(table.take(pa.array(rows)))
        assert (by_hand.values == fit.effects.values[rows]).all()
    assert fit.effects.values[minor, 0].mean() > 0.8
    assert plain.effects.values[minor, 0].mean() < 0.6


@pytest.mark.parametrize("estimator", [trees(), LinearDML()], ids=["trees", "dml"])
def test_a_snapshot_keeps_the_models(tmp_path, estimator):
    scorer = learn([OWN, TEEN], estimator).scorer
    write_scorer(tmp_path / "policy", scorer, plan="")
    again, units = read_scorer(tmp_path / "policy"), a_log(300, 1)
    assert again.assign(units).equals(scorer.assign(units))
    assert [(own.column, own.group) for own in again.model.own] == [("minor", "yes"), ("teen", "1")]
    effects = read_model(tmp_path / "policy").effects(units)
    assert (effects.values == scorer.model.effects(units).values).all()
    one_by_one = [again.assign(units.slice(i, 1)) for i in range(20)]
    assert pa.concat_tables(one_by_one).equals(scorer.assign(units.slice(0, 20)))


def test_a_unit_of_two_groups_has_the_model_of_the_first():
    units, minor = a_log(300, 1), is_minor(a_log(300, 1))
    model = learn([OWN, TEEN]).scorer.model
    values, first = model.effects(units).values, model.own[0].model.effects(units).values
    second = model.own[1].model.effects(units).values
    teen = np.array(units["teen"].to_pylist()) == 1
    assert (values[minor] == first[minor]).all()
    assert (values[~minor & teen] == second[~minor & teen]).all()


@pytest.mark.parametrize("hold", [[], ["--hold"]])
def test_from_files_to_files(tmp_path, monkeypatch, hold):
    monkeypatch.chdir(tmp_path)
    pq.write_table(a_log(), "log.parquet")
    units = a_log(400, 1)
    pq.write_table(units, "units.parquet")
    (tmp_path / "plan.toml").write_text(PLAN)

    def call(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, result.output

    call("run", "plan.toml", "--out", "run")
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["policy"]["own_models"]
    assert [(row["column"], row["group"]) for row in found] == [("minor", "yes"), ("teen", "1")]
    assert found[0]["rows"] == is_minor(a_log()).sum()
    assert found[0]["own"]["amount"] <= 2.0
    assert found[0]["own"]["values"]["y"][0] > 0
    assert "Groups with models of their own" in (tmp_path / "run" / "report.html").read_text()
    days = ["--journal", "days", "--day", "2026-11-01"]
    call("score", "run/policy", "units.parquet", "--out", "a.parquet", *days, *hold)
    call("replay", "days", "2026-11-01")
    chosen = np.array(pq.read_table("a.parquet")["chosen"].to_pylist())
    assert "5" not in chosen[is_minor(units)]
    assert "1" in chosen[is_minor(units)]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (a_log(120), r"have 20 rows of every arm in each fit.* got \d+ of '.*rows of 'minor' are"),
        (a_log().filter(pa.array(~(is_minor(a_log()) & (np.array(a_log()["arm"]) == "5")))),
         "got 0 of '5'"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:No design is stated")  # minors without an arm are no design
def test_too_few_rows_are_told(table, match):
    with pytest.raises(PlanError, match=match):
        learn([OWN], table=table)


def test_effects_alone_have_no_own_model():
    log = log_of(a_log())
    effects = cross_fit(log, trees(), log_folds(log, 2, 0)).effects
    with pytest.raises(PlanError, match="have an estimator"):
        honest_policy(log, effects, cv=2, limits=[OWN], cost=COST)


def test_units_without_the_column_are_refused():
    with pytest.raises(EquipoiseError, match="'teen'"):
        learn([TEEN]).scorer.assign(a_log().drop_columns(["teen"]))


def test_a_changed_own_model_is_refused(tmp_path):
    write_scorer(tmp_path / "policy", learn([OWN]).scorer, plan="")
    snapshot = read_snapshot(tmp_path / "policy")
    own = {**snapshot.meta["own"][0], "group": 3}
    write_snapshot(tmp_path / "signed", snapshot.parts, {**snapshot.meta, "own": [own]})
    with pytest.raises(SnapshotError, match=r"own\.0\.group"):
        read_scorer(tmp_path / "signed")
    part = next(
        file for file in (tmp_path / "policy").rglob("*") if file.is_file() and "own0-" in str(file)
    )
    part.write_bytes(part.read_bytes() + b" ")
    with pytest.raises(SnapshotError, match="own0-"):
        read_scorer(tmp_path / "policy")


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 99),
    st.floats(0.0, 3.0),
    st.sampled_from([None, 0.0, 2.0, 9.0]),
    st.sampled_from([None, {"column": "teen", "until": 1, "factor": 5.0, "half_life_days": 2}]),
)
def test_limits_and_budgets_hold_with_own_models_and_a_start(seed, budget, most, start):
    log = log_of(a_log(900, seed))
    limit = {name: value for name, value in {**OWN, "most": most}.items() if value is not None}
    policy = honest_policy(log, LinearDML(), cv=2, limits=[limit, TEEN], cost=COST, budget=budget,
                           start=start)  # fmt: skip
    amount = np.array([0.0, 1.0, 5.0])
    assert policy.demands[0]["used"] <= budget + 1e-9
    scorer, units = policy.scorer, a_log(200, seed + 1)
    assert scorer is not None
    held = scorer.rebudget(units)
    assert np.mean(held["expected_cost"].to_pylist()) <= budget + 1e-9
    for chosen in (held, scorer.assign(units)):
        paid = np.array([amount["015".index(name)] for name in chosen["chosen"].to_pylist()])
        assert (paid[is_minor(units)] <= (np.inf if most is None else most)).all()
