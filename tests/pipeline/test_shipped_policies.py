"""A policy that ships, on a log that it has not met: its value, cost and net worth, and rivals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import equipoise as eq
from equipoise.cli.app import app
from equipoise.core.errors import InputError
from equipoise.data.simulators.coupon import make_coupon_world
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.read import read_plan
from equipoise.pipeline.shipped_policies import policy_folder, value_policies

KEY = ("gain", "spend")
TEXT = """[log]
path = "{log}.parquet"
treatment = "coupon"
outcomes = {{ spend = "amount", conversion = "binary" }}
features = {features}
design = {design}
[space]
kind = "arms"
labels = {labels}
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 20 }} }}
[policy]
weights = {{ spend = {spend}, conversion = {conversion} }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs on one log, and a log of other rows with a plan of its own."""
    place = tmp_path_factory.mktemp("shipped")
    for seed, log in enumerate(("old", "new")):
        world, _ = make_coupon_world(2_500, seed=seed)
        pq.write_table(world.table, place / f"{log}.parquet")
        for name, spend, conversion in (("a", 1.0, 0.0), ("b", 0.0, 1.0)):
            text = TEXT.format(
                log=log,
                features=json.dumps(list(world.roles.features)),
                design=[1 / len(world.cell_names)] * len(world.cell_names),
                labels=json.dumps(list(world.cell_names)),
                spend=spend,
                conversion=conversion,
            ).replace('"coupon"', json.dumps(world.roles.treatment))
            (place / f"{log}-{name}.toml").write_text(text)
    for name in ("a", "b"):
        eq.run(eq.read_plan(place / f"old-{name}.toml"), place / f"run-{name}")
    return place


def test_values_are_those_of_doubly_robust_scores_of_the_new_rows(folder: Path):
    plan = read_plan(folder / "new-a.toml")
    log = open_log(plan)
    found = value_policies(plan, log, {"a": folder / "run-a" / "policy"})
    own, nobody, *everybody = found["policies"]
    scorer = eq.pipeline.read_scorer(folder / "run-a" / "policy")
    choice = np.asarray(scorer.numbered().assign(log.table)["chosen"].to_pylist())
    levels = scorer.model.effects(log.table).levels()[:, :, 0]
    e, y, cell = log.propensity, log.y[:, 0], log.cells
    n = np.arange(len(log))
    scores = levels.copy()
    scores[n, cell] += (y - levels[n, cell]) / e[n, cell]
    place = np.array([log.cell_names.index(name) for name in choice])
    want = (scores[n, place] - scores[:, 0]).mean()
    assert own["values"]["spend"][0] == pytest.approx(want, rel=1e-9)
    assert own["treated"] == pytest.approx((place > 0).mean())
    assert nobody["values"]["spend"] == [0, 0, 0]
    assert own["less_first"] == {}
    assert nobody["less_first"]["spend"] == pytest.approx(own["values"]["spend"])
    assert [row["policy"] for row in everybody] == [
        f"everybody: {name}" for name in log.cell_names[1:]
    ]
    assert found["untold"] == []


def test_net_worth_takes_the_cost_off(folder: Path):
    for log in ("old", "new"):
        text = (folder / f"{log}-a.toml").read_text()
        text = text.replace('spend = "amount"', 'spend = { kind = "amount", worth = 2.0 }')
        (folder / f"{log}-money.toml").write_text(text + "cost = 0.3\n")
    eq.run(eq.read_plan(folder / "old-money.toml"), folder / "run-money")
    plan = read_plan(folder / "new-money.toml")
    found = value_policies(plan, open_log(plan), {"own": folder / "run-money" / "policy"})
    for row in found["policies"]:
        want = 2.0 * row["values"]["spend"][0] - row["spend"][0]
        assert row["values"]["net"][0] == pytest.approx(want, abs=1e-12)
        assert row["spend"][0] == pytest.approx(0.3 * row["treated"])


def test_a_log_whose_arms_break_its_design_cannot_tell(folder: Path):
    plan = read_plan(folder / "new-a.toml")
    log = open_log(plan)
    name = next(n for n in log.roles.features if pa.types.is_floating(log.table[n].type))
    high = log.numbers(name) > np.nanmedian(log.numbers(name))
    broken = log.take((high == (log.cells > 0)) | (np.arange(len(log)) % 4 == 0))
    found = value_policies(plan, broken, {"a": folder / "run-a" / "policy"})
    assert "they do not keep to the design" in " ".join(found["untold"])


def test_two_policies_are_paired(folder: Path):
    plan = read_plan(folder / "new-a.toml")
    log = open_log(plan)
    found = value_policies(
        plan, log, {name: policy_folder(folder / f"run-{name}") for name in ("a", "b")}
    )
    a, b = found["policies"][:2]
    less = b["less_first"]["spend"]
    assert less[0] == pytest.approx(a["values"]["spend"][0] - b["values"]["spend"][0])
    same = value_policies(plan, log, {name: folder / "run-a" / "policy" for name in ("one", "two")})
    assert same["policies"][1]["less_first"]["spend"] == [0, 0, 0]


def test_the_command_line(folder: Path):
    command = ["evaluate", str(folder / "run-a"), str(folder / "new-a.toml")]
    command += ["--against", str(folder / "run-b")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Paired differences, per head" in done.output
    assert "run-b" in done.output
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert {"averages", "rankings", "policies", "untold"} <= set(found)
    own = CliRunner().invoke(app, ["evaluate", str(folder / "run-a"), str(folder / "old-a.toml")])
    assert isinstance(own.exception, InputError) or own.exit_code == 0  # other folds' rows
    nowhere = [*command[:3], "--against", str(folder)]
    assert "be a run folder or a snapshot" in str(CliRunner().invoke(app, nowhere).exception)


def test_other_candidates_are_refused(folder: Path):
    text = (folder / "new-a.toml").read_text()
    log = open_log(read_plan(folder / "new-a.toml"))
    labels = json.dumps(list(log.cell_names))
    turned = json.dumps([log.cell_names[0], *log.cell_names[:0:-1]])
    (folder / "turned.toml").write_text(text.replace(labels, turned))
    plan = read_plan(folder / "turned.toml")
    with pytest.raises(InputError, match="candidates must be"):
        value_policies(plan, open_log(plan), {"a": folder / "run-a" / "policy"})
    assert policy_folder(folder) is None


def test_compare_in_python_says_the_same(folder: Path):
    plan = read_plan(folder / "new-a.toml")
    log = open_log(plan)
    paths = {"a": folder / "run-a", "b": folder / "run-b" / "policy"}
    snapshots = {name: folder / f"run-{name}" / "policy" for name in paths}
    want = value_policies(plan, log, snapshots)
    levels = eq.pipeline.read_scorer(folder / "run-a" / "policy").model.effects(log.table)
    table = eq.compare({**paths, "nobody": "none"}, log, levels=levels)
    own = {row.name: row.estimate for row in table.figures if (row.measure, row.metric) == KEY}
    less = {row.name: row.estimate for row in table.differences if (row.measure, row.metric) == KEY}
    for row in want["policies"][:3]:
        assert own[row["policy"]].interval == pytest.approx(row["values"]["spend"])
        if row["less_first"]:
            opposite = -np.array(less[row["policy"]].interval)[[0, 2, 1]]
            assert opposite == pytest.approx(row["less_first"]["spend"])
