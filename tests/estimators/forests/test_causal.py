"""The causal forest against effects that are known, and its kernels against formulas by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators import CausalForest
from equipoise.estimators.forests import leaf_moments, levels, moments
from equipoise.estimators.serialisation import load_estimator, save_estimator
from equipoise.learners.base_learners import BoostedTrees
from equipoise.treatments import Arms

TREES = BoostedTrees(20, learning_rate=0.2, num_leaves=4, n_jobs=1)
MISSING = moments.MISSING


def world(n, seed, clusters=1):
    """Confounded by x0; the effect is 1 + x1 for arm 1 and -1 for arm 2, alike within clusters."""
    rng = np.random.default_rng(seed)
    X = np.repeat(rng.normal(size=(n // clusters, 3)), clusters, axis=0)
    odds = np.exp(np.column_stack([np.zeros(n), X[:, 0], np.full(n, -0.5)]))
    e = odds / odds.sum(axis=1, keepdims=True)
    u = np.repeat(rng.uniform(size=n // clusters), clusters)
    t = (u[:, None] > np.cumsum(e, axis=1)[:, :2]).sum(axis=1)
    tau = np.column_stack([1 + X[:, 1], -np.ones(n)])
    noise = np.repeat(rng.normal(size=n // clusters), clusters)
    y = 2 * X[:, 0] + np.pad(tau, ((0, 0), (1, 0)))[np.arange(n), t] + noise
    return X, y, t, e, tau


def forest(**settings):
    return CausalForest(space=Arms([0, 1, 2]), outcome_model=TREES, **settings)


def few_rows(n=12, d=3, k=1, seed=0):
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, 5, (d, n)).astype(np.uint8)
    return bins, rng.normal(size=(n, k)), rng.normal(size=n), rng.uniform(0.5, 2, n)


def grow(bins, *rest, categorical=None):
    """A tree of numbers, or of the features that are categories."""
    kinds = np.zeros(len(bins), np.bool_) if categorical is None else np.asarray(categorical)
    return moments.grow(*(bins, *rest, kinds))


def solved(W, y, w, theta=None):
    """Weighted least squares of y on W with an intercept, and what it misses."""
    A, s = np.column_stack([np.ones(len(y)), W]), np.sqrt(w)
    theta = np.linalg.lstsq(A * s[:, None], y * s, rcond=None)[0]
    return theta[1:], y - A @ theta


def answer(bins, tree, theta, variance):
    """A forest of this tree is asked about the first row."""
    parts = bins.T[:1].copy(), *tree[:6], np.array([0, 1]), 1, theta, variance
    leaf_moments.answer(*parts)


def test_a_tree_of_one_leaf_is_least_squares_of_the_rows_apart():
    for k in (1, 2):
        bins, W, y, w = few_rows(k=k)
        rows, apart = np.arange(4), np.arange(4, 12)
        tree = grow(bins, W, y, w, rows, apart, 5, 0.05, 3, 0)
        theta, variance = np.empty((2, 1, k))
        answer(bins, tree, theta, variance)
        np.testing.assert_allclose(theta[0], solved(W[4:], y[4:], w[4:])[0], rtol=1e-6)


def test_two_arms_in_one_leaf_differ_by_their_means():
    bins, _, y, w = few_rows()
    t = np.arange(12) % 3 == 0
    rows = np.arange(12)
    tree = grow(bins, t[:, None] - 0.3, y, np.ones(12), rows, rows, 12, 0.05, 3, 0)
    theta, variance = np.empty((2, 1, 1))
    answer(bins, tree, theta, variance)
    assert theta[0, 0] == pytest.approx(y[t].mean() - y[~t].mean(), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_the_first_split_is_the_best_by_the_formula(k):
    for seed in range(20):
        bins, W, y, w = few_rows(14, 3, k, seed)
        W0 = W - np.average(W, axis=0, weights=w)
        L = np.linalg.cholesky(np.einsum("n,na,nb->ab", w, W0, W0) / w.sum())
        pull = np.linalg.solve(L, W0.T).T
        rho, h = (w * solved(W, y, w)[1])[:, None] * pull, w * (pull**2).sum(axis=1)
        score = {}
        for f in range(3):
            for b in range(4):
                left = bins[f] <= b
                low, up = h[left].sum(), h[~left].sum()
                if min(low, up) >= 2 / 14 * h.sum():
                    one, other = rho[left].sum(axis=0), rho[~left].sum(axis=0)
                    score[f, b] = one @ one / low + other @ other / up
        rows = np.arange(14)
        feature, at, *_ = grow(bins, W, y, w, rows, rows.copy(), 2, 0.0, 3, 0)
        best = max(score, key=score.get)
        assert score[int(feature[0]), int(at[0])] == pytest.approx(score[best], rel=1e-6)


def test_missing_values_go_where_the_effect_is_theirs():
    """Those who lack x have the effect of those with a large x."""
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 10, 400), rng.integers(0, 2, 400)
    x[:100] = MISSING
    y = 3.0 * t * (x >= 5)
    bins, rows = x.astype(np.uint8)[None], np.arange(400)
    tree = grow(bins, t[:, None] - 0.5, y, np.ones(400), rows, rows.copy(), 20, 0.05, 1, 0)
    feature, at, left = tree[:3]
    assert (feature[0], at[0], left[0]) == (0, 4, False)
    swapped = 3.0 * t * ((x < 5) | (x == MISSING))
    tree = grow(bins, t[:, None] - 0.5, swapped, np.ones(400), rows, rows.copy(), 20, 0.05, 1, 0)
    assert (tree[1][0], tree[2][0]) == (4, True)


def test_the_rows_that_fill_leaves_do_not_grow_them():
    bins, W, y, w = few_rows(400, 3)
    rows, apart = np.arange(200), np.arange(200, 400)
    one = grow(bins, W, y, w, rows.copy(), apart.copy(), 10, 0.05, 3, 0)
    y[200:] = -y[200:]
    other = grow(bins, W, y, w, rows.copy(), apart.copy(), 10, 0.05, 3, 0)
    for p in range(4):
        np.testing.assert_array_equal(one[p], other[p])
    assert not np.allclose(one[4], other[4])


def test_pruned_to_its_own_size_it_is_the_same_and_to_all_rows_a_root():
    bins, W, y, w = few_rows(400, 3)
    tree = grow(bins, W, y, w, np.arange(200), np.arange(200, 400), 10, 0.05, 3, 0)
    for part, kept in zip(tree, moments.prune(*(*tree, 10)), strict=False):
        np.testing.assert_array_equal(part, kept)
    assert [len(part) for part in moments.prune(*(*tree, 200))][:5] == [1] * 5


def test_little_bags_by_hand():
    """Between bags 2.5, within 1 / 2: far above its error, so that hardly anything is added."""
    pull = np.repeat([[-2.0], [1.0], [2.0], [-1.0]] * 500, 2, axis=0)
    pull[::2] += 0.5
    pull[1::2] -= 0.5
    variance = np.empty(1)
    leaf_moments.little_bags(pull, 2, variance)
    assert variance[0] == pytest.approx(2.5 - 0.25 + 2.5 / 2000, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_a_pull_is_what_a_little_more_of_the_leaf_moves(k):
    _, W, y, w = few_rows(40, k=k)
    leaf, forest, L, theta = np.empty((2, 2 + 2 * k + k * (k + 1) // 2)), None, np.zeros((k, k)), []
    for out, rows in zip(leaf, (np.arange(20), np.arange(20, 40)), strict=True):
        moments.sums_of(rows, W, y, w, out)
        out /= out[0]
    for more in (1e-6, 0.0):
        forest = leaf.mean(axis=0) + more * (leaf[0] - leaf.mean(axis=0))
        theta.append(np.empty(k))
        moments.solve(forest, L, theta[-1])
    pull = np.empty(k)
    leaf_moments.influence(leaf[0], forest, L, theta[1], pull)
    np.testing.assert_allclose((theta[0] - theta[1]) / 1e-6, pull, rtol=1e-3)


def test_it_finds_effects_under_confounding():
    """Of seeds 0 to 19: root mean squared errors .15 to .30 and, of arm 2, .10 to .28; their
    intervals hold .85 to .98 and .91 to 1 of the effects.
    """
    X, y, t, e, _ = world(3000, 1)
    new, *_, truth = world(1000, 1001)
    found = forest().fit(X, y, treatment=t, propensity=e).effects(new)
    miss = found.values[:, :, 0] - truth
    assert (np.sqrt(np.mean(miss**2, axis=0)) < 0.4).all()
    held = np.mean(np.abs(miss) < 1.96 * found.std_error[:, :, 0], axis=0)
    assert (held > 0.8).all()
    assert held[0] < 0.99


def test_flat_effects_get_large_leaves():
    """Of seeds 0 to 9: PEHE .01 to .10; .17 to .21 by leaves of 5."""
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(4_000, 4)), rng.integers(0, 2, 4_000)
    y = X[:, 0] + 0.5 * t + rng.normal(size=4_000)
    fitted = CausalForest(40).fit(X, y, treatment=t, propensity=np.full((4_000, 2), 0.5))
    assert fitted.min_samples_leaf_[0] > 40
    assert np.sqrt(np.mean((fitted.effects(X).values[:, 0, 0] - 0.5) ** 2)) < 0.15


def test_clusters_have_larger_errors_than_rows():
    X, y, t, e, _ = world(2000, 0, clusters=5)
    group = np.arange(2000) // 5
    rows = forest(min_samples_leaf=100).fit(X, y, treatment=t, propensity=e)
    whole = forest(min_samples_leaf=100).fit(X, y, treatment=t, propensity=e, groups=group)
    ratio = whole.effects(X).std_error.mean() / rows.effects(X).std_error.mean()
    assert 1.4 < ratio < 3.5


def test_a_steep_effect_asks_for_smaller_leaves_than_a_flat_one():
    X, y, t, e, _ = world(3000, 0)
    steep = y + 4 * (t == 1) * np.sin(3 * X[:, 2])
    flat = y - (t == 1) * X[:, 1]
    model = forest(n_estimators=40).fit(
        X, np.column_stack([steep, flat]), treatment=t, propensity=e
    )
    assert model.min_samples_leaf_[0] < model.min_samples_leaf_[1]


def test_the_same_bytes_for_any_number_of_threads_and_features_drawn():
    X, y, t, *_ = world(600, 0)
    one, three = (
        forest(n_estimators=8, max_features=0.5, n_jobs=j).fit(X, y, treatment=t).effects(X)
        for j in (1, 3)
    )
    assert one.values.tobytes() == three.values.tobytes()
    assert one.std_error.tobytes() == three.std_error.tobytes()


def test_text_and_missing_features():
    X, y, t, *_ = world(900, 0)
    kind = np.where(X[:, 1] > 0, "new", "old").astype(object)
    kind[::9] = None
    frame = pd.DataFrame({"kind": kind, "x": np.where(X[:, 0] > 1.5, np.nan, X[:, 0])})
    effects = forest(n_estimators=24).fit(frame, y, treatment=t).effects(frame).values[:, 0, 0]
    assert effects[kind == "new"].mean() > effects[kind == "old"].mean() + 0.5


@pytest.mark.parametrize(
    "settings",
    [
        {"n_estimators": 10},
        {"n_estimators": 4},
        {"subforest_size": 1},
        {"min_samples_leaf": 0},
        {"max_bin": 255},
        {"max_features": 0.0},
    ],
)
def test_settings_that_make_no_forest_are_refused(settings):
    X, y, t, *_ = world(60, 0)
    with pytest.raises(InputError):
        forest(**settings).fit(X, y, treatment=t)


def levels_world(n, seed):
    """A coin, noise 1, and an effect of its own for each of 40 levels."""
    rng = np.random.default_rng(seed)
    code, t = rng.integers(0, 40, n), rng.integers(0, 2, n)
    tau = np.random.default_rng(7).normal(size=40)[code]
    x = rng.normal(size=(n, 2))
    frame = {"kind": [f"level {c}" for c in code], "x0": x[:, 0], "x1": x[:, 1]}
    return pd.DataFrame(frame), code, x, t, x[:, 0] + t * tau + rng.normal(size=n), tau


def test_a_category_of_many_levels_is_divided_by_sets_of_them():
    """Root mean squared errors of seeds 0 to 2 and four numbers beside: .33 by sets, .53 by the
    codes as numbers, .81 by one column a level.
    """
    frame, code, x, t, y, _ = levels_world(4000, 0)
    new, new_code, new_x, *_, truth = levels_world(1000, 100)
    numbers = [np.column_stack([a, np.eye(40)[b]]) for a, b in ((x, code), (new_x, new_code))]
    errors = []
    for train, asked in ((frame, new), numbers):
        model = CausalForest(24, outcome_model=TREES).fit(train, y, treatment=t)
        errors.append(np.sqrt(np.mean((model.effects(asked).values[:, 0, 0] - truth) ** 2)))
    assert errors[0] < 0.5
    assert errors[0] < 0.65 * errors[1]


@pytest.mark.parametrize("k", [1, 2])
def test_the_set_of_levels_is_the_best_of_all_sets(k):
    """Of few levels and one arm; of two arms close to it, for the axis is the first alone."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rho, h = np.zeros((2, 256, k)), np.zeros((2, 256))
        rho[0, :5], h[0, :5] = rng.normal(size=(5, k)), rng.uniform(0.5, 2, 5)
        inside, whole = np.empty(4, np.uint64), rho[0].sum(axis=0)
        gain = levels.best_set(rho, h, 0.0, inside)
        chosen = np.array([levels.in_set(inside, b) for b in range(5)])
        gains = {}
        for number in range(1, 31):
            left = (number >> np.arange(5)) & 1 == 1
            one, low = rho[0, :5][left].sum(axis=0), h[0, :5][left].sum()
            apart = one - whole * low / h.sum()
            gains[number] = apart @ apart * h.sum() / (low * (h.sum() - low))
        assert gain == pytest.approx(gains[int(chosen @ 2 ** np.arange(5))])
        assert gain >= (1 - 1e-9 if k == 1 else 0.6) * max(gains.values())


