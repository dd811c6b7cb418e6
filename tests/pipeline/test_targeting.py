"""The run: what it writes, that it is honest, and that it keeps its budget."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import count

import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures.targeting import BUDGET, make_world

from equipoise.artifacts.fingerprint import refuse_own_rows
from equipoise.artifacts.policy import read_scorer
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.core.snapshot import read_snapshot
from equipoise.data import make_coupon_world, make_placebo_world
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.pipeline import run, targeting
from equipoise.pipeline.jobs import read_findings
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import cross_fit_effects, fit_model
from equipoise.pipeline.study.honest import honest_policy
from equipoise.report.findings import Findings, plain

FILES = {
    "report.html",
    "effects.parquet",
    "assignments.parquet",
    "explorer.parquet",
    "metrics.json",
    "policy",
    "times.json",
}


def test_the_folder_holds_all_and_nothing_else(ran):
    assert {entry.name for entry in ran.out.iterdir()} == FILES
    assert {entry.name for entry in ran.world.folder.iterdir()} == {
        "log.parquet",
        "plan.toml",
        "run",
    }
    assert (ran.out / "report.html").read_text().lower().startswith("<!doctype html>")


def test_findings_are_whole_and_are_what_metrics_json_holds(ran):
    asked_for = {"money", "over_time", "read", "rules", "strata", "timetable"}
    assert set(ran.findings) == Findings.__required_keys__ | Findings.__optional_keys__ - asked_for
    assert read_findings(ran.out) == json.loads(json.dumps(plain(ran.findings)))
    assert ran.findings["made"]["snapshot"] == read_snapshot(ran.out / "policy").id
    assert ran.findings["made"]["plan"] == ran.world.plan.text


def test_two_runs_of_one_plan_differ_in_their_times_alone(monkeypatch, ran, tmp_path):
    clock = count(0, 100)
    monkeypatch.setattr(targeting.time, "perf_counter", lambda: next(clock))
    run(ran.world.plan, tmp_path / "again", command="equipoise run plan.toml")
    digests = [
        {
            str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
            for file in folder.rglob("*")
            if file.is_file()
        }
        for folder in (ran.out, tmp_path / "again")
    ]
    assert digests[0].keys() == digests[1].keys()
    differ = {name for name in digests[0] if digests[0][name] != digests[1][name]}
    assert differ == {"times.json"}
    assert json.loads((tmp_path / "again" / "times.json").read_text())["seconds"] >= 100


def test_a_shipped_policy_is_never_judged_on_its_own_rows(ran):
    with pytest.raises(InputError, match="rows of its own fit"):
        refuse_own_rows(ran.out / "policy", open_log(ran.world.plan))


def test_rows_keep_their_ids_and_effects_come_back(ran):
    table = pq.read_table(ran.out / "effects.parquet")
    assert table["user"].to_pylist() == ran.world.log.table["user"].to_pylist()
    assert Effects.from_table(table).metrics == ("conversion", "visits", "claimed")
    assigned = pq.read_table(ran.out / "assignments.parquet")
    assert assigned.column_names == ["user", "chosen", "score", "expected_cost"]
    share = np.mean(np.asarray(assigned["chosen"].to_pylist()) == "coupon-1")
    assert share == pytest.approx(ran.findings["policy"]["shares"]["coupon-1"])


def test_the_budget_is_kept_and_used(ran):
    row = next(row for row in ran.findings["policy"]["demands"] if row["name"] == "budget")
    assert row["used"] <= row["bound"] == pytest.approx(BUDGET)
    assert row["used"] > 0.95 * BUDGET
    assert row["binding"]
    assert row["price"] > 0
    cost = pq.read_table(ran.out / "assignments.parquet")["expected_cost"].to_numpy()
    assert cost.mean() == pytest.approx(row["used"])


def test_more_budget_buys_no_less_by_the_model(ran):
    points = ran.findings["budget"]
    budgets = [point["budget"] for point in points]
    assert budgets == sorted(budgets)
    assert budgets[0] == 0
    assert BUDGET in budgets
    assert points[0]["treated"] == 0
    assert points[0]["values"]["conversion"] == [0, 0, 0]
    assert all(
        a["price"] >= b["price"] - 1e-9 for a, b in zip(points[1:], points[2:], strict=False)
    )


def test_rivals_stand_beside_the_chosen_policy(ran):
    names = [rival["policy"] for rival in ran.findings["rivals"]]
    assert names == [
        "chosen",
        "nobody",
        "everybody: coupon-1",
        "everybody: coupon-2",
        "random at equal cost",
    ]
    policy, nobody, *_ = ran.findings["rivals"]
    assert nobody["values"]["conversion"] == [0, 0, 0]
    assert nobody["against_chosen"] == policy["values"]


def test_protected_groups_are_audited_and_never_used(ran):
    assert {group["column"] for group in ran.findings["policy"]["groups"]} == {"gender"}
    assert all(
        sum(group["shares"].values()) == pytest.approx(1)
        for group in ran.findings["policy"]["groups"]
    )
    used = {driver["feature"] for driver in ran.findings["drivers"]}
    assert used <= set(ran.world.plan.log.features)


def test_no_protected_label_stands_in_the_rows_of_the_page(ran):
    explorer = ran.findings["explorer"]
    assert explorer["units"] > 0
    assert "gender" not in json.dumps(explorer)


def test_same_plan_same_numbers(ran, tmp_path):
    again = run(ran.world.plan, tmp_path / "again")
    different = {key for key in ran.findings if key != "made" and again[key] != ran.findings[key]}
    assert not different
    assert again["made"]["snapshot"] == ran.findings["made"]["snapshot"]


def honest_and_naive(seed: int) -> tuple[list[float], list[float]]:
    """The value of the best unbudgeted policy where nothing has an effect: from out-of-fold and
    from in-sample effects.
    """
    log, _ = make_placebo_world(600, arms=3, metrics=("conversion",), seed=seed)
    trees = TLearner(BoostedTrees(n_estimators=30, num_leaves=8, min_child_samples=10))
    in_sample = fit_model(log, trees.set_params(space=log.space)).effects(log.features)
    values = [
        honest_policy(log, effects, weights={"conversion": 1.0}).values["conversion"]
        for effects in (cross_fit_effects(log, trees), in_sample)
    ]
    return values[0], values[1]


def test_the_value_is_unbiased_where_nothing_works_and_the_naive_one_is_not():
    # (seeds, 2, [value, low, high])
    values = np.asarray([honest_and_naive(seed) for seed in range(12)])
    value, error = values[:, :, 0], (values[:, :, 2] - values[:, :, 1]) / 3.92
    honest, naive = (value / error).sum(axis=0) / np.sqrt(
        len(values)
    )  # each is N(0, 1) if unbiased
    assert abs(honest) < 3
    assert naive > 8


def covers(seed: int) -> list[bool]:
    """Whether the intervals of value and spend of one small experiment hold the truth."""
    log, truth = make_coupon_world(800, metrics=("conversion",), seed=seed)
    effects = cross_fit_effects(
        log, TLearner(BoostedTrees(n_estimators=20, num_leaves=8)), random_state=seed
    )
    honest = honest_policy(
        log, effects, cost={"coupon-1": 2.0, "coupon-2": 4.0}, budget=0.4, random_state=seed
    )
    gain = truth.outcomes(honest.choice)[:, 0].mean() - truth.levels[:, 0, 0].mean()
    pairs = [(honest.values["conversion"], gain), (honest.spend, truth.spend(honest.choice).mean())]
    return [low <= true <= high for (_, low, high), true in pairs]


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = np.asarray([covers(seed) for seed in range(20)]).sum(axis=0)
    assert (hits >= 17).all()  # of 20 at 95 %: 16 or fewer happens by chance once in 60


def test_a_budget_larger_than_needed_has_no_price(world, tmp_path):
    plan = world.plan.model_copy(
        update={
            "policy": make_plan(policy(budget={"per_head": 50.0})).policy,
            "report": world.plan.report.model_copy(update={"explorer": False}),
        }
    )
    findings = run(plan, tmp_path / "rich")
    assert "explorer" not in findings
    assert not (tmp_path / "rich" / "explorer.parquet").exists()
    row = findings["policy"]["demands"][0]
    assert row["price"] == 0
    assert not row["binding"]
    assert row["used"] < row["bound"]


def policy(**change) -> dict:
    """Tables of a plan with another [policy]."""
    keys = {"weights": {"conversion": 1.0}, "cost": {"coupon-1": 2.0, "coupon-2": 4.0}, **change}
    return {"log": {"dataset": "-"}, "policy": keys}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"budget": {"per_head": 0}}, None, "nobody gets one"),
        (
            {"weights": {"convesion": 1.0}},
            PlanError,
            "one of conversion, visits.*did you mean 'conversion'",
        ),
        ({"caps": [{"candidate": "coupon-3", "share": 0.1}]}, PlanError, "coupon-1, coupon-2"),
        ({"cost": {"coupon-1": 2.0}}, PlanError, "cost of 'coupon-2'"),
        (
            {"group_budgets": [{"column": "gender", "group": "m", "per_head": 1.0}]},
            PlanError,
            "one of",
        ),
        ({"parity": [{"column": "gendr"}]}, PlanError, "did you mean 'gender'"),
        (
            {"floors": [{"metric": "conversion", "per_head": 5.0}]},
            InputError,
            "floor of conversion",
        ),
    ],
)
def test_demands_that_cannot_be(world, tmp_path, change, error, text):
    plan = world.plan.model_copy(update={"policy": make_plan(policy(**change)).policy})
    out = tmp_path / "out"
    if error is None:
        assert text in " ".join(run(plan, out)["headline"][:2])
        return
    with pytest.raises(error, match=text):
        run(plan, out)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_others_is_left_alone(ran, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        run(ran.world.plan, tmp_path)
    file = tmp_path / "thesis.tex"
    with pytest.raises(InputError, match="be a folder"):
        run(ran.world.plan, file)
    assert file.read_text() == "years of work"


def test_a_learnt_propensity_is_reported(tmp_path):
    small = make_world(tmp_path, rows=1600)
    plan = small.plan.model_copy(
        update={"log": small.plan.log.model_copy(update={"design": "learn"})}
    )
    findings = run(plan, tmp_path / "out")
    check = next(
        check for check in findings["experiment"]["checks"] if check["name"] == "learnt propensity"
    )
    assert [row["arm"] for row in check["rows"]] == ["none", "coupon-1", "coupon-2"]


def test_leaving_the_policy_in_force_has_a_price(ran, tmp_path):
    keep = f'[policy.keep]\npath = "{ran.out / "assignments.parquet"}"\nbonus = 1000.0\n'
    stay = make_world(tmp_path, extra=keep.replace("[policy.keep]", "\n[policy.keep]"))
    quick = stay.plan.report.model_copy(update={"explorer": False, "budgets": (0.4,)})
    run(stay.plan.model_copy(update={"report": quick}), tmp_path / "out")
    before, after = (
        pq.read_table(folder / "assignments.parquet")["chosen"]
        for folder in (ran.out, tmp_path / "out")
    )
    assert np.mean(np.asarray(before.to_pylist()) == np.asarray(after.to_pylist())) > 0.99


def test_the_lower_confidence_mode_shuns_what_is_not_sure(ran, tmp_path):
    plan = ran.world.plan.model_copy(update={"policy": make_plan(policy(lower=2.0)).policy})
    careful = run(
        plan.model_copy(update={"run": plan.run.model_copy(update={"replicates": 5})}),
        tmp_path / "out",
    )
    bold = run(plan.model_copy(update={"policy": make_plan(policy()).policy}), tmp_path / "bold")
    assert careful["rivals"][0]["treated"] < 0.7 * bold["rivals"][0]["treated"]
    assert "Bootstrapped" in careful["made"]["estimator"]
    log = ran.world.log
    assert read_scorer(tmp_path / "out" / "policy").assign(log.table).num_rows == len(log)


def test_the_spend_of_units_that_set_no_price_is_found(ran):
    mean, low, high = ran.findings["policy"]["carried"]
    assert mean == pytest.approx(BUDGET, rel=0.1)
    assert low < mean < high
    assert high - mean == pytest.approx(mean - low)
