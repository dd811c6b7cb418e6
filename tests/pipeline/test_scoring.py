"""Units by partitions: the assignments of one process, whatever the engine and the cuts; ids that
meet across partitions; a driver that is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.units import Shipped

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.ranking import RequestSummary
from equipoise.core.errors import DataError, InputError, SnapshotError
from equipoise.pipeline import scoring
from equipoise.pipeline.holding import hold_units
from equipoise.pipeline.scoring import score_units
from equipoise.scale.local import LocalExecutor
from equipoise.scale.shards import Shards

KILLS = Path(__file__).parents[1] / "fixtures" / "score_kills.py"


@pytest.fixture
def days(shipped: Shipped, tmp_path: Path) -> Path:
    """The units sorted by shop in three files, one of them without rows, in groups of 50."""
    table = shipped.table.sort_by("shop")
    folder = tmp_path / "days"
    folder.mkdir()
    for name, rows in {"a": table[:250], "b": table[:0], "c": table[250:]}.items():
        pq.write_table(rows, folder / f"{name}.parquet", row_group_size=50)
    pq.write_table(table, tmp_path / "all.parquet")
    return folder


def by_parts(shipped: Shipped, units: Any, out: Path, threads: int = 1, **how: Any) -> Any:
    return score_units(shipped.folder, units, out, LocalExecutor(threads), **{"rows": 120, **how})


def as_one(shipped: Shipped, folder: Path, **how: Any) -> tuple[pa.Table, dict[str, Any]]:
    said = score_file(shipped.folder, folder / "all.parquet", folder / "one.parquet", **how)
    return pq.read_table(folder / "one.parquet"), said


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("number_rows", [False, True], ids=["ids", "row numbers"])
def test_the_assignments_of_one_process(shipped, days, tmp_path, threads, number_rows):
    want, told = as_one(shipped, tmp_path, number_rows=number_rows)
    out = tmp_path / "parts.parquet"
    steps: list[tuple[str, int, int]] = []
    said = by_parts(
        shipped, days, out, threads, number_rows=number_rows,
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert pq.read_table(out).equals(want)
    assert steps == [("units", i, 7) for i in range(1, 8)]
    assert (said.pop("parts"), said.pop("kept")) == (7, 0)
    assert said.pop("expected_cost") == pytest.approx(told.pop("expected_cost"), rel=1e-14)
    assert said == told
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "all.parquet", "days", "one.parquet", "parts.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("assign", [score_units, hold_units])
def test_every_file_may_have_a_dictionary_of_its_own(shipped, days, tmp_path, assign):
    """As those that a data frame with categories wrote."""
    want, _ = as_one(shipped, tmp_path, hold=assign is hold_units)
    for file in (days / "a.parquet", days / "c.parquet"):
        table = pq.read_table(file)
        for name in ("user", "code", "shop"):
            encoded = pa.array(table[name].to_pylist()).dictionary_encode()
            table = table.set_column(table.column_names.index(name), name, encoded)
        pq.write_table(table, file)
    out = tmp_path / "parts.parquet"
    assign(shipped.folder, days, out, LocalExecutor(), rows=10_000)
    got = pq.read_table(out)
    assert got.set_column(0, "user", got["user"].cast(pa.string())).equals(want)


def test_files_of_text_are_partitions(shipped, days, tmp_path):
    want, _ = as_one(shipped, tmp_path)
    for file in days.glob("*.parquet"):
        pcsv.write_csv(pq.read_table(file), file.with_suffix(".csv"))
        file.unlink()
    said = by_parts(shipped, days, tmp_path / "parts.parquet")
    assert said["parts"] == 2
    assert pq.read_table(tmp_path / "parts.parquet").equals(want)
    with pytest.raises(InputError, match="row numbers must be known before work begins"):
        by_parts(shipped, days, tmp_path / "parts.parquet", number_rows=True)


def test_a_folder_of_parts(shipped, days, tmp_path):
    want, _ = as_one(shipped, tmp_path)
    out = tmp_path / "assigned"
    for _ in range(2):  # its own may be written again
        by_parts(shipped, days, out)
        assert [file.name for file in sorted(out.iterdir())] == [
            f"part-{i:05d}.parquet" for i in range(7)
        ]
        assert pq.read_table(out).equals(want)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="be free or a folder of units scored earlier"):
        by_parts(shipped, days, out)
    assert (out / "notes.txt").exists()


def test_ids_that_meet_across_partitions(shipped, days, tmp_path):
    table = pq.read_table(days / "c.parquet")
    users = table["user"].to_pylist()
    users[300] = pq.read_table(days / "a.parquet")["user"][7].as_py()
    pq.write_table(
        table.set_column(0, "user", pa.array(users)), days / "c.parquet", row_group_size=50
    )
    out = tmp_path / "parts.parquet"
    for place in (out, tmp_path / "folder"):
        with pytest.raises(
            InputError, match="'user' must be unique; got one id at row 7 and row 550;"
        ):
            by_parts(shipped, days, place)
    for file in (days / "a.parquet", days / "c.parquet"):
        pcsv.write_csv(pq.read_table(file), file.with_suffix(".csv"))
        file.unlink()
    with pytest.raises(
        InputError, match=r"one id at row 7 and row 300 of .*c\.csv; give each unit"
    ):
        by_parts(shipped, days, out)
    users[300] = None
    pcsv.write_csv(table.set_column(0, "user", pa.array(users)), days / "c.csv")
    with pytest.raises(InputError, match="'user' must have no missing value; got null at row"):
        by_parts(shipped, days, out)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.parquet", "days"]


def test_bad_units_are_told_before_work_begins(shipped, days, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "score_partition", None)
    out, a = tmp_path / "parts.parquet", pq.read_table(days / "a.parquet")
    pq.write_table(a.drop_columns(["age"]), days / "d.parquet")
    with pytest.raises(
        DataError, match=r"have the columns of a.parquet; got no column 'age' at .*d\.p"
    ):
        by_parts(shipped, days, out)
    age = a.column_names.index("age")
    pq.write_table(a.set_column(age, "age", pa.array(["old"] * 250)), days / "d.parquet")
    with pytest.raises(DataError, match="column 'age' must have one type in all files"):
        by_parts(shipped, days, out)
    pq.write_table(a.drop_columns(["age"]), days / "a.parquet")
    with pytest.raises(InputError, match="feature 'age' must be among the units' columns"):
        by_parts(shipped, days, out)
    for place, said in {
        days / "out.parquet": "lie outside the folder of the units",
        tmp_path / "out.CSV.gz": "be Parquet; got the name of a file of text",
        days / "out": "lie outside the policy and the units",
        shipped.folder / "out": "lie outside the policy and the units",
        shipped.folder / "out.parquet": "lie outside the policy",
        "s3://shop/out.parquet": "the place to write by parts must be a path; got an address",
    }.items():
        with pytest.raises(InputError, match=said):
            by_parts(shipped, days, place)
    with pytest.raises(SnapshotError, match="a snapshot must have a readable manifest"):
        score_units(tmp_path, days, out, LocalExecutor())


def test_a_ranking_is_not_torn_apart():
    with pytest.raises(
        InputError, match="--engine must go with a policy .* requests may lie in two"
    ):
        scoring._check_kind(SimpleNamespace(summary=RequestSummary))


class Stopping(LocalExecutor):
    """Stops after some partitions, as a driver does that is killed."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.seen = after, list[int]()

    def stream(self, function, parts, *shared, **how):
        if function is not scoring.score_partition:
            yield from super().stream(function, parts, *shared, **how)
            return
        self.seen = [part.number for part in parts]
        for place, part in enumerate(parts):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield place, function(part, *shared)


