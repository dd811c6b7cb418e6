"""`score --journal`, `replay` and `replay --against`, from files to words."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAYS = ("2026-11-01", "2026-11-02")


@pytest.fixture
def journal(equipoise, shipped, tmp_path):
    table = shipped.table
    for day, part in zip(DAYS, (table.slice(0, 400), table.slice(100)), strict=True):
        codes = [f"{(int(c) + 10) % 20:05d}" for c in part["code"].to_pylist()]
        if day == DAYS[1]:
            part = part.set_column(part.column_names.index("code"), "code", pa.array(codes))
        pq.write_table(part, tmp_path / "units.parquet")
        asked = ("--journal", tmp_path / "days", "--day", day, "--out", tmp_path / "a.parquet")
        assert equipoise("score", shipped.folder, tmp_path / "units.parquet", *asked).code == 0
    return tmp_path / "days"


def test_a_replay_says_that_every_bit_is_the_same(equipoise, journal):
    said = equipoise("replay", journal, DAYS[0])
    assert said.code == 0
    assert "400 units decided again, every bit the same" in said.out
    assert json.loads(equipoise("replay", journal, DAYS[0], "--json").out)["same"] is True


def test_a_replay_that_differs_exits_with_1(equipoise, journal, monkeypatch):
    from equipoise.artifacts import journal as journals

    plain, asked = journals._bits, []

    def other(column):
        asked.append(column)
        return plain(column) + len(asked) if pa.types.is_floating(column.type) else plain(column)

    monkeypatch.setattr(journals, "_bits", other)
    said = equipoise("replay", journal, DAYS[0])
    assert said.code == 1
    assert "score in 400" in said.out


def test_two_days_are_told_apart(equipoise, journal):
    said = equipoise("replay", journal, DAYS[1], "--against", DAYS[0])
    assert said.code == 0
    assert "of 300 units of both days changed" in said.out
    assert "200 units are new" in said.out
    assert "features" in said.out
    facts = json.loads(equipoise("replay", journal, DAYS[1], "--against", DAYS[0], "--json").out)
    assert facts["changed"] == facts["together"]["features"]


def test_half_a_record_is_refused(equipoise, shipped, tmp_path):
    pq.write_table(shipped.table, tmp_path / "units.parquet")
    for asked in (("--day", DAYS[0]), ("--journal", tmp_path / "days")):
        said = equipoise("score", shipped.folder, tmp_path / "units.parquet", *asked)
        assert said.code == 2
        assert "have both --journal and --day" in said.line
    said = equipoise("replay", tmp_path / "days", DAYS[0])
    assert said.code == 2
    assert "must be recorded" in said.line
