"""Pieces of work come in order, each once, wherever they are done."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.parallel import as_they_come, in_order, worked_by
from equipoise.scale.local import LocalExecutor

ENGINES = {"here": None, "one": LocalExecutor(1).stream, "four": LocalExecutor(4).stream}


def slow_first(part, shared):
    time.sleep(0.05 * (part == 0))
    return part * shared


def nested(part):
    return list(in_order(slow_first, range(part), 2)), threading.current_thread().name


@pytest.mark.parametrize("name", ENGINES)
def test_answers_stand_in_the_order_of_the_parts(name):
    steps = []
    note = lambda *step: steps.append(step)  # noqa: E731
    with worked_by(ENGINES[name]):
        assert list(in_order(slow_first, range(9), 3, progress=note, what="w")) == [
            3 * part for part in range(9)
        ]
        assert dict(as_they_come(slow_first, range(3), 1)) == {0: 0, 1: 1, 2: 2}
        assert list(in_order(slow_first, [], 1)) == []
    assert steps == [("w", done, 9) for done in range(1, 10)]


def test_what_is_slow_holds_back_only_what_comes_after():
    others = threading.Event()

    def held(part):
        return part if part else others.wait(10)

    with worked_by(LocalExecutor(4).stream):
        answers = as_they_come(held, range(4))
        assert next(answers)[0] != 0
        others.set()
        assert dict(answers)[0] is True


@pytest.mark.parametrize("name", ENGINES)
def test_pieces_within_a_piece_are_done_where_it_is(name):
    with worked_by(ENGINES[name]):
        answers = list(in_order(nested, [3, 2]))
    assert [values for values, _ in answers] == [[0, 2, 4], [0, 2]]
    assert all((thread == "MainThread") == (name != "four") for _, thread in answers)


@pytest.mark.parametrize("name", ENGINES)
def test_an_error_ends_the_work(name):
    def broken(part):
        raise InputError("a piece", "be whole", part)

    with worked_by(ENGINES[name]), pytest.raises(InputError, match="a piece must be whole"):
        list(in_order(broken, range(6)))


def test_an_engine_holds_for_its_block():
    asked = []

    def engine(function, parts, **how):
        asked.append(len(parts))
        for place, part in enumerate(parts):
            yield place, function(part)

    with worked_by(engine):
        with worked_by(None):  # what did them before
            assert list(in_order(abs, [-1, 2])) == [1, 2]
        with worked_by(LocalExecutor().stream):
            list(in_order(abs, [-1, 2]))
        assert list(in_order(abs, [-1])) == [1]  # one piece goes nowhere
        list(in_order(abs, [-1, 2, 3]))
    list(in_order(abs, [-1, 2]))
    assert asked == [2, 3]


def test_replicates_are_the_same_anywhere():
    from sklearn.linear_model import LinearRegression

    from equipoise.estimators import Bootstrapped, TLearner
    from equipoise.estimators.bootstrap import bootstrap_effects, multinomial_counts

    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(80, 2)), np.arange(80) % 2
    y, learner = X[:, 0] + t + rng.normal(size=80), TLearner(LinearRegression())
    found = []
    for engine in ENGINES.values():
        with worked_by(engine):
            steps = []
            own = bootstrap_effects(
                learner,
                X,
                y,
                treatment=t,
                replicates=7,
                draw=multinomial_counts,
                progress=lambda *step, steps=steps: steps.append(step),
            )
            assert steps == [(done, 7) for done in range(1, 8)]
            kept = Bootstrapped(learner, 6).fit(X, y, treatment=t).effects(X)
            found.append((own.std_error.tobytes(), kept.std_error.tobytes()))
    assert len(set(found)) == 1
