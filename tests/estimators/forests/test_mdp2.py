"""The forest against worlds whose best mixes are known, and against what it may not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data.simulators.shares import make_mdp2_world, make_shares_standin
from equipoise.estimators.forests import kernels, leaf_choice, ridges
from equipoise.estimators.forests.mdp2 import MDP2Forest, balance
from equipoise.estimators.training_data import sample
from equipoise.learners.base_learners import BoostedTrees
from equipoise.treatments import Shares

PUBLISHED = {"integral": "width", "centred": False, "residual": False, "criterion": "mdpp"}


def fitted(world, **settings):
    cuts = {"n_estimators": 10, "leaf": "mdpp", "space": Shares(world.T.shape[1])}
    made = MDP2Forest(**{**cuts, **settings})
    return made.fit(world.X, world.y, treatment=world.T)


@pytest.fixture(scope="module")
def world():
    return make_mdp2_world(3000, seed=1)


def test_it_finds_the_public_worlds_optimum_and_the_published_criterion_does_not(world):
    """Uniform shares have a regret of 0.0475."""
    new = make_mdp2_world(1000, seed=1001)
    ours, published = fitted(world).recommend(new.X), fitted(world, **PUBLISHED).recommend(new.X)
    assert new.regret(ours) < 0.008 < 0.03 < new.regret(published)
    assert new.squared_error(ours) < 0.02


def test_without_the_residual_confounding_passes_for_an_effect():
    world, new = (
        make_shares_standin(4000, seed=0, kind="quad"),
        make_shares_standin(1000, seed=1000, kind="quad"),
    )
    uniform = new.regret(np.full((1000, 10), 0.1))
    assert (
        new.regret(fitted(world).recommend(new.X))
        < uniform
        < new.regret(fitted(world, residual=False).recommend(new.X))
    )


@pytest.mark.parametrize("leaf", ["mdpp", "curve"])
def test_recommendations_are_mixes(world, leaf):
    mix = fitted(world, leaf=leaf).recommend(world.X[:200])
    assert (mix >= 0).all()
    np.testing.assert_allclose(mix.sum(axis=1), 1, atol=1e-9)


def hills(n, seed):
    """Three shares whose best mix lies inside and follows two features, without noise."""
    rng = np.random.default_rng(seed)
    X, T = rng.normal(size=(n, 3)), rng.dirichlet([3.0] * 3, n)
    best = 0.3 + np.column_stack([0.2 * np.sin(X[:, :2]), np.full(n, 0.1)])
    best /= best.sum(axis=1, keepdims=True)
    return X, T, best, X[:, 2] - ((T - best) ** 2).sum(axis=1)


def test_the_default_is_near_the_better_kind_of_leaf():
    """Squared errors of seeds 0 to 2 over the better of both: 1.00; over the worse: .43 to .68."""
    X, T, _, y = hills(3000, 0)
    new, _, best, _ = hills(1000, 100)

    def regret(**settings):
        made = MDP2Forest(n_estimators=10, space=Shares(3), **settings).fit(X, y, treatment=T)
        return ((made.recommend(new) - best) ** 2).sum(axis=1).mean()

    default, cuts, curves = regret(), regret(leaf="mdpp"), regret(leaf="curve")
    assert default < 1.1 * min(cuts, curves)
    assert default < 0.9 * max(cuts, curves)


@pytest.mark.parametrize(
    ("more", "spread", "kind"),
    [
        ((2.0, 1.0), 0.5, "mdpp"),
        ((1.0, 2.0), 0.5, "curve"),
        ((0.1, 0.0), 5.0, "both"),
        ((-1, -2), 0, "both"),
    ],
)
def test_a_kind_alone_is_taken_only_where_rows_are_sure(more, spread, kind, monkeypatch):
    """More than both, by so much a row: by two standard errors of the mean of 100 rows or more."""
    noise = spread * np.tile([-1.0, 1.0], 25)

    def values(forest, X, T, w, y, inside, kinds):
        gain = {"both": np.zeros(50), "mdpp": more[0] + noise, "curve": more[1] + noise}
        return np.stack([gain[kind] for kind in kinds])

    monkeypatch.setattr(leaf_choice, "held_out", values)
    rows = np.zeros((100, 2)), np.zeros((100, 2)), np.ones(100), np.zeros(100), np.arange(100) % 2
    assert leaf_choice.choose_leaf(None, *rows, leaf_choice.KINDS) == kind
    assert leaf_choice.choose_leaf(None, *rows, ("curve",)) == "curve"


def test_trees_are_shallow_and_deep_in_turn():
    X, T, _, y = hills(3000, 0)
    made = MDP2Forest(4, min_samples_leaf=2, leaf="both", space=Shares(3)).fit(X, y, treatment=T)
    nodes = np.diff(made.forests_[0]["starts"])
    assert nodes[[0, 2]].max() <= 2**8 < nodes[[1, 3]].min()


def test_the_value_of_a_division_by_hand():
    """Rows at the division count fully, what the curves say there is corrected by what they miss:
    f = 1, and the only near row got 1 more than it says.
    """
    T = np.array([[0.2, 0.8], [0.9, 0.1], [0.0, 1.0], [0.5, 0.5], [0.6, 0.4]])
    mix, y = np.tile([0.2, 0.8], (5, 1)), np.array([2.0, 9.0, 9.0, 9.0, 9.0])
    value = leaf_choice.values_of(mix, T, y, np.ones(5), lambda t: np.ones(len(t))).mean()
    far = np.quantile(((T - mix) ** 2).sum(axis=1), leaf_choice.NEAR)
    assert far == pytest.approx(0.064)
    assert value == pytest.approx(2.0)


def test_both_is_the_mean_of_cuts_and_curves(world):
    cuts, curves, both = (
        fitted(world, leaf=leaf).recommend(world.X[:50]) for leaf in ("mdpp", "curve", "both")
    )
    np.testing.assert_allclose(both, (cuts + curves) / 2, atol=1e-12)


def test_scaling_and_shifting_the_outcome_changes_nothing(world):
    moved = MDP2Forest(n_estimators=10, leaf="mdpp", space=Shares(6), residual=False).fit(
        world.X, 8 * world.y + 4, treatment=world.T
    )
    still = fitted(world, residual=False)
    np.testing.assert_allclose(
        still.recommend(world.X[:100]), moved.recommend(world.X[:100]), atol=1e-9
    )


def test_the_same_bytes_for_any_number_of_threads(world):
    one, three = (fitted(world, n_jobs=t).recommend(world.X[:300]) for t in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_two_shares_are_one_number():
    """Best at 0.7 for some, at 0.3 for others: told apart; a cut overshoots a hill off the middle
    (0.91, 0.09), curves do not.
    """
    rng = np.random.default_rng(0)
    X, t = rng.uniform(0, 1, (4000, 2)), rng.uniform(0, 1, 4000)
    best = np.where(X[:, 0] > 0.5, 0.7, 0.3)
    T = np.column_stack([t, 1 - t])
    cuts, curves = (
        MDP2Forest(n_estimators=10, leaf=leaf, space=Shares(2))
        .fit(X, -((t - best) ** 2), treatment=T)
        .recommend(X)[:, 0]
        for leaf in ("mdpp", "curve")
    )
    assert cuts[best == 0.7].mean() > 0.6 > 0.4 > cuts[best == 0.3].mean()
    assert abs(curves[best == 0.7].mean() - 0.7) < 0.1
    assert abs(curves[best == 0.3].mean() - 0.3) < 0.1


def test_curves_of_leaves_find_mixes_that_are_unlike_what_was_shown():
    """Seeds 0 to 4: .47 to .58 of the regret of uniform shares; the best mixes of the mean of the
    curves had 1.1 to 1.3.
    """
    world, new = (
        make_shares_standin(4000, seed=0, kind="quad"),
        make_shares_standin(1000, seed=1000, kind="quad"),
    )
    uniform = new.regret(np.full((1000, 10), 0.1))
    assert new.regret(fitted(world, leaf="curve").recommend(new.X)) < 0.75 * uniform


def test_where_nothing_matters_curves_say_what_was_shown():
    """Flat curves: shares are as their reach, within a step of the grid; no corner."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(600, 2)), rng.dirichlet([8.0, 4.0, 4.0], 600)
    made = MDP2Forest(n_estimators=5, leaf="curve", space=Shares(3)).fit(
        X, rng.normal(size=600), treatment=T
    )
    made.forests_[0]["curve"][:] = 0
    seen = made.support(X)
    assert np.abs(made.recommend(X) - seen / seen.sum(axis=1, keepdims=True)).max() < 0.02
    assert seen[:, 0].mean() > 1.3 * seen[:, 1].mean()