def test_a_new_level_goes_where_most_rows_do():
    rng = np.random.default_rng(0)
    x, t = rng.choice(4, 400, p=[0.1, 0.2, 0.3, 0.4]), rng.integers(0, 2, 400)
    y, rows = 3.0 * t * (x % 2), np.arange(400)
    bins = x.astype(np.uint8)[None]
    least = 20, 0.05, 1, 0
    tree = grow(
        bins, t[:, None] - 0.5, y, np.ones(400), rows, rows.copy(), *least, categorical=[True]
    )
    assert tree[1][0] == MISSING
    sides = [levels.in_set(tree[5][0], b) for b in (0, 1, 2, 3, 9, MISSING)]
    assert sides[0] == sides[2] != sides[1] == sides[3] == sides[4] == sides[5]


def test_a_forest_without_categories_answers_as_one_saved_before_there_were_any():
    X, y, t, *_ = world(600, 0)
    model = forest(n_estimators=8).fit(X, y, treatment=t)
    before = model.effects(X).values
    model.kept_ = None
    model.forests_ = [{name: f[name] for name in f if name != "sets"} for f in model.forests_]
    np.testing.assert_array_equal(model.effects(X).values, before)


def test_a_forest_with_categories_is_saved_and_new_levels_are_answered(tmp_path):
    frame, _, _, t, y, _ = levels_world(1200, 0)
    model = CausalForest(8, outcome_model=TREES).fit(frame, y, treatment=t)
    save_estimator(model, tmp_path / "forest")
    again = load_estimator(tmp_path / "forest")
    strange = frame.assign(kind="never seen")
    for asked in (frame, strange):
        values = model.effects(asked).values
        np.testing.assert_array_equal(values, again.effects(asked).values)
    assert len(model.forests_[0]["sets"]) > 0
    assert np.isfinite(values).all()


