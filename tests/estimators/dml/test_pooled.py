from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge

from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.estimators import Bootstrapped, LinearDML, PooledDML, load_estimator, save_estimator
from equipoise.estimators.dml import linear
from equipoise.estimators.dml.batches import row_folds
from equipoise.learners.sample_order import sample_order
from equipoise.treatments import Arms, Bits, Dose

LEVELS = np.round(np.linspace(0.2, 3.0, 14), 2)


def packets(n, seed, d=8):
    """Fifteen amounts of money given at random: returns to them diminish, they vary a little with
    one feature, and noise is large.  X, y, amounts, and the true effects of some users and levels.
    """
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(n, d)), rng.normal(size=(500, d))
    t = np.concatenate([[0.0], LEVELS])[rng.integers(len(LEVELS) + 1, size=n)]

    def effect(x, amount):
        return 0.05 * np.log1p(amount) * (1 + 0.3 * x[:, 0])

    y = (0.4 + effect(X, t) + 0.1 * X[:, 1] > rng.random(n)).astype(float)
    return X, y, t, Z, np.stack([effect(Z, amount) for amount in LEVELS], axis=1)


def amounts(degree=3):
    return Dose(0, 3, levels=LEVELS, degree=degree)


def rmse(effects, truth):
    return float(np.sqrt(np.mean((effects.values[:, :, 0] - truth) ** 2)))


def test_equals_a_dense_ridge_on_residuals_made_by_scikit_learn():
    X, y, t, Z, _ = packets(600, seed=1, d=2)
    space = amounts(2)
    est = PooledDML(space=space, own=True, cv=2, random_state=5).fit(X, y, treatment=t)
    known = np.unique(t)
    phi, own = space.encode(t), np.eye(15)[np.searchsorted(known, t)]
    own[:, 0] -= 1.0
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    order, fold = sample_order(X, t), np.empty(600, np.int64)
    cell = np.searchsorted(known, t)
    fold[order] = fold_ids(600, 2, 5, strata=cell[order])
    targets = np.column_stack([phi, own, (y - y.mean()) / y.std()])
    residual = np.empty_like(targets)
    for f in range(2):
        model = Ridge(alpha=1.0).fit(z[fold != f], targets[fold != f])
        residual[fold == f] = targets[fold == f] - model.predict(z[fold == f])
    spread = np.sqrt(np.square(residual[:, :-1]).mean(axis=0))
    spread[2:] = np.sqrt(np.square(spread[2:]).mean())  # own deviations share a unit
    rows = (residual[:, :-1] / spread)[:, :, None] * np.column_stack([np.ones(600), z])[:, None]
    a, b, c = (est.penalties_[key][0] for key in ("average", "interaction", "own"))
    ridge = np.tile([a, b, b], (17, 1))
    ridge[2:] *= c / a
    used = np.isfinite(ridge.ravel())
    flat = rows.reshape(600, -1)[:, used]
    theta = np.zeros(17 * 3)
    theta[used] = np.linalg.solve(
        flat.T @ flat + np.diag(ridge.ravel()[used]), flat.T @ residual[:, -1]
    )
    places = np.searchsorted(known, LEVELS)
    encoded = np.hstack([space.encode(LEVELS), np.eye(15)[places]])
    encoded[:, 2] -= 1.0
    ones = np.column_stack([np.ones(500), (Z - X.mean(axis=0)) / X.std(axis=0)])
    expected = np.einsum("kp,pq,nq->nk", encoded / spread, theta.reshape(17, 3), ones) * y.std()
    found = est.effects(Z)
    np.testing.assert_allclose(found.values[:, :, 0], expected, rtol=1e-6, atol=1e-9)


def test_halves_the_error_of_many_treatments_that_are_alike():
    ratios = []
    for seed in range(4):
        X, y, t, Z, truth = packets(6000, seed)
        arms, cell = Arms(list(range(15))), np.searchsorted(LEVELS, t, side="right")
        least = LinearDML(space=arms).fit(X, y, treatment=cell).effects(Z)
        own = PooledDML(space=amounts(), own=True).fit(X, y, treatment=t).effects(Z)
        one_hot = PooledDML(space=arms).fit(X, y, treatment=cell).effects(Z)
        ratios.append(
            [rmse(own, truth) / rmse(least, truth), rmse(one_hot, truth) / rmse(least, truth)]
        )
    # means of 12 seeds: 0.29 and 0.45; worst 0.50 and 0.61
    assert (np.mean(ratios, axis=0) < 0.5).all()


