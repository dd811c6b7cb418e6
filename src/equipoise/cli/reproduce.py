"""``equipoise reproduce``: published tables, built again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.engines import Address, pieces_by
from equipoise.cli.source import AsJson, Quiet
from equipoise.core.errors import InputError
from equipoise.reproduce.incentives import FAMILIES

if TYPE_CHECKING:
    from equipoise.reproduce.closed_loop import Loop

TABLES = {
    "strata": "equipoise.reproduce.strata:STRATA",
    "shares": "equipoise.reproduce.shares:SHARES",
    "doses": "equipoise.reproduce.doses:DOSES",
    "ranking": "equipoise.reproduce.ranking:RANKING",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("reproduce")(reproduce)


def reproduce(
    what: Annotated[
        str,
        typer.Argument(
            help="strata, shares, doses, ranking, incentives, short-video, live-shop or packets."
        ),
    ],
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
            help="How many seeds, from 2020 on (default 3); simulators and incentives: from 0 on;"
            " short-video, live-shop and packets: how many worlds, from 0 on (default 10).",
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
        int | None,
        typer.Option(
            "--rows",
            "-n",
            min=10,
            help="Requests: short-video: of the log / 6; live-shop: of the log.  packets: users"
            " of each month.",
        ),
    ] = None,
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
    strategies: Annotated[
        str,
        typer.Option(
            "--strategies",
            help="short-video: simulated, or rankers: two ensembles learnt in a live shop.",
        ),
    ] = "simulated",
    tables: Annotated[
        list[str],
        typer.Option(
            "--tables",
            help=f"incentives: only these; repeat.  {', '.join(FAMILIES)}.  Default: all.",
        ),
    ] = [],  # noqa: B006
    small: Annotated[
        bool,
        typer.Option("--small", help="incentives: a fraction of the size, to see the form."),
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="ray: seeds and worlds by several processes."),
    ] = None,
    address: Address = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="How many at a time.  Default: one a core.")
    ] = None,
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
      ranking  synthetic, kuairand, movielens: ensembles of frozen base scores, HarmonRank's parts
      left out, its batch sizes and strengths; ten seconds per method and seed, kuairand half a
      minute
      incentives   every table on schedules of red packets, designs, rollouts, search, cadence,
      pacing and monitors, beside the figures of the reference world; three minutes a seed, of which
      missing takes one
      short-video   a closed loop: a randomised log, HMUM learnt from it, and an A/B test against
      single strategies, fixed mixes and an oracle, in many worlds; writes report.html too
      live-shop   a closed loop of ranking: base scores and ensembles learnt from a log, and an A/B
      test of the searched formula, two cross-entropies, HarmonRank and an oracle; two minutes a
      world; resumes, writes report.html too
      packets   the loop of an incentive team: seeds, search, a policy, and its guarded replacement,
      against the best seed by the truth; half a minute a world; resumes, writes report.html too
    \b
    Examples:
      equipoise reproduce strata --data movielens_1m --seeds 3
      equipoise reproduce strata -d movielens_1m -m CF-OR -m CF-MTL --seeds 1
      equipoise reproduce shares --data standin-quad -m uniform -m MDP2 --seeds 10
      equipoise reproduce doses --data ihdp --seeds 10
      equipoise reproduce ranking --data synthetic --seeds 5
      equipoise reproduce incentives --tables designs --tables monitors --seeds 8 --out tables
      equipoise reproduce short-video --seeds 10 --out loop
      equipoise reproduce short-video --strategies rankers --seeds 3 --rows 2000
      equipoise reproduce live-shop --seeds 10 --out shops
      equipoise reproduce packets --seeds 10 --out packets
      equipoise reproduce packets --seeds 40 --engine ray --out packets
    """
    if what == "strata" and (engine or address or workers):
        fix = "leave the engine out"
        raise InputError("an engine", "go with seeds that can be played apart", "strata", fix=fix)
    worlds = range(10 if seeds is None else seeds)
    with pieces_by(engine, address, workers):
        if what == "incentives":
            build_incentives(tables, range(3 if seeds is None else seeds), out, small, json, quiet)
        elif what == "packets":
            play_packets(tuple(worlds), rows, out, json, quiet)
        elif what == "live-shop":
            play_shop(tuple(worlds), rows, out, json, quiet)
        elif what == "short-video":
            from equipoise.reproduce.closed_loop import Loop

            many = 10_000 if rows is None else rows
            sizes = (6 * many, 10 * many)
            loop = Loop(
                tuple(worlds), *sizes, stage, drift, estimator, target, strategies=strategies
            )
            play_loop(loop, out or Path("runs") / "short-video", json, quiet)
        else:
            build_tables(
                what, data, recipe, seeds or 3, tuple(method), epochs, path, out, json, quiet
            )


