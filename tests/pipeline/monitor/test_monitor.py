"""A daily log is watched, from a file to alarms, a page and an exit code."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.daily_logs import PER, PLAN, D, a_log

from equipoise.artifacts.policy import write_scorer
from equipoise.core.errors import InputError, LogError, PlanError
from equipoise.pipeline.monitor.run import monitor


@pytest.fixture
def watched(tmp_path):
    """A function that watches a table by a plan."""

    def watch(table: pa.Table, plan: str = PLAN, suffix: str = ".parquet"):
        file = tmp_path / f"log{suffix}"
        (pq.write_table if suffix == ".parquet" else pcsv.write_csv)(table, file)
        (tmp_path / "plan.toml").write_text(plan)
        return monitor(tmp_path / "plan.toml", file, tmp_path / "out")

    return watch


def test_a_quiet_log_has_no_alarm(watched, tmp_path):
    findings = watched(a_log())
    assert findings["alarms"] == []
    assert len(findings["effects"]) == 4
    by = {(row["strategy"], row["metric"]): row for row in findings["effects"]}
    mean, error = by["late", "back"]["mean"]
    assert abs(mean - 0.15) < 4 * error
    assert sum(findings["rows"]) == D * PER
    page = (tmp_path / "out" / "monitor.html").read_text()
    assert "All is quiet on 2026-10-15" in page
    assert json.loads((tmp_path / "out" / "monitor.json").read_text())["days"][0] == "2026-09-01"


def test_an_effect_that_falls_is_an_alarm_with_its_day(watched):
    alarms = watched(a_log(drop=0.15))["alarms"]
    assert [(alarm["what"], alarm["stream"]) for alarm in alarms] == [("effect", "late on back")]
    assert "2026-10-04" <= alarms[0]["since"] <= "2026-10-08"
    assert alarms[0]["since"] <= alarms[0]["day"] <= "2026-10-15"
    assert "pp since" in alarms[0]["sentence"]


def test_a_mix_that_moves_is_an_alarm(watched):
    alarms = watched(a_log(moved=0.1))["alarms"]
    assert [alarm["what"] for alarm in alarms] == ["mix"]
    assert "late has" in alarms[0]["sentence"]
    assert "more than before" in alarms[0]["sentence"]


def test_days_of_other_strategies_are_not_compared_and_who_came_is_said(watched):
    """As a rollout does: late runs from day 20 on; only its first day is an alarm."""
    table = a_log()
    day = table["day"].to_numpy().astype("datetime64[D]").astype(int)
    name = np.array(table["strategy"].to_pylist())
    day = day - day.min()
    staged = table.filter(pa.array((name != "late") | (day >= 20)))
    assert watched(staged)["alarms"] == []
    first = staged.filter(pa.array(day[(name != "late") | (day >= 20)] <= 20))
    alarms = watched(first)["alarms"]
    assert [alarm["sentence"] for alarm in alarms] == [
        "On 2026-09-21 other strategies run: late came."
    ]


def test_a_feature_that_is_missing_is_an_alarm(watched):
    alarms = watched(a_log(absent=0.04))["alarms"]
    assert [(alarm["what"], alarm["stream"]) for alarm in alarms] == [("missing", "age")]


def test_changes_are_counted_by_class_and_day_and_held_to_their_limit(watched):
    """Every heavy unit changes on the last day; no light one ever does."""
    user, day = np.tile(np.arange(60), 5), np.repeat(np.arange(5), 60)
    heavy = user % 3 == 0
    s = np.where(heavy & (day == 4), (user + 1) % 3, user % 3)
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "user": user,
            "day": day,
            "strategy": np.array(["base", "flat", "late"])[s],
            "activity": np.where(heavy, "heavy", "light"),
            "back": rng.integers(0, 2, 300),
            "minutes": rng.random(300),
            "age": rng.random(300),
        }
    )
    plan = PLAN.replace('time = "day"', 'time = "day"\ngroup = "user"')
    plan += 'churn = { heavy = 0.2, light = 0.2 }\n[cadence]\ncolumn = "activity"\n'
    plan += "[policy]\ncost = { flat = 1.0, late = 3.0 }\n"
    findings = watched(table, plan)
    by = {row["class"]: row for row in findings["churn"]}
    assert by["heavy"]["changed"] == [None, 0, 0, 0, 1]
    assert by["light"]["changed"] == [None, 0, 0, 0, 0]
    assert by["heavy"]["units"] == [0, 20, 20, 20, 20]
    assert by["heavy"]["moved"][-1] == pytest.approx(1.0)  # from base to flat
    assert [a["stream"] for a in findings["alarms"] if a["what"] == "churn"] == ["heavy"]
    with pytest.raises(PlanError, match="the classes are heavy, light"):
        watched(table, plan.replace("light =", "new ="))


@pytest.mark.parametrize("form", ["csv", "text", "timestamp", "number", "category"])
def test_days_of_any_type_are_read(watched, form):
    table, want = a_log(drop=0.15), watched(a_log(drop=0.15))
    place = table.column_names.index("day")
    days = table["day"].combine_chunks()
    if form == "text":
        table = table.set_column(place, "day", days.cast(pa.string()))
    elif form == "timestamp":
        table = table.set_column(place, "day", days.cast(pa.timestamp("us")))
    elif form == "number":
        table = table.set_column(place, "day", days.cast(pa.int32()))
    elif form == "category":
        table = table.set_column(1, "strategy", table["strategy"].dictionary_encode())
    findings = watched(table, suffix=".csv" if form == "csv" else ".parquet")
    assert [a["stream"] for a in findings["alarms"]] == [a["stream"] for a in want["alarms"]]
    assert findings["effects"][0]["effect"] == pytest.approx(want["effects"][0]["effect"])
    if form != "number":
        assert findings["days"] == want["days"]


def test_the_order_of_rows_changes_nothing(watched):
    table = a_log()
    order = np.random.default_rng(1).permutation(len(table))
    one, other = watched(table), watched(table.take(pa.array(order)))
    for mine, theirs in zip(one["effects"], other["effects"], strict=True):
        assert mine["effect"] == pytest.approx(theirs["effect"], abs=1e-12)


def test_a_strategy_of_several_columns_has_a_name_of_all(watched):
    table = a_log().append_column("count", pa.array(np.full(D * PER, 4)))
    plan = PLAN.replace('"strategy"', '["strategy", "count"]')
    plan = plan.replace('base = "base"', 'base = "base x 4"')
    assert {row["strategy"] for row in watched(table, plan)["effects"]} == {"flat x 4", "late x 4"}


@pytest.mark.parametrize(
    ("plan", "error", "match"),
    [
        (PLAN.replace('time = "day"\n', ""), PlanError, "time must be named"),
        (PLAN.replace('base = "base"', ""), PlanError, "base must name a strategy"),
        (PLAN.replace('base = "base"', 'base = "bse"'), LogError, "did you mean 'base'"),
        (PLAN.replace('"strategy"', '"strategies"'), LogError, "did you mean 'strategy'"),
        (PLAN + "mix = 2", PlanError, "mix"),
        (PLAN + "[monitor.effects]\nreference_days = 0", PlanError, "reference_days"),
        (PLAN + "mixx = 0.1", PlanError, "mix"),
    ],
)
def test_a_wrong_plan_is_explained(watched, tmp_path, plan, error, match):
    with pytest.raises(error, match=match):
        watched(a_log().slice(0, 3 * PER), plan)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["day", "strategy", "back"])
def test_a_missing_value_names_its_row(watched, name):
    table = a_log().slice(0, 3 * PER)
    column = table[name].to_pylist()
    column[7] = None
    wrong = pa.array(column, type=table[name].type)
    with pytest.raises((LogError, InputError), match="row 7"):
        watched(table.set_column(table.column_names.index(name), name, wrong))


def test_a_list_is_no_strategy(watched):
    table = a_log().slice(0, 3 * PER)
    lists = pa.array([["base"]] * len(table))
    with pytest.raises(LogError, match="'strategy' must have one value a row"):
        watched(table.set_column(1, "strategy", lists))


def test_one_day_is_no_log_to_watch(watched):
    with pytest.raises(InputError, match="2 days or more"):
        watched(a_log().slice(0, PER))


def test_a_run_folder_says_what_its_plan_said_and_what_was_missing_then(shipped, tmp_path):
    plan = """[log]
path = "old.csv"
treatment = "arm"
outcomes = ["y"]
time = "day"
features = ["age", "plan_name"]
"""
    write_scorer(tmp_path / "run" / "policy", shipped.scorer, plan=plan)
    table = shipped.table.append_column("day", pa.array(np.arange(600) // 60))
    pq.write_table(table, tmp_path / "log.parquet")
    findings = monitor(tmp_path / "run", tmp_path / "log.parquet")
    assert findings["base"] == shipped.scorer.policy.control
    expected = {row["feature"]: row["expected"] for row in findings["missing"]}
    assert expected == {"age": 0.0, "plan_name": pytest.approx(1 / 3)}
    assert findings["alarms"] == []


def test_other_files_are_spared(watched, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="an earlier monitor's folder"):
        watched(a_log().slice(0, 3 * PER))
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_text_of_a_log_is_no_markup_of_the_page(watched, tmp_path):
    table = a_log()
    names = ["<b>x</b>" if name == "late" else name for name in table["strategy"].to_pylist()]
    watched(table.set_column(1, "strategy", pa.array(names)))
    assert "<b>x</b> on back" not in (tmp_path / "out" / "monitor.html").read_text()