def test_some_columns_of_a_category_may_be_modifiers_and_a_whole_category():
    rng = np.random.default_rng(0)
    kind, t = rng.choice(["a", "b", "c"], 600), rng.integers(0, 2, 600)
    frame = pd.DataFrame({"kind": kind, "x": rng.normal(size=600)})
    y = 2.0 * t * (kind == "b") + rng.normal(size=600)
    for modifiers in (["kind"], ["x"]):
        model = CausalForest(8, modifiers=modifiers, outcome_model=TREES).fit(frame, y, treatment=t)
        values = model.effects(frame).values[:, 0, 0]
        apart = [np.ptp(values[kind == level]) for level in "abc"]
        assert (max(apart) == 0) == (modifiers == ["kind"])


def test_missing_features_have_the_effect_of_those_who_lack_them():
    """A gap is a side of a split: those without x have the effect 2, others 0; of seeds 0 to 4 the
    means are 1.8 to 2.1 and -.1 to .1.
    """
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(3000, 2)), rng.integers(0, 2, 3000)
    gap = rng.uniform(size=3000) < 0.3
    X[gap, 0] = np.nan
    y = X[:, 1] + 2.0 * t * gap + 0.5 * rng.normal(size=3000)
    values = CausalForest(24, outcome_model=TREES).fit(X, y, treatment=t).effects(X).values[:, 0, 0]
    assert values[gap].mean() == pytest.approx(2.0, abs=0.3)
    assert values[~gap].mean() == pytest.approx(0.0, abs=0.2)
