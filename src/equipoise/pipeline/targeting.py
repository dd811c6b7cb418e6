"""The run: from a plan to a run folder, honest at every step.

study      out-of-fold effects of every row                         `study`
policy     demands met within folds, judged on held-out outcomes    `policy`, `judge`
shipped    the model and the prices of one fold                     `shipping`
folder     written beside and renamed                               `folder`
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.assignments import assignments
from equipoise.artifacts.explorer import EXPLORER, ExplorerUnits, write_explorer
from equipoise.artifacts.fingerprint import rows_digest
from equipoise.artifacts.policy import Scorer, write_scorer
from equipoise.core.arrays import Floats, Ints
from equipoise.core.checks import balance_table
from equipoise.core.columns import free_name
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import replacing
from equipoise.evaluation import random_at_equal_spend
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.findings.diagnostics import averages, rankings
from equipoise.pipeline.findings.drivers import drivers
from equipoise.pipeline.findings.explorer import explorer_findings, explorer_units
from equipoise.pipeline.findings.money import money_findings
from equipoise.pipeline.findings.moves import moved
from equipoise.pipeline.findings.over_time import over_time
from equipoise.pipeline.findings.overlap import overlap_findings
from equipoise.pipeline.findings.profile import group_shares, profile, shares
from equipoise.pipeline.findings.rules import rule_findings
from equipoise.pipeline.findings.sensitivity import sensitivity
from equipoise.pipeline.findings.strata import strata_findings
from equipoise.pipeline.findings.sweeps import budget_sweep, stops_paying, trade_off
from equipoise.pipeline.findings.timetable import timetable
from equipoise.pipeline.findings.variation import variation_findings
from equipoise.pipeline.next_experiment import power_rows
from equipoise.pipeline.plan.constraints import own_groups
from equipoise.pipeline.plan.money import cost_checks
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.plan.shared_text import without_places
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.design_checks import curvature_check, with_arms
from equipoise.pipeline.study.groups import enough_groups
from equipoise.pipeline.study.overlap import rows_behind
from equipoise.pipeline.study.policy import Solved, carried, solve_folds, weighing
from equipoise.pipeline.study.population import Population
from equipoise.pipeline.study.rules import ReadableRule, readable_rule
from equipoise.pipeline.study.shipping import ship, staying_of
from equipoise.pipeline.study.study import Study, make_study, make_task
from equipoise.pipeline.study.swaps import Swaps
from equipoise.report.findings import Arm, Chosen, Experiment, Findings, Interval, Rival, Shipped
from equipoise.report.headline import answers, headline
from equipoise.report.page import render_report
from equipoise.report.sentences import risks
from equipoise.report.verdict import verdict_of

PACKAGES = ("numpy", "scipy", "scikit-learn", "lightgbm", "numba", "pyarrow")


@dataclass(frozen=True)
class Learnt:
    """What a log teaches: a study, its policy, what they show and may be moved by hand, and what
    ships.
    """

    study: Study
    solved: Solved
    rules: ReadableRule | None
    findings: Findings
    explorer: ExplorerUnits | None
    scorer: Scorer


def run_whole(plan: Plan, place: Path, progress: Progress = silent, command: str = "") -> Findings:
    """Run a plan of who gets which candidate on its log as a whole, and write its folder, whole or
    absent; returns the findings.
    """
    started, versions = time.perf_counter(), files.versions_of(PACKAGES)
    learnt = learn(plan, progress)
    study, findings = learnt.study, learnt.findings
    with replacing(place, files.EARLIER_RUN) as beside:
        beside.mkdir()
        snapshot = write_scorer(beside / files.POLICY, learnt.scorer, without_places(plan.text))
        findings["made"] = provenance(study, versions, snapshot, command)
        _write(beside, learnt)
        write_signed(beside, learnt)
        files.write_times(beside / files.TIMES, time.perf_counter() - started)
    return findings


def write_signed(beside: Path, learnt: Learnt) -> None:
    """The rule that people read, where there is one."""
    if learnt.rules is not None:
        about = {**learnt.rules.to_json(), "rows": rows_digest(learnt.study.log)}
        files.write_rules(beside / files.RULES, about)


def learn(plan: Plan, progress: Progress = silent, population: Population | None = None) -> Learnt:
    """All that a plan's log teaches, or some rows of it; `made` is left to the run."""
    with enough_groups(plan):
        return _learn(plan, progress, population)


