"""``equipoise explain``: why a unit got what it got, term by term."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.source import AsJson

if TYPE_CHECKING:
    from equipoise.serving.replay.explain import Explanation

SHOWN = 5  # candidates


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("explain")(explain)


def explain(
    decision: Annotated[str, typer.Argument(help="The id of the decision, 32 hex digits.")],
    log: Annotated[
        Path, typer.Option("--log", help="The service's decision log, or the folder of it.")
    ],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Where the snapshots are; default: beside the log."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Say why a unit got what it got: the score term by term, and what the probability is made of.

    Each column of the table is a candidate; its terms add up to its score: what each effect is
    worth, less doubt, less the price of what it uses of each demand.  The price of a demand says
    what its last unit is worth; what the choice uses of it, times that, is what the demand cost.

    The probability is over everything that was drawn: the holdout, the shares of the policies,
    exploration and lots.  The decision is made again on the way: whether every bit came out the
    same is said, too.

    \\b
    Examples:
      equipoise explain 01a3185c53e800007f7deafa00000001 --log voucher-serving/log
    """
    from dataclasses import asdict

    from equipoise.cli.replay_log import serving, state_of
    from equipoise.cli.show import as_json

    with serving():
        from equipoise.serving.replay.explain import explain_decision
        from equipoise.serving.replay.snapshots import load_from

    told = explain_decision(log, decision, load_from(state_of(log, policy)))
    if json:
        as_json(asdict(told))
    else:
        _show(told)


def _show(told: Explanation) -> None:
    from datetime import UTC, datetime

    from equipoise.cli.show import table
    from equipoise.core.columns import free_name

    at = datetime.fromtimestamp(told.ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    typer.echo(f"{told.unit} got {told.served} on {at}, with probability {told.probability:.4g}")
    typer.echo(f"{told.reason}: {told.text}")
    if told.choice != told.served:
        typer.echo(f"the policy alone would choose {told.choice}")
    best = sorted(told.scores, key=lambda row: -row["score"])[:SHOWN]
    if best:
        candidates = [row["candidate"] for row in best]
        term = free_name("term", candidates)  # one may be called so
        names = list(dict.fromkeys(name for row in best for name in row["terms"]))
        rows: list[dict[str, Any]] = [
            {term: name} | {row["candidate"]: row["terms"].get(name, 0.0) for row in best}
            for name in names
        ]
        rows.append({term: "score"} | {row["candidate"]: row["score"] for row in best})
        table(rows, [term, *candidates], "In worth")
    if told.demands:
        table(told.demands, ["demand", "price", "uses", "costs"], f"What {told.served} uses")
    if told.parts:
        table(told.parts, ["part", "chance", "gives"], f"How probable {told.served} was")
    typer.echo(f"by snapshot {told.snapshot[:12]}")
    if told.again:
        typer.echo("made again now, every bit the same")
