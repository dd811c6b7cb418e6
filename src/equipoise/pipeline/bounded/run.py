"""The run of a plan whose log has more rows than it may learn from.

sample     rows by a hash of what names them, read partition by partition       `sample`
checks     every row, before anything is learnt                                 `checks`
study      the run of any plan, on the sample                                   `targeting`
judged     all other rows, by the model and the prices that ship                `judging`, `told`
folder     written beside and renamed; effects and assignments of all rows
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from equipoise.artifacts.explorer import EXPLORER, write_explorer
from equipoise.artifacts.policy import write_scorer
from equipoise.core.audit_groups import audit_grouping
from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.core.progress import Progress
from equipoise.core.snapshot import replacing
from equipoise.data.files import row_count
from equipoise.data.sources import files_of, source_columns
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.bounded.checks import AllRows, check_all_rows, whole_of
from equipoise.pipeline.bounded.judging import ASSIGNED, EFFECTS, STAGE, Judged, Judging, Mine
from equipoise.pipeline.bounded.kept import Kept, added, digest_of, keeping
from equipoise.pipeline.bounded.rankings import bins_of
from equipoise.pipeline.bounded.sample import Asked, Sample, asked_of, named_columns, read_sample
from equipoise.pipeline.bounded.told import Judgement, tell
from equipoise.pipeline.findings.explorer import explorer_units
from equipoise.pipeline.plan.log import open_log, places
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.study import Study
from equipoise.pipeline.targeting import PACKAGES, Learnt, learn, provenance, write_signed
from equipoise.report.findings import Findings
from equipoise.report.page import render_report
from equipoise.scale.executor import Executor, executor_of
from equipoise.scale.partitions import Partition, partitions_of
from equipoise.scale.reduction import Tree

PARTITION = 1_000_000  # rows, about
METHOD = (
    "Models and prices were learnt from a sample of the log: its effects are cross-fitted, and the"
    " policy is allocated within folds. The rule that ships has the model of one fold and the"
    " prices found on its rows. It is judged by doubly robust scores of all rows outside the"
    " sample, whose outcomes chose nothing, so its value carries no winner's curse. Intervals are"
    " by sums over random groups of units."
)


def large_log(plan: Plan) -> list[Partition] | None:
    """The partitions of a plan's log where it has more rows than the plan learns from; None where
    it is run as a whole: it has fewer, or is no Parquet, or a sample is asked for.
    """
    if plan.log.path is None or plan.log.sample is not None:
        return None
    source, version = places(plan), plan.log.version
    if _rows(source, version) <= plan.run.learn_rows:
        return None
    columns = named_columns(plan.log, source_columns(source, version))
    return partitions_of(source, PARTITION, columns, version=version)


def _rows(source: Any, version: int | str | None) -> int:
    """The rows of Parquet files by their footers; 0 where one is none."""
    counts = [row_count(file) for file in files_of(source, version)]
    return 0 if None in counts else sum(n for n in counts if n is not None)


def run_bounded(
    plan: Plan,
    partitions: Sequence[Partition],
    place: Path,
    progress: Progress,
    command: str,
    executor: Executor | None = None,
) -> Findings:
    """Run a plan in bounded memory, and write its folder, whole or absent; returns the findings."""
    started, versions = time.perf_counter(), files.versions_of(PACKAGES)
    executor = executor_of(workers=1) if executor is None else executor
    refuse_unserved(plan)
    total = sum(part.rows or 0 for part in partitions)
    names = source_columns(places(plan), plan.log.version)
    asked = asked_of(plan, named_columns(plan.log, names), total)
    with keeping(place, digest_of(plan.text or plan.model_dump_json(), partitions)) as kept:
        sample = read_sample(plan, partitions, asked, kept, executor, progress)
        whole = of_all_rows(plan, sample)
        log = open_log(whole, sample.table)
        refuse_log(log)
        every = check_all_rows(log, sample, partitions, kept, executor, progress)
        learnt = learn(whole, progress, log)
        with replacing(place, files.EARLIER_RUN) as beside:
            beside.mkdir()
            snapshot = write_scorer(beside / files.POLICY, learnt.scorer, without_places(plan.text))
            judged = judged_of(learnt, every, asked)
            stage = f"{STAGE}-{snapshot[:16]}"
            tree = Tree(len(partitions), added)
            parts = parts_of(learnt, sample, partitions)
            work = kept.each(stage, Judging, parts, judged, executor, progress, "judging")
            for number, sums in work:
                tree.put(number, sums)
            judgement = Judgement(judged, tree.result())
            findings = tell(
                learnt.findings, learnt.study, sample, every, judgement, len(partitions)
            )
            findings["made"] = _made(learnt.study, findings, versions, snapshot, command)
            _write(beside, kept, stage, len(partitions), learnt, findings)
            files.write_times(beside / files.TIMES, time.perf_counter() - started)
    return findings


def refuse_unserved(plan: Plan) -> None:
    """Refuse what cannot be judged by sums yet, before anything is read."""
    policy = plan.policy
    asks = {
        f'[log] overlap = "{plan.log.overlap}"': plan.log.overlap != "all",
        "[log] eligible": plan.log.eligible is not None,
        "[log] action_propensity": plan.log.action_propensity is not None,
        '[log] design = "learn"': plan.log.design == "learn",
        "[policy] keep": policy.keep is not None,
        "[policy] start": policy.start is not None,
        "[policy] limits": bool(policy.limits),
        "a total of [policy.group_budgets]": any(b.total is not None for b in policy.group_budgets),
    }
    for what, asked in asks.items():
        if asked:
            _unserved(what)


def refuse_log(log: Log) -> None:
    """Refuse logs whose propensities are not those of each row."""
    if log.eligibility is not None:
        _unserved("propensities of 0, which close arms,")
    if log.periods is not None:
        fix = "say periods = false in [log], or the design, or a learn_rows of all rows"
        _unserved("shares by period of [log] time", fix=fix)
    if log.treatment.ndim > 1:
        _unserved("treatments of several parts")


def _unserved(what: str, fix: str = "") -> None:
    fix = fix or "say a [run] learn_rows of all rows, if memory allows, or leave it out"
    must = "be left out where a log has more rows than learn_rows: it is not judged by sums yet"
    raise PlanError(what, must, "it beside a large log", fix=fix)


def of_all_rows(plan: Plan, sample: Sample) -> Plan:
    """The plan for the sample: totals become amounts per head of all rows, outcomes have the kinds
    that all rows show, and amounts in all are for all rows.
    """
    n, policy = sample.total, plan.policy
    update: dict[str, Any] = {
        name: _per_head(getattr(policy, name), n)
        for name in ("budget", "offers")
        if getattr(policy, name) is not None
    }
    update["caps"] = tuple(_per_head(cap, n) for cap in policy.caps)
    outcomes = {
        name: own.model_copy(update={"kind": sample.kinds[name]}) if own.kind is None else own
        for name, own in (plan.log.outcomes or {}).items()
    }
    people = {"population": plan.report.population or n}
    return plan.model_copy(
        update={
            "policy": policy.model_copy(update=update),
            "log": plan.log.model_copy(update={"outcomes": outcomes}),
            "report": plan.report.model_copy(update=people),
        }
    )


def _per_head(amount: Any, n: int) -> Any:
    """A total as so much per head of n units."""
    if amount.total is None:
        return amount
    head = "share" if hasattr(amount, "share") else "per_head"
    return amount.model_copy(update={"total": None, head: amount.total / n})


def judged_of(learnt: Learnt, every: AllRows, asked: Asked) -> Judged:
    """What the other rows are judged by."""
    study, log = learnt.study, learnt.study.log
    if study.design.learnt is not None:
        fix = 'say the design, or undesigned = "shares", or a learn_rows of all rows'
        _unserved("a learnt propensity", fix=fix)
    whole = whole_of(log)
    audited = tuple(dict.fromkeys([*log.roles.protected, *study.task.groups]))
    held = np.flatnonzero(study.fold == SHIPPED)
    signs = [outcome.sign for outcome in log.roles.outcomes]
    return Judged(
        asked=asked,
        log=whole.log,
        scorer=learnt.scorer,
        costs=study.costs,
        objective=study.objective,
        level=study.plan.report.level,
        shares=every.shares,
        features=whole.features,
        centre=whole.centre,
        audited=tuple((column, audit_grouping(log, column)) for column in audited),
        bins=bins_of(study.effects.take(held), signs, len(log.metrics)),
    )


def parts_of(
    learnt: Learnt, sample: Sample, partitions: Sequence[Partition]
) -> list[tuple[Partition, Mine]]:
    """Each partition, and what its rows of the sample have."""
    study, solved = learnt.study, learnt.solved
    parts = []
    for part in partitions:
        start = part.start or 0
        low, high = np.searchsorted(sample.rows, [start, start + (part.rows or 0)])
        rows = np.arange(low, high)
        mine = Mine(
            sample.rows[low:high],
            study.effects.take(rows),
            study.task.expected[rows],
            solved.choice[rows],
            solved.score[rows],
        )
        parts.append((part, mine))
    return parts


def _made(
    study: Study, findings: Findings, versions: Any, snapshot: str, command: str
) -> dict[str, Any]:
    """How the run was made, to make it again."""
    read = findings["read"]
    facts = provenance(study, versions, snapshot, command)
    own = {"rows": read["rows"], "sample": read["sample"], "partitions": read["partitions"]}
    return {**facts, **own, "method": METHOD}


def _write(
    beside: Path, kept: Kept, stage: str, count: int, learnt: Learnt, findings: Findings
) -> None:
    """The files of the folder beside the policy."""
    for name, file in ((EFFECTS, files.EFFECTS), (ASSIGNED, files.ASSIGNMENTS)):
        tables = (kept.table(stage, number, name) for number in range(count))
        _write_tables(beside / file, tables)
    write_explorer(beside / EXPLORER, explorer_units(learnt.study, findings["metrics"]))
    files.write_findings(beside / files.METRICS, findings)
    files.write_report(beside / files.REPORT, render_report, findings)
    write_signed(beside, learnt)


def _write_tables(path: Path, tables: Any) -> None:
    """One Parquet file of tables that come one after another."""
    writer: pq.ParquetWriter | None = None
    for table in tables:
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()
