"""The front door: help, version, unknown verbs, and how fast it opens."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import equipoise as package
from equipoise.core.errors import InputError

VERBS = [
    "run",
    "check",
    "fit",
    "evaluate",
    "allocate",
    "score",
    "report",
    "simulate",
    "datasets",
    "estimators",
]


def test_help_names_every_verb_and_shows_examples(equipoise):
    result = equipoise("-h")
    assert result.code == 0
    assert all(f"  {verb} " in result.out for verb in VERBS)
    assert "equipoise run examples/voucher.toml" in result.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_by_example(equipoise, verb):
    result = equipoise(verb, "-h")
    assert result.code == 0
    assert f"equipoise {verb}" in result.out
    assert "Example" in result.out
    assert "--json" in result.out


def test_version(equipoise):
    assert equipoise("--version").out.strip() == package.__version__


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["run"], ["run", "--nonsense"], ["simulate", "--rows", "few"]]
)
def test_wrong_use_is_code_2(equipoise, arguments):
    result = equipoise(*arguments)
    assert result.code == 2
    assert "Usage" in result.err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("budget", "be >= 0", -1), 2, "equipoise: budget must be >= 0; got -1"),
        (
            OSError(28, "No space left on device", "report.html"),
            2,
            "report.html: No space left on device",
        ),
        (PermissionError(13, "Permission denied", "out"), 2, "out: Permission denied"),
        (
            OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
            2,
            "a library of the system must be installed; got libgomp.so.1: cannot",
        ),
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_foreseen_failure_is_one_line_and_a_code(equipoise, monkeypatch, error, code, text):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("equipoise.pipeline.plan.read.read_plan", fail)
    result = equipoise("run", "plan.toml")
    assert result.code == code
    assert text in result.line


def test_an_error_that_cannot_be_told_has_its_code(equipoise, monkeypatch):
    """As with ``2>/dev/full``, or a log of errors on the full disk that is the error."""

    def full(text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sys.stderr", SimpleNamespace(write=full))
    assert equipoise("report", "nowhere").code == 2


def test_help_is_quick_and_loads_nothing_heavy():
    heavy = ["numpy", "pyarrow", "lightgbm", "numba", "pydantic", "plotly"]
    code = (
        "import sys\nfrom equipoise.cli.app import app\n"
        "try:\n    app(['-h'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stderr.strip() == "[]"
    assert time.perf_counter() - start < 5  # 0.1 s on a quiet machine


WORK = """
import builtins, os, signal, sys
from equipoise.cli.main import main
real = builtins.__import__
def slow(name, *rest):
    if name == "{name}":
        os.kill(os.getpid(), signal.{signal})
    return real(name, *rest)
builtins.__import__ = slow
main(["--version"])
"""


@pytest.mark.parametrize("name", ["equipoise.core.errors", "equipoise.cli.app", "typer"])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_while_modules_are_loaded_is_one_line(name, number):
    code = WORK.format(name=name, signal=number)
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 130
    assert process.stderr == "equipoise: interrupted; nothing was left half-written\n"


def test_an_interrupt_after_the_work_changes_nothing():
    late = (
        "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    code = late + "from equipoise.cli.main import main\nmain(['--version'])"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.strip() == package.__version__
