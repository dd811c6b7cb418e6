"""`equipoise simulate packets`, then check, run and score by its plan."""

from __future__ import annotations

import json
import re
import tomllib

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.core.errors import InputError, PlanError
from equipoise.data import make_red_packet_world
from equipoise.pipeline import read_plan
from equipoise.pipeline.plan.log import open_log
from equipoise.treatments import read_menu


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("packets") / "world"
    result = invoke("simulate", "packets", "--rows", 400, "--seed", 3, "--json", "-o", out)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == 400
    return out


def test_a_world_is_four_files_that_fit_together(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "log.parquet",
        "menu.csv",
        "plan.toml",
        "truth.parquet",
    ]
    log, menu = open_log(read_plan(folder / "plan.toml")), read_menu(folder / "menu.csv")
    assert tuple(menu) == log.cell_names
    assert log.metrics == ("back", "minutes", "cost")
    assert pq.read_table(folder / "truth.parquet").num_rows == len(log)


def test_names_and_columns_are_one_log(folder):
    """[log] treatment may be the name, three columns or seven."""
    plan, table = (folder / "plan.toml").read_text(), pq.read_table(folder / "log.parquet")
    log = open_log(read_plan(folder / "plan.toml"))
    names = ("total", "count", "interval", "as", "ac", "is", "ic")
    for name, column in zip(names, log.treatment.T, strict=True):
        table = table.append_column(name, [column])
    pq.write_table(table, folder / "wide.parquet")
    wide = plan.replace("log.parquet", "wide.parquet")
    (folder / "wide.toml").write_text(wide.replace('"strategy"', json.dumps(names)))
    same = open_log(read_plan(folder / "wide.toml"))
    np.testing.assert_array_equal(same.cells, log.cells)
    flat = np.array([(0.2, 2, 4), (1.2, 4, 3)])[log.cells % 2]
    for j, name in enumerate(names[:3]):
        table = table.set_column(table.column_names.index(name), name, [flat[:, j]])
    pq.write_table(table, folder / "three.parquet")
    (folder / "three.csv").write_text("name,total,count,interval\nbase,0.2,2,4\nflat,1.2,4,3\n")
    text = wide.replace('"strategy"', json.dumps(names[:3])).replace("wide.", "three.")
    text = re.sub(r"(?s)design = \[.*?\]\n", "", text.replace("menu.csv", "three.csv"))
    (folder / "three.toml").write_text(text)
    assert open_log(read_plan(folder / "three.toml")).cells.tolist() == (log.cells % 2).tolist()


def test_days_and_carry_are_of_packets_only(tmp_path):
    words = ("simulate", "packets", "--rows", 120, "--days", 3, "--carry", 0.2)
    result = invoke(*words, "-o", tmp_path / "month")
    assert result.exit_code == 0, result.output
    plan = tomllib.loads((tmp_path / "month" / "plan.toml").read_text())
    assert (plan["log"]["time"], plan["log"]["group"]) == ("day", "user")
    assert "--days 3 --carry 0.2" in (tmp_path / "month" / "plan.toml").read_text()
    assert pq.read_table(tmp_path / "month" / "log.parquet").num_rows == 360
    other = invoke("simulate", "coupon", "--days", 3, "-o", tmp_path / "coupon")
    assert isinstance(other.exception, InputError)
    assert "--days and --carry must go with packets" in str(other.exception)


def test_a_menu_that_is_not_there_is_an_error(folder):
    text = (folder / "plan.toml").read_text().replace("menu.csv", "none.csv")
    (folder / "none.toml").write_text(text)
    result = invoke("check", folder / "none.toml")
    assert "a menu must be a file of text" in str(result.exception)
    (folder / "no.toml").write_text(text.replace('menu = "none.csv"\n', ""))
    result = invoke("check", folder / "no.toml")
    assert isinstance(result.exception, InputError | PlanError)
    assert "menu" in str(result.exception)


def test_from_schedules_to_a_policy_and_its_report(tmp_path):
    """check, run, score and allocate; effects of schedules are learnt by their form."""
    menu = "name,total,count,interval\nbase,0.2,2,4\nflat,1.2,4,3\nmany,1.2,8,1\nfew,2,2,1.5\n"
    (tmp_path / "menu.csv").write_text(menu + "slow,0.6,3,4\nrich,2.4,5,2\n")
    log, _ = make_red_packet_world(2500, read_menu(tmp_path / "menu.csv"), seed=100)
    table = log.table.append_column("total", [log.treatment[:, 0]])
    for j, name in ((1, "count"), (2, "interval")):
        table = table.append_column(name, [log.treatment[:, j]])
    pq.write_table(table, tmp_path / "log.parquet")
    (tmp_path / "plan.toml").write_text(PLAN)
    for words in (
        ("check", tmp_path / "plan.toml"),
        ("run", tmp_path / "plan.toml", "-o", tmp_path / "run"),
        (
            "score",
            tmp_path / "run" / "policy",
            tmp_path / "log.parquet",
            "-o",
            tmp_path / "scores.parquet",
        ),
        (
            "allocate",
            tmp_path / "run" / "effects.parquet",
            tmp_path / "plan.toml",
            "-o",
            tmp_path / "a",
        ),
    ):
        result = invoke(*words)
        assert result.exit_code == 0, (words, result.output, result.exception)
    findings = json.loads((tmp_path / "run" / "metrics.json").read_text())
    names = ["base", "flat", "many", "few", "slow", "rich"]
    assert [row["name"] for row in findings["timetable"]["rows"]] == names
    assert 'id="timetable"' in (tmp_path / "run" / "report.html").read_text()
    choices = pq.read_table(tmp_path / "scores.parquet").column("chosen").to_pylist()
    assert set(choices) <= set(names)


PLAN = """[log]
path = "log.parquet"
treatment = ["total", "count", "interval"]
features = ["activity", "thrift"]
id = "user"
outcomes = { back = "binary", cost = { kind = "amount", better = "lower" } }

[space]
kind = "schedule"
menu = "menu.csv"
degree = 1

[estimator]
name = "dml"

[policy]
weights = { back = 1 }
floors = [{ metric = "cost", per_head = 0.2 }]

[run]
folds = 2
"""
