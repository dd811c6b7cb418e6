"""``equipoise run``: from a plan to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import Address, AsJson, Engine, Quiet, Workers

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
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
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

    A log of Parquet files with more rows than the plan's [run] learn_rows (2,000,000) is run in
    bounded memory: models and prices are learnt on a sample, drawn by a hash of ids or groups, and
    all other rows judge. Call it again after it was broken off, and it goes on from what is kept in
    OUT.parts.

    Partitions are worked on by --workers at a time (1), or by an --engine; with --engine ray so are
    the fits of folds. The result is the same to the bit.

    Exit code 3: the log cannot tell what the policy is worth, since an arm was all but impossible
    for too many rows; all is written, and the headline says why.

    \b
    Examples:
      equipoise run examples/voucher.toml
      equipoise run examples/hillstrom.toml --out runs/hillstrom --json
      equipoise run examples/ranking.toml
      equipoise run year.toml --workers 4
      equipoise run year.toml --address 10.0.0.1:6379
    """
    import os
    from contextlib import nullcontext

    from equipoise.cli.imports import imports_settled

    with imports_settled():
        from equipoise.cli.show import as_json, progress
        from equipoise.pipeline.jobs import JOBS, is_told
        from equipoise.pipeline.jobs import run as run_plan
        from equipoise.pipeline.plan.read import read_plan
        from equipoise.scale.executor import executor_of

        settings = read_plan(plan)
        JOBS.load(settings.job)
    place = Path(os.path.normpath(out or settings.path(settings.run.out)))
    asked = engine != "local" or address is not None or workers is not None
    engines = executor_of(engine, address, workers) if asked else nullcontext()
    with progress(quiet) as report, engines as executor:
        findings = run_plan(
            settings, place, progress=report, command=f"equipoise run {plan}", executor=executor
        )
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
