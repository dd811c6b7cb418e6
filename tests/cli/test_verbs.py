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
def run_folder(world):
    """The run of that world."""
    import contextlib

    from equipoise.cli.app import app

    with contextlib.suppress(SystemExit):
        app(["run", str(world / "plan.toml"), "--out", str(world / "run")])
    return world / "run"


def test_simulate_writes_a_world_that_runs(world, run_folder):
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
    assert (run_folder / "report.html").exists()


@pytest.mark.parametrize("kind", ["coupon", "voucher", "placebo"])
def test_every_world_can_be_simulated_and_checked(equipoise, tmp_path, kind):
    result = equipoise("simulate", kind, "--rows", 400, "--out", tmp_path / "w", "--json")
    assert result.code == 0
    assert json.loads(result.out)["rows"] == 400
    assert equipoise("check", tmp_path / "w" / "plan.toml").code == 0
    again = equipoise("simulate", kind, "--rows", 400, "--out", tmp_path / "w")
    assert again.code == 2
    assert "not exist" in again.line


def test_run_tells_the_headline_and_where_the_report_is(equipoise, world, tmp_path):
    result = equipoise("run", world / "plan.toml", "--out", tmp_path / "out")
    assert result.code == 0
    assert "The policy makes an offer to" in result.out
    assert f"Report: {tmp_path / 'out' / 'report.html'}" in result.out
    assert result.err == ""


