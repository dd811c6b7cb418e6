"""``equipoise rollout``: strategies come to traffic in stages, and one replaces what runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.source import AsJson

if TYPE_CHECKING:
    from equipoise.pipeline.rollout.folder import RolloutFolder

Folder = Annotated[Path, typer.Argument(help="The rollout's folder.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help=ABOUT, rich_markup_mode=None)
    group.command("start")(start)
    group.command("next")(next_step)
    group.command("status")(status)
    group.command("back")(back)
    app.add_typer(group, name="rollout")


ABOUT = """Bring strategies to traffic in stages, and replace what runs by the best.

Seeds come in batches; at the end of each the best by day stay, then fewer and fewer; the last meets
what runs on fresh traffic, and replaces it once a confidence sequence, the guards and the days of
[rollout.replace] allow it. Nothing happens by itself: `next` is a function of the folder and the
log, and the same log twice changes nothing.

\b
  equipoise rollout start plan.toml users.parquet --day 2026-11-01 --out rollout
  equipoise rollout next rollout log.parquet      every day, or when a stage ends
  equipoise rollout status rollout
  equipoise rollout back rollout                  to the policy before
"""


def start(
    plan: Annotated[Path, typer.Argument(help="The plan: [log], [space] and [rollout].")],
    units: Annotated[Path, typer.Argument(help="A .parquet or .csv with the units or buckets.")],
    day: Annotated[str, typer.Option("--day", help="The first day: a date, or a whole number.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path(
        "rollout"
    ),
    json: AsJson = False,
) -> None:
    """Begin: the first batch of seeds and who gets which.

    Writes state.json, steps.json, traffic.parquet (unit, day, strategy, measured) and rollout.html.

    \b
    Example:
      equipoise rollout start plan.toml users.parquet --day 2026-11-01 --out rollout
    """
    from equipoise.pipeline.rollout.run import start as begin

    _show(begin(plan, units, day, out), out, json)


def next_step(
    folder: Folder,
    log: Annotated[Path, typer.Argument(help="All rows since the start: a unit on a day.")],
    json: AsJson = False,
) -> None:
    """Take the next step, or wait: who leaves, who comes, who replaces what runs.

    \b
    Example:
      equipoise rollout next rollout log.parquet
    """
    from equipoise.pipeline.rollout.run import take_step

    rollout, changed = take_step(folder, log)
    _show(rollout, folder, json)
    if not changed and not json:
        typer.echo("The log says nothing new: nothing was changed.")


def status(folder: Folder, json: AsJson = False) -> None:
    """Say where a rollout stands.

    \b
    Example:
      equipoise rollout status rollout
    """
    from equipoise.pipeline.rollout.folder import read_rollout

    _show(read_rollout(folder), folder, json)


def back(folder: Folder, json: AsJson = False) -> None:
    """Point back to the policy before.

    \b
    Example:
      equipoise rollout back rollout
    """
    from equipoise.pipeline.rollout.run import step_back

    _show(step_back(folder), folder, json)


def _show(rollout: RolloutFolder, folder: Path, json: bool) -> None:
    from equipoise.cli.show import as_json, table

    state = rollout.state
    if json:
        as_json(_facts(rollout))
        return
    until = "" if rollout.traffic is None else f", traffic until {rollout.day(_last(rollout))}"
    typer.echo(
        f"{state.stage} {state.number} since {rollout.day(state.since)}{until}; policy"
        f" {state.policy}; {state.decision}: {state.why}"
    )
    seen: dict[str, Any] = next(
        (step["effects"] for step in reversed(rollout.steps) if step["effects"]), {}
    )
    if seen:
        rows = [
            {"strategy": name, "effect": gain["effect"], "std_error": gain["std_error"],
             "days": gain["days"], "now": _role(name, rollout)}
            for name, gain in sorted(seen.items(), key=lambda item: -item[1]["effect"])
        ]  # fmt: skip
        table(rows, ["strategy", "effect", "std_error", "days", "now"], "Over the base, by day")
    typer.echo(f"Page: {folder / 'rollout.html'}")


def _facts(rollout: RolloutFolder) -> dict[str, Any]:
    return {**rollout.state.to_json(), "steps": rollout.steps}


def _last(rollout: RolloutFolder) -> int:
    return int(rollout.traffic.days[-1]) if rollout.traffic is not None else 0


def _role(name: str, rollout: RolloutFolder) -> str:
    state = rollout.state
    if name in state.candidates:
        return "candidate"
    if name == state.policy:
        return "policy"
    return "running" if name in state.running else "has left"
