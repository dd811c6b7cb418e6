"""The plan: good ones are read with their defaults, bad ones are refused at the right place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from equipoise.core.errors import PlanError
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.read import make_plan, read_plan
from equipoise.pipeline.plan.schema import (
    EstimatorPlan,
    LogPlan,
    Plan,
    PolicyPlan,
    ReportPlan,
    RunPlan,
)
from equipoise.treatments import Arms

LOG = {"dataset": "thornton"}
FILE = {"path": "log.csv", "treatment": "arm", "outcomes": ["sales"]}


def refused(tables: dict) -> str:
    with pytest.raises(PlanError) as caught:
        make_plan(tables, where="plan.toml")
    return str(caught.value)


def test_a_dataset_is_plan_enough():
    plan = make_plan({"log": LOG})
    assert isinstance(plan, Plan)
    assert (plan.estimator.name, plan.run.seed, plan.report.level) == ("x-learner", 0, 0.95)


def test_short_forms_of_outcomes():
    short = make_plan({"log": {**FILE, "outcomes": {"sales": "amount"}}})
    long = make_plan({"log": {**FILE, "outcomes": {"sales": {"kind": "amount"}}}})
    assert short.log == long.log
    assert list(make_plan({"log": {**FILE, "outcomes": ["b", "a"]}}).log.outcomes) == ["b", "a"]


def test_paths_start_from_the_plans_folder(tmp_path):
    file = tmp_path / "deep" / "plan.toml"
    file.parent.mkdir()
    file.write_text('[log]\npath = "log.csv"\ntreatment = "arm"\noutcomes = ["sales"]\n')
    plan = read_plan(file)
    assert plan.path(plan.log.path) == file.parent / "log.csv"
    assert plan.text == file.read_text()


def test_whole_numbers_pass_for_amounts_but_text_does_not():
    assert (
        make_plan(
            {"log": LOG, "policy": {"cost": 1, "budget": {"per_head": 2}}}
        ).policy.budget.head(10)
        == 2.0
    )
    assert "valid number" in refused(
        {"log": LOG, "policy": {"cost": 1, "budget": {"per_head": "2"}}}
    )


def test_totals_become_amounts_per_head():
    policy = make_plan(
        {"log": LOG, "policy": {"cost": 1.5, "budget": {"total": 30}, "offers": {"total": 5}}}
    ).policy
    assert (policy.budget.head(10), policy.offers.head(10)) == (3.0, 0.5)


@pytest.mark.parametrize(
    ("tables", "key", "nearest", "place"),
    [
        ({"log": LOG, "polcy": {}}, "polcy", "policy", "plan.toml"),
        ({"log": {**LOG, "protect": ["age"]}}, "protect", "protected", "[log]"),
        (
            {"log": LOG, "policy": {"cost": 1.0, "budget": {"perhead": 1}}},
            "perhead",
            "per_head",
            "[policy.budget]",
        ),
        (
            {"log": LOG, "policy": {"caps": [{"candidate": "a", "share": 1}, {"candidat": "b"}]}},
            "candidat",
            "candidate",
            "entry 2",
        ),
        (
            {"log": {**FILE, "outcomes": {"sales": {"knd": "amount"}}}},
            "knd",
            "kind",
            "[log.outcomes.sales]",
        ),
        (
            {"log": {"path": "x", "treament": "t", "outcomes": ["y"]}},
            "treament",
            "treatment",
            "[log]",
        ),
    ],
)
def test_a_typo_is_an_error_that_suggests_the_nearest(tables, key, nearest, place):
    text = refused(tables)
    assert f"key {key!r} must be known" in text
    assert f"did you mean {nearest!r}?" in text
    assert place in text
    assert "plan.toml" in text


@pytest.mark.parametrize(
    ("policy", "must"),
    [
        ({"cost": -1.0}, "amount >= 0"),
        ({"cost": float("nan")}, "amount >= 0"),
        ({"cost": {"mail": -0.1}}, "amount >= 0"),
        ({"cost": True}, "amount >= 0"),
        ({"cost": 1.0, "budget": {"per_head": -1}}, "greater than or equal to 0"),
        ({"cost": 1.0, "budget": {"per_head": float("nan")}}, "finite"),
        ({"cost": 1.0, "budget": {"per_head": float("inf")}}, "finite"),
        ({"cost": 1.0, "budget": {"per_head": 1, "total": 2}}, "one of them"),
        ({"cost": 1.0, "budget": {}}, "one of them"),
        ({"cost": 1.0, "budget": 3}, "table of keys"),
        ({"budget": {"per_head": 1}}, "cost of an offer"),
        ({"offers": {"share": 1.2}}, "less than or equal to 1"),
        ({"weights": {"got": "much"}}, "valid number"),
        ({"weights": {"got": -1.0}}, "greater than or equal to 0"),
        ({"weights": {"got": 0.0}}, "other than 0"),
        ({"floors": [{"metric": "got", "per_head": float("nan")}]}, "finite"),
        ({"lower": -1.0}, "greater than or equal to 0"),
    ],
)
def test_wrong_values_of_the_policy(policy, must):
    text = refused({"log": LOG, "policy": policy})
    assert must in text
    assert "got" in text
    assert "plan.toml" in text


@pytest.mark.parametrize(
    ("tables", "must"),
    [
        ({}, "key 'log' must be given"),
        ({"log": {}}, "one of them"),
        ({"log": {"path": "a", "dataset": "b"}}, "one of them"),
        ({"log": {"path": "a"}}, "treatment and the outcomes"),
        ({"log": {**FILE, "outcomes": []}}, "be names"),
        ({"log": {**FILE, "outcomes": {"sales": "money"}}}, "'amount'"),
        ({"log": {**LOG, "design": [0.5, 1.0]}}, "probability in (0, 1)"),
        ({"log": {**LOG, "features": ["a", 3]}}, "entry 2 must be a valid string"),
        ({"log": LOG, "run": {"folds": 1}}, "greater than or equal to 2"),
        ({"log": LOG, "run": {"folds": "3"}}, "valid integer"),
        ({"log": LOG, "report": {"level": 95}}, "less than 1"),
        ({"log": LOG, "base": "elsewhere"}, "key 'base' must be known"),
    ],
)
def test_wrong_values_elsewhere(tables, must):
    assert must in refused(tables)


def test_files_that_are_no_plan(tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text("[log\n")
    with pytest.raises(PlanError, match="valid TOML.*line 1"):
        read_plan(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="UTF-8"):
        read_plan(file)
    with pytest.raises(PlanError, match="No such file"):
        read_plan(tmp_path / "none.toml")


def test_the_plan_in_the_docs_is_a_plan():
    page = (Path(__file__).parents[3] / "docs" / "plan.md").read_text(encoding="utf-8")
    plan = make_plan(tomllib.loads(page.split("```toml\n")[1].split("```")[0]))
    for table in (LogPlan, EstimatorPlan, PolicyPlan, ReportPlan, RunPlan):
        assert not [key for key in table.model_fields if not re.search(rf"\b{key}\b", page)]
    assert plan.policy.floors[0].metric == "complaint"


@pytest.mark.parametrize(
    ("strata", "said"),
    [
        (
            {"methd": "cf-dr"},
            (
                r"key 'methd' must be known; got 'cf-dr' at [strata], in plan.toml; did you mean"
                r" 'method'?"
            ),
        ),
        ({}, "say value and cost, which the reward 'coupon' is made of"),
        ({"value": 1.0}, "say value and cost"),
        (
            {"reward": "vouchers"},
            "be one of 'coupon', 'cash', or five numbers: the worth of never_buyer",
        ),
        ({"reward": [1, 2, 3]}, "or five numbers"),
        (
            {"reward": [0, 0, 0, 1, -1], "value": 1.0},
            "leave value and cost out, since the reward is five numbers",
        ),
        (
            {"value": 1.0, "cost": 0.4, "offers": 1.5},
            "key 'offers' must be less than or equal to 1",
        ),
        ({"value": -1.0, "cost": 0.4}, "key 'value' must be greater than or equal to 0"),
        ({"value": 1.0, "cost": 0.4, "claims": "some"}, "be 'all' or 'offered'"),
    ],
)
def test_a_wrong_table_of_strata_is_refused(strata, said):
    assert said in refused({"log": LOG, "strata": strata})


def test_strata_are_asked_for_or_not():
    assert make_plan({"log": LOG}).strata is None
    strata = make_plan({"log": LOG, "strata": {"reward": "cash", "value": 2, "cost": 1}}).strata
    assert (strata.method, strata.reward, strata.offers, strata.claims) == (
        "cf-dr",
        "cash",
        1.0,
        "all",
    )
    assert make_plan({"log": LOG, "strata": {"reward": [0, 0, -1, 2, -1]}}).strata.reward == (
        0.0,
        0.0,
        -1.0,
        2.0,
        -1.0,
    )


MISSPELT: dict[str, tuple[dict[str, Any], str]] = {
    "estimator": ({"estimator": {"name": "dr-lerner"}}, "key 'name' .*did you mean 'dr-learner'"),
    "strata": (
        {"strata": {"method": "cf-mtl-v2", "value": 1, "cost": 1}},
        "key 'method' .*did you mean 'cf-mtl-v1'",
    ),
    "supply": ({"supply": {"estimator": "dnl"}}, "key 'estimator' .*did you mean 'dml'"),
}


@pytest.mark.parametrize("table", MISSPELT)
def test_a_misspelt_estimator_ends_before_data_are_read(table, tmp_path):
    """The log's file is not even there; the error names the place and the nearest name."""
    keys, says = MISSPELT[table]
    log = {"path": "no such file.csv", "treatment": "t", "outcomes": ["y"]}
    with pytest.raises(PlanError, match=f"{says}") as error:
        make_plan({"log": log, **keys}, base=tmp_path, where="plan.toml")
    assert error.value.where == f"[{table}], in plan.toml"


