"""A unit is gone from every byte, and everything that is counted is as before."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from fixtures.decision_log import NS, a_context, a_decision, write_log

from equipoise.core.errors import DataError
from equipoise.serving.config import LogConfig
from equipoise.serving.log import retention
from equipoise.serving.log.erasure import mark_of, rewrite_erased, tombstones
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.retention import remove_old
from equipoise.serving.log.segments import segments_of
from equipoise.serving.log.upkeep import keep_up
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.records import DecisionRecord, RewardRecord, SpendRecord

NAME, OTHER = "ann@example.org", "bob@example.org"
SMALL = LogConfig(roll_bytes=4096)


def a_log(folder):
    """Two units by turns over many segments; rewards of slot 0's decisions in slot 1, which is read
    later, and of slot 1's in slot 0.
    """
    logs = [DecisionLog(folder, slot, SMALL) for slot in (0, 1)]
    contexts = [log.context(a_context()) for log in logs]
    for number in range(40):
        log, other = logs[number % 2], logs[(number + 1) % 2]
        unit = NAME if number % 4 < 2 else OTHER
        one = a_decision(
            log, contexts[number % 2], number, unit=unit, features={"mail": unit}, amount=7, lease=1
        )
        log.append(one)
        other.append(
            RewardRecord(one.id, one.ns, one.ns, "sales", 3.0, key=unit),
            SpendRecord(one.id, one.ns, 1, 7, 5),
        )
    return logs, contexts


def counted(folder):
    """What must stay."""
    rows = []
    for entry in read_records(folder):
        one = entry.record
        if isinstance(one, DecisionRecord):
            rows.append((one.id, one.ns, one.choice, one.served, one.probability, one.amount))
        elif isinstance(one, RewardRecord | SpendRecord):
            rows.append((type(one).__name__, one.decision, one.ns))
    return rows


def raw(folder):
    """Every byte of the folder."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_a_unit_is_gone_and_the_counts_stay(tmp_path):
    logs, contexts = a_log(tmp_path)
    logs[0].erase(NAME)
    before = counted(tmp_path)
    assert tombstones(tmp_path).keys() == {mark_of(NAME)}
    first = rewrite_erased(tmp_path)
    assert first.waiting == 1, "the last segments may still grow"
    assert first.segments > 2
    late = a_decision(logs[0], contexts[0], 99, unit=NAME, ns=logs[0].now_ns() + 1)
    logs[0].append(late)
    for log in logs:
        log.close()
    second = rewrite_erased(tmp_path)
    assert (second.units, second.waiting) == (1, 0)
    assert first.decisions + second.decisions == 20
    assert first.rewards + second.rewards == 20
    assert astuple(rewrite_erased(tmp_path)) == (0, 0, 0, 0, 0), "once more changes nothing"
    assert counted(tmp_path)[: len(before)] != []
    assert sorted(map(repr, before)) == sorted(
        map(repr, [row for row in counted(tmp_path) if row[0] != late.id])
    )
    assert raw(tmp_path).count(NAME.encode()) == 1, "a new decision after it, not to be erased"
    assert raw(tmp_path).count(OTHER.encode()) == 20 * 3
    assert tombstones(tmp_path).keys() == {mark_of(NAME)}
    values = [e.record.value for e in read_records(tmp_path) if isinstance(e.record, RewardRecord)]
    assert sum(map(math.isnan, values)) == 20


def test_a_reward_that_comes_after_the_erasure_is_emptied_too(tmp_path):
    log = DecisionLog(tmp_path, 0, SMALL)
    one = a_decision(log, log.context(a_context()), 1, unit=NAME)
    log.append(one)
    log.erase(NAME)
    log.roll()
    assert rewrite_erased(tmp_path).units == 1
    log.append(RewardRecord(one.id, one.ns, one.ns, "sales", 3.0))
    log.close()
    assert astuple(rewrite_erased(tmp_path)) == (0, 0, 1, 1, 0)
    assert astuple(rewrite_erased(tmp_path)) == (0, 0, 0, 0, 0)


