"""``equipoise replay``: decide a recorded day, or the decision log of a service, again; or say what
another day or another policy changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.source import AsJson

if TYPE_CHECKING:
    from equipoise.artifacts.day_difference import DayDifference

SHOWN = 10  # transitions


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("replay")(replay)


def replay(
    journal: Annotated[
        Path,
        typer.Argument(help="The folder of days that `score` recorded, or a service's log."),
    ],
    day: Annotated[
        str | None, typer.Argument(help="A recorded day, as 2026-11-01; none of a service's log.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="An earlier day: what changed since, and why.  Of a service's log another policy:"
            " a snapshot by its id, or the folder of a run.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", help="Where the snapshots of a service's log are; default: beside it."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The service's TOML file: windows of rewards, for a value."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window", help="Of every reward that the file does not name; by default 28d."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Decide a recorded day, or a service's decisions, again and compare every bit; or explain what
    another day or another policy changes.

    A day is recorded by `equipoise score --journal DAYS --day 2026-11-01`: the units, the policy
    and what it decided.  A service writes every decision to its log, and keeps the snapshots that
    the log names.  The replay decides them again: exit code 1 where a bit differs (another version
    of equipoise, or another machine's arithmetic); the first difference is explained.

    With --against an earlier day the units of both days are decided in steps: with the later day's
    features, then its effects, then its prices; each step says whose choice it moves and what that
    costs.

    With --against another policy it decides what the service decided: who would get something else,
    what that would cost, and what it would be worth by ips, snips and doubly robust scores.  Where
    the log has no rewards, or none whose windows have ended, or says too little of it (less than
    20 % of the decisions, effectively), all but the worth is told, with why, and exit code 3.

    \b
    Examples:
      equipoise replay days 2026-11-02
      equipoise replay days 2026-11-02 --against 2026-11-01
      equipoise replay voucher-serving/log
      equipoise replay voucher-serving/log --against runs/voucher-2 --config serve.toml
    """
    from equipoise.cli import replay_log
    from equipoise.core.errors import InputError

    if against is None and (config is not None or window is not None):
        got, fix = "--config" if config is not None else "--window", "name another policy, too"
        raise InputError(got, "go with --against a policy", "none", str(journal), fix)
    if replay_log.is_log(journal):
        if day is not None:
            fix = "leave it out: a service's log is decided again as a whole"
            raise InputError("the day", "be one of a journal", day, str(journal), fix)
        if against is None:
            replay_log.replay(journal, policy, json)
        else:
            replay_log.compare(journal, policy, against, config, window or "28d", json)
    elif day is None:
        got = "none" if journal.is_dir() else "no such folder"
        fix = "name the folder of a service's log, with its .eqlog files; or a journal and a day"
        raise InputError("the day, or a service's log,", "be named", got, str(journal), fix)
    else:
        _replay_day(journal, day, against, json)


def _replay_day(journal: Path, day: str, against: str | None, json: bool) -> None:
    """Decide a recorded day again, or explain what changed since another."""
    from dataclasses import asdict

    from equipoise.artifacts.day_difference import explain_days
    from equipoise.artifacts.journal import read_day, replay_day
    from equipoise.cli.show import as_json, table

    if against is not None:
        difference = explain_days(read_day(journal, against), read_day(journal, day))
        if json:
            as_json(asdict(difference))
        else:
            _show(difference)
        return
    outcome = replay_day(journal, day)
    if json:
        as_json(asdict(outcome) | {"same": outcome.same})
    elif outcome.same:
        typer.echo(f"{day}: {outcome.rows:,} units decided again, every bit the same")
    else:
        table(outcome.first, ["row", "column", "then", "now"], "The first differences")
        counts = ", ".join(f"{name} in {rows:,}" for name, rows in outcome.differing.items())
        typer.echo(f"{day}: of {outcome.rows:,} units {counts} rows differ")
    if not outcome.same:
        raise typer.Exit(1)


def _show(difference: DayDifference) -> None:
    from equipoise.cli.show import table

    first, last = difference.spend
    typer.echo(
        f"{difference.changed:,} of {difference.units:,} units of both days changed from"
        f" {difference.earlier} to {difference.later}; expected cost {first:,.6g} -> {last:,.6g},"
        f" {difference.moved:,.6g} moved; {difference.arrived:,} units are new,"
        f" {difference.left:,} are gone"
    )
    table(difference.causes, ["because", "units", "money"], "Because of, step by step")
    if difference.changed:
        rows = difference.transitions
        table(rows[:SHOWN], ["from", "to", "units", "money"], "From what to what")
        if len(rows) > SHOWN:
            typer.echo(f"and {len(rows) - SHOWN} other changes: --json has them all")
