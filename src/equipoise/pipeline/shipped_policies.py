"""What policies that ship are worth on a new log: their value, spend and net worth there, beside
nobody, everybody under each candidate, and each other, paired.

The rows chose nothing for the policies, so doubly robust scores judge them without a winner's
curse: levels by the first policy's own model, which never saw the log, propensities as the log
knows them, or learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.artifacts.fingerprint import rows_digest
from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.artifacts.rules import RuleScorer, read_rule_scorer
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.evaluation import constant_policy
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.evaluate import on_the_log
from equipoise.pipeline.plan.money import Objective, objective_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.evaluator import make_judge, one_hot
from equipoise.pipeline.study.overlap import rows_behind
from equipoise.pipeline.study.propensity import design_of
from equipoise.report.findings import Interval


def policy_folder(path: Path) -> Path | None:
    """The snapshot of a policy at a path, which may be its run folder; None where there is none."""
    for folder in (path, path / files.POLICY):
        if (folder / "policy.json").is_file():
            return folder
    return None


def value_policies(plan: Plan, log: Log, policies: Mapping[str, Path]) -> dict[str, Any]:
    """Value the policies of snapshot folders, and of rules.json beside them, on a log that none of
    their models saw; the first is no rule.

    Returns {"rows", "metrics", "policies", "untold"}: of each policy, nobody and everybody under
    each candidate "policy", "kind", "treated" (a share), "values" (the gain over control per head
    in each metric, and the net worth where the objective is money: [value, low, high]), "spend",
    and "less_first" (values of the first policy less its own, paired); and why the log cannot tell.
    """
    scorers = {name: read_any_scorer(place) for name, place in policies.items()}
    first = next(iter(scorers.values()))
    if isinstance(first, RuleScorer):
        fix = "evaluate the run, with --against rules"
        raise InputError("the first policy", "have a model", "a rule that people read", fix=fix)
    effects = on_the_log(first.model.effects(log.table), log, "the policy's model")
    absent = [name for name in effects.metrics if name not in log.table.column_names]
    if absent:
        fix = f"name its column in [log]: claimed, cost or an outcome ({absent[0]})"
        must = f"have {absent[0]!r}, of which the policy's costs are made"
        raise InputError("the log", must, "no such column", fix=fix)
    design = design_of(plan, log, log_folds(log, plan.run.folds, plan.run.seed))
    judged = design.judged(log, effects)
    judge = make_judge(
        log, judged, design.propensity, first.costs, plan.report.level, _objective(first, log, plan)
    )
    n, names = len(log), log.cell_names
    rules = [(name, "policy", scorer_shares(scorer, log)) for name, scorer in scorers.items()]
    rules.append(("nobody", "control", constant_policy(0, n, len(names))))
    open_to = log.eligible
    rules += [
        (f"everybody: {name}", "constant", constant_policy(a, n, len(names), open_to))
        for a, name in enumerate(names)
        if a
    ]
    rows: list[dict[str, Any]] = []
    for name, kind, shares in rules:
        values, spend = judge.value(shares)
        own: dict[str, Interval] = {}
        if rows:
            own = judge.difference(rules[0][2], shares)
        rows.append(
            {
                "policy": name,
                "kind": kind,
                "treated": float(1 - shares[:, 0].mean()),
                "values": values,
                "spend": spend,
                "less_first": own,
            }
        )
    checks = [*design.arms, *design.checks, rows_behind(log, design.propensity, rules[0][2])]
    return {
        "rows": n,
        "metrics": list(log.metrics),
        "policies": rows,
        "untold": [check["summary"] for check in checks if check["status"] == "fail"],
    }


def _objective(scorer: Scorer, log: Log, plan: Plan) -> Objective:
    """What the policy is judged by: the worth that the plan of the log says, else what the policy
    was made for; a rule that holds all offers back weighs nothing, and says nothing of worth.
    """
    said = objective_of(plan.policy, log, plan.report.currency)
    if said.is_money:
        return replace(said, cost_weight=1.0)  # the policy's own costs
    rule = scorer.policy
    weights = dict.fromkeys(log.metrics, 0.0) | dict(zip(rule.metrics, rule.weights, strict=True))
    missing = [name for name in rule.metrics if name not in log.metrics and weights[name]]
    is_money = rule.cost_weight > 0 and any(weights.values()) and not missing
    return Objective(weights, plan.report.currency, is_money, rule.cost_weight)


def read_any_scorer(place: Path) -> Scorer | RuleScorer:
    """The policy of a snapshot folder, or the rule of a file."""
    return read_rule_scorer(place) if place.name == files.RULES else read_scorer(place)


def scorer_shares(scorer: Scorer | RuleScorer, log: Log) -> Floats:
    """The choice of a policy that ships, or of its rule, on every row, (n, K)."""
    if isinstance(scorer, RuleScorer):
        candidates, id = scorer.rule.candidates_[1:], scorer.units.id
        if scorer.rows == rows_digest(log):
            must, fix = "be of rows that it was not learnt from", "give a log of other rows"
            raise InputError("a log to judge a rule", must, f"the {len(log):,} rows of it", fix=fix)
    else:
        candidates, id = scorer.policy.candidates, scorer.id
    if candidates != log.cell_names[1:]:
        got = ", ".join(candidates)
        raise InputError("the policy's candidates", f"be {', '.join(log.cell_names[1:])}", got)
    known = id is not None and id in log.table.column_names
    chosen = (scorer if known else scorer.numbered()).assign(log.table)["chosen"].to_pylist()
    place = {name: a - 1 for a, name in enumerate(log.cell_names)}
    choice: Ints = np.array([place[name] for name in chosen], np.int64)
    return one_hot(choice, len(place) - 1)