def test_the_chain_holds_after_a_rewrite(tmp_path):
    logs, _ = a_log(tmp_path)
    logs[0].erase(NAME)
    for log in logs:
        log.close()
    rewrite_erased(tmp_path)
    DecisionLog(tmp_path, 0).close()
    segments_of(tmp_path, 0)[2].path.unlink()
    with pytest.raises(DataError, match="follow the one before"):
        list(read_records(tmp_path))


def test_old_segments_go_and_are_not_missed(tmp_path):
    clock = [NS]
    log = DecisionLog(tmp_path, 0, SMALL, clock=lambda: clock[0])
    context = log.context(a_context())
    for number in range(60):
        clock[0] += 3600 * 10**9
        one = a_decision(log, context, number)
        log.append(one, SpendRecord(one.id, one.ns, 1, 7, 5))
    before = len(segments_of(tmp_path))
    removed = remove_old(tmp_path, "1d", clock[0])
    assert 0 < removed < before
    left = [e.record for e in read_records(tmp_path) if isinstance(e.record, DecisionRecord)]
    assert 24 <= len(left) < 40
    assert remove_old(tmp_path, "1d", clock[0]) == 0
    segments = segments_of(tmp_path)
    gone, kept = segments[1].path, segments[1].path.read_bytes()
    gone.unlink()
    with pytest.raises(DataError, match="follow the one before"):
        list(read_records(tmp_path))
    gone.write_bytes(kept)
    assert remove_old(tmp_path, "0s", clock[0] + 10**15) == before - removed - 1
    log.close()
    assert remove_old(tmp_path, "0s", clock[0] + 10**15) == 1
    assert list(read_records(tmp_path)) == []
    note = (tmp_path / "removed.json").read_text()
    assert '"decisions": 60' in note
    assert '"spent": 300' in note
    DecisionLog(tmp_path, 0).close()
    assert len(list(read_records(tmp_path))) == 1


def test_a_removal_that_was_stopped_is_finished(tmp_path, monkeypatch):
    write_log(tmp_path, 60, roll_bytes=4096)
    kept = {one.path: one.path.read_bytes() for one in segments_of(tmp_path)}
    assert remove_old(tmp_path, "0s", NS * 2) == len(kept)
    DecisionLog(tmp_path, 0).close()
    for path, content in list(kept.items())[-2:]:
        path.write_bytes(content)
    assert len(list(read_records(tmp_path))) == 1
    remove_old(tmp_path, "90d")
    assert len(segments_of(tmp_path)) == 1


def test_a_segment_that_is_begun_meanwhile_stays(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path, 0)
    log.append(a_decision(log, log.context(a_context()), 0))

    def then_rolls(look):
        def looked(folder):
            yield from [*look(folder)]
            log.roll()

        return looked

    with monkeypatch.context() as busy:
        for name in ("segments_of", "checked_chain"):
            busy.setattr(retention, name, then_rolls(getattr(retention, name)))
        remove_old(tmp_path, "90d")
    log.close()
    assert len(segments_of(tmp_path)) == 4
    assert len([*read_records(tmp_path, closed=True)]) == 9  # contexts, a decision, ends


def test_upkeep_does_both_and_then_nothing(tmp_path):
    logs, _ = a_log(tmp_path)
    logs[0].erase(NAME)
    for log in logs:
        log.close()
    config = LogConfig(keep="400d")
    done = keep_up(tmp_path, config)
    assert (done.removed, done.erasure.units) == (0, 1)
    assert keep_up(tmp_path, config).erasure.segments == 0
    late = segments_of(tmp_path)[-1].created + 500 * 86_400 * 10**9
    assert keep_up(tmp_path, config, late).removed > 3
    assert list(read_records(tmp_path)) == []
