"""``equipoise export``: the rule that people signed as a flag, or the policy as an MLflow model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class System(StrEnum):
    """Which system reads the file."""

    FLAGD = "flagd"
    GROWTHBOOK = "growthbook"
    BANDIT = "growthbook-bandit"
    MLFLOW = "mlflow"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("export")(export)


def export(
    run: Annotated[
        Path, typer.Argument(help="The folder of a run, for a flag one with [policy.rules].")
    ],
    to: Annotated[System, typer.Option("--to", help="Which system reads it.")] = System.FLAGD,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The JSON file, or the model's folder.",
            show_default="flags.json, or mlflow-model",
        ),
    ] = None,
    flag: Annotated[str, typer.Option("--flag", help="The key of the flag.")] = "policy",
    explore: Annotated[
        float, typer.Option("--explore", help="The share that gets a candidate at random.")
    ] = 0.0,
    key: Annotated[
        str, typer.Option("--key", help="GrowthBook's attribute that identifies the unit.")
    ] = "id",
) -> None:
    """Write the rule that people signed as a flag of a feature-flag system.

    The rule is the tree of a plan with [policy.rules]: each of its leaves becomes a variant, with
    weights where --explore keeps a share at random. Attributes are the columns of the log; one that
    is missing is absent or null. The file's metadata says what value per head the rule loses to the
    policy, with its interval.

    flagd: a flag of OpenFeature (schema v0) for flagd and its in-process providers; the targeting
    key explores. growthbook: rules and experiments that every SDK reads. growthbook-bandit: the
    leaves of a contextual bandit; each exposure says its leaf and its weights.

    mlflow: the whole policy of the run as a model that mlflow loads, without pickle and without
    code in its folder; it takes frames of units and gives what each gets.

    \b
    Examples:
      equipoise export equipoise-run --to flagd --out flags.json
      equipoise export equipoise-run --to growthbook --explore 0.1 --key user_id -o features.json
      equipoise export equipoise-run --to mlflow -o model
    """
    if to is System.MLFLOW:
        from equipoise.artifacts.mlflow import export_mlflow

        typer.echo(str(export_mlflow(run, out or Path("mlflow-model"))))
        return
    from equipoise.artifacts.flags import export_rules

    out = out or Path("flags.json")
    content = export_rules(run, out, to=to.value, flag=flag, explore=explore, key=key)
    metadata = content.get("metadata") or content["flags"][flag]["metadata"]
    typer.echo(metadata["rule"])
    typer.echo(str(out))
