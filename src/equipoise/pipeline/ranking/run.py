"""`equipoise run` of a plan with [ranking]: from a log of base scores to an ensemble that ranks
candidates for several objectives, its quality on later rows, and a report.

report.html           what was found            metrics.json    the same as JSON
scores.parquet        a row of the log each: its part, its score, its place in the request
base_scores.parquet   the frozen base scores, where they were learnt here
policy/               a snapshot: what ranks new requests (`artifacts.ranking`)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.ranking import RankingPolicy, write_ranking_policy
from equipoise.artifacts.unit_columns import UnitColumns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.column_types import column_type
from equipoise.core.columns import free_name, missing
from equipoise.core.features import FeatureMap
from equipoise.core.labelled_rows import LabelledRows, labelled_rows
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import replacing
from equipoise.evaluation import RankingMetrics, ranking_metrics
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.job import Job
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.pipeline.ranking import summarise as make
from equipoise.pipeline.ranking.base_scores import columns_of_models, learn_base_scores
from equipoise.pipeline.ranking.check import ranking_checks
from equipoise.pipeline.ranking.log import RankingLog, open_ranking_log
from equipoise.pipeline.ranking.parts import (
    BASE,
    NAMES,
    TEST,
    TRAIN,
    only,
    parts_of,
    split_sentence,
)
from equipoise.pipeline.ranking.select import Selection, select
from equipoise.ranking.base_scores.table import score_table
from equipoise.ranking.places import places
from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import KIND, RankingFindings
from equipoise.report.sections.ranking import render_ranking
from equipoise.report.sentences_ranking import headline_of, risks_of

PACKAGES = ("numpy", "scipy", "scikit-learn", "lightgbm", "numba", "optuna", "pyarrow", "torch")


@dataclass(frozen=True)
class RankingStudy:
    """All that a ranking job learnt and measured.

    Attributes
    ----------
    whole : RankingLog, part : (N,)
        Every row of the log, and the part of each.
    log : RankingLog
        The rows after the base part, with all base scores.
    models : mapping
        Of base scores, by name; none where the log brings them.
    selection : Selection
        The methods, and the choice.
    """

    whole: RankingLog
    part: Ints
    log: RankingLog
    models: Mapping[str, Any]
    selection: Selection

    @property
    def later(self) -> Ints:
        """The part of each row of ``log``."""
        return np.asarray(self.part[self.part != BASE])


def run_ranking(
    plan: Plan, place: Path, progress: Progress = silent, command: str = ""
) -> RankingFindings:
    """Run the job and write its folder, whole or absent; returns the findings."""
    started, versions = time.perf_counter(), files.versions_of(PACKAGES)
    study = learn(plan, progress)
    findings = findings_of(plan, study, progress)
    policy = policy_of(study)
    with replacing(place, files.EARLIER_RUN) as beside:
        beside.mkdir()
        snapshot = write_ranking_policy(beside / files.POLICY, policy, without_places(plan.text))
        findings["made"] = files.run_facts(plan, versions, snapshot, command)
        files.write_table(beside / files.SCORES, scores_of(study))
        if study.models:
            files.write_table(beside / files.BASE_SCORES, base_scores_of(study))
        files.write_findings(beside / files.METRICS, findings)
        files.write_report(beside / files.REPORT, render_ranking, findings)
        files.write_times(beside / files.TIMES, time.perf_counter() - started)
    return findings


def learn(plan: Plan, progress: Progress = silent) -> RankingStudy:
    """Open the log, cut it, learn base scores where the plan asks for them, and choose."""
    whole = open_ranking_log(plan)
    part = parts_of(whole.plan, whole.table, plan.run.seed)
    log, models = whole.take(part != BASE), {}
    if whole.plan.base is not None:
        models = learn_base_scores(whole.plan.base, whole, part, plan.run.seed, progress)
        scores = score_table(
            models, log.table.select(columns_of_models(log)), log.table.column_names
        )
        log = log.with_scores(scores)
    selection = select(log.plan, log, part[part != BASE], plan.run.seed, progress)
    return RankingStudy(whole, part, log, models, selection)


def findings_of(plan: Plan, study: RankingStudy, progress: Progress = silent) -> RankingFindings:
    """All that the job shows; `made` is left to the run."""
    selection, level = study.selection, plan.report.level
    test = study.log.take(only(study.later, TEST))
    rows = labelled_rows(test.y, test.observed, test.weight)
    grouped = test.plan.request or test.plan.user or ""
    scores, shipped, names = scores_on_test(study, test)
    progress("test", 0, 1)
    metrics = _metrics(test, rows, scores, selection, level, plan.run.seed)
    criterion = "gauc" if test.plan.request else "auc"
    measures = [name for name in metrics.measures if grouped or name == "auc"]
    methods = make.methods_found(study.log, selection)
    table = list(dict.fromkeys([shipped, *(row["name"] for row in methods)]))
    unit = _units(test)
    findings: RankingFindings = {
        "kind": KIND,
        "title": plan.report.title or f"Ranking for {', '.join(test.objectives)}",
        "level": level,
        "headline": [],
        "rows": {
            name: int((study.part == k).sum())
            for k, name in enumerate(NAMES)
            if (study.part == k).any()
        },
        "split": split_sentence(test.plan, study.part),
        "requests": 0 if test.groups is None else len(np.unique(test.groups)),
        "grouped": grouped,
        "objectives": make.objectives_found(study.log, rows, metrics, selection.weights),
        "scores": list(study.log.scores),
        "probabilities": test.plan.probabilities,
        "profile": list(test.plan.profile),
        "criterion": criterion,
        "method": shipped,
        "reason": selection.reason,
        "fallback": selection.fallback.method,
        "methods": methods,
        "checks": ranking_checks(study.log, study.later, rows, metrics.coverage.row_coverage),
        "measures": {m: make.intervals_of(metrics, m, table, gains=False) for m in measures},
        "gains": {m: make.intervals_of(metrics, m, table, gains=True) for m in measures},
        "front": make.front_found(selection, metrics, criterion, names),
        "hypervolume": make.hypervolumes_found(selection, metrics, criterion, names),
        "floors": make.floors_found(study.log, selection, metrics, criterion, shipped),
        "gates": make.gates_found(test, selection.shipped),
        "calibration": make.calibration_found(test, rows, unit, level),
        "places": make.places_found(
            test, rows, scores, (shipped, selection.fallback.method), unit, level
        ),
        "risks": [],
        "made": {},
    }
    findings["headline"], findings["risks"] = headline_of(findings), risks_of(findings)
    return findings


def scores_on_test(
    study: RankingStudy, test: RankingLog
) -> tuple[dict[str, Floats], str, list[str]]:
    """The scores of every method and swept setting on the test rows, the name of what ships among
    them, and the names of the swept ones.
    """
    selection = study.selection
    names = make.front_names(selection)
    every = {one.method: one for one in selection.methods}
    every |= dict(zip(names, selection.front, strict=True))
    shipped = next(name for name, one in every.items() if one is selection.shipped)
    scores = {
        name: np.asarray(one.ranker.predict(test.X, profile=test.profile))
        for name, one in every.items()
    }
    return scores, shipped, names


def policy_of(study: RankingStudy) -> RankingPolicy:
    """What ranks new requests."""
    train, plan = study.log.take(only(study.later, TRAIN)), study.log.plan
    read = columns_of_models(study.log) if study.models else []
    names = list(dict.fromkeys([*plan.scores, *plan.profile, *read]))
    features = FeatureMap().fit(train.table.select(names))
    keys = [name for name in (plan.request, plan.item) if name is not None]
    own = UnitColumns(
        {name: column_type(study.log.table[name]) for name in (*names, *keys)},
        {name: float(missing(train.table[name]).mean()) for name in names},
    )
    return RankingPolicy(
        study.selection.shipped.ranker,
        features,
        study.models,
        tuple(plan.scores),
        tuple(plan.profile),
        tuple(read),
        plan.request,
        plan.item,
        own,
    )


def scores_of(study: RankingStudy) -> pa.Table:
    """A row of the log each after the base part, in its order: its part, score and place."""
    log, shipped = study.log, study.selection.shipped
    score = np.asarray(shipped.ranker.predict(log.X, profile=log.profile))
    columns = _keys(study)
    columns["part"] = pa.array(np.array(NAMES)[study.later].tolist())
    columns["score"] = score
    if log.requests is not None:
        columns["place"] = places(score, log.requests)
    return pa.table(columns)


def base_scores_of(study: RankingStudy) -> pa.Table:
    """The frozen base scores of the rows after the base part."""
    own = [name for name in study.log.scores if name not in study.whole.scores]
    return pa.table(_keys(study) | {name: study.log.table[name] for name in own})


def _keys(study: RankingStudy) -> dict[str, Any]:
    """The number of each row in the log, and its request, candidate and user."""
    columns: dict[str, Any] = {"row": np.flatnonzero(study.part != BASE)}
    taken = ("row", "part", "score", "place", *study.log.scores)
    plan = study.log.plan
    for name in dict.fromkeys((plan.request, plan.item, plan.user)):
        if name is not None:
            columns[free_name(name, taken)] = study.log.table[name]
    return columns


def _metrics(
    test: RankingLog,
    rows: LabelledRows,
    scores: Mapping[str, Floats],
    selection: Selection,
    level: float,
    seed: int,
) -> RankingMetrics:
    """All scores on the test rows."""
    alone = np.arange(len(test))
    users = test.users
    return ranking_metrics(
        scores,
        test.y,
        groups=alone if test.groups is None else test.groups,
        users=users if test.requests is not None else None,
        label_mask=test.observed,
        sample_weight=test.weight,
        objectives=rows.objectives,
        against=selection.fallback.method,
        objective_weight=selection.weights,
        seed=seed,
        level=level,
    )


def _units(test: RankingLog) -> Ints:
    """Who is drawn: the user of each row, or its request, or the row itself."""
    for codes in (test.users, test.requests):
        if codes is not None:
            return np.asarray(np.unique(codes, return_inverse=True)[1], np.int64)
    return np.arange(len(test))


def values_of(findings: RankingFindings) -> dict[str, dict[str, Interval]]:
    """How well each method ranks, by objective and in the mean, by the criterion."""
    return findings["measures"][findings["criterion"]]


JOB = Job(run_ranking, render_ranking, RankingFindings, values_of)
