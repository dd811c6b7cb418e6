"""``equipoise estimators``: what can be fitted, in one line each."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("estimators")(estimators)


def estimators(
    name: Annotated[str, typer.Argument(help="Show the settings of this one.")] = "",
    json: AsJson = False,
) -> None:
    """List the estimators, the treatments each serves, and their settings.

    \b
    Examples:
      equipoise estimators
      equipoise estimators dr-learner
    """
    import inspect

    from equipoise.cli.show import as_json, table
    from equipoise.core.errors import MissingExtra
    from equipoise.estimators import ESTIMATORS

    if name:
        settings = inspect.signature(ESTIMATORS.load(name)).parameters.values()
        rows = [
            {"setting": p.name, "default": "" if p.default is p.empty else repr(p.default)}
            for p in settings
        ]
        as_json(rows) if json else table(rows, ["setting", "default"])
        return
    rows = []
    for key in ESTIMATORS:
        try:
            cls = ESTIMATORS.load(key)
        except MissingExtra as error:
            rows.append({"name": key, "takes": "-", "what": f"not installed: {error.fix}"})
            continue
        rows.append(
            {
                "name": key,
                "takes": cls.takes,
                "what": (inspect.getdoc(cls) or "").splitlines()[0],
            }
        )
    as_json(rows) if json else table(rows, ["name", "takes", "what"])
