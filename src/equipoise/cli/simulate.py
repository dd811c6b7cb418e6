"""``equipoise simulate``: a world whose truth is known, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.source import AsJson, Quiet

if TYPE_CHECKING:
    from equipoise.core.log import Log
    from equipoise.core.truth import Truth
    from equipoise.reproduce.closed_loop import Loop

PLAN = """# Made by `equipoise simulate {world} --rows {rows} --seed {seed}`; run it with:
# equipoise run {plan}
[log]
path = "log.parquet"
{roles}
[log.outcomes]
{outcomes}
[space]
{space}
[policy]
cost = {cost}
budget = {{ per_head = {budget} }}

[report]
currency = "USD"

[run]
folds = 3
"""


SUPPLY = """# Made by `equipoise simulate exposure --rows {rows} --seed {seed}`; run it with:
# equipoise run {plan}
[log]
path = "log.parquet"
treatment = {categories}     # a share of exposure each
features = {features}
id = "user"

[log.outcomes]
minutes = {{ kind = "continuous", unit = "min" }}
skips = {{ kind = "continuous", better = "lower" }}     # left within 3 seconds

[space]
kind = "shares"
parts = {categories}
move = 0.15                   # no further than this from what a cluster is shown today

[policy]
weights = {{ minutes = 1.0, skips = 50.0 }}
floors = [{{ metric = "skips", per_head = 0.0 }}]     # skips may not rise

[supply]
rivals = ["vector", "binary"]
inventory = 1.3               # no category may need more than 1.3 times today's exposure
crowding = {kin}
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate")(simulate)


