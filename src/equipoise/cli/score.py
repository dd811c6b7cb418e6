"""``equipoise score``: assign units never seen by the policy of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(score)


def score(
    policy: Annotated[Path, typer.Argument(help="The policy/ folder of a run.")],
    units: Annotated[Path, typer.Argument(help="The units: a .parquet or .csv with the features' columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.")] = Path("assignments.parquet"),
    json: AsJson = False,
) -> None:
    """Assign units never seen by the one rule of a policy, batch by batch: the budget per head carries over.

    \b
    Example:
      equipoise score equipoise-run/policy new-users.parquet --out assignments.parquet
    """
    from equipoise.cli.show import as_json, table
    from equipoise.pipeline.score import score_file

    made = score_file(policy, units, out)
    if json:
        as_json({"file": str(out), **made})
        return
    table([{"cell": name, "units": count} for name, count in made["cells"].items()], ["cell", "units"])
    typer.echo(f"{made['units']:,} units, expected cost {made['expected_cost']:.4g} per head, written to {out}")
