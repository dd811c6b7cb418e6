"""Where a verb's log comes from: a plan, a file with roles on the command line, or a dataset by
name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from equipoise.pipeline.plan.schema import Plan

Source = Annotated[
    str, typer.Argument(help="A plan (.toml), a log (.parquet, .csv), or the name of a dataset.")
]
Treatment = Annotated[
    str,
    typer.Option("--treatment", "-t", help="The treatment's column, for a log given as a file."),
]
Outcomes = Annotated[
    list[str], typer.Option("--outcome", "-y", help="An outcome's column; repeat for more.")
]
Features = Annotated[
    list[str],
    typer.Option(
        "--feature", "-x", help="A feature's column; repeat. Default: those known before."
    ),
]
Protected = Annotated[
    list[str], typer.Option("--protected", help="A column never used, only audited; repeat.")
]
Id = Annotated[str, typer.Option("--id", help="The column that names each unit once.")]
Group = Annotated[
    str,
    typer.Option("--group", help="The column of rows that belong together, as a user's visits."),
]
Propensity = Annotated[
    list[str], typer.Option("--propensity", help="P(cell) columns, control first; repeat.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Engine = Annotated[
    str, typer.Option("--engine", help="What works on the partitions of a large log.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="Of a cluster that runs; default: this machine.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Partitions that are worked on at a time.")
]
Arms = Annotated[
    str,
    typer.Option(
        "--arms",
        help='The arms, control first, with commas: none,mens,womens; "in quotes" where one has'
        " a comma; numbers where the column holds numbers: --arms=-1,1.",
    ),
]


def plan_of(
    source: str,
    treatment: str = "",
    outcomes: list[str] | None = None,
    features: list[str] | None = None,
    protected: list[str] | None = None,
    arms: str = "",
    **more: str | list[str],
) -> Plan:
    """The plan of a source: read, or made of the roles on the command line; ``more`` are roles of
    other names.
    """
    from equipoise.core.errors import InputError
    from equipoise.data.stores import is_address
    from equipoise.pipeline.plan.read import make_plan, read_plan

    roles: dict[str, Any] = {
        "treatment": treatment,
        "outcomes": outcomes,
        "features": features,
        "protected": protected,
        **more,
    }
    roles = {key: value for key, value in roles.items() if value}
    if source.endswith(".toml"):
        if roles or arms:
            options = ", ".join([*roles, *(["arms"] if arms else [])])
            raise InputError(
                "the roles of a plan",
                "be said in its [log] and [space]",
                options,
                "the command line",
                "change the plan",
            )
        return read_plan(source)
    tables: dict[str, Any] = {"log": {}}
    log = tables["log"]
    if is_address(source) or Path(source).suffix or Path(source).exists():
        if not treatment or not outcomes:
            fix = "give a plan (.toml), or add -t COLUMN and -y COLUMN where the verb takes them"
            raise InputError(
                "a log file", "come with --treatment and --outcome", "none", source, fix
            )
        log["path"] = source if is_address(source) else str(Path(source).absolute())
    else:
        log["dataset"] = source
    log |= roles
    if arms:
        tables["space"] = {"kind": "arms", "labels": arms}  # the column says what they mean
    return make_plan(tables, where="the command line")
