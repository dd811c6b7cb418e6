"""``equipoise run``: from a plan to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson, Quiet

UNTOLD = 3  # exit code


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("run")(run)


def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a TOML file.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run folder; by default as the plan says."),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a plan: effects, a budgeted policy, its honest value, and a report.

    \b
    Writes a folder: report.html, effects.parquet, assignments.parquet, metrics.json, policy/.
    A plan with [supply] finds the mix that each cluster of users should see, and writes
    mixes.parquet instead. One with [ranking] learns to rank candidates for several objectives, and
    writes scores.parquet. It is written beside its place and renamed, so it is whole or absent; an
    earlier run there is replaced.

    Exit code 3: the log cannot tell what the policy is worth, since an arm was all but impossible
    for too many rows; all is written, and the headline says why.

    \b
    Examples:
      equipoise run examples/voucher.toml
      equipoise run examples/hillstrom.toml --out runs/hillstrom --json
      equipoise run examples/ranking.toml
    """
    import os

    from equipoise.cli.show import as_json, progress
    from equipoise.pipeline.jobs import is_told
    from equipoise.pipeline.jobs import run as run_plan
    from equipoise.pipeline.plan.read import read_plan

    settings = read_plan(plan)
    place = Path(os.path.normpath(out or settings.path(settings.run.out)))
    with progress(quiet) as report:
        findings = run_plan(settings, place, progress=report, command=f"equipoise run {plan}")
    if json:
        as_json(findings)
        raise typer.Exit(0 if is_told(findings) else UNTOLD)
    for sentence in findings["headline"]:
        typer.echo(sentence)
    for risk in findings["risks"][:3]:
        typer.echo(f"Caution: {risk}")
    page = place / "report.html"
    typer.echo(f"Report: {page}" if page.exists() else f"Findings: {place / 'metrics.json'}")
    if not is_told(findings):
        raise typer.Exit(UNTOLD)
