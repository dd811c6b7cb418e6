"""Tested schedules -> new ones, a shortlist for fresh traffic, and claims; from files to files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import EquipoiseError, InputError, LogError, PlanError
from equipoise.pipeline.plan.read import read_plan
from equipoise.pipeline.propose import claims_of, propose_check, propose_new, tried_schedules
from equipoise.treatments import Schedule, read_menu

S, PER = 14, 400
PLAN = """[log]
path = "log.parquet"
treatment = "strategy"
outcomes = ["y", "cost"]
[space]
kind = "schedule"
menu = "menu.csv"
[search]
tries = 60
take = 4
way = "random"
metric = "y"
bounds = { total = [0.3, 3], count = [1, 6], interval = [1, 3] }
rules = { last = 21.0, packet = [0.05, 1.5] }
"""


def worth(total):
    return 1.0 - (total - 2.0) ** 2


@pytest.fixture
def world(tmp_path):
    """A plan, a menu of random schedules, and their log; what counts is the total."""
    rng = np.random.default_rng(0)
    rows = [("base", 0.2, 2, 4.0)]
    rows += [
        (f"s{k}", float(rng.uniform(0.3, 3)), int(rng.integers(1, 7)), float(rng.uniform(1, 3)))
        for k in range(S)
    ]
    text = "name,total,count,interval\n" + "".join(f"{n},{t},{c},{i}\n" for n, t, c, i in rows)
    (tmp_path / "menu.csv").write_text(text)
    (tmp_path / "plan.toml").write_text(PLAN)
    pq.write_table(a_log(rows, 1), tmp_path / "log.parquet")
    return tmp_path


def a_log(rows, seed: int, names=None, days: int = 0) -> pa.Table:
    """What units under some of the schedules brought."""
    rng = np.random.default_rng(seed)
    chosen = [row for row in rows if names is None or row[0] in (*names, "base")]
    name = np.repeat([row[0] for row in chosen], PER)
    total = np.repeat([row[1] for row in chosen], PER)
    y = worth(total) - worth(0.2) + rng.normal(size=len(name))
    table = {"strategy": name, "y": y, "cost": total / 2 + rng.random(len(name)) / 100}
    if days:
        day = np.arange(len(name)) % days
        table |= {"day": day, "y": y + 5 * np.sin(day)}
    return pa.table(table)


def menu_rows(world):
    return [(name, s.total, s.count, s.interval)
            for name, s in read_menu(world / "menu.csv").items()]  # fmt: skip


def test_new_schedules_are_near_what_is_worth_most_and_keep_the_rules(world):
    findings = propose_new(world / "plan.toml", world / "log.parquet", world / "out")
    assert [row["name"] for row in findings["new"]] == ["new1", "new2", "new3", "new4"]
    assert abs(findings["new"][0]["total"] - 2.0) < 0.5
    menu = read_menu(world / "out" / "menu.csv")
    assert list(menu) == ["base", "new1", "new2", "new3", "new4"]
    for strategy in list(menu.values())[1:]:
        hours, amounts = strategy.packets()
        assert hours[-1] <= 21.0 + 1e-9
        assert amounts.max() <= 1.5
    assert json.loads((world / "out" / "proposals.json").read_text())["tries"] == 60
    assert len(Schedule(menu).menu) == 5
    again = propose_new(world / "plan.toml", world / "log.parquet")
    assert again == findings


def test_values_are_differences_to_the_base_also_by_day(world):
    plan = read_plan(world / "plan.toml")
    space = Schedule(read_menu(world / "menu.csv"))
    tested = tried_schedules(plan, space, world / "log.parquet")
    gain = worth(tested.trials.schedules[:, 0]) - worth(0.2)
    z = (tested.trials.value - gain) / tested.trials.std_error
    assert np.abs(z).max() < 4
    (world / "daily.toml").write_text(PLAN.replace("[space]", 'time = "day"\n[space]', 1))
    pq.write_table(a_log(menu_rows(world), 2, days=4), world / "daily.parquet")
    daily = tried_schedules(read_plan(world / "daily.toml"), space, world / "daily.parquet")
    z = (daily.trials.value - gain) / daily.trials.std_error
    assert np.abs(z).max() < 4
    assert daily.trials.std_error.max() < 0.1  # the days' own ups and downs are taken out


def test_the_shortlist_is_of_tested_ones_and_claims_are_shrunk(world):
    rows = propose_check(world / "plan.toml", world / "log.parquet")
    names = [row["name"] for row in rows]
    assert len(set(names)) == 5
    pq.write_table(a_log(menu_rows(world), 3, names), world / "fresh.parquet")
    claims = claims_of(world / "plan.toml", world / "log.parquet", world / "fresh.parquet")
    assert [row["claim"] for row in claims] == sorted((r["claim"] for r in claims), reverse=True)
    assert {row["name"] for row in claims} == set(names)
    totals = {name: total for name, total, *_ in menu_rows(world)}
    for row in claims:
        assert abs(row["claim"] - (worth(totals[row["name"]]) - worth(0.2))) < 5 * row["std_error"]


def test_costs_are_asked_where_the_plan_names_them(world):
    limited = PLAN.replace('metric = "y"', 'metric = "y"\ncost = "cost"')
    limited = limited.replace("last = 21.0", "last = 21.0, cost_per_head = 0.6")
    (world / "plan.toml").write_text(limited)
    findings = propose_new(world / "plan.toml", world / "log.parquet")
    assert max(row["total"] for row in findings["new"]) < 1.45  # a half of the total is spent
    assert findings["refusals"]["cost_per_head"] > 0


@pytest.mark.parametrize(
    ("old", "new", "error", "match"),
    [
        ('kind = "schedule"\nmenu = "menu.csv"', 'kind = "arms"\nlabels = ["a", "b"]', PlanError,
         "be of schedules"),
        ('metric = "y"', 'metric = "yy"', PlanError, "did you mean 'y'"),
        ('way = "random"', 'way = "randm"', EquipoiseError, "random"),
        ("total = [0.3, 3]", "total = [3, 0.3]", InputError, "total"),
        ("last = 21.0", "last = 7.0", InputError, "bounds"),
        ("tries = 60", "tries = 0", PlanError, "tries"),
        ("last = 21.0", 'last = 21.0, never = [{ cont = 3 }]', InputError, "did you mean 'count'"),
        ('treatment = "strategy"', 'treatment = ["total", "count", "interval"]', PlanError,
         "names of the menu"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_explained_and_nothing_written(world, old, new, error, match):
    (world / "plan.toml").write_text(PLAN.replace(old, new))
    with pytest.raises(error, match=match):
        propose_new(world / "plan.toml", world / "log.parquet", world / "out")
    assert not (world / "out").exists()


def test_strategies_out_of_the_menu_are_named(world):
    table = a_log([*menu_rows(world), ("s99", 1.0, 2, 1.0)], 4)
    pq.write_table(table, world / "log.parquet")
    with pytest.raises(LogError, match="'s99'"):
        propose_new(world / "plan.toml", world / "log.parquet")


def test_the_traffic_that_chose_confirms_nothing(world):
    with pytest.raises(InputError, match="differ from the first"):
        claims_of(world / "plan.toml", world / "log.parquet", world / "log.parquet")


def test_fresh_traffic_of_what_was_not_tested_is_refused(world):
    rows = menu_rows(world)
    pq.write_table(a_log(rows, 5, ["s1", "s2", "s3"]), world / "log.parquet")
    pq.write_table(a_log(rows, 6, ["s1", "s7"]), world / "fresh.parquet")
    with pytest.raises(LogError, match="s7"):
        claims_of(world / "plan.toml", world / "log.parquet", world / "fresh.parquet")
