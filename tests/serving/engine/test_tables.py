"""Tables of the hours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from equipoise.serving.engine.tables import HOUR, Hours, Table
from equipoise.serving.errors import LogUnavailable

DECISION = 240  # bytes of one, measured at 16,000 a second


def test_an_hour_of_a_busy_machine_fits(tmp_path):
    table = Table(tmp_path)
    assert table.file.info()["map_size"] > 50_000 * 3_600 * DECISION
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000
    table.close()


def test_a_damaged_table_is_made_anew_of_the_log(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"garbage" * 2000)
    with pytest.raises(LogUnavailable, match="MDB_INVALID.*remove its folder index"):
        Table(tmp_path)


def deleted(folder: Path) -> list[str]:
    """Files of a folder that this process holds though they are gone."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # of this look itself
            continue
    return [link for link in links if link.startswith(str(folder)) and "(deleted)" in link]


def test_what_another_worker_removed_is_let_go(tmp_path):
    hours = Hours(tmp_path, keep=2)
    for hour in range(3):
        hours.of(hour * HOUR)
    for hour in (0, 1):  # another worker, in its own time
        shutil.rmtree(tmp_path / f"{hour:08d}")
    for hour in (4, 5):
        hours.of(hour * HOUR)
    assert sorted(hours._tables) == [4, 5]
    hours.of(6 * HOUR)  # whoever read in them has ended
    assert deleted(tmp_path) == []
    hours.close()


def test_two_workers_may_remove_the_same_hour(tmp_path, monkeypatch):
    hours, glob = Hours(tmp_path, keep=1, most=1), Path.glob
    hours.of(0)

    def quicker(path: Path, pattern: str) -> list[Path]:
        found = [*glob(path, pattern)]
        if path.name == "00000000":
            shutil.rmtree(path)
        return found

    monkeypatch.setattr(Path, "glob", quicker)
    hours.of(5 * HOUR)
    assert sorted(hours._tables) == [5]
    hours.close()
