"""`equipoise run` of a plan with [supply]: from a log of exposures to the mixes of clusters, their
value, and a report.

report.html     what was found                 metrics.json    the same as JSON
mixes.parquet   a row a user of the log: its cluster, and the share recommended of each category
policy/         a snapshot: what gives new users their mixes (`pipeline.supply.policy`)
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from equipoise.artifacts.mixes import MixPolicy, write_mix_policy
from equipoise.artifacts.unit_columns import unit_columns
from equipoise.core.features import FeatureMap
from equipoise.core.log import Log
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import replacing
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.job import Job
from equipoise.pipeline.plan.constraints import known_name, weights_of
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.pipeline.supply import summarise as make
from equipoise.pipeline.supply.exposures import Exposures, check_supply, exposures_of
from equipoise.pipeline.supply.optimise import (
    FOREST,
    ClusterMixes,
    SupplyTask,
    learn,
    learn_clusters,
)
from equipoise.pipeline.supply.value import TODAY, value
from equipoise.report.findings_supply import KIND, SupplyFindings
from equipoise.report.sections.supply import render_supply
from equipoise.report.sentences_supply import headline_of, risks_of

PACKAGES = ("numpy", "scipy", "scikit-learn", "lightgbm", "pyarrow")


def run_supply(
    plan: Plan, place: Path, progress: Progress = silent, command: str = ""
) -> SupplyFindings:
    """Run the job and write its folder, whole or absent; returns the findings."""
    started, versions = time.perf_counter(), files.versions_of(PACKAGES)
    file = open_log(plan)
    log = file.take(file.order)
    task = task_of(plan, log)
    features = FeatureMap().fit(log.features)
    rows = exposures_of(log, features)
    clusters = learn_clusters(task, rows)
    solution = learn(task, rows, task.plan.way, clusters, progress)
    findings = findings_of(plan, log, task, rows, solution, progress)
    policy = policy_of(task, features, solution, log)
    with replacing(place, files.EARLIER_RUN) as beside:
        beside.mkdir()
        snapshot = write_mix_policy(beside / files.POLICY, policy, without_places(plan.text))
        findings["made"] = files.run_facts(plan, versions, snapshot, command)
        files.write_table(beside / files.MIXES, policy.assign(file.table))
        files.write_findings(beside / files.METRICS, findings)
        files.write_report(beside / files.REPORT, render_supply, findings)
        files.write_times(beside / files.TIMES, time.perf_counter() - started)
    return findings


def policy_of(task: SupplyTask, features: FeatureMap, best: ClusterMixes, log: Log) -> MixPolicy:
    """What gives users their mixes."""
    return MixPolicy(
        features,
        task.space.parts,
        best.clusters,
        best.shares,
        best.bounds,
        best.forest,
        log.roles.id,
        unit_columns(log, id=log.roles.id),
    )


def task_of(plan: Plan, log: Log) -> SupplyTask:
    """What the plan asks; every name is checked before anything is fitted."""
    space = check_supply(plan, log)
    weights = weights_of(plan.policy, log)
    for floor in plan.policy.floors:
        known_name("floor of", floor.metric, log.metrics, "[policy.floors]")
    signed = np.array([weights[name] for name in log.metrics])
    if plan.supply is None:
        raise TypeError("a plan with [supply]")
    return SupplyTask(
        plan.supply, space, log.roles.outcomes, signed, plan.policy.floors, plan.run.seed
    )


def findings_of(
    plan: Plan,
    log: Log,
    task: SupplyTask,
    rows: Exposures,
    solution: ClusterMixes,
    progress: Progress = silent,
) -> SupplyFindings:
    """All that the job shows; `made` is left to the run."""
    level, ways = plan.report.level, (task.plan.way, *task.plan.rivals)
    valuation = value(task, rows, ways, plan.run.folds, level, progress)
    whole, against = make.intervals_of(valuation, task, level)
    clusters = make.clusters_found(task, rows, solution)
    findings: SupplyFindings = {
        "kind": KIND,
        "title": plan.report.title or f"What to show whom: {', '.join(log.metrics)}",
        "level": level,
        "headline": [],
        "rows": len(log),
        "features": len(log.roles.features),
        "metrics": [
            {"name": o.name, "unit": o.unit, "kind": o.kind, "better": o.better}
            for o in log.roles.outcomes
        ],
        "weights": dict(zip(log.metrics, task.weights.tolist(), strict=True)),
        "categories": list(task.space.parts),
        "way": task.plan.way,
        "individual": task.plan.way == FOREST,
        "today": TODAY,
        "checks": make.checks_found(log, rows, task),
        "clusters": clusters,
        "audit": make.audit_found(log, rows, solution.mixes(rows.X)),
        "curves": make.curves_found(task, solution, clusters, level),
        "demands": make.demands_found(solution),
        "logged": dict(zip(log.metrics, valuation.logged.tolist(), strict=True)),
        "whole": whole,
        "against": against,
        "steps": make.steps_found(valuation, task),
        "risks": [],
        "made": {},
    }
    findings["headline"], findings["risks"] = headline_of(findings), risks_of(findings)
    return findings


JOB = Job(run_supply, render_supply, SupplyFindings, lambda findings: findings["whole"])
