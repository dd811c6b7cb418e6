"""The run folder is whole or absent: whatever happens in mid-run, nothing half-written stays and an
earlier run survives.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

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
EARLIER = "a full disk at the report, after an earlier run"
# one process imports what all of them need; each accident then happens in a copy of it
SCRIPT = """
import json, os, resource, signal, sys, time
import jinja2, lightgbm, plotly.offline
from equipoise.cli import app
from equipoise.cli.main import main
from equipoise.pipeline import targeting as runner
from equipoise.pipeline.study import cross_fit as fitting

plan, accidents, codes = sys.argv[1], json.loads(sys.argv[2]), []
for accident, folder in accidents:
    child = os.fork()
    if not child:
        os.dup2(os.open(folder + ".stderr", os.O_WRONLY | os.O_CREAT), 2)
        exec(accident)
        main(["run", plan, "--out", folder + "/out"])
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with open(sys.argv[3], "w") as file:
    json.dump(codes, file)
"""


@pytest.fixture(scope="module")
def after(ran, tmp_path_factory) -> dict[str, tuple[int, str, Path]]:
    """The exit code, what was said, and the folder, which was empty but for an earlier run, of
    every accident.
    """
    place = tmp_path_factory.mktemp("accidents")
    folders = {what: place / str(i) for i, what in enumerate((*ACCIDENTS, EARLIER))}
    for folder in folders.values():
        folder.mkdir()
    shutil.copytree(ran.out, folders[EARLIER] / "out")
    happenings = [
        (textwrap.dedent(ACCIDENTS[what.partition(",")[0]][0]), str(folder))
        for what, folder in folders.items()
    ]
    plan, codes = str(ran.world.folder / "plan.toml"), place / "codes.json"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, plan, json.dumps(happenings), str(codes)],
        check=True,
        timeout=300,
    )
    return {
        what: (code, folder.with_suffix(".stderr").read_text(), folder)
        for (what, folder), code in zip(folders.items(), json.loads(codes.read_text()), strict=True)
    }


@pytest.mark.parametrize("what", ACCIDENTS)
def test_nothing_half_written_stays(after, what):
    _, expected, text = ACCIDENTS[what]
    code, stderr, folder = after[what]
    assert code == expected, stderr
    lines = stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("equipoise: ")
    assert text in lines[0]
    assert "nothing was left half-written" in lines[0]
    assert list(folder.iterdir()) == []


def test_an_earlier_run_survives_an_accident(ran, after):
    code, _, folder = after[EARLIER]
    assert code == ACCIDENTS["a full disk at the report"][1]
    assert read_findings(folder / "out") == read_findings(ran.out)
    assert [entry.name for entry in folder.iterdir()] == ["out"]


def test_findings_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match="hold all findings"):
        read_findings(tmp_path)
