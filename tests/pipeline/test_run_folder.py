"""The run folder is whole or absent: whatever happens in mid-run, nothing half-written stays and an
earlier run survives.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

from equipoise.core.errors import DataError
from equipoise.pipeline.jobs import read_findings

ACCIDENTS = {
    "Ctrl-C while fitting": (
        """
        def accident(*given, **named):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        fitting.fit_model = accident
        """,
        130,
        "interrupted",
    ),
    "Ctrl-C while writing": (
        """
        def accident(*given, **named):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        runner.render_report = accident
        """,
        130,
        "interrupted",
    ),
    "a polite kill while writing": (
        """
        def accident(*given, **named):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        runner.render_report = accident
        """,
        130,
        "interrupted",
    ),
    "a full disk": (
        """
        honest = runner.write_scorer
        def accident(*given, **named):
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            return honest(*given, **named)
        runner.write_scorer = accident
        """,
        2,
        "File too large",
    ),
    "a full disk at the report": (
        """
        honest = runner.render_report
        def accident(*given, **named):
            page = honest(*given, **named)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            return page
        runner.render_report = accident
        """,
        2,
        "File too large",
    ),
}
SCRIPT = """
import os, resource, signal, sys, time
from equipoise.cli.main import main
from equipoise.pipeline import targeting as runner
from equipoise.pipeline.study import cross_fit as fitting
{accident}
main(["run", {plan!r}, "--out", {out!r}])
"""


def run_with(accident: str, world, out) -> subprocess.CompletedProcess:
    plan = str(world.folder / "plan.toml")
    script = SCRIPT.format(accident=textwrap.dedent(accident), plan=plan, out=str(out))
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("what", ACCIDENTS)
def test_nothing_half_written_stays(world, tmp_path, what):
    accident, code, text = ACCIDENTS[what]
    process = run_with(accident, world, tmp_path / "out")
    assert process.returncode == code, process.stderr
    lines = process.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("equipoise: ")
    assert text in lines[0]
    assert "nothing was left half-written" in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_survives_an_accident(ran, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(ran.out, out)
    accident, code, _ = ACCIDENTS["a full disk at the report"]
    assert run_with(accident, ran.world, out).returncode == code
    assert read_findings(out) == read_findings(ran.out)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_findings_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match="hold all findings"):
        read_findings(tmp_path)
