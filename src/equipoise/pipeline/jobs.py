"""The jobs that a plan can be: each runs a plan into a folder, and draws its findings.  A new job
is one line here.

targeting    who gets which candidate                              `pipeline.targeting_job`
supply       which mix each cluster of users sees, by [supply]     `pipeline.supply.run`
ranking      how candidates are ranked for several objectives, by  `pipeline.ranking.run`
             [ranking]
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from equipoise.artifacts.explorer import EXPLORER
from equipoise.artifacts.kinds import read_artifact
from equipoise.core.errors import PlanError
from equipoise.core.parallel import worked_by
from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.job import Job, Outputs, RunFindings
from equipoise.pipeline.plan.log import at_version, places
from equipoise.pipeline.plan.read import make_plan, read_plan
from equipoise.pipeline.plan.schema import Plan
from equipoise.report.upgrade import upgrade
from equipoise.scale.executor import Executor, pieces_of

JOBS = Registry(
    "job",
    {
        "targeting": "equipoise.pipeline.targeting_job:JOB",
        "supply": "equipoise.pipeline.supply.run:JOB",
        "ranking": "equipoise.pipeline.ranking.run:JOB",
    },
)


def run(
    plan: Plan | Path | str | Mapping[str, Any],
    out: Path | str | None = None,
    *,
    progress: Progress = silent,
    command: str = "",
    executor: Executor | None = None,
) -> RunFindings:
    """Run a plan; returns the findings, and writes them to a folder where one is named.

    The folder is whole or absent: it is written beside ``out`` and renamed, and only an earlier run
    is replaced.  A targeting plan whose log has more rows than its ``learn_rows`` is learnt on a
    sample, and judged by all other rows, partition by partition; what is done of a run that is
    broken off is kept in ``OUT.parts``, and taken up by the next.

    Parameters
    ----------
    plan : Plan, Path, str or mapping
        From `read_plan` or `make_plan`; or the TOML file; or its tables.
    out : Path or str, default None
        The run folder: report.html, metrics.json, effects.parquet,
        assignments.parquet (of a supply plan: mixes.parquet; of a ranking: scores.parquet),
        policy/, and times.json, the only file in which two runs of one plan differ.  None: nothing
        is left on disk, and the result holds it all.
    progress : callable, optional
        Called with what is being done, the steps done, and the steps in all.
    command : str, optional
        How the run was asked for; the report shows it.
    executor : Executor, optional
        What works on the partitions of such a log, and, where its workers are processes, fits
        folds; by default this process, one after another.

    Returns
    -------
    RunFindings
        A dict, as ``metrics.json`` keeps it: `report.findings.Findings`, or those of the plan's own
        job; with ``verdict``, ``headline``, ``policy``, ``tables``, ``report()``, ``to_pandas()``,
        ``to_polars()`` and ``plot()``.

    Raises
    ------
    InputError
        Where the folder is neither new, nor empty, nor that of an earlier run.
    PlanError
        Where the plan is wrong, or names what the log does not have.
    InfeasibleError
        Where no policy meets all demands.

    Examples
    --------
    >>> import equipoise as eq
    >>> findings = eq.run("plan.toml")  # doctest: +SKIP
    >>> findings.verdict, sorted(findings.tables)  # doctest: +SKIP
    ('do it', ['assignments', 'effects'])
    >>> findings.policy.assign(new_users)  # doctest: +SKIP
    >>> eq.run("plan.toml", "runs/vouchers").headline[0]  # doctest: +SKIP
    """
    with worked_by(pieces_of(executor)):
        return _run(at_version(plan_of(plan)), out, progress, command, executor)


def _run(
    checked: Plan,
    out: Path | str | None,
    progress: Progress,
    command: str,
    executor: Executor | None,
) -> RunFindings:
    """`run` of a checked plan."""
    job: Job = JOBS.load(checked.job)
    shared = _shared(checked, executor)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="equipoise-") as folder:
            place = Path(folder) / "run"
            findings = job.run(checked, place, progress, command, **shared)
            outputs = outputs_of(place)
        return RunFindings(findings, job.values(findings), job.render, lambda: outputs)
    place = files.out_place(out)
    if checked.log is not None and checked.log.path is not None:
        files.check_outside(place, places(checked))
    findings = job.run(checked, place, progress, command, **shared)
    return RunFindings(findings, job.values(findings), job.render, partial(outputs_of, place))


def _shared(plan: Plan, executor: Executor | None) -> dict[str, Executor]:
    """What works on partitions, for the job that has some."""
    if executor is None:
        return {}
    if plan.job != "targeting":
        fix = "leave the engine out"
        raise PlanError("an engine", "go with a plan of who gets what", f"[{plan.job}]", fix=fix)
    return {"executor": executor}


def plan_of(plan: Plan | Path | str | Mapping[str, Any]) -> Plan:
    """A checked plan, from its file or its tables."""
    if isinstance(plan, Plan):
        return plan
    if isinstance(plan, str | Path):
        return read_plan(plan)
    if isinstance(plan, Mapping):
        return make_plan(dict(plan))
    must = "be a Plan, the path of its file, or its tables as a dict"
    raise PlanError("a plan", must, type(plan).__name__)


def outputs_of(folder: Path) -> Outputs:
    """What a run's folder holds beside the findings."""
    there = [file for file in sorted(folder.glob("*.parquet")) if file.name != EXPLORER]
    tables = {file.stem: pq.read_table(file) for file in there}
    return Outputs(read_artifact(folder / files.POLICY), tables)


def render(findings: Mapping[str, Any]) -> str:
    """The report of any job's findings, as one HTML page."""
    return _job_of(findings).render(findings)


def read_findings(folder: Path | str) -> RunFindings:
    """The findings of a run folder, whatever its job and version; what is missing is an error."""
    findings = upgrade(files.read_metrics(folder))
    job = _job_of(findings)
    files.check_findings(findings, job.findings.__required_keys__, folder)  # type: ignore[attr-defined]
    place = Path(folder)
    outputs = partial(outputs_of, place if place.is_dir() else place.parent)
    return RunFindings(findings, job.values(findings), job.render, outputs)


def is_told(findings: Mapping[str, Any]) -> bool:
    """Whether the log of any job's findings can tell what its policy is worth."""
    return not _job_of(findings).untold(findings)


def _job_of(findings: Mapping[str, Any]) -> Job:
    job: Job = JOBS.load(str(findings.get("kind", "targeting")))
    return job