RANKING = {"path": "log.parquet", "scores": ["p"], "objectives": ["buy", "like"]}


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"path": None}, 'have path = "file" or dataset'),
        ({"objectives": None}, "name the objectives of the file"),
        ({"objectives": ["buy", "buy"]}, "name every objective once"),
        ({"objectives": ["mean"]}, "no objective 'mean'"),
        ({"scores": []}, "name the scores of the file, or models of them"),
        ({"parts": [0.5, 0.5]}, "three shares"),
        ({"parts": [0.5, 0.4, 0.2]}, "sum to 1"),
        ({"until": [1, 2]}, "name the column of times"),
        ({"time": "t", "until": [1]}, "two times in until"),
        ({"time": "t", "until": [1, 2], "parts": [0.6, 0.2, 0.2]}, "parts or until"),
        ({"pairs": "request"}, "name the column of requests"),
        ({"rivals": ["formula", "formula"]}, "name every rival once"),
        ({"rivals": ["formla"]}, "registered ranker; got 'formla' .* 'formula'"),
        ({"base": {"models": ["tree"]}}, "registered model of base scores; .* 'trees'"),
        ({"base": {"part": 0.3, "until": 3}}, "part or until"),
        ({"params": {"width": 3}}, "name the method that params are of"),
        ({"weights": {"buy": 0.0}}, "a weight other than 0"),
        ({"floors": [{"objective": "buy", "lose": 2}]}, "be less than or equal to 1"),
        ({"score": ["p"]}, "key 'score' must be known; .* did you mean 'scores'"),
    ],
)
def test_a_ranking_that_cannot_be(keys, match):
    table = {name: value for name, value in (RANKING | keys).items() if value is not None}
    with pytest.raises(PlanError, match=match):
        make_plan({"ranking": table})


