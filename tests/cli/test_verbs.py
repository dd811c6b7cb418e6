"""Every verb does what its help says, for people and as JSON."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import MissingExtra
from equipoise.core.registry import Registry
from equipoise.data import make_coupon_world
from equipoise.estimators import ESTIMATORS


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world as `equipoise simulate` writes it, with an estimator that is quick."""
    import contextlib

    from equipoise.cli.app import app

    folder = tmp_path_factory.mktemp("verbs") / "world"
    with contextlib.suppress(SystemExit):
        app(["simulate", "coupon", "--rows", "900", "--seed", "3", "--out", str(folder)])
    trees = "{ n_estimators = 10, num_leaves = 8 }"
    quick = f'\n[estimator]\nname = "t-learner"\nparams = {{ outcome_model = {trees} }}\n'
    plan = folder / "plan.toml"
    plan.write_text(plan.read_text() + quick)
    return folder


@pytest.fixture(scope="module")
def made(world):
    """The run of that world."""
    import contextlib

    from equipoise.cli.app import app

    with contextlib.suppress(SystemExit):
        app(["run", str(world / "plan.toml"), "--out", str(world / "run")])
    return world / "run"


def test_simulate_writes_a_world_that_runs(world, made):
    assert {entry.name for entry in world.iterdir()} == {
        "log.parquet",
        "truth.parquet",
        "plan.toml",
        "run",
    }
    log, truth = make_coupon_world(900, seed=3)
    assert pq.read_table(world / "log.parquet").equals(log.table)
    assert pq.read_table(world / "truth.parquet")["spend|coupon-1"].to_numpy() == pytest.approx(
        truth.levels[:, 1, 0]
    )
    assert (made / "report.html").exists()


@pytest.mark.parametrize("kind", ["coupon", "voucher", "placebo"])
def test_every_world_can_be_simulated_and_checked(equipoise, tmp_path, kind):
    said = equipoise("simulate", kind, "--rows", 400, "--out", tmp_path / "w", "--json")
    assert said.code == 0
    assert json.loads(said.out)["rows"] == 400
    assert equipoise("check", tmp_path / "w" / "plan.toml").code == 0
    again = equipoise("simulate", kind, "--rows", 400, "--out", tmp_path / "w")
    assert again.code == 2
    assert "not exist" in again.line


def test_run_tells_the_headline_and_where_the_report_is(equipoise, world, tmp_path):
    said = equipoise("run", world / "plan.toml", "--out", tmp_path / "out")
    assert said.code == 0
    assert "The policy makes an offer to" in said.out
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in said.out
    assert said.err == ""


def test_run_as_json_is_the_findings(equipoise, world, tmp_path):
    said = equipoise("run", world / "plan.toml", "--out", tmp_path / "out", "--json")
    assert json.loads(said.out) == json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_check_fails_with_code_1(equipoise, tmp_path):
    log, _ = make_coupon_world(3000, seed=0)
    biased = log.table.filter(pq_mask(log))
    pq.write_table(biased, tmp_path / "log.parquet")
    arguments = [
        "check",
        tmp_path / "log.parquet",
        "-t",
        "arm",
        "-y",
        "visits",
        "--arms",
        "none,coupon-1,coupon-2",
    ]
    (tmp_path / "plan.toml").write_text(
        '[log]\npath = "log.parquet"\ntreatment = "arm"\noutcomes = ["visits"]\ndesign ='
        ' [0.3333333, 0.3333333, 0.3333334]\n[space]\nkind = "arms"\nlabels = ["none", "coupon-1",'
        ' "coupon-2"]\n'
    )
    said = equipoise("check", tmp_path / "plan.toml", "--json")
    assert said.code == 1
    failed = [
        check["name"] for check in json.loads(said.out)["checks"] if check["status"] == "fail"
    ]
    assert failed == ["sample ratio"]
    assert "FAIL" in equipoise("check", tmp_path / "plan.toml").out
    # without a design there is nothing to hold the sizes against
    assert equipoise(*arguments).code == 0


def pq_mask(log):
    """Keep two thirds of the rows of one arm."""
    import numpy as np
    import pyarrow as pa

    return pa.array((log.cells != 1) | (np.arange(len(log)) % 3 > 0))


def test_check_needs_roles_for_a_file(equipoise, world):
    said = equipoise("check", world / "log.parquet")
    assert said.code == 2
    assert "--treatment" in said.line


