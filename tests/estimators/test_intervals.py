"""Intervals of units' effects: which estimators have them, what they are called, how often they
hold the truth.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.core.effects import GIVES
from equipoise.core.errors import InputError
from equipoise.data import make_coupon_world
from equipoise.estimators import (
    ESTIMATORS,
    BoostedTrees,
    Bootstrapped,
    CausalForest,
    LinearDML,
    SparseDML,
    TLearner,
    bootstrap_effects,
)
from equipoise.pipeline.study.cross_fit import cross_fit_effects


def linear_world(seed, n=400):
    """(X, y, treatment): noise that differs by a feature, effect 1 + x0 - x1 / 2."""
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(n, 3)), rng.integers(0, 2, n)
    noise = rng.normal(size=n) * (1 + 0.5 * np.abs(X[:, 2]))
    return X, X[:, 0] + X[:, 1] + t * effect_of(X) + noise, t


def effect_of(X):
    return 1 + X[:, 0] - X[:, 1] / 2


def test_those_of_dml_hold_the_effect_as_often_as_they_say():
    """At 25 points of 200 worlds; over 600, .946 (standard error .004) and .802 (.008)."""
    points = np.random.default_rng(99).normal(size=(25, 3))
    held = {0.95: [], 0.8: []}
    for seed in range(200):
        X, y, t = linear_world(seed)
        effects = LinearDML(nuisances="ridge").fit(X, y, treatment=t).effects(points)
        for level, hits in held.items():
            low, high = effects.interval(level)
            truth = effect_of(points)
            hits.append(((low[:, 0, 0] <= truth) & (truth <= high[:, 0, 0])).mean())
    assert abs(np.mean(held[0.95]) - 0.95) <= 0.02
    assert abs(np.mean(held[0.8]) - 0.8) <= 0.04


def test_every_method_says_its_name():
    X, y, t = linear_world(0)
    trees = TLearner(BoostedTrees(2))
    names: dict[Any, str] = {
        LinearDML(): "sandwich of the final stage",
        SparseDML(): "debiased lasso, nodewise regressions",
        CausalForest(8): "causal forest, bootstrap of little bags",
        Bootstrapped(trees, replicates=3): "bootstrap, 3 replicates",
    }
    for estimator, name in names.items():
        intervals = estimator.fit(X, y, treatment=t).effects(X[:5]).interval()
        assert intervals.method == name
        assert (intervals.low < intervals.high).all()
    drawn = bootstrap_effects(trees, X, y, treatment=t, replicates=3, X_new=X[:5])
    assert (drawn.error_method, drawn.error_df) == ("bootstrap, 3 replicates", 2)
    with pytest.raises(InputError, match="Bootstrapped gives any other"):
        trees.fit(X, y, treatment=t).effects(X[:5]).interval()


def test_the_error_names_all_that_give_them():
    folder = Path(inspect.getfile(LinearDML)).parents[1]
    named = re.compile(r"gives_std_error( = True|\(self\))")
    files = {f.stem for f in folder.rglob("*.py") if named.search(f.read_text(encoding="utf-8"))}
    assert files == {"linear", "causal", "bootstrapped"}
    for name in ("dml", "dml-sparse", "causal-forest"):
        assert ESTIMATORS.load(name)().gives_std_error
        assert name in GIVES


def test_the_method_of_folds_is_theirs():
    log, _ = make_coupon_world(300, metrics=("conversion",), seed=0)
    effects = cross_fit_effects(log, LinearDML(nuisances="ridge"))
    assert effects.interval().method == "sandwich of the final stage"
