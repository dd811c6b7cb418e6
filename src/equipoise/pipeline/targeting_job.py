"""The job that says who gets which candidate: on its log as a whole, or on a sample and all other
rows by partitions, where the log has more rows than the plan learns from.
"""

from __future__ import annotations

from pathlib import Path

from equipoise.core.progress import Progress, silent
from equipoise.pipeline.bounded.run import large_log, run_bounded
from equipoise.pipeline.job import Job
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.targeting import run_whole, values_of
from equipoise.report.findings import Findings
from equipoise.report.page import render_report
from equipoise.report.verdict import untold
from equipoise.scale.executor import Executor


def run_targeting(
    plan: Plan,
    place: Path,
    progress: Progress = silent,
    command: str = "",
    executor: Executor | None = None,
) -> Findings:
    """Run a plan, and write its folder, whole or absent; returns the findings.   executor: what
    works on the partitions of a large log.
    """
    partitions = large_log(plan)
    if partitions is None:
        return run_whole(plan, place, progress, command)
    return run_bounded(plan, partitions, place, progress, command, executor)


JOB = Job(run_targeting, render_report, Findings, values_of, untold)
