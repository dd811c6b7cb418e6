"""What `equipoise replay` and `equipoise explain` say of a service's decision log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from equipoise.serving.replay.against import PolicyComparison
    from equipoise.serving.replay.compare import LogReplay

SHOWN = 10  # transitions
TOO_LITTLE = 3  # exit code: the log cannot tell


def is_log(folder: Path) -> bool:
    """Whether a folder holds a service's decision log."""
    return any(next(place.glob("*.eqlog"), None) for place in (folder, folder / "log"))


@contextmanager
def serving() -> Iterator[None]:
    """Imports of the service's parts."""
    from equipoise.serving.extra import serving_extra

    with serving_extra():
        yield


def state_of(log: Path, policy: Path | None) -> Path:
    """Where the snapshots of a log are: said, or the folder that holds the log."""
    if policy is not None:
        return policy
    return log if (log / "snapshots").is_dir() else log.absolute().parent


def replay(log: Path, policy: Path | None, json: bool) -> None:
    """Decide a log again and print what differs."""
    from dataclasses import asdict

    from equipoise.cli.show import as_json

    with serving():
        from equipoise.serving.replay.compare import replay_log
        from equipoise.serving.replay.snapshots import load_from

    replayed = replay_log(log, load_from(state_of(log, policy)))
    if json:
        as_json(asdict(replayed) | {"same": replayed.same})
    else:
        _show_replay(replayed)
    if not replayed.same:
        raise typer.Exit(1)


def _show_replay(replayed: LogReplay) -> None:
    from equipoise.cli.show import table

    for why, count in replayed.skipped.items():
        typer.echo(f"{count:,} decisions left out: {why}")
    if replayed.same:
        typer.echo(f"{replayed.decisions:,} decisions made again, every bit the same")
        return
    columns = ["decision", "unit", "column", "candidate", "then", "now", "steps", "why"]
    table(replayed.first, columns, "The first differences")
    counts = ", ".join(f"{name} in {rows:,}" for name, rows in replayed.differing.items())
    typer.echo(f"of {replayed.decisions:,} decisions {counts} differ")


def compare(
    log: Path, policy: Path | None, against: str, config: Path | None, window: str, json: bool
) -> None:
    """Let another policy decide a log and print what that changes."""
    from dataclasses import asdict

    from equipoise.cli.show import as_json

    with serving():
        from equipoise.serving.config import read_config
        from equipoise.serving.replay.against import compare_policies
        from equipoise.serving.replay.snapshots import load_from, policy_named

    state = state_of(log, policy)
    rewards = {} if config is None else read_config(config).rewards
    new = policy_named(state, against)
    compared = compare_policies(log, load_from(state), new, rewards=rewards, window=window)
    if json:
        as_json(asdict(compared))
    else:
        _show_comparison(compared)
    if not compared.told:
        raise typer.Exit(TOO_LITTLE)


def _show_comparison(compared: PolicyComparison) -> None:
    from equipoise.cli.show import interval, table

    n = compared.decisions
    left_out = ", ".join(f"{count:,} {why}" for why, count in compared.left_out.items())
    typer.echo(f"{n:,} decisions compared" + (f"; left out: {left_out}" if left_out else ""))
    typer.echo(f"{compared.changed:,} would get something else ({compared.changed / n:.1%})")
    if compared.spend:
        then, now = compared.spend
        typer.echo(f"expected cost a decision {then:,.6g} -> {now:,.6g}")
    if compared.unknown:
        typer.echo(f"of {compared.unknown:,} it knows nothing: they get control")
    table(compared.transitions[:SHOWN], ["from", "to", "decisions"], "From what to what")
    if len(compared.transitions) > SHOWN:
        typer.echo(f"and {len(compared.transitions) - SHOWN} other changes: --json has them all")
    mix = [
        {"candidate": cell, "served": f"{then:.1%}", "new": f"{now:.1%}"}
        for cell, (then, now) in compared.mix.items()
    ]
    table(mix, ["candidate", "served", "new"], "Who gets what: shares of the decisions")
    judged = "the" if compared.judged in (0, n) else f"the {compared.judged:,} judged"
    typer.echo(f"effective sample: {compared.effective:.1%} of {judged} decisions")
    if compared.unsupported:
        typer.echo(f"in {compared.unsupported:,} the log could not have shown what it gives")
    if not compared.told:
        typer.echo(f"What it would be worth is not told: {compared.missing}")
        return
    rows: list[dict[str, Any]] = [
        {"metric": metric} | {name: interval(value) for name, value in every.items()}
        for metric, every in compared.values.items()
    ]
    columns = ["metric", "logged", "ips", "snips", "dr", "gain"]
    table(rows, columns, "Worth a decision, with 95 % intervals; gain: dr less logged")
