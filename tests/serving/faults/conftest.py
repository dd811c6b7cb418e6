"""One service, with short deadlines, for the faults that a client or a clock can make."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest
from serving.conftest import QUIET, start

from equipoise.serving.app.tokens import SCOPES, new_token

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
SETTINGS = f"""[serve]
{QUIET}
[serve.limits]
read_seconds = 0.5
[serve.budget]
total = 1000.0
claimed = "y"
seconds = 1e9
"""
# the clock of the machine, as Python sees it, moved by as many seconds as a file says
MOVED = """
import sys, time
from pathlib import Path
file, real, real_ns = Path(sys.argv.pop(1)), time.time, time.time_ns
time.time = lambda: real() + float(file.read_text())
time.time_ns = lambda: real_ns() + int(1e9 * float(file.read_text()))
from equipoise.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="package")
def shop(published, tmp_path_factory):
    """A state folder of its own."""
    state = tmp_path_factory.mktemp("faults") / "shop-serving"
    shutil.copytree(published, state, ignore=shutil.ignore_patterns("log", "index", "counters"))
    (state.parent / "serve.toml").write_text(SETTINGS)
    (state.parent / "clock").write_text("0")
    return state


@pytest.fixture(scope="package")
def service(shop):
    """A service whose clock can be moved, with a token for all and one that expires today."""
    entry, secret = new_token(SCOPES)
    last, its = new_token(["read"], expires=TODAY)
    file = shop.parent / "tokens"
    file.write_text(f"{entry}\n{last}\n")
    child = start(
        shop,
        "--config",
        shop.parent / "serve.toml",
        tokens=str(file),
        token=secret,
        code=(MOVED, str(shop.parent / "clock")),
    )
    (shop.parent / "last").write_text(its)
    yield child
    assert child.stop() == 0, child.err


@pytest.fixture(scope="package")
def http(service):
    """A client that may do all."""
    with service.client() as client:
        yield client
