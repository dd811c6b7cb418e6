"""``equipoise fit``: an estimator fitted on a whole log, as a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.source import (
    Arms,
    AsJson,
    Features,
    Group,
    Id,
    Outcomes,
    Propensity,
    Protected,
    Source,
    Treatment,
    plan_of,
)

SHORT = {"trees": "n_estimators", "leaves": "num_leaves"}  # of settings of trees


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("fit")(fit)


def fit(
    source: Source,
    estimator: Annotated[
        str, typer.Option("--estimator", "-e", help="Its name; default: the plan's.")
    ] = "",
    setting: Annotated[
        list[str],
        typer.Option("--set", "-s", help="A setting, as cv=5 or outcome.trees=200; repeat."),
    ] = [],  # noqa: B006
    treatment: Treatment = "",
    outcome: Outcomes = [],  # noqa: B006
    feature: Features = [],  # noqa: B006
    protected: Protected = [],  # noqa: B006
    arms: Arms = "",
    id: Id = "",
    group: Group = "",
    propensity: Propensity = [],  # noqa: B006
    out: Annotated[Path, typer.Option("--out", "-o", help="The snapshot folder to write.")] = Path(
        "model"
    ),
    json: AsJson = False,
) -> None:
    """Fit an estimator on all rows of a log and write it as a snapshot.

    \b
    Examples:
      equipoise fit hillstrom -e dr-learner --out model
      equipoise fit log.csv -t arm -y sales --arms none,mail -e t-learner --out model
      equipoise fit plan.toml --set cv=5 -s outcome.trees=200 -s effect.leaves=8
    """
    from dataclasses import replace

    from equipoise.artifacts.fingerprint import fingerprint
    from equipoise.artifacts.model import write_model
    from equipoise.artifacts.unit_columns import unit_columns
    from equipoise.cli.show import as_json
    from equipoise.pipeline.plan.estimators import check_estimators, make_estimator
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.plan.schema import EstimatorPlan
    from equipoise.pipeline.study.cross_fit import fit_model, fitted_metrics
    from equipoise.pipeline.study.population import population_of
    from equipoise.pipeline.study.propensity import fit_design

    plan = plan_of(
        source,
        treatment,
        outcome,
        feature,
        protected,
        arms,
        id=id,
        group=group,
        propensity=propensity,
    )
    name = estimator or plan.estimator.name
    params = plan.estimator.params if name == plan.estimator.name else {}
    params = _with_settings(name, params, setting)
    named = EstimatorPlan(name=name, params=params)
    plan = plan.model_copy(update={"estimator": named})
    check_estimators(plan)
    log = population_of(plan, open_log(plan)).log
    (learner, said), cost = fit_design(plan, log), plan.policy.cost
    ready, metrics = make_estimator(named, log.space, plan.run.seed), fitted_metrics(log, cost)
    model = fit_model(log, ready, learner, metrics)
    model = replace(model, seen=fingerprint(log), columns=unit_columns(log))
    snapshot = write_model(out, model)
    if json:
        told = {"folder": str(out), "snapshot": snapshot, "estimator": repr(model.estimator)}
        as_json({**told, "rows": len(log), "design": said})
    else:
        if said:
            typer.echo(said)
        written = f"written to {out} (snapshot {snapshot[:12]})"
        typer.echo(f"{model.estimator!r}\nfitted on {log!r}\n{written}")


def _with_settings(estimator: str, params: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    """Settings with those of the command line: ``outcome.trees=5`` is one of ``outcome_model``."""
    from inspect import signature

    from equipoise.estimators import ESTIMATORS

    settings = dict(params)
    known = signature(ESTIMATORS.load(estimator)).parameters if estimator in ESTIMATORS else ()
    for text in texts:
        name, value = _setting(text)
        *tables, last = name.split(".")
        if tables and tables[0] not in known and f"{tables[0]}_model" in known:
            tables[0] += "_model"
        last = SHORT.get(last, last) if tables else last
        place = settings
        for table in tables:
            inner = place.get(table, {})
            place[table] = dict(inner) if isinstance(inner, dict) else {}
            place = place[table]
        place[last] = value
    return settings


def _setting(text: str) -> tuple[str, Any]:
    """``cv=5`` as a name and a value, read as TOML where it is that, else as text."""
    import tomllib

    from equipoise.core.errors import InputError

    name, key, value = text.partition("=")
    if not key:
        raise InputError(
            "a setting", "be written name=value", repr(text), fix="for example --set cv=5"
        )
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
