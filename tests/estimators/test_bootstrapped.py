"""Bootstrapped: the bootstrap's standard error, for units never seen and after saving."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from equipoise.data import make_coupon_world
from equipoise.estimators import (
    BoostedTrees,
    Bootstrapped,
    TLearner,
    bootstrap_effects,
    load_estimator,
    save_estimator,
)

TREES = BoostedTrees(n_estimators=5, num_leaves=4)


@pytest.fixture(scope="module")
def rows():
    log, _ = make_coupon_world(600, arms=2, metrics=("conversion",), seed=0)
    X = np.column_stack([log.numbers(name) for name in ("age", "orders", "sensitivity")])
    return {"X": X, "y": log.y, "treatment": log.cells, "propensity": log.propensity}, log.space


def test_says_what_bootstrap_effects_says(rows):
    given, _ = rows
    made = (
        Bootstrapped(TLearner(TREES), replicates=4, random_state=3).fit(**given).effects(given["X"])
    )
    want = bootstrap_effects(TLearner(TREES), **given, replicates=4, seed=3)
    assert np.array_equal(made.values, want.values)
    assert np.allclose(made.std_error, want.std_error)


def test_serves_units_never_seen_also_after_saving(rows, tmp_path):
    given, _ = rows
    made = Bootstrapped(TLearner(TREES), replicates=3).fit(**given)
    strangers = given["X"][:5] + 0.1
    save_estimator(made, tmp_path / "model")
    again = load_estimator(tmp_path / "model").effects(strangers)
    assert np.array_equal(again.std_error, made.effects(strangers).std_error)
    assert (again.std_error > 0).all()


def test_clones():
    assert clone(Bootstrapped(TLearner(TREES), replicates=7)).replicates == 7
