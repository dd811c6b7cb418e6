"""Recorded days are decided again bit for bit, and the difference of two is explained."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.units import unit_table

from equipoise.artifacts import journal as journals
from equipoise.artifacts.batch import score_file
from equipoise.artifacts.day_difference import explain_days
from equipoise.artifacts.journal import days_of, read_day, record_day, replay_day
from equipoise.artifacts.policy import write_scorer
from equipoise.core.errors import EquipoiseError, InputError, SnapshotError
from equipoise.estimators import BoostedTrees, TLearner

DAYS = ("2026-11-01", "2026-11-02")


@pytest.fixture
def days(shipped, tmp_path):
    """A journal of two days: on the second a third of the users have other codes, half are new."""
    table = shipped.table
    pq.write_table(table, tmp_path / "one.parquet")
    codes = table["code"].to_pylist()
    other = [f"{(int(c) + 10) % 20:05d}" if i % 3 == 0 else c for i, c in enumerate(codes)]
    later = table.set_column(table.column_names.index("code"), "code", pa.array(other)).slice(300)
    pq.write_table(pa.concat_tables([later, with_users(200)]), tmp_path / "two.parquet")
    place = tmp_path / "days"
    for day, name in zip(DAYS, ("one", "two"), strict=True):
        record_day(place, day, shipped.folder, tmp_path / f"{name}.parquet")
    return place


def with_users(rows: int) -> pa.Table:
    table = unit_table(rows, seed=9)
    users = pa.array([f"new{i:04d}" for i in range(rows)])
    return table.set_column(0, "user", users)


@pytest.mark.parametrize("hold", [False, True], ids=["fixed prices", "held"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_day_is_decided_again_bit_for_bit(shipped, tmp_path, hold, suffix):
    units, out = tmp_path / f"units{suffix}", tmp_path / "out.parquet"
    (pq.write_table if suffix == ".parquet" else pcsv.write_csv)(shipped.table, units)
    said = record_day(tmp_path / "days", DAYS[0], shipped.folder, units, out, hold=hold)
    plain = score_file(shipped.folder, units, tmp_path / "plain.parquet", hold=hold)
    assert said == {"day": DAYS[0], **plain}
    assert pq.read_table(out).equals(pq.read_table(tmp_path / "plain.parquet"))
    outcome = replay_day(tmp_path / "days", DAYS[0])
    assert outcome.same
    assert outcome.rows == 600


def test_a_replay_says_which_bits_differ(days, monkeypatch):
    def other(policy, units, out, **how):
        summary = score_file(policy, units, out, **how)
        table = pq.read_table(out)
        score = table["score"].to_numpy().copy()
        score[7] = np.nextafter(score[7], 1)
        place = table.column_names.index("score")
        pq.write_table(table.set_column(place, "score", pa.array(score)), out)
        return summary

    monkeypatch.setattr(journals, "score_file", other)
    outcome = replay_day(days, DAYS[0])
    assert outcome.differing == {"score": 1}
    assert outcome.first[0]["row"] == 7


def test_a_snapshot_is_kept_once(days):
    assert len(list((days / "policies").iterdir())) == 1
    assert [entry.name for entry in days_of(days)] == list(DAYS)


def test_a_recorded_day_is_never_written_again(days, shipped, tmp_path):
    before = (days / DAYS[0] / "day.json").read_bytes()
    with pytest.raises(InputError, match="not be recorded yet"):
        record_day(days, DAYS[0], shipped.folder, tmp_path / "two.parquet")
    assert (days / DAYS[0] / "day.json").read_bytes() == before


@pytest.mark.parametrize("day", ["2026-13-01", "20261101", "today", "../out", ""])
def test_a_day_is_a_date(days, shipped, tmp_path, day):
    with pytest.raises(InputError, match="be a date as 2026-11-01"):
        record_day(days, day, shipped.folder, tmp_path / "one.parquet")
    with pytest.raises(InputError, match="be a date as 2026-11-01"):
        read_day(days, day)


def test_a_day_that_is_not_there_names_those_that_are(days, tmp_path):
    with pytest.raises(InputError, match="recorded are 2026-11-01 to 2026-11-02"):
        read_day(days, "2026-11-03")
    with pytest.raises(InputError, match="record days by score"):
        read_day(tmp_path / "empty", "2026-11-03")


@pytest.mark.parametrize("name", ["units.parquet", "assignments.parquet", "day.json", "policy"])
def test_a_changed_byte_is_refused(days, name):
    file = days / DAYS[0] / name
    if name == "policy":
        file = next((days / "policies").glob("*/policy.json"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises((SnapshotError, EquipoiseError)):
        replay_day(days, DAYS[0])


def test_nothing_is_left_where_units_are_wrong(shipped, tmp_path):
    pq.write_table(shipped.table.drop_columns(["code"]), tmp_path / "units.parquet")
    with pytest.raises(InputError, match="'code'"):
        record_day(tmp_path / "days", DAYS[0], shipped.folder, tmp_path / "units.parquet")
    pq.write_table(shipped.table.slice(0, 0), tmp_path / "units.parquet")
    with pytest.raises(EquipoiseError, match="have rows"):
        record_day(tmp_path / "days", DAYS[0], shipped.folder, tmp_path / "units.parquet")
    assert days_of(tmp_path / "days") == []


def test_other_features_explain_a_change(days):
    difference = explain_days(read_day(days, DAYS[0]), read_day(days, DAYS[1]))
    assert (difference.units, difference.arrived, difference.left) == (300, 200, 300)
    by = {row["because"]: row for row in difference.causes}
    assert by["features"]["units"] == difference.changed > 0
    assert by["effects"]["units"] == by["prices"]["units"] == 0
    assert difference.together == {"features": difference.changed}
    assert sum(row["units"] for row in difference.transitions) == difference.changed


def test_money_adds_up_over_the_steps_and_each_has_its_share(shipped, tmp_path):
    pq.write_table(shipped.table, tmp_path / "units.parquet")
    scorer = shipped.scorer
    record_day(tmp_path / "days", DAYS[0], shipped.folder, tmp_path / "units.parquet")
    dearer = replace(scorer.policy, prices=tuple(p + 0.2 for p in scorer.policy.prices),
                     low_prices=())  # fmt: skip
    write_scorer(tmp_path / "dearer", replace(scorer, policy=dearer), plan="")
    record_day(tmp_path / "days", DAYS[1], tmp_path / "dearer", tmp_path / "units.parquet")
    difference = explain_days(
        read_day(tmp_path / "days", DAYS[0]), read_day(tmp_path / "days", DAYS[1])
    )
    by = {row["because"]: row for row in difference.causes}
    assert by["features"]["units"] == by["effects"]["units"] == 0
    assert by["prices"]["units"] == difference.changed > 0
    first, last = difference.spend
    assert sum(row["money"] for row in difference.causes) == pytest.approx(last - first)
    assert sum(row["money"] for row in difference.transitions) == pytest.approx(last - first)
    assert difference.moved >= abs(last - first)


def test_another_model_explains_a_change_by_its_effects(shipped, tmp_path):
    """The later day's model thinks the contrary; its rule and its units are the earlier's."""
    scorer, table = shipped.scorer, shipped.table
    pq.write_table(table, tmp_path / "units.parquet")
    contrary = TLearner(BoostedTrees(8, min_child_samples=5)).fit(
        scorer.model.features.transform(table), -np.asarray(table["y"]), treatment=table["arm"]
    )
    contrary.metrics_ = scorer.model.estimator.metrics_
    model = replace(scorer.model, estimator=contrary)
    write_scorer(tmp_path / "contrary", replace(scorer, model=model), plan="")
    for day, place in zip(DAYS, (shipped.folder, tmp_path / "contrary"), strict=True):
        record_day(tmp_path / "days", day, place, tmp_path / "units.parquet")
    difference = explain_days(*(read_day(tmp_path / "days", day) for day in DAYS))
    by = {row["because"]: row["units"] for row in difference.causes}
    assert by["effects"] == difference.changed > 0
    assert by["features"] == by["prices"] == 0


def test_days_without_ids_are_not_compared(shipped, tmp_path):
    pq.write_table(shipped.table, tmp_path / "units.parquet")
    for day in DAYS:
        record_day(
            tmp_path / "days", day, shipped.folder, tmp_path / "units.parquet", number_rows=True
        )
    first, last = (read_day(tmp_path / "days", day) for day in DAYS)
    with pytest.raises(InputError, match="name their units by one column of ids"):
        explain_days(first, last)
    assert replay_day(tmp_path / "days", DAYS[0]).same


def test_days_without_a_common_unit_are_not_compared(shipped, tmp_path):
    for day, rows in zip(DAYS, (shipped.table, with_users(50)), strict=True):
        pq.write_table(rows, tmp_path / "units.parquet")
        record_day(tmp_path / "days", day, shipped.folder, tmp_path / "units.parquet")
    with pytest.raises(InputError, match="have units in common"):
        explain_days(*(read_day(tmp_path / "days", day) for day in DAYS))
