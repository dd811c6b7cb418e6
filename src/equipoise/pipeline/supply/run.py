"""`equipoise run` of a plan with [supply]: from a log of exposures to the mixes of clusters, their value, and a report.

report.html     what was found                 metrics.json    the same as JSON
mixes.parquet   a row a user of the log: its cluster, and the share recommended of each category
policy/         a snapshot: what gives new users their mixes (`pipeline.supply.policy`)
"""

from __future__ import annotations

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from equipoise import __version__
from equipoise.core.features import FeatureMap
from equipoise.core.log import Log
from equipoise.core.snapshot import replacing
from equipoise.pipeline import folder as files
from equipoise.pipeline.demands import known_name, weights_of
from equipoise.pipeline.effects import Progress, silent
from equipoise.pipeline.findings import plain
from equipoise.pipeline.plan import Plan
from equipoise.pipeline.report import report_libraries
from equipoise.pipeline.report.supply import render_supply
from equipoise.pipeline.source import open_log
from equipoise.pipeline.supply import findings as make
from equipoise.pipeline.supply.findings import SupplyFindings
from equipoise.pipeline.supply.learn import Learnt, Task, learn, learn_clusters
from equipoise.pipeline.supply.policy import MixPolicy, write_mix_policy
from equipoise.pipeline.supply.rows import Rows, check_supply, rows_of
from equipoise.pipeline.supply.value import value
from equipoise.pipeline.supply.words import headline_of, risks_of

PACKAGES = ("numpy", "scipy", "scikit-learn", "lightgbm", "pyarrow")


def run_supply(plan: Plan, out: Path | str, *, progress: Progress = silent, command: str = "") -> SupplyFindings:
    """Run the job and write its folder, whole or absent; returns the findings."""
    place = Path(out)
    files.check_out(place)
    report_libraries()  # better missed now than after the fits
    started = time.perf_counter()
    log = open_log(plan)
    task = task_of(plan, log)
    features = FeatureMap().fit(log.features)
    rows = rows_of(log, features)
    clusters = learn_clusters(task, rows)
    learnt = learn(task, rows, task.plan.way, clusters, progress)
    found = findings_of(plan, log, task, rows, learnt, progress)
    policy = policy_of(task, features, learnt, log.roles.id)
    with replacing(place) as beside:
        beside.mkdir()
        snapshot = write_mix_policy(beside / files.POLICY, policy, plan.text)
        found["made"] = _made(plan, snapshot, command, time.perf_counter() - started)
        files.write_table(beside / files.MIXES, policy.assign(log.table))
        text = json.dumps(plain(found), indent=1, ensure_ascii=False, allow_nan=False)
        (beside / files.METRICS).write_text(text + "\n", encoding="utf-8")
        (beside / files.REPORT).write_text(render_supply(found), encoding="utf-8")
    return found


def policy_of(task: Task, features: FeatureMap, learnt: Learnt, unit: str | None) -> MixPolicy:
    """What gives users their mixes."""
    today = np.stack([reach.today for reach in learnt.reach])
    bounds = np.stack([np.stack([reach.grid[:, end] for reach in learnt.reach]) for end in (0, -1)])
    shares = today if learnt.answer is None else learnt.answer.shares
    return MixPolicy(features, task.space.parts, learnt.clusters, shares, bounds, learnt.forest, unit)


def task_of(plan: Plan, log: Log) -> Task:
    """What the plan asks; every name is checked before anything is fitted."""
    space = check_supply(plan, log)
    weights = weights_of(plan.policy, log)
    for floor in plan.policy.floors:
        known_name("floor of", floor.metric, log.metrics, "[policy.floors]")
    signed = np.array([weights[name] for name in log.metrics])
    if plan.supply is None:
        raise TypeError("a plan with [supply]")
    return Task(plan.supply, space, log.roles.outcomes, signed, plan.policy.floors, plan.run.seed)


def findings_of(plan: Plan, log: Log, task: Task, rows: Rows, learnt: Learnt, progress: Progress = silent) -> SupplyFindings:
    """All that the job shows; `made` is left to the run."""
    level, ways = plan.report.level, (task.plan.way, *task.plan.rivals)
    valued = value(task, rows, ways, plan.run.folds, level, progress)
    whole, against = make.intervals_of(valued, task, level)
    clusters = make.clusters_found(task, rows, learnt)
    found: SupplyFindings = {
        "kind": make.KIND,
        "title": plan.report.title or f"What to show whom: {', '.join(log.metrics)}",
        "level": level,
        "headline": [],
        "rows": len(log),
        "features": len(log.roles.features),
        "metrics": [{"name": o.name, "unit": o.unit, "kind": o.kind, "better": o.better} for o in log.roles.outcomes],
        "weights": dict(zip(log.metrics, task.weights.tolist(), strict=True)),
        "categories": list(task.space.parts),
        "way": task.plan.way,
        "checks": make.checks_found(log, rows, task),
        "clusters": clusters,
        "audit": make.audit_found(log, rows, learnt.mixes(rows.X)),
        "curves": make.curves_found(task, learnt, clusters, level),
        "demands": make.demands_found(learnt),
        "logged": dict(zip(log.metrics, valued.logged.tolist(), strict=True)),
        "whole": whole,
        "against": against,
        "steps": make.steps_found(valued, task),
        "risks": [],
        "made": {},
    }
    found["headline"], found["risks"] = headline_of(found), risks_of(found)
    return found


def _made(plan: Plan, snapshot: str, command: str, seconds: float) -> dict[str, Any]:
    """How the run was made, to make it again."""
    return {
        "version": __version__,
        "command": command,
        "seed": plan.run.seed,
        "folds": plan.run.folds,
        "seconds": round(seconds, 1),
        "snapshot": snapshot,
        "plan": plan.text,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
