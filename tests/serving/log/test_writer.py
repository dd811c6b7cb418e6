"""Nothing that was acknowledged is lost, nothing is there twice, nothing torn is read."""

from __future__ import annotations

import asyncio
import fcntl
import io
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fixtures.decision_log import NS, a_context, a_decision, write_log

from equipoise.core.errors import DataError, InputError
from equipoise.serving.config import LogConfig
from equipoise.serving.console.tail import LogTail
from equipoise.serving.errors import ConflictError, LogUnavailable
from equipoise.serving.log.erasure import rewrite_erased
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.recovery import money_of
from equipoise.serving.log.segments import FRAME, HEADER, frames, record_of, segments_of
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.monitors.watch import Tail
from equipoise.serving.records import Context, DecisionRecord, EndRecord, RewardRecord

TESTS = Path(__file__).parents[2]
SMALL = {"roll_bytes": 4096}


def decisions_of(folder: Path) -> list[bytes]:
    """The ids of all decisions that are read."""
    return [e.record.id for e in read_records(folder) if isinstance(e.record, DecisionRecord)]


def as_told(folder: Path) -> list:
    """All records but those that the writer adds of itself."""
    return [e.record for e in read_records(folder) if not isinstance(e.record, Context | EndRecord)]


def test_what_is_written_is_read_in_order_over_segments(tmp_path):
    appended = write_log(tmp_path, 100, **SMALL)
    assert as_told(tmp_path) == appended
    segments = segments_of(tmp_path)
    assert len(segments) > 5
    for segment in segments:
        with segment.path.open("rb") as stream:
            offset, payload = next(frames(stream))
        assert isinstance(record_of(payload, segment.path, offset), Context)


def test_the_bytes_are_as_the_format_says(tmp_path):
    write_log(tmp_path, 1)
    (path,) = tmp_path.glob("*.eqlog")
    raw = path.read_bytes()
    assert struct.unpack_from("<4sHH", raw) == (b"EQLG", 1, 32)
    assert raw[16:32] == bytes(16)
    length, _ = FRAME.unpack_from(raw, HEADER.size)
    assert raw[HEADER.size + FRAME.size + 3] == 1, "a context, after the size of its array"
    assert FRAME.unpack_from(raw, HEADER.size + FRAME.size + length)[0] > 100


def test_a_feature_keeps_its_bits(tmp_path):
    log = DecisionLog(tmp_path, 0)
    context = log.context(a_context())
    values = {"nan": math.nan, "low": 5e-324, "negative": -0.0, "odd": 0.1 + 0.2, "high": math.inf}
    log.append(a_decision(log, context, 1, features=values))
    log.close()
    (record,) = as_told(tmp_path)
    assert [struct.pack("<d", v) for v in record.features.values()] == [
        struct.pack("<d", v) for v in values.values()
    ]


