"""What units keep from day to day: by hand, from files to files, and never above a demand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.units import unit_table
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import budget, budgeted_policy, cap
from equipoise.artifacts.batch import FORGETFUL, score_file
from equipoise.artifacts.day_difference import explain_days
from equipoise.artifacts.journal import read_day, record_day, replay_day
from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.artifacts.rebudget import rebudget_units
from equipoise.artifacts.staying import (
    REASONS,
    Memory,
    Past,
    Staying,
    gapped,
    nothing_known,
    past_of,
)
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.limits import Limit

WEEKLY = Staying("shop", {"000": 1, "001": 7, "002": 7}, average_days=3, gaps=0.4)
DAYS = [f"2026-11-{day:02d}" for day in range(1, 10)]


def remembered(chosen, day=date(2026, 11, 2), ago=1):
    names = [f"u{i}" for i in range(len(chosen))]
    table = pa.table({"unit": names, "chosen": pa.array(chosen, pa.string())})
    seen = pa.array([day.toordinal() - ago] * len(chosen), pa.int64())
    table = table.append_column("seen", seen)
    return Memory(day, table.append_column("age", pa.array([1] * len(chosen), pa.int64())))


def test_what_stays_by_hand():
    ids = np.array(["u0", "u1", "u2", "u3", "u4", "new"])
    memory = remembered(["5", "control", "gone", "1", None])
    eligible = np.ones((6, 2), bool)
    eligible[3, 0] = False  # what it has is closed today
    activity = np.array(["heavy"] * 6)
    lacking = np.array([False] * 5 + [True])
    past = past_of(
        Staying("a", {"heavy": 10**6}),
        memory,
        ids,
        activity,
        ("1", "5"),
        eligible,
        lacking,
        "control",
    )
    assert past.previous.tolist() == [1, -1, -2, 0, -2, -2]
    assert past.fixed.tolist() == [1, -1, -2, -2, -2, -1]
    assert past.reasons(np.array([1, -1, 0, 1, 0, -1])).tolist() == [
        "kept", "kept", "new", "no longer open", "new", "features missing: control",
    ]  # fmt: skip
    assert np.isnat(past.until).tolist() == [False, False, True, True, True, True]
    rest = (memory, ids, activity, ("1", "5"), None)
    free = past_of(Staying("a", {"heavy": 1}), *rest, ~lacking, "control")
    assert free.reasons(np.array([1, -1, -1, 0, -1, 1]))[0] == "features missing: kept"
    daily = past_of(Staying("a", {"heavy": 1}), *rest, np.zeros(6, bool), "control")
    assert daily.reasons(np.array([0, 1, 0, 0, 1, 1])).tolist() == [
        "changed", "changed", "new", "unchanged", "new", "new",
    ]  # fmt: skip


def test_a_day_that_nobody_recorded_is_made_up_for():
    ids, activity = np.array([f"u{i}" for i in range(200)]), np.array(["heavy"] * 200)
    rest = (ids, activity, ("1",), None, np.zeros(200, bool), "control")
    weekly = Staying("a", {"heavy": 7})
    due = {
        ago: past_of(weekly, remembered(["1"] * 200, ago=ago), *rest).fixed == -2
        for ago in (1, 2, 3, 7)
    }
    assert 10 < due[1].sum() < 50 < due[3].sum()
    days = [remembered(["1"] * 200, date(2026, 11, day)) for day in (1, 2)]
    apart = [past_of(weekly, memory, *rest).fixed == -2 for memory in days]
    assert due[2].tolist() == (apart[0] | apart[1]).tolist()
    assert due[7].all()


def test_gaps_are_counted_by_unit():
    table = pa.table(
        {"a": [1.0, None, None], "b": [1.0, float("nan"), 2.0], "c": ["x", None, None]}
    )
    assert gapped(Staying(gaps=0.5), table, ["a", "b", "c"]).tolist() == [False, True, True]
    assert gapped(Staying(gaps=0.7), table, ["a", "b", "c"]).tolist() == [False, True, False]
    assert not gapped(Staying(), table, ["a", "b", "c"]).any()


MISSING = replace(WEEKLY, average_days=1)  # a mean would fill the gap


@pytest.fixture(scope="module")
def weekly(shipped, tmp_path_factory):
    """The policy of `shipped` by whose cadence two shops of three are up once a week."""
    folder = tmp_path_factory.mktemp("weekly") / "policy"
    write_scorer(folder, replace(shipped.scorer, staying=WEEKLY), plan="")
    return folder


def day_file(folder, day, rows=300):
    """Users whose age is measured anew every day, and whose code is gone for some."""
    rng = np.random.default_rng(day)
    table = unit_table(rows)
    table = table.set_column(
        table.column_names.index("age"),
        "age",
        pa.array(np.arange(rows) / 100 + rng.normal(size=rows)),
    )
    file = folder / f"day{day}.parquet"
    pq.write_table(table, file)
    return file


def test_units_keep_what_they_have_until_their_day(weekly, tmp_path):
    journal, last = tmp_path / "days", None
    up = np.zeros(300, int)
    for number, day in enumerate(DAYS[:8]):
        record_day(journal, day, weekly, day_file(tmp_path, number))
        table = read_day(journal, day).assignments()
        kept = np.array(table["reason"].to_pylist()) == "kept"
        if last is not None:
            assert np.array_equal(kept, ~np.isnat(table["until"].to_numpy()))
            chosen = np.array(table["chosen"].to_pylist())
            assert (chosen[kept] == last[kept]).all()
            up += ~kept
        last = np.array(table["chosen"].to_pylist())
        assert replay_day(journal, day).same
    shop = np.arange(300) % 3
    assert (up[shop == 0] == 7).all()
    assert (up[shop != 0] == 1).all()
    said = explain_days(read_day(journal, DAYS[6]), read_day(journal, DAYS[7]))
    assert [cause["because"] for cause in said.causes] == [
        "features", "effects", "prices", "cadence",
    ]  # fmt: skip
    assert sum(cause["money"] for cause in said.causes) == pytest.approx(
        said.spend[1] - said.spend[0]
    )


def test_features_are_means_of_the_last_days(weekly, tmp_path):
    journal, ages = tmp_path / "days", []
    for number, day in enumerate(DAYS[:3]):
        file = day_file(tmp_path, number)
        ages.append(pq.read_table(file)["age"].to_numpy())
        record_day(journal, day, weekly, file)
    last = read_day(journal, DAYS[2])
    memory = last.memory()
    assert memory is not None
    known = memory.known
    np.testing.assert_allclose(known["mean age"].to_numpy(), np.mean(ages[:2], axis=0))
    assert set(known["age"].to_pylist()) == {2}
    means = last.units().set_column(
        last.units().column_names.index("age"), "age", pa.array(np.mean(ages, axis=0))
    )
    scorer = replace(read_scorer(weekly), staying=Staying())
    decided = np.array(last.assignments()["reason"].to_pylist()) != "kept"
    expected = scorer.assign(means)
    np.testing.assert_allclose(
        last.assignments()["score"].to_numpy(), expected["score"].to_numpy(), atol=1e-9
    )
    same = np.array(expected["chosen"].to_pylist()) == np.array(
        last.assignments()["chosen"].to_pylist()
    )
    assert same[decided].all()


def test_a_limit_looks_at_today_where_its_column_is_averaged(shipped, tmp_path):
    """A unit that joins the group today is in it, whatever the mean of its days says."""
    limits = (Limit("member", "true", ("1",)),)
    limited = replace(shipped.scorer, limits=limits, staying=Staying(average_days=3))
    write_scorer(tmp_path / "policy", limited, plan="")
    for number, day in enumerate(DAYS[:2]):
        table = pq.read_table(day_file(tmp_path, number))
        member = np.arange(300) % 2 == number
        place = table.column_names.index("member")
        file = tmp_path / f"members{number}.parquet"
        pq.write_table(table.set_column(place, "member", pa.array(member)), file)
        record_day(tmp_path / "days", day, tmp_path / "policy", file)
    chosen = np.array(read_day(tmp_path / "days", DAYS[1]).assignments()["chosen"].to_pylist())
    assert (chosen[member] == "0").all()
    assert (chosen[~member] == "1").any()


def test_absent_units_are_known_again(weekly, tmp_path):
    record_day(tmp_path / "days", DAYS[0], weekly, day_file(tmp_path, 0))
    record_day(tmp_path / "days", DAYS[1], weekly, day_file(tmp_path, 1, rows=40))
    record_day(tmp_path / "days", DAYS[2], weekly, day_file(tmp_path, 2))
    reasons = read_day(tmp_path / "days", DAYS[2]).assignments()["reason"].to_pylist()
    assert "new" not in reasons


def test_units_that_say_too_little_keep_what_they_have_else_get_control(shipped, tmp_path):
    journal, policy = tmp_path / "days", tmp_path / "policy"
    write_scorer(policy, replace(shipped.scorer, staying=MISSING), plan="")
    features = shipped.scorer.model.features.columns_

    def without(day, rows):
        file = day_file(tmp_path, day)
        table = pq.read_table(file)
        for name in features:
            mask = pa.array(np.isin(np.arange(300), rows))
            place = table.column_names.index(name)
            gap = pa.scalar(None, table[name].type)
            table = table.set_column(place, name, pa.compute.if_else(mask, gap, table[name]))
        pq.write_table(table, file)
        return file

    said = record_day(journal, DAYS[0], policy, without(0, [3, 6]))
    assert said["reasons"] == {"new": 298, "features missing: control": 2}
    first = read_day(journal, DAYS[0]).assignments()["chosen"].to_pylist()
    assert first[3] == first[6] == "0"
    record_day(journal, DAYS[1], policy, without(1, [0, 3]))
    table = read_day(journal, DAYS[1]).assignments()
    assert [table["reason"][i].as_py() for i in (0, 3, 6)] == [
        "features missing: kept", "features missing: control", "new",
    ]  # fmt: skip
    assert table["chosen"][0].as_py() == first[0]
    assert replay_day(journal, DAYS[1]).same


def test_without_a_journal_every_unit_is_new_and_that_is_said(weekly, tmp_path):
    said = score_file(weekly, day_file(tmp_path, 0), tmp_path / "out.parquet")
    assert FORGETFUL in said["cautions"]
    assert said["reasons"] == {"new": 300}


@pytest.mark.parametrize("hold", [False, True])
def test_a_day_before_the_last_is_refused(weekly, tmp_path, hold):
    record_day(tmp_path / "days", DAYS[3], weekly, day_file(tmp_path, 0), hold=hold)
    record_day(tmp_path / "days", DAYS[4], weekly, day_file(tmp_path, 1), hold=hold)
    with pytest.raises(
        InputError, match="be after 2026-11-05, the last recorded; got '?2026-11-02"
    ):
        record_day(tmp_path / "days", DAYS[1], weekly, day_file(tmp_path, 1))
    with pytest.raises(InputError, match="have ids"):
        record_day(tmp_path / "days", DAYS[5], weekly, day_file(tmp_path, 2), number_rows=True)
    assert replay_day(tmp_path / "days", DAYS[4]).same


def test_a_class_without_days_is_refused_and_nothing_is_written(weekly, tmp_path):
    record_day(tmp_path / "days", DAYS[0], weekly, day_file(tmp_path, 0))
    table = pq.read_table(day_file(tmp_path, 1))
    shops = ["004"] + table["shop"].to_pylist()[1:]
    pq.write_table(table.set_column(1, "shop", pa.array(shops)), tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="have days; got '004'"):
        record_day(tmp_path / "days", DAYS[1], weekly, tmp_path / "odd.parquet")
    assert sorted(p.name for p in (tmp_path / "days").iterdir()) == [DAYS[0], "policies"]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_no_demand_is_exceeded_and_what_is_fixed_stays_where_there_is_room(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(3, 25)), int(rng.integers(1, 4))
    effects = Effects(
        rng.normal(0.3, 1, (n, k, 1)), np.zeros((n, 1)), tuple(map(str, range(k))), ("y",)
    )
    cost, bound = rng.integers(1, 5, (n, k)).astype(float), float(rng.uniform(0.05, 2.0))
    demands = [budget(bound, per_head=True), cap("0", float(rng.uniform(0.2, 0.9)), per_head=True)]
    policy, _ = budgeted_policy(effects, weights={"y": 1.0}, constraints=demands, cost=cost)
    previous = rng.integers(-2, k, n)
    fixed = np.where(rng.random(n) < 0.4, previous, -2)
    past = Past(previous, fixed, np.zeros(n, np.int64), np.full(n, np.datetime64("NaT", "D")))
    choice, _ = rebudget_units(policy, effects, cost, {}, None, past)
    spend = np.where(choice >= 0, cost[np.arange(n), np.maximum(choice, 0)], 0.0)
    assert spend.sum() <= bound * n * (1 + 1e-12)
    assert (choice == 0).mean() <= policy.demands[1].bound + 1e-12
    held = fixed > -2
    room = np.where(held & (fixed >= 0), cost[np.arange(n), np.maximum(fixed, 0)], 0.0)
    if room.sum() <= bound * n and (fixed == 0).mean() <= policy.demands[1].bound:
        assert (choice[held] == fixed[held]).all()


def test_reasons_and_columns_are_named():
    assert len(set(REASONS)) == len(REASONS)
    assert nothing_known(["a"]).num_rows == 0
