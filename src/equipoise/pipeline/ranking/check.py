"""Can the log of a ranking job be believed?  Its parts, its base scores, its labels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.labelled_rows import LabelledRows, OneClassWarning, labelled_rows
from equipoise.evaluation import gauc
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.ranking.log import RankingLog, open_ranking_log
from equipoise.pipeline.ranking.parts import (
    BASE,
    TEST,
    TRAIN,
    only,
    parts_of,
    split_sentence,
)
from equipoise.ranking.criterion import objective_auc
from equipoise.ranking.rows import RankingRows

LEAK = 0.03  # AUC that a score loses from train to test rows, beyond what chance explains
SIGMAS = 4.0
PERFECT = 0.99
FEW = 50  # positives in the test rows
THIN = 0.05  # share of test rows in groups of both classes


def check_plan(plan: Plan) -> list[Check]:
    """The checks that a plan's log can be held against before anything is learnt: those of base
    scores of our own are left to the run.

    Parameters
    ----------
    plan : Plan
        With [ranking].

    Returns
    -------
    list of Check
        In the order of the report.
    """
    log = open_ranking_log(plan)
    part = parts_of(log.plan, log.table, plan.run.seed)
    later = log.take(part != BASE)
    test = log.take(only(part, TEST))
    rows = labelled_rows(test.y, test.observed, test.weight)
    covered = np.zeros(len(rows.objectives))
    if test.groups is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneClassWarning)
            covered = gauc(
                test.y, np.zeros(len(test)), test.groups, label_mask=test.observed
            ).row_coverage
    return ranking_checks(later, part[part != BASE], rows, covered)


def ranking_checks(log: RankingLog, part: Ints, rows: LabelledRows, covered: Floats) -> list[Check]:
    """Every check of a ranking log.

    Parameters
    ----------
    log : RankingLog
        The rows that ensembles are learnt from and tested on, with all base scores.
    part : array of int, (n,)
        The part of each row.
    rows : LabelledRows
        The test rows.
    covered : array, (M,)
        The share of the test rows that lie in groups of both classes.

    Returns
    -------
    list of Check
        In the order of the report.
    """
    checks = [_parts(log, part), _labels(rows), *_scores(log, part), _missing(log)]
    if log.requests is not None:
        checks += [_requests(log, rows, covered)]
    return checks


def _parts(log: RankingLog, part: Ints) -> Check:
    said = split_sentence(log.plan, part)
    if log.plan.time is None:
        return check("parts", "warn", f"{said} What drifts is then neither learnt nor seen.")
    return check("parts", "ok", said)


def _labels(rows: LabelledRows) -> Check:
    table: list[dict[str, Any]] = [
        {"objective": name, "observed": int(seen), "positives": int(hits)}
        for name, seen, hits in zip(rows.objectives, rows.observed, rows.positives, strict=True)
    ]
    few = [row["objective"] for row in table if row["positives"] < FEW]
    if few:
        said = f"Fewer than {FEW} positives among the test rows: {', '.join(map(str, few))}."
        return check("labels", "warn", said, table)
    return check("labels", "ok", f"Every objective has {FEW} positives or more to test on.", table)


def _scores(log: RankingLog, part: Ints) -> list[Check]:
    """Do base scores say something of their objectives, and as much of test rows as of train
    rows?
    """
    table: list[dict[str, Any]] = []
    parts = [log.take(only(part, which)) for which in (TRAIN, TEST)]
    for j, (name, spec) in enumerate(log.objectives.items()):
        score = spec.score or f"p_{name}"
        if score not in log.scores:
            continue
        ends = [_auc(rows, score, j) for rows in parts]
        (train, train_error), (test, test_error) = ends
        error = float(np.hypot(train_error, test_error))
        table.append(
            {"score": score, "objective": name, "train": train, "test": test, "error": error}
        )
    checks = []
    leaks = [r for r in table if r["train"] - r["test"] > max(LEAK, SIGMAS * r["error"])]
    perfect = [r for r in table if max(r["train"], r["test"]) > PERFECT]
    useless = [r for r in table if r["test"] + 2 * r["error"] < 0.5]
    for found, status, said in (
        (leaks, "warn", "rank the train rows better than the test rows: were they learnt on them?"),
        (perfect, "warn", "tell their objective nearly exactly: are they made of it?"),
        (useless, "warn", "rank the test rows worse than chance: is their sign turned?"),
    ):
        if found:
            names = ", ".join(str(row["score"]) for row in found)
            checks.append(check("base scores", status, f"Scores {names} {said}", found))
    if table and not checks:
        said = "Every base score ranks the test rows about as well as the train rows."
        checks.append(check("base scores", "ok", said, table))
    return checks


def _auc(part: RankingLog, score: str, j: int) -> tuple[float, float]:
    """The AUC of a score among all rows of a part, and its error (Hanley & McNeil 1982, its
    leading terms)."""
    observed = np.ones(len(part), bool) if part.observed is None else part.observed[:, j]
    y = np.asarray(part.y.column(j).to_numpy(), np.float64)[observed]
    s = columns.numbers(part.table[score])[observed]
    kept = np.empty((len(y), 0))
    rows = RankingRows(kept, y[:, None], ("y",), None, None, None, kept)
    auc, hits = float(objective_auc(s, rows)[0]), y.sum()
    fewer = max(min(hits, len(y) - hits), 1.0)
    return auc, float(np.sqrt(max(auc * (1 - auc), 0.0) / fewer)) if auc == auc else np.nan


def _missing(log: RankingLog) -> Check:
    table = [
        {"column": name, "missing": float(columns.missing(log.table[name]).mean())}
        for name in log.plan.profile
    ]
    lacking = [row for row in table if row["missing"]]
    if not log.plan.profile:
        return check("profile", "note", "No profile is named: all viewers are ranked for alike.")
    if not lacking:
        return check("profile", "ok", "No column of the profile has missing values.")
    said = f"{len(lacking)} of {len(table)} columns of the profile have missing values."
    return check("profile", "note", said, lacking)


def _requests(log: RankingLog, rows: LabelledRows, covered: Floats) -> Check:
    size = np.bincount(log.requests) if log.requests is not None else np.zeros(1)
    size = size[size > 0]
    table: list[dict[str, Any]] = [
        {"objective": name, "coverage": float(share)}
        for name, share in zip(rows.objectives, covered, strict=True)
    ]
    thin = [str(row["objective"]) for row in table if row["coverage"] < THIN]
    said = f"Requests have {np.median(size):g} rows in the median"
    alone = float((size == 1).mean())
    said += f", {alone:.0%} have one." if alone else "."
    if thin:
        said += (
            f" Fewer than {THIN:.0%} of the test rows lie in a request with both labels of"
            f" {', '.join(thin)}: GAUC there rests on these alone."
        )
        return check("requests", "warn", said, table)
    return check("requests", "warn" if alone > 0.5 else "ok", said, table)
