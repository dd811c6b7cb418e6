from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from equipoise.core.errors import InputError
from equipoise.learners.base_learners import BoostedTrees, check_model, learn, predict_all
from equipoise.learners.tables import Rows, Table


def table(n=500, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return Table(X, ("a", "b", "c")), X[:, 0] + X[:, 1] * X[:, 2]


def test_rows_of_the_binned_table_learn_like_lightgbm_on_those_rows():
    features, y = table()
    index = np.arange(0, 500, 2)
    ours = learn(BoostedTrees(n_estimators=20, max_bin=255), Rows(features, index), y[index])
    whole = lightgbm.Dataset(features.X, params={"verbosity": -1}, free_raw_data=False).construct()
    part = whole.subset(index).construct().set_label(y[index])
    theirs = lightgbm.Booster({"verbosity": -1, "num_leaves": 31}, part)
    for _ in range(20):
        theirs.update()
    np.testing.assert_allclose(ours.predict(features.X), theirs.predict(features.X), rtol=1e-9)


def test_the_table_is_binned_once(monkeypatch):
    features, y = table()
    made = []
    build = lightgbm.Dataset.__init__
    monkeypatch.setattr(
        lightgbm.Dataset,
        "__init__",
        lambda self, data, *a, **k: (made.append(data is not None), build(self, data, *a, **k))[1],
    )
    for index in (None, np.arange(100), np.arange(100, 400)):
        learn(BoostedTrees(n_estimators=3), Rows(features, index), y if index is None else y[index])
        learn(
            BoostedTrees(n_estimators=3, num_leaves=4),
            Rows(features, index),
            -y if index is None else y[index],
        )
    assert sum(made) == 1  # subsets are made of it without data


def test_weights_count_and_are_forgotten():
    features, y = table()
    rows, model = Rows(features, None), BoostedTrees(n_estimators=5)
    plain = learn(model, rows, y).predict(features.X)
    weighted = learn(model, rows, y, np.where(y > 0, 9.0, 1.0)).predict(features.X)
    assert weighted.mean() > plain.mean() + 0.3
    np.testing.assert_array_equal(learn(model, rows, y).predict(features.X), plain)
    np.testing.assert_array_equal(learn(model, rows, y, np.ones(len(y))).predict(features.X), plain)


def test_threads_do_not_change_the_numbers():
    features, y = table(3000)
    one, two = (
        learn(BoostedTrees(n_estimators=20, n_jobs=t), Rows(features, None), y).predict(features.X)
        for t in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("way", "sign"), [("increasing", 1), ("decreasing", -1)])
def test_monotone(way, sign):
    features, y = table()
    model = learn(
        BoostedTrees(n_estimators=30, monotone=[way, None, None]), Rows(features, None), sign * y
    )
    line = np.zeros((50, 3))
    line[:, 0] = np.linspace(-3, 3, 50)
    assert (sign * np.diff(model.predict(line)) >= 0).all()
    assert np.ptp(model.predict(line)) > 1


def test_foreign_models_see_their_rows_only():
    features, y = table()
    index = np.arange(7)
    ours = learn(LinearRegression(), Rows(features, index), y[index])
    np.testing.assert_array_equal(
        ours.predict(features.X), LinearRegression().fit(features.X[:7], y[:7]).predict(features.X)
    )
    assert predict_all([ours, ours], features.X, index).shape == (2, 7)


def test_a_classifier_answers_the_probability_of_one():
    features, y = table()
    model = learn(LogisticRegression(), Rows(features, None), (y > 0).astype(float))
    wanted = LogisticRegression().fit(features.X, y > 0).predict_proba(features.X)[:, 1]
    np.testing.assert_allclose(model.predict(features.X), wanted)
    with pytest.raises(InputError, match="be 0 or 1"):
        learn(LogisticRegression(), Rows(features, None), y)
    with pytest.raises(InputError, match="both classes"):
        learn(LogisticRegression(), Rows(features, None), np.ones(500))


def test_the_seed_reaches_a_random_model_and_the_given_one_is_left_alone():
    features, y = table()
    given = RandomForestRegressor(3, max_depth=2)
    a, b, c = (learn(given, Rows(features, None), y, seed=s).predict(features.X) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert given.random_state is None
    assert not hasattr(given, "estimators_")


def test_a_model_without_weights_is_refused_only_when_they_are_needed():
    features, y = table()
    learn(KNeighborsRegressor(), Rows(features, None), y)
    with pytest.raises(InputError, match="KNeighborsRegressor must take sample_weight"):
        learn(KNeighborsRegressor(), Rows(features, None), y, np.ones(500))


def test_missing_features_are_refused_by_models_that_cannot_and_named():
    features, _ = table()
    features.X[3, 1] = np.nan
    for able in (BoostedTrees(), HistGradientBoostingRegressor(), DecisionTreeRegressor()):
        check_model(able, "outcome", features)
    with pytest.raises(
        InputError, match="feature 'b' must have no missing value; got nan at row 3"
    ):
        check_model(LinearRegression(), "outcome", features)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="outcome must be a regressor or a classifier"):
        check_model(KMeans(), "outcome", table()[0])
    with pytest.raises(InputError, match="effect must be a regressor"):
        check_model(LogisticRegression(), "effect", table()[0], classifier=False)


@pytest.mark.parametrize(
    "setting",
    [
        {"n_estimators": 0},
        {"num_leaves": 1},
        {"max_bin": 1},
        {"min_child_samples": 0},
        {"reg_lambda": -1},
        {"learning_rate": 0},
        {"n_estimators": "x"},
        {"learning_rate": "x"},
    ],
)
def test_settings_out_of_range_are_named(setting):
    features, y = table()
    with pytest.raises(InputError, match=f"{next(iter(setting))} of BoostedTrees must be a number"):
        learn(BoostedTrees(**setting), Rows(features, None), y)
