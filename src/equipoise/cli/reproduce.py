"""``equipoise reproduce``: published tables, built again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.source import AsJson, Quiet

if TYPE_CHECKING:
    from equipoise.reproduce.closed_loop import Loop

TABLES = {
    "strata": "equipoise.reproduce.strata:STRATA",
    "shares": "equipoise.reproduce.shares:SHARES",
    "doses": "equipoise.reproduce.doses:DOSES",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("reproduce")(reproduce)


def reproduce(
    what: Annotated[str, typer.Argument(help="What: strata, shares, doses or short-video.")],
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
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            help="How many seeds, from 2020 on (default 3); simulators: from 0 on; short-video:"
            " how many worlds, from 0 on (default 10).",
        ),
    ] = None,
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
    rows: Annotated[
        int, typer.Option("--rows", "-n", min=10, help="short-video: requests of the log / 6.")
    ] = 10_000,
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
    """Build published tables again: our figures beside the published ones, with notes on the
    protocol; or play a closed loop.

    \b
    Writes results.json and results.md.  A run that was stopped goes on where it was: give the same
    --out. \b
      strata   movielens_1m (about five minutes per seed on one core), yelp, kuairec
      shares   mdp2, standin-quad, standin-gauss: regret of recommended mixes; nets of one share
      take minutes per seed
      doses    vcnet, ihdp: error of dose-response curves, seconds per seed; ihdp is found in
      EQUIPOISE_DATA, or downloaded
      short-video   a closed loop: a randomised log, HMUM learnt from it, and an A/B test against
      single strategies, fixed mixes and an oracle, in many worlds; writes report.html too
    \b
    Examples:
      equipoise reproduce strata --data movielens_1m --seeds 3
      equipoise reproduce strata -d movielens_1m -m CF-OR -m CF-MTL --seeds 1
      equipoise reproduce shares --data standin-quad -m uniform -m MDP2 --seeds 10
      equipoise reproduce doses --data ihdp --seeds 10
      equipoise reproduce short-video --seeds 10 --out loop
    """
    if what == "short-video":
        from equipoise.reproduce.closed_loop import Loop

        worlds = tuple(range(10 if seeds is None else seeds))
        loop = Loop(worlds, 6 * rows, 10 * rows, stage, drift, estimator, target)
        play_loop(loop, out or Path("runs") / "short-video", json, quiet)
        return
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
        tuple(range(build.first_seed, build.first_seed + (seeds or 3))),
        tuple(method),
        epochs,
    )
    with progress(quiet) as report:
        results = build(settings, place, path=path, progress=report)
    if json:
        as_json(results)
        return
    typer.echo((place / "results.md").read_text(encoding="utf-8"))
    typer.echo(f"Written to {place}: results.json, results.md")


def play_loop(loop: Loop, out: Path, json: bool, quiet: bool) -> None:
    """Play the closed loop, write what came of it and print its table."""
    from equipoise.cli.show import as_json, progress
    from equipoise.report.sections.closed_loop import loop_report
    from equipoise.reproduce.closed_loop import as_markdown, play, write_results

    with progress(quiet) as report:
        results = play(loop, report)
    write_results(results, out, loop_report(results))
    if json:
        as_json(results)
    else:
        typer.echo(f"{as_markdown(results)}\nwritten to {out}; open {out / 'report.html'}")
