"""``equipoise evaluate``: how good effects are, judged on a log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson, Source, plan_of


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate)


def evaluate(
    effects: Annotated[
        Path,
        typer.Argument(help="An effects.parquet, or the snapshot folder of a model or a policy."),
    ],
    source: Source,
    json: AsJson = False,
) -> None:
    """Judge predicted effects on a log: average effects, Qini and AUTOC of every arm and metric,
    with intervals.

    \b
    Rows that the model was fitted on make it look better than it is: that log is refused, so give
    other rows, or effects made out of fold, as those of a run are. \b
    Examples:
      equipoise evaluate equipoise-run/effects.parquet plan.toml
      equipoise evaluate model next-experiment.toml
    """
    from equipoise.artifacts.fingerprint import refuse_own_rows
    from equipoise.cli.show import as_json, interval, table
    from equipoise.pipeline.evaluate import effects_of, evaluate_effects
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.study.population import population_of

    plan = plan_of(source)
    log = population_of(plan, open_log(plan)).log
    refuse_own_rows(effects, log)
    findings = evaluate_effects(plan, log, effects_of(effects, log))
    if json:
        as_json(findings)
        return
    rows = [
        {
            "metric": rank["metric"],
            "arm": rank["candidate"],
            "average effect": interval(average["effect"]),
            "qini": interval(rank["qini"]),
            "autoc": interval(rank["autoc"]),
        }
        for average, rank in zip(findings["averages"], findings["rankings"], strict=True)
    ]
    table(rows, ["metric", "arm", "average effect", "qini", "autoc"])