def test_strong_interactions_are_kept():
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(4000, 3)), rng.integers(3, size=4000)
    tau = np.stack([1 + 2 * X[:, 0], -X[:, 1]], axis=1)
    y = X[:, 2] + (t == 1) * tau[:, 0] + (t == 2) * tau[:, 1] + rng.normal(size=4000)
    found = PooledDML(space=Arms([0, 1, 2])).fit(X, y, treatment=t)
    assert found.penalties_["interaction"][0] <= 100
    assert rmse(found.effects(X), tau) < 0.14  # worst of 10 seeds: 0.118


def test_batches_give_what_all_rows_at_once_give(monkeypatch):
    X, y, t, Z, _ = packets(900, seed=2, d=2)
    order = sample_order(X, t, ties=[y])
    monkeypatch.setattr(
        linear, "fold_ids", lambda n, folds, seed, **_: row_folds(0, n, folds, seed)[order]
    )
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "amount": t, "back": y})
    for own in (False, True):
        model = PooledDML(space=amounts(), own=own, cv=3)
        batches = PooledDML(space=amounts(), own=own, cv=3).fit_batches(
            lambda: table.to_batches(max_chunksize=200), treatment="amount", outcomes="back"
        )
        whole = model.fit(X, y, treatment=t).effects(Z)
        parts = batches.effects(Z)
        np.testing.assert_allclose(parts.values, whole.values, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(parts.baseline, whole.baseline, rtol=1e-6, atol=1e-9)


def test_standard_errors_are_refused_and_the_bootstrap_gives_them():
    X, y, t, Z, _ = packets(900, seed=3, d=2)
    est = PooledDML(space=amounts(), own=True).fit(X, y, treatment=t)
    assert not est.gives_std_error
    assert LinearDML().gives_std_error
    assert est.effects(Z).std_error is None
    assert est.contrast(Z, 1.04).std_error is None
    assert est.contrast(Z, np.full(500, 1.04)).std_error is None
    assert est.coefficients()["std_error"].null_count == len(est.coefficients())
    again = Bootstrapped(PooledDML(space=amounts(), cv=2), 3).fit(X, y, treatment=t)
    assert (again.effects(Z).std_error > 0).all()


def test_a_contrast_is_a_difference_of_effects():
    X, y, t, Z, _ = packets(900, seed=4, d=2)
    est = PooledDML(space=amounts(), own=True).fit(X, y, treatment=t)
    effects, contrast = est.effects(Z).values, est.contrast(Z, LEVELS[2]).values
    np.testing.assert_allclose(contrast, effects - effects[:, [2]], atol=1e-10)


def test_a_snapshot_keeps_own_deviations(tmp_path):
    X, y, t, Z, _ = packets(900, seed=5, d=2)
    est = LinearDML(space=amounts(), shrink="auto", own=True).fit(X, y, treatment=t)
    save_estimator(est, tmp_path / "model")
    again = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(again.effects(Z).values, est.effects(Z).values)
    assert again.penalties_.keys() == est.penalties_.keys()


def test_bad_settings_are_refused():
    X, y, t, _, _ = packets(400, seed=0, d=2)
    with pytest.raises(InputError, match='None, "auto" or "lasso"'):
        PooledDML(space=amounts(), shrink="much").fit(X, y, treatment=t)
    with pytest.raises(InputError, match="own deviations must be shrunk"):
        LinearDML(space=amounts(), own=True).fit(X, y, treatment=t)
    each = np.random.default_rng(0).uniform(0, 3, 400)
    with pytest.raises(InputError, match="at most 300 distinct"):
        PooledDML(space=amounts(), own=True).fit(X, y, treatment=each)


def test_switches_that_were_never_on_together_have_no_interaction_and_a_constant_is_refused():
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(600, 2)), np.array([[0, 0], [1, 0], [0, 1]])[np.arange(600) % 3]
    y = t @ [1.0, 2.0] + rng.normal(size=600)
    found = PooledDML(space=Bits(2, "all", crosses=2)).fit(X, y, treatment=t).effects(X)
    values = found.values.mean(axis=0)[:, 0]
    np.testing.assert_allclose(values[-1], values[:2].sum())  # both: by the form
    for space, given in ((Dose(0, 2), np.full(600, 0.7)), (Bits(2, "all"), t * [1, 0])):
        with pytest.raises(InputError, match="must vary, for the log.*one value"):
            PooledDML(space=space).fit(X, y, treatment=given)