def test_roles_beside_a_plan_are_refused_and_not_dropped(equipoise, world, tmp_path):
    for given in (["-t", "arm"], ["-y", "visits"], ["--arms", "a,b"], ["--id", "user"]):
        said = equipoise("check", world / "plan.toml", *given)
        assert said.code == 2
        assert "must be said in its [log] and [space]" in said.line


def test_errors_of_the_space_speak_of_options(equipoise, world):
    said = equipoise("check", world / "log.parquet", "-t", "arm", "-y", "conversion")
    assert said.code == 2
    assert "--arms none,coupon-" in said.line
    assert "[space] in a plan" in said.line


def test_check_takes_id_group_and_propensity(equipoise, tmp_path):
    rows = [f"u{i // 2},{i},{i % 2},{i % 3},{i % 5},0.5" for i in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["user,row,arm,y,x,p", *rows]))
    roles = ["-t", "arm", "-y", "y", "--id", "row", "--group", "user", "--propensity", "p"]
    said = equipoise("check", tmp_path / "log.csv", *roles, "--json")
    assert said.code == 0
    found = {each["name"]: each["summary"] for each in json.loads(said.out)["checks"]}
    assert found["duplicates"] == "Every row occurs once."
    assert found["groups"].startswith("30 groups by user")
    assert "1 features" in json.loads(said.out)["log"]
    assert equipoise("fit", tmp_path / "log.csv", *roles, "--out", tmp_path / "model").code == 0


def test_fit_then_evaluate_then_allocate(equipoise, world, tmp_path):
    plan = world / "plan.toml"
    said = equipoise(
        "fit",
        plan,
        "--out",
        tmp_path / "model",
        "--set",
        "outcome_model={n_estimators=5}",
        "--json",
    )
    assert said.code == 0
    assert "n_estimators=5" in json.loads(said.out)["estimator"]
    assert equipoise("simulate", "--rows", 900, "--seed", 4, "--out", tmp_path / "fresh").code == 0
    fresh = tmp_path / "fresh" / "plan.toml"
    judged = json.loads(equipoise("evaluate", tmp_path / "model", fresh, "--json").out)
    assert len(judged["rankings"]) == 2 * 3
    assert "qini" in equipoise("evaluate", tmp_path / "model", fresh).out
    assert (
        " yes" in equipoise("allocate", tmp_path / "model", plan, "--out", tmp_path / "shown").out
    )  # the budget binds
    made = json.loads(
        equipoise("allocate", tmp_path / "model", plan, "--out", tmp_path / "who", "--json").out
    )
    budget = made["demands"][0]
    assert budget["used"] <= budget["bound"]
    assert {entry.name for entry in (tmp_path / "who").iterdir()} == {
        "assignments.parquet",
        "policy.json",
    }
    assert (
        "must not exist"
        in equipoise("allocate", tmp_path / "model", plan, "--out", tmp_path / "who").line
    )


def test_evaluate_refuses_the_rows_that_the_model_was_fitted_on(equipoise, world, tmp_path):
    plan = world / "plan.toml"
    assert (
        equipoise(
            "fit", plan, "--out", tmp_path / "model", "--set", "outcome_model={n_estimators=5}"
        ).code
        == 0
    )
    said = equipoise("evaluate", tmp_path / "model", plan)
    assert said.code == 2
    assert said.out == ""
    assert "rows that the model was not fitted on" in said.line
    pq.write_table(pq.read_table(world / "log.parquet").slice(0, 450), tmp_path / "log.parquet")
    (tmp_path / "plan.toml").write_text(plan.read_text())
    # only the same whole log is known
    assert equipoise("evaluate", tmp_path / "model", tmp_path / "plan.toml").code == 0


def test_evaluate_takes_the_effects_of_a_run(equipoise, world, made):
    said = equipoise("evaluate", made / "effects.parquet", world / "plan.toml", "--json")
    found, ran = json.loads(said.out), json.loads((made / "metrics.json").read_text())
    assert found["rankings"] == ran["rankings"]
    assert found["averages"] == ran["averages"]


def test_evaluate_refuses_effects_of_other_rows(equipoise, world, made, tmp_path):
    table = pq.read_table(made / "effects.parquet")
    pq.write_table(table.slice(0, 10), tmp_path / "few.parquet")
    said = equipoise("evaluate", tmp_path / "few.parquet", world / "plan.toml")
    assert said.code == 2
    assert "900" in said.line


