"""The service as a container runs it, and its disk, full: `/` is read-only, there is no home, the
user has no rights, and the folder of the service lies on a small disk of its own.

Real mounts in a namespace that ends with the service; the one capability that is kept is to read,
since the interpreter of a test may lie in somebody's home.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from serving.conftest import CODE, QUIET, start, until

from equipoise.serving.log.reader import read_records
from equipoise.serving.records import DecisionRecord, RewardRecord
from equipoise.serving.snapshots.build import build_snapshot

READ = "-all,+dac_read_search"
SETPRIV = (
    "setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs"
    f" --inh-caps {READ} --ambient-caps {READ} --bounding-set {READ}"
)
READ_ONLY = "mount --make-rprivate / && mount -o remount,bind,ro /"
INSIDE = f"""
set -e
place=$1 from=$2 size=$3
shift 3
mount --make-rprivate /
if [ -n "$size" ]; then
    mount -t tmpfs -o "size=$size,mode=755" tmpfs "$place"
    cp -r "$from/." "$place/"
    chown -R 65534:65534 "$place"
fi
mount -o remount,bind,ro /
cd /
path=${{PYTHONPATH:+PYTHONPATH=$PYTHONPATH}}
exec {SETPRIV} env -i PATH=/usr/bin:/bin OMP_NUM_THREADS=1 $path "$@"
"""
SIZE = "24m"


def why_not() -> str:
    """Why there can be no such namespace here, "" where there can."""
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        return "unshare and setpriv are not installed"
    words = ["unshare", "--mount", "sh", "-c", f"{READ_ONLY} && {SETPRIV} true"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stderr[-200:]


REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"no mount namespace: {REASON}")


def inside(place: Path, source: Path, size: str) -> tuple[str, ...]:
    return "unshare", "--mount", "sh", "-c", INSIDE, "sh", str(place), str(source), size


@pytest.fixture(scope="module")
def container(published, shipped):
    """The service, its kernels compiled ahead by an earlier one; and where its disk is seen."""
    place = Path(tempfile.mkdtemp())  # not in a folder that is this user's alone
    place.chmod(0o755)
    source = place / "source"
    shutil.copytree(published, source, ignore=shutil.ignore_patterns("log", "index", "counters"))
    build_snapshot(source, shipped.folder)  # another one, to be published
    (place / "disk").mkdir()
    settings = place / "serve.toml"
    budget = "[serve.budget]\ntotal = 1000.0\nclaimed = 'y'\nseconds = 1e9\n"
    settings.write_text(f"[serve]\n{QUIET}{budget}")
    child = start(place / "disk", "--config", settings, before=inside(place / "disk", source, SIZE))
    yield child
    code = child.stop()
    shutil.rmtree(place)
    assert code == 0, child.err


@pytest.fixture(scope="module")
def disk(container) -> Path:
    return Path(f"/proc/{container.process.pid}/root{container.state}")


@pytest.fixture(scope="module")
def http(container):
    with container.client() as client:
        yield client


def decided(http: httpx.Client, unit: str, key: str | None = None) -> dict:
    reply = http.post("/decide", json={"unit": unit, "key": key} if key else {"unit": unit})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_it_serves_without_a_home_and_writes_nowhere_else(container, disk, http):
    answer = decided(http, "0000001")
    assert (answer["logged"], answer["reason"]) == (True, "best_score")
    status = Path(f"/proc/{container.process.pid}/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert lines["Uid"].split() == ["65534"] * 4
    assert int(lines["CapEff"], 16) == 1 << 2  # to read
    assert lines["NoNewPrivs"] == "1"
    with pytest.raises(OSError, match="Read-only"):
        (disk.parent / "elsewhere").touch()
    assert (disk / "log").is_dir()
    assert container.err == []  # no kernel was compiled, and nothing failed


def test_a_folder_that_cannot_be_written_is_told_at_the_start(container):
    place = container.state.parent / "source"
    words = [sys.executable, "-W", "ignore", "-c", CODE, "serve", "--state", str(place)]
    words = [*inside(place, place, ""), *words, "--port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "the folder of a service must be writable; got Read-only file system" in line
    assert str(place) in line


def free(disk: Path) -> int:
    left = os.statvfs(disk)
    return left.f_bavail * left.f_frsize


def filled(disk: Path) -> Path:
    """A file that leaves nothing."""
    file = disk / "ballast"
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(1 << 16))
    with file.open("ab", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(512))
    return file


def money(http: httpx.Client) -> dict[str, float]:
    lines = [line.split() for line in http.get("/metrics").text.splitlines()]
    name = "equipoise_budget_"
    return {line[0].removeprefix(name): float(line[1]) for line in lines if name in line[0]}


def wrong(http: httpx.Client, path: str, body: object) -> str:
    reply = http.post(path, json=body)
    assert reply.status_code == 503, reply.text
    return reply.json()["detail"]


def test_a_full_disk_ends_in_control_and_comes_back(container, disk, http, shipped):
    """The same process goes on; what it wrote before and after is in the log, and nothing else."""
    live = http.get("/policy").json()["snapshot"]
    given = [decided(http, f"{n:07d}", f"before {n}") for n in range(3)]
    ballast = filled(disk)
    refused = []
    while len(refused) < 3:  # a file's last page may have room
        answer = decided(http, f"{len(given):07d}")
        (given if answer["logged"] else refused).append(answer)
    assert len(given) < 60
    assert {(a["candidate"], a["reason"]) for a in refused} == {("0", "log_unavailable")}
    again = http.post("/decide", json={"unit": "0000002", "key": "before 2"}).json()
    assert again == given[2]
    assert decided(http, "0000004", "full")["reason"] == "log_unavailable"
    reward = {"decision": given[0]["decision"], "name": "y", "value": 1.0}
    for _ in range(3):  # of the two that it is written to, the log may have room
        assert "free space on its disk" in wrong(http, "/reward", reward)
    assert "must be writable; got No space" in wrong(http, "/admin/kill", {"on": True})
    other = next(one.name for one in (disk / "snapshots").iterdir() if one.name != live)
    assert "free space on its disk" in wrong(http, "/admin/publish", {"snapshot": other})
    with pytest.raises(OSError, match="No space left"):
        build_snapshot(disk, shipped.folder)
    assert {one.name for one in (disk / "snapshots").iterdir()} == {live, other}
    assert http.get("/policy").json()["snapshot"] == live
    assert http.get("/health/ready").status_code == 200
    ballast.unlink()
    until(lambda: http.post("/reward", json=reward).status_code == 200)
    until(lambda: decided(http, "0000001")["reason"] == "best_score")
    given += [decided(http, f"{n:07d}", f"after {n}") for n in range(3)]
    assert decided(http, "0000004", "full")["logged"]
    assert http.post("/admin/publish", json={"snapshot": other}).status_code == 200
    entries = [*read_records(disk / "log")]
    assert sum(isinstance(entry.record, RewardRecord) for entry in entries) == 1
    made = [entry for entry in entries if isinstance(entry.record, DecisionRecord)]
    ids = [entry.record.id.hex() for entry in made]
    assert len(set(ids)) == len(ids)
    assert {answer["decision"] for answer in given} <= set(ids)
    assert not {answer["decision"] for answer in refused} & set(ids)
    offers = sum(entry.record.amount for entry in made) / 1e6
    until(lambda: sum(money(http)[name] for name in ("reserved", "spent")) == offers)
    http.post("/admin/publish", json={"snapshot": live})  # for whichever test is next
    until(lambda: http.get("/policy").json()["snapshot"] == live)
    container.err.clear()
