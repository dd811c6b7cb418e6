"""What mixes are worth, by hand on a few rows, and what must not change when weights do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.core.effective_size import critical
from equipoise.evaluation.shift import shift_value
from equipoise.pipeline.supply import value as value_module
from equipoise.pipeline.supply.exposures import Exposures
from equipoise.pipeline.supply.value import PARTS as PARTS_OF_THE_WAY
from equipoise.pipeline.supply.value import Gain, _Fold, _levels, _pooled, _space, value
from equipoise.treatments import Shares

PARTS = ("a", "b", "c")
TODAY = np.array([0.5, 0.3, 0.2])


def exposures(weight: list[float], seed: int = 0) -> Exposures:
    """Rows of two features, a mix of three categories, and two metrics."""
    rng, n = np.random.default_rng(seed), len(weight)
    T = rng.dirichlet([5, 3, 2], n)
    return Exposures(
        rng.normal(size=(n, 2)), ("u", "v"), T, rng.normal(size=(n, 2)), np.array(weight), None
    )


def a_fold(held_out: Exposures, theirs: list[np.ndarray]) -> _Fold:
    """A fold whose levels are known: twice the first feature by the first share, and minus it."""
    task = SimpleNamespace(space=Shares(list(PARTS)), plan=SimpleNamespace(crowding=()))
    best = SimpleNamespace(reach=[SimpleNamespace(today=TODAY) for _ in theirs])

    def level(X, T):
        worth = 2 * X[:, 0] * T[:, 0]
        return np.column_stack([worth, -worth])

    return _Fold(task, held_out, held_out, best, theirs, theirs, [level] * len(theirs))


@pytest.fixture
def fold_and_rows():
    """A fold of five weighted rows in two clusters, a judge with a known theta, and mixes."""
    held_out = exposures([1.0, 2.0, 3.0, 0.5, 1.5])
    theirs = [np.array([0, 3]), np.array([1, 2, 4])]
    fold = a_fold(held_out, theirs)
    space = _space(fold.task, TODAY)
    p = space.encode(TODAY[None]).shape[1]
    rng = np.random.default_rng(1)
    judge = []
    for _ in theirs:
        root = rng.normal(size=(2, p, p))
        judge.append((rng.normal(size=(p, 2)), root @ root.transpose(0, 2, 1)))
    mixes = rng.dirichlet([5, 3, 2], 5)
    return fold, space, judge, mixes


def test_the_gain_of_a_curve_by_hand(fold_and_rows):
    fold, space, judge, mixes = fold_and_rows
    w = fold.held_out.weight
    move = space.encode(mixes) - space.encode(fold.held_out.T)
    value, variance = np.zeros(2), np.zeros(2)
    for rows, (theta, covariance) in zip(fold.theirs, judge, strict=True):
        mean = sum(w[i] * move[i] for i in rows) / w.sum()
        value += mean @ theta
        variance += [mean @ covariance[j] @ mean for j in (0, 1)]
    gain = fold.gain(mixes, fold.held_out.T, [judge])
    np.testing.assert_allclose(gain.value[0], value)
    np.testing.assert_allclose(gain.variance[0], variance)


def test_the_gain_by_levels_by_hand(fold_and_rows):
    fold, _, judge, mixes = fold_and_rows
    w = fold.held_out.weight
    more = 2 * fold.held_out.X[:, 0] * (mixes[:, 0] - fold.held_out.T[:, 0])
    gain = fold.gain(mixes, fold.held_out.T, [judge])
    np.testing.assert_allclose(gain.value[1], [w @ more / w.sum(), -w @ more / w.sum()])
    spread = 0.0
    for rows in fold.theirs:
        middle = np.average(more[rows], weights=w[rows])
        spread += sum((w[i] * (more[i] - middle)) ** 2 for i in rows) / w.sum() ** 2
    np.testing.assert_allclose(gain.variance[1], [spread, spread])


@pytest.mark.parametrize("factor", [0.01, 7.0])
def test_weights_count_only_against_each_other(fold_and_rows, factor):
    fold, _, judge, mixes = fold_and_rows
    scaled = replace(fold, held_out=replace(fold.held_out, weight=factor * fold.held_out.weight))
    gain, other = (one.gain(mixes, fold.held_out.T, [judge]) for one in (fold, scaled))
    np.testing.assert_allclose(gain.value, other.value)
    np.testing.assert_allclose(gain.variance, other.variance)


def test_a_row_of_weight_two_is_the_row_twice(fold_and_rows):
    fold, _, judge, mixes = fold_and_rows
    held_out = replace(fold.held_out, weight=np.array([1.0, 2.0, 1.0, 1.0, 1.0]))
    twice = [0, 1, 1, 2, 3, 4]
    copied = held_out.take(twice)
    copied = replace(copied, weight=np.ones(6))
    one = replace(fold, held_out=held_out)
    two = replace(a_fold(copied, [np.array([0, 4]), np.array([1, 2, 3, 5])]), task=fold.task)
    gain = one.gain(mixes, held_out.T, [judge])
    other = two.gain(mixes[twice], copied.T, [judge])
    np.testing.assert_allclose(gain.value, other.value)


def test_no_move_is_no_gain(fold_and_rows):
    fold, _, judge, mixes = fold_and_rows
    gain = fold.gain(mixes, mixes, [judge])
    np.testing.assert_allclose(gain.value, 0, atol=1e-12)
    np.testing.assert_allclose(gain.variance, 0, atol=1e-12)


def test_folds_are_pooled_by_their_weight():
    """Two folds of a quarter and three quarters: means by size, variances by its square."""
    one, two = (
        Gain(np.array([[v, 0.0]]), np.array([[s, 1.0]])) for v, s in ((1.0, 4.0), (3.0, 8.0))
    )
    pooled = _pooled({"way": [one, two]}, [0.25, 0.75])["way"]
    np.testing.assert_allclose(pooled.value, [[0.25 * 1 + 0.75 * 3, 0.0]])
    np.testing.assert_allclose(pooled.variance, [[0.0625 * 4 + 0.5625 * 8, 0.0625 + 0.5625]])


def test_the_interval_spans_those_of_all_judges():
    gain = Gain(np.array([[1.0], [2.0]]), np.array([[0.04], [0.25]]))
    z = critical(0.9)
    np.testing.assert_allclose(gain.intervals(0.9), [[1.5, 1 - 0.2 * z, 2 + 0.5 * z]])
    assert min(1 - 0.2 * z, 2 - 0.5 * z) == pytest.approx(1 - 0.2 * z)


def recorded(monkeypatch, name):
    """The arguments that a function of the module is called with, from now on."""
    real, calls = getattr(value_module, name), []

    def call(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(value_module, name, call)
    return calls


def test_levels_and_ratios_are_learnt_with_the_weights_of_their_rows(monkeypatch):
    """Each cluster's from its own rows; the ratio from those of the other folds."""
    ratios, levels = (recorded(monkeypatch, name) for name in ("learn_ratio", "learn_targets"))
    weights = np.random.default_rng(2).uniform(1, 3, 60)
    learnt_on, held = exposures(weights.tolist()), exposures([1.0] * 4, seed=1)
    mine, theirs = [np.arange(0, 25), np.arange(25, 60)], [np.arange(2), np.arange(2, 4)]
    fold = replace(a_fold(held, theirs), learnt_on=learnt_on, mine=mine)
    fold.solution.mixes = lambda X: np.tile([0.4, 0.4, 0.2], (len(X), 1))  # type: ignore[method-assign]
    fold.step(np.tile([0.4, 0.4, 0.2], (4, 1)), 0.5)
    fold.task.seed = 0
    for rows in mine:
        _levels(fold.task, learnt_on.take(rows), TODAY)
    for calls, at in ((ratios, 3), (levels, 4)):
        for arguments, rows in zip(calls, mine, strict=True):
            assert arguments[at].tolist() == weights[rows].tolist()


