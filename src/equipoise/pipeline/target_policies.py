"""Value target policies on a log: tables of the probabilities with which they would give each arm.

A table has one column per arm and one row: the same for all; or as many rows as the log; or columns
beside the arms, such as a segment or a slot, that say for which rows of the log each of its rows
is.  In the long form it has the treatment's column and ``probability`` in place of the arms.

    ips, snips    the logged outcomes of rows that got what the policy might give
    dr            these beside levels by an estimator that did not see the row's fold
    logged        the mean of the log itself: what the policy in force was worth
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.core.suggest import among
from equipoise.data import read_table
from equipoise.evaluation.base import mean_estimates
from equipoise.evaluation.data import EvaluationData, evaluation_data
from equipoise.evaluation.off_policy import Method, PolicyValue, dr, ips, policy_value, snips
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.schema import EstimatorPlan, Plan
from equipoise.pipeline.study.cross_fit import cross_fit, log_folds
from equipoise.pipeline.study.propensity import learnt_propensity

METHODS: dict[str, Method] = {"dr": dr, "snips": snips, "ips": ips}
PROBABILITY = "probability"
LEVELS = EstimatorPlan(name="s-learner")  # of dr, where the plan names no estimator
ROW, PLACE = "equipoise row", "equipoise place"


def arms_of_table(table: pa.Table, treatment: str, names: Sequence[str]) -> list[str]:
    """The arms that a table of a policy speaks of, in its order.   names: the log's columns."""
    if PROBABILITY in table.column_names and treatment in table.column_names:
        return list(columns.text(table[treatment].unique()).to_pylist())
    return [name for name in table.column_names if name not in names]


def target_probabilities(table: pa.Table, log: Log, where: str = "") -> Floats:
    """The probability of every cell in every row of a log, (n, K), by a table of a policy.

    Raises
    ------
    InputError
        Where an arm is unknown, a row of the log has none in the table, or two.
    """
    treatment = log.roles.treatments[0]
    if PROBABILITY in table.column_names and treatment in table.column_names:
        table = _wide(table, treatment, where)
    names = log.cell_names
    keys = [name for name in table.column_names if name not in names]
    unknown = [name for name in keys if name not in log.table.column_names]
    if unknown:
        known = [*names, *log.table.column_names]
        what = f"column {unknown[0]!r} of the policy"
        must = "be an arm, or a column that the log names as a feature, id, group or time"
        raise InputError(what, must, "neither", where, among(unknown[0], known, "these"))
    arms = [
        columns.numbers(table[name]) if name in table.column_names else np.zeros(table.num_rows)
        for name in names
    ]
    p = np.stack(arms, axis=1)
    if keys:
        placed: Floats = p[_places(table, log, keys, where)]
        return placed
    if len(p) not in (1, len(log)):
        must = f"have 1 row, or {len(log):,} as the log, or columns that say which rows are meant"
        raise InputError("a policy's table", must, f"{len(p):,} rows", where)
    out: Floats = np.repeat(p, len(log), axis=0) if len(p) == 1 else p
    return out


def _wide(table: pa.Table, treatment: str, where: str) -> pa.Table:
    """The long form, one row for an arm, as one row for all arms."""
    keys = [name for name in table.column_names if name not in (treatment, PROBABILITY)]
    arms = columns.text(table[treatment])
    codes, places = np.unique(np.asarray(arms.to_pylist(), dtype=str), return_inverse=True)
    if keys:
        rows = table.select(keys).group_by(keys, use_threads=False).aggregate([])
        place = _join(table.select(keys), rows, keys)
    else:
        rows, place = table.select([]), np.zeros(table.num_rows, np.int64)
    count = max(rows.num_rows, 1) if keys else 1
    p, seen = np.zeros((count, len(codes))), np.zeros((count, len(codes)), np.int64)
    np.add.at(p, (place, places), columns.numbers(table[PROBABILITY]))
    np.add.at(seen, (place, places), 1)
    if seen.max() > 1:
        arm = codes[int(seen.max(axis=0).argmax())]
        raise InputError(
            "a policy", "name each arm once for the same rows", f"{arm!r} twice", where
        )
    wide = {name: rows[name] for name in keys}
    return pa.table(wide | {str(arm): p[:, a] for a, arm in enumerate(codes)})


def _places(table: pa.Table, log: Log, keys: list[str], where: str) -> Any:
    """The row of the table for each row of the log, (n,)."""
    own = table.select(keys)
    counts = own.group_by(keys, use_threads=False).aggregate([([], "count_all")])
    if pc.max(counts["count_all"]).as_py() > 1:
        fix = "leave one row of each"
        raise InputError("a policy", f"have one row per {', '.join(keys)}", "two alike", where, fix)
    place = _join(log.table.select(keys), own, keys)
    if (place < 0).any():
        row = int(np.argmax(place < 0))
        got = ", ".join(f"{key} {log.table[key][row].as_py()!r}" for key in keys)
        raise InputError(
            "a policy", "have a row for every row of the log", f"none for {got}", where
        )
    return place


