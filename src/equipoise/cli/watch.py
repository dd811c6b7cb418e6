"""``equipoise watch``: has what a service meets, or what it does, changed?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.publish import policy_of
from equipoise.cli.source import AsJson

if TYPE_CHECKING:
    from equipoise.serving.monitors.alarms import Report
    from equipoise.serving.monitors.watch import Watch


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("watch")(watch)


def watch(
    log: Annotated[
        Path, typer.Argument(help="The service's decision log, or the folder that holds it.")
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The service's TOML file, with [serve.monitors]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A JSON file for the report.")
    ] = None,
    every: Annotated[
        float, typer.Option("--every", help="Look again every so many seconds; 0: once.")
    ] = 0.0,
    json: AsJson = False,
) -> None:
    """Watch the decision log of a service; exit code 1 on an alarm.

    The first decisions under a snapshot are the reference. Features, scores, gaps, unknown units,
    what units get and how fast rewards come are compared with it block by block, by the PSI and its
    chance; who is held out, explored or under the candidate policy, with the shares that were set;
    what was served, with the probabilities logged; and the book of the budget, with the log. The
    chance of any false alarm is 5 % in 90 days.

    With --every it follows a log that grows, until it is interrupted.

    \b
    Examples:
      equipoise watch runs/voucher-serving
      equipoise watch runs/voucher-serving --every 60 --out monitors.json
    """
    import threading

    from equipoise.cli.show import as_json
    from equipoise.serving.monitors.watch import follow

    stop = threading.Event()
    last: list[Report] = []

    def tell(report: Report) -> None:
        last[:] = [report]
        if json:
            as_json(report.to_json())
        else:
            typer.echo("\n".join(lines(report)))
        if every <= 0:
            stop.set()

    follow(_opened(log, config), out, stop, every, tell)
    if last[0].alarms:
        raise typer.Exit(1)


def _opened(log: Path, config: Path | None) -> Watch:
    """Monitors of a log, and of the budget's book: beside it, or in Redis as the settings say."""
    from equipoise.cli.replay_log import is_log
    from equipoise.core.errors import DataError
    from equipoise.serving.config import ServeConfig, read_config
    from equipoise.serving.monitors.books import book_name, open_books
    from equipoise.serving.monitors.watch import Watch

    if log.is_dir() and not is_log(log):
        fix = "name the folder of a service, or the log/ in it"
        raise DataError("a decision log", "hold segments", "none", str(log), fix)
    settings = ServeConfig() if config is None else read_config(config)
    state = log if (log / "log").is_dir() else log.parent
    if "policy" not in settings.model_fields_set:
        settings = settings.model_copy(update={"policy": policy_of(state)})
    return Watch(log, settings.monitors, open_books(state, book_name(settings)))


def lines(report: Report) -> list[str]:
    """A report as a table, and its alarms in words."""
    rows = [("monitor", "of", "span", "value", "expected", "p", "n")]
    alarmed = {(alarm.monitor, alarm.column, alarm.span) for alarm in report.alarms}
    for one in report.figures:
        mark = "!" if (one.monitor, one.column, one.span) in alarmed else " "
        cells = f"{one.value:.4g}", f"{one.expected:.4g}", f"{one.p:.2g}", f"{one.n:,}"
        rows.append((mark + one.monitor, one.column, one.span, *cells))
    widths = [max(len(row[place]) for row in rows) for place in range(7)]
    table = [
        " ".join(
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    told = [f"Alarm: {alarm.text}." for alarm in report.alarms] or ["All is quiet."]
    waiting = [name for name, share in report.reference.items() if 0 < share < 1]
    if waiting:
        told.append(f"The reference is not whole yet: {', '.join(waiting)}.")
    head = f"{report.decisions:,} decisions and {report.rewards:,} rewards"
    return [head, *(table if len(rows) > 1 else []), *told]
