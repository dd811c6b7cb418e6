"""`equipoise monitor`: a daily log and what is known of its policy become alarms and a page.

monitor.json    the findings, plain JSON
monitor.html    the page: what alarms, effects by day, the mix, missing features
"""

from __future__ import annotations

import json
from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import Earlier, replacing
from equipoise.core.version import __version__
from equipoise.pipeline.monitor.rows import source_of, watched_rows
from equipoise.pipeline.monitor.watch import (
    MonitorFindings,
    churn_found,
    effects_found,
    missing_found,
    mix_found,
)
from equipoise.report.findings import plain
from equipoise.report.sections.monitor import monitor_page

KIND, FINDINGS, PAGE = "monitor", "monitor.json", "monitor.html"


def _is_monitor(place: Path) -> bool:
    return place.is_dir() and {entry.name for entry in place.iterdir()} <= {FINDINGS, PAGE}


EARLIER_MONITOR = Earlier("an earlier monitor's folder", _is_monitor)


def monitor(
    source: Path | str, log: Path | str, out: Path | str | None = None, progress: Progress = silent
) -> MonitorFindings:
    """Watch a daily log: have effects, the mix of strategies, changes or missing
    features moved?

    Parameters
    ----------
    source : path
        A run folder, or a plan with [log] (treatment, outcomes, time) and [monitor].
    log : path
        Parquet or CSV: a row is a unit on a day, with its strategy and what came of it.
    out : path, optional
        The folder to write ``monitor.json`` and ``monitor.html`` into; only an earlier one is
        replaced.
    progress : callable, default silent
        Of long work.

    Returns
    -------
    MonitorFindings
        Plain JSON; ``alarms`` is empty where all is quiet.

    Raises
    ------
    PlanError, LogError
        Where a column is not named or not there, or a value cannot be read.

    Examples
    --------
    >>> findings = monitor("runs/packets", "november.parquet", "today")  # doctest: +SKIP
    >>> [alarm["sentence"] for alarm in findings["alarms"]]  # doctest: +SKIP
    ['The effect of flat on back changed from 0.0312 to 0.0189 since 2026-11-18, ...']
    """
    known = source_of(source)
    if out is not None:
        EARLIER_MONITOR.check(Path(out))
    progress("rows", 0, 1)
    watched = watched_rows(known, log)
    days, least = len(watched.days), 2
    if days < least:
        fix = "give the log of several days: a change is one between days"
        raise InputError("the log", f"have {least} days or more", days, str(log), fix)
    plan = known.plan.monitor
    effects, changed = effects_found(watched, plan)
    mix, moved = mix_found(watched, plan)
    missing, absent = missing_found(watched, plan, known.missing)
    churn, above = churn_found(watched, plan)
    progress("rows", 1, 1)
    findings: MonitorFindings = {
        "kind": KIND,
        "title": known.plan.report.title or "What ran, watched",
        "base": watched.base,
        "days": watched.days,
        "rows": watched.rows.cells().sum(axis=0).astype(int).tolist(),
        "alarms": [*changed, *moved, *absent, *above],
        "effects": effects,
        "mix": mix,
        "missing": missing,
        "churn": churn,
        "settings": plan.model_dump(),
        "version": __version__,
    }
    if out is not None:
        with replacing(out, EARLIER_MONITOR) as folder:
            folder.mkdir()
            text = json.dumps(plain(findings), indent=1, ensure_ascii=False, allow_nan=False)
            (folder / FINDINGS).write_text(text + "\n", encoding="utf-8")
            (folder / PAGE).write_text(monitor_page(plain(findings)), encoding="utf-8")
    return findings
