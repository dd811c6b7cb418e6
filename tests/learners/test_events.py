from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators import DRLearner, RLearner, TLearner, XLearner
from equipoise.learners.base_learners import (
    EVENTS,
    BoostedTrees,
    default_effect,
    default_outcome,
    effect_models,
)
from equipoise.learners.events import rare_odds, rarest_odds, two_valued
from equipoise.learners.tables import Rows, Table

X = np.arange(1000.0)[:, None]


def rare(events):
    """(1000,): events in the first rows."""
    return (X[:, 0] < events).astype(float)


def test_two_values_whatever_they_are():
    y = np.array([[0.0, 5.0, 1.0], [1.0, 20.0, 2.0], [1.0, 5.0, 3.0]])
    assert two_valued(y).tolist() == [True, True, False]


@pytest.mark.parametrize("values", [(0, 1), (1, 0), (5, 20)])
def test_odds_by_hand(values):
    y = np.where(rare(20), *values[::-1])
    assert rare_odds(y) == pytest.approx(49, rel=1e-12)  # 980 of 1,000 to 20
    assert rare_odds(np.full(9, 3.0)) == rare_odds(X[:, 0]) == 0


def test_odds_are_those_of_the_arm_that_knows_least():
    cell = np.repeat([0, 1, 2], [500, 400, 100])
    y = np.zeros(1000)
    y[:50] = y[500:520] = y[900:905] = 1
    # in arm 1 one of 20 has 19 others: 20 rows of its own, 50 of all arms, less one of the 20
    assert rarest_odds(y, cell, (0, 1)) == pytest.approx(1000 / 400 * 19)
    assert rarest_odds(y, cell, (0, 2)) == pytest.approx(1000 / 100 * 19)
    assert rarest_odds(rare(50), cell, (0, 1)) == pytest.approx(1000 / 400 * 399)  # none: as of one


@pytest.mark.parametrize("flip", [False, True])
def test_a_leaf_of_few_events_is_not_made(flip):
    rows, y = Rows(Table(X, ["x"]), None), rare(20)
    y = 1 - y if flip else y
    learnt = {
        events: BoostedTrees(20, n_jobs=1, min_child_events=events).learn(rows, y, None).predict(X)
        for events in (0, 9, 11)
    }
    # odds of 49: leaves of 441 rows leave room for a split, of 539 for none
    assert len(np.unique(learnt[0][:400])) > 1
    assert len(np.unique(learnt[9][:400])) == 1
    assert len(np.unique(learnt[9])) > 1
    np.testing.assert_allclose(learnt[11], y.mean(), atol=1e-6)


def test_leaves_by_events_leave_other_outcomes_alone():
    rows, y = Rows(Table(X, ["x"]), None), rare(20) + 0.5 * rare(10)
    some = [BoostedTrees(20, n_jobs=1, min_child_events=events) for events in (0, 11)]
    plain, asked = (model.learn(rows, y, None).predict(X) for model in some)
    np.testing.assert_array_equal(plain, asked)


def test_events_below_none_are_refused():
    with pytest.raises(InputError, match="min_child_events of BoostedTrees must be a number >= 0"):
        BoostedTrees(min_child_events=-1).check()


def test_leaves_of_effects_are_by_metric():
    cell, y = np.arange(1000) % 2, np.column_stack([rare(20), X[:, 0]])
    model, plain = BoostedTrees(min_child_events=8), BoostedTrees()
    one, other = effect_models(model, y, cell, (0, 1))
    assert (one.min_child_samples, other) == (784, model)  # 8 times 49, of two arms
    assert model.min_child_samples == 20
    assert effect_models(plain, y, cell, (0, 1)) == [plain, plain]


def world(seed, rate, n=4000):
    """X (n, 4), cells, y of such a rate, its effects (n,): 30 % more of it for half of the rows."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 4))
    tau = 0.3 * rate * (X[:, 1] > 0)
    cell = rng.permutation(np.arange(n) % 2)
    y = (rng.random(n) < rate + tau * cell).astype(float)
    return X, cell, y, tau


def plain_and_default(kind, X, cell, y, **trees):
    """The effects (n,) by leaves of rows, and more of it, and by default."""
    n = len(y) / 2
    roles = {"outcome_model": default_outcome(n), "effect_model": default_effect(n)}
    rows = {
        role: model.set_params(min_child_events=0, **trees)
        for role, model in roles.items()
        if role in kind().get_params(deep=False)
    }
    return [
        learner.fit(X, y, treatment=cell).effects(X).values[:, 0, 0]
        for learner in (kind(**rows), kind())
    ]


@pytest.mark.parametrize("kind", [DRLearner, RLearner, XLearner, TLearner])
def test_effects_on_a_rare_outcome_are_not_chance(kind):
    X, cell, y, tau = world(0, 0.01)
    plain = {"n_estimators": 100, "early_stopping_rounds": 0}
    before, now = (
        np.sqrt(np.mean((effect - tau) ** 2))
        for effect in plain_and_default(kind, X, cell, y, **plain)
    )
    assert now < 0.4 * before  # of seeds 0 to 5: 0.04 to 0.33


@pytest.mark.parametrize("kind", [DRLearner, RLearner, XLearner, TLearner])
def test_effects_on_a_balanced_outcome_are_those_of_leaves_by_rows(kind):
    X, cell, y, _ = world(0, 0.45)
    before, now = plain_and_default(kind, X, cell, y)
    np.testing.assert_array_equal(now, before)
    assert EVENTS == 8


def test_a_leaf_of_a_few_events_takes_no_half_of_a_folds_rows():
    cell = np.arange(1_200) % 2
    y = (np.arange(1_200) % 200 < 2).astype(float)[:, None]  # 6 of 600 in each arm
    model = default_effect(600)
    leaves = [
        effect_models(model, y, cell, (0, 1), widest)[0].min_child_samples
        for widest in (np.inf, 3 / 4, 1 / 6)
    ]
    assert leaves == [1_583, 900, 791]  # 8 * 198, three quarters of the rows, half of the first


def chosen(learner, seed, n=20_000):
    """A sale in 300: of what offers to the best 30 % could bring, the share of its choice."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 6, (2 * n, 8)).astype(float)
    base = 0.0018 * (1 + 2 * (X[:, 0] >= 4) + (X[:, 1] == 2))
    tau = base * (2.4 * ((X[:, 2] >= 4) | (X[:, 3] >= 4)) - 0.3)
    cell = rng.integers(0, 2, 2 * n)
    y = (rng.random(2 * n) < base + cell * tau).astype(float)
    score = learner.fit(X[:n], y[:n], treatment=cell[:n]).effects(X[n:]).values[:, 0, 0]
    tau, most = tau[n:], n * 3 // 10
    return tau[np.argsort(-score, kind="stable")[:most]].sum() / np.sort(tau)[-most:].sum()


def test_a_dr_learner_tells_whom_to_choose_where_few_buy():
    assert (
        np.mean([chosen(DRLearner(), seed) for seed in range(6)]) > 0.72
    )  # .67 with leaves of 8 events
