"""A run that learns on a sample and is judged by all other rows, partition by partition."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.targeting import BUDGET, PLAN

from equipoise.allocation.parts import unit_part
from equipoise.artifacts.policy import read_scorer
from equipoise.core.effects import Effects
from equipoise.core.errors import DataError, InputError, LogError, PlanError
from equipoise.core.log import Log, Roles
from equipoise.core.periods import period_shares
from equipoise.core.progress import silent
from equipoise.data import make_coupon_world, read_log
from equipoise.pipeline import make_plan, read_plan, run
from equipoise.pipeline.bounded import run as bounded
from equipoise.pipeline.bounded.checks import AllRows, row_sums, whole_of
from equipoise.pipeline.bounded.kept import Answer, Kept, added, keeping, write_answer
from equipoise.pipeline.bounded.keys import BLOCK, SAMPLE, unit_draws
from equipoise.pipeline.bounded.learning_error import LearningError
from equipoise.pipeline.bounded.periods import periods_by
from equipoise.pipeline.bounded.pricing import read_units, units_table
from equipoise.pipeline.bounded.propensity import Propensities
from equipoise.pipeline.bounded.told import Judgement, rivals_of
from equipoise.pipeline.jobs import read_findings
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.study.evaluator import make_judge
from equipoise.report.findings import Findings, plain
from equipoise.scale.local import LocalExecutor

N, LEARN, FILES = 8_000, 1_600, 4


def written(folder: Path, table: pa.Table, files: int = FILES, extra: str = "") -> Path:
    """A plan and its log in some files."""
    (folder / "log").mkdir(parents=True)
    for i, rows in enumerate(np.array_split(np.arange(len(table)), files)):
        pq.write_table(table.take(pa.array(rows)), folder / "log" / f"{i}.parquet")
    plan = PLAN.replace("log.parquet", "log") + f"learn_rows = {LEARN}\n" + extra
    (folder / "plan.toml").write_text(plan)
    return folder / "plan.toml"


@pytest.fixture(scope="module")
def table() -> pa.Table:
    log, _ = make_coupon_world(N, metrics=("conversion", "visits"), seed=3)
    return log.table


@dataclass(frozen=True)
class Ran:
    """A run, its plan, and its whole log."""

    plan: Path
    out: Path
    findings: Findings
    log: Log


@pytest.fixture(scope="module")
def ran(tmp_path_factory, table) -> Ran:
    folder = tmp_path_factory.mktemp("bounded")
    plan = written(folder, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "PARTITION", 2_000)
        findings = run(plan, folder / "out")
    return Ran(plan, folder / "out", findings, open_log(read_plan(plan)))


def held_out(log: Log) -> np.ndarray:
    share = LEARN / len(log)
    return np.flatnonzero(unit_draws(log.table, log.roles, 0, SAMPLE) >= share)


def test_the_folder_is_that_of_any_run(ran):
    assert {file.name for file in ran.out.iterdir()} == {
        "report.html",
        "effects.parquet",
        "assignments.parquet",
        "explorer.parquet",
        "metrics.json",
        "policy",
        "times.json",
    }
    assert {file.name for file in ran.plan.parent.iterdir()} == {"log", "plan.toml", "out"}
    assert read_findings(ran.out) == json.loads(json.dumps(plain(ran.findings)))
    read = ran.findings["read"]
    assert (read["rows"], read["partitions"]) == (N, FILES)
    assert read["sample"] + read["judged"] == N
    assert read["sample"] == pytest.approx(LEARN, rel=0.1)
    assert ran.findings["people"] == ran.findings["experiment"]["rows"] == N
    assert sum(arm["rows"] for arm in ran.findings["experiment"]["arms"]) == N
    page = (ran.out / "report.html").read_text()
    assert "What was read" in page
    assert f"{read['judged']:,} people outside the sample" in page.replace("\n", " ")


def test_rows_outside_the_sample_judge_to_the_last_digit(ran):
    log, rows = ran.log, held_out(ran.log)
    scorer = read_scorer(ran.out / "policy")
    given = scorer.decided(log.table)
    judge = make_judge(log, given.effects, log.propensity, scorer.costs, 0.95)
    count = ran.findings["read"]["blocks"]
    block = (unit_draws(log.table, log.roles, 0, BLOCK) * count).astype(np.int64)
    by_blocks = type(judge)(
        judge.scores[rows], judge.spend[rows], judge.metrics, None, block[rows], 0.95,
        judge.assignment.take(rows),
    )  # fmt: skip
    chosen = given.choice[rows].astype(np.int64)
    policies = {
        "chosen": chosen,
        "nobody": np.full(len(rows), -1),
        "everybody: coupon-1": np.zeros(len(rows), np.int64),
        "everybody: coupon-2": np.ones(len(rows), np.int64),
    }
    rivals = {row["policy"]: row for row in ran.findings["rivals"]}
    for name, policy in policies.items():
        values, spend = by_blocks.value(policy)
        for metric, interval in values.items():
            np.testing.assert_allclose(rivals[name]["values"][metric], interval, rtol=1e-9)
        np.testing.assert_allclose(rivals[name]["spend"], spend, rtol=1e-9)
        if name != "chosen":
            against = by_blocks.difference(chosen, policy)
            for metric, interval in against.items():
                found = rivals[name]["against_chosen"][metric]
                np.testing.assert_allclose(found, interval, rtol=1e-9)
    shipped = ran.findings["policy"]["shipped"]
    assert shipped["rows"] == len(rows)
    assert shipped["treated"] == pytest.approx((chosen >= 0).mean())
    cost = given.expected[rows, np.maximum(chosen, 0)] * (chosen >= 0)
    assert ran.findings["policy"]["demands"][0]["used"] == pytest.approx(cost.mean())
    every = make_judge(log, given.effects, log.propensity, scorer.costs, 0.95)
    seen = every.value(given.choice.astype(np.int64))[0]["conversion"][0]
    assert abs(seen - rivals["chosen"]["values"]["conversion"][0]) > 1e-4  # the sample judges not


def test_limits_close_candidates_for_all_rules_alike(tmp_path, table, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    group = table["gender"][0].as_py()
    limit = f'[[policy.limits]]\ncolumn = "gender"\ngroup = "{group}"\nmost = 3.0\n'
    plan = written(tmp_path, table, extra=limit)
    findings = run(plan, tmp_path / "out")
    log = open_log(read_plan(plan))
    rows, inside = held_out(log), np.array(log.table["gender"].to_pylist()) == group
    scorer = read_scorer(tmp_path / "out" / "policy")
    given = scorer.decided(log.table)
    judge = make_judge(log, given.effects, log.propensity, scorer.costs, 0.95)
    assert 0.1 < inside[rows].mean() < 0.9
    assert set(given.choice[inside].tolist()) <= {-1, 0}
    rivals = {row["policy"]: row for row in findings["rivals"]}
    second = np.where(inside, -1, 1)
    for name, choice in {
        "chosen": given.choice.astype(np.int64),
        "everybody: coupon-2": second,
    }.items():
        gains, row = judge.gains(choice)[rows].mean(axis=0), rivals[name]
        found = [*(value[0] for value in row["values"].values()), row["spend"][0]]
        np.testing.assert_allclose(found, gains[: len(found)], rtol=0.03)  # by weights of cells
        assert row["treated"] == pytest.approx((choice[rows] >= 0).mean())
    lots, price = rivals["random at equal cost"], given.expected[rows]
    assert lots["spend"][0] == pytest.approx(rivals["chosen"]["spend"][0], rel=0.1)
    share = (given.choice[rows, None] == np.arange(2)).mean(axis=0)
    open_to = np.column_stack([np.ones(len(rows), np.bool_), ~inside[rows]])
    chance = share / open_to.mean(axis=0) * open_to
    spent = np.where(
        given.choice[rows] >= 0, price[np.arange(len(rows)), given.choice[rows]], 0
    ).mean()
    scale = spent / (chance * price).sum(axis=1).mean()
    assert lots["treated"] == pytest.approx(scale * chance.sum(axis=1).mean())
    used = findings["policy"]["demands"][0]["used"]
    assert 0.995 * BUDGET < used <= BUDGET * (1 + 1e-9)


def test_the_budget_holds_on_the_rows_that_judge(ran):
    row = ran.findings["policy"]["demands"][0]
    assert 0.995 * BUDGET < row["used"] <= BUDGET * (1 + 1e-9)
    assert row["binding"]
    assert row["price"] > 0
    assert 0 <= ran.findings["policy"]["gap"] < 1e-3
    assert ran.findings["policy"]["carried"][0] == pytest.approx(row["used"])
    assert ran.findings["verdict"] == "do it"


def test_effects_and_assignments_are_of_all_rows_in_their_order(ran):
    table = pq.read_table(ran.out / "effects.parquet")
    assert table["user"].to_pylist() == ran.log.table["user"].to_pylist()
    rows = held_out(ran.log)
    scorer = read_scorer(ran.out / "policy")
    given = scorer.decided(ran.log.table)
    effects = Effects.from_table(table)
    np.testing.assert_array_equal(effects.values[rows], given.effects.values[rows])
    sample = np.setdiff1d(np.arange(N), rows)
    off = np.abs(effects.values[sample] - given.effects.values[sample]).max(axis=(1, 2)) > 0
    assert off.mean() == pytest.approx(2 / 3, abs=0.1)  # the others are of the fold that ships
    assigned = pq.read_table(ran.out / "assignments.parquet")
    cells = np.array(ran.log.cell_names)
    chosen = np.asarray(assigned["chosen"].to_pylist())
    shipped = cells[1 + given.choice]
    assert (chosen[rows] == shipped[rows]).all()
    # the sample's rows are decided by models that have not seen them: not all as by the one shipped
    assert 0.02 < (chosen[sample] != shipped[sample]).mean() < 0.5


def test_checks_are_of_all_rows(ran):
    checks = {check["name"]: check for check in ran.findings["experiment"]["checks"]}
    cells = np.bincount(ran.log.cells)
    assert [row["rows"] for row in checks["sample ratio"]["rows"]] == cells.tolist()
    y = ran.log.y
    table = {row["outcome"]: row for row in checks["outcomes"]["rows"]}
    for j, name in enumerate(ran.log.metrics):
        assert table[name]["mean"] == pytest.approx(y[:, j].mean(), rel=1e-12)
        assert table[name]["sd"] == pytest.approx(y[:, j].std(), rel=1e-12)
    from equipoise.core.balance import balance_table

    exact = {(r["feature"], r["candidate"]): r for r in balance_table(ran.log)}
    for row in ran.findings["experiment"]["balance"]:
        want = exact[row["feature"], row["candidate"]]
        assert row["smd"] == pytest.approx(want["smd"], rel=1e-9)
        assert row["z"] == pytest.approx(want["z"], rel=1e-9)


class Elsewhere(LocalExecutor):
    """Two threads, to which all that workers are made of comes as to another process."""

    def group(self, worker, parts, *shared, **options):
        parts, shared = pickle.loads(pickle.dumps((parts, shared)))
        return super().group(worker, parts, *shared, **options)


def test_order_partitions_and_processes_change_nothing(ran, table, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    plan = written(tmp_path, table.take(pa.array(rng.permutation(N))), files=3)
    monkeypatch.setattr(bounded, "PARTITION", 1_000)
    again = run(plan, tmp_path / "out", executor=Elsewhere(2))
    assert again["read"]["partitions"] == 3
    mine, its = (read_scorer(folder / "policy").policy for folder in (ran.out, tmp_path / "out"))
    assert mine == its  # prices to the bit
    for name in ("assignments", "effects"):
        one, other = (
            pq.read_table(folder / f"{name}.parquet").sort_by("user")
            for folder in (ran.out, tmp_path / "out")
        )
        assert one.equals(other), name
    for one, other in zip(ran.findings["rivals"], again["rivals"], strict=True):
        assert one["treated"] == pytest.approx(other["treated"], rel=1e-12)
        np.testing.assert_allclose(one["spend"], other["spend"], rtol=1e-9)
        for metric in one["values"]:
            np.testing.assert_allclose(one["values"][metric], other["values"][metric], rtol=1e-9)
    for one, other in zip(ran.findings["rankings"], again["rankings"], strict=True):
        np.testing.assert_allclose(one["qini"], other["qini"], rtol=1e-7, atol=1e-12)


def test_a_learnt_propensity_judges_rows_that_it_has_not_seen(tmp_path, monkeypatch):
    """What it may be wrong by as it was learnt from a sample is in the intervals: without the
    error they are narrower by a tenth and more.
    """
    log, truth = make_coupon_world(
        N, metrics=("conversion", "visits"), seed=1, confounding=1.0, logged=False
    )
    plan = written(tmp_path, log.table)
    lines = plan.read_text().splitlines()
    plan.write_text("\n".join(line if "design" not in line else 'time = "day"' for line in lines))
    judgements: list[Judgement] = []
    monkeypatch.setattr(
        "equipoise.pipeline.bounded.run.Judgement",
        lambda *parts: judgements.append(Judgement(*parts)) or judgements[0],
    )
    findings = run(plan, tmp_path / "out")
    (judgement,) = judgements
    bare = rivals_of(replace(judgement, error=None), log.cell_names)
    for wide, narrow in zip(findings["rivals"], bare, strict=True):
        for metric, (value, low, high) in wide["values"].items():
            less, least, most = narrow["values"][metric]
            assert value == less
            assert (most - least) <= 0.95 * (high - low) or high == low
    assert findings["read"]["learnt"]
    last, names = judgement.cells - 1, log.cell_names
    own = np.zeros((last + 1, 3, last + 1, 3))
    own[last, :, last, :] = np.eye(3)
    alone = replace(judgement, error=LearningError(own, 2 * own))
    of_last = rivals_of(alone, names)
    for wide, narrow in zip(of_last[: 2 + last], bare, strict=False):
        told = {
            way: any(own != pytest.approx(narrow[way][name]) for name, own in wide[way].items())
            for way in ("values", "against_chosen")
        }
        hit = wide["policy"] == f"everybody: {names[last]}"
        assert told == {"values": hit, "against_chosen": hit}, wide["policy"]
    checks = {check["name"]: check for check in findings["experiment"]["checks"]}
    assert checks["learnt propensity"]["status"] in ("note", "warn")
    for row in findings["averages"]:
        a, j = findings["candidates"].index(row["candidate"]), log.metrics.index(row["metric"])
        true = (truth.levels[:, 1 + a, j] - truth.levels[:, 0, j]).mean()
        value, low, high = row["effect"]
        assert abs(value - true) < 3 * (high - low) / 3.92, row


def test_shares_of_periods_are_those_of_all_rows(table):
    plan = {"path": "-", "treatment": "arm", "time": "day", "id": "user", "design": None}
    roles = {k: v for k, v in plan.items() if k not in ("path", "design")}
    log = read_log(table, outcomes=["visits"], space="none,coupon-1,coupon-2", **roles)
    sample = log.take(np.arange(0, N, 4))
    whole = whole_of(sample)
    parts = [table.slice(0, 3000), table.slice(3000)]
    sums = [row_sums(log.more(part), whole) for part in parts]
    every = AllRows(added(*sums), 0, whole.starts)
    codes = periods_by(log, whole.starts)
    assert codes.max() == len(whole.starts) - 1 > 2
    chances = Propensities(None, whole.features, whole.starts, every.shares)
    p = chances.of(log.more(table))
    np.testing.assert_allclose(p, period_shares(codes, log.cells, 3, None), rtol=1e-12)
    other = np.setdiff1d(np.arange(N), np.arange(0, N, 4))
    assert (codes[np.arange(0, N, 4)] == sample.periods).all()
    assert (np.diff(codes[other][np.argsort(log.numbers("day")[other], kind="stable")]) >= 0).all()


class Broken(Exception):
    """The driver ends here."""


def test_a_run_that_was_broken_off_comes_to_the_same_bits(ran, tmp_path, monkeypatch):
    shutil.copytree(ran.plan.parent / "log", tmp_path / "log")
    shutil.copy(ran.plan, tmp_path / "plan.toml")
    monkeypatch.setattr(bounded, "PARTITION", 2_000)

    def breaks(what, step, total):
        if (what, step) == ("judging", 2):
            raise Broken

    with pytest.raises(Broken):
        run(tmp_path / "plan.toml", tmp_path / "out", progress=breaks)
    assert {file.name for file in tmp_path.iterdir()} == {"log", "plan.toml", "out.parts"}
    steps = []
    run(tmp_path / "plan.toml", tmp_path / "out", progress=lambda *step: steps.append(step))
    assert [step for step in steps if step[0] == "judging"] == [("judging", i, 4) for i in (3, 4)]
    assert not [step for step in steps if step[0] in ("sample", "checks")]
    assert {file.name for file in tmp_path.iterdir()} == {"log", "plan.toml", "out"}
    for name in ("metrics.json", "effects.parquet", "assignments.parquet", "explorer.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (ran.out / name).read_bytes(), name


def test_parts_of_another_seed_are_not_taken(ran, tmp_path, monkeypatch):
    """Also where the plan was changed in Python, and its text was not."""
    shutil.copytree(ran.plan.parent / "log", tmp_path / "log")
    shutil.copy(ran.plan, tmp_path / "plan.toml")
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    plan = read_plan(tmp_path / "plan.toml")

    def breaks(what, step, total):
        if (what, step) == ("checks", 2):
            raise Broken

    with pytest.raises(Broken):
        run(plan, tmp_path / "out", progress=breaks)
    other = plan.model_copy(update={"run": plan.run.model_copy(update={"seed": 1})})
    steps = []
    with pytest.raises(Broken):
        run(other, tmp_path / "out", progress=lambda *step: (steps.append(step), breaks(*step)))
    assert [step for step in steps if step[0] == "sample"] == [
        ("sample", i, 4) for i in (1, 2, 3, 4)
    ]


def test_a_second_run_for_the_same_place_is_refused(ran, tmp_path):
    executor = LocalExecutor()
    with keeping(tmp_path / "out", "a" * 16, executor, silent) as kept:
        with (
            pytest.raises(InputError, match="must be written by one process; got another one"),
            keeping(tmp_path / "out", "b" * 16, executor, silent),
        ):
            pass
        assert kept.folder.is_dir()
    assert not list(tmp_path.iterdir())
    (tmp_path / "out.parts").touch()
    with (
        pytest.raises(InputError, match="the folder of parts must be free"),
        keeping(tmp_path / "out", "a" * 16, executor, silent),
    ):
        pass


def test_a_file_that_is_written_anew_meanwhile_is_told(table, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    plan = written(tmp_path, table)

    def rewritten(what, step, total):
        if (what, step) == ("judging", 4):
            rows = np.arange(N // FILES)[::-1]
            pq.write_table(table.take(pa.array(rows)), tmp_path / "log" / "0.parquet")

    with pytest.raises(DataError, match=r"must stay as it was .*0\.parquet; do not write"):
        run(plan, tmp_path / "out", progress=rewritten)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("floor", [False, True])
def test_units_of_any_number_are_read_as_they_were_written(tmp_path, floor):
    rng = np.random.default_rng(0)
    for n in (0, 1, 3):
        cube = rng.normal(size=(n, 2, 3)) if floor else None
        labels = np.array(["a", "b", "a"])[:n]
        units = unit_part(
            rng.normal(size=(n, 2)), cost=np.ones((n, 2)), cube=cube, groups={"g": labels}
        )
        keys = np.arange(n, dtype=np.uint64)[::-1]
        table = units_table(units, keys)
        file = str(tmp_path / "u.arrow")
        with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        back = read_units(file)
        assert back.cube.shape == units.cube.shape
        for name in ("worth", "cube", "kind"):
            want = getattr(units, name)
            want = want[::-1] if len(want) == n else want  # by their keys
            assert getattr(back, name).tolist() == want.tolist()
        assert (back.columns, back.kinds) == (units.columns, units.kinds)


def test_tables_that_are_kept_may_have_a_dictionary_a_batch(tmp_path):
    parts = [pa.table({"arm": pa.array(list(arms)).dictionary_encode()}) for arms in ("ab", "ca")]
    table = pa.concat_tables(parts)
    write_answer(tmp_path / "sample-000000", Answer({}, {"rows": table}))
    kept = Kept(tmp_path, LocalExecutor(), silent).table("sample", 0, "rows")
    assert kept["arm"].to_pylist() == ["a", "b", "c", "a"]


def test_weights_say_only_how_rows_compare(ran, table, tmp_path, monkeypatch):
    """Those that are all the same give the figures of none, though their squares are infinite."""
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    plan = written(tmp_path, table.append_column("heavy", pa.array(np.full(N, 1e300))))
    plan.write_text(plan.read_text().replace('id = "user"', 'id = "user"\nweight = "heavy"'))
    findings = run(plan, tmp_path / "out")
    for part in ("rivals", "averages", "rankings", "deciles"):
        assert plain(findings[part]) == plain(ran.findings[part]), part


def test_a_partition_of_the_sample_alone_is_no_obstacle(table, tmp_path, monkeypatch):
    """Sorted by a group, whose rows are all in the sample or all outside."""
    monkeypatch.setattr(bounded, "PARTITION", 200)
    shops = pa.array([f"g{i // 200:03d}" for i in range(4_000)])
    log = table.slice(0, 4_000).append_column("shop", shops)
    plan = written(tmp_path, log, files=1)
    pq.write_table(log, tmp_path / "log" / "0.parquet", row_group_size=200)
    plan.write_text(plan.read_text().replace('id = "user"', 'id = "user"\ngroup = "shop"'))
    findings = run(plan, tmp_path / "out")
    assert findings["read"]["sample"] % 200 == findings["read"]["judged"] % 200 == 0
    assert findings["policy"]["demands"][0]["used"] <= BUDGET * (1 + 1e-9)


def test_a_budget_is_spent_where_the_model_tells_few_units_apart(table, tmp_path, monkeypatch):
    """Of a feature of two values whole halves of the log are tied at the price of a budget."""
    monkeypatch.setattr(bounded, "PARTITION", 1_000)
    old = pa.array(table["age"].to_numpy() > 40)
    plan = written(tmp_path, table.append_column("old", old).slice(0, 4_000))
    named = plan.read_text().split("features = ")[1].split("\n")[0]
    plan.write_text(plan.read_text().replace(named, '["old"]'))
    findings = run(plan, tmp_path / "out")
    used = findings["policy"]["demands"][0]["used"]
    assert 0.98 * BUDGET < used <= BUDGET * (1 + 1e-9)
    assert findings["policy"]["shipped"]["rows"] == findings["read"]["judged"]


def test_parity_holds_on_the_rows_that_judge(table, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    parity = '[[policy.parity]]\ncolumn = "gender"\nwithin = 0.02\n'
    findings = run(written(tmp_path, table, extra=parity), tmp_path / "out")
    log = open_log(read_plan(tmp_path / "plan.toml"))
    rows = held_out(log)
    treated = read_scorer(tmp_path / "out" / "policy").decided(log.table).choice[rows] >= 0
    gender = np.array(log.table["gender"].to_pylist())[rows]
    for row in findings["policy"]["demands"][1:]:
        assert row["used"] <= 0.02 + 1e-9, row
    for label in np.unique(gender):
        assert abs(treated[gender == label].mean() - treated.mean()) < 0.02 + 1e-9


def test_a_log_whose_rows_repeat_each_other_must_name_them(table, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    few = pa.concat_tables([table.slice(0, 1_000)] * 8)
    plan = written(tmp_path, few)
    plan.write_text(plan.read_text().replace('id = "user"\n', ""))
    with pytest.raises(LogError, match="the rows of a large log must have an id.*say .log. id"):
        run(plan, tmp_path / "out")


def test_a_log_that_fits_is_run_as_a_whole(ran):
    plan = read_plan(ran.plan)
    fits = plan.model_copy(update={"run": plan.run.model_copy(update={"learn_rows": N})})
    assert bounded.large_log(fits) is None
    assert len(bounded.large_log(plan)) == 1


def with_rows(table: pa.Table, **columns) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


@pytest.mark.parametrize("sampled", [False, True])
def test_a_wrong_row_is_named_by_its_number_in_the_log(ran, table, tmp_path, sampled):
    judges = np.isin(np.arange(N), held_out(ran.log))
    row = int(np.flatnonzero(judges != sampled)[-1])
    visits = table["visits"].to_numpy().astype(float).copy()
    visits[row] = -1
    plan = written(tmp_path, with_rows(table, visits=visits))
    with pytest.raises(LogError, match=f"visits.*row {row};"):
        run(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_id_that_occurs_twice_in_other_partitions_is_named(ran, table, tmp_path):
    sampled = np.setdiff1d(np.arange(N), held_out(ran.log))
    for first, last in ((5, N - 1), (int(sampled[3]), int(sampled[-1]))):
        user = table["user"].to_numpy().copy()
        user[last] = user[first]
        plan = written(tmp_path / str(first), with_rows(table, user=user))
        with pytest.raises(LogError, match=rf"'{first}' twice at rows \[{first}, {last}\]"):
            run(plan, tmp_path / "out")


@pytest.mark.parametrize("features", [True, False])
def test_a_role_of_no_column_is_told_with_the_nearest(table, tmp_path, features):
    plan = written(tmp_path, table.slice(0, 4_000))
    text = plan.read_text()
    if not features:
        text = "\n".join(line for line in text.split("\n") if not line.startswith("features"))
    for role in ('id = "User"', 'id = "user"\ngroup = "User"'):
        plan.write_text(text.replace('id = "user"', role))
        with pytest.raises(LogError, match="'User' must be in the log; .* did you mean 'user'"):
            run(plan, tmp_path / "out")
    plan.write_text(text.replace('id = "user"', 'id = "user"\ntext = ["gender"]'))
    columns = bounded.large_log(read_plan(plan))[0].schema.names
    assert ("gender" in columns, "visits" in columns) == (True, True)


@pytest.mark.parametrize("role", ["id", "group"])
def test_what_cannot_name_a_row_is_told_before_a_sample_is_drawn(table, tmp_path, role):
    log, row = table.slice(0, 2_000), 1_234
    keys = [str(i).encode() for i in range(len(log))]
    gap = [None if i == row else str(i) for i in range(len(log))]
    cut = pa.array([b"a\xff" if i == row else b"a%d" % i for i in range(len(log))])
    for name, (column, said) in {
        "bytes": (pa.array(keys), "be numbers, text, true/false or times; got binary"),
        "gap": (pa.array(gap), f"have no missing value; got null at row {row};"),
        "cut": (cut.view(pa.string()), "UTF-8"),
    }.items():
        plan = written(tmp_path / name, log.append_column("key", column))
        plan.write_text(plan.read_text().replace('id = "user"', f'{role} = "key"'))
        with pytest.raises(LogError, match=f"'key' must {said}|'key' must be text in {said}"):
            run(plan, tmp_path / "out")


def test_partitions_of_other_columns_and_empty_ones(table, tmp_path):
    plan = written(tmp_path, table)
    odd = tmp_path / "log" / "9.parquet"
    pq.write_table(table.slice(0, 0), odd)
    assert len(bounded.large_log(read_plan(plan))) == 1
    pq.write_table(table.drop_columns(["age"]), odd)
    with pytest.raises(DataError, match="no column 'age'"):
        run(plan, tmp_path / "out")
    pq.write_table(with_rows(table, age=["old"] * N), odd)
    with pytest.raises(DataError, match="age.*one type in all files"):
        run(plan, tmp_path / "out")


def test_a_partition_that_vanishes_is_named(table, tmp_path):
    plan = written(tmp_path, table)

    def vanishes(what, step, total):
        if what == "sample" and step == total:
            (tmp_path / "log" / "2.parquet").unlink()

    with pytest.raises(DataError, match=r"2\.parquet"):
        run(plan, tmp_path / "out", progress=vanishes)
    assert not (tmp_path / "out").exists()


def test_a_group_as_large_as_the_sample_is_an_error(table, tmp_path):
    group = np.arange(N)
    roles = Roles("arm", (), (), group="user")
    draws = unit_draws(pa.table({"user": group}), roles, 0, SAMPLE)
    group[: N // 2] = int(draws.argmin())  # a group of the sample
    plan = written(tmp_path, with_rows(table, user=group))
    plan.write_text(plan.read_text().replace('id = "user"', 'group = "user"'))
    with pytest.raises(DataError, match="whole groups by 'user'.*larger learn_rows"):
        run(plan, tmp_path / "out")


@pytest.mark.parametrize(
    ("table_", "keys", "named"),
    [
        ("log", {"treatment": ["arm", "claimed"]}, "several columns"),
        ("policy", {"keep": {"path": "old.parquet", "bonus": 1.0}}, "keep"),
        ("policy", {"limits": [{"column": "gender", "group": "f", "model": "own"}]}, "own"),
    ],
)
def test_what_is_not_judged_by_sums_yet_says_so(ran, table_, keys, named):
    import tomllib

    tables = tomllib.loads(ran.plan.read_text())
    tables[table_] |= keys
    with pytest.raises(PlanError, match=f"{named}.*learn_rows"):
        run(make_plan(tables, base=ran.plan.parent))


def test_a_total_for_people_who_are_counted_at_the_end_is_refused(ran):
    plan = read_plan(ran.plan)
    total = plan.policy.budget.model_copy(update={"per_head": None, "total": 400.0})
    policy = plan.policy.model_copy(update={"budget": total})
    trims = plan.log.model_copy(update={"overlap": "trim"})
    with pytest.raises(PlanError, match="a total beside .log. overlap.*learn_rows"):
        run(plan.model_copy(update={"policy": policy, "log": trims}))


def test_the_total_of_a_group_is_for_all_its_rows(tmp_path, table, monkeypatch):
    monkeypatch.setattr(bounded, "PARTITION", 2_000)
    group = table["gender"][0].as_py()
    own = f'[[policy.group_budgets]]\ncolumn = "gender"\ngroup = "{group}"\ntotal = 300.0\n'
    findings = run(written(tmp_path, table, extra=own), tmp_path / "out")
    heads = int((np.array(table["gender"].to_pylist()) == group).sum())
    row = findings["policy"]["demands"][1]
    assert row["bound"] == pytest.approx(300 / heads)
    assert 0.98 * row["bound"] < row["used"] <= row["bound"] * (1 + 1e-9)


def test_totals_are_for_all_rows(ran):
    plan = read_plan(ran.plan)
    total = {"budget": plan.policy.budget.model_copy(update={"per_head": None, "total": 400.0})}
    asks = plan.model_copy(update={"policy": plan.policy.model_copy(update=total)})
    sample = bounded.Sample(pa.table({}), np.zeros(0, int), N, 0.2, {}, [], {})
    assert bounded.of_all_rows(asks, sample).policy.budget.per_head == 400 / N
    assert ran.findings["policy"]["demands"][0]["bound"] == pytest.approx(BUDGET)
