"""`equipoise score --engine`: the same file, what is told of processes, and what goes together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

COMMAND = "from equipoise.cli.main import main; import sys; sys.exit(main())"


@pytest.fixture
def units(shipped, tmp_path):
    pq.write_table(shipped.table, tmp_path / "units.parquet", row_group_size=100)
    return tmp_path / "units.parquet"


def test_threads_give_the_file_of_one_process(equipoise, shipped, units, tmp_path):
    one = equipoise("score", shipped.folder, units, "--out", tmp_path / "a.parquet")
    two = equipoise("score", shipped.folder, units, "-o", tmp_path / "b.parquet", "--workers", 2)
    assert (one.code, two.code) == (0, 0)
    assert one.out.replace("a.parquet", "b.parquet") == two.out
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


def test_the_budget_is_held_over_threads_too(equipoise, shipped, units, tmp_path):
    one = equipoise("score", shipped.folder, units, "--out", tmp_path / "a.parquet", "--hold")
    options = ["--hold", "--engine", "local", "--workers", 2]
    two = equipoise("score", shipped.folder, units, "-o", tmp_path / "b.parquet", *options)
    assert (one.code, two.code) == (0, 0)
    assert one.out.replace("a.parquet", "b.parquet") == two.out
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--engine", "local", "--day", "2026-11-01"],
            "--engine must stand alone; got --day beside it",
        ),
        (["--workers", "2", "--rules"], "--engine must stand alone; got --rules beside it"),
        (["--engine", "spark"], "engine must be a registered name; got 'spark'"),
        (["--engine", "local", "--address", "a:1"], "the local engine must have no address"),
        (["--address", "127.0.0.1:9"], "the address of a cluster must answer"),
        (["--workers", "0"], "workers must be a whole number >= 1"),
    ],
)
def test_what_does_not_go_together_is_told(equipoise, shipped, units, tmp_path, options, said):
    if "--address" in options:
        pytest.importorskip("ray")
    out = tmp_path / "out.parquet"
    done = equipoise("score", shipped.folder, units, "--out", out, *options)
    assert done.code == 2
    assert said in done.line
    assert not out.exists()


def test_a_cluster_of_this_machine_is_started_and_ended(shipped, units, tmp_path):
    """Nothing but JSON on stdout, nothing of Ray's on stderr, and no process is left."""
    pytest.importorskip("ray")
    arguments = ["score", shipped.folder, units, "--out", tmp_path / "folder", "--json"]
    command = [sys.executable, "-W", "error", "-c", COMMAND, *arguments]
    done = subprocess.run(
        [*command, "--engine", "ray", "--workers", "1"], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert [one["done"] for one in said["processes"]] == [1]
    errors = [line for line in done.stderr.splitlines() if "network_util" not in line]
    assert errors == []  # but of a machine without any network, which Ray's own core tells
    assert pq.read_table(tmp_path / "folder").num_rows == 600
    process, end = Path("/proc", str(said["processes"][0]["pid"])), time.monotonic() + 20
    while process.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not process.exists()