def test_a_driver_goes_on_where_one_was_stopped(shipped, days, tmp_path, caplog):
    want, _ = as_one(shipped, tmp_path)
    out = tmp_path / "parts.parquet"
    score_units(shipped.folder, days / "a.parquet", out, LocalExecutor())
    earlier = out.read_bytes()
    how: dict[str, Any] = {"rows": 120}
    with pytest.raises(KeyboardInterrupt):
        score_units(shipped.folder, days, out, Stopping(4), **how)
    assert out.read_bytes() == earlier
    assert "what is whole stays in" in caplog.text
    again = Stopping(9)
    assert score_units(shipped.folder, days, out, again, **how)["kept"] == 4
    assert again.seen == [4, 5, 6]
    assert pq.read_table(out).equals(want)
    with pytest.raises(KeyboardInterrupt):
        score_units(shipped.folder, days, out, Stopping(4), **how)
    table = pq.read_table(days / "a.parquet")
    pq.write_table(table, days / "a.parquet", row_group_size=50)  # another time of change
    assert score_units(shipped.folder, days, out, LocalExecutor(), **how)["kept"] == 0


def test_units_that_are_written_anew_meanwhile_are_told(shipped, days, tmp_path):
    """As many rows, in another order: only the time tells."""
    file = days / "c.parquet"
    rows = pq.read_table(file)

    def rewrites(what, step, total):
        if step == 1:
            pq.write_table(rows.take(list(range(len(rows)))[::-1]), file, row_group_size=50)

    with pytest.raises(DataError, match=r"must stay as it was .*c\.parquet; do not write"):
        by_parts(shipped, days, tmp_path / "parts.parquet", progress=rewrites)
    assert not (tmp_path / "parts.parquet").exists()


def test_parts_that_another_process_or_nobody_of_ours_wrote_stay(shipped, days, tmp_path):
    out = tmp_path / "parts.parquet"
    with (
        Shards(out, {}),
        pytest.raises(InputError, match="be written by one process; got another one at work"),
    ):
        by_parts(shipped, days, out)
    mine = tmp_path / "mine.parquet.parts"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="the place of unfinished parts must be free"):
        by_parts(shipped, days, tmp_path / "mine.parquet")
    assert (mine / "notes.txt").exists()


def test_a_driver_killed_at_any_moment_leaves_nothing_half_written(shipped, days, tmp_path):
    want, _ = as_one(shipped, tmp_path)
    out = tmp_path / "parts.parquet"
    command = [sys.executable, "-W", "ignore", KILLS, shipped.folder, days, out, "4", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["kills"] == 4
    assert said["wrong"] == []
    assert pq.read_table(out).equals(want)
    assert not out.with_name("parts.parquet.parts").exists()