def test_the_reach_of_a_leaf_by_hand():
    """Of 100 equal rows the largest two lie beyond; weights count as rows."""
    t = np.random.default_rng(0).permutation(np.arange(100.0))
    assert ridges.reach(t, np.ones(100), 100.0) == 97.0
    assert ridges.reach(t, np.where(t == 99, 50.0, 1.0), 149.0) == 99.0


def cut(n, S, edges, left=1.0):
    return kernels.cut_of(n, S, 0, len(n), S.sum() / n.sum(), edges[None], left, True, 0.0)[2]


@pytest.mark.parametrize(("shape", "at"), [("rising", 0.9), ("falling", 0.1), ("hill", 0.5)])
def test_shapes_of_a_curve_by_hand(shape, at):
    """Ten equal bins of [0, 1]: the cut is where it pays, and does not move when a constant is
    added.
    """
    middle, edges, n = np.linspace(0.05, 0.95, 10), np.linspace(0, 1, 11), np.full(10, 20.0)
    y = {"rising": middle, "falling": -middle, "hill": -((middle - 0.5) ** 2)}[shape]
    found = cut(n, n * y, edges)
    assert abs(found - at) <= 0.2 + 1e-9
    assert cut(n, n * (y + 7), edges) == found
    assert cut(n, n * y, edges, left=0.35) <= 0.35


