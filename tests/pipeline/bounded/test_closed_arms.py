"""A log of any size in which arms are closed to some rows: every figure is that of the formula on
the rows themselves, and nobody gets what is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.policy import Decided, read_scorer
from equipoise.core.checks import check_log, overlap_sums
from equipoise.core.effects import Effects
from equipoise.core.eligibility import open_shares
from equipoise.core.errors import LogError
from equipoise.core.log import Log
from equipoise.core.roles import Roles
from equipoise.data import read_log
from equipoise.evaluation import average_effects, evaluation_data, random_at_equal_spend
from equipoise.pipeline import make_plan, run
from equipoise.pipeline.bounded import open_arms as arms
from equipoise.pipeline.bounded import run as bounded
from equipoise.pipeline.bounded.checks import AllRows, row_sums, whole_of
from equipoise.pipeline.bounded.kept import added
from equipoise.pipeline.bounded.keys import BLOCK, SAMPLE, unit_draws
from equipoise.pipeline.bounded.layout import Layout, slotted
from equipoise.pipeline.findings.profile import group_shares
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.report.findings import Findings

N, LEARN = 4_000, 1_200
ARMS = ("none", "a", "b")
TREES = {"n_estimators": 20, "num_leaves": 6}
P = np.array([0.4, 0.3, 0.3])
BUDGET = {"propensity": 0.7, "shares": 0.7, "list": 1.0}


def sampled(table: pa.Table) -> np.ndarray:
    """Which rows a run learns from."""
    return unit_draws(table, Roles("arm", (), (), id="id"), 0, SAMPLE) < LEARN / N


def columns_of(seed: int, n: int = N) -> dict[str, object]:
    """b is closed to half of the units, a to a fifth of those outside the sample, and to none of
    the sample; whoever b is closed to does more anyway.
    """
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    opens = np.column_stack([np.ones(n, bool), rng.random(n) < 0.8, rng.random(n) < 0.5])
    opens[:, 1] |= sampled(pa.table({"id": np.arange(n)}))
    p = opens * P * np.exp(0.3 * np.outer(x, [0, 1, -1]))
    p /= p.sum(axis=1, keepdims=True)
    by_lot = opens * P / (opens * P).sum(axis=1, keepdims=True)
    draw = rng.random((n, 1))
    tau = np.column_stack([np.zeros(n), 0.5 + 0.5 * z, 1.5 + x])
    noise = rng.normal(size=n)

    def got(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cell = (draw > p.cumsum(axis=1)).sum(axis=1)
        return cell, x + 3 * ~opens[:, 2] + tau[np.arange(n), cell] + noise

    named, facts = {"said": p, "lot": by_lot}, dict[str, object]()
    for name, p_ in named.items():
        cell, y = got(p_)
        facts |= {f"arm_{name}": np.array(ARMS)[cell], f"y_{name}": y}
    return facts | {
        "id": np.arange(n),
        "x": x,
        "z": z,
        "region": np.array(["north", "south", "west"])[rng.integers(0, 3, n)],
        "w": rng.uniform(0.5, 2, n),
        "days": rng.integers(0, 60, n),
        "p0": p[:, 0],
        "pa": p[:, 1],
        "pb": p[:, 2],
        "a_open": opens[:, 1],
        "b_open": opens[:, 2],
        "open": [[name for name, o in zip(ARMS, row, strict=True) if o] for row in opens],
        "tau_a": tau[:, 1],
        "tau_b": tau[:, 2],
    }


WAYS = {
    "propensity": (
        {"treatment": "arm_said", "outcomes": ["y_said"], "propensity": ["p0", "pa", "pb"]}
        | {"weight": "w"},
        {"group_budgets": [{"column": "region", "group": "north", "per_head": 0.2}]},
    ),
    "shares": (
        {"treatment": "arm_lot", "outcomes": ["y_lot"], "design": "shares"}
        | {"eligible": {"a": "a_open", "b": "b_open"}},
        {"parity": [{"column": "region", "within": 0.02}]},
    ),
    "list": (
        {"treatment": "arm_lot", "outcomes": ["y_lot"], "design": P.tolist(), "eligible": "open"}
        | {"features": ["x", "z", "days"]},
        {"limits": [{"column": "region", "group": "west", "most": 1.5}]}
        | {"start": {"column": "days", "until": 20, "factor": 3.0, "half_life_days": 10}},
    ),
}


def plan_of(way: str, folder: Path, columns: dict[str, object], files: int = 3) -> Plan:
    (folder / "log").mkdir(parents=True)
    table = pa.table(columns)
    for i, rows in enumerate(np.array_split(np.arange(len(table)), files)):
        pq.write_table(table.take(pa.array(rows)), folder / "log" / f"{i}.parquet")
    log, policy = WAYS[way]
    return make_plan(
        {
            "log": {"path": "log", "features": ["x", "z"], "id": "id", "protected": ["region"]}
            | log,
            "space": {"kind": "arms", "labels": list(ARMS)},
            "estimator": {
                "name": "t-learner",
                "params": {"outcome_model": {"n_estimators": 20, "num_leaves": 6}},
            },
            "policy": {"cost": {"a": 1.0, "b": 2.0}, "budget": {"per_head": BUDGET[way]}} | policy,
            "report": {"budgets": [BUDGET[way]]},
            "run": {"folds": 2, "learn_rows": LEARN},
        },
        base=folder,
    )


@dataclass(frozen=True)
class Ran:
    """A run; its whole log, what its rule says, the rows that judge, and their judge by blocks."""

    way: str
    out: Path
    findings: Findings
    log: Log
    given: Decided
    opens: np.ndarray  # by the log, (n, K)
    rows: np.ndarray
    propensity: np.ndarray
    judge: Judge
    columns: dict[str, object]

    @property
    def choice(self) -> np.ndarray:
        return self.given.choice[self.rows].astype(np.int64)

    def checks(self) -> dict[str, dict]:
        return {check["name"]: check for check in self.findings["experiment"]["checks"]}


@pytest.fixture(scope="module", params=WAYS)
def ran(request, tmp_path_factory) -> Ran:
    folder, columns = tmp_path_factory.mktemp(request.param), columns_of(0)
    plan = plan_of(request.param, folder, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "PARTITION", 1_000)
        findings = run(plan, folder / "out")
    log = open_log(plan)
    scorer = read_scorer(folder / "out" / "policy")
    given = scorer.decided(log.table)
    rows = np.flatnonzero(~sampled(log.table))
    opens = np.column_stack([np.ones(N, bool), columns["a_open"], columns["b_open"]])
    p = open_shares(log.cells, opens, None)[0] if request.param == "shares" else log.propensity
    judge = make_judge(log, given.effects, p, scorer.costs, 0.95)
    block = unit_draws(log.table, log.roles, 0, BLOCK)
    some = Judge(
        judge.scores[rows], judge.spend[rows], judge.metrics,
        None if log.weight is None else log.weight[rows],
        (block[rows] * findings["read"]["blocks"]).astype(np.int64), 0.95,
        judge.assignment.take(rows),
    )  # fmt: skip
    return Ran(request.param, folder / "out", findings, log, given, opens, rows, p, some, columns)


def test_no_closed_arm_is_given_to_any_row(ran):
    chosen = np.array(pq.read_table(ran.out / "assignments.parquet")["chosen"].to_pylist())
    assert len(chosen) == N
    for a in (1, 2):
        given = chosen == ARMS[a]
        assert given.sum() > 50
        assert not (given & ~ran.opens[:, a]).any()
        assert not ((ran.given.choice == a - 1) & ~ran.opens[:, a]).any()
    if ran.way == "list":
        assert not ((chosen == "b") & (ran.columns["region"] == "west")).any()


def test_rivals_keep_within_what_is_open(ran):
    n, offered = len(ran.rows), ran.given.open_to[ran.rows]
    cells = np.column_stack([np.ones(n, bool), offered])
    lots = random_at_equal_spend(ran.choice, ran.given.expected[ran.rows], eligible=cells)
    assert (lots[:, 0] < 1e-9).any() == (ran.way == "list")  # there some get one in any case
    policies = {"chosen": ran.choice, "nobody": np.full(n, -1), "random at equal cost": lots}
    for a, name in enumerate(ARMS[1:]):
        policies[f"everybody: {name}"] = np.where(offered[:, a], a, -1)
    assert {row["policy"] for row in ran.findings["rivals"]} == set(policies)
    for row in ran.findings["rivals"]:
        policy = policies[row["policy"]]
        values, spend = ran.judge.value(policy)
        metric = ran.log.metrics[0]
        np.testing.assert_allclose(row["values"][metric], values[metric], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(row["spend"], spend, rtol=1e-8, atol=1e-12)
        treated = (policy >= 0).mean() if policy.ndim == 1 else 1 - policy[:, 0].mean()
        assert row["treated"] == pytest.approx(treated)
        if row["kind"] != "chosen":
            gains = ran.judge.gains(ran.choice) - ran.judge.gains(policy)
            against = ran.judge.intervals(gains, None)[0][metric]
            np.testing.assert_allclose(row["against_chosen"][metric], against, rtol=1e-8)


def test_the_value_of_the_rule_holds_the_truth(ran):
    tau = np.column_stack([ran.columns["tau_a"], ran.columns["tau_b"]])[ran.rows]
    gain = np.where(ran.choice >= 0, tau[np.arange(len(tau)), ran.choice], 0.0)
    true = np.average(gain, weights=None if ran.log.weight is None else ran.log.weight[ran.rows])
    value, low, high = ran.findings["rivals"][0]["values"][ran.log.metrics[0]]
    assert abs(value - true) < 0.75 * (high - low)  # three standard errors


def test_average_effects_are_over_the_rows_that_an_arm_is_open_to(ran):
    effects = Effects.from_table(pq.read_table(ran.out / "effects.parquet"))
    p, sample = ran.propensity.copy(), np.setdiff1d(np.arange(N), ran.rows)
    if ran.way == "shares":
        p[sample] = open_shares(ran.log.cells[sample], ran.opens[sample], None)[0]
    block = unit_draws(ran.log.table, ran.log.roles, 0, BLOCK) * ran.findings["read"]["blocks"]
    rows = evaluation_data(
        ran.log.y, cell=ran.log.cells, propensity=p, levels=effects.levels(),
        weight=ran.log.weight, groups=block.astype(np.int64),
    )  # fmt: skip
    exact = average_effects(rows)
    for a, row in enumerate(ran.findings["averages"]):
        np.testing.assert_allclose(row["effect"], exact.effect[a, 0].interval, rtol=1e-8)
        np.testing.assert_allclose(row["control"], exact.control[0].interval, rtol=1e-8)
        tau, w = ran.columns[f"tau_{'ab'[a]}"], ran.log.weight
        opens = ran.opens[:, 1 + a]
        true = np.average(tau[opens], weights=None if w is None else w[opens])
        value, low, high = row["effect"]
        assert abs(value - true) < 0.8 * (high - low)


def assert_alike(one: dict, other: dict, rel: float) -> None:
    """Rows of a table: words are the same, numbers alike."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value == (other[key] if isinstance(value, str) else pytest.approx(other[key], rel))


