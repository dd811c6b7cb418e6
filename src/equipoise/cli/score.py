"""``equipoise score``: assign units never seen by the policy of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.engines import Address, Engine, Workers, executor_asked_for
from equipoise.cli.source import AsJson, Quiet

HAIR = 1e-9  # of the budget: rounding, not cost


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(score)


def score(
    policy: Annotated[
        Path, typer.Argument(help="The policy/ folder of a run; with --rules the run itself.")
    ],
    units: Annotated[
        str,
        typer.Argument(
            help="The units: a .parquet or .csv, a folder of them, an address, a table."
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            help="The Parquet file to write, here or at an address; with --engine also a folder.",
        ),
    ] = "assignments.parquet",
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Meet the demands on these units as a whole."),
    ] = False,
    number_rows: Annotated[
        bool,
        typer.Option("--number-rows", help="Take row numbers, in a column `row`, for ids."),
    ] = False,
    rules: Annotated[
        bool,
        typer.Option("--rules", help="By the rule that people signed (rules.json), no model."),
    ] = False,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", help="A folder of days: record this one (with --day)."),
    ] = None,
    day: Annotated[
        str | None, typer.Option("--day", help="The day to record, as 2026-11-01.")
    ] = None,
    engine: Engine = None,
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
    json: AsJson = False,
) -> None:
    """Assign units never seen by the policy of a run.

    Without --hold the policy's fixed prices decide, unit by unit and batch by batch.  The budget
    per head then holds on average, and the cost of one file may be above it (the report says by how
    much).  Use it where units arrive one after another, or where a unit's choice must not depend on
    who else is in the file.

    With --hold the demands (budget, caps, floors, parity) are met on the units of the file as a
    whole, so their expected cost is never above the budget.  Use it where the file holds
    everybody that the money is for.

    Columns are read as the log had them: an id, a feature or a column of a demand that is missing
    or of another type is an error.  Missing values and levels that the log did not have are
    counted; where they are most of a column, a caution says so.

    The policy of a plan with [supply] gives each user the mix of their cluster, one column a
    category.  That of a plan with [ranking] gives each candidate a score and its place in its
    request; a request's rows stand together in the file.

    With --journal and --day the units, the policy and what it decided are recorded, so that
    `equipoise replay` can decide the day again and say what changed from one day to another.  Of a
    plan with [cadence], units keep what the journal's last day gave them until their class is up
    for change; with [policy] most_missing, so do units that miss more features (else
    they get control).  Each row then has a reason, and the day until which it is kept.

    With --rules the rule to sign decides (a plan with [policy.rules] writes one): each row has what
    it gets, its leaf or its points, and the sentence of the rule that says so.

    With --engine the units, which may be a folder of files, are assigned partition by partition:
    by some threads, or by the processes of a Ray cluster (extra scale), which must find the files
    and the policy under the same paths.  The assignments are the same; with --hold, of more than
    60,000 units in several partitions, demands are kept as exactly, and the worth may differ by
    what the certificates leave open.  Parts that are whole wait in a folder beside --out; where the
    command is broken off, the same command goes on from them.

    \b
    Example:
      equipoise score equipoise-run/policy new-users.parquet --out assignments.parquet
      equipoise score equipoise-run/policy this-month.parquet --hold
      equipoise score equipoise-run/policy s3://shop/units --out s3://shop/assigned.parquet
      equipoise score equipoise-run new-users.parquet --rules
      equipoise score runs/ranking/policy candidates.parquet --out ranked.parquet
      equipoise score equipoise-run/policy today.parquet --journal days --day 2026-11-01
      equipoise score runs/coupon/policy everybody/ --out assigned/ --address 10.0.0.1:6379
    """
    from equipoise.artifacts.batch import score_file, score_file_by_rules
    from equipoise.artifacts.journal import record_day
    from equipoise.cli.show import as_json
    from equipoise.core.errors import InputError

    by_engine = any(option is not None for option in (engine, address, workers))
    others = {"--journal": journal is not None, "--day": day is not None}
    others |= {"--rules": rules} if by_engine else {"--hold": hold}
    if (rules or by_engine) and any(others.values()):
        alone = "--engine" if by_engine else "--rules"
        got = f"{next(name for name, given in others.items() if given)} beside it"
        fix = (
            "leave one out: it keeps no days"
            if by_engine
            else "leave one out: it keeps no budget of a file, and no days"
        )
        raise InputError(alone, "stand alone", got, fix=fix)
    if by_engine:
        executor = executor_asked_for(engine, address, workers)
        summary = _by_partitions(policy, units, out, executor, hold, number_rows, quiet or json)
    elif rules:
        summary = score_file_by_rules(policy, units, out, number_rows=number_rows)
    elif journal is None and day is None:
        summary = score_file(policy, units, out, hold=hold, number_rows=number_rows)
    elif journal is None or day is None:
        got = "--day alone" if journal is None else "--journal alone"
        raise InputError("a record", "have both --journal and --day", got)
    else:
        summary = record_day(journal, day, policy, units, out, hold=hold, number_rows=number_rows)
    if json:
        as_json({"file": out, **summary})
        return
    _show(summary)
    what = f"units{_cost(summary)}"
    if "requests" in summary:
        what = f"candidates of {summary['requests']:,} requests"
    typer.echo(f"{summary['units']:,} {what}, written to {out}")


def _by_partitions(
    policy: Path,
    units: str,
    out: str,
    executor: AbstractContextManager[Any],
    hold: bool,
    number_rows: bool,
    quiet: bool,
) -> dict[str, Any]:
    """What is told of units that an engine assigned, and of its processes."""
    from equipoise.cli.show import progress
    from equipoise.pipeline.holding import hold_units
    from equipoise.pipeline.scoring import score_units

    assign = hold_units if hold else score_units
    with executor as engine, progress(quiet) as report:
        summary = assign(policy, units, out, engine, number_rows=number_rows, progress=report)
        return {**summary, "processes": engine.processes()}


def _show(summary: dict[str, Any]) -> None:
    """Tables of what the units got, what they lack, and what each process of a cluster did."""
    from equipoise.cli.show import table

    for what in ("cell", "cluster", "reason"):
        counts = summary.get(f"{what}s", {})
        if counts:
            table([{what: name, "units": count} for name, count in counts.items()], [what, "units"])
    lacks = [
        {"column": name, "lacks": what, "units": count}
        for what in ("missing", "unseen", "unknown")
        for name, count in summary[what].items()
        if count
    ]
    if lacks:
        table(lacks, ["column", "lacks", "units"])
    if summary.get("processes"):
        table(summary["processes"], ["machine", "pid", "done", "peak_mb", "alive"])
    if summary.get("kept"):
        typer.echo(f"{summary['kept']} of {summary['parts']} parts were whole before")


def _cost(summary: dict[str, Any]) -> str:
    """What the units cost, against the budget if there is one; nothing where the artifact has no
    costs.
    """
    if "expected_cost" not in summary:
        return ""
    cost, budget = f", expected cost {summary['expected_cost']:.4g} per head", summary["budget"]
    if budget is None:
        return f"{cost} (no budget)"
    over = summary["expected_cost"] > budget * (1 + HAIR)
    return (
        f"{cost} (budget"
        f" {budget:.4g}{': above it; --hold keeps it on these units' if over else ''})"
    )
