"""``equipoise propose``: which schedules to bring to traffic next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson

NUMBERS = ("total", "count", "interval")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("propose")(propose)


def propose(
    plan: Annotated[Path, typer.Argument(help="The plan: [log], [space], [search].")],
    log: Annotated[Path, typer.Argument(help="A .parquet or .csv of tested schedules.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder of menu.csv and proposals.json.")
    ] = Path("proposals"),
    check: Annotated[
        bool, typer.Option("--check", help="Name tested schedules for fresh traffic instead.")
    ] = False,
    fresh: Annotated[
        Path | None,
        typer.Option("--fresh", help="The fresh traffic: what may be claimed of those checked."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Find new schedules, choose what to check, and say what may be claimed.

    A Gaussian process learns from the tested schedules, and a search of it (random, grid, genetic,
    tpe, cma) names candidates that [search.rules] allow, spread out. Their values are the
    surrogate's and no estimates: bring them to traffic (`equipoise rollout`), then let --check name
    those for fresh traffic, and --fresh say what they are worth: first and fresh traffic together,
    drawn towards all that were tested.

    \b
    Examples:
      equipoise propose plan.toml october.parquet --out proposals
      equipoise propose plan.toml october.parquet --check
      equipoise propose plan.toml october.parquet --fresh november.parquet
    """
    from equipoise.cli.show import as_json, table
    from equipoise.core.errors import InputError
    from equipoise.pipeline.propose import claims_of, propose_check, propose_new

    if check and fresh is not None:
        raise InputError("propose", "be asked one thing", "--check and --fresh")
    if fresh is not None:
        rows = claims_of(plan, log, fresh)
        if json:
            as_json(rows)
            return
        table(rows, ["name", "claim", "std_error", "first", "fresh"], "What may be claimed")
        return
    if check:
        rows = propose_check(plan, log)
        if json:
            as_json(rows)
            return
        table(rows, ["name", *NUMBERS, "value", "std_error"], "For fresh traffic")
        typer.echo(
            "Their values are of the traffic they were chosen on: claims need fresh traffic."
        )
        return
    findings = propose_new(plan, log, out)
    if json:
        as_json(findings)
        return
    table(findings["new"], ["name", *NUMBERS, "surrogate", "surrogate_error"], "New schedules")
    refused = ", ".join(f"{count} by {name}" for name, count in findings["refusals"].items())
    typer.echo(f"{findings['tries']} tries; refused: {refused or 'none'}")
    typer.echo(f"A surrogate's value is no estimate. Menu: {out / 'menu.csv'}")