def _learn(plan: Plan, progress: Progress, population: Population | None) -> Learnt:
    """The same, whatever the groups."""
    study = make_study(plan, progress, population)
    solved = solve_folds(study.task, study.judge)
    rules = readable_rule(plan.policy.rules, study.task, study.judge, study.log, solved)
    explorer = explorer_units(study, metrics_of(study.log))
    findings = findings_of(study, solved, explorer, progress, rules)
    cadence = plan.cadence
    scorer = ship(
        study.log,
        study.model,
        study.costs,
        solved,
        study.task,
        staying_of(plan.policy, cadence, study.log),
        0.0 if cadence is None else cadence.keep,
    )
    return Learnt(study, solved, rules, findings, explorer, scorer)


def findings_of(
    study: Study,
    solved: Solved,
    explorer: ExplorerUnits | None,
    progress: Progress = silent,
    rules: ReadableRule | None = None,
) -> Findings:
    """All that a study and its policy show; `made` is left to the run."""
    log, effects = study.log, study.effects
    level, seed = study.plan.report.level, study.plan.run.seed
    policy = solved.shares(len(effects.candidates))
    progress("rankings", 0, 1)
    judged = study.design.judged(log, effects)
    curves, tenths, slopes = rankings(log, effects, study.design.propensity, level, seed, judged)
    progress("rankings", 1, 1)
    budget = study.plan.policy.budget
    budget_per_head = None if budget is None else budget.head(len(log))
    stops = stops_paying(study.task)
    signs = {outcome.name: outcome.sign for outcome in log.roles.outcomes}
    findings: Findings = {
        "title": study.plan.report.title or f"Who gets what: {', '.join(log.metrics)}",
        "currency": study.plan.report.currency,
        "level": level,
        "metrics": metrics_of(log),
        "candidates": list(effects.candidates),
        "control": log.cell_names[0],
        "headline": [],
        "experiment": experiment(study, policy),
        "averages": averages(log, judged, study.design.propensity, level),
        "rankings": curves,
        "deciles": tenths,
        "drivers": moved(drivers(log, effects, log.metrics, seed), study),
        "budget": budget_sweep(
            study.task, study.judge, study.plan.report.budgets, budget_per_head, progress, stops
        ),
        "tradeoff": (
            trade_off(study.task, study.judge, solved, signs, progress)
            if len(log.metrics) > 1
            else []
        ),
        "policy": chosen_policy(study, solved),
        "rivals": rivals(study, solved.choice, solved.swaps),
        "risks": [],
        "made": {},
    }
    findings["people"] = study.plan.report.population or len(log)
    findings.update(money_findings(study, solved, stops))  # type: ignore[typeddict-item]
    if (asked := study.plan.strata) is not None:
        findings["strata"] = strata_findings(study, asked, policy, progress, solved.swaps)
    findings.update(rule_findings(log, rules))  # type: ignore[typeddict-item]
    findings.update(variation_findings(study, policy, judged))  # type: ignore[typeddict-item]
    gains = findings["rivals"][0]["values"]
    shown = _where_there(study, judged, policy, gains, explorer)
    findings.update(shown)  # type: ignore[typeddict-item]
    findings["power"], findings["calibration"] = power_rows(findings), slopes
    findings["verdict"], findings["answers"] = verdict_of(findings), answers(findings)
    findings["headline"], findings["risks"] = headline(findings), risks(findings)
    return findings


def _where_there(
    study: Study,
    judged: Effects,
    policy: Floats,
    gains: Mapping[str, Interval],
    explorer: ExplorerUnits | None,
) -> dict[str, Any]:
    """What the treatments' hours, the log's times, its design and the policy's demands show, where
    there is something.
    judged: with the levels that judgements stand on;  policy: (n, K);  gains: of the policy.
    """
    log, design, level = study.log, study.design, study.plan.report.level
    facts = {
        "timetable": timetable(log.space),
        "over_time": over_time(log, judged, design.propensity, level),
        "sensitivity": sensitivity(log, judged, design, policy, gains, level),
        "explorer": explorer_findings(explorer, log.roles.protected),
    }
    return {key: value for key, value in facts.items() if value is not None}


