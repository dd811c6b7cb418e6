"""``equipoise pace``: make a day's budget last over its requests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("pace")(pace)


def pace(
    run: Annotated[Path, typer.Argument(help="A run folder, whose plan has [pacing].")],
    requests: Annotated[
        Path, typer.Argument(help="A .parquet or .csv: a row a request, with its time of day.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder of paced.parquet and pacing.html.")
    ] = Path("paced"),
    profile: Annotated[
        Path | None, typer.Option("--profile", help="In the place of [pacing] profile.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Serve a day's requests in the order of their times, within the day's budget.

    The price begins with the one that ships and moves by [pacing] way: "resolve" solves it again on
    the last two hours, "pi" steers it by how far the use is off its plan, "price" leaves it. An
    offer that is expected to cost more than is left is not made, so the budget is never overspent,
    in expected cost. All other demands keep their shipped prices.

    \b
    Example:
      equipoise pace equipoise-run requests.parquet --out paced
      equipoise pace equipoise-run requests.parquet --profile yesterday.parquet
    """
    from equipoise.cli.show import as_json
    from equipoise.pipeline.pacing import PAGE
    from equipoise.pipeline.pacing import pace as serve

    summary = serve(run, requests, out, profile)
    if json:
        as_json({"folder": str(out), **summary})
        return
    typer.echo(
        f"{summary['offers']:,} of {summary['requests']:,} requests got an offer, expected cost"
        f" {summary['spent']:,.6g} of {summary['budget']:,.6g}"
    )
    typer.echo(f"Page: {out / PAGE}")