def test_run_as_json_is_the_findings(equipoise, world, tmp_path):
    result = equipoise("run", world / "plan.toml", "--out", tmp_path / "out", "--json")
    assert json.loads(result.out) == json.loads((tmp_path / "out" / "metrics.json").read_text())


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
    result = equipoise("check", tmp_path / "plan.toml", "--json")
    assert result.code == 1
    failed = [
        check["name"] for check in json.loads(result.out)["checks"] if check["status"] == "fail"
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
    result = equipoise("check", world / "log.parquet")
    assert result.code == 2
    assert "--treatment" in result.line


def test_roles_beside_a_plan_are_refused_and_not_dropped(equipoise, world, tmp_path):
    for given in (["-t", "arm"], ["-y", "visits"], ["--arms", "a,b"], ["--id", "user"]):
        result = equipoise("check", world / "plan.toml", *given)
        assert result.code == 2
        assert "must be said in its [log] and [space]" in result.line


def test_errors_of_the_space_speak_of_options(equipoise, world):
    result = equipoise("check", world / "log.parquet", "-t", "arm", "-y", "conversion")
    assert result.code == 2
    assert "--arms none,coupon-" in result.line
    assert "[space] in a plan" in result.line


def test_check_takes_id_group_and_propensity(equipoise, tmp_path):
    rows = [f"u{i // 2},{i},{i % 2},{i % 3},{i % 5},0.5" for i in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(["user,row,arm,y,x,p", *rows]))
    roles = ["-t", "arm", "-y", "y", "--id", "row", "--group", "user", "--propensity", "p"]
    result = equipoise("check", tmp_path / "log.csv", *roles, "--json")
    assert result.code == 0
    answer = {each["name"]: each["summary"] for each in json.loads(result.out)["checks"]}
    assert answer["duplicates"] == "Every row occurs once."
    assert answer["groups"].startswith("30 groups by user")
    assert "1 features" in json.loads(result.out)["log"]
    assert equipoise("fit", tmp_path / "log.csv", *roles, "--out", tmp_path / "model").code == 0


def test_fit_then_evaluate_then_allocate(equipoise, world, tmp_path):
    plan = world / "plan.toml"
    result = equipoise(
        "fit",
        plan,
        "--out",
        tmp_path / "model",
        "--set",
        "outcome_model={n_estimators=5}",
        "--json",
    )
    assert result.code == 0
    assert "n_estimators=5" in json.loads(result.out)["estimator"]
    assert equipoise("simulate", "--rows", 900, "--seed", 4, "--out", tmp_path / "fresh").code == 0
    fresh = tmp_path / "fresh" / "plan.toml"
    judged = json.loads(equipoise("evaluate", tmp_path / "model", fresh, "--json").out)
    assert len(judged["rankings"]) == 2 * 3
    assert "qini" in equipoise("evaluate", tmp_path / "model", fresh).out
    assert (
        " yes" in equipoise("allocate", tmp_path / "model", plan, "--out", tmp_path / "shown").out
    )  # the budget binds
    run_folder = json.loads(
        equipoise("allocate", tmp_path / "model", plan, "--out", tmp_path / "who", "--json").out
    )
    budget = run_folder["demands"][0]
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
    result = equipoise("evaluate", tmp_path / "model", plan)
    assert result.code == 2
    assert result.out == ""
    assert "rows that the model was not fitted on" in result.line
    pq.write_table(pq.read_table(world / "log.parquet").slice(0, 450), tmp_path / "log.parquet")
    (tmp_path / "plan.toml").write_text(plan.read_text())
    # only the same whole log is known
    assert equipoise("evaluate", tmp_path / "model", tmp_path / "plan.toml").code == 0


def test_evaluate_takes_the_effects_of_a_run(equipoise, world, run_folder):
    result = equipoise("evaluate", run_folder / "effects.parquet", world / "plan.toml", "--json")
    answer, ran = json.loads(result.out), json.loads((run_folder / "metrics.json").read_text())
    assert answer["rankings"] == ran["rankings"]
    assert answer["averages"] == ran["averages"]


def test_evaluate_refuses_effects_of_other_rows(equipoise, world, run_folder, tmp_path):
    table = pq.read_table(run_folder / "effects.parquet")
    pq.write_table(table.slice(0, 10), tmp_path / "few.parquet")
    result = equipoise("evaluate", tmp_path / "few.parquet", world / "plan.toml")
    assert result.code == 2
    assert "900" in result.line


def test_fit_refuses_what_is_no_setting(equipoise, world, tmp_path):
    wrong = [
        ("folds", "name=value"),
        ("fold=3", "known"),
        ("outcome_model={n_estimator=3}", "did you mean 'n_estimators'"),
    ]
    wrong += [
        ("random_state=abc", "'random_state' must be a valid integer; got 'abc'"),
        ("random_state=-1", "got -1"),
        ("random_state=1.5", "got 1.5"),
    ]
    wrong += [
        ("outcome_model=3", "'outcome_model' must be a table of settings of trees; got 3"),
        ("outcome_model=ridge", "got 'ridge'"),
    ]
    for setting, text in wrong:
        result = equipoise(
            "fit", world / "plan.toml", "--out", tmp_path / "model", "--set", setting
        )
        assert result.code == 2
        assert text in result.line
    assert not (tmp_path / "model").exists()


def test_score_assigns_strangers(equipoise, run_folder, world, tmp_path):
    result = equipoise(
        "score",
        run_folder / "policy",
        world / "log.parquet",
        "--out",
        tmp_path / "a.parquet",
        "--json",
    )
    answer = json.loads(result.out)
    assert answer["units"] == sum(answer["cells"].values()) == 900
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 900
    assert (
        "per head"
        in equipoise(
            "score", run_folder / "policy", world / "log.parquet", "--out", tmp_path / "a.parquet"
        ).out
    )


def test_a_log_and_units_may_lie_behind_addresses(equipoise, run_folder, world, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").put(str(world / "log.parquet"), "/shop/day=1/log.parquet")
    roles = ["-t", "arm", "-y", "spend", "-x", "age", "--arms", "none,coupon-1,coupon-2"]
    checked = equipoise("check", "memory://shop", *roles)
    assert checked.code == 0
    assert "900 rows" in checked.out
    out = "memory://shop/assigned.parquet"
    scored = equipoise("score", run_folder / "policy", "memory://shop/day=1", "--out", out)
    assert scored.out.endswith(f"written to {out}\n")
    assert (
        "another file"
        in equipoise(
            "score",
            run_folder / "policy",
            world / "log.parquet",
            "-o",
            "memory://shop/day=1/log.parquet",
        ).err
    )
    fsspec.filesystem("memory").rm("/shop", recursive=True)


def test_score_tells_the_budget_and_can_hold_it(equipoise, run_folder, world, tmp_path):
    few, out = tmp_path / "few.parquet", tmp_path / "a.parquet"
    pq.write_table(pq.read_table(world / "log.parquet").slice(0, 300), few)
    fixed = json.loads(equipoise("score", run_folder / "policy", few, "--out", out, "--json").out)
    batch = json.loads(
        equipoise("score", run_folder / "policy", few, "--out", out, "--hold", "--json").out
    )
    assert (fixed["held"], batch["held"]) == (False, True)
    assert batch["expected_cost"] <= batch["budget"] * (1 + 1e-9)
    result = equipoise("score", run_folder / "policy", few, "--out", out, "--hold").out
    assert f"per head (budget {batch['budget']:.4g})" in result
    text = " ".join(equipoise("score", "--help").out.split())
    assert "on average" in text
    assert "never above the budget" in text


def test_score_suggests_the_policy_of_a_run_and_spares_other_files(
    equipoise, run_folder, world, tmp_path
):
    result = equipoise("score", run_folder, world / "log.parquet", "--out", tmp_path / "a.parquet")
    assert result.code == 2
    assert f"did you mean '{run_folder / 'policy'}'" in result.line
    before = (world / "plan.toml").read_bytes()
    result = equipoise(
        "score", run_folder / "policy", world / "log.parquet", "--out", world / "plan.toml"
    )
    assert result.code == 2
    assert "choose another file with --out" in result.line
    assert (world / "plan.toml").read_bytes() == before


def test_report_is_drawn_again(equipoise, run_folder, tmp_path):
    result = equipoise("report", run_folder, "--out", tmp_path / "again.html")
    assert result.code == 0
    assert (tmp_path / "again.html").read_text() == (run_folder / "report.html").read_text()
    assert json.loads(equipoise("report", run_folder, "--json").out)["title"]
    assert equipoise("report", tmp_path).code == 2


def test_estimators_are_listed_without_the_extra_that_some_need(equipoise, monkeypatch):
    def load(self, name):
        if name == "hum":
            raise MissingExtra(
                "torch", "be installed", "no torch", fix="pip install 'equipoise[deep]'"
            )
        return original(self, name)

    original = Registry.load
    monkeypatch.setattr(Registry, "load", load)
    answer = {row["name"]: row["what"] for row in json.loads(equipoise("estimators", "--json").out)}
    assert answer["hum"] == "not installed: pip install 'equipoise[deep]'"
    assert set(answer) == set(ESTIMATORS)


def test_estimators_are_those_of_the_registry(equipoise):
    answer = json.loads(equipoise("estimators", "--json").out)
    assert [row["name"] for row in answer] == list(ESTIMATORS)
    assert all(row["takes"] and row["what"] for row in answer)
    assert "cv" in equipoise("estimators", "dr-learner").out
    assert "did you mean 'dr-learner'" in equipoise("estimators", "dr-lerner").line


def test_estimators_say_that_trees_come_before_nets_of_a_dose(equipoise):
    pytest.importorskip("torch")
    answer = {row["name"]: row["what"] for row in json.loads(equipoise("estimators", "--json").out)}
    assert "the first to try for a dose" in answer["dose-s-learner"]
    assert all("try dose-s-learner first" in answer[net] for net in ("vcnet", "drnet"))


def test_datasets_show_their_cards(equipoise):
    answer = json.loads(equipoise("datasets", "--json").out)
    assert {"thornton", "hillstrom"} <= {row["name"] for row in answer}
    card = json.loads(equipoise("datasets", "thornton", "--json").out)
    assert card["rows"] == 2834
    assert "2,834 rows" in card["here"]
    assert equipoise("datasets", "thorton").code == 2


def test_a_setting_of_trees_is_written_with_a_dot(world, equipoise, tmp_path):
    said = equipoise(
        *("fit", world / "plan.toml", "-s", "outcome.trees=3", "-s", "outcome.leaves=4"),
        *("--out", tmp_path / "model"),
    )
    assert said.code == 0
    assert "BoostedTrees(n_estimators=3, num_leaves=4)" in " ".join(said.out.split())