def metrics_of(log: Log) -> list[dict[str, str]]:
    """The metrics of a log, as the report shows them."""
    outcomes = log.roles.outcomes
    return [{"name": o.name, "unit": o.unit, "kind": o.kind, "better": o.better} for o in outcomes]


def experiment(study: Study, policy: Floats) -> Experiment:
    """Is the experiment sound, and are there rows enough to judge the policy, (n, K)?"""
    log = study.log
    counts = np.bincount(log.cells, minlength=len(log.cell_names))
    designed = (
        None
        if log.propensity is None or log.roles.design == "shares"
        else log.propensity.mean(axis=0)
    )
    arms: list[Arm] = [
        {
            "name": name,
            "rows": int(n),
            "share": float(n / len(log)),
            "expected": None if designed is None else float(designed[a]),
        }
        for a, (name, n) in enumerate(zip(log.cell_names, counts, strict=True))
    ]
    return {
        "rows": len(log),
        "features": len(log.roles.features),
        "space": log.space.describe(),
        "arms": arms,
        "checks": [
            *with_arms(log, study.design.arms),
            *study.design.checks,
            rows_behind(log, study.design.propensity, policy, study.plan.log.overlap),
            *curvature_check(study.model.estimator),
            *cost_checks(study.plan.policy, study.objective),
        ],
        "balance": balance_table(log),
        "overlap": overlap_findings(log, study.design),
    }


def chosen_policy(study: Study, solved: Solved) -> Chosen:
    """The chosen policy: who gets what, what it obeys, and at what price."""
    log, policy = study.log, solved.shares(len(study.effects.candidates))
    audited = tuple(dict.fromkeys([*log.roles.protected, *study.task.groups]))
    task = study.task
    summary: Chosen = {
        "shares": shares(policy, log.cell_names),
        "weights": study.task.weights,
        "demands": solved.rows,
        "gap": None if solved.held else solved.gap,
        "carried": (
            carried(study.task, study.plan.report.level) if (solved.choice >= 0).any() else None
        ),
        "shipped": _shipped(study, solved),
        "groups": group_shares(
            log, study.judge, policy, task.expected, audited, task.start, solved.swaps
        ),
        "profile": profile(log, policy),
        **weighing(task, solved.choice, log.weight),  # type: ignore[typeddict-item]
    }
    objective = study.judge.objective(policy, task.weights, solved.swaps)
    if objective is not None:
        summary["objective"] = objective
    if task.start is not None:
        new = int(task.start.is_new(log.table[task.start.column]).sum())
        summary["start"] = {**task.start.to_json(), "rows": new}
    if study.shared is not None:
        summary["own_models"] = own_models(study, policy, solved.swaps)
    return summary


def _shipped(study: Study, solved: Solved) -> Shipped:
    """What the rule that ships is worth on new units."""
    values, spend = study.judge.shipped(solved.ruled, study.fold)
    rows = np.flatnonzero(study.fold == SHIPPED)
    treated = float((solved.ruled[rows] >= 0).mean())
    return {"rows": len(rows), "treated": treated, "values": values, "spend": spend}


def own_models(study: Study, policy: Any, swaps: Swaps | None) -> list[dict[str, Any]]:
    """What each group with a model of its own gets, and what it would get by the shared one, judged
    alike.
    """
    if study.shared is None:
        return []
    task, _ = make_task(study.plan, study.log, study.shared, study.fold)
    shared = solve_folds(task, study.judge)
    by_shared = shared.shares(len(study.effects.candidates))
    amount = np.asarray(study.costs.amount)
    rows_of: list[dict[str, Any]] = []
    for column, group in own_groups(study.plan.policy):
        rows = np.flatnonzero(study.task.groups[column] == group)
        models = {}
        for name, share, own in (("own", policy, swaps), ("shared", by_shared, shared.swaps)):
            gains, offers = study.judge.gains(share), share[rows, 1:]
            models[name] = {
                "treated": float(offers.sum(axis=1).mean()),
                "amount": float((offers * amount).sum(axis=1).mean()),
                "spend": float((offers * study.task.expected[rows]).sum(axis=1).mean()),
                "values": study.judge.intervals(gains, rows, own)[0],
            }
        rows_of.append({"column": column, "group": group, "rows": len(rows), **models})
    return rows_of