def test_ids_are_unique_where_the_clock_goes_back(tmp_path):
    clock = iter([NS + 10**9 * step for step in (5, 4, 9, 1)] + [NS] * 10_000)
    log = DecisionLog(tmp_path, 3, clock=lambda: next(clock))
    ids = [id for _ in range(1000) for id in log.new_ids(2)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {16}
    assert int.from_bytes(ids[0][6:8], "big") == 3
    assert log.clock_back == 9 * 10**9
    log.close()


def test_segments_are_in_order_where_the_clock_goes_back(tmp_path):
    appended = []
    for back in range(3):
        log = DecisionLog(tmp_path, 0, clock=lambda back=back: NS - back * 10**12)
        one = a_decision(log, log.context(a_context()), back)
        log.append(one)
        appended.append(one)
        log.close()
    assert as_told(tmp_path) == appended


def test_a_decision_may_name_an_older_context_after_a_roll(tmp_path):
    log = DecisionLog(tmp_path, 0)
    old = log.context(a_context(seed=1))
    log.append(a_decision(log, old, 0))
    log.context(a_context(seed=2))
    log.roll()
    log.append(a_decision(log, old, 1), a_decision(log, old, 2))
    with pytest.raises(InputError, match="a decision must name a context of this writer; got 9"):
        log.append(a_decision(log, 9, 3))
    log.close()
    seeds = [e.context.seed for e in read_records(tmp_path) if type(e.record) is DecisionRecord]
    assert seeds == [1, 1, 1]


def test_who_looks_whether_a_writer_lives_keeps_none_from_its_slot(tmp_path):
    """For a moment the one who looks has the lock."""
    lock = os.open(tmp_path / "00000.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    threading.Timer(0.004, os.close, (lock,)).start()
    DecisionLog(tmp_path, 0).close()


def test_a_slot_has_one_writer(tmp_path):
    log = DecisionLog(tmp_path, 0)
    with pytest.raises(ConflictError, match="slot 0 of the log must be free"):
        DecisionLog(tmp_path, 0)
    DecisionLog(tmp_path, 1).close()
    log.close()
    log.close()
    with pytest.raises(LogUnavailable, match="be open"):
        log.roll()
    with pytest.raises(LogUnavailable, match="be open"):
        log.append(a_decision(log, 0, 1))
    DecisionLog(tmp_path, 0).close()
    with pytest.raises(InputError, match="from 0 to 65,535"):
        DecisionLog(tmp_path, 65_536)


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_acknowledged_means_synced_under_disk(tmp_path, durability):
    async def serve() -> tuple[int, int]:
        log = DecisionLog(tmp_path, 0, LogConfig(durability=durability, **SMALL))
        context = log.context(a_context())

        async def one(number: int) -> None:
            log.append(a_decision(log, context, number))
            mark = log.disk.written
            await log.acknowledged(log.failed_syncs)
            assert durability == "process" or log.disk.synced >= mark

        for _ in range(5):
            await asyncio.gather(*(one(number) for number in range(16)))
        cancelled = asyncio.create_task(one(1))
        await asyncio.sleep(0)
        cancelled.cancel()
        await one(2)
        syncs = log.disk.syncs
        log.flush()
        assert log.unsynced_bytes == 0
        log.close()
        return syncs, len(decisions_of(tmp_path))

    syncs, count = asyncio.run(serve())
    assert count == 82
    assert syncs < 40, "those who wait share a sync"


def test_process_durability_syncs_by_itself(tmp_path):
    log = DecisionLog(tmp_path, 0)
    log.append(a_decision(log, log.context(a_context()), 1))
    until = time.monotonic() + 5
    while log.unsynced_bytes and time.monotonic() < until:
        time.sleep(0.01)
    assert log.unsynced_bytes == 0
    log.close()


def test_a_segment_that_is_old_is_closed_while_nothing_comes(tmp_path, monkeypatch):
    monkeypatch.setattr("equipoise.serving.log.disk.IDLE", 0.01)
    log = DecisionLog(tmp_path, 0, LogConfig(roll_seconds=0.02))
    log.append(a_decision(log, log.context(a_context()), 1))
    until = time.monotonic() + 5
    while len(segments_of(tmp_path)) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(segments_of(tmp_path)) == 2, "a new one without decisions stays"
    assert len([e for e in read_records(tmp_path, closed=True)]) == 3
    log.close()


@pytest.mark.parametrize("here", [False, True], ids=["by the thread", "here"])
def test_a_failed_sync_is_never_tried_again_on_that_file(tmp_path, monkeypatch, here):
    tried, real, failing = [], os.fdatasync, ["-000000.eqlog"]

    def broken(file: int) -> None:
        tried.append(os.readlink(f"/proc/self/fd/{file}"))
        if tried[-1].endswith(failing[0]):
            raise OSError(5, "Input/output error")
        real(file)

    monkeypatch.setattr(os, "fdatasync", broken)

    async def decide(log: DecisionLog, context: int, number: int) -> None:
        since = log.failed_syncs
        log.append(a_decision(log, context, number))
        if here:
            log.disk.sync_here(since)
        else:
            await log.acknowledged(since)

    async def serve() -> None:
        log = DecisionLog(tmp_path, 0, LogConfig(durability="disk"))
        while not log.alarm:
            await asyncio.sleep(0.001)
        context = log.context(a_context())
        await decide(log, context, 1)
        failing[:] = ["-000001.eqlog"]
        with pytest.raises(LogUnavailable, match="put on disk"):
            await decide(log, context, 1)
        assert "Input/output error" in log.alarm
        await decide(log, context, 2)
        log.clear_alarm()
        log.close()

    asyncio.run(serve())
    assert sum(name.endswith("-000000.eqlog") for name in tried) == 1
    assert tried[-1].endswith("-000002.eqlog")
    assert len(decisions_of(tmp_path)) == 3


@pytest.mark.parametrize("how", ["waits", "syncs here", "comes later"])
def test_nothing_is_acknowledged_that_went_to_a_file_without_a_sync(tmp_path, monkeypatch, how):
    """One writes while the sync that another waits for is about to fail."""
    began, go, real, failing = threading.Event(), threading.Event(), os.fdatasync, []

    def broken(file: int) -> None:
        if failing:
            failing.clear()
            began.set()
            go.wait(5)
            raise OSError(5, "Input/output error")
        real(file)

    monkeypatch.setattr(os, "fdatasync", broken)

    async def on_disk(log: DecisionLog, since: int) -> None:
        if how == "syncs here":
            log.disk.sync_here(since)
        else:
            await log.acknowledged(since)

    async def serve() -> None:
        log = DecisionLog(tmp_path, 0, LogConfig(durability="disk"))
        context = log.context(a_context())
        await log.acknowledged(log.failed_syncs)
        failing.append(True)
        since = log.failed_syncs
        log.append(a_decision(log, context, 1))
        first = log.disk.waiter(since)
        await asyncio.to_thread(began.wait, 5)
        log.append(a_decision(log, context, 2))
        threading.Timer(0.02 if how == "syncs here" else 0.0, go.set).start()
        if how == "comes later":
            await asyncio.wait([first])
        with pytest.raises(LogUnavailable, match="be put on disk; got .*Input/output error"):
            await on_disk(log, since)
        with pytest.raises(LogUnavailable):
            await first
        since = log.failed_syncs
        log.append(a_decision(log, context, 3))
        await log.acknowledged(since)
        log.close()

    asyncio.run(serve())
    assert len(segments_of(tmp_path)) == 2
    assert len(decisions_of(tmp_path)) == 3


@pytest.mark.parametrize("what", ["an old segment", "the folder"])
def test_what_cannot_be_synced_sounds_the_alarm(tmp_path, monkeypatch, what):
    real, failing = os.fsync, []

    def broken(file: int) -> None:
        name = os.readlink(f"/proc/self/fd/{file}")
        if failing and (name == str(tmp_path)) == (what == "the folder"):
            failing.clear()
            raise OSError(5, "Input/output error")
        real(file)

    monkeypatch.setattr(os, "fsync", broken)
    log = DecisionLog(tmp_path, 0, LogConfig(durability="disk"))
    log.flush()
    failing.append(True)
    since = log.failed_syncs
    log.append(a_decision(log, log.context(a_context()), 1))
    log.roll()
    with pytest.raises(LogUnavailable, match="Input/output error"):
        log.flush(since)
    assert "Input/output error" in log.alarm
    assert log._file is not None
    log.flush()
    log.close()
    assert len(decisions_of(tmp_path)) == 1


def test_a_torn_tail_is_cut_before_a_segment_ends(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path, 0)
    context = log.context(a_context())
    log.append(a_decision(log, context, 1))
    with monkeypatch.context() as disk:
        write = os.write
        disk.setattr(os, "write", lambda file, data: write(file, data[:50]))
        disk.setattr(os, "ftruncate", lambda file, size: os.fstat(-1))  # an OSError
        with pytest.raises(LogUnavailable):
            log.append(a_decision(log, context, 2))
        with pytest.raises(LogUnavailable, match="be cut back"):
            log.roll()
    log.roll()
    log.append(a_decision(log, context, 3))
    log.close()
    assert len(decisions_of(tmp_path)) == 2


def test_who_reads_along_goes_on_behind_what_was_taken_back(tmp_path):
    log = DecisionLog(tmp_path, 0)
    context, console, monitors = log.context(a_context()), LogTail(tmp_path), Tail(tmp_path, 0)

    def seen() -> tuple[int, list[bytes]]:
        read = [entry.record for entry in monitors.read()]
        ids = [record.id for record in read if isinstance(record, DecisionRecord)]
        minutes = console.look(time.time()).minutes
        return sum(sum(minute.cells.values()) for minute in minutes), ids

    first, others = a_decision(log, context, 1), [a_decision(log, context, n) for n in (2, 3)]
    log.append(first)
    reward = RewardRecord(first.id, first.ns, first.ns, "sales", 1.0, key="long " * 20)
    payloads = log.append(reward, reward)
    assert seen() == (1, [first.id])
    log.take_back(payloads)
    log.append(*others)
    assert seen() == (3, [one.id for one in others])
    log.erase(first.unit)
    log.close()
    seen()
    assert rewrite_erased(tmp_path).decisions == 1
    assert seen() == (3, []), "a segment that was written anew is not read again"


FILL = """
import resource, sys
from pathlib import Path
sys.path[:0] = {paths!r}
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from fixtures.decision_log import a_context, a_decision
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.log.writer import DecisionLog
log = DecisionLog(Path({folder!r}), 0)
context = log.context(a_context())
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
kept, refused = [], 0
for limit in (2_000, 6_010, 9_001):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    for number in range(60):
        decision = a_decision(log, context, number)
        try:
            log.append(decision)
        except LogUnavailable:
            refused += 1
        else:
            kept.append(decision.id)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
log.append(a_decision(log, context, 1000))
print(len(kept), refused, b"".join(kept).hex(), flush=True)
import os; os._exit(0)
"""


def test_a_short_write_leaves_nothing(tmp_path):
    paths = [str(TESTS), str(TESTS.parent / "src")]
    code = FILL.format(paths=paths, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, refused, ids = done.stdout.split()
    assert int(kept) > 10
    assert int(refused) > 100
    assert b"".join(decisions_of(tmp_path)[:-1]).hex() == ids
    log = DecisionLog(tmp_path, 0)
    assert log.recovery.bytes_cut == 0
    assert log.recovery.segment
    log.close()


def test_a_killed_writer_loses_and_doubles_nothing(tmp_path):
    log, acknowledged = tmp_path / "log", b""
    script = str(TESTS / "fixtures" / "decision_log.py")
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"}
    for durability in ("process", "disk"):
        said = tmp_path / f"said by {durability}"
        command = [sys.executable, script, str(log), "5", durability, str(said)]
        with subprocess.Popen(command, env=environment) as worker:
            while not said.exists() or said.stat().st_size < 16 * 600:
                assert worker.poll() is None
                time.sleep(0.003)
            worker.send_signal(signal.SIGKILL)
        raw = said.read_bytes()
        acknowledged += raw[: len(raw) // 16 * 16]
    ids = decisions_of(log)
    assert len(ids) == len(set(ids))
    assert {acknowledged[at : at + 16] for at in range(0, len(acknowledged), 16)} <= set(ids)
    again = DecisionLog(log, 5)
    assert again.recovery.segment
    again.close()
    assert decisions_of(log) == ids


def test_money_of_a_dead_worker(tmp_path):
    log = DecisionLog(tmp_path, 2, LogConfig(**SMALL))
    context = log.context(a_context())
    held = [a_decision(log, context, n, lease=4 + n % 2, amount=n + 1) for n in range(40)]
    for one in held:
        log.append(one)
    log.close()
    holds, settled = money_of(tmp_path, 2)
    assert holds[4] == {one.id: one.amount for one in held if one.lease == 4}
    assert settled == []
    later = segments_of(tmp_path)[2].created
    recent, _ = money_of(tmp_path, 2, since=later)
    assert 0 < len(recent[4]) < len(holds[4])


# ---- cuts and damage ----


@pytest.fixture(scope="module")
def torn(tmp_path_factory):
    """A segment as a killed worker leaves it, its records, and where each begins."""
    folder = tmp_path_factory.mktemp("torn")
    write_log(folder, 30)
    (path,) = folder.glob("*.eqlog")
    raw = path.read_bytes()
    with path.open("rb") as stream:
        places = [offset for offset, _ in frames(stream)]
    return path.name, raw[: places[-1]], places[:-1]


def payloads(raw: bytes) -> list[bytes]:
    """Of all whole frames."""
    return [payload for _, payload in frames(io.BytesIO(raw))]


def test_thousands_of_cuts_and_tails(torn):
    """After any cut, with zeros, noise or a flipped bit behind it: the whole records before."""
    _, raw, places = torn
    raw, places = raw[: places[9]], places[:9]
    rng, ends = np.random.default_rng(3), [*places[1:], len(raw)]
    every = payloads(raw)
    assert len(every) == 9
    for cut in range(HEADER.size, len(raw)):
        tail = [b"", bytes(50), rng.bytes(50)][cut % 3]
        whole = sum(end <= cut for end in ends)
        assert payloads(raw[:cut] + tail) == every[:whole], cut
    for bit in rng.integers(HEADER.size * 8, len(raw) * 8, 1500):
        spoilt = bytearray(raw)
        spoilt[bit // 8] ^= 1 << bit % 8
        before = sum(end <= bit // 8 for end in ends)
        assert payloads(bytes(spoilt)) == every[:before], bit


@pytest.mark.parametrize("tail", [b"", bytes(300), b"\x07" * 300])
@pytest.mark.parametrize("short", [0, 1, 200])
def test_recovery_cuts_a_torn_tail_and_tells(tmp_path, torn, tail, short, caplog):
    name, raw, places = torn
    path = tmp_path / name
    path.write_bytes(raw[: len(raw) - short] + tail)
    whole = sum(end <= len(raw) - short for end in [*places[1:], len(raw)])
    before = [e.record for e in read_records(tmp_path)]
    assert len(before) == whole
    log = DecisionLog(tmp_path, 0)
    recovery = log.recovery
    assert (recovery.segment, recovery.records, recovery.frames_cut) == (name, whole, 0)
    kept = places[whole] if whole < len(places) else len(raw)
    assert recovery.bytes_cut == len(raw) - short - kept + len(tail)
    assert ("torn tail" in caplog.text) == bool(recovery.bytes_cut)
    log.close()
    after = [e.record for e in read_records(tmp_path)]
    assert after[:whole] == before
    assert isinstance(after[whole], EndRecord)
    assert log._epoch not in recovery.epochs


def test_whole_frames_behind_a_tear_are_kept_beside(tmp_path, torn):
    name, raw, places = torn
    spoilt = bytearray(raw)
    spoilt[places[10] + 20] ^= 4
    (tmp_path / name).write_bytes(spoilt)
    log = DecisionLog(tmp_path, 0)
    log.close()
    assert log.recovery.records == 10
    assert log.recovery.frames_cut == len(places) - 11
    assert (tmp_path / f"{name}.torn").read_bytes() == bytes(spoilt[places[10] :])


def test_a_file_without_a_header_holds_nothing(tmp_path, torn):
    name, raw, _ = torn
    for number, content in enumerate((b"", raw[:20], bytes(400))):
        (tmp_path / name.replace("000000", f"00000{number}")).write_bytes(content)
    assert list(read_records(tmp_path)) == []
    lost = tmp_path / name.replace("000000", "000003")
    lost.write_bytes(bytes(32) + raw[32:])  # a power cut that lost the first page
    DecisionLog(tmp_path, 0).close()
    assert len(segments_of(tmp_path)) == 1
    assert [path.name for path in tmp_path.glob("*.torn")] == [f"{lost.name}.torn"]


def test_damage_elsewhere_is_an_error_with_its_place(tmp_path):
    write_log(tmp_path, 60, **SMALL)
    segments = segments_of(tmp_path)
    path = segments[1].path
    raw = path.read_bytes()
    with path.open("rb") as stream:
        places = [offset for offset, _ in frames(stream)]
    rng = np.random.default_rng(5)
    for byte in [*rng.integers(32, len(raw), 60), 8, 20, len(raw) - 1]:
        spoilt = bytearray(raw)
        spoilt[byte] ^= 1 << rng.integers(8)
        path.write_bytes(spoilt)
        at = max((place for place in places if place <= byte), default=0)
        # a changed time or link in a header is found by the digest, not by a frame's sum
        place = r"byte \d" if byte < 32 else f"byte {at:,}"
        with pytest.raises(DataError, match=f"{place}|follow the one before"):
            list(read_records(tmp_path))
    path.write_bytes(raw[:-10])
    with pytest.raises(DataError, match=f"byte {places[-1]:,}"):
        list(read_records(tmp_path))
    path.unlink()
    with pytest.raises(DataError, match="a segment must follow the one before it"):
        list(read_records(tmp_path))


def test_no_log_is_an_error(tmp_path):
    with pytest.raises(DataError, match="a decision log must be a folder"):
        list(read_records(tmp_path / "nowhere"))


def test_a_full_disk_by_quota(tmp_path):
    """As above where the very first write finds no room: nothing is begun."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "from equipoise.serving.log.writer import DecisionLog\n"
        "from equipoise.serving.errors import LogUnavailable\n"
        f"try: DecisionLog({str(tmp_path)!r}, 0)\n"
        "except LogUnavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the decision log must begin a file" in done.stdout
    assert list(tmp_path.glob("*.eqlog")) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10
