"""The jobs that a plan can be: each runs a plan into a folder, and draws its findings.  A new job
is one line here.

targeting    who gets which candidate                              `pipeline.targeting`
supply       which mix each cluster of users sees, by [supply]     `pipeline.supply.run`
ranking      how candidates are ranked for several objectives, by  `pipeline.ranking.run`
             [ranking]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.job import Job, RunFindings
from equipoise.pipeline.plan.schema import Plan
from equipoise.report.upgrade import upgrade

JOBS = Registry(
    "job",
    {
        "targeting": "equipoise.pipeline.targeting:JOB",
        "supply": "equipoise.pipeline.supply.run:JOB",
        "ranking": "equipoise.pipeline.ranking.run:JOB",
    },
)


def run(
    plan: Plan, out: Path | str, *, progress: Progress = silent, command: str = ""
) -> RunFindings:
    """Run a plan and write its folder; returns the findings.

    The folder is whole or absent: it is written beside ``out`` and renamed, and only an earlier run
    is replaced.

    Parameters
    ----------
    plan : Plan
        From `read_plan` or `make_plan`.
    out : Path or str
        The run folder: report.html (with the extra "report"), metrics.json, effects.parquet,
        assignments.parquet (of a supply plan: mixes.parquet; of a ranking: scores.parquet),
        policy/, and times.json, the only file in which two runs of one plan differ.
    progress : callable, optional
        Called with what is being done, the steps done, and the steps in all.
    command : str, optional
        How the run was asked for; the report shows it.

    Returns
    -------
    RunFindings
        A dict, as ``metrics.json`` keeps it: `report.findings.Findings`, or those of the plan's own
        job; with ``to_pandas()``, ``to_polars()`` and ``plot()``.

    Raises
    ------
    InputError
        Where the folder is neither new, nor empty, nor that of an earlier run.
    PlanError
        Where the plan names what the log does not have.
    InfeasibleError
        Where no policy meets all demands.

    Examples
    --------
    >>> import equipoise as eq
    >>> plan = eq.read_plan("plan.toml")  # doctest: +SKIP
    >>> findings = eq.run(plan, "runs/vouchers")  # doctest: +SKIP
    >>> findings["headline"][0]  # doctest: +SKIP
    """
    place = Path(out)
    files.check_out(place)
    job: Job = JOBS.load(plan.job)
    findings = job.run(plan, place, progress, command)
    return RunFindings(findings, job.values(findings))


def render(findings: Mapping[str, Any]) -> str:
    """The report of any job's findings, as one HTML page."""
    return _job_of(findings).render(findings)


def read_findings(folder: Path | str) -> RunFindings:
    """The findings of a run folder, whatever its job and version; what is missing is an error."""
    findings = upgrade(files.read_metrics(folder))
    job = _job_of(findings)
    files.check_findings(findings, job.findings.__required_keys__, folder)  # type: ignore[attr-defined]
    return RunFindings(findings, job.values(findings))


def is_told(findings: Mapping[str, Any]) -> bool:
    """Whether the log of any job's findings can tell what its policy is worth."""
    return not _job_of(findings).untold(findings)


def _job_of(findings: Mapping[str, Any]) -> Job:
    job: Job = JOBS.load(str(findings.get("kind", "targeting")))
    return job
