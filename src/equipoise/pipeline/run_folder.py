"""The run folder: report.html, effects.parquet, assignments.parquet (or mixes.parquet, or
scores.parquet and base_scores.parquet), metrics.json, policy/, times.json, and rules.json where the
plan asks for a rule that people read, explorer.parquet where the policy has demands; whole or
absent.

Two runs of one plan differ in times.json alone.

It is written beside its place and renamed.  A folder that is there already is replaced only when it
is a run's folder.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.artifacts.explorer import EXPLORER
from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import EARLIER_SNAPSHOT, Earlier
from equipoise.core.version import __version__
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.report.findings import plain

REPORT, EFFECTS, ASSIGNMENTS, METRICS, POLICY = (
    "report.html",
    "effects.parquet",
    "assignments.parquet",
    "metrics.json",
    "policy",
)
MIXES, SCORES, BASE_SCORES = "mixes.parquet", "scores.parquet", "base_scores.parquet"
TIMES, RULES = "times.json", "rules.json"
MARK = b'<meta name="generator" content="Equipoise">'
MARK_BEFORE_0_2 = b"default-src 'none'; style-src 'unsafe-inline'; script-src"
HEAD = 2000  # bytes of a report that hold its mark
TABLES = {EFFECTS, ASSIGNMENTS, MIXES, SCORES, BASE_SCORES, EXPLORER}
OURS = {REPORT, *TABLES, METRICS, POLICY, TIMES, RULES}


def out_place(out: Path | str) -> Path:
    """The place of a run folder, without ``~``; `check_out` of it."""
    try:
        place = Path(out).expanduser()
    except RuntimeError as error:
        must, fix = "be a home on this machine", "write the whole path"
        raise InputError("~ in the run folder", must, str(out), fix=fix) from error
    check_out(place)
    return place


def check_out(out: Path) -> None:
    """Refuse a place that cannot be written to, or that is neither free, nor empty, nor a run's
    folder.
    """
    _check_writable(out)
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(
            "the run folder", "be a folder", "a file", str(out), "choose another place with --out"
        )
    names = {entry.name for entry in out.iterdir()}
    if names and not _is_run(out):
        strange = sorted(names - OURS)[:3] or sorted(names)[:3]
        fix = "choose another place with --out, or move these files away"
        raise InputError(
            "the run folder",
            "be new, empty or of an earlier run",
            f"other files: {', '.join(strange)}",
            str(out),
            fix,
        )


def check_outside(out: Path, log: Any) -> None:
    """Refuse a place in a folder of the log, which the next run would read as rows.   log: where it
    lies, one place or a list.
    """
    for one in log if isinstance(log, list) else [log]:
        folder = Path(one).resolve()
        if folder.is_dir() and out.resolve().is_relative_to(folder):
            must, fix = "lie outside the folder of the log", "choose another place with --out"
            raise InputError("the run folder", must, f"a place in {one}", str(out), fix)


def _is_run(out: Path) -> bool:
    """Whether a folder holds what a run of ours writes, and nothing else: names alone do not tell,
    as other programs write a metrics.json too.
    """
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if METRICS not in names or not names <= OURS or not _is_ours(out / METRICS):
        return False
    report, policy = out / REPORT, out / POLICY
    return (REPORT not in names or _is_report(report)) and (
        POLICY not in names or EARLIER_SNAPSHOT.is_one(policy)
    )


def _is_ours(metrics: Path) -> bool:
    """Whether a file holds the findings of a run."""
    try:
        findings = json.loads(metrics.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    made = findings.get("made") if isinstance(findings, dict) else None
    return isinstance(made, dict) and {"version", "plan"} <= made.keys()


def _is_report(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    return MARK in head or MARK_BEFORE_0_2 in head


EARLIER_RUN = Earlier("the folder of an earlier run", _is_run)
EARLIER_REPORT = Earlier("an earlier report", _is_report)


def _check_writable(out: Path) -> None:
    """Try the nearest folder that is there already, so that a long run does not end without a
    place.
    """
    place, fix = out.absolute(), "choose another place with --out"
    if place.name in ("", ".."):
        raise InputError("the run folder", "have a name", str(out), fix=fix)
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(place)
        parent = next(folder for folder in place.parents if folder.exists())
        with tempfile.TemporaryFile(prefix=".equipoise.", dir=parent):  # a kill leaves no name
            pass
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or repr(error)
        raise InputError("the run folder's place", "be writable", got, ascii(out), fix) from error


def write_table(path: Path, table: pa.Table) -> None:
    """One Parquet file."""
    pq.write_table(table, path, compression="zstd")


def write_findings(path: Path, findings: Mapping[str, Any]) -> None:
    """Findings as JSON; a number that is not finite is null."""
    path.write_text(
        json.dumps(plain(findings), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        encoding="utf-8",
    )


def write_rules(path: Path, rules: Mapping[str, Any]) -> None:
    """A rule that people read, as JSON."""
    path.write_text(json.dumps(rules, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_report(path: Path, render: Callable[[Any], str], findings: Any) -> None:
    """The page."""
    path.write_text(render(findings), encoding="utf-8")


def write_times(path: Path, seconds: float) -> None:
    """What differs between two runs of one plan: how long it took."""
    path.write_text(json.dumps({"seconds": round(seconds, 1)}) + "\n", encoding="utf-8")


def run_facts(
    plan: Plan, versions: Mapping[str, str], snapshot: str, command: str
) -> dict[str, Any]:
    """How a run was made, to make it again."""
    table = None if plan.log is None else plan.log.version
    return {
        "version": __version__,
        "command": without_places(command),
        "seed": plan.run.seed,
        "folds": plan.run.folds,
        "snapshot": snapshot,
        "plan": without_places(plan.text),
        "python": platform.python_version(),
        "packages": dict(versions),
        **({} if table is None else {"log_version": str(table)}),
    }


def versions_of(packages: Collection[str]) -> dict[str, str]:
    """The versions of packages; one that says none, or cannot be asked, ends no run."""
    return {name: _version_of(name) for name in packages}


def _version_of(package: str) -> str:
    try:
        return version(package) or "unknown"
    except (PackageNotFoundError, OSError):
        return "unknown"


def read_metrics(folder: Path | str) -> dict[str, Any]:
    """The JSON of a run folder, or of its ``metrics.json``."""
    file = _metrics_file(folder)
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "give the folder of a run"
        raise DataError(
            "a run folder", f"have a readable {METRICS}", str(error), str(file), fix
        ) from error
    check_findings(metrics, (), folder)
    return cast(dict[str, Any], metrics)


def check_findings(findings: Any, needed: Collection[str], folder: Path | str) -> None:
    """Refuse findings that lack one of the keys that are needed."""
    missing = sorted(set(needed) - set(findings)) if isinstance(findings, dict) else ["everything"]
    if missing:
        got, where = f"none of {', '.join(missing[:4])}", str(_metrics_file(folder))
        raise DataError(METRICS, "hold all findings", got, where, "run the plan again")


def _metrics_file(folder: Path | str) -> Path:
    return Path(folder) / METRICS if Path(folder).is_dir() else Path(folder)