@pytest.mark.parametrize("weighted", [False, True])
def test_the_histogram_of_a_node_by_hand(weighted):
    Xb = np.array([[0, 1], [1, 1], [1, 0]], np.uint8)
    place = np.array([[0, 3], [1, 2], [1, 3]], np.uint16)
    y, w = np.array([1.0, -2.0, 4.0]), np.array([1.0, 3.0, 1.0]) if weighted else np.ones(3)
    packed, unit = (np.empty(0, np.int64), 1.0) if weighted else kernels.pack(y)
    hist = np.full((2, 2, 4, 2), 9.0)
    kernels.fill(hist, Xb, place, w, w * y, packed, unit, np.arange(3), np.array([0, 1]))
    np.testing.assert_allclose(hist[0, 1, :, 1], [0, 4 - 2 * w[1], -2 * w[1], 4], atol=1e-9)
    assert hist[1, 1, :, 0].tolist() == [1, w[1], w[1], 1]
    assert hist[..., 0].sum() == 2 * 2 * w.sum()


def test_packed_sums_are_exact_counts_and_near_sums():
    """Sums of whole numbers do not depend on their order, and are off by less than a millionth of
    the spread a row.
    """
    y = np.random.default_rng(0).standard_normal(100_000)
    packed, unit = kernels.pack(y)
    total = int(packed.sum())
    assert total & kernels.ONES == 100_000
    assert (total >> kernels.COUNT_BITS) * unit == pytest.approx(y.sum(), abs=1e-6 * 100_000**0.5)


def test_weighted_and_packed_histograms_agree():
    rng = np.random.default_rng(0)
    n, y = 3000, rng.standard_normal(3000)
    Xb = rng.integers(0, 8, (n, 4)).astype(np.uint8)
    place = (rng.integers(0, 5, (n, 3)) + 5 * np.arange(3)).astype(np.uint16)
    hists = np.empty((2, 4, 8, 15, 2))
    for hist, (packed, unit) in zip(
        hists, (kernels.pack(y), (np.empty(0, np.int64), 1.0)), strict=True
    ):
        kernels.fill(hist, Xb, place, np.ones(n), y, packed, unit, np.arange(n), np.arange(4))
    np.testing.assert_array_equal(hists[0, ..., 0], hists[1, ..., 0])
    np.testing.assert_allclose(hists[0, ..., 1], hists[1, ..., 1], atol=1e-6)


def test_extrapolation_is_bounded_and_told(world):
    seen = fitted(world).support(world.X[:50])
    assert (seen <= world.T.max(axis=0) + 1e-12).all()
    assert (seen > 0.2).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"criterion": "gini"}, "criterion must be one of mdpp"),
        ({"leaf": "mean"}, "leaf must be one of"),
        ({"integral": "area"}, "integral must be one of"),
        ({"subsample": 0.0}, "shares in"),
        ({"min_samples_leaf": 2000}, "the rows must be at least two leaves of 2000"),
    ],
)
def test_bad_settings(world, change, said):
    with pytest.raises(InputError, match=said):
        fitted(world, **change)


def test_a_constant_share_is_no_reason_to_stop_and_a_constant_mix_is():
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(500, 2)), rng.dirichlet(np.ones(2), 500)
    T = np.column_stack([0.8 * T, np.full(500, 0.2)])
    made = MDP2Forest(n_estimators=5, space=Shares(3)).fit(
        X, T[:, 0] + 0.1 * rng.normal(size=500), treatment=T
    )
    assert np.isfinite(made.recommend(X)).all()
    with pytest.raises(InputError, match="the treatments of the rows must vary"):
        MDP2Forest(n_estimators=2, space=Shares(3)).fit(
            X, T[:, 0], treatment=np.full((500, 3), 1 / 3)
        )


@pytest.mark.parametrize("leaf", ["mdpp", "curve", "both"])
def test_bounds_and_the_movement_limit_hold(world, leaf):
    made = fitted(world, leaf=leaf)
    mix = made.recommend(world.X[:50], high=np.full(6, 0.3))
    assert mix.max() <= 0.3 + 1e-9
    np.testing.assert_allclose(mix.sum(axis=1), 1, atol=1e-9)
    near = fitted(world, leaf=leaf, space=Shares(6, move=0.1)).recommend(world.X[:50])
    assert np.abs(near - 1 / 6).max() <= 0.1 + 1e-9


