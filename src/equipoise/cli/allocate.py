"""``equipoise allocate``: effects and the demands of a plan become assignments and a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("allocate")(allocate)


def allocate(
    effects: Annotated[
        Path, typer.Argument(help="An effects.parquet, or the snapshot folder of a model.")
    ],
    plan: Annotated[
        Path,
        typer.Argument(help="The plan whose [log] the effects are of and whose [policy] is asked."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write; it must not exist.")
    ] = Path("allocation"),
    json: AsJson = False,
) -> None:
    """Meet the demands of a plan with given effects; writes assignments.parquet and policy.json
    (the rule and its prices).

    \b
    No outcome is used here, so the policy's value is not judged: `equipoise run` does both.
    \b
    Example:
      equipoise allocate equipoise-run/effects.parquet plan.toml --out allocation
    """
    from equipoise.cli.show import as_json, table
    from equipoise.pipeline.allocate import allocate_plan
    from equipoise.pipeline.plan.read import read_plan

    summary = allocate_plan(read_plan(plan), effects, out)
    if json:
        as_json(summary)
        return
    table(
        [{"cell": name, "share": share} for name, share in summary["shares"].items()],
        ["cell", "share"],
    )
    if summary["demands"]:
        table(
            summary["demands"], ["name", "bound", "used", "price", "binding"], "Demands, per head"
        )
    for caution in summary["cautions"]:
        typer.echo(f"Caution: {caution}")
    typer.echo(f"objective {summary['objective']}; gap {summary['gap']:.2g}; written to {out}")
