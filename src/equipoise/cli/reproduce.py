"""``equipoise reproduce``: published tables, built again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson, Quiet

TABLES = {
    "strata": "equipoise.reproduce.strata:STRATA",
    "shares": "equipoise.reproduce.shares:SHARES",
    "doses": "equipoise.reproduce.doses:DOSES",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("reproduce")(reproduce)


def reproduce(
    what: Annotated[str, typer.Argument(help="Which tables: strata, shares or doses.")],
    data: Annotated[
        str,
        typer.Option(
            "--data", "-d", help="Which data; default: movielens_1m, or the first simulator."
        ),
    ] = "",
    path: Annotated[
        Path | None, typer.Option("--path", help="The ratings file; default: found, or downloaded.")
    ] = None,
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=1, help="How many seeds, from 2020 on; simulators: from 0 on."),
    ] = 3,
    method: Annotated[
        list[str], typer.Option("--method", "-m", help="Only this method; repeat. Default: all.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str, typer.Option("--recipe", help="strata: published, text-labels or swapped-losses.")
    ] = "published",
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, help="At most so many epochs per model.")
    ] = 1000,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder; default: one of its own in runs/."),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build published tables again: our figures beside the published ones, with notes on the
    protocol.

    \b
    Writes results.json and results.md.  A run that was stopped goes on where it was: give the same
    --out. \b
      strata   movielens_1m (about five minutes per seed on one core), yelp, kuairec
      shares   mdp2, standin-quad, standin-gauss: regret of recommended mixes; nets of one share
      take minutes per seed
      doses    vcnet, ihdp: error of dose-response curves, seconds per seed; ihdp is found in
      EQUIPOISE_DATA, or downloaded
    \b
    Examples:
      equipoise reproduce strata --data movielens_1m --seeds 3
      equipoise reproduce strata -d movielens_1m -m CF-OR -m CF-MTL --seeds 1
      equipoise reproduce shares --data standin-quad -m uniform -m MDP2 --seeds 10
      equipoise reproduce doses --data ihdp --seeds 10
    """
    from equipoise.cli.show import as_json, progress
    from equipoise.core.registry import Registry
    from equipoise.reproduce.strata import Settings

    tables = Registry("published tables", TABLES)
    build = tables.load(what)
    data = data or build.data[0]
    place = out or Path("runs") / build.folder(data, recipe)
    settings = Settings(
        data,
        recipe,
        tuple(range(build.first_seed, build.first_seed + seeds)),
        tuple(method),
        epochs,
    )
    with progress(quiet) as report:
        found = build(settings, place, path=path, progress=report)
    if json:
        as_json(found)
        return
    typer.echo((place / "results.md").read_text(encoding="utf-8"))
    typer.echo(f"Written to {place}: results.json, results.md")
