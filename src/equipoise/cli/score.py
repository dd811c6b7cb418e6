"""``equipoise score``: assign units never seen by the policy of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.source import AsJson

HAIR = 1e-9  # of the budget: rounding, not spend


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(score)


def score(
    policy: Annotated[Path, typer.Argument(help="The policy/ folder of a run.")],
    units: Annotated[Path, typer.Argument(help="The units: a .parquet or .csv with the features' columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file to write.")] = Path("assignments.parquet"),
    hold: Annotated[
        bool, typer.Option("--hold", help="Meet the demands on these units as a whole; all are read at once.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Assign units never seen by the policy of a run.

    Without --hold the policy's fixed prices decide, unit by unit and batch by batch.  The budget per head then holds on
    average, and spend on one file may be above it (the report says by how much).  Use it where units arrive one after
    another, or where a unit's choice must not depend on who else is in the file.

    With --hold the demands (budget, caps, floors, parity) are met on the units of the file as a whole, so the expected
    spend on them is never above the budget.  Use it where the file holds everybody that the money is for.

    The policy of a plan with [supply] gives each user the mix of their cluster, one column a category.

    \b
    Example:
      equipoise score equipoise-run/policy new-users.parquet --out assignments.parquet
      equipoise score equipoise-run/policy this-month.parquet --hold
    """
    from equipoise.cli.show import as_json, table
    from equipoise.pipeline.score import score_file
    from equipoise.pipeline.supply.policy import gives_mixes, mix_file

    if gives_mixes(policy):
        given = mix_file(policy, units, out)
        if json:
            as_json({"file": str(out), **given})
        else:
            typer.echo(f"{given['units']:,} users with a mix each, written to {out}")
        return
    made = score_file(policy, units, out, hold=hold)
    if json:
        as_json({"file": str(out), **made})
        return
    table([{"cell": name, "units": count} for name, count in made["cells"].items()], ["cell", "units"])
    typer.echo(f"{made['units']:,} units, {_spend(made)}, written to {out}")


def _spend(made: dict[str, Any]) -> str:
    """What the units cost, against the budget if there is one."""
    said, budget = f"expected cost {made['expected_cost']:.4g} per head", made["budget"]
    if budget is None:
        return f"{said} (no budget)"
    over = made["expected_cost"] > budget * (1 + HAIR)
    return f"{said} (budget {budget:.4g}{': above it; --hold keeps it on these units' if over else ''})"
