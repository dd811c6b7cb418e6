"""The front door: signals first, then the verbs; the one place where errors become a line on stderr
and an exit code.

0  done        1  a check of the log failed        2  wrong input, file or plan        130
interrupted (Ctrl-C)

Nothing but the standard library is imported before the signals are caught, so an early Ctrl-C is no
traceback either; when the work is done they are ignored, so a late one does not undo the exit code.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every foreseen failure is one line on stderr and its exit code."""
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    try:
        _at_signals(stop)
        code, message = _outcome(arguments)
        _at_signals(signal.SIG_IGN)
    except BaseException:
        _at_signals(signal.SIG_IGN)
        if not caught:
            raise
        code, message = INTERRUPTED, ""
    if code == INTERRUPTED:
        message = "interrupted; nothing was left half-written"
    if message:
        with suppress(OSError):  # nobody can be told where stderr itself is full
            sys.stderr.write(f"equipoise: {' '.join(message.split())}\n")
    raise SystemExit(code)


def _at_signals(do: object) -> None:
    for number in SIGNALS:
        signal.signal(number, do)  # type: ignore[arg-type]


def _outcome(arguments: list[str] | None) -> tuple[int, str]:
    """The exit code and the message of a call."""
    from equipoise.core.errors import EquipoiseError

    try:
        from equipoise.cli.app import app

        app(arguments)
    except EquipoiseError as error:
        return error.exit_code, str(error)
    except OSError as error:
        return 2, _system_error(error)
    except MemoryError:
        return 2, "there is not enough memory; give fewer rows or a larger machine"
    except KeyboardInterrupt:
        return INTERRUPTED, ""
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0, ""
    return 0, ""


def _system_error(error: OSError) -> str:
    """What the system refused, or which of its libraries a package looked for in vain."""
    said = str(error)
    if error.errno is None and "lib" in said and (".so" in said or ".dylib" in said):
        what = "a library of the system must be installed"
        fix = "LightGBM needs OpenMP: apt-get install libgomp1; on macOS: brew install libomp"
        return f"{what}; got {said}; {fix}"
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}; nothing was left half-written"