def _join(left: pa.Table, right: pa.Table, keys: list[str]) -> Any:
    """The place in ``right`` of each row of ``left`` by equal keys, -1 where there is none."""
    for name in keys:
        same = left.schema.field(name).type
        if right.schema.field(name).type != same:
            at = right.column_names.index(name)
            right = right.set_column(at, name, columns.decoded(right[name]).cast(same))
    left = left.append_column(ROW, pa.array(np.arange(left.num_rows)))
    right = right.append_column(PLACE, pa.array(np.arange(right.num_rows)))
    joined = left.join(right, keys, join_type="left outer", use_threads=False)
    place = np.full(left.num_rows, -1, np.int64)
    rows = joined[ROW].to_numpy()
    place[rows] = joined[PLACE].fill_null(-1).to_numpy()
    return place


def rows_of(plan: Plan, log: Log, methods: Sequence[str]) -> EvaluationData:
    """The log's rows with what is known of how they were treated; levels only where dr asks."""
    fold = log_folds(log, plan.run.folds, plan.run.seed)
    levels = None
    if "dr" in methods:
        named = plan.estimator if "estimator" in plan.model_fields_set else LEVELS
        estimator = make_estimator(named, log.space, plan.run.seed)
        levels = cross_fit(log, estimator, fold).effects.levels()[:, :, : len(log.metrics)]
    known: dict[str, Any] = {"propensity": log.propensity}
    if log.roles.action_propensity is not None:
        known = {"action_propensity": log.own_propensity, "cells": len(log.cell_names)}
    elif log.propensity is None:
        known = {"propensity": learnt_propensity(log, fold, plan.run.seed).propensity}
    return evaluation_data(
        log.y, cell=log.cells, levels=levels, weight=log.weight, groups=log.groups, **known
    )


def value_targets(
    plan: Plan, log: Log, tables: Mapping[str, Path], methods: Sequence[str] = tuple(METHODS)
) -> dict[str, Any]:
    """What policies given as tables are worth on a log, beside the policy that was in force.

    Returns {"rows", "metrics", "logged": {metric: [value, low, high]}, "policies": rows of one
    policy, metric and method each: "value", "less_logged" and "less_first" (of the first policy,
    paired; None of itself)}, and "support" of each policy: "rows" that got what it might give,
    "effective" of them by their weights, "largest_weight" and "mean_weight".
    """
    rows, level = rows_of(plan, log, methods), plan.report.level
    own = rows.means(rows.y, level)
    rules = {
        name: target_probabilities(read_table(path), log, str(path))
        for name, path in tables.items()
    }
    table: list[dict[str, Any]] = []
    for method in methods:
        values = {
            n: policy_value(p, rows, method=METHODS[method], level=level) for n, p in rules.items()
        }
        first = next(iter(values.values()))
        for name, value in values.items():
            less = None if value is first else value.minus(first)
            against = _less_logged(value, rows, level)
            table += [
                {
                    "policy": name,
                    "metric": metric,
                    "method": method,
                    "value": list(value.estimates[j].interval),
                    "less_logged": list(against[j].interval),
                    "less_first": None if less is None else list(less[j].interval),
                }
                for j, metric in enumerate(log.metrics)
            ]
    return {
        "rows": len(log),
        "metrics": list(log.metrics),
        "logged": {m: list(own[j].interval) for j, m in enumerate(log.metrics)},
        "policies": table,
        "support": [_support(name, p, rows) for name, p in rules.items()],
    }


def _less_logged(value: PolicyValue, rows: EvaluationData, level: float) -> Any:
    return mean_estimates(
        value.rows - rows.y,
        weight=rows.weight,
        groups=rows.groups,
        assignment=rows.assignment,
        level=level,
    )


def _support(name: str, policy: Floats, rows: EvaluationData) -> dict[str, Any]:
    """How much of the log stands behind a policy's value."""
    n = np.arange(len(rows))
    ratio = policy[n, rows.cell] / rows.logged_propensity()
    weight = ratio * rows.weight / rows.weight.mean()
    squares = float(weight @ weight)
    return {
        "policy": name,
        "rows": int((ratio > 0).sum()),
        "effective": float(weight.sum()) ** 2 / squares if squares else 0.0,
        "largest_weight": float(weight.max()),
        "mean_weight": float(weight.mean()),
    }
