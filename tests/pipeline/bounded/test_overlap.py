"""A log of any size whose answer is for the rows where every arm was possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit

from equipoise.artifacts.policy import read_scorer
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.roles import Roles
from equipoise.evaluation import average_effects, evaluation_data
from equipoise.pipeline import make_plan, run
from equipoise.pipeline.bounded import run as bounded
from equipoise.pipeline.bounded.judging import Judged
from equipoise.pipeline.bounded.keys import BLOCK, SAMPLE, unit_draws
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.population import narrowed, overlap_population
from equipoise.pipeline.study.propensity import features_of
from equipoise.report.findings import Findings

N, LEARN, BUDGET = 4_000, 1_500, 0.3
FILES = ("effects", "assignments")
WAYS = {
    "weights": {"propensity": ["e"], "overlap": "weights"},
    "trim": {"design": "learn", "overlap": "trim", "trim_below": 0.15},
}


@dataclass(frozen=True)
class Ran:
    """A run; its log, what judged, how much each row counts, and the judge of those that do."""

    way: str
    findings: Findings
    log: Log
    judged: Judged
    sample: np.ndarray
    h: np.ndarray
    rows: np.ndarray
    judge: Judge
    choice: np.ndarray
    expected: np.ndarray
    effects: pa.Table
    assigned: pa.Table
    tau: np.ndarray


@pytest.fixture(scope="module", params=WAYS)
def ran(request, tmp_path_factory) -> Ran:
    """The effect of .5 + a^2 is largest where an arm is rare."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, N))
    e = expit(1.7 * a)
    arm = (rng.random(N) < e).astype(np.int64)
    tau = 0.5 + a**2
    y = a + b + arm * tau + rng.normal(size=N)
    table = pa.table({"a": a, "b": b, "arm": arm, "y": y, "e": e, "id": np.arange(N)})
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "log").mkdir()
    for i in range(2):
        pq.write_table(table.slice(i * N // 2, N // 2), folder / "log" / f"{i}.parquet")
    log = {"path": "log", "treatment": "arm", "outcomes": ["y"], "features": ["a", "b"]}
    tables = {
        "log": log | {"id": "id"} | WAYS[request.param],
        "estimator": {
            "name": "t-learner",
            "params": {"outcome_model": {"n_estimators": 20, "num_leaves": 6}},
        },
        "policy": {"cost": 1.0, "budget": {"per_head": BUDGET}},
        "report": {"budgets": [BUDGET]},
        "run": {"folds": 2, "learn_rows": LEARN},
    }
    plan, kept = make_plan(tables, base=folder), list[Judged]()
    real = bounded.judged_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "PARTITION", 1_000)
        patch.setattr(bounded, "judged_of", lambda *a: kept.append(real(*a)) or kept[0])
        findings = run(plan, folder / "out")
    whole, (judged,) = open_log(plan), kept
    sample = unit_draws(whole.table, Roles("arm", (), (), id="id"), 0, SAMPLE) < LEARN / N
    population, rule, h_sample = narrowed(plan, whole.take(sample))
    h = np.zeros(N)
    h[sample] = h_sample
    others = np.flatnonzero(~sample)
    p = whole.propensity if rule.model is None else rule.model.predict(features_of(whole))
    h[others] = rule.weight(p[others])
    rows = others[h[others] > 0]
    scorer = read_scorer(folder / "out" / "policy")
    given = scorer.decided(whole.table)
    more = whole.more(whole.table)
    levels = judged.levels(more, given.effects)
    judge = make_judge(whole, levels, judged.chances.of(more), scorer.costs, 0.95)
    block = unit_draws(whole.table, whole.roles, 0, BLOCK) * findings["read"]["blocks"]
    some = Judge(
        judge.scores[rows], judge.spend[rows], judge.metrics, h[rows],
        block[rows].astype(np.int64), 0.95, judge.assignment.take(rows),
    )  # fmt: skip
    effects, assigned = (pq.read_table(folder / "out" / f"{name}.parquet") for name in FILES)
    choice = given.choice.astype(np.int64)
    return Ran(
        request.param, findings, whole, judged, sample, h, rows, some, choice, given.expected,
        effects, assigned, tau,
    )  # fmt: skip


def test_values_are_those_of_the_rows_as_they_count(ran):
    choice = ran.choice[ran.rows]
    policies = {"chosen": choice, "everybody: 1": np.zeros(len(choice), np.int64)}
    for row in ran.findings["rivals"]:
        if row["policy"] in policies:
            values, spend = ran.judge.value(policies[row["policy"]])
            (value, low, high), (known, least, most) = row["values"]["y"], values["y"]
            assert value == pytest.approx(known, rel=1e-8)
            learnt = ran.findings["read"]["learnt"]  # whose error makes intervals wider
            assert (least - low > 1e-3, high - most > 1e-3) == (learnt, learnt)
            assert learnt or (low, high) == pytest.approx((least, most), rel=1e-8)
            np.testing.assert_allclose(row["spend"], spend, rtol=1e-8)
    gain = np.where(choice >= 0, ran.tau[ran.rows], 0.0)
    true = np.average(gain, weights=ran.h[ran.rows])
    value, low, high = ran.findings["rivals"][0]["values"]["y"]
    assert abs(value - true) < 0.75 * (high - low)  # three standard errors
    effect, low, high = ran.findings["averages"][0]["effect"]
    assert abs(effect - np.average(ran.tau, weights=ran.h)) < 0.75 * (high - low)
    assert effect < ran.tau.mean() - 0.2  # what all rows alike would say


def test_demands_hold_on_the_people_whom_the_answer_is_for(ran):
    choice, row = ran.choice[ran.rows], ran.findings["policy"]["demands"][0]
    spend = np.where(choice >= 0, ran.expected[ran.rows, 0], 0.0).mean()
    assert row["used"] == pytest.approx(spend)
    assert 0.99 * BUDGET < spend <= BUDGET * (1 + 1e-9)
    shipped = ran.findings["policy"]["shipped"]
    assert (shipped["rows"], shipped["treated"]) == (len(ran.rows), pytest.approx(spend))


def test_effects_and_assignments_are_of_those_who_count(ran):
    ids = np.flatnonzero(ran.h > 0)
    assert ran.effects["id"].to_pylist() == ran.assigned["id"].to_pylist() == ids.tolist()
    assert (len(ids) < N) == (ran.way == "trim")
    assert ran.findings["experiment"]["rows"] == ran.findings["people"] == len(ids)
    cells = np.bincount(ran.log.cells[ids]).tolist()
    assert [arm["rows"] for arm in ran.findings["experiment"]["arms"]] == cells
    chosen = np.array(ran.assigned["chosen"].to_pylist())
    others = ~ran.sample[ids]
    assert ((chosen[others] == "1") == (ran.choice[ids][others] >= 0)).all()


def test_the_report_says_whom_the_answer_is_for(ran):
    checks = {check["name"]: check for check in ran.findings["experiment"]["checks"]}
    summary = checks["population"]["summary"]
    assert summary in " ".join(ran.findings["headline"])
    if ran.way == "weights":
        exact = overlap_population(ran.log, "weights").check
        assert summary == exact["summary"]
        for one, other in zip(checks["population"]["rows"], exact["rows"], strict=True):
            assert one["smd"] == pytest.approx(other["smd"])
        return
    count = np.count_nonzero(ran.h)
    assert ran.findings["read"]["left"] == N - count
    assert summary.startswith(f"The answer is for {count:,} of {N:,} rows, where every arm had")
    assert checks["balance"]["summary"].startswith("In the sample: ")
    a = ran.log.numbers("a")
    row = next(row for row in checks["population"]["rows"] if row["feature"] == "a")
    assert row["here"] == pytest.approx(a[ran.h > 0].mean())
    assert row["in all rows"] == pytest.approx(a.mean())


@pytest.mark.parametrize("ran", ["weights"], indirect=True)
def test_average_effects_are_weighted_over_all_rows(ran):
    effects = Effects.from_table(ran.effects)
    block = unit_draws(ran.log.table, ran.log.roles, 0, BLOCK) * ran.findings["read"]["blocks"]
    rows = evaluation_data(
        ran.log.y, cell=ran.log.cells, propensity=ran.log.propensity, weight=ran.h,
        levels=effects.levels(), groups=block.astype(np.int64),
    )  # fmt: skip
    exact = average_effects(rows).effect[0, 0].interval
    np.testing.assert_allclose(ran.findings["averages"][0]["effect"], exact, rtol=1e-8)
