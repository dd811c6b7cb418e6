from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from equipoise.core.errors import InputError, SnapshotError
from equipoise.learners.tree_scoring import Forest, Trees, predict_many

STUMP = """tree
version=v4

Tree=0
num_leaves=2
num_cat=0
split_feature=1
threshold=0.5
decision_type={kind}
left_child=-1
right_child=-2
leaf_value=10 20

end of trees
"""


@pytest.mark.parametrize(
    ("kind", "missing_goes"),
    [(0, 10.0), (2, 10.0), (8, 20.0), (10, 10.0)],
    ids=["none seen: as 0", "none seen: as 0, default left", "right", "left"],
)
def test_one_split_by_hand(kind, missing_goes):
    X = np.array([[9.0, 0.5], [9.0, 0.5000001], [9.0, np.nan]])
    assert Trees(STUMP.format(kind=kind)).predict(X).tolist() == [10.0, 20.0, missing_goes]


def boosted(leaves, trees=30, missing=True, n=3000, d=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).round(2)
    if missing:
        X[::7, 1] = np.nan
    y = np.sin(3 * X[:, 0]) + np.nan_to_num(X[:, 1], nan=2.0) * X[:, 2] + rng.normal(size=n)
    settings = {"num_leaves": leaves, "verbosity": -1, "min_data_in_leaf": 3, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), trees)
    asked = rng.normal(size=(1111, d)).round(2)
    asked[::5, 1] = np.nan
    asked[::11, 3] = np.nan  # missing where none was in fit
    return booster, asked


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("leaves", [2, 3, 8, 31, 32, 33, 90])
def test_every_size_answers_like_lightgbm_bit_for_bit(leaves, missing):
    booster, X = boosted(leaves, missing=missing)
    np.testing.assert_array_equal(Trees(booster.model_to_string()).predict(X), booster.predict(X))


def test_many_models_and_some_rows_at_once():
    models = [boosted(leaves)[0] for leaves in (4, 16, 31)]
    X = boosted(4)[1]
    rows = np.array([5, 0, 1110, 5])
    found = predict_many([Trees(model.model_to_string()) for model in models], X, rows)
    np.testing.assert_array_equal(found, np.stack([model.predict(X)[rows] for model in models]))


def test_few_rows_are_walked_to_the_same_bits_and_what_that_takes_is_kept():
    models = [Trees(boosted(leaves)[0].model_to_string()) for leaves in (4, 16, 31)]
    X = boosted(4)[1]
    whole = predict_many(models, X)
    for row in range(0, len(X), 9):
        np.testing.assert_array_equal(
            predict_many(models, X[row : row + 2]), whole[:, row : row + 2]
        )
    assert len(models[0].forests) == 1
    np.testing.assert_array_equal(predict_many(models[:2], X[:3]), whole[:2, :3])
    assert [len(model.forests) for model in models] == [2, 0, 0]


def test_a_forest_of_models_of_different_columns():
    models = [Trees(boosted(leaves)[0].model_to_string()) for leaves in (4, 16)]
    X = boosted(4)[1]
    wide = np.hstack([np.zeros((len(X), 2)), X])
    forest = Forest([*models, models[0]], [np.arange(2, 7), np.arange(2, 7), None])
    got = forest.predict(wide, np.arange(50))
    np.testing.assert_array_equal(got[:2], predict_many(models, X)[:, :50])
    np.testing.assert_array_equal(got[2], models[0].predict(wide)[:50])


def test_a_model_of_constants_and_no_rows():
    X = np.zeros((30, 2))
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(X, np.arange(30.0)), 3)
    trees = Trees(booster.model_to_string())
    np.testing.assert_array_equal(trees.predict(X), booster.predict(X))
    assert trees.predict(X[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("split_feature=1", "split_feature=-1"),
        ("split_feature=1", ""),
        ("left_child=-1", "left_child=0"),
        ("left_child=-1", "left_child=-2"),
        ("right_child=-2", "right_child=5"),
        ("right_child=-2", "right_child=-9"),
        ("leaf_value=10 20", "leaf_value=10"),
        ("num_leaves=2", "num_leaves=3"),
        ("Tree=0\nnum_leaves=2", "Tree=0"),
    ],
)
def test_a_text_that_is_no_model_is_refused(was, becomes):
    text = STUMP.format(kind=0)
    assert was in text
    with pytest.raises(SnapshotError, match="LightGBM"):
        Trees(text.replace(was, becomes))


def test_too_few_features_are_an_error():
    with pytest.raises(InputError, match="have at least 2 features; got 1"):
        Trees(STUMP.format(kind=0)).predict(np.zeros((3, 1)))
