"""``equipoise``: the verbs and the one place where errors become a line on stderr and an exit code.

0  done        1  a check of the log failed        2  wrong input, file or plan        130  interrupted (Ctrl-C)
"""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from equipoise import __version__
from equipoise.cli import allocate, check, datasets, estimators, evaluate, fit, report, reproduce, run, score, simulate
from equipoise.core.errors import EquipoiseError

INTERRUPTED = 130
ABOUT = """From an experiment log to a budgeted treatment policy, its honest value, and a report.

\b
Start here:
  equipoise run examples/voucher.toml          a whole run: report, effects, assignments, policy
  equipoise check log.csv -t arm -y sales      is the experiment sound?
  equipoise simulate coupon --out world        a world to play with: log, truth and a plan
\b
Exit codes: 0 done, 1 a check of the log failed, 2 wrong input, 130 interrupted.
"""

app = typer.Typer(
    name="equipoise",
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (run, check, fit, evaluate, allocate, score, report, simulate, reproduce, datasets, estimators):
    verb.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is being done.")] = False,
) -> None:
    """Hold the options that come before the verb."""
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every foreseen failure is one line on stderr and its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(arguments)
    except EquipoiseError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(f"{name}{error.strerror or error}; nothing was left half-written", 2)
    except MemoryError:
        _fail("there is not enough memory; give fewer rows or a larger machine", 2)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _fail("interrupted; nothing was left half-written", INTERRUPTED)
        raise
    raise SystemExit(0)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"equipoise: {' '.join(message.split())}", err=True)
    raise SystemExit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