def build_tables(
    what: str,
    data: str | None,
    recipe: str,
    seeds: int,
    methods: tuple[str, ...],
    epochs: int,
    path: Path | None,
    out: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Build published tables again and print them."""
    from equipoise.cli.show import progress
    from equipoise.core.registry import Registry
    from equipoise.reproduce.strata import Settings

    build = Registry("published tables", TABLES).load(what)
    data = data or build.data[0]
    place = out or Path("runs") / build.folder(data, recipe)
    first = build.first_seed
    settings = Settings(data, recipe, tuple(range(first, first + seeds)), methods, epochs)
    with progress(quiet) as report:
        results = build(settings, place, path=path, progress=report)
    _told(results, place, json)


def build_incentives(
    tables: list[str], seeds: range, out: Path | None, small: bool, json: bool, quiet: bool
) -> None:
    """Build the tables of incentives and print them."""
    from equipoise.cli.show import progress
    from equipoise.reproduce.incentives.table import build

    place = out or Path("runs") / "reproduce-incentives"
    with progress(quiet) as report:
        results = build(tables, seeds, place, small=small, progress=report)
    _told(results, place, json)


def play_loop(loop: Loop, out: Path, json: bool, quiet: bool) -> None:
    """Play the closed loop, write what came of it and print its table."""
    from equipoise.cli.show import progress
    from equipoise.report.sections.closed_loop import loop_report
    from equipoise.reproduce.closed_loop import as_markdown, play

    with progress(quiet) as report:
        results = play(loop, report)
    _publish(results, as_markdown(results), loop_report(results), out, json)


def play_shop(
    worlds: tuple[int, ...], requests: int | None, out: Path | None, json: bool, quiet: bool
) -> None:
    """The same of live shops."""
    from equipoise.cli.show import progress
    from equipoise.report.sections.live_shop import shop_report
    from equipoise.reproduce.live_shop import Shop, as_markdown, play

    place, shop = out or Path("runs") / "live-shop", Shop(worlds)
    with progress(quiet) as report:
        results = play(
            shop if requests is None else replace(shop, requests=requests), place, report
        )
    _publish(results, as_markdown(results), shop_report(results), place, json)


def play_packets(
    worlds: tuple[int, ...], users: int | None, out: Path | None, json: bool, quiet: bool
) -> None:
    """The same of the loop of red packets."""
    from equipoise.cli.show import progress
    from equipoise.report.sections.packet_loop import packets_report
    from equipoise.reproduce.packet_loop import PacketLoop, as_markdown, play

    place, loop = out or Path("runs") / "packets", PacketLoop(worlds)
    with progress(quiet) as report:
        results = play(loop if users is None else replace(loop, users=users), place, report)
    _publish(results, as_markdown(results), packets_report(results), place, json)


def _publish(results: dict[str, Any], text: str, page: str, out: Path, json: bool) -> None:
    """Write what came of worlds, and print it."""
    from equipoise.cli.show import as_json
    from equipoise.reproduce.closed_loop import write_results

    write_results(results, out, text, page)
    if json:
        as_json(results)
    else:
        typer.echo(f"{text}\nwritten to {out}; open {out / 'report.html'}")


def _told(results: dict[str, Any], place: Path, json: bool) -> None:
    """Print what was written."""
    from equipoise.cli.show import as_json

    if json:
        as_json(results)
        return
    typer.echo((place / "results.md").read_text(encoding="utf-8"))
    typer.echo(f"Written to {place}: results.json, results.md")
