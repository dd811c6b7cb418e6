"""The run of a plan whose log has more rows than it may learn from.

sample     rows by a hash of what names them, read partition by partition       `sample`
checks     every row, before anything is learnt                                 `checks`
study      the run of any plan, on the sample                                   `targeting`
prices     found again on all other rows, by the model alone                     `pricing`
judged     all other rows, by the model and the prices that ship                `judging`, `told`
folder     written beside and renamed; effects and assignments of all rows
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.allocation import Allocation
from equipoise.artifacts.explorer import EXPLORER, write_explorer
from equipoise.artifacts.policy import Scorer, write_scorer
from equipoise.core.arrays import Floats, Ints
from equipoise.core.audit_groups import AuditGroups, audit_grouping
from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.core.log_checks import numbered_by
from equipoise.core.periods import period_effects
from equipoise.core.progress import Progress
from equipoise.core.snapshot import replacing
from equipoise.core.start import Start
from equipoise.data.files import row_count
from equipoise.data.sources import files_of, source_columns
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.bounded.blocks import row_weights
from equipoise.pipeline.bounded.checks import AllRows, check_all_rows, whole_of
from equipoise.pipeline.bounded.judging import ASSIGNED, STAGE, Judged, Judging
from equipoise.pipeline.bounded.kept import ARRAYS, Kept, added, digest_of, keeping, read_arrays
from equipoise.pipeline.bounded.learning_error import learning_error
from equipoise.pipeline.bounded.open_arms import open_to
from equipoise.pipeline.bounded.population import Crowd
from equipoise.pipeline.bounded.pricing import ORDERED, UNITS, ordered, priced
from equipoise.pipeline.bounded.propensity import Propensities
from equipoise.pipeline.bounded.rankings import bins_of
from equipoise.pipeline.bounded.sample import (
    Asked,
    Sample,
    asked_of,
    named_columns,
    read_sample,
    said_of,
)
from equipoise.pipeline.bounded.scoring import COUNTING, EFFECTS, Mine, Scored, Scoring
from equipoise.pipeline.bounded.scoring import STAGE as SCORED
from equipoise.pipeline.bounded.told import Counted, Judgement, tell
from equipoise.pipeline.plan.constraints import check_labels
from equipoise.pipeline.plan.log import as_text, open_log, places
from equipoise.pipeline.plan.schema import Plan, PolicyPlan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.population import OverlapRule, narrowed
from equipoise.pipeline.study.study import Study
from equipoise.pipeline.targeting import PACKAGES, Learnt, learn, provenance, write_signed
from equipoise.report.findings import Findings
from equipoise.report.page import render_report
from equipoise.scale.executor import Executor, executor_of
from equipoise.scale.partitions import Partition, partitions_of
from equipoise.scale.reduction import Tree
from equipoise.scale.shards import check_unchanged, fingerprint

PARTITION = 1_000_000  # rows, about
METHOD = (
    "Models were learnt from a sample of the log, across folds. The rule that ships has the model"
    " of one fold, and prices with which the demands hold on all rows outside the sample, by what"
    " that model says of them; no outcome of these rows was looked at. So their outcomes judge the"
    " rule, by doubly robust scores, and its value carries no winner's curse. Intervals are by sums"
    " over random groups of units."
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
    return partitions_of(source, PARTITION, columns, as_text(plan.log), version)


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
    key, before = digest_of(plan.model_dump_json() + plan.text, partitions), fingerprint(partitions)
    with keeping(place, key, executor, progress) as kept:
        sample = read_sample(plan, partitions, asked, kept)
        whole = of_all_rows(plan, sample)
        with said_of(sample), numbered_by(lambda row: int(sample.rows[row])):
            log = open_log(whole, sample.table)
        refuse_log(log)
        every = check_all_rows(whole.policy, log, sample, partitions, kept)
        log.eligibility = every.eligibility(log)  # of more rows than these
        result = judge_all(whole, (sample, log), every, (asked, partitions), kept)
        learnt, count = result.learnt, len(partitions)
        told = result.counted, every, result.judgement, count
        findings = tell(learnt.findings, learnt.study, *told)
        check_unchanged(partitions, before)
        with replacing(place, files.EARLIER_RUN) as beside:
            beside.mkdir()
            plain = without_places(plan.text)
            snapshot = write_scorer(beside / files.POLICY, learnt.scorer, plain)
            findings["made"] = _made(learnt.study, findings, versions, snapshot, command)
            _write(beside, kept, result, count, findings)
            files.write_times(beside / files.TIMES, time.perf_counter() - started)
    return findings


class Result(NamedTuple):
    """What a log of any size teaches.   learnt : by the sample, with the prices of all other rows.
    judgement : of these.   counted : the sample's rows.   stages : of effects, of assignments.
    """

    learnt: Learnt
    judgement: Judgement
    counted: Counted
    stages: tuple[str, str]


def judge_all(
    plan: Plan,
    of_sample: tuple[Sample, Log],
    every: AllRows,
    read: tuple[Asked, Sequence[Partition]],
    kept: Kept,
) -> Result:
    """Learn on the sample, find the prices of all other rows, and judge by these."""
    (sample, log), (asked, partitions) = of_sample, read
    population, rule, weight = narrowed(plan, log)
    with said_of(sample):
        learnt = learn(plan, kept.progress, population)
    crowd, counted = crowd_of(rule, log, every), sample.take(population.rows)
    parts = parts_of(learnt, sample.rows, counted.rows, partitions)
    scored = score_all(learnt, parts, Scored(asked, log, learnt.scorer, crowd), kept)
    learnt, bound = with_prices(learnt, kept, scored, len(parts))
    judged = judged_of(learnt, log, every, crowd, (asked, bound))
    stage = f"{STAGE}-{snapshot_id(kept, learnt.scorer)}"
    said = [str(kept.table_file(scored, i, EFFECTS)) for i in range(len(parts))]
    rows = [(*part, file) for part, file in zip(parts, said, strict=True)]
    tree = Tree(len(partitions), added)
    for number, sums in kept.each(stage, Judging, rows, judged, "judging"):
        tree.put(number, sums)
    sums = {} if rule is None else crowd.sums(log, weight, np.arange(len(log)))
    heavy = row_weights(log, crowd.usual) * weight
    own = Counted(log, counted, heavy[population.rows], sums)
    error = learning_error(learnt.study, judged, kept.progress)
    return Result(learnt, Judgement(judged, tree.result(), error), own, (scored, stage))


def refuse_unserved(plan: Plan) -> None:
    """Refuse what cannot be judged by sums yet, before anything is read."""
    policy = plan.policy
    asks = {
        'a total beside [log] overlap = "trim"': plan.log.overlap == "trim" and _has_total(policy),
        "[log] treatment of several columns": isinstance(plan.log.treatment, tuple),
        "[policy] keep": policy.keep is not None,
        '[policy.limits] model = "own"': any(limit.model == "own" for limit in policy.limits),
    }
    for what, asked in asks.items():
        if asked:
            _unserved(what)


def _has_total(policy: PolicyPlan) -> bool:
    """Whether a demand is an amount in all, of so many people as are known at the end."""
    amounts = [policy.budget, policy.offers, *policy.caps, *policy.group_budgets]
    return any(amount is not None and amount.total is not None for amount in amounts)


def refuse_log(log: Log) -> None:
    """Refuse logs whose treatments are vectors in one column."""
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
    check_labels(policy, sample.labels())
    update: dict[str, Any] = {
        name: _per_head(getattr(policy, name), n)
        for name in ("budget", "offers")
        if getattr(policy, name) is not None
    }
    update["caps"] = tuple(_per_head(cap, n) for cap in policy.caps)
    update["group_budgets"] = tuple(
        _per_head(own, sample.heads.get((own.column, own.group), 0)) for own in policy.group_budgets
    )
    outcomes = {
        name: own.model_copy(update={"kind": sample.kinds[name]}) if own.kind is None else own
        for name, own in (plan.log.outcomes or {}).items()
    }
    trims = plan.log.overlap == "trim"  # then how many count is known at the end
    people = {} if trims else {"population": plan.report.population or n}
    return plan.model_copy(
        update={
            "policy": policy.model_copy(update=update),
            "log": plan.log.model_copy(update={"outcomes": outcomes}),
            "report": plan.report.model_copy(update=people),
        }
    )


def _per_head(amount: Any, n: int) -> Any:
    """A total as so much per head of n units; as it is where there are none, to be refused."""
    if amount.total is None or n == 0:
        return amount
    head = "share" if hasattr(amount, "share") else "per_head"
    return amount.model_copy(update={"total": None, head: amount.total / n})


def with_prices(learnt: Learnt, kept: Kept, scored: str, count: int) -> tuple[Learnt, float | None]:
    """What ships with the prices of all rows outside the sample, the demands with these, and what
    no choice of these rows is worth more than; as it is, and None, where nothing is priced.
    """
    said = [kept.table_file(scored, i, UNITS) for i in range(count)]
    units = ordered(kept, said, scored.replace(SCORED, ORDERED), PARTITION)
    task = learnt.study.task
    rule, found = priced(
        learnt.scorer.policy, task.constraints, units, kept.executor, kept.progress
    )
    if found is None:
        return learnt, None
    rows = []
    for r, demand in enumerate(found.demands):
        terms = Allocation.terms(found, r, max(float(found.heads[r]), 1.0))  # type: ignore[arg-type]
        price = terms["price"] if terms["binding"] else 0.0
        about = {"name": demand.name, "kind": demand.kind, "metric": demand.metric}
        rows.append({**about, **terms, "price": price})
    policy = {**learnt.findings["policy"], "demands": rows}
    findings = {**learnt.findings, "policy": policy}
    scorer = replace(learnt.scorer, policy=rule)
    return replace(learnt, findings=findings, scorer=scorer), found.bound  # type: ignore[arg-type]


def crowd_of(rule: OverlapRule | None, log: Log, every: AllRows) -> Crowd:
    """Who counts, of the log of which ``log`` is the sample."""
    whole, model = whole_of(log), None if rule is None else rule.model
    chances = Propensities(model, whole.features, whole.starts, every.shares)
    return Crowd(rule, chances, whole.centre, whole.weight)


def judged_of(
    learnt: Learnt, sample: Log, every: AllRows, crowd: Crowd, asked: tuple[Asked, float | None]
) -> Judged:
    """What the other rows are judged by.   asked: what is read of them, and what no choice of them
    is worth more than.
    """
    study, log = learnt.study, learnt.study.log
    learnt_by, starts = study.design.learnt, crowd.chances.starts
    whole = whole_of(log)
    audited = dict.fromkeys([*log.roles.protected, *study.task.groups])
    groups: list[tuple[str, AuditGroups | Start]] = [
        (column, audit_grouping(log, column)) for column in audited
    ]
    if study.task.start is not None:
        groups.append((study.task.start.column, study.task.start))
    held = np.flatnonzero(study.fold == SHIPPED)
    signs = [outcome.sign for outcome in log.roles.outcomes]
    opens = open_to(log)[held, 1:]
    model = None if learnt_by is None else learnt_by.model
    return Judged(
        asked=asked[0],
        log=whole_of(sample).log,
        scorer=learnt.scorer,
        costs=study.costs,
        objective=study.objective,
        level=study.plan.report.level,
        arms=every.arms,
        chances=Propensities(model, whole.features, starts, every.shares),
        crowd=crowd,
        moves=period_moves(study, len(starts)),
        stack=None if learnt_by is None else learnt_by.stack(log, study.effects),
        features=whole.features,
        centre=whole.centre,
        audited=tuple(groups),
        bound=asked[1],
        bins=bins_of(study.effects.take(held), signs, len(log.metrics), opens),
    )


def period_moves(study: Study, periods: int) -> Floats | None:
    """By how much levels under each cell are wrong in each period of the sample, (P, K, m), 0 in
    one that has no row of it; None without periods.
    """
    log, effects = study.log, study.effects
    if log.periods is None:
        return None
    y = np.stack([log.numbers(name) for name in effects.metrics], axis=1)
    levels = study.design.judged(log, effects).levels()
    left = y - levels[np.arange(len(y)), log.cells]
    moves = period_effects(left, log.periods, log.cells, levels.shape[1], log.weight)
    there, first = np.unique(log.periods, return_index=True)
    out = np.zeros((periods, *moves.shape[1:]))
    out[there] = moves[first]
    return out


def parts_of(
    learnt: Learnt, sample: Ints, counted: Ints, partitions: Sequence[Partition]
) -> list[tuple[Partition, Mine]]:
    """Each partition, and what its rows of the sample have.   sample, counted: the numbers of the
    sample's rows, and of those of them that were learnt from.
    """
    study, solved = learnt.study, learnt.solved
    sample, place, parts = np.sort(sample), np.argsort(counted), []
    for part in partitions:
        ends = [part.start or 0, (part.start or 0) + (part.rows or 0)]
        first, last = np.searchsorted(sample, ends)
        rows = place[slice(*np.searchsorted(counted, ends, sorter=place))]
        mine = Mine(
            sample[first:last],
            counted[rows],
            study.effects.take(rows),
            study.task.expected[rows],
            solved.choice[rows],
            solved.score[rows],
        )
        parts.append((part, mine))
    return parts


def score_all(
    learnt: Learnt, parts: Sequence[tuple[Partition, Mine]], scored: Scored, kept: Kept
) -> str:
    """Say the effects of all rows; returns the stage that keeps them."""
    stage = f"{SCORED}-{snapshot_id(kept, learnt.scorer)}"
    scored = replace(scored, log=scored.log.take(np.arange(2)))  # for roles and space
    for _ in kept.each(stage, Scoring, parts, scored, "effects"):
        pass
    return stage


def snapshot_id(kept: Kept, scorer: Scorer) -> str:
    """What tells a policy from any other, in 16 letters."""
    place = kept.folder / "policy"
    id = write_scorer(place, scorer, "")
    shutil.rmtree(place)
    return id[:16]


def _made(
    study: Study, findings: Findings, versions: Any, snapshot: str, command: str
) -> dict[str, Any]:
    """How the run was made, to make it again."""
    read = findings["read"]
    facts = provenance(study, versions, snapshot, command)
    own = {"rows": read["rows"], "sample": read["sample"], "partitions": read["partitions"]}
    return {**facts, **own, "method": METHOD}


def _write(
    beside: Path,
    kept: Kept,
    result: Result,
    count: int,
    findings: Findings,
) -> None:
    """The files of the folder beside the policy."""
    learnt, stages = result.learnt, result.stages
    effects = (kept.table(stages[0], number, EFFECTS) for number in range(count))
    if result.judgement.judged.crowd.trims:
        arrays = (read_arrays(kept.place(stages[0], number) / ARRAYS) for number in range(count))
        pairs = zip(effects, arrays, strict=True)
        effects = (table.filter(pa.array(own[COUNTING])) for table, own in pairs)
    _write_tables(beside / files.EFFECTS, effects)
    assigned = (kept.table(stages[1], number, ASSIGNED) for number in range(count))
    _write_tables(beside / files.ASSIGNMENTS, assigned)
    write_explorer(beside / EXPLORER, learnt.explorer)
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
