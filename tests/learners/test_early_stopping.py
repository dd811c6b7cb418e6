from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.base import clone

from equipoise.estimators import DRLearner, TLearner, XLearner
from equipoise.learners.base_learners import BoostedTrees, learn
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.early_stopping import grow_together
from equipoise.learners.tables import Folds, Rows, Table

EARLY = BoostedTrees(300, 0.1, 8, n_jobs=1, early_stopping_rounds=10)


class Steps:
    """A booster that answers a list of losses, one a tree."""

    def __init__(self, losses, last=10**6):
        self.losses, self.last, self.trees = losses, last, 0

    def update(self):
        self.trees += 1
        return self.trees >= self.last

    def eval_valid(self):
        return [("left out", "l2", self.losses[self.trees - 1], False)]


def grown(boosters: Any, mass, most, patience):
    return grow_together(boosters, mass, most, patience)


@pytest.mark.parametrize(
    ("losses", "patience", "trees"),
    [
        ([5, 4, 3, 4, 5, 2], 2, 3),  # it does not wait for the sixth
        ([5, 4, 3, 4, 5, 2], 3, 6),
        ([5, 5, 5, 5, 5, 5], 9, 1),  # what does not fall adds nothing
        ([1, 1 - 1e-12, 1, 1, 1, 1], 9, 1),  # nor what sums of threads may differ by
    ],
)
def test_the_number_of_trees_by_hand(losses, patience, trees):
    assert grown([Steps(losses)], [1], 6, patience) == trees


def test_folds_count_by_the_weight_they_left_out():
    up, down = [1, 2, 3], [3, 2, 1]
    assert grown([Steps(up), Steps(down)], [1, 2], 3, 9) == 3
    assert grown([Steps(up), Steps(down)], [2, 1], 3, 9) == 1
    assert grown([Steps(up), Steps(down)], [0, 1], 3, 9) == 3


def test_it_ends_when_no_fold_can_split():
    one, other = Steps([5, 4, 3, 2], 2), Steps([5, 4, 3, 2], 3)
    assert grown([one, other], [1, 1], 4, 9) == 3
    assert one.trees == other.trees == 3


def world(seed=0, n=1500, slope=2.0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    level = slope * np.sin(3 * X[:, 0]) * X[:, 1]
    return Table(X, "abc"), level, level + noise * rng.normal(size=n), rng.integers(0, 3, n)


def left_out_losses(table, y, fold, weight, trees=90):
    """L(T) by LightGBM alone, (trees,)."""
    total = np.zeros(trees)
    for f in range(3):
        inside = fold != f
        data = lightgbm.Dataset(
            table.X,
            y,
            weight=weight,
            params=EARLY.settings(1),
            free_raw_data=False,
        ).construct()
        booster = lightgbm.Booster(EARLY.settings(1), data.subset(np.flatnonzero(inside)))
        for t in range(trees):
            booster.update()
            missed = (y - booster.predict(table.X)) ** 2
            total[t] += (weight * missed)[~inside].sum()
    return total


def test_trees_are_as_many_as_leave_the_least_loss():
    table, _, y, fold = world()
    weight = np.where(table.X[:, 0] > 0, 3.0, 1.0)
    learnt = EARLY.learn_folds(Folds(Rows(table, None), fold, 3), y, weight)
    sizes = {len(model.node_of) - 1 for model in learnt}
    assert sizes == {1 + int(np.argmin(left_out_losses(table, y, fold, weight)))}


def test_what_is_learnt_from_all_rows_is_the_mean_of_folds():
    table, _, y, fold = world()
    rows = Rows(table, np.arange(0, 1500, 2))
    parts = EARLY.learn_folds(Folds(rows, rows.of(fold), 3), rows.of(y), None)
    whole = EARLY.learn(rows, rows.of(y), None, rows.of(fold))
    mean = np.mean([part.predict(table.X) for part in parts], axis=0)
    np.testing.assert_allclose(whole.predict(table.X), mean, rtol=1e-12, atol=1e-13)
    booster = lightgbm.Booster(model_str=whole.text)  # what is saved is still LightGBM's
    np.testing.assert_allclose(booster.predict(table.X), mean, rtol=1e-12, atol=1e-13)


def test_targets_of_one_partition_share_its_binned_rows():
    table, _, y, fold = world(n=200)
    rows = Rows(table, np.arange(100))
    folds = rows.folds(fold[:100])
    assert rows.folds(fold[:100] + 3) is folds is not rows.folds(fold[100:])
    again, alone = (
        EARLY.learn(part, y[:100], None, fold[:100]) for part in (rows, Rows(table, rows.index))
    )
    assert again.text == alone.text


def test_no_fold_is_predicted_by_trees_that_saw_it():
    table, _, y, fold = world(noise=1.0)
    other = y.copy()
    other[fold == 1] = np.random.default_rng(9).permutation(other[fold == 1])
    one, two = (
        cross_fit(
            clone(EARLY).set_params(n_estimators=5), table, [Nuisance(None, z[:, None])], fold
        )
        for z in (y, other)
    )
    np.testing.assert_array_equal(one.predictions[fold == 1], two.predictions[fold == 1])


def test_few_rows_and_rows_of_one_fold_are_learnt():
    table, _, y, _ = world(n=40)
    for n in (1, 2, 3, 40):
        rows = Rows(table, np.arange(n))
        alone = learn(EARLY, rows, y[:n], None, 0, np.zeros(n, np.int64))
        assert np.isfinite(alone.predict(table.X)).all()


def test_an_arm_that_a_fold_lacks_is_learnt_by_the_others():
    table, _, y, fold = world()
    some = Nuisance(fold != 2, y[:, None])
    assert np.isfinite(cross_fit(EARLY, table, [some], fold).predictions).all()


def errors(kind, tau, noise, seed):
    """Root mean squared errors of effects by default and by 100 trees, as it was."""
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(3000, 4)), rng.integers(0, 2, 3000)
    effect = tau(X)
    y = X[:, 0] + effect * t + noise * rng.normal(size=3000)
    plain = BoostedTrees(100, 0.1, 4, n_jobs=1)
    roles = {"outcome_model": plain, "effect_model": plain}
    names = roles.keys() & kind().get_params(deep=False).keys()
    fits = (kind(), kind(**{name: roles[name] for name in names}))
    return [
        np.sqrt(np.mean((fit.fit(X, y, treatment=t).effects(X).values[:, 0, 0] - effect) ** 2))
        for fit in fits
    ]


@pytest.mark.parametrize("kind", [DRLearner, XLearner, TLearner])
def test_defaults_neither_underfit_nor_overfit(kind):
    hard = errors(kind, lambda X: 3 * np.maximum(X[:, :3].sum(axis=1), 0), 0.3, 1)
    weak = errors(kind, lambda X: 0.05 * X[:, 1], 1.0, 1)
    assert hard[0] < 0.9 * hard[1]  # of seeds 0 to 5: 0.71 to 0.82
    assert weak[0] < 0.85 * weak[1]  # 0.20 to 0.74