def test_checks_are_those_of_the_whole_log(ran):
    checks, exact = ran.checks(), {check["name"]: check for check in check_log(ran.log)}
    for name in ("eligibility", "overlap", "sample ratio", "missing values", "outcomes"):
        found, want = checks[name], exact[name]
        assert (found["status"], len(found["rows"])) == (want["status"], len(want["rows"])), name
        if name != "outcomes":
            assert found["summary"] == want["summary"]
        for one, other in zip(found["rows"], want["rows"], strict=True):
            assert_alike(one, other, 1e-9)
    assert ("balance" in ran.findings["read"]["of_sample"]) == (ran.way == "shares")
    if ran.way == "shares":  # its weights are these, which the sample has
        assert checks["balance"]["summary"].startswith("In the sample: ")
        return
    assert checks["balance"]["summary"] == exact["balance"]["summary"]
    for one, other in zip(checks["balance"]["rows"], exact["balance"]["rows"], strict=True):
        assert_alike(one, other, 1e-7)


def test_groups_and_demands_are_of_the_rows_that_judge(ran):
    log, policy = ran.log.take(ran.rows), np.eye(3)[1 + ran.choice]
    expected = ran.given.expected[ran.rows]
    start = read_scorer(ran.out / "policy").start
    exact = group_shares(log, ran.judge, policy, expected, ("region",), start)
    for found, want in zip(ran.findings["policy"]["groups"], exact, strict=True):
        assert (found["group"], found["rows"]) == (want["group"], want["rows"])
        assert found["shares"] == pytest.approx(want["shares"])
        assert found["spend"] == pytest.approx(want["spend"])
        for metric, interval in want["values"].items():
            np.testing.assert_allclose(found["values"][metric], interval, rtol=0.05, atol=1e-3)
    spend = np.where(ran.choice >= 0, expected[np.arange(len(log)), ran.choice], 0.0)
    rows = ran.findings["policy"]["demands"]
    assert rows[0]["used"] == pytest.approx(spend.mean())
    budget = BUDGET[ran.way]
    assert (0.93 if ran.way == "propensity" else 0.99) * budget < spend.mean()
    assert spend.mean() <= budget * (1 + 1e-9)
    new = np.asarray(ran.columns["days"]) < 20
    if ran.way == "list":
        assert ran.findings["policy"]["start"]["rows"] == new.sum()
        treated = ran.choice >= 0
        assert treated[new[ran.rows]].mean() > 0.05 + treated[~new[ran.rows]].mean()
    region = np.asarray(ran.columns["region"])[ran.rows]
    if ran.way == "propensity":
        assert rows[1]["used"] == pytest.approx(spend[region == "north"].mean())
        assert rows[1]["used"] <= 0.2 * (1 + 1e-9)
    if ran.way == "shares":
        treated = ran.choice >= 0
        for name in np.unique(region):
            assert abs(treated[region == name].mean() - treated.mean()) < 0.02 + 1e-9
    assert 0 <= ran.findings["policy"]["gap"] < 1e-2


