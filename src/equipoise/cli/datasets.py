"""``equipoise datasets``: the public experiments that can be named in a plan."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.source import AsJson

LARGE = 1_000_000  # rows that take too long to read for a card


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("datasets")(datasets)


def datasets(
    name: Annotated[
        str, typer.Argument(help="Show the whole card of this one, and whether its file is here.")
    ] = "",
    json: AsJson = False,
) -> None:
    """List the public experiments: rows, treatment, outcomes, terms.

    \b
    Files are looked for under $EQUIPOISE_DATA, then in the user's cache; what is missing is
    downloaded when first used. \b
    Examples:
      equipoise datasets
      equipoise datasets hillstrom
    """
    from dataclasses import asdict

    from equipoise.cli.show import as_json, table
    from equipoise.data import CARDS

    if not name:
        rows = [{**asdict(CARDS.load(dataset)), "name": dataset} for dataset in CARDS]
        if json:
            as_json(rows)
        else:
            short = [{**row, "outcomes": ", ".join(row["outcomes"])} for row in rows]
            table(short, ["name", "rows", "treatment", "outcomes", "title"])
        return
    card = {**asdict(CARDS.load(name)), "name": name, "here": _here(name)}
    if json:
        as_json(card)
    else:
        table(
            [{"field": key, "value": str(value)} for key, value in card.items() if value],
            ["field", "value"],
        )


def _here(name: str) -> str:
    """What the loader makes of the file, or why it does not find it; nothing is downloaded."""
    import inspect

    from equipoise.core.errors import EquipoiseError
    from equipoise.data import CARDS, DATASETS

    if CARDS.load(name).rows > LARGE:
        return "a large file: it is looked for when it is first used"
    load = DATASETS.load(name)
    offline = (
        {"download_if_missing": False}
        if "download_if_missing" in inspect.signature(load).parameters
        else {}
    )
    try:
        return repr(load(**offline))
    except EquipoiseError as error:
        return str(error)
