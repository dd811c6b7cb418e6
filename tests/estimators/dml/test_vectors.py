"""Linear DML of vectors of switches and of waves: effects that vary with features, crosses, other
bases, coefficients.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.estimators import LinearDML, load_estimator, save_estimator
from equipoise.estimators.dml import gram
from equipoise.learners.sample_order import sample_order
from equipoise.treatments import Bits, Dose

# of each switch: constant, and slope in the feature OWN
THETA = np.array([[1.0, 0.5], [-0.5, 1.0], [0.0, -1.0]])
OWN, CROSS = [0, 0, 1], 0.8
SPACE = Bits(["mail", "push", "call"], "all", crosses=2)
ASKED = np.array([[0.0, 0.0, 0.0], [0.5, -0.2, 0.3], [-1.0, 1.0, 0.0]])


def switched(n, seed):
    """Switches that follow the features, an interaction of the first two, a level that is no line,
    and uneven noise.
    """
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    t = (rng.random((n, 3)) < 0.5 + 0.35 * X[:, OWN] * [1, 0, -1]).astype(int)
    gain = (t * (THETA[:, 0] + X[:, OWN] * THETA[:, 1])).sum(axis=1) + CROSS * t[:, 0] * t[:, 1]
    return (
        X,
        t,
        3 * X[:, 0] + np.sin(3 * X[:, 1]) + gain + rng.normal(size=n) * (0.5 + np.abs(X[:, 2])),
    )


def truth(candidates):
    """The effect of each candidate for the units asked, (3, k)."""
    return (THETA[:, 0] + ASKED[:, OWN] * THETA[:, 1]) @ candidates.T + CROSS * candidates[
        :, 0
    ] * candidates[:, 1]


def miss(n, seed, **settings):
    X, t, y = switched(n, seed)
    effects = LinearDML(space=SPACE, **settings).fit(X, y, treatment=t).effects(ASKED)
    return effects.values[:, :, 0] - truth(SPACE.candidates()), effects.std_error[:, :, 0]


def test_equals_least_squares_on_residuals_written_out():
    X, t, y = switched(500, seed=1)
    est = LinearDML(space=SPACE, cv=2, alpha=2.0, random_state=5).fit(X, y, treatment=t)
    z = np.column_stack([np.ones(500), (X - X.mean(axis=0)) / X.std(axis=0)])
    phi, order, fold = SPACE.encode(t), sample_order(X, t), np.empty(500, np.int64)
    fold[order] = fold_ids(500, 2, 5, strata=SPACE.cells(t)[order])
    residual = np.empty((500, 7))
    for f in range(2):
        train, test, both = z[fold != f], z[fold == f], np.column_stack([phi, y])
        beta = np.linalg.solve(train.T @ train + np.diag([0.0, 2, 2, 2]), train.T @ both[fold != f])
        residual[fold == f] = both[fold == f] - test @ beta
    rows = np.column_stack([*(residual[:, [j]] * z for j in range(3)), residual[:, 3:6]])
    theta = np.linalg.lstsq(rows, residual[:, 6])[0]
    bread, error = np.linalg.inv(rows.T @ rows), residual[:, 6] - rows @ theta
    covariance = bread @ (rows.T @ (rows * np.square(error)[:, None])) @ bread * 500 / (500 - 15)
    candidates, effects = SPACE.candidates(), est.effects(X)
    for c, a in enumerate(SPACE.encode(candidates)):
        r = np.column_stack([*(a[j] * z for j in range(3)), np.broadcast_to(a[3:], (500, 3))])
        np.testing.assert_allclose(effects.values[:, c, 0], r @ theta, rtol=1e-9, atol=1e-11)
        spread = np.sqrt(np.einsum("ni,ij,nj->n", r, covariance, r))
        np.testing.assert_allclose(effects.std_error[:, c, 0], spread, rtol=1e-9)
    level = (
        y
        - phi[:, 3:] @ theta[12:]
        - sum(phi[:, j] * (z @ theta[4 * j : 4 * j + 4]) for j in range(3))
    )
    beta = np.linalg.solve(z.T @ z + np.diag([0.0, 2, 2, 2]), z.T @ level)
    np.testing.assert_allclose(effects.baseline[:, 0], z @ beta, rtol=1e-9, atol=1e-11)


def test_finds_effects_of_vectors_and_their_crosses():
    # root mean square of 20 seeds: at most 0.081; at least 0.165 where the treatment is not
    # residualised, 0.294 without crosses
    assert np.sqrt(np.mean(miss(20_000, 0)[0] ** 2)) < 0.12
    assert np.sqrt(np.mean(miss(20_000, 0, treatment_model=DummyRegressor())[0] ** 2)) > 0.12
    X, t, y = switched(20_000, 0)
    plain = (
        LinearDML(space=Bits(3, "all")).fit(X, y, treatment=t).effects(ASKED, SPACE.candidates())
    )
    assert np.sqrt(np.mean((plain.values[:, :, 0] - truth(SPACE.candidates())) ** 2)) > 0.2


def test_intervals_of_vectors_hold_the_truth_as_often_as_they_say():
    # 200 experiments; 0.951 here, 0.945 to 0.955 in three other sets of 400; 0.43 where neither
    # side is residualised
    def held(seeds, **settings):
        return np.mean(
            [
                np.abs(gap) < 1.96 * error
                for gap, error in (miss(1000, seed, **settings) for seed in seeds)
            ]
        )

    assert 0.92 < held(range(200)) < 0.98
    assert held(range(40), treatment_model=DummyRegressor(), outcome_model=DummyRegressor()) < 0.7


def test_neither_the_size_of_blocks_nor_threads_nor_order_matters(monkeypatch):
    X, t, y = switched(3000, seed=2)
    turn = np.random.default_rng(0).permutation(3000)
    found = []
    for block, threads, order in (
        (2048, 1, slice(None)),
        (2048, 2, slice(None)),
        (97, 1, slice(None)),
        (2048, 1, turn),
    ):
        monkeypatch.setattr(gram, "BLOCK", block)
        with threadpool_limits(threads):
            est = LinearDML(space=SPACE).fit(
                X[order], y[order], treatment=t[order], groups=np.arange(3000)[order]
            )
            found.append(est.effects(ASKED))
    np.testing.assert_array_equal(found[1].std_error, found[0].std_error)
    for other in found:
        np.testing.assert_allclose(other.values, found[0].values, rtol=1e-10)
        np.testing.assert_allclose(other.std_error, found[0].std_error, rtol=1e-10)


def test_crosses_vary_with_features_where_asked():
    X, t, y = switched(2000, seed=3)
    # 3 * 4 and 3 crosses
    assert LinearDML(space=SPACE).fit(X, y, treatment=t).covariance_.shape == (1, 15, 15)
    part = LinearDML(space=SPACE, cross_modifiers=[2]).fit(X, y, treatment=t)
    assert part.slots_[-2:].tolist() == [[5, 0], [5, 3]]
    whole = LinearDML(space=SPACE, cross_modifiers=None).fit(X, y, treatment=t)
    assert whole.covariance_.shape == (1, 24, 24)
    few = LinearDML(space=SPACE, modifiers=["x2", "x0"], cross_modifiers=["x0"]).fit(
        X, y, treatment=t
    )
    assert few.theta_.shape == (6, 3, 1)
    assert few.slots_[-2:].tolist() == [[5, 0], [5, 1]]
    for est in (part, whole, few):
        assert np.isfinite(est.effects(ASKED).std_error).all()


# another base than control


def test_a_contrast_is_the_difference_of_effects():
    X, t, y = switched(2000, seed=4)
    est = LinearDML(space=SPACE).fit(X, y, treatment=t)
    effects, candidates = est.effects(ASKED), SPACE.candidates()
    against_none, against_mail = est.contrast(ASKED, [0, 0, 0]), est.contrast(ASKED, candidates[0])
    np.testing.assert_allclose(against_none.values, effects.values, atol=1e-14)
    np.testing.assert_allclose(against_none.std_error, effects.std_error)
    np.testing.assert_allclose(
        against_mail.values, effects.values - effects.values[:, :1], atol=1e-13
    )
    np.testing.assert_allclose(
        against_mail.levels(), est.contrast(ASKED, candidates[:1].repeat(3, 0)).levels()
    )
    np.testing.assert_allclose(against_mail.std_error[:, 0], 0.0, atol=1e-7)
    assert against_mail.candidates == effects.candidates
    policy = candidates[[2, 0, 6]]
    mixed = est.contrast(ASKED, policy, candidates[:2])
    for row in range(3):
        one = est.contrast(ASKED[row : row + 1], policy[row], candidates[:2])
        np.testing.assert_allclose(mixed.values[row], one.values[0], atol=1e-13)
        np.testing.assert_allclose(mixed.baseline[row], one.baseline[0])
        np.testing.assert_allclose(mixed.std_error[row], one.std_error[0], atol=1e-9)
    with pytest.raises(
        InputError, match="base must be one treatment, or one for each of the 3 rows; got 2"
    ):
        est.contrast(ASKED, candidates[:2])


def test_a_contrast_of_doses():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(1000, 1)), rng.random(1000)
    est = LinearDML(space=Dose(0, 1, levels=[0.5, 1])).fit(
        X, X[:, 0] + 2 * dose + rng.normal(size=1000), treatment=dose
    )
    half = est.contrast(X[:3], 0.5)
    np.testing.assert_allclose(half.values[:, 0], 0.0, atol=1e-14)
    np.testing.assert_allclose(half.values[:, 1], est.effects(X[:3]).values[:, 0], rtol=1e-9)


# coefficients


def test_coefficients_are_in_the_units_of_the_columns():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(40, 9, size=(4000, 2)), rng.random(4000) * 100
    y = np.column_stack([X[:, 0] + dose * (0.3 + 0.01 * X[:, 1]), rng.normal(size=4000)])
    est = LinearDML(space=Dose(0, 100), alpha=0).fit(X, y, treatment=dose)
    table = est.coefficients().to_pydict()
    assert table["modifier"] == ["1", "1", "x0", "x0", "x1", "x1"]
    assert table["metric"] == ["y0", "y1"] * 3
    assert table["encoding"] == [0] * 6
    theta, error = np.reshape(table["value"], (3, 2)), np.reshape(table["std_error"], (3, 2))
    at = np.column_stack([np.ones(4000), X])
    np.testing.assert_allclose(
        est.effects(X, [10.0]).values[:, 0], 10 * at @ theta, rtol=1e-8, atol=1e-10
    )
    at_zero = est.effects(np.zeros((1, 2)), [1.0])
    # where x = 0, the effect is the constant
    np.testing.assert_allclose(at_zero.std_error[0, 0], error[0], rtol=1e-8)
    assert (np.abs(theta[:, 0] - [0.3, 0, 0.01]) < 4 * error[:, 0]).all()


def test_vectors_survive_saving(tmp_path):
    X, t, y = switched(800, seed=5)
    est = LinearDML(space=SPACE, cross_modifiers=[0]).fit(X, y, treatment=t)
    save_estimator(est, tmp_path / "model")
    again = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(again.effects(ASKED).std_error, est.effects(ASKED).std_error)
    assert again.coefficients().equals(est.coefficients())


# waves


def test_finds_a_wave_of_fixed_frequency():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(4000, 2)), rng.random(4000)
    wave = np.sin(2 * np.pi * dose + 0.7) - np.sin(0.7)
    y = X[:, 0] + (1 + X[:, 1]) * wave + 0.3 * rng.normal(size=4000)
    levels = [0.1, 0.3, 0.6, 0.9]
    est = LinearDML(space=Dose(0, 1, levels=levels, degree=0, waves=[1])).fit(X, y, treatment=dose)
    effects = est.effects(np.array([[0.0, 0.0], [0.0, 1.0]]))
    true = np.sin(2 * np.pi * np.array(levels) + 0.7) - np.sin(0.7)
    # worst of 20 seeds: 0.030
    np.testing.assert_allclose(effects.values[:, :, 0], np.outer([1, 2], true), atol=0.08)


# bad input


def test_a_switch_that_features_decide_is_refused():
    X, t, y = switched(400, seed=6)
    with pytest.raises(
        InputError, match="column 1 of the encoded treatment must vary among rows of equal features"
    ):
        LinearDML(space=Bits(3), alpha=0).fit(np.column_stack([X, t[:, 1]]), y, treatment=t)


def test_switches_that_go_together_are_refused():
    X, t, y = switched(400, seed=7)
    t[:, 1] = t[:, 0]
    with pytest.raises(InputError, match="vary in all 3 directions"):
        LinearDML(LinearRegression(), space=Bits(3)).fit(X, y, treatment=t)


def test_one_row_of_a_cross_is_refused_by_its_number():
    X, t, y = switched(400, seed=8)
    t[t[:, 0] == 1, 1] = 0
    t[17] = [1, 1, 0]
    with pytest.raises(InputError, match="two or more rows; got 1 at row 17"):
        LinearDML(space=Bits(3, "singles", crosses=2)).fit(X, y, treatment=t)