def test_rankings_are_of_the_rows_that_an_arm_is_open_to(ran):
    tenths = {"a": 0, "b": 0}
    for row in ran.findings["deciles"]:
        tenths[row["candidate"]] += row["rows"]
    assert list(tenths.values()) == ran.opens[ran.rows, 1:].sum(axis=0).tolist()
    for row in ran.findings["calibration"]:
        value, low, high = row["slope"]
        assert abs(value - 1) < (high - low)  # effects are lines, and so are their models


@pytest.mark.parametrize("ran", ["shares"], indirect=True)
def test_order_and_partitions_change_nothing(ran, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    mixed = pa.table(ran.columns).take(pa.array(rng.permutation(N)))
    plan = plan_of("shares", tmp_path, {n: mixed[n] for n in mixed.column_names}, files=5)
    monkeypatch.setattr(bounded, "PARTITION", 300)
    again = run(plan, tmp_path / "out")
    assert again["read"]["partitions"] == 5
    for one, other in zip(ran.findings["rivals"], again["rivals"], strict=True):
        assert one["treated"] == pytest.approx(other["treated"], rel=1e-12)
        np.testing.assert_allclose(one["spend"], other["spend"], rtol=1e-9)
        np.testing.assert_allclose(one["values"]["y_lot"], other["values"]["y_lot"], rtol=1e-9)
    for one, other in zip(ran.findings["averages"], again["averages"], strict=True):
        np.testing.assert_allclose(one["effect"], other["effect"], rtol=1e-9)


def table_of(seed: int, n: int, by_period: bool) -> Log:
    rng = np.random.default_rng(seed)
    opens = np.column_stack([np.ones(n, bool), rng.random((n, 2)) < [0.97, 0.5]])
    cell = np.array([rng.choice(np.flatnonzero(row)) for row in opens])
    table = pa.table(
        {
            "arm": np.array(ARMS)[cell], "y": rng.normal(size=n), "x": rng.normal(size=n),
            "w": rng.uniform(0.5, 2, n), "day": np.sort(rng.integers(0, 4, n)),
            "a": opens[:, 1], "b": opens[:, 2],
        }
    )  # fmt: skip
    return read_log(
        table, treatment="arm", outcomes=["y"], features=["x"], weight="w",
        time="day" if by_period else None, eligible={"a": "a", "b": "b"},
        space="none,a,b", design="shares",
    )  # fmt: skip


@pytest.mark.parametrize("by_period", [False, True])
def test_shares_are_those_among_the_same_open_arms_of_all_rows(by_period):
    """Of some sets and periods no row got an open arm, and their shares are the odds of all."""
    log = table_of(0, 1_200, by_period)
    whole = whole_of(log)
    parts = [log.table.slice(0, 500), log.table.slice(500)]
    sums = [row_sums(log.more(part), whole) for part in parts]
    every = AllRows(added(*sums), 0, whole.starts)
    exact = log.observed_shares
    np.testing.assert_allclose(every.shares.of(log.more(log.table)), exact, rtol=1e-9)
    for name, want in overlap_sums(log, exact).items():
        np.testing.assert_allclose(every.arms.overlap()[name], want, rtol=1e-9)
    want = next(check for check in check_log(log) if check["name"] == "eligibility")
    assert every.arms.check(log.cell_names) == want
    assert (log.periods is None) != by_period


def test_more_sets_than_sums_hold_are_refused(monkeypatch):
    log = table_of(1, 300, by_period=False)
    monkeypatch.setattr(arms, "MOST_SETS", 3)
    with pytest.raises(LogError, match="at most 3 different sets of open arms.*learn_rows"):
        row_sums(log, whole_of(log))


def test_patterns_share_a_slot_where_sums_would_not_fit():
    few = slotted([(False, True), (True, True)], Layout(3, 1))
    assert few.slots == 2
    sums = few.empty(3)
    sums["patterns"][:] = [5, 0]
    share = np.array([0.8, 0.6])
    np.testing.assert_allclose(few.within(sums, share), [[0.8, 0.6], [0.8, 0.6]])
    sums["patterns"][:] = [5, 5]
    np.testing.assert_allclose(few.within(sums, share), [[0.8, 0.6], [0.8 / 1.4, 0.6 / 1.4]])
    one = replace(few, slot=np.zeros(2, np.int64))
    np.testing.assert_allclose(one.within(sums, share), [[0.8 / 1.4, 0.6 / 1.4]])
    many = [tuple(bool(i >> j & 1) for j in range(12)) for i in range(4_096)]
    assert slotted(many, Layout(13, 3)).slots == 1
