"""Judge effects that come from anywhere on a log: averages, rankings and deciles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.artifacts.model import read_model
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.core.space import former_cell_names
from equipoise.data import read_table
from equipoise.pipeline.findings.diagnostics import averages, rankings
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import design_of


def effects_of(path: Path, log: Log) -> Effects:
    """The effects of a log's rows: from a Parquet file written by a run, or by a model's snapshot;
    the log's metrics first.
    """
    effects = (
        read_model(path).effects(log.table)
        if path.is_dir()
        else Effects.from_table(read_table(path))
    )
    return on_the_log(effects, log, str(path))


def on_the_log(effects: Effects, log: Log, where: str) -> Effects:
    """Effects that are of a log's rows, candidates and metrics, the log's metrics first."""
    if len(effects) != len(log):
        raise InputError(
            "effects",
            f"have one row per row of the log ({len(log):,})",
            f"{len(effects):,}",
            where,
        )
    if effects.candidates == former_cell_names(log.space)[1:]:
        effects = replace(effects, candidates=log.cell_names[1:])
    if effects.candidates != log.cell_names[1:]:
        raise InputError(
            "the effects' candidates",
            f"be {', '.join(log.cell_names[1:])}",
            ", ".join(effects.candidates),
            where,
        )
    missing = [name for name in log.metrics if name not in effects.metrics]
    if missing:
        raise InputError(
            "effects", f"know the metric {missing[0]!r}", ", ".join(effects.metrics), where
        )
    others = [name for name in effects.metrics if name not in log.metrics]
    order = [effects.metrics.index(name) for name in (*log.metrics, *others)]
    error = None if effects.std_error is None else effects.std_error[:, :, order]
    values, baseline = np.ascontiguousarray(effects.values[:, :, order]), effects.baseline[:, order]
    return replace(
        effects, values=values, baseline=baseline, metrics=(*log.metrics, *others), std_error=error
    )


def evaluate_effects(plan: Plan, log: Log, effects: Effects) -> dict[str, Any]:
    """Average effects, rankings and deciles, as in a run's findings."""
    level, seed = plan.report.level, plan.run.seed
    design = design_of(plan, log, log_folds(log, plan.run.folds, seed))
    e, judged = design.propensity, design.judged(log, effects)
    curves, tenths, slopes = rankings(log, effects, e, level, seed, judged)
    findings = {"averages": averages(log, judged, e, level), "rankings": curves}
    return {**findings, "deciles": tenths, "calibration": slopes}
