"""The command line called in this process: exit code, stdout, stderr."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest

from equipoise.cli.main import SIGNALS, main


@dataclass
class Said:
    """What a call did."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture
def equipoise(capsys):
    """A function that runs ``equipoise ARGUMENTS`` and tells what happened."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def call(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Said(int(stop.value.code or 0), printed.out, printed.err)

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)
