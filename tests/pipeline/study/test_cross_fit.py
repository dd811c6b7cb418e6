"""Cross-fitted effects: no row's effects may come from a model that saw the row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, Ridge

from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.data import make_coupon_world, read_log
from equipoise.estimators import BoostedTrees, DRLearner, LinearDML, TLearner, XLearner
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.schema import EstimatorPlan
from equipoise.pipeline.study.cross_fit import (
    cross_fit,
    cross_fit_effects,
    extra_metrics,
    fit_model,
    log_folds,
)
from equipoise.treatments import Arms


class Memory(BaseEstimator):
    """Says 1 for a row whose first feature it saw in fit, else 0."""

    def __init__(self, space=None):
        self.space = space

    def fit(self, X, y, *, treatment, propensity=None, sample_weight=None, groups=None):
        self.seen_ = set(X.column(0).to_pylist())
        self.metrics_ = tuple(y.column_names)
        return self

    def effects(self, X, candidates=None):
        hit = np.array([float(x in self.seen_) for x in X.column(0).to_pylist()])
        m = len(self.metrics_)
        values = np.repeat(hit[:, None, None], m, axis=2)
        return Effects(
            values,
            np.zeros((len(hit), m)),
            self.space.names(self.space.candidates()),
            self.metrics_,
        )


def toy(n=12, **roles) -> Log:
    table = {
        "t": np.arange(n) % 2,
        "y": np.arange(n, dtype=float),
        "x": np.arange(n) * 10.0,
        "took": (np.arange(n) % 4 == 1).astype(int),
        "user": np.arange(n) // 3,
    }
    return read_log(table, treatment="t", outcomes={"y": "amount"}, features=["x"], **roles)


def clusters(count, arms, rows=20):
    """Whole clusters under one arm each, dealt in turn."""
    rng = np.random.default_rng(0)
    store = np.repeat(np.arange(count), rows)
    table = {
        "arm": np.array(list("abc"))[np.asarray(arms)][store],
        "x": rng.normal(size=len(store)),
        "y": rng.normal(size=len(store)),
        "store": store,
    }
    roles = {"treatment": "arm", "outcomes": "y", "group": "store", "design": [1 / 3] * 3}
    return read_log(table, space=Arms(list("abc")), **roles)


@pytest.mark.parametrize("seed", range(5))
def test_whole_clusters_are_dealt_so_that_every_fold_learns_every_arm(seed):
    log = clusters(12, np.arange(12) % 3)
    assert log.roles.features == ("x",)  # 12 first rows of a cluster are too few to compare
    learner = DRLearner(LinearRegression(), LinearRegression())
    assert np.isfinite(cross_fit_effects(log, learner, cv=5, random_state=seed).values).all()


@pytest.mark.parametrize("learner", [TLearner, DRLearner])
def test_an_arm_of_one_cluster_is_an_error_that_says_so(learner):
    log = clusters(7, [0, 0, 0, 1, 1, 1, 2])
    with pytest.raises(InputError, match="treatment 'c' must .*groups are never torn apart: log"):
        cross_fit_effects(log, learner(LinearRegression()), cv=2)


def test_no_model_saw_the_row_it_speaks_of():
    log = toy()
    assert (cross_fit_effects(log, Memory(), cv=3).values == 0).all()
    in_sample = fit_model(log, Memory()).effects(log.features)
    assert (in_sample.values == 1).all()


def test_no_model_saw_the_cluster_it_speaks_of():
    log = toy(group="user")
    fold = log_folds(log, 3, seed=0)
    assert all(len(set(fold[log.groups == g])) == 1 for g in range(4))
    assert not np.array_equal(fold, log_folds(toy(), 3, seed=0))


def test_effects_stand_in_the_order_of_the_log():
    log, _ = make_coupon_world(600, seed=3)
    trees = TLearner(BoostedTrees(n_estimators=5))
    fold = log_folds(log, 2, 0)
    effects = cross_fit(log, trees, fold).effects
    for f in (0, 1):
        model = fit_model(log.take(fold != f), trees)
        rows = np.flatnonzero(fold == f)
        assert np.array_equal(
            effects.values[rows], model.effects(log.features.take(pa.array(rows))).values
        )


def test_what_a_cost_needs_is_a_metric_of_the_same_fit():
    assert extra_metrics(toy()) == ()
    assert extra_metrics(toy(claimed="took")) == ("took",)
    assert cross_fit_effects(toy(claimed="took"), Memory(), cv=2).metrics == ("y", "took")


def test_a_claim_that_is_an_outcome_is_fitted_once():
    table = {"t": [0, 1] * 4, "y": [0, 1, 0, 0, 1, 1, 0, 1], "x": range(8)}
    roles = Roles("t", (Outcome("y", "binary"),), ("x",), claimed="y")
    assert extra_metrics(Log(pa.table({k: list(v) for k, v in table.items()}), roles, Arms())) == ()


def test_same_seed_same_effects_and_inputs_stay():
    log, _ = make_coupon_world(500, seed=1)
    before = log.table
    one, two = (
        cross_fit_effects(log, TLearner(BoostedTrees(n_estimators=5)), cv=2, random_state=7)
        for _ in range(2)
    )
    assert np.array_equal(one.values, two.values)
    assert log.table.equals(before)


def test_an_arm_too_small_for_its_folds_is_named():
    table = {"t": ["none"] * 10 + ["mail"] * 2, "y": np.arange(12.0), "x": np.arange(12.0)}
    log = read_log(table, treatment="t", outcomes={"y": "amount"}, space=Arms(["none", "mail"]))
    with pytest.raises(ValueError, match="mail"):
        cross_fit_effects(log, TLearner(BoostedTrees(n_estimators=2, min_child_samples=1)), cv=12)


def test_folds_follow_ids_and_every_arm_keeps_its_share():
    n, order = 120, np.random.default_rng(0).permutation(120)
    table = {"t": np.arange(n) % 3 > 0, "y": np.arange(n) * 1.0, "user": np.arange(n)}
    roles = {"treatment": "t", "outcomes": {"y": "amount"}, "features": [], "id": "user"}
    log = read_log({name: values.astype(float) for name, values in table.items()}, **roles)
    turned = read_log(
        {name: values[order].astype(float) for name, values in table.items()}, **roles
    )
    fold = log_folds(log, 4, 0)
    assert (log_folds(turned, 4, 0) == fold[order]).all()
    for arm in (0, 1):
        assert np.ptp(np.bincount(fold[log.cells == arm])) <= 1


@pytest.mark.parametrize(
    "estimator",
    [LinearDML(), DRLearner(Ridge(), Ridge()), TLearner(Ridge()), XLearner(Ridge(), Ridge())],
    ids=["dml", "dr", "t", "x"],
)
def test_a_level_that_one_fold_alone_has_stops_no_estimator(estimator):
    rng = np.random.default_rng(0)
    n = 2000
    x, t = rng.normal(size=n), rng.integers(0, 2, n)
    zips = [f"z{k}" for k in rng.zipf(1.3, n).clip(0, 5000)]
    frame = {"x": x, "zip": zips, "t": t, "y": x * t + rng.normal(size=n)}
    log = read_log(
        frame,
        treatment="t",
        outcomes={"y": "continuous"},
        features=["x", "zip"],
        design="shares",
    )
    effects = cross_fit_effects(log, estimator).values[:, 0, 0]
    assert np.corrcoef(effects, x)[0, 1] > 0.85


def test_swapped_effects_are_of_the_folds_before_which_saw_the_rows():
    log = toy()
    fold = log_folds(log, 3, 0)
    every = cross_fit(log, Memory(Arms([0, 1])), fold).swapped
    for step, swapped in enumerate(every, 1):
        assert swapped.rows.tolist() == list(range(12)), "of a small log all rows"
        assert ((swapped.fold + step) % 3).tolist() == fold.tolist()
        assert (swapped.effects.values == 1).all()
    assert len(every) == 2
    assert len(cross_fit(log, Memory(Arms([0, 1])), fold % 2).swapped) == 1


@pytest.mark.parametrize("name", ["dr-learner", "r-learner", "x-learner", "dml"])
def test_a_plan_names_modifiers_by_columns_of_the_log(name):
    """Effects hang on the town alone, whose levels are columns of their own by then."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "t": np.arange(1000) % 2,
            "y": rng.gamma(2.0, size=1000),
            "x": rng.normal(size=1000),
            "town": np.resize(["n", "n", "s"], 1000),
        }
    )
    there = 3.0 * (np.asarray(table["t"]) == 1) * (np.asarray(table["town"]) == "s")
    table = table.set_column(1, "y", pa.array(np.asarray(table["y"]) + there))
    features = ["x", "town"]
    log = read_log(table, treatment="t", outcomes={"y": "amount"}, features=features)
    plan = EstimatorPlan(name=name, params={"modifiers": ["town"]})
    model = fit_model(log, make_estimator(plan, log.space, 0))
    values = model.effects(log.table).values[:, 0, 0]
    assert len(np.unique(values.round(9))) == 2
