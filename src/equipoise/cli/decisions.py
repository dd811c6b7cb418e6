"""``equipoise decisions``: what a service decided, as an experiment log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.source import AsJson

if TYPE_CHECKING:
    from equipoise.serving.config import RewardWindow
    from equipoise.serving.log.compaction import Compaction

SHOWN = 12  # days in a list


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("decisions")(decisions)


def decisions(
    log: Annotated[
        list[Path],
        typer.Argument(help="The service's decision log, or its folder; of several machines, all."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write; its days are replaced.")
    ] = Path("decisions"),
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The service's TOML file: windows, defaults, the claim."),
    ] = None,
    window: Annotated[
        str, typer.Option("--window", help="Of every reward that the file does not name.")
    ] = "28d",
    claimed: Annotated[
        str | None,
        typer.Option("--claimed", help="The reward that says that an offer was taken."),
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option("--units", help="A file of units: features where the log has none."),
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The column of that file that names each unit.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Where the snapshots are; by default beside the log."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Turn a service's decisions, and what came of them, into an experiment log to learn from.

    Each decision becomes a row: its features, what was served, with which probability (over
    holdout, shares, exploration and lots), and its outcomes: the rewards within the metric's window
    after the decision, or the metric's default.  Where the snapshots are there, the probability of
    every other candidate is told, too: so the design of this experiment is known, if control can be
    drawn (a holdout, or exploration).  Beside the rows, one Parquet file a day, stands a plan with
    all roles, ready to check and to run.

    Left out, and counted: what an operator set, the kill switch, dry runs, a used-up budget, units
    that asked to be erased, and decisions whose windows are still open.  So it may be called every
    day; a day that the log no longer holds whole stays as it was written.

    Decisions from a store carry no features: give the file of units that the store was made of.

    \b
    Examples:
      equipoise decisions voucher-serving/log --out learnt
      equipoise decisions voucher-serving --config serve.toml -o learnt
      equipoise decisions one/voucher-serving two/voucher-serving -o learnt
      equipoise decisions voucher-serving --units units.parquet --id user -o learnt
      equipoise check learnt/plan.toml && equipoise run learnt/plan.toml
    """
    from equipoise.cli.replay_log import state_of
    from equipoise.cli.show import as_json
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        from equipoise.serving.config import read_config
        from equipoise.serving.log.compaction import compact_log
        from equipoise.serving.replay.again import chances_by
        from equipoise.serving.replay.snapshots import load_from

    windows: dict[str, RewardWindow] = {}
    if config is not None:
        settings = read_config(config)
        windows = settings.rewards
        claimed = claimed or (settings.budget.claimed if settings.budget else None)
    place = state_of(log[0], policy)
    result = compact_log(
        log,
        out,
        rewards=windows,
        window=window,
        claimed=claimed,
        units=units,
        id=id,
        chances=chances_by(load_from(place)) if (place / "snapshots").is_dir() else None,
    )
    if json:
        as_json(_plain(result))
    else:
        _show(result)


def _plain(result: Compaction) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "plan": str(result.plan),
        "days": result.days,
        "kept": result.kept,
        "columns": result.columns,
        **asdict(result.counts),
    }


def _show(result: Compaction) -> None:
    from equipoise.cli.show import table

    counts = result.counts
    rows = [
        {"served": cell, "decisions": n, "shown": counts.shown[cell]}
        for cell, n in counts.cells.most_common()
    ]
    table(rows, ["served", "decisions", "shown"], f"{counts.rows:,} decisions")
    for what, every in (("left out", counts.left_out), ("rewards", counts.rewards)):
        told = ", ".join(f"{n:,} {why}" for why, n in every.items() if n)
        if told:
            typer.echo(f"{what}: {told}")
    if counts.certain:
        typer.echo(
            f"in {counts.certain:,} of them nothing was drawn: they say little of other choices"
        )
    if counts.held:
        typer.echo(f"{counts.held:,} cost what was reserved: it was never settled")
    if result.kept:
        days = ", ".join(result.kept[:SHOWN])
        typer.echo(f"as they were, since the log no longer holds them whole: {days}")
    typer.echo(f"{result.plan}\nnext: equipoise check {result.plan}")
