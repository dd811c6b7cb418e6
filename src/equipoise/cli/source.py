"""Where a verb's log comes from: a plan, a file with roles on the command line, or a dataset by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from equipoise.pipeline.plan import Plan

Source = Annotated[str, typer.Argument(help="A plan (.toml), a log (.parquet, .csv), or the name of a dataset.")]
Treatment = Annotated[str, typer.Option("--treatment", "-t", help="The treatment's column, for a log given as a file.")]
OutcomeNames = Annotated[list[str], typer.Option("--outcome", "-y", help="An outcome's column; repeat for more.")]
FeatureNames = Annotated[list[str], typer.Option("--feature", "-x", help="A feature's column; repeat. Default: all others.")]
ProtectedNames = Annotated[list[str], typer.Option("--protected", help="A column never used, only audited; repeat.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Arms = Annotated[str, typer.Option("--arms", help="The arms, control first, with commas: none,mens,womens.")]


def plan_of(
    source: str,
    treatment: str = "",
    outcomes: list[str] | None = None,
    features: list[str] | None = None,
    protected: list[str] | None = None,
    arms: str = "",
) -> Plan:
    """The plan of a source: read, or made of the roles on the command line."""
    from equipoise.core.errors import InputError
    from equipoise.pipeline.plan import make_plan, read_plan

    if source.endswith(".toml"):
        return read_plan(source)
    tables: dict[str, Any] = {"log": {}}
    log = tables["log"]
    if Path(source).suffix or Path(source).exists():
        if not treatment or not outcomes:
            fix = "give a plan (.toml), or add -t COLUMN and -y COLUMN where the verb takes them"
            raise InputError("a log file", "come with --treatment and --outcome", "none", source, fix)
        log["path"] = str(Path(source).absolute())
    else:
        log["dataset"] = source
    log |= {key: value for key, value in [("treatment", treatment), ("outcomes", outcomes)] if value}
    log |= {key: value for key, value in [("features", features), ("protected", protected)] if value}
    if arms:
        labels: list[Any] = [label.strip() for label in arms.split(",")]
        tables["space"] = {"kind": "arms", "labels": [int(a) for a in labels] if all(map(str.isdecimal, labels)) else labels}
    return make_plan(tables, where="the command line")
