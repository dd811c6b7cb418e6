"""Treatment and outcome that bend together are seen; what bends alone, or not at all, is not."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from equipoise.core.errors import InputError
from equipoise.estimators import (
    CurvatureWarning,
    LinearDML,
    PooledDML,
    load_estimator,
    save_estimator,
)
from equipoise.estimators.dml import curvature as kernel
from equipoise.estimators.dml import nuisances
from equipoise.treatments import Arms, Bits


def world(seed, n=2_000, logging=1.0, level=1.0, effect=0.0):
    """The effect is .5 + .5 x1 (and bends); logging and level may bend with x0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    bend = X[:, 0] ** 2 - 1
    t = (rng.random(n) < expit(0.9 * logging * bend + 0.3 * X[:, 1])).astype(int)
    tau = 0.5 + 0.5 * X[:, 1] + effect * (X[:, 2] ** 2 - 1)
    return X, t, X[:, 0] + level * bend + t * tau + rng.normal(size=n)


def fitted(X, t, y, **settings):
    with warnings.catch_warnings(action="ignore", category=CurvatureWarning):
        return LinearDML(**settings).fit(X, y, treatment=t)


# by hand


def test_a_score_over_its_robust_error_by_hand():
    u, q = np.array([[1.0, -2.0, 3.0]]), np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    z = kernel._scores(u, q, None)
    assert z[0] == pytest.approx([5 / np.sqrt(1 + 4 + 36), 0])
    clustered = kernel._scores(u, q, np.array([7, 3, 7]))
    assert clustered[0] == pytest.approx([5 / np.sqrt(7**2 + 2**2), 0])


def test_bonferroni_by_hand():
    assert kernel._p_value(np.array([0.0, 1.959964, 1.0])) == pytest.approx(0.15, abs=1e-6)
    assert kernel._p_value(np.zeros((2, 2))) == 1


def test_terms_are_powers_then_neighbours_of_what_varies():
    z = np.random.default_rng(0).normal(size=(3, 10)) * [[1], [0], [1]]
    assert kernel._terms(z) == [(0, 0), (2, 2), (0, 0, 0), (2, 2, 2), (0, 2)]
    many = kernel._terms(np.random.default_rng(0).normal(size=(40, 10)))
    assert len(many) == kernel.MOST_TERMS
    assert many[79:81] == [(39, 39, 39), (0, 1)]


def test_what_lines_leave_is_at_right_angles_to_them_and_switches_leave_nothing():
    rng = np.random.default_rng(0)
    z = np.vstack([rng.normal(size=50), np.where(rng.random(50) < 0.5, -1.0, 1.0)])
    left = kernel._bends(z, [(0, 0), (1, 1), (0, 1)])
    assert left @ np.vstack([np.ones(50), z]).T == pytest.approx(0, abs=1e-9)
    assert not left[1].any()


# known truths


def test_a_shared_bend_warns_and_trees_mend_it():
    X, t, y = world(0)
    with pytest.warns(CurvatureWarning, match=r"both bend with x0 \^ 2 .* nuisances = \"boosted\""):
        model = LinearDML().fit(X, y, treatment=t)
    assert model.curvature_.bends
    assert model.curvature_.term == "x0 ^ 2"
    assert model.effects(X).values.mean() > 1.2  # the truth is .5: the bias that the test is for
    trees = LinearDML(nuisances="boosted").fit(X, y, treatment=t)
    assert trees.curvature_ is None
    assert abs(trees.effects(X).values.mean() - 0.5) < 0.25  # 10 seeds: at most .17


@pytest.mark.parametrize(
    "bends",
    [
        {"logging": 0.0},
        {"level": 0.0},
        {"logging": 0.0, "level": 0.0},
        {"logging": 0.0, "effect": 1.0},
    ],
)
def test_what_bends_alone_is_no_bias_and_no_warning(bends):
    for seed in range(6):  # 40 seeds of each: at most one warns
        model = fitted(*world(seed, **bends))
        assert not model.curvature_.bends
        assert abs(model.effects(world(seed)[0]).values.mean() - 0.5) < 0.3


def test_odd_bends_show_in_cubes():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2_000, 2))
    wave = 2 * np.sin(2 * X[:, 0])
    t = (rng.random(2_000) < expit(0.9 * wave)).astype(int)
    assert fitted(X, t, wave + rng.normal(size=2_000)).curvature_.bends


def test_several_arms_metrics_weights_and_clusters():
    X, t, y = world(1, n=4_000)
    arms = np.where(t == 1, 1 + np.arange(len(t)) % 2, 0)
    both = np.column_stack([np.random.default_rng(1).normal(size=len(y)), y])
    with pytest.warns(CurvatureWarning, match="y1 both bend"):
        model = LinearDML(space=Arms([0, 1, 2])).fit(
            X, both, treatment=arms, groups=np.arange(len(t)) // 2, sample_weight=1.0 + (t == 1)
        )
    assert model.curvature_.metric == "y1"


def test_a_file_is_looked_at_by_its_first_rows():
    X, t, y = world(2)
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "d": X[:, 3], "t": t, "y": y})
    with pytest.warns(CurvatureWarning, match=r"a \^ 2"):
        model = LinearDML().fit_batches(
            lambda: table.to_batches(max_chunksize=500), treatment="t", outcomes="y"
        )
    assert model.curvature_.rows == 2_000


def test_it_is_not_asked_where_no_line_is_to_blame():
    X, t, y = world(0)
    e = expit(0.9 * (X[:, 0] ** 2 - 1) + 0.3 * X[:, 1])
    known = LinearDML().fit(X, y, treatment=t, propensity=np.column_stack([1 - e, e]))
    assert known.curvature_ is None
    assert PooledDML().fit(X, y, treatment=t).curvature_ is None


def test_a_saved_model_still_says_so(tmp_path):
    X, t, y = world(0)
    model = fitted(X, t, y)
    save_estimator(model, tmp_path / "model")
    assert load_estimator(tmp_path / "model").curvature_ == model.curvature_


# the nuisances


def test_each_target_takes_what_loses_less():
    ridge, trees = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.5, 3.0], [0.5, 0.0]])
    assert nuisances.lesser(ridge, trees, None).tolist() == [[0.5, 1.0], [0.5, 1.0]]
    assert nuisances.lesser(ridge, trees, np.array([1.0, 99.0])).tolist() == [[0.5, 3], [0.5, 0]]


def test_auto_is_the_ridge_of_lines_and_trees_of_bends():
    X, t, y = world(0)
    auto = LinearDML(nuisances="auto").fit(X, y, treatment=t)
    assert abs(auto.effects(X).values.mean() - 0.5) < 0.25
    rng = np.random.default_rng(0)
    straight = X[:, 0] + rng.normal(size=len(X))
    lot = rng.integers(0, 2, len(X))
    ridge = LinearDML().fit(X, straight, treatment=lot)
    auto = LinearDML(nuisances="auto").fit(X, straight, treatment=lot)
    assert auto.theta_ == pytest.approx(ridge.theta_, abs=1e-9)


def test_unknown_nuisances_are_refused_and_files_have_ridges():
    X, t, y = world(0, n=200)
    with pytest.raises(InputError, match="nuisances must be one of ridge, lasso, boosted, auto"):
        LinearDML(nuisances="tree").fit(X, y, treatment=t)
    with pytest.raises(InputError, match="ridges to learn from batches"):
        LinearDML(space=Bits(1), nuisances="auto").fit_batches(list, treatment="t", outcomes="y")
