"""A log behind an address of S3, read from a real server over HTTP.

The server is moto's, in an environment of its own (`make s3`): its boto3 and our pins want other
versions of one package.  `S3_SERVER` names the program.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

import equipoise as eq
from equipoise.core.errors import DataError

SERVER = os.environ.get("S3_SERVER", "")
pytestmark = pytest.mark.skipif(not SERVER, reason="no server of S3: make s3")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
ROLES = {
    "treatment": "arm",
    "space": eq.Arms(["none", "mail"]),
    "outcomes": {"sale": "binary"},
    "features": ["age"],
}


def day(first: int) -> pa.Table:
    """A day of the log."""
    rows = range(first, first + 60)
    return pa.table(
        {
            "arm": ["none" if i % 2 else "mail" for i in rows],
            "sale": [int(i % 3 == 0) for i in rows],
            "age": list(rows),
        }
    )


@pytest.fixture(scope="module")
def address():
    """Where a server listens that holds two days of a log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [SERVER, "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.05)
            store = fs.S3FileSystem(
                access_key="key",
                secret_key="secret",
                endpoint_override=url,
                allow_bucket_creation=True,
            )
            store.create_dir("logs")
            for number in (0, 1):
                pq.write_table(day(60 * number), f"logs/days/{number}.parquet", filesystem=store)
            yield url
        finally:
            server.terminate()


@pytest.fixture
def environment(address, monkeypatch):
    """The environment that says where the server is, and with which keys."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": address}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_a_folder_and_a_file_are_read(environment):
    log = eq.read_log("s3://logs/days", **ROLES)
    assert log.table["age"].to_pylist() == list(range(120))
    assert len(eq.read_log("s3://logs/days/1.parquet", **ROLES)) == 60


@pytest.mark.parametrize("place", ["s3://logs/nights", "s3://nobody/days"])
def test_what_is_not_there_is_an_error_that_names_the_address(environment, place):
    with pytest.raises(DataError, match="an address must") as error:
        eq.read_log(place, **ROLES)
    assert place in str(error.value)
    assert "secret" not in str(error.value)
