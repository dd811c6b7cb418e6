"""``equipoise design``: the next experiment, which arm needs how many people for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("design")(design)


def design(
    run: Annotated[
        Path | None,
        typer.Argument(help="A run folder; without one, give --rate or --std-dev, and --effect."),
    ] = None,
    effect: Annotated[
        list[str],
        typer.Option(
            "--effect",
            "-e",
            help="The smallest effect that would matter: 0.002 for all arms, or ARM=0.002; repeat."
            " Default: those that the run saw.",
        ),
    ] = [],  # noqa: B006 - typer reads the default and never changes it
    metric: Annotated[
        str, typer.Option("--metric", help="Of the run; by default what its policy is for.")
    ] = "",
    rate: Annotated[
        float | None, typer.Option("--rate", help="How many of control have the outcome: 0.01.")
    ] = None,
    std_dev: Annotated[
        float | None, typer.Option("--std-dev", help="The outcome's standard deviation.")
    ] = None,
    arms: Annotated[
        int, typer.Option("--arms", help="Without a run: how many arms beside control.")
    ] = 1,
    daily: Annotated[
        float | None, typer.Option("--daily", help="How many people come a day.")
    ] = None,
    power: Annotated[
        float, typer.Option("--power", help="The chance that such an effect is told.")
    ] = 0.8,
    level: Annotated[
        float, typer.Option("--level", help="The chance that no arm without one is claimed.")
    ] = 0.95,
    looks: Annotated[
        int, typer.Option("--looks", help="How often to look, to stop at the first claim.")
    ] = 1,
    control: Annotated[
        str,
        typer.Option("--control-share", help='"root" (sqrt of the arms : 1), "equal", or 0.5.'),
    ] = "root",
    json: AsJson = False,
) -> None:
    """Plan the next experiment: which arm needs how many people, for how long, to decide.

    From a run, the noise of the outcome is what the run saw, with what features explain taken off,
    and its arms' effects are the ones to tell; better, say the smallest effect that would matter.
    All arms share one level: however many there are, one without an effect is claimed in 1 - level
    of experiments. With --looks the bounds of every look are printed: stop at the first claim.

    \b
    Examples:
      equipoise design equipoise-run --daily 5000
      equipoise design equipoise-run --effect 0.002 --looks 5
      equipoise design --rate 0.01 --effect 0.002 --arms 3 --daily 20000
      equipoise design --std-dev 12 --effect 0.5 --power 0.9 --json
    """
    from equipoise.cli.show import as_json
    from equipoise.core.errors import InputError
    from equipoise.pipeline.next_experiment import design_of_numbers, design_of_run

    settings: dict[str, Any] = {
        "power": power,
        "level": level,
        "looks": looks,
        "daily": daily,
        "base_share": control
        if control in ("root", "equal")
        else _number("--control-share", control),
    }
    to_tell = _effects(effect)
    if run is None:
        if not isinstance(to_tell, float):
            fix = "give a run folder, or --effect 0.002 with --rate or --std-dev"
            raise InputError("design", "know the effect to tell", effect or "nothing", fix=fix)
        if arms < 1:
            raise InputError("--arms", "be 1 or more", arms)
        plan = design_of_numbers([to_tell] * arms, rate=rate, std_dev=std_dev, **settings)
    else:
        if rate is not None or std_dev is not None:
            fix = "leave them out: the run says how noisy its outcome is"
            raise InputError("--rate and --std-dev", "stand without a run", str(run), fix=fix)
        plan = design_of_run(_findings(run), metric=metric, effects=to_tell, **settings)
    if json:
        as_json(plan)
        return
    _show(plan, daily)


def _findings(run: Path) -> Any:
    """Of a run that has arms."""
    from equipoise.core.errors import InputError
    from equipoise.pipeline.jobs import read_findings

    findings = read_findings(run)
    if not findings.get("averages"):
        fix = "give a run with arms, or --rate and --effect"
        raise InputError("design", "be given a run with average effects", str(run), fix=fix)
    return findings


def _effects(texts: list[str]) -> dict[str, float] | float | None:
    """One number for all arms, numbers by arm, or none."""
    from equipoise.core.errors import InputError

    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return _number("--effect", texts[0])
    pairs = [text.rpartition("=") for text in texts]
    for name, _, text in pairs:
        if not name:
            fix = "give one number for all arms, or ARM=NUMBER for each"
            raise InputError("--effect", "be ARM=NUMBER where there are several", text, fix=fix)
    return {name: _number("--effect", text) for name, _, text in pairs}


def _number(name: str, text: str) -> float:
    from equipoise.core.errors import InputError

    try:
        return float(text)
    except ValueError as error:
        raise InputError(name, "be a number", repr(text)) from error


def _show(plan: dict[str, Any], daily: float | None) -> None:
    from equipoise.cli.show import table

    shares = ", ".join(f"{name} {share:.1%}" for name, share in plan["share"].items())
    of = f" of “{plan['metric']}”" if "metric" in plan else ""
    typer.echo(f"Draw everybody at random: {shares}.")
    columns = ["arm", f"effect{of}", "people in all", "in the arm", "in control"]
    columns += ["days"] if daily is not None else []
    columns += ["stops after, mean"] if len(plan["looks"]) > 1 else []
    rows = [
        {
            "arm": row["arm"],
            f"effect{of}": f"{row['effect']:+.4g}",
            "people in all": row["people"],
            "in the arm": row["in_the_arm"],
            "in control": row["in_control"],
            "days": row["days"],
            "stops after, mean": row["stops"],
        }
        for row in plan["arms"]
    ]
    table(rows, columns, f"To tell each effect with a power of {plan['power']:.0%}")
    if len(plan["looks"]) > 1:
        looks = [
            {
                "after people": look["people"],
                "claim beyond, standard errors": round(look["bound"], 3),
            }
            for look in plan["looks"]
        ]
        table(looks, list(looks[0]), "Looks: stop at the first claim")
    if "rows_of_run" in plan:
        typer.echo(f"The run had {plan['rows_of_run']:,} rows.")
