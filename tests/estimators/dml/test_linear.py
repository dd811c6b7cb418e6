from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.estimators import LearntPropensity, LinearDML
from equipoise.estimators.dml import answers
from equipoise.learners.sample_order import sample_order
from equipoise.treatments import Arms, Dose


def confounded(n, seed, d=3):
    """A binary treatment and an outcome that both follow x1, and an effect 1 + x0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    e = 0.5 + 0.3 * np.tanh(X[:, 1])
    t = (rng.random(n) < e).astype(int)
    y = 2 * X[:, 1] + t * (1 + X[:, 0]) + rng.normal(size=n) * (1 + 0.5 * t)
    return X, y, t, np.column_stack([1 - e, e])


# by hand


def test_standard_error_by_hand():
    # variance of a * (theta0 + theta1 z) with a = 2, z = 3: 4 * (1 + 2 * 3 * 0.5 + 9 * 2) = 88
    covariance = np.array([[[1.0, 0.5], [0.5, 2.0]]])
    found = answers.effect_errors(
        np.array([[2.0]]), np.array([[1.0], [3.0]]), covariance, np.array([[0, 0], [0, 1]])
    )
    np.testing.assert_allclose(found, np.sqrt(88.0))


# identities


def test_equals_least_squares_on_residuals_made_by_scikit_learn():
    X, y, t, _ = confounded(400, seed=1)
    est = LinearDML(cv=2, alpha=3.0, random_state=5).fit(X, y, treatment=t)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    order, fold = sample_order(X, t), np.empty(400, np.int64)
    fold[order] = fold_ids(400, 2, 5, strata=t[order])
    residual = np.empty((400, 2))
    for f in range(2):
        for j, target in enumerate((t, y)):
            model = Ridge(alpha=3.0).fit(z[fold != f], target[fold != f])
            residual[fold == f, j] = target[fold == f] - model.predict(z[fold == f])
    features = np.column_stack([np.ones(400), z])
    rows = residual[:, :1] * features
    theta = np.linalg.lstsq(rows, residual[:, 1])[0]
    error = residual[:, 1] - rows @ theta
    bread = np.linalg.inv(rows.T @ rows)
    covariance = bread @ (rows.T @ (rows * np.square(error)[:, None])) @ bread * 400 / 396
    effects = est.effects(X)
    # scikit-learn's ridge centres each training half; ours leaves the intercept free of penalty,
    # which is the same model
    np.testing.assert_allclose(effects.values[:, 0, 0], features @ theta, rtol=1e-9)
    np.testing.assert_allclose(
        effects.std_error[:, 0, 0],
        np.sqrt(np.einsum("ni,ij,nj->n", features, covariance, features)),
        rtol=1e-9,
    )
    control = Ridge(alpha=3.0).fit(z, y - t * (features @ theta))
    np.testing.assert_allclose(effects.baseline[:, 0], control.predict(z), rtol=1e-8, atol=1e-10)


def test_a_ridge_given_as_a_model_is_the_built_in_ridge():
    X, y, t, _ = confounded(600, seed=2)
    built_in = LinearDML(alpha=1e-8).fit(X, y, treatment=t).effects(X)
    given = (
        LinearDML(outcome_model=Ridge(alpha=1e-8), treatment_model=Ridge(alpha=1e-8))
        .fit(X, y, treatment=t)
        .effects(X)
    )
    np.testing.assert_allclose(given.values, built_in.values, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(given.std_error, built_in.std_error, rtol=1e-6)
    np.testing.assert_allclose(given.baseline, built_in.baseline, rtol=1e-6, atol=1e-8)


def test_the_unit_of_a_dose_or_a_feature_or_a_weight_does_not_matter():
    X, y, _, _ = confounded(500, seed=3)
    dose = np.random.default_rng(0).integers(4, size=500) / 2
    plain = (
        LinearDML(space=Dose(0, 2, levels=[1, 2], degree=2))
        .fit(X, y + dose, treatment=dose)
        .effects(X)
    )
    cents = LinearDML(space=Dose(0, 200, levels=[100, 200], degree=2))
    scaled = cents.fit(
        X * 1e4 + 7, y + dose, treatment=dose * 100, sample_weight=np.full(500, 30.0)
    ).effects(X * 1e4 + 7)
    np.testing.assert_allclose(scaled.values, plain.values, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(scaled.std_error, plain.std_error, rtol=1e-7)


@pytest.mark.parametrize("shrink", [None, "auto"])
def test_what_later_units_lack_is_taken_for_the_mean_of_fit(shrink):
    X, y, t, _ = confounded(600, 1)
    model = LinearDML(shrink=shrink).fit(X, y, treatment=t)
    gaps, filled = X.copy(), X.copy()
    gaps[3, 0] = gaps[7, 2] = np.nan
    filled[3, 0], filled[7, 2] = X[:, 0].mean(), X[:, 2].mean()
    one, other = model.effects(gaps), model.effects(filled)
    np.testing.assert_allclose(one.values, other.values, atol=1e-12)
    np.testing.assert_allclose(one.baseline, other.baseline, atol=1e-12)
    with pytest.raises(InputError, match="have no missing value"):
        LinearDML(shrink=shrink).fit(gaps, y, treatment=t)  # what teaches is whole


def test_groups_of_one_row_give_the_errors_of_rows():
    X, y, t, _ = confounded(300, seed=4)
    clusters = LinearDML().fit(X, y, treatment=t, groups=np.arange(300)).effects(X)
    rows = LinearDML().fit(X, y, treatment=t).effects(X)
    np.testing.assert_allclose(rows.values, clusters.values, rtol=1e-10)
    np.testing.assert_allclose(rows.std_error, clusters.std_error, rtol=1e-10)


def test_a_column_that_repeats_another_changes_no_effect():
    X, y, t, _ = confounded(500, seed=5)
    twice = np.column_stack([X, X[:, 0], np.ones(500)])
    once, more = (
        LinearDML(alpha=0).fit(X, y, treatment=t),
        LinearDML(alpha=0).fit(twice, y, treatment=t),
    )
    np.testing.assert_allclose(
        more.effects(twice).values, once.effects(X).values, rtol=1e-8, atol=1e-9
    )


def test_no_modifiers_give_one_effect_for_all():
    X, y, t, _ = confounded(500, seed=6)
    values = LinearDML(modifiers=()).fit(X, y, treatment=t).effects(X).values
    assert np.ptp(values) == 0.0
    by_name = LinearDML(modifiers=["x0"]).fit(X, y, treatment=t).effects(X).values[:, 0, 0]
    np.testing.assert_array_equal(
        by_name, LinearDML(modifiers=[0]).fit(X, y, treatment=t).effects(X).values[:, 0, 0]
    )
    turned = LinearDML(modifiers=[2, 0, "x1", 0]).fit(X, y, treatment=t).effects(X).values
    np.testing.assert_array_equal(turned, LinearDML().fit(X, y, treatment=t).effects(X).values)
    assert abs(np.corrcoef(by_name, X[:, 0])[0, 1]) > 1 - 1e-9


def test_levels_are_baseline_and_effect():
    X, y, t, _ = confounded(300, seed=7)
    est = LinearDML().fit(X, y, treatment=t)
    effects = est.effects(X)
    np.testing.assert_array_equal(est.outcomes(X), effects.baseline[:, None] + effects.values)


def test_numbers_do_not_depend_on_the_threads():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(20_000, 12)), rng.random(20_000)
    y = X[:, 0] + dose + rng.normal(size=20_000)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(
                LinearDML(space=Dose(0, 1, degree=4)).fit(X, y, treatment=dose).effects(X[:100])
            )
    np.testing.assert_array_equal(found[0].values, found[1].values)
    np.testing.assert_array_equal(found[0].std_error, found[1].std_error)


# the truth


@pytest.mark.parametrize("known", [True, False], ids=["known propensity", "learnt"])
def test_finds_the_effect_under_confounding(known):
    X, y, t, e = confounded(20_000, seed=0)
    est = LinearDML().fit(X, y, treatment=t, propensity=e if known else None)
    assert est.expectation_ == ("propensity" if known else "learnt")
    values = est.effects(X).values[:, 0, 0]
    # worst of 20 seeds: 0.062 known, 0.066 learnt; naive 1.4 off
    assert np.sqrt(np.mean((values - 1 - X[:, 0]) ** 2)) < 0.09
    # worst of 20 seeds: 0.13
    np.testing.assert_allclose(est.effects(X).baseline[:, 0], 2 * X[:, 1], atol=0.25)


def test_a_known_propensity_saves_a_wrong_outcome_model():
    X, y, t, e = confounded(20_000, seed=0)
    y = y + 4 * np.square(X[:, 1]) - 3 * np.abs(X[:, 1])  # nothing a ridge can see
    values = LinearDML(modifiers=()).fit(X, y, treatment=t, propensity=e).effects(X[:1]).values
    assert abs(values.item() - 1) < 0.2  # worst of 20 seeds: 0.107


@pytest.mark.parametrize("clustered", [False, True], ids=["units", "clusters"])
def test_intervals_hold_the_truth_as_often_as_they_say(clustered):
    # 200 experiments, 3 effects each; binomial noise of the share: 1.5 points
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(120), 5) if clustered else np.arange(600)
        # a cluster shares its features, treatment and a shock
        X = rng.normal(size=(group.max() + 1, 2))[group]
        t = rng.integers(3, size=group.max() + 1)[group]
        shock = rng.normal(size=group.max() + 1)[group] if clustered else 0.0
        y = (
            X[:, 0]
            + (t == 1) * (1 + X[:, 0])
            - (t == 2)
            + shock
            + rng.normal(size=600) * (1 + np.abs(X[:, 1]))
        )
        est = LinearDML(space=Arms([0, 1, 2])).fit(
            X, y, treatment=t, groups=group if clustered else None
        )
        effects = est.effects(np.array([[0.0, 0.0], [1.0, 0.0]]))
        truth = np.array([[1.0, -1.0], [2.0, -1.0]])
        held.append(np.abs(effects.values[:, :, 0] - truth) < 1.96 * effects.std_error[:, :, 0])
    assert 0.90 < np.mean(held) < 0.98


def test_a_learnt_propensity_serves():
    X, y, t, _ = confounded(4000, seed=0)
    est = LinearDML(modifiers=()).fit(X, y, treatment=t, propensity=LearntPropensity())
    assert est.expectation_ == "propensity"
    assert abs(est.effects(X[:1]).values.item() - 1) < 0.2  # worst of 20 seeds: 0.082


def test_a_forest_outcome_finds_a_curved_dose_response():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(3000, 2)), rng.random(3000) * 2
    y = np.abs(X[:, 0]) * 3 + dose - 0.3 * dose**2 + 0.3 * rng.normal(size=3000)
    est = LinearDML(
        RandomForestRegressor(30, min_samples_leaf=20, random_state=0),
        space=Dose(0, 2, levels=[1, 2], degree=2),
    )
    effects = est.fit(X, y, treatment=dose).effects(X)
    # worst of 5 seeds: 0.05
    np.testing.assert_allclose(effects.values.mean(axis=0)[:, 0], [0.7, 0.8], atol=0.1)
    assert np.corrcoef(effects.baseline[:, 0], np.abs(X[:, 0]))[0, 1] > 0.95


# bad input


def test_a_treatment_that_never_varies_is_refused():
    X, y, _, _ = confounded(100, seed=0)
    with pytest.raises(InputError, match="vary in all 1 directions"):
        LinearDML(space=Dose(0, 1)).fit(X, y, treatment=np.full(100, 0.5))
    with pytest.raises(InputError, match="vary in all 2 directions"):
        LinearDML(space=Dose(0, 1, degree=2)).fit(X, y, treatment=np.arange(100) % 2)
    with pytest.raises(InputError, match="row 3"):
        LinearDML(space=Dose(0, 1)).fit(X, y, treatment=np.where(np.arange(100) == 3, 0.4, 0.5))


def test_too_few_rows_for_the_coefficients_are_refused():
    X, y, t, _ = confounded(12, seed=1, d=15)
    with pytest.raises(InputError, match="coefficients.*fewer modifiers"):
        LinearDML(cv=2).fit(X, y, treatment=np.arange(12) % 2)


def test_unknown_modifiers_and_classifiers_and_one_cluster_are_refused():
    X, y, t, _ = confounded(100, seed=0)
    with pytest.raises(InputError, match="modifiers.*'age'"):
        LinearDML(modifiers=["age"]).fit(X, y, treatment=t)
    with pytest.raises(InputError, match="regressor"):
        LinearDML(outcome_model=LogisticRegression()).fit(X, y, treatment=t)
    with pytest.raises(InputError, match="clusters|groups"):
        LinearDML().fit(X, y, treatment=t, groups=np.zeros(100, int))
