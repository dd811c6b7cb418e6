"""Text of many levels as sets of levels: LightGBM's native categories, scored by our trees."""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap
from equipoise.estimators import (
    BoostedTrees,
    DoseSLearner,
    DRLearner,
    SLearner,
    TLearner,
    load_estimator,
    save_estimator,
)
from equipoise.learners.tables import Rows, Table
from equipoise.treatments import Dose

NATIVE = BoostedTrees(30, num_leaves=8, min_child_samples=20, categories="native", n_jobs=1)


def world(n, seed=0, levels=50):
    """X with a text of so many levels, treatment, outcome, and the effect, which levels vary."""
    rng = np.random.default_rng(seed)
    share = 1 / np.sqrt(np.arange(1, levels + 1))
    code, t = rng.choice(levels, n, p=share / share.sum()), rng.integers(0, 2, n)
    effect, x = 0.5 * np.random.default_rng(seed).normal(size=levels)[code], rng.normal(size=n)
    text = np.char.add("town ", code.astype(str))
    y = x + effect * t + rng.normal(size=n)
    return pd.DataFrame({"x": x, "town": text}), t, y, effect


def test_sets_are_scored_as_lightgbm_scores_them():
    rng = np.random.default_rng(0)
    code, x = rng.integers(0, 70, 4000), rng.normal(size=4000)
    X = np.column_stack([x, code]).astype(float)
    y = np.isin(code, [3, 7, 33, 40, 69]) * 2.0 + x + rng.normal(size=4000)
    trees = NATIVE.learn(Rows(Table(X, ("x", "town"), categories=[1]), None), y, None)
    assert len(trees.words)
    odd = np.array([[0.0, np.nan], [0.0, -1.0], [0.0, 70.0], [0.0, 1e12], [np.nan, 3.0]])
    asked = np.vstack([X, odd])
    own = lightgbm.Booster(model_str=trees.text).predict(asked[:, :])
    np.testing.assert_allclose(trees.predict(asked), own, rtol=1e-12)
    # a table without categories splits numbers, also for a model that would take sets
    assert not len(NATIVE.learn(Rows(Table(X, ("x", "town")), None), y, None).words)


@pytest.fixture(scope="module")
def learners():
    X, t, y, _ = world(6000)
    native = DRLearner(NATIVE, NATIVE, random_state=0)
    ordered = clone(native).set_params(
        outcome_model__categories="ordered", effect_model__categories="ordered"
    )
    return native.fit(X, y, treatment=t), ordered.fit(X, y, treatment=t)


def test_an_effect_that_varies_by_level_is_learnt_better(learners):
    # .70 of the other's here; over 10 seeds .58 to .89
    X, _, _, effect = world(6000)
    errors = [np.sqrt(np.mean((one.predict(X) - effect) ** 2)) for one in learners]
    assert errors[0] < 0.85 * errors[1]


def test_a_level_that_fit_had_not_is_as_missing_and_goes_through_a_file(learners, tmp_path):
    native, new = learners[0], pd.DataFrame({"x": [0.0] * 3, "town": ["town 1", "Lima", None]})
    effects = native.predict(new)
    assert effects[1] == effects[2] != effects[0]
    save_estimator(native, tmp_path / "model")
    np.testing.assert_array_equal(load_estimator(tmp_path / "model").predict(new), effects)


def test_a_log_s_own_feature_map_says_which_columns_are_levels(learners):
    """As in a run, whose columns are numbers before the estimator sees them."""
    X, t, y, _ = world(6000)
    features = FeatureMap().fit(X)
    through = clone(learners[0]).fit(features.table(X), y, treatment=t)
    np.testing.assert_array_equal(through.predict(features.table(X)), learners[0].predict(X))


@pytest.mark.parametrize(
    "learner",
    [
        TLearner(NATIVE),
        SLearner(NATIVE),
        DoseSLearner(NATIVE, space=Dose(0, 1)),
        DRLearner(NATIVE, NATIVE, modifiers=["town"]),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_every_learner_of_trees_asks_for_sets(learner):
    X, t, y, _ = world(2000)
    learner.fit(X, y, treatment=t)
    models = learner.effects_ if hasattr(learner, "effects_") else learner.levels_
    flat = [one for part in models for one in (part if isinstance(part, list) else [part])]
    assert any(len(model.words) for model in flat)


def test_another_word_is_refused():
    with pytest.raises(InputError, match="categories of BoostedTrees must be one of"):
        BoostedTrees(categories="onehot").check()
