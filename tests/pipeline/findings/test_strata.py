"""What the strata of a study say: the truth of a world where every stratum is known, and the
identities between the parts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.log import Log
from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, NEVER_BUYER
from equipoise.data import make_incentive_world
from equipoise.data.simulators.incentive import FEATURES
from equipoise.evaluation.bounds import TYPES
from equipoise.pipeline import run
from equipoise.pipeline.findings.strata import (
    BEST,
    FREE,
    PLAN,
    offer_rules,
    strata_findings,
    type_reward,
)
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study import strata_targeting
from equipoise.pipeline.study.policy import solve_folds
from equipoise.pipeline.study.strata import StrataStudy, learn_strata, make_case
from equipoise.pipeline.study.strata_targeting import within_folds
from equipoise.pipeline.study.study import Study, make_study
from equipoise.report import render_report
from equipoise.report.findings import StrataFindings, plain

CELLS = {"kind": "arms", "labels": ["no offer", "offer"]}
CAPS = {"always_buyers": 0.12, "harm": 0.03}
TREES = {
    "outcome_model": {"n_estimators": 20, "num_leaves": 4},
    "effect_model": {"n_estimators": 10, "num_leaves": 4},
}


def plan_of(folder: Path, log: Any, strata: dict[str, Any] | None = None, **more: Any) -> Plan:
    """A plan for the incentive world, its log written beside."""
    pq.write_table(log.table, folder / "log.parquet")
    tables: dict[str, Any] = {
        "log": {
            "path": "log.parquet",
            "treatment": "arm",
            "outcomes": {"bought": "binary"},
            "features": list(FEATURES[:5]),
            "protected": ["x5"],
            "claimed": "claimed",
            "propensity": "p(offer)",
            **more,
        },
        "space": CELLS,
        "estimator": {"name": "t-learner", "params": {"outcome_model": TREES["outcome_model"]}},
        "policy": {"offers": {"share": 0.4}},
        "strata": {"value": 1.0, "cost": 0.4, "offers": 0.5, **(strata or {})},
    }
    return make_plan(tables, base=folder)


def studied(
    folder: Path, seed: int, rows: int = 3000, strata: dict[str, Any] | None = None, **world: Any
) -> tuple[Any, ...]:
    """A study, its findings on strata, and the truth."""
    log, truth = make_incentive_world(rows, seed=seed, **world)
    plan = plan_of(folder, log, strata)
    study = make_study(plan)
    solved = solve_folds(study.task)
    return study, strata_findings(study, plan.strata, solved.shares(1)), truth


def case_of(study: Study) -> Any:
    return learn_strata(
        study.plan, make_case(study.plan.strata, study.log), study.fold, study.design.propensity
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Any, ...]:
    return studied(tmp_path_factory.mktemp("incentive"), seed=3, confounding=0.5)


def test_thresholds_stay_within_folds_by_hand():
    score = np.array([0.9, 0.8, 0.2, 0.1, -0.1, -0.2])
    fold = np.array([0, 0, 1, 1, 0, 1])
    assert within_folds(score, 1 / 3, fold).tolist() == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert within_folds(score, 1.0, fold).tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_worth_of_types_by_hand(whole):
    case = make_case(whole[0].plan.strata, whole[0].log)
    worth = dict(zip(TYPES, type_reward(case, 1.0), strict=True))
    assert worth["coupon_buyer"] == 1.0
    assert worth["always_buyer"] == -0.4
    assert worth["harm"] == pytest.approx(-1.4)  # a coupon is paid for purchases only
    assert worth["direct_gain"] == pytest.approx(1.4)
    assert type_reward(case, 2.0)[TYPES.index("harm")] == pytest.approx(-2.8)


def test_the_parts_fit_together(whole):
    _, findings, _ = whole
    assert sum(row["share"][0] for row in findings["shares"]) == pytest.approx(1, abs=1e-9)
    rules = {row["rule"]: row for row in findings["rules"]}
    assert findings["rules"][0]["rule"] == BEST
    for rule in (BEST, PLAN):
        rows = [row for row in findings["audience"] if row["rule"] == rule]
        assert sum(row["reward"][0] for row in rows) == pytest.approx(
            findings["rows"] * rules[rule]["value"][0]
        )
        assert sum(row["offered"][0] for row in rows) == pytest.approx(
            findings["rows"] * rules[rule]["offered"]
        )
        assert rows[ALWAYS_BUYER]["paid"][0] == pytest.approx(-rows[ALWAYS_BUYER]["reward"][0])
        assert rows[NEVER_BUYER]["paid"] == [0.0, 0.0, 0.0]
    half = next(point for point in findings["curve"] if point["share"] == 0.5)
    assert half["value"] == pytest.approx(rules[BEST]["value"])
    assert half["lower"] > half["value"][1]  # one-sided against two-sided
    groups = [row for row in findings["segments"] if row["column"] == "x5"]
    mean = np.average([row["reward"][0] for row in groups], weights=[row["rows"] for row in groups])
    assert mean == pytest.approx(rules[BEST]["value"][0])


def test_the_reward_as_profit_does_not_move_with_the_violations(whole):
    _, findings, _ = whole
    harm = [row for row in findings["violations"] if row["of"] == "harm"]
    direct = [row for row in findings["violations"] if row["of"] == "direct_gain"]
    assert np.ptp([row["reward"] for row in findings["violations"]]) < 1e-9
    assert all(np.diff([row["cautious"] for row in harm]) < 0)
    assert all(np.diff([row["always_buyer"] for row in harm]) < 0)
    assert all(np.diff([row["always_buyer"] for row in direct]) > 0)
    ends = {
        (row["assume"], row["stratum"]): (row["low"], row["high"]) for row in findings["ranges"]
    }
    assert ends["A5", "harm"] == pytest.approx((harm[0]["share"], harm[-1]["share"]))
    assert ends["A6", "direct_gain"] == pytest.approx((direct[0]["share"], direct[-1]["share"]))
    # the propensities are known
    assert not any(row["assume"].startswith("Lambda") for row in findings["ranges"])


def test_shares_and_values_recover_the_truth(tmp_path):
    """Over seeds 0..11 at 3,000 rows the largest |z| of the 5 shares and of the worth of 6 rules
    was 3.0; 4 is allowed.
    """
    for seed in (0, 1):
        study, findings, truth = studied(tmp_path, seed, confounding=0.5)
        true = truth.strata()
        for s, row in enumerate(findings["shares"]):
            value, low, high = row["share"]
            assert abs(value - true[:, s].mean()) < 4 * (high - low) / 3.92
        rules = offer_rules(case_of(study))
        assert set(rules) == {row["rule"] for row in findings["rules"]} - {PLAN}
        for row in findings["rules"]:
            if row["rule"] in rules:
                value, low, high = row["value"]
                worth = float((rules[row["rule"]] * (true @ findings["reward"])).mean())
                assert abs(value - worth) < 4 * (high - low) / 3.92
        # over the same seeds the best offers by strata are worth 78 % to 85 % of the best there are
        best = np.sort(true @ findings["reward"])[::-1][: len(true) // 2].clip(0).sum() / len(true)
        assert (rules[BEST] * (true @ findings["reward"])).mean() > 0.7 * best
        # lots do surely worse in 11 of the 12 seeds, these two among them
        assert next(row["lead"][1] for row in findings["rules"] if row["kind"] == "random") > 0


def test_a_violation_is_found_named_and_told(tmp_path, whole):
    """z of the lowest bin with direct effects of 0.9 was below -9.9 over seeds 0..7; without any
    above -0.9 over seeds 0..11.
    """
    _, findings, _ = studied(tmp_path, 0, confounding=0.5, direct=0.9)
    status = {row["name"]: row for row in findings["assumptions"]}
    assert status["A5"]["status"] == "warn"
    assert "the offer alone makes some buy" in status["A5"]["found"]
    statuses = [row["status"] for row in whole[1]["assumptions"]]
    assert statuses == ["note", *["ok"] * 5]


def test_hidden_confounding_is_priced_where_treatment_was_not_randomised(tmp_path):
    log, _ = make_incentive_world(1500, seed=1, confounding=0.5, logged=False)
    table = (
        log.table.drop_columns(["p(offer)"]) if "p(offer)" in log.table.column_names else log.table
    )
    pq.write_table(table, tmp_path / "log.parquet")
    tables = {
        "log": {
            "path": "log.parquet",
            "treatment": "arm",
            "outcomes": {"bought": "binary"},
            "features": list(FEATURES),
            "claimed": "claimed",
            "design": "learn",
        },
        "space": CELLS,
        "estimator": {"name": "t-learner", "params": {"outcome_model": TREES["outcome_model"]}},
        "strata": {"reward": [0, 0, 0, 1.0, -1.0]},
    }
    study = make_study(make_plan(tables, base=tmp_path))
    findings = strata_findings(study, study.plan.strata, np.tile([0.0, 1.0], (1500, 1)))
    wide = {
        row["assume"]: row["high"] - row["low"]
        for row in findings["ranges"]
        if row["stratum"] == "always_buyer"
    }
    assert 0 < wide["Lambda 1.25"] < wide["Lambda 1.5"] < wide["Lambda 2"]
    assert findings["assumptions"][1]["status"] == "note"
    assert findings["scheme"] == ""
    assert {row["rule"] for row in findings["rules"]} == {
        BEST,
        "at random, as many offers",
        "everybody",
        PLAN,
    }


def test_a_run_carries_the_strata_to_metrics_json_and_to_the_report(tmp_path):
    log, _ = make_incentive_world(1530, seed=5, confounding=0.0)
    findings = run(plan_of(tmp_path, log, CAPS), tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert stored["strata"] == json.loads(json.dumps(plain(findings["strata"])))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Who would have bought anyway?" in page
    assert "Caps on whom the offers reach" in page
    assert "People who buy anyway and take the offer are, among those offered, at most 12%" in page
    assert any("would have bought anyway and take it." in said for said in findings["headline"])
    assert render_report(stored) == page
    shares = [row["share"][0] for row in findings["strata"]["shares"]]
    assert shares[COUPON_BUYER] > 0.1


def test_a_cap_counts_the_always_buyers_that_predictions_miss(tmp_path, monkeypatch):
    """Of the offered, 12.1 % are in truth always-buyers under the cap of 12 % (standard deviation
    between the worlds 0..23: 1.6), 15.4 % (.7) with the predicted shares as they are in place of
    those levelled on the other folds, and 16.7 % (1.0) without the cap.  Levelling lowers them by
    3.2 (1.2).  Bounds are 2.5 and 3 deviations of a mean of two worlds away.
    """
    shares = []
    for seed in (0, 1):
        log, truth = make_incentive_world(3000, seed=seed, confounding=0.5)
        case = case_of(make_study(plan_of(tmp_path, log, CAPS)))
        rules = offer_rules(case)
        with monkeypatch.context() as patch:
            patch.setattr(strata_targeting, "_levelled", as_predicted)
            chances = [rules[BEST], offer_rules(case)[BEST], rules[FREE]]
        shares.append([np.average(truth.strata()[:, ALWAYS_BUYER], weights=p) for p in chances])
    levelled, predicted, free = np.mean(shares, axis=0)
    assert levelled < predicted - 0.01
    assert predicted < free
    assert abs(levelled - CAPS["always_buyers"]) < 0.033


def as_predicted(study: StrataStudy, rows: Any) -> Any:
    """The predicted probability of an always-buyer, (rows,)."""
    return study.strata[rows, ALWAYS_BUYER]


def test_caps_hold_and_say_what_they_cost(tmp_path):
    """By the models' levels some folds' best offers hold 11.3 % always-buyers: a cap of 12 % binds
    in 35 of 40 worlds, one of 10 % in all of the worlds 0..15.
    """
    caps = {"always_buyers": 0.1, "harm": 0.03}
    _, findings, _ = studied(tmp_path, 1, confounding=0.5, strata=caps)
    uses = {row["cap"]: row for row in findings["caps"]}
    assert uses["always_buyers"]["used"] <= caps["always_buyers"] + 1e-9
    assert uses["harm"]["used"] <= caps["harm"] + 1e-9
    assert (
        uses["always_buyers"]["seen"][1] < caps["always_buyers"] < uses["always_buyers"]["seen"][2]
    )
    assert uses["always_buyers"]["binding"]
    free = next(row for row in findings["rules"] if row["rule"] == FREE)
    assert free["lead"][0] < 0  # a cap costs reward
    half = next(point for point in findings["curve"] if point["share"] == 0.5)
    assert half["value"] == pytest.approx(findings["rules"][0]["value"])


def test_a_cap_that_is_not_reached_changes_nothing(tmp_path, whole):
    _, findings, _ = studied(tmp_path, 3, confounding=0.5, strata={"always_buyers": 0.9})
    assert findings["rules"][0]["value"] == pytest.approx(whole[1]["rules"][0]["value"])
    assert not findings["caps"][0]["binding"]


def repeated(study: Study, times: int) -> Study:
    """The study of a log whose rows stand there so often, each with its copies in one group."""
    places = np.repeat(np.arange(len(study.log)), times)
    table = study.log.table.take(pa.array(places)).append_column("unit", pa.array(places))
    log = Log(table, replace(study.log.roles, group="unit"), study.log.space)
    design = replace(study.design, propensity=study.design.propensity[places])
    return replace(study, log=log, fold=study.fold[places], design=design)


def strata_of_copies(one: StrataStudy, study: Study, times: int) -> StrataStudy:
    """The strata of such a log: each copy has those of its row."""
    places = np.repeat(np.arange(len(one.fold)), times)
    return replace(
        one,
        case=make_case(study.plan.strata, study.log),
        fold=one.fold[places],
        scores=one.scores[places],
        strata=one.strata[places],
        propensity=one.propensity[places],
        uplift=one.uplift.take(places),
    )


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> tuple[StrataFindings, StrataFindings]:
    """Findings of a log and of the same with every row three times, grouped."""
    log, _ = make_incentive_world(700, seed=4, confounding=0.5)
    study = make_study(plan_of(tmp_path_factory.mktemp("copies"), log, {"always_buyers": 0.2}))
    once, three = case_of(study), repeated(study, 3)
    offers = np.tile([0.5, 0.5], (len(log), 1))
    findings = []
    with pytest.MonkeyPatch.context() as patch:
        for one, strata_study in ((study, once), (three, strata_of_copies(once, three, 3))):
            patch.setattr(
                "equipoise.pipeline.findings.strata.learn_strata", lambda *_, it=strata_study: it
            )
            policy = np.repeat(offers, len(one.log) // len(log), axis=0)
            findings.append(strata_findings(one, one.plan.strata, policy))
    return findings[0], findings[1]


@pytest.mark.parametrize(
    ("table", "figure"),
    [
        ("shares", "share"),
        ("rules", "value"),
        ("rules", "lead"),
        ("segments", "reward"),
        ("caps", "seen"),
    ],
)
def test_copies_of_a_row_in_one_group_are_no_news(copies, table, figure):
    """Three copies of every row, each with its group: intervals as wide as without the copies.

    Without groups they would be shorter by the root of three.  Rules may differ in a row or two
    where a budget cuts through copies.
    """
    once, three = ([row[figure] for row in findings[table] if row[figure]] for findings in copies)
    assert len(once) == len(three) > 0
    wide, copied = (np.mean([high - low for _, low, high in rows]) for rows in (once, three))
    assert copied == pytest.approx(wide, rel=0.15)


def test_copies_of_a_row_leave_the_shares_as_they_are(copies):
    once, three = (findings["shares"] for findings in copies)
    for a, b in zip(once, three, strict=True):
        assert b["share"] == pytest.approx(a["share"], rel=1e-6)
        assert b["model"] == pytest.approx(a["model"], rel=1e-9)


@pytest.mark.parametrize("test", ["restrictions", "calibration"])
def test_copies_of_a_row_are_no_news_to_the_tests_of_assumptions(copies, test):
    for a, b in zip(*(findings[test] for findings in copies), strict=True):
        assert len(a["z"]) == len(b["z"]) > 1
        assert np.mean(b["std_error"]) == pytest.approx(np.mean(a["std_error"]), rel=0.15)


def test_copies_of_a_row_are_an_audience_three_times_as_large(copies):
    once, three = copies
    for a, b in zip(once["audience"], three["audience"], strict=True):
        for figure in ("units", "offered", "paid", "reward"):
            wide = 3 * np.asarray(a[figure])
            # rules may differ in a row or two: at most a tenth of what is not known of either
            apart = max(3.0, 0.1 * float(np.ptp(wide)) / 2)
            np.testing.assert_allclose(b[figure], wide, rtol=0.02, atol=apart, err_msg=figure)
