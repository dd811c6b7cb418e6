"""``equipoise replay``: decide a recorded day again, or say what changed from one to another."""

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
    journal: Annotated[Path, typer.Argument(help="The folder of days that `score` recorded.")],
    day: Annotated[str, typer.Argument(help="A recorded day, as 2026-11-01.")],
    against: Annotated[
        str | None,
        typer.Option("--against", help="An earlier day: what changed since, and why."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Decide a recorded day again and compare every bit; or explain what changed since another day.

    A day is recorded by `equipoise score --journal DAYS --day 2026-11-01`: the units, the policy
    and what it decided.  The replay decides them again: exit code 1 where a bit differs (another
    version of equipoise, or another machine's arithmetic).

    With --against the units of both days are decided in steps: with the later day's features, then
    its effects, then its prices; each step says whose choice it moves and what that costs.

    \b
    Examples:
      equipoise replay days 2026-11-02
      equipoise replay days 2026-11-02 --against 2026-11-01
    """
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