def test_balancing_weights_take_off_who_was_given_what():
    """Mixes follow the first feature with a correlation of .5; with the weights (within 1/10 and
    10) less than half as much.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 3))
    drawn = rng.gamma(3 + 3 * np.column_stack([X[:, 0] > 0, X[:, 0] <= 0, np.zeros(4000)]))
    T, y = drawn / drawn.sum(axis=1, keepdims=True), X[:, 0] + rng.standard_normal(4000)
    seen = sample(X, y, Shares(3), T, None, None, None)
    w = balance(seen, T, BoostedTrees(), np.arange(4000) % 2, 0)

    def follows(weight):
        x, t = (
            X[:, 0] - np.average(X[:, 0], weights=weight),
            T[:, 0] - np.average(T[:, 0], weights=weight),
        )
        return np.average(x * t, weights=weight) / np.sqrt(
            np.average(x**2, weights=weight) * np.average(t**2, weights=weight)
        )

    assert abs(follows(w)) < 0.5 * follows(np.ones(4000))
    forest = MDP2Forest(n_estimators=3, space=Shares(3), balanced=True).fit(X, y, treatment=T)
    assert 400 < forest.effective_ < 3900
    assert MDP2Forest(n_estimators=3, space=Shares(3)).fit(
        X, y, treatment=T
    ).effective_ == pytest.approx(4000)


def test_a_tree_by_histograms_is_the_tree_by_brute_force():
    """Every split again from the rows themselves, by the sum over shares and bins of n (mean - mean
    of all)^2.
    """
    rng = np.random.default_rng(3)
    n, K, q, B, least = 600, 3, 4, 6, 25
    Xb, bins = rng.integers(0, B, (n, 3)).astype(np.uint8), rng.integers(0, q, (n, K))
    y = (
        rng.standard_normal(n)
        + 2.0 * (Xb[:, 1] > 2) * (bins[:, 0] - 1.5)
        + (Xb[:, 0] > 3) * (bins[:, 2] == 1)
    )

    def spread(rows):
        cells = [(bins[rows, k] == j) for k in range(K) for j in range(q)]
        return sum(c.sum() * (y[rows][c].mean() - y[rows].mean()) ** 2 for c in cells if c.any())

    def split(rows):
        best = (0.0, -1, 0)
        for f in range(3):
            for b in range(B - 1):
                left, right = rows[Xb[rows, f] <= b], rows[Xb[rows, f] > b]
                if min(len(left), len(right)) >= least:
                    gain = spread(left) + spread(right) - spread(rows)
                    best = max(best, (gain, f, b), key=lambda found: found[0])
        return best[1:]

    place = (bins + q * np.arange(K)).astype(np.uint16)
    edges = np.tile(np.linspace(0, 1, q + 1), (K, 1))
    settings = (B, 3, least, kernels.CURVE, True, True, 1.0, 0)
    given = (
        Xb,
        place,
        np.ones(n),
        y,
        *kernels.pack(y),
        np.arange(n, dtype=np.int32),
        np.arange(3, dtype=np.int32),
        edges,
    )
    feature, at, child, _ = kernels.grow(*given, *settings)
    rows, seen, deepest = {0: np.arange(n)}, 0, {0: 0}
    for v in range(len(feature)):
        inside = rows[v]
        if deepest[v] < 3 and len(inside) >= 2 * least:
            assert (feature[v], at[v] if feature[v] >= 0 else 0) == split(inside)
        if feature[v] >= 0:
            seen += 1
            low = Xb[inside, feature[v]] <= at[v]
            for side, part in zip(child[v], (inside[low], inside[~low]), strict=True):
                rows[side], deepest[side] = part, deepest[v] + 1
    assert seen >= 5


def test_naming_the_shares_in_another_order_gives_the_same_mixes():
    """The order of visits is drawn by place, so this is said of curves, which do not depend on
    it.
    """
    world, turned = (
        make_shares_standin(3000, seed=2, kind="quad"),
        np.random.default_rng(0).permutation(10),
    )
    settings = {
        "n_estimators": 5,
        "leaf": "curve",
        "space": Shares(10),
        "residual": False,
        "criterion": "curve_het",
    }
    straight = (
        MDP2Forest(**settings).fit(world.X, world.y, treatment=world.T).recommend(world.X[:100])
    )
    other = (
        MDP2Forest(**settings)
        .fit(world.X, world.y, treatment=world.T[:, turned])
        .recommend(world.X[:100])
    )
    np.testing.assert_allclose(other, straight[:, turned], atol=1e-9)
