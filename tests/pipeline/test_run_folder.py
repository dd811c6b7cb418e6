"""The run folder is whole or absent: whatever happens in mid-run, nothing half-written stays and an
earlier run survives.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fixtures.system_faults import forking

from equipoise.core.errors import DataError, InputError
from equipoise.pipeline import run_folder
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
# one process does once what all of them need; each accident then happens in a copy of it
SCRIPT = """
import json, os, random, resource, signal, sys, time
from pathlib import Path
from equipoise.cli.main import main
from equipoise.pipeline import targeting as runner
from equipoise.pipeline.study import cross_fit as fitting
from fixtures.published import make_subject
from fixtures.system_faults import killed

plan, accidents, codes, kills = sys.argv[1], json.loads(sys.argv[2]), [], []
room, rng = Path(sys.argv[3]).parent, random.Random(0)
for verb in ("run", "report", "score"):
    kills += killed(make_subject(verb, room / "subjects"), 2, rng)
for accident, folder in accidents:
    child = os.fork()
    if not child:
        os.dup2(os.open(folder + ".stderr", os.O_WRONLY | os.O_CREAT), 2)
        exec(accident)
        main(["run", plan, "--out", folder + "/out"])
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with open(sys.argv[3], "w") as file:
    json.dump([codes, kills], file)
"""


@dataclass(frozen=True)
class After:
    """What accidents leave."""

    accidents: dict[str, tuple[int, str, Path]]  # exit code, what was said, the folder
    kills: list[tuple[str, list[str]]]  # when, and what was wrong after it


@pytest.fixture(scope="module")
def after(ran, tmp_path_factory) -> After:
    """Every accident in a folder that was empty but for an earlier run, and kills of commands."""
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
    (place / "subjects").mkdir()
    subprocess.run(
        [sys.executable, "-c", SCRIPT, plan, json.dumps(happenings), str(codes)],
        check=True,
        timeout=300,
        env=forking(),
    )
    ended, kills = json.loads(codes.read_text())
    accidents = {
        what: (code, folder.with_suffix(".stderr").read_text(), folder)
        for (what, folder), code in zip(folders.items(), ended, strict=True)
    }
    return After(accidents, kills)


@pytest.mark.parametrize("what", ACCIDENTS)
def test_nothing_half_written_stays(after, what):
    _, expected, text = ACCIDENTS[what]
    code, stderr, folder = after.accidents[what]
    assert code == expected, stderr
    lines = stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("equipoise: ")
    assert text in lines[0]
    assert "nothing was left half-written" in lines[0]
    assert list(folder.iterdir()) == []


def test_an_earlier_run_survives_an_accident(ran, after):
    code, _, folder = after.accidents[EARLIER]
    assert code == ACCIDENTS["a full disk at the report"][1]
    assert read_findings(folder / "out") == read_findings(ran.out)
    assert [entry.name for entry in folder.iterdir()] == ["out"]


def test_a_kill_at_any_moment_of_a_command_loses_nothing(after):
    """The earlier or the new one stands there, whole, and the next command succeeds."""
    assert len(after.kills) == 6
    assert {when: wrong for when, wrong in after.kills if wrong} == {}


def other_metrics(out):
    (out / "metrics.json").write_text('{"accuracy": 0.9}')


def other_report(out):
    (out / "report.html").write_text("<h1>Minutes of a meeting</h1>")


def file_in_the_policy(out):
    (out / "policy" / "notes.txt").write_text("mine")


def metrics_alone(out):
    for entry in out.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    other_metrics(out)


@pytest.mark.parametrize("harm", [other_metrics, other_report, file_in_the_policy, metrics_alone])
def test_names_alone_are_no_earlier_run(ran, tmp_path, harm):
    """What another program or the user wrote there is neither replaced nor removed."""
    out = tmp_path / "out"
    shutil.copytree(ran.out, out)
    run_folder.check_out(out)
    harm(out)
    with pytest.raises(InputError, match="be new, empty or of an earlier run"):
        run_folder.check_out(out)
    with pytest.raises(InputError, match="the folder of an earlier run"):
        run_folder.EARLIER_RUN.check(out)


def test_a_package_without_a_version_ends_no_run(ran, monkeypatch):
    versions = run_folder.versions_of(["numpy", "no-such-package"])
    facts = run_folder.run_facts(ran.world.plan, versions, "", "")
    assert facts["packages"] == {"numpy": np.__version__, "no-such-package": "unknown"}
    monkeypatch.setattr(run_folder, "version", lambda package: None)  # metadata that is not to read
    assert run_folder.versions_of(["numpy"]) == {"numpy": "unknown"}


def test_findings_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json"):
        read_findings(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match="hold all findings"):
        read_findings(tmp_path)


def test_a_run_folder_lies_outside_the_log(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "link").symlink_to("log")
    for log in (tmp_path / "log", [tmp_path / "more", tmp_path / "link"]):
        with pytest.raises(InputError, match="lie outside the folder of the log"):
            run_folder.check_outside(tmp_path / "log" / "deep" / "out", log)
    run_folder.check_outside(tmp_path / "log2", tmp_path / "log")
    run_folder.check_outside(tmp_path / "out", "s3://shop/log")
