"""``equipoise monitor``: has what runs changed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson, Quiet


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("monitor")(monitor)


def monitor(
    source: Annotated[
        Path, typer.Argument(help="A run folder, or a plan with [log] and [monitor].")
    ],
    log: Annotated[
        Path,
        typer.Argument(help="A .parquet or .csv: a row is a unit on a day, with its strategy."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder of monitor.html and monitor.json.")
    ] = Path("monitor"),
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Watch a daily log: effects of strategies, their mix, and missing features; exit code 1 on an
    alarm.

    Effects are told against the base of the same day, so strategies must be given at random within
    a day, as a rollout does. Each strategy and metric is watched by a self-starting CUSUM whose
    threshold keeps false alarms over all of them to 5 % in 90 days, after 28 days that teach the
    level. A day's mix is compared with the days before by the PSI and its chi-square point; missing
    shares with those of the log that the policy was learnt from; changes by class with their limit.

    The log needs columns for the strategy, the day ([log] time) and the outcomes. [monitor] sets
    base, mix, missing and effects = { reference_days, false_alarms, days }.

    \b
    Examples:
      equipoise monitor runs/packets november.parquet --out today
      equipoise monitor plan.toml november.parquet --json
    """
    from equipoise.cli.show import as_json, progress
    from equipoise.pipeline.monitor.run import PAGE
    from equipoise.pipeline.monitor.run import monitor as watch

    with progress(quiet) as report:
        findings = watch(source, log, out, progress=report)
    alarms = findings["alarms"]
    if json:
        as_json(findings)
    else:
        days = findings["days"]
        typer.echo(f"{sum(findings['rows']):,} rows of {len(days)} days, {days[0]} to {days[-1]}")
        for alarm in alarms:
            typer.echo(f"Alarm: {alarm['sentence']}")
        if not alarms:
            typer.echo("All is quiet.")
        typer.echo(f"Page: {out / PAGE}")
    if alarms:
        raise typer.Exit(1)
