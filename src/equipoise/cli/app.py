"""``equipoise``: the verbs under one name, its help and the options that come before the verb."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from equipoise.cli import (
    allocate,
    check,
    datasets,
    decisions,
    design,
    estimators,
    evaluate,
    explain,
    export,
    fit,
    init,
    monitor,
    pace,
    propose,
    publish,
    replay,
    report,
    reproduce,
    rollout,
    run,
    score,
    serve,
    simulate,
    warm,
    watch,
)
from equipoise.core.version import __version__

ABOUT = """From an experiment log to a budgeted treatment policy, its honest value, and a report.

\b
Start here:
  equipoise run examples/voucher.toml          a whole run: report, effects, assignments, policy
  equipoise init log.csv                       a first plan for a log of your own
  equipoise check log.csv -t arm -y sales      is the experiment sound?
  equipoise simulate coupon --out world        a world to play with: log, truth and a plan
\b
Exit codes: 0 done, 1 a check of the log or a replay failed,
  or an alarm, 2 wrong input, 3 the log cannot tell what a policy is worth, 130 interrupted.
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
for verb in (
    init,
    run,
    check,
    fit,
    evaluate,
    allocate,
    score,
    serve,
    export,
    decisions,
    replay,
    explain,
    propose,
    publish,
    rollout,
    monitor,
    watch,
    pace,
    design,
    report,
    simulate,
    reproduce,
    datasets,
    estimators,
    warm,
):
    verb.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", callback=_version, is_eager=True
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say on stderr what is being done.")
    ] = False,
) -> None:
    """Hold the options that come before the verb."""
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    else:
        _show_compiling()


def _show_compiling() -> None:
    """On stderr: that kernels are being compiled, which nobody would guess from a long wait."""
    logger = logging.getLogger("equipoise.core.kernels")
    for earlier in [*logger.handlers]:  # of another call, whose stderr may be closed
        logger.removeHandler(earlier)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("equipoise: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