def test_a_ranking_names_its_own_rows():
    plan = make_plan({"ranking": RANKING})
    assert plan.job == "ranking"
    assert plan.ranking.methods == ("best-single-score", "formula", "balanced-bce", "harmonrank")
    named = make_plan({"ranking": RANKING | {"method": "harmonrank", "rivals": []}})
    assert named.ranking.methods == ("harmonrank", "formula")
    with pytest.raises(PlanError, match=r"not with \[policy\]"):
        make_plan({"ranking": RANKING, "policy": {}})


@pytest.mark.parametrize(
    ("policy", "form"),
    [
        ({"cost": 1.0, "budget": 0.3}, "write budget = {per_head = 0.3} or {total = ...}"),
        ({"offers": 0.2}, "write offers = {share = 0.2} or {total = ...}"),
        ({"cost": 1.0, "budget": "much"}, "write budget = {per_head = ...} or {total = ...}"),
    ],
)
def test_a_number_where_a_table_stands_shows_the_form(policy, form):
    with pytest.raises(PlanError, match=re.escape(form)):
        make_plan({"log": LOG, "policy": policy})


def test_what_is_no_table_and_what_is_one():
    space = Arms(["none", "mail"])
    for wrong, said in (
        ({"outcome_model": 5}, "for example outcome_model = {n_estimators = 100}"),
        ({"cv": {"folds": 3}}, "say cv = ..., one value"),
    ):
        with pytest.raises(PlanError, match=re.escape(said)):
            make_estimator(EstimatorPlan(name="dr-learner", params=wrong), space, 0)
