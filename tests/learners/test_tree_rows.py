"""A row's answers by bits are those of LightGBM, bit for bit."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from equipoise.learners.tree_rows import ALL, add_leaves, clear_bits, sorted_nodes
from equipoise.learners.tree_scoring import Trees

SETTINGS = {"verbosity": -1, "min_data_in_leaf": 3, "num_threads": 1, "deterministic": True}


def boosted(seed):
    """An ensemble of any size that bits hold, of columns with ties, gaps and constants."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 4)).round(int(rng.integers(0, 3)))
    X[rng.random(400) < 0.2, 1] = np.nan
    X[:, 3] = np.where(rng.random(400) < 0.5, X[:, 3] > 0, 0.0)
    y = X[:, 0] * np.nan_to_num(X[:, 1], nan=2.0) + X[:, 3] + rng.normal(size=400)
    leaves, zero = int(rng.integers(2, 33)), bool(rng.integers(2))
    settings = SETTINGS | {"num_leaves": leaves, "zero_as_missing": zero and seed % 5 == 0}
    return lightgbm.train(settings, lightgbm.Dataset(X, y), int(rng.integers(1, 12)))


def asked(seed, n=60):
    rng = np.random.default_rng([seed, 1])
    X = rng.normal(size=(n, 4)).round(1)
    X[rng.random((n, 4)) < 0.1] = np.nan
    X[rng.random((n, 4)) < 0.05] = rng.choice([np.inf, -np.inf, 0.0, -0.0, 1e300])
    return X


def by_bits(models, columns, X, cut):
    """(ensembles, n): the features of each row in two parts, as codes of treatments follow."""
    feature_of, threshold, tree, mask, right, tree_of, leaf = sorted_nodes(
        models, columns, X.shape[1]
    )
    out = np.empty((len(models), len(X)))
    for r, row in enumerate(X):
        bits, total = np.full(len(leaf), ALL), np.empty(len(models))
        for first, part in ((0, row[:cut]), (cut, row[cut:])):
            clear_bits(part, first, feature_of, threshold, tree, mask, right, bits)
        add_leaves(bits, tree_of, leaf, total)
        out[:, r] = total
    return out


@pytest.mark.parametrize("seed", range(40))
def test_any_ensembles_have_the_bits_of_lightgbm(seed):
    boosters = [boosted(3 * seed + part) for part in range(3)]
    models = [Trees(booster.model_to_string()) for booster in boosters]
    if not all(model.small for model in models):
        assert sorted_nodes(models, [None] * 3, 4) is None
        return
    X, rng = asked(seed), np.random.default_rng(seed)
    wide, where = rng.normal(size=(len(X), 7)), np.array([5, 0, 6, 2])
    wide[:, where] = X
    got = by_bits(models, [where] * 3, wide, int(rng.integers(0, 8)))
    np.testing.assert_array_equal(got, [model.predict(X) for model in models])


def test_a_value_at_a_threshold_goes_left_and_one_above_it_right():
    model = Trees(boosted(1).model_to_string())
    X = np.zeros((len(model.threshold), 4))
    X[np.arange(len(X)), model.feature] = model.threshold
    want = model.predict(X)
    np.testing.assert_array_equal(by_bits([model], [None], X, 4)[0], want)
    above = X.copy()
    above[np.arange(len(X)), model.feature] = np.nextafter(model.threshold, np.inf)
    assert (by_bits([model], [None], above, 4)[0] != want).any()


def test_large_trees_sets_and_what_is_no_number_are_left_to_the_walk():
    X = np.random.default_rng(0).normal(size=(800, 2))
    data = lightgbm.Dataset(X, X[:, 0] * X[:, 1])
    large = lightgbm.train(SETTINGS | {"num_leaves": 33}, data, 2)
    assert sorted_nodes([Trees(large.model_to_string())], [None], 2) is None
    codes = (X[:, :1] * 3).round() + 9
    kinds = lightgbm.Dataset(codes, np.sin(codes[:, 0]), categorical_feature=[0])
    sets = lightgbm.train(SETTINGS | {"min_data_per_group": 1}, kinds, 2)
    assert sorted_nodes([Trees(sets.model_to_string())], [None], 1) is None
    odd = Trees(boosted(1).model_to_string())
    odd.threshold[0] = np.nan
    assert sorted_nodes([odd], [None], 4) is None
