"""``equipoise evaluate``: how good effects are, or what policies are worth, judged on a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.source import (
    Arms,
    AsJson,
    Features,
    Group,
    Id,
    Outcomes,
    Propensity,
    Treatment,
    plan_of,
)

if TYPE_CHECKING:
    from equipoise.core.log import Log
    from equipoise.pipeline.plan.schema import Plan


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(evaluate)


def evaluate(
    what: Annotated[
        str,
        typer.Argument(
            help="An effects.parquet, the snapshot of a model or a policy, or a run folder; with"
            " --policy the log itself."
        ),
    ],
    source: Annotated[
        str, typer.Argument(help="The log: a plan (.toml), a file, or the name of a dataset.")
    ] = "",
    policy: Annotated[
        list[str],
        typer.Option(
            "--policy",
            "-p",
            help="A table of target probabilities (.parquet, .csv), or NAME=TABLE; repeat.",
        ),
    ] = [],  # noqa: B006 - typer reads the default and never changes it
    against: Annotated[
        list[Path],
        typer.Option(
            "--against",
            help="Another policy's folder, or `rules`: the rule to sign of the same run; repeat.",
        ),
    ] = [],  # noqa: B006
    method: Annotated[
        list[str],
        typer.Option(
            "--method", "-m", help="For --policy: dr, snips or ips; repeat. Default: all."
        ),
    ] = [],  # noqa: B006
    treatment: Treatment = "",
    outcome: Outcomes = [],  # noqa: B006
    feature: Features = [],  # noqa: B006
    arms: Arms = "",
    id: Id = "",
    group: Group = "",
    propensity: Propensity = [],  # noqa: B006
    action_propensity: Annotated[
        str,
        typer.Option(
            "--action-propensity", help="The column with the probability of what each row got."
        ),
    ] = "",
    json: AsJson = False,
) -> None:
    """Judge policies or predicted effects on a log.

    A policy that a run shipped: its gain, cost and net worth on a log of other rows, with
    intervals, against nobody, everybody, and other policies (--against), paired.

    Effects: average effects, Qini and AUTOC of every arm and metric, with intervals. Rows that the
    model was fitted on make it look better than it is: that log is refused, so give other rows, or
    effects made out of fold, as those of a run are.

    Target policies (--policy): a table with one column per arm and one row, the same for all; or as
    many rows as the log; or more columns, such as a segment or a slot, that say for which rows each
    is; or long, with the treatment's column and `probability`. By IPS, SNIPS and DR, against what
    the log's own policy was worth, and paired against the first.

    \b
    Examples:
      equipoise evaluate equipoise-run next-month.toml --against last-run
      equipoise evaluate equipoise-run next-month.toml --against rules
      equipoise evaluate equipoise-run/effects.parquet plan.toml
      equipoise evaluate model next-experiment.toml
      equipoise evaluate log.parquet -t item -y click --action-propensity pscore -p new.parquet
      equipoise evaluate plan.toml --policy now=now.csv --policy new=new.csv --json
    """
    from equipoise.core.errors import InputError

    roles: dict[str, Any] = {
        "treatment": treatment,
        "outcomes": outcome,
        "features": feature,
        "id": id,
        "group": group,
        "propensity": propensity,
        "action_propensity": action_propensity,
    }
    if not policy:
        if not source:
            fix = "equipoise evaluate EFFECTS LOG, or equipoise evaluate LOG --policy TABLE"
            raise InputError("evaluate", "be given effects and a log", repr(what), fix=fix)
        _effects(Path(what), plan_of(source, arms=arms, **roles), against, json)
        return
    if against:
        fix = "give tables with --policy, or a policy's folder and --against others"
        raise InputError("--against", "stand beside a policy's folder", "--policy", fix=fix)
    if source:
        fix = "leave one out: the policies are the tables after --policy"
        raise InputError("evaluate --policy", "be given one log", f"{what}, {source}", fix=fix)
    tables = _named(policy)
    arms = arms or _arms(tables, treatment, what)
    _policies(plan_of(what, arms=arms, **roles), tables, method, json)


def _effects(effects: Path, plan: Plan, against: list[Path], json: bool) -> None:
    """Print what a policy is worth, if the folder has one, and how good effects are."""
    from equipoise.artifacts.fingerprint import refuse_own_rows
    from equipoise.cli.show import as_json, interval, table
    from equipoise.pipeline.evaluate import effects_of, evaluate_effects
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.shipped_policies import policy_folder
    from equipoise.pipeline.study.population import population_of

    log = population_of(plan, open_log(plan)).log
    folder = policy_folder(effects)
    folders = _folders([effects, *against]) if folder or against else {}
    for one in folders.values() or [effects]:
        refuse_own_rows(one, log)
    findings = evaluate_effects(plan, log, effects_of(folder or effects, log))
    findings |= _shipped(plan, log, folders, json) if folders else {}
    if json:
        as_json(findings)
        _exit(findings)
        return
    rows = [
        {
            "metric": rank["metric"],
            "arm": rank["candidate"],
            "average effect": interval(average["effect"]),
            "shrunk": interval(average["shrunk"]),
            "lift, %": _percent(average.get("lift")),
            "p of all": average["adjusted"],
            "qini": interval(rank["qini"]),
            "autoc": interval(rank["autoc"]),
        }
        for average, rank in zip(findings["averages"], findings["rankings"], strict=True)
    ]
    table(rows, list(rows[0]))
    _exit(findings)


def _percent(lift: list[float] | None) -> str:
    """A lift in percent, with its interval; nothing where it is withheld."""
    from equipoise.cli.show import interval

    return "" if lift is None else interval([100 * end for end in lift])


def _exit(findings: dict[str, Any]) -> None:
    """Exit as a run does where the log cannot tell what the policy is worth."""
    from equipoise.cli.run import UNTOLD

    if findings.get("untold"):
        raise typer.Exit(UNTOLD)


def _folders(paths: list[Path]) -> dict[str, Path]:
    """Policies by the names of their folders."""
    from equipoise.artifacts.rules import rules_file
    from equipoise.core.errors import InputError
    from equipoise.pipeline.run_folder import RULES
    from equipoise.pipeline.shipped_policies import policy_folder

    folders: dict[str, Path] = {}
    for path in paths:
        folder = policy_folder(path)
        if str(path) == "rules" and folder is None:
            path = rules_file(paths[0])
        if path.name == RULES and path.is_file():
            folders["rules" if "rules" not in folders else str(path)] = path
            continue
        if folder is None:
            fix = "give the folder that `equipoise run` wrote, or the policy/ in it"
            raise InputError("a policy", "be a run folder or a snapshot", str(path), fix=fix)
        name = folder.parent.name if folder.name == "policy" else folder.name
        folders[name if name not in folders else str(path)] = folder
    return folders


def _shipped(plan: Plan, log: Log, folders: dict[str, Path], json: bool) -> dict[str, Any]:
    """Print what policies that ship are worth, unless it is to be JSON."""
    from equipoise.cli.show import interval, table
    from equipoise.pipeline.shipped_policies import value_policies

    found = value_policies(plan, log, folders)
    if json:
        return found
    for why in found["untold"]:
        typer.echo(f"What the policy is worth cannot be told from this log. {why}")
    rows = [
        {
            "policy": row["policy"],
            "treated": f"{row['treated']:.1%}",
            **{name: interval(value) for name, value in row["values"].items()},
            "cost": interval(row["spend"]),
        }
        for row in found["policies"]
    ]
    table(rows, list(rows[0]), "Gain over control, and cost, per head")
    less = [
        {"the first less": row["policy"]}
        | {name: interval(value) for name, value in row["less_first"].items()}
        for row in found["policies"][1:]
    ]
    table(less, list(less[0]), "Paired differences, per head")
    return found


def _policies(plan: Plan, tables: dict[str, Path], methods: list[str], json: bool) -> None:
    """Print what policies are worth."""
    from equipoise.cli.show import as_json, interval, table
    from equipoise.core.errors import InputError
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.study.population import population_of
    from equipoise.pipeline.target_policies import METHODS, value_targets

    for method in methods:
        if method not in METHODS:
            raise InputError("--method", f"be one of {', '.join(METHODS)}", repr(method))
    log = population_of(plan, open_log(plan)).log
    found = value_targets(plan, log, tables, methods or tuple(METHODS))
    if json:
        as_json(found)
        return
    for metric, value in found["logged"].items():
        typer.echo(f"The log's own policy: {metric} {interval(value)} per row, {len(log):,} rows.")
    rows = [
        {
            **{key: row[key] for key in ("policy", "metric", "method")},
            "value per row": interval(row["value"]),
            "less the log's": interval(row["less_logged"]),
            "less the first": "" if row["less_first"] is None else interval(row["less_first"]),
        }
        for row in found["policies"]
    ]
    table(rows, list(rows[0]))
    table(found["support"], list(found["support"][0]))


def _named(policies: list[str]) -> dict[str, Path]:
    """``NAME=TABLE`` or a table, by name."""
    from equipoise.core.errors import InputError

    tables: dict[str, Path] = {}
    for text in policies:
        name, _, path = text.rpartition("=")
        name = name or Path(path).stem
        if name in tables:
            fix = "name them: --policy NAME=TABLE"
            raise InputError("policies", "have different names", f"{name!r} twice", fix=fix)
        tables[name] = Path(path)
    return tables


def _arms(tables: dict[str, Path], treatment: str, log: str) -> str:
    """The arms that the tables speak of, for a log file whose arms nobody said."""
    from equipoise.data import read_table
    from equipoise.data.files import column_names
    from equipoise.pipeline.target_policies import arms_of_table

    if log.endswith(".toml") or not treatment or not Path(log).exists():
        return ""
    names, arms = column_names(Path(log)), dict[str, None]()
    for path in tables.values():
        arms |= dict.fromkeys(arms_of_table(read_table(path), treatment, names))
    return ",".join(f'"{arm}"' if "," in arm else arm for arm in arms)
