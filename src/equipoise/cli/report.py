"""``equipoise report``: draw the report again from a run's findings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.source import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("report")(report)


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, or its metrics.json.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write; by default beside the findings."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Draw report.html again from the findings of a run.

    \b
    Examples:
      equipoise report equipoise-run
      equipoise report equipoise-run --out for-the-board.html
    """
    from equipoise.cli.show import as_json
    from equipoise.core.snapshot import replacing
    from equipoise.pipeline.jobs import read_findings, render
    from equipoise.pipeline.run_folder import EARLIER_REPORT, REPORT

    findings = read_findings(folder)
    if json:
        as_json(findings)
        return
    place = out or (folder if folder.is_dir() else folder.parent) / REPORT
    html = render(findings)
    with replacing(place, EARLIER_REPORT) as file:
        file.write_text(html, encoding="utf-8")
    typer.echo(str(place))
