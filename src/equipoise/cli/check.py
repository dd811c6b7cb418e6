"""``equipoise check``: is the experiment sound?"""

from __future__ import annotations

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

MARKS = {"ok": "ok", "note": "note", "warn": "WARN", "fail": "FAIL"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check)


def check(
    source: Source,
    treatment: Treatment = "",
    outcome: Outcomes = [],  # noqa: B006 - typer reads the default and never changes it
    feature: Features = [],  # noqa: B006
    protected: Protected = [],  # noqa: B006
    arms: Arms = "",
    id: Id = "",
    group: Group = "",
    propensity: Propensity = [],  # noqa: B006
    json: AsJson = False,
) -> None:
    """Check an experiment log: sample ratio, balance, arms by features, overlap, kinds, and more.

    \b
    Exit code 0: no check failed; 1: a check failed; 2: the log cannot be read.
    \b
    Examples:
      equipoise check plan.toml         # also one with [ranking]
      equipoise check hillstrom
      equipoise check log.csv -t arm -y visit -y spend --arms none,mail --protected age
    """
    from equipoise.cli.show import as_json, table
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.plan.money import cost_checks, objective_of
    from equipoise.pipeline.study.propensity import check_design

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
    if plan.ranking is not None:
        from equipoise.pipeline.ranking.check import check_plan

        said, checks = (
            f"a log to rank: {plan.ranking.path or plan.ranking.dataset}",
            check_plan(plan),
        )
    else:
        log = open_log(plan)
        objective = objective_of(plan.policy, log, plan.report.currency)
        said = repr(log)
        checks = [*check_design(plan, log), *cost_checks(plan.policy, objective)]
    if json:
        as_json({"log": said, "checks": checks})
    else:
        typer.echo(said)
        table(
            [{**row, "status": MARKS[row["status"]]} for row in checks],
            ["status", "name", "summary"],
        )
    if any(row["status"] == "fail" for row in checks):
        raise typer.Exit(1)
