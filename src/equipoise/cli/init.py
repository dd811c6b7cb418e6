"""``equipoise init``: a first plan for a log file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import Outcomes, Treatment


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("init")(init)


def init(
    log: Annotated[Path, typer.Argument(help="The log, a .parquet or .csv file.")],
    treatment: Treatment = "",
    outcome: Outcomes = [],  # noqa: B006 - typer reads the default and never changes it
    out: Annotated[Path, typer.Option("--out", "-o", help="The plan to write.")] = Path(
        "plan.toml"
    ),
) -> None:
    """Write a first plan for a log: what its columns look like, with comments to go through.

    The treatment, the outcomes, the id and the time are guessed by names and values where they are
    not said; features are the columns that can have been known before. The plan runs as it stands.

    \b
    Examples:
      equipoise init log.csv
      equipoise init log.parquet -t arm -y sales -o promotion.toml
    """
    from equipoise.core.errors import InputError
    from equipoise.core.snapshot import replacing
    from equipoise.pipeline.plan_from_log import first_plan

    if out.exists():
        fix = "choose another place with --out, or move it away"
        raise InputError("the plan to write", "be new", "a file that is there", str(out), fix)
    path = log if log.is_absolute() or out.parent == Path() else log.absolute()
    text = first_plan(path, treatment, outcome, plan=str(out))
    with replacing(out) as file:
        file.write_text(text, encoding="utf-8")
    typer.echo(f"{out}\nnext: equipoise check {out}, then equipoise run {out}")