def test_fit_refuses_what_is_no_setting(equipoise, world, tmp_path):
    wrong = [
        ("folds", "name=value"),
        ("fold=3", "known"),
        ("outcome_model={n_estimator=3}", "did you mean 'n_estimators'"),
    ]
    wrong += [
        ("random_state=abc", "random_state must be a whole number >= 0; got 'abc'"),
        ("random_state=-1", "got -1"),
        ("random_state=1.5", "got 1.5"),
    ]
    wrong += [
        ("outcome_model=3", "outcome_model must be a regressor or a classifier; got 3"),
        ("outcome_model=ridge", "got 'ridge'"),
    ]
    for setting, text in wrong:
        said = equipoise("fit", world / "plan.toml", "--out", tmp_path / "model", "--set", setting)
        assert said.code == 2
        assert text in said.line
    assert not (tmp_path / "model").exists()


def test_score_assigns_strangers(equipoise, made, world, tmp_path):
    said = equipoise(
        "score", made / "policy", world / "log.parquet", "--out", tmp_path / "a.parquet", "--json"
    )
    found = json.loads(said.out)
    assert found["units"] == sum(found["cells"].values()) == 900
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 900
    assert (
        "per head"
        in equipoise(
            "score", made / "policy", world / "log.parquet", "--out", tmp_path / "a.parquet"
        ).out
    )


def test_score_tells_the_budget_and_can_hold_it(equipoise, made, world, tmp_path):
    few, out = tmp_path / "few.parquet", tmp_path / "a.parquet"
    pq.write_table(pq.read_table(world / "log.parquet").slice(0, 300), few)
    fixed = json.loads(equipoise("score", made / "policy", few, "--out", out, "--json").out)
    held = json.loads(
        equipoise("score", made / "policy", few, "--out", out, "--hold", "--json").out
    )
    assert (fixed["held"], held["held"]) == (False, True)
    assert held["expected_cost"] <= held["budget"] * (1 + 1e-9)
    said = equipoise("score", made / "policy", few, "--out", out, "--hold").out
    assert f"per head (budget {held['budget']:.4g})" in said
    text = " ".join(equipoise("score", "--help").out.split())
    assert "on average" in text
    assert "never above the budget" in text


def test_score_suggests_the_policy_of_a_run_and_spares_other_files(
    equipoise, made, world, tmp_path
):
    said = equipoise("score", made, world / "log.parquet", "--out", tmp_path / "a.parquet")
    assert said.code == 2
    assert f"did you mean '{made / 'policy'}'" in said.line
    before = (world / "plan.toml").read_bytes()
    said = equipoise("score", made / "policy", world / "log.parquet", "--out", world / "plan.toml")
    assert said.code == 2
    assert "choose another file with --out" in said.line
    assert (world / "plan.toml").read_bytes() == before


def test_report_is_drawn_again(equipoise, made, tmp_path):
    said = equipoise("report", made, "--out", tmp_path / "again.html")
    assert said.code == 0
    assert (tmp_path / "again.html").read_text() == (made / "report.html").read_text()
    assert json.loads(equipoise("report", made, "--json").out)["title"]
    assert equipoise("report", tmp_path).code == 2


def test_estimators_are_listed_without_the_extra_that_some_need(equipoise, monkeypatch):
    def load(self, name):
        if name == "hum":
            raise MissingExtra(
                "torch", "be installed", "no torch", fix="pip install 'equipoise[deep]'"
            )
        return known(self, name)

    known = Registry.load
    monkeypatch.setattr(Registry, "load", load)
    found = {row["name"]: row["what"] for row in json.loads(equipoise("estimators", "--json").out)}
    assert found["hum"] == "not installed: pip install 'equipoise[deep]'"
    assert set(found) == set(ESTIMATORS)


def test_estimators_are_those_of_the_registry(equipoise):
    found = json.loads(equipoise("estimators", "--json").out)
    assert [row["name"] for row in found] == list(ESTIMATORS)
    assert all(row["takes"] and row["what"] for row in found)
    assert "cv" in equipoise("estimators", "dr-learner").out
    assert "did you mean 'dr-learner'" in equipoise("estimators", "dr-lerner").line


def test_datasets_show_their_cards(equipoise):
    found = json.loads(equipoise("datasets", "--json").out)
    assert {"thornton", "hillstrom"} <= {row["name"] for row in found}
    card = json.loads(equipoise("datasets", "thornton", "--json").out)
    assert card["rows"] == 2834
    assert "2,834 rows" in card["here"]
    assert equipoise("datasets", "thorton").code == 2