def rivals(study: Study, choice: Ints, swaps: Swaps | None = None) -> list[Rival]:
    """The chosen policy and what it is measured against: nobody, everybody under each candidate,
    random at equal cost.
    """
    n, names, open_to = len(study.log), study.log.cell_names, study.task.eligible
    if open_to is not None:
        open_to = np.column_stack([np.ones(n, np.bool_), open_to])
    policies = [("chosen", "chosen", choice), ("nobody", "control", np.full(n, -1))]
    policies += [
        (f"everybody: {name}", "constant", _everybody(a, n, open_to))
        for a, name in enumerate(names[1:])
    ]
    at_random = random_at_equal_spend(choice, study.task.expected, eligible=open_to)
    policies.append(("random at equal cost", "random", at_random))
    judge, rows = study.judge, list[Rival]()
    chosen = judge.gains(choice)
    for name, kind, rule in policies:
        gains = chosen if kind == "chosen" else judge.gains(rule)
        values, spend = judge.intervals(gains, None, swaps if kind == "chosen" else None)
        against = {} if kind == "chosen" else judge.intervals(chosen - gains, None, swaps)[0]
        treated = (rule >= 0).mean() if rule.ndim == 1 else 1 - rule[:, 0].mean()
        rows.append(
            {
                "policy": name,
                "kind": kind,
                "values": values,
                "spend": spend,
                "treated": float(treated),
                "against_chosen": against,
            }
        )
    return rows


def _everybody(candidate: int, n: int, open_to: Any) -> Ints:
    """The candidate for everybody whom it is open to, as choices, (n,)."""
    given = np.full(n, candidate)
    return given if open_to is None else np.where(open_to[:, 1 + candidate], given, -1)


def provenance(
    study: Study, versions: Mapping[str, str], snapshot: str, command: str
) -> dict[str, Any]:
    """How the run was made, to make it again."""
    own = {
        "rows": len(study.log),
        "estimator": repr(study.estimator),
        "cost": study.costs.to_json(),
        "method": METHOD,
    }
    return files.run_facts(study.plan, versions, snapshot, command) | own


METHOD = (
    "Effects are cross-fitted: each row's come from models that never saw it. The policy is"
    " allocated within folds with these effects and judged by doubly robust scores of that fold's"
    " own outcomes, so its value carries no winner's curse. The shipped rule is that of one fold:"
    " its model, fitted on the other folds, with the prices found on the fold's rows. These rows"
    " alone chose nothing for it, and judge what it is worth on new units."
)


def _write(beside: Path, learnt: Learnt) -> None:
    study, solved, findings = learnt.study, learnt.solved, learnt.findings
    log = study.log
    unit = log.table[log.roles.id] if log.roles.id else pa.array(np.arange(len(log)))
    name = log.roles.id or "row"
    effects = study.effects.to_table()
    table = effects.append_column(free_name(name, effects.column_names), unit)
    assigned = assignments(
        unit, name, solved.choice, solved.score, study.task.expected, log.cell_names
    )
    files.write_table(beside / files.EFFECTS, table)
    files.write_table(beside / files.ASSIGNMENTS, assigned)
    write_explorer(beside / EXPLORER, learnt.explorer)
    files.write_findings(beside / files.METRICS, findings)
    files.write_report(beside / files.REPORT, render_report, findings)


def values_of(findings: Findings) -> dict[str, dict[str, Interval]]:
    """What each policy that was compared is worth, its cost beside its gains: as ``cost_`` where
    a metric has that name.
    """
    return {
        row["policy"]: {**row["values"], free_name("cost", row["values"]): row["spend"]}
        for row in findings["rivals"]
    }