def test_what_folds_say_is_put_together_with_weights_and_groups(monkeypatch):
    """A fold counts by its weight, a step's rows by theirs and within their groups, which no fold
    tears apart.
    """
    rows = replace(
        exposures(np.random.default_rng(3).uniform(1, 3, 12).tolist()),
        groups=np.tile(np.arange(6), 2),
    )
    parts = []

    class Told:
        """A fold that says the sum of its own first metric, and steps that are known."""

        def __init__(self, task, learnt_on, held_out, solution):
            self.held_out, self.solution = held_out, solution
            parts.append(held_out)

        def gain(self, mixes, other, judges):
            return Gain(np.full((1, 2), self.held_out.y[:, 0].sum()), np.ones((1, 2)))

        def step(self, mixes, part):
            return self.held_out.y / 2, self.held_out.y + part, self.held_out.X[:, 0] ** 2

    learnt = SimpleNamespace(
        reach=[SimpleNamespace(today=TODAY)],
        labels=lambda X: np.zeros(len(X), int),
        mixes=lambda X: np.tile(TODAY, (len(X), 1)),
    )
    monkeypatch.setattr(value_module, "_fold", Told)
    monkeypatch.setattr(value_module, "learn", lambda *_: learnt)
    monkeypatch.setattr(value_module, "learn_clusters", lambda *_: None)
    monkeypatch.setattr(value_module, "_judging", lambda *_: [])
    found = value(SimpleNamespace(seed=0), rows, ("shares",), 3, 0.9)
    assert sorted(np.concatenate([held.X[:, 0] for held in parts])) == sorted(rows.X[:, 0])
    assert all(np.bincount(held.groups).tolist() == [2, 2] for held in parts)
    np.testing.assert_allclose(found.logged, np.average(rows.y, axis=0, weights=rows.weight))
    size = np.array([held.weight.sum() for held in parts]) / rows.weight.sum()
    gain = found.whole["shares"]
    np.testing.assert_allclose(gain.value, size @ [held.y[:, 0].sum() for held in parts])
    np.testing.assert_allclose(gain.variance, size @ size)
    for part in PARTS_OF_THE_WAY:
        arrays = rows.y / 2, rows.y + part, rows.X[:, 0] ** 2
        step = shift_value(rows.y, *arrays, weight=rows.weight, groups=rows.groups, level=0.9)
        assert found.steps[part].effective == step.effective
        for bound in ("value", "low", "high"):
            kept, by_hand = (getattr(one.gain, bound) for one in (found.steps[part], step))
            np.testing.assert_array_equal(kept, by_hand)
