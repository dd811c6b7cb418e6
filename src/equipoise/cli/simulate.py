"""``equipoise simulate``: a world whose truth is known, as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from equipoise.cli.source import AsJson, Quiet

if TYPE_CHECKING:
    from equipoise.core.log import Log
    from equipoise.core.truth import Truth

HEADER = """# Made by `equipoise simulate {world} --rows {rows} --seed {seed}`; run it with:
# equipoise run {plan}
"""
SUPPLY_NOTES = """# The treatment is a share of exposure per category; skips are videos left within
# 3 seconds.  space.move: no further than this from what a cluster is shown today;
# policy.floors: skips may not rise; supply.inventory: no category may need more than 1.3
# times today's exposure.
"""

PACKET_NOTES = """# The treatment is a name of menu.csv: total, count and interval of a day's
# packets, and how amounts and intervals vary over the day.  What a schedule costs is learnt like
# any metric, so the budget is a bound on the mean effect on cost (yuan a user and day).
# Effects are shrunk by two penalties; form = "ids" knows no schedule but those of the menu.
"""

SHOP_NOTES = """# Base scores p_* are of boosted trees learnt on the week before the log's: no row
# of it was seen.  truth.parquet: the probability that a place is looked at, and of each
# objective if it is.
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
        int,
        typer.Option("--worlds", hidden=True, min=2),
    ] = 10,
    stage: Annotated[str, typer.Option("--stage", hidden=True)] = "edge",
    drift: Annotated[
        float,
        typer.Option("--drift", hidden=True),
    ] = 0.0,
    estimator: Annotated[str, typer.Option("--estimator", hidden=True)] = "hum",
    target: Annotated[
        str,
        typer.Option("--target", hidden=True),
    ] = "shares",
    days: Annotated[
        int, typer.Option("--days", min=1, help="Of packets: days that users keep a schedule.")
    ] = 1,
    carry: Annotated[
        float,
        typer.Option("--carry", min=0, max=1, help="Of packets: how fast users get used to them."),
    ] = 0.0,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a simulated experiment: log.parquet, truth.parquet (the potential outcomes) and a
    plan.toml that runs it.

    \b
    Worlds: coupon (arms x metrics, costs), voucher (a dose of money), incentive (claims and known
    strata), placebo (no effect), criteo-like (its rates and features).  exposure: what share of
    twenty video categories users saw, minutes and skips; its plan finds the mixes that clusters of
    users should see.  live-shop: pages of ten live rooms with base scores that saw none of these
    rows; its plan ranks for five metrics at once.  packets: schedules of red packets over a day
    (menu.csv: how much, how many, how often, and when), who returns, time spent and cost; rows are
    users, or users and days; users get used to amounts with --carry; its plan chooses a schedule
    for each user under a budget.
    (The closed loop of short videos is `equipoise reproduce short-video`.)
    \b
    Examples:
      equipoise simulate coupon --rows 20000 --out world
      equipoise run world/plan.toml
      equipoise simulate packets --rows 5000 --days 28 --carry 0.2 --out month
    """
    if world == "short-video":
        from equipoise.cli.reproduce import play_loop
        from equipoise.reproduce.closed_loop import Loop

        typer.echo("Caution: this is now `equipoise reproduce short-video`", err=True)
        seeds = tuple(range(seed, seed + worlds))
        loop = Loop(seeds, 6 * rows, 10 * rows, stage, drift, estimator, target)
        play_loop(loop, out, json, quiet)
        return
    import pyarrow.parquet as pq

    from equipoise.cli.show import as_json
    from equipoise.core.errors import InputError
    from equipoise.core.snapshot import NOTHING, replacing

    if out.exists():
        raise InputError("the folder", "not exist", str(out), fix="choose another place with --out")
    own = OWN_FILES.get(world)
    if world == "packets":
        files = _packets(rows, seed, out, days, carry, quiet)
    elif (days, carry) != (1, 0.0):
        fix = "leave them out, or simulate packets"
        raise InputError("--days and --carry", "go with packets", f"world {world!r}", fix=fix)
    else:
        files = own(rows, seed, out) if own else _world(world, rows, seed, out)
    with replacing(out, NOTHING) as folder:
        folder.mkdir()
        pq.write_table(files.log, folder / "log.parquet")
        pq.write_table(files.truth, folder / "truth.parquet")
        for name, text in {"plan.toml": files.plan, **files.texts}.items():
            (folder / name).write_text(text, encoding="utf-8")
    if json:
        as_json({"folder": str(out), "rows": files.log.num_rows, **files.facts})
    else:
        typer.echo(f"{files.said}\nwritten to {out}; next: equipoise run {out / 'plan.toml'}")


class Files(NamedTuple):
    """What a world writes: two tables, the text of a plan, what is said of them, and other texts by
    the names of their files.
    """

    log: Any
    truth: Any
    plan: str
    said: str
    facts: dict[str, Any]
    texts: dict[str, str] = {}

    @classmethod
    def of(cls, log: Log, truth: Any, plan: str) -> Files:
        """The files of an experiment."""
        facts = {"space": log.space.to_json(), "metrics": log.metrics}
        return cls(log.table, truth, plan, repr(log), facts)


def _world(world: str, rows: int, seed: int, out: Path) -> Files:
    """The log of a simulator and its truth, with a plan."""
    import tomli_w

    from equipoise.data import SIMULATORS

    log, truth = SIMULATORS.load(world)(rows, seed=seed)
    header = HEADER.format(world=world, rows=rows, seed=seed, plan=out / "plan.toml")
    return Files.of(log, _truth_table(truth), header + "\n" + tomli_w.dumps(_plan(log, truth)))


def _exposures(rows: int, seed: int, out: Path) -> Files:
    """The same of the world of exposures; its truth is what each user likes, and where more of it
    tires.
    """
    import pyarrow as pa
    import tomli_w

    from equipoise.data.simulators.exposure import CATEGORIES, make_exposure_world

    world = make_exposure_world(rows, seed=seed)
    log, truth = world.log(), {"kind": world.kind}
    for name, values in (("interest", world.interest), ("tired", world.tired)):
        truth |= {
            f"{name}|{category}": column
            for category, column in zip(CATEGORIES, values.T, strict=True)
        }
    header = HEADER.format(world="exposure", rows=rows, seed=seed, plan=out / "plan.toml")
    plan = tomli_w.dumps(_supply_plan(list(log.roles.features)))
    return Files.of(log, pa.table(truth), header + SUPPLY_NOTES + "\n" + plan)


def _live_shop(rows: int, seed: int, out: Path) -> Files:
    """The second week of a live shop, with base scores learnt on the first."""
    import tomli_w

    from equipoise.data.simulators.live_shop import METRICS
    from equipoise.reproduce.shop_log import SCORES, simulated_shop

    shop = simulated_shop(rows, seed=seed)
    objectives, profile = list(METRICS), shop.world.profile.column_names
    ranking = {
        "path": "log.parquet",
        "scores": list(SCORES),
        "objectives": objectives,
        "request": "request",
        "user": "viewer",
        "time": "day",
        "profile": profile,
    }
    header = HEADER.format(world="live-shop", rows=rows, seed=seed, plan=out / "plan.toml")
    plan = header + SHOP_NOTES + "\n" + tomli_w.dumps({"ranking": ranking})
    pages = len(set(shop.table["request"].to_pylist()))
    said = f"{shop.table.num_rows:,} rooms on {pages:,} pages: {', '.join(objectives)}"
    return Files(shop.table, shop.truth(), plan, said, {"objectives": objectives})


def _packets(rows: int, seed: int, out: Path, days: int, carry: float, quiet: bool) -> Files:
    """Schedules of red packets, with their menu; the budget is half of what the dearest costs."""
    import tomli_w

    from equipoise.cli.show import progress
    from equipoise.data import make_red_packet_world
    from equipoise.treatments.menu import menu_text

    with progress(quiet) as told:
        log, truth = make_red_packet_world(rows, days=days, carry=carry, seed=seed, progress=told)
    plan = _plan(log, truth)
    plan["space"] = {"kind": "schedule", "menu": "menu.csv", "form": "log-vector", "degree": 2}
    plan["estimator"] = {"name": "dml-pooled"}
    most = round(float(truth.cost.mean(axis=0).max()) / 2, 3)
    plan["policy"] = {
        "weights": {"back": 1.0},
        "floors": [{"metric": "cost", "per_head": most}],
    }
    plan["report"] = {"title": "Red packets"}
    header = HEADER.format(world="packets", rows=rows, seed=seed, plan=out / "plan.toml")
    if days > 1 or carry:
        header = header.replace(" --seed", f" --days {days} --carry {carry} --seed")
    files = Files.of(log, _truth_table(truth), header + PACKET_NOTES + "\n" + tomli_w.dumps(plan))
    return files._replace(texts={"menu.csv": menu_text(log.space.menu)})  # type: ignore[attr-defined]


OWN_FILES: dict[str, Callable[[int, int, Path], Files]] = {
    "exposure": _exposures,
    "live-shop": _live_shop,
}


def _supply_plan(features: list[str]) -> dict[str, Any]:
    """The plan that finds the mixes of the world of exposures."""
    from equipoise.data.simulators.exposure import CATEGORIES, KIN

    categories = list(CATEGORIES)
    return {
        "log": {
            "path": "log.parquet",
            "treatment": categories,
            "features": features,
            "id": "user",
            "outcomes": {
                "minutes": {"kind": "continuous", "unit": "min"},
                "skips": {"kind": "continuous", "better": "lower"},
            },
        },
        "space": {"kind": "shares", "parts": categories, "move": 0.15},
        "policy": {
            "weights": {"minutes": 1.0, "skips": 50.0},
            "floors": [{"metric": "skips", "per_head": 0.0}],
        },
        "supply": {
            "rivals": ["vector", "binary"],
            "inventory": 1.3,
            "crowding": [list(pair) for pair in KIN],
        },
    }


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


def _plan(log: Log, truth: Truth) -> dict[str, Any]:
    """The plan; an offer costs what its claims were paid; the budget is half of the dearest to
    everybody.
    """
    import numpy as np

    from equipoise.core.log import roles_to_json

    paid = log.numbers(log.roles.cost) if log.roles.cost else np.zeros(len(log))
    amounts = {
        name: round(float(paid[log.cells == 1 + a].max()), 2)
        for a, name in enumerate(truth.cells[1:])
    }
    budget = round(float(truth.cost.mean(axis=0).max()) / 2, 3)
    roles = {key: value for key, value in roles_to_json(log.roles).items() if key != "outcomes"}
    outcomes = {
        outcome.name: {"kind": outcome.kind, "better": outcome.better, "unit": outcome.unit}
        for outcome in log.roles.outcomes
    }
    return {
        "log": {"path": "log.parquet", **roles, "outcomes": outcomes},
        "space": log.space.to_json(),
        "policy": {"cost": amounts, "budget": {"per_head": budget}},
        "report": {"currency": "USD"},
        "run": {"folds": 3},
    }
