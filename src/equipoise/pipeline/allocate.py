"""Allocate alone: given effects and the demands of a plan become assignments and a rule, with no
outcome used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.assignments import assignments
from equipoise.artifacts.policy import POLICY_PART
from equipoise.core.errors import InputError
from equipoise.core.snapshot import NOTHING, replacing
from equipoise.pipeline import run_folder as files
from equipoise.pipeline.evaluate import effects_of
from equipoise.pipeline.findings.profile import shares
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.money import cost_checks, objective_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.policy import check_policy, solve_folds
from equipoise.pipeline.study.population import population_of
from equipoise.pipeline.study.study import make_task


def allocate_plan(plan: Plan, effects: Path, out: Path) -> dict[str, Any]:
    """Meet the demands of a plan's [policy] on all rows of its log; writes a folder and returns it
    in figures.
    """
    if out.exists():
        raise InputError("the folder", "not exist", str(out), fix="choose another place with --out")
    log = population_of(plan, open_log(plan)).log
    check_policy(plan.policy, log, plan.report.currency)
    task, _ = make_task(plan, log, effects_of(effects, log), np.zeros(len(log), np.int64))
    solved = solve_folds(task)  # one fold: rows in the order of the log
    unit = log.table[log.roles.id] if log.roles.id else pa.array(np.arange(len(log)))
    table = assignments(
        unit, log.roles.id or "row", solved.choice, solved.score, task.expected, log.cell_names
    )
    with replacing(out, NOTHING) as folder:
        folder.mkdir()
        files.write_table(folder / files.ASSIGNMENTS, table)
        (folder / POLICY_PART).write_text(
            json.dumps(solved.policy.to_json(), indent=1) + "\n", encoding="utf-8"
        )
    objective = objective_of(plan.policy, log, plan.report.currency)
    checks = cost_checks(plan.policy, objective)
    share_of = shares(solved.shares(len(log.cell_names) - 1), log.cell_names)
    return {
        "folder": str(out),
        "units": len(log),
        "shares": share_of,
        "demands": solved.rows,
        "gap": solved.gap,
        "objective": objective.in_words(),
        "cautions": [check["summary"] for check in checks if check["status"] == "warn"],
    }
