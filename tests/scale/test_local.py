"""The local engine: results in order whatever comes first, errors as they are, progress told."""

from __future__ import annotations

import threading
import time

import pytest
from fixtures.scale_workers import Counter

from equipoise.core.errors import DataError, InputError
from equipoise.scale.executor import executor_of
from equipoise.scale.local import LocalExecutor


def told():
    """A progress callback and what it was told."""
    steps: list[tuple[str, int, int]] = []
    return (lambda *step: steps.append(step)), steps


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads):
    executor = LocalExecutor(threads)
    progress, steps = told()
    with executor.group(Counter, range(4), 10, progress=progress, what="counting") as group:
        assert steps == [("counting", done, 4) for done in (1, 2, 3, 4)]
        assert group.call("slow_at", 10) == [10, 11, 12, 13]
        assert group.each("plus", [(1,), (2,), (3,), (4,)]) == [11, 13, 15, 17]
        assert sorted(group.stream("plus", 0)) == [(0, 10), (1, 11), (2, 12), (3, 13)]
    assert executor.run(pow, range(4), 2, progress=progress, what="squares") == [0, 1, 4, 9]
    assert steps[-1] == ("squares", 4, 4)


def test_threads_take_what_comes_first():
    with LocalExecutor(2).group(Counter, range(2), 0) as group:
        assert [place for place, _ in group.stream("slow_at", 0)] == [1, 0]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_worker_arrives_as_it_is(threads):
    with LocalExecutor(threads).group(Counter, range(3), 0) as group:
        with pytest.raises(DataError, match="a part must be whole; got 1"):
            group.call("wrong_at", 1)
        assert group.call("plus", 1) == [1, 2, 3]


def test_no_more_parts_at_a_time_than_threads():
    lock, now, most = threading.Lock(), [], []

    def work(part: int) -> None:
        with lock:
            now.append(part)
            most.append(len(now))
        time.sleep(0.002)
        with lock:
            now.remove(part)

    LocalExecutor(3).run(work, range(12))
    assert max(most) == 3


def test_engines_by_name():
    assert vars(executor_of("local", workers=2)) == vars(LocalExecutor(2))
    assert isinstance(executor_of(), LocalExecutor)
    with pytest.raises(InputError, match="the local engine must have no address; got 'ray://one"):
        executor_of("local", "ray://one:1")
    with pytest.raises(InputError, match="engine must be a registered name; got 'spark'"):
        executor_of("spark")
    with pytest.raises(InputError, match="workers must be a whole number >= 1; got 0"):
        executor_of(workers=0)


def test_threads_do_not_run_ahead_of_who_takes_their_answers():
    begun = []

    def note(part: int) -> int:
        begun.append(part)
        return part

    answers = LocalExecutor(2).stream(note, range(50))
    for taken, _ in enumerate(answers, 1):
        time.sleep(0.002)
        assert len(begun) <= taken + 4
    assert sorted(begun) == list(range(50))
