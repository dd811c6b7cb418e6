"""Kernels are kept wherever something can be written, and compiled in memory elsewhere."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.core.kernels import Compiling

SOURCES = Path(__file__).parents[2] / "src" / "equipoise"
KERNEL = "from equipoise.core.kernels import njit\n\n\n@njit()\ndef twice(x):\n    return 2 * x\n"
ASK = """
import json
from equipoise.core.kernels import COMPILING
from equipoise.own.doubling import twice
print(json.dumps([twice(21), twice.stats.cache_path, COMPILING.kernels]))
"""


@pytest.fixture
def package(tmp_path):
    """A package of one kernel, with the module that compiles it."""
    core, own = (tmp_path / "site" / "equipoise" / room for room in ("core", "own"))
    for room in (core, own):
        room.mkdir(parents=True)
        (room / "__init__.py").write_text("")
    (core.parent / "__init__.py").write_text("")
    shutil.copy(SOURCES / "core" / "kernels.py", core)
    (own / "doubling.py").write_text(KERNEL)
    return tmp_path / "site"


def closed(folder: Path) -> Path:
    """A place where no folder can be made, not even by root: a file stands there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")
    return folder


def ask(package: Path, **places: Path) -> tuple[int, Path | None, int]:
    """The kernel's answer, where it is kept, and how many were compiled, by a new process."""
    process = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        check=False,
        cwd=package,
        env={"PATH": os.environ["PATH"]} | {key: str(place) for key, place in places.items()},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert not process.stderr, "the library says nothing"
    answer, kept, compiled = json.loads(process.stdout)
    return answer, kept and Path(kept), compiled


def test_read_only_sources_and_no_home(package, tmp_path):
    ahead = package / "equipoise" / "own" / "__pycache__"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    closed(ahead)
    homeless = {"HOME": closed(tmp_path / "home"), "TMPDIR": temporary}
    answer, kept, compiled = ask(package, **homeless)
    assert (answer, compiled) == (42, 1)
    private = next(temporary.glob("equipoise-kernels-*"))
    assert kept.parent == private
    assert not private.stat().st_mode & 0o077
    assert ask(package, **homeless) == (42, kept, 0)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders of others need a system with users")
def test_what_others_may_write_to_is_not_trusted(package, tmp_path):
    closed(package / "equipoise" / "own" / "__pycache__")
    private = tmp_path / "tmp" / f"equipoise-kernels-{os.getuid()}"
    private.mkdir(parents=True)
    private.chmod(0o777)
    places = {"HOME": closed(tmp_path / "home"), "TMPDIR": private.parent}
    assert ask(package, **places) == (42, None, 1)


def test_what_was_compiled_ahead_is_taken_along(package, tmp_path):
    """An image is built by one user, and used by another who has a folder elsewhere."""
    assert ask(package, HOME=tmp_path)[1:] == (package / "equipoise/own/__pycache__", 1)
    answer, kept, compiled = ask(package, HOME=tmp_path, NUMBA_CACHE_DIR=tmp_path / "cache")
    assert (answer, kept.parent, compiled) == (42, tmp_path / "cache", 0)


def test_much_compiling_is_told_once(caplog, monkeypatch):
    from types import SimpleNamespace

    logger = logging.getLogger("equipoise.core.kernels")
    monkeypatch.setattr(logger, "disabled", False)
    clock = iter([0.0, 0.2, 0.7, 5.0, 5.1, 6.0, 9.0, 9.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    watch = Compiling()
    kept = SimpleNamespace(stats=SimpleNamespace(cache_path="/cache/folder_1"))
    event = SimpleNamespace(data={"dispatcher": kept})
    numbas_own = SimpleNamespace(stats=SimpleNamespace(cache_path=None))
    inner = SimpleNamespace(data={"dispatcher": numbas_own})
    with caplog.at_level(logging.INFO, logger.name):
        watch.on_start(event)
        watch.on_start(inner)
        watch.on_end(inner)
        watch.on_end(event)
        watch.on_start(event)
        watch.on_end(event)
        assert not caplog.messages
        watch.on_start(event)
        watch.on_start(inner)
        watch.on_end(inner)
        watch.on_end(event)
    assert (watch.kernels, watch.seconds) == (5, pytest.approx(0.7 + 0.1 + 3.5))
    assert caplog.messages == [
        "compiling kernels for this machine: seconds at the first use of each, once; kept in /cache"
    ]
