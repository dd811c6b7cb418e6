"""A real service in a process of its own, on a port that the system chooses; shared by all tests
here, so what a test needs for itself (units, keys) has a name of its own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
import pyarrow.parquet as pq
import pytest

from equipoise.serving.app.tokens import SCOPES, new_token

CODE = "import sys; from equipoise.cli.main import main; main(sys.argv[1:])"
PATIENCE = 60.0  # seconds, on a machine that does much else
QUIET = "[serve.monitors]\nevery = 0\n"  # no process beside: others test what it does


@dataclass
class Child:
    """A service that runs.

    Attributes
    ----------
    process : Popen
        Of `equipoise serve`.
    state : Path
        Its folder.
    url : str
        Where it listens.
    token : str
        With all scopes, "" where the service has none.
    out, err : list of str
        The lines it wrote.
    readers : list of Thread
        That read them.
    """

    process: subprocess.Popen[str]
    state: Path
    url: str = ""
    token: str = ""
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def client(self, token: str | None = None) -> httpx.Client:
        """A client of its own."""
        token = self.token if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE)

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Stop it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        return code


def read(stream: IO[str], lines: list[str]) -> None:
    """Keep what is written, as it comes."""
    with stream:
        lines.extend(stream)


def start(
    state: Path,
    *arguments: object,
    tokens: str = "",
    token: str = "",
    code: tuple[str, ...] = (CODE,),
    before: tuple[str, ...] = (),
) -> Child:
    """Start a service and wait until it says where it is."""
    words = [*before, sys.executable, "-W", "ignore", "-c", *code]
    words += ["serve", "--port", "0", "--quiet"]
    words += ["--state", str(state), *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EQUIPOISE_TOKENS")}
    if tokens:
        environment["EQUIPOISE_TOKENS_FILE"] = tokens
    process = subprocess.Popen(
        words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child = Child(process, state, token=token)
    for stream, lines in ((process.stdout, child.out), (process.stderr, child.err)):
        child.readers.append(threading.Thread(target=read, args=(stream, lines), daemon=True))
        child.readers[-1].start()
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        said = re.search(r"is served at (http://\S+)", "".join(child.out))
        if said and any("Ctrl-C" in line for line in child.out):
            child.url = said[1]
            return child
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"no service: {''.join(child.out + child.err)}")


def until(true, seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="session")
def published(shipped, tmp_path_factory) -> Path:
    """A state folder where the shipped policy is live and its units are known."""
    from equipoise.serving.app.publishing import make_live

    state = tmp_path_factory.mktemp("serving") / "shop-serving"
    units = state.parent / "units.parquet"
    pq.write_table(shipped.table, units)
    make_live(state, shipped.folder, units, "user")
    return state


@pytest.fixture(scope="session")
def service(published):
    """A service of one worker, with a token that may do all."""
    entry, secret = new_token(SCOPES)
    file, settings = published.parent / "tokens", published.parent / "serve.toml"
    file.write_text(f"{entry}\n")
    settings.write_text(f"[serve]\n{QUIET}")
    child = start(published, "--empty", "--config", settings, tokens=str(file), token=secret)
    yield child
    assert child.stop() == 0, child.err
    unforeseen = [line for line in child.err if "compiling kernels" not in line]
    assert unforeseen == []


@pytest.fixture(scope="session")
def http(service):
    """A client with that token."""
    with service.client() as client:
        yield client