def simulate(
    world: Annotated[str, typer.Argument(help="Which world: see the list below.")] = "coupon",
    rows: Annotated[int, typer.Option("--rows", "-n", min=10, help="How many units.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same world.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write; it must not exist.")
    ] = Path("world"),
    worlds: Annotated[
        int, typer.Option("--worlds", min=2, help="short-video: how many worlds, from --seed on.")
    ] = 10,
    stage: Annotated[str, typer.Option("--stage", help="short-video: edge or ranking.")] = "edge",
    drift: Annotated[
        float,
        typer.Option("--drift", help="short-video: how far tastes turn after the log, 0 to 1."),
    ] = 0.0,
    estimator: Annotated[
        str, typer.Option("--estimator", help="short-video: of the effects.")
    ] = "hum",
    target: Annotated[
        str, typer.Option("--target", help="short-video: of the weights: shares or policy-value.")
    ] = "shares",
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a simulated experiment: log.parquet, truth.parquet (the potential outcomes) and a
    plan.toml that runs it.

    \b
    Worlds: coupon (arms x metrics, costs), voucher (a dose of money), incentive (claims and known
    strata), placebo (no effect), criteo-like (its rates and features).  exposure: what share of
    twenty video categories users saw, minutes and skips; its plan finds the mixes that clusters of
    users should see.  short-video is a closed loop: a randomised log, HMUM learnt from it, and an
    A/B test against single strategies, fixed mixes and an oracle, in many worlds; it writes
    report.html, results.md and .json. \b
    Examples:
      equipoise simulate coupon --rows 20000 --out world
      equipoise run world/plan.toml
      equipoise simulate short-video --worlds 10 --out loop
    """
    if world == "short-video":
        from equipoise.reproduce.closed_loop import Loop

        seeds = tuple(range(seed, seed + worlds))
        _loop(Loop(seeds, 6 * rows, 10 * rows, stage, drift, estimator, target), out, json, quiet)
        return
    import pyarrow.parquet as pq

    from equipoise.cli.show import as_json
    from equipoise.core.errors import InputError
    from equipoise.core.snapshot import replacing

    log, truth, text = (
        _exposures(rows, seed, out) if world == "exposure" else _world(world, rows, seed, out)
    )
    if out.exists():
        raise InputError("the folder", "not exist", str(out), fix="choose another place with --out")
    with replacing(out) as folder:
        folder.mkdir()
        pq.write_table(log.table, folder / "log.parquet")
        pq.write_table(truth, folder / "truth.parquet")
        (folder / "plan.toml").write_text(text, encoding="utf-8")
    if json:
        as_json(
            {
                "folder": str(out),
                "rows": len(log),
                "space": log.space.to_json(),
                "metrics": log.metrics,
            }
        )
    else:
        typer.echo(f"{log!r}\nwritten to {out}; next: equipoise run {out / 'plan.toml'}")


def _world(world: str, rows: int, seed: int, out: Path) -> tuple[Log, Any, str]:
    """The log of a simulator, its truth as a table, and the text of a plan."""
    from equipoise.data import SIMULATORS

    log, truth = SIMULATORS.load(world)(rows, seed=seed)
    text = PLAN.format(
        world=world, rows=rows, seed=seed, plan=out / "plan.toml", **_plan_parts(log, truth)
    )
    return log, _truth_table(truth), text


def _exposures(rows: int, seed: int, out: Path) -> tuple[Log, Any, str]:
    """The same of the world of exposures; its truth is what each user likes, and where more of it
    tires.
    """
    import pyarrow as pa

    from equipoise.data.simulators.exposure import CATEGORIES, KIN, make_exposure_world

    world = make_exposure_world(rows, seed=seed)
    log, truth = world.log(), {"kind": world.kind}
    for name, values in (("interest", world.interest), ("tired", world.tired)):
        truth |= {
            f"{name}|{category}": column
            for category, column in zip(CATEGORIES, values.T, strict=True)
        }
    said = {
        "categories": _value(CATEGORIES),
        "features": _value(log.roles.features),
        "kin": _value(KIN),
    }
    return log, pa.table(truth), SUPPLY.format(rows=rows, seed=seed, plan=out / "plan.toml", **said)


def _loop(loop: Loop, out: Path, json: bool, quiet: bool) -> None:
    """Play the closed loop, and write what came of it."""
    from equipoise.cli.show import as_json, progress
    from equipoise.report.sections.closed_loop import loop_report
    from equipoise.reproduce.closed_loop import as_markdown, play, write_results

    with progress(quiet) as report:
        found = play(loop, report)
    write_results(found, out, loop_report(found))
    if json:
        as_json(found)
    else:
        typer.echo(f"{as_markdown(found)}\nwritten to {out}; open {out / 'report.html'}")


def _truth_table(truth: Any) -> Any:
    """The expected level of each metric in each cell, and the expected cost of each candidate, one
    row a unit.
    """
    import pyarrow as pa

    columns = {
        f"{metric}|{cell}": truth.levels[:, a, j]
        for j, metric in enumerate(truth.metrics)
        for a, cell in enumerate(truth.cells)
    }
    columns |= {f"cost|{cell}": truth.cost[:, a] for a, cell in enumerate(truth.cells[1:])}
    return pa.table(columns)


def _plan_parts(log: Log, truth: Truth) -> dict[str, Any]:
    """The tables of the plan; an offer costs what its claims were paid; the budget is half of the
    dearest to everybody.
    """
    import numpy as np

    from equipoise.core.log import roles_to_json

    paid = log.numbers(log.roles.cost) if log.roles.cost else np.zeros(len(log))
    amount = {
        name: round(float(paid[log.cells == 1 + a].max()), 2)
        for a, name in enumerate(truth.cells[1:])
    }
    budget = round(float(truth.cost.mean(axis=0).max()) / 2, 3)

    roles = {key: value for key, value in roles_to_json(log.roles).items() if key != "outcomes"}
    if isinstance(log.roles.design, tuple):
        roles["design"] = list(log.roles.design)
    outcomes = {
        o.name: {"kind": o.kind, "better": o.better, "unit": o.unit} for o in log.roles.outcomes
    }
    return {
        "roles": _toml(roles),
        "outcomes": _toml(outcomes),
        "space": _toml(log.space.to_json()),
        "cost": _value(amount),
        "budget": budget,
    }


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    """A value in TOML: text and numbers are written as in JSON."""
    import json

    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value)
