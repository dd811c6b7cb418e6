"""Rankings by bins are those of `evaluation` for the binned prediction."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.effects import Effects
from equipoise.evaluation import (
    METRICS,
    best_linear_predictor,
    calibration_deciles,
    evaluation_data,
    gain_curve,
    rank_by_score,
)
from equipoise.pipeline.bounded.rankings import (
    RankedGaps,
    add_ranked,
    binned_gains,
    binning_loss,
    bins_of,
    empty_ranked,
    ranked,
    rankings_of,
    slope_of,
)

N, K = 20_000, 3


@pytest.fixture(scope="module")
def world():
    """Rows whose effects are their predictions, the doubly robust scores and the sums; the second
    candidate is closed to some rows, which have larger effects.
    """
    rng = np.random.default_rng(0)
    effects = np.stack([rng.normal(0.3, 0.5, (N, 2)), rng.exponential(1, (N, 2))], axis=2)
    opens = np.column_stack([np.ones(N, bool), rng.random(N) < 0.7])
    effects[~opens[:, 1], 1] += 1
    cell = np.where(opens[:, 1], rng.integers(0, K, N), rng.integers(0, K - 1, N))
    levels = np.concatenate([np.zeros((N, 1, 2)), effects], axis=1)
    y = levels[np.arange(N), cell] + rng.normal(size=(N, 2))
    w = rng.uniform(0.5, 2, N)
    p = np.where(opens[:, [1]], np.full((1, K), 1 / K), [[0.5, 0.5, 0.0]])
    rows = evaluation_data(y, cell=cell, propensity=p, levels=levels, weight=w)
    scores = levels.copy()
    scores[np.arange(N), cell] += (y - levels[np.arange(N), cell]) / p[np.arange(N), cell, None]
    past = Effects(effects[:4000], np.zeros((4000, 2)), ("a", "b"), ("y", "z"))
    bins = bins_of(past, [1.0, 1.0], 2, opens[:4000])
    sums = empty_ranked(bins)
    draw = rng.random(N)
    for part in np.array_split(np.arange(N), 3):
        add_ranked(sums, bins, scores[part], effects[part], opens[part], w[part], draw[part])
    return rows, effects, bins, sums


def binned(bins, p, s):
    return np.searchsorted(bins.edges[p], s, side="right").astype(float)


@pytest.mark.parametrize("p", range(4))
def test_figures_are_those_of_the_binned_prediction(world, p):
    rows, effects, bins, sums = world
    j, a = bins.pairs[p]
    want = rank_by_score(binned(bins, p, effects[:, a, j]), rows, candidate=a, metric=j)
    found = ranked(sums, bins, p, 0.95)
    for name, estimate in (("qini", found.qini()), ("autoc", found.autoc())):
        exact = METRICS.load(name)(want, level=0.95)
        assert estimate.value == pytest.approx(exact.value, rel=1e-9), name
        assert estimate.std_error == pytest.approx(exact.std_error, rel=0.1), name
    curve, exact = found.curve(40, 0), gain_curve(want, points=40)
    assert len(curve.share) == pytest.approx(41, abs=2)
    same = np.interp(curve.share, exact.share, exact.value)
    np.testing.assert_allclose(curve.value, same, atol=0.02)
    assert curve.value[-1] == pytest.approx(exact.value[-1], rel=1e-9)


@pytest.mark.parametrize("p", range(4))
def test_slopes_and_tenths_are_of_the_prediction_itself(world, p):
    rows, effects, bins, sums = world
    j, a = bins.pairs[p]
    ranking = rank_by_score(effects[:, a, j], rows, candidate=a, metric=j)
    exact = best_linear_predictor(ranking, level=0.95).slope
    found = slope_of(sums["ranked_slopes"][p], 0.95)
    assert found.value == pytest.approx(exact.value, rel=1e-9)
    assert found.std_error == pytest.approx(exact.std_error, rel=0.1)
    tenths = ranked(sums, bins, p, 0.95).tenths()
    assert [number for number, *_ in tenths] == list(range(1, 11))
    assert sum(rows for *_, rows in tenths) == len(ranking.gain)
    for (_, predicted, observed, _), group in zip(
        tenths, calibration_deciles(ranking), strict=True
    ):
        assert predicted == pytest.approx(group.predicted, abs=0.1)
        assert observed.value == pytest.approx(group.observed.value, abs=0.15)


@pytest.mark.parametrize("p", range(4))
def test_what_bins_take_off_is_told(world, p):
    rows, effects, bins, sums = world
    j, a = bins.pairs[p]
    whole = rank_by_score(effects[:, a, j], rows, candidate=a, metric=j)
    fine = METRICS.load("qini")(whole, level=0.95).value
    found = ranked(sums, bins, p, 0.95).qini()
    loss = binning_loss(sums, bins, p, 1.0)
    assert 0 < loss < 1e-3 * fine
    assert abs(fine - found.value) < loss + 0.1 * found.std_error


@pytest.mark.parametrize("p", range(4))
def test_what_parts_differ_by_widens_every_figure(world, p):
    """Two parts, of which one sees gains that are larger by the prediction: each figure is widened
    by the difference of its values by both, to the last digit, but by no more than the sample's.
    """
    rows, effects, bins, sums = world
    rng, opens = np.random.default_rng(1), np.ones((N, K - 1), bool)
    scores = np.concatenate([np.zeros((N, 1, 2)), rng.normal(size=effects.shape)], axis=1)
    more, one, draw = scores.copy(), np.ones(N), rng.random(N)
    more[:, 1:] += 0.004 * effects + 0.002  # of which less than the sample's own error comes
    of_both, gains = [], []
    for own in (scores, more):
        of_both.append(empty_ranked(bins))
        add_ranked(of_both[-1], bins, own, effects, opens, one, draw)
        gains.append(binned_gains(bins, own, effects, opens, one)[0] / N)
    least, most = (ranked(own, bins, p, 0.95) for own in of_both)
    gap = (gains[1] - gains[0])[None]
    for of_pairs, capped in ((gap, False), (1e6 * gap, True), (gap[:0], True)):
        gaps = RankedGaps(of_pairs, 0.5, of_both[0])
        narrow, wide = (ranked(of_both[0], bins, p, 0.95, one) for one in (None, gaps))
        top = narrow.bins[0].cumsum() < N / 10
        figures = {
            "qini": lambda ranking: ranking.qini(),
            "autoc": lambda ranking: ranking.autoc(),
            "slope": lambda ranking: ranking.slope(),
            "tenth": lambda ranking, top=top: ranking.mean(top),
        }
        for name, figure in figures.items():
            bare, other, own = figure(narrow), figure(most), figure(wide)
            want = bare.std_error if capped else other.value - bare.value
            assert capped or 0 < want < bare.std_error, name
            extra = np.sqrt(own.std_error**2 - bare.std_error**2)
            assert own.value == bare.value, name
            assert extra == pytest.approx(want, rel=5e-3 if name == "slope" else 1e-6), name
            assert own.high - own.value > 1.9 * own.std_error
        before, after = narrow.curve(20, 0), wide.curve(20, 0)
        assert (after.value == before.value).all()
        assert ((after.band_high - before.band_high)[1:] > 0).all()
    assert least.qini().value < most.qini().value


def test_predictions_that_are_all_alike_make_one_bin():
    same = Effects(np.ones((500, 1, 1)), np.zeros((500, 1)), ("a",), ("y",))
    bins = bins_of(same, [1.0], 1, np.ones((500, 1), bool))
    sums = empty_ranked(bins)
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(300, 2, 1))
    one = np.ones((300, 1, 1))
    add_ranked(sums, bins, scores, one, one[:, :, 0] > 0, one[:, 0, 0], rng.random(300))
    found = ranked(sums, bins, 0, 0.95)
    assert found.qini().value == pytest.approx(0, abs=1e-12)
    assert found.autoc().value == pytest.approx(0, abs=1e-12)
    assert np.isnan(slope_of(sums["ranked_slopes"][0], 0.95).value)
    assert found.curve(40, 0).share.tolist() == [0, 1]


def test_a_candidate_that_is_open_to_nobody_is_not_ranked():
    rng = np.random.default_rng(2)
    effects, opens = rng.normal(size=(400, 2, 1)), np.tile([True, False], (400, 1))
    past = Effects(effects, np.zeros((400, 1)), ("a", "b"), ("y",))
    bins = bins_of(past, [1.0], 1, opens)
    sums, one = empty_ranked(bins), np.ones(400)
    add_ranked(sums, bins, rng.normal(size=(400, 3, 1)), effects, opens, one, rng.random(400))
    curves, tenths, slopes, _ = rankings_of(sums, bins, (("y",), ("a", "b")), 10, 0.95, 0)
    assert [row["candidate"] for row in curves] == ["a"]
    assert {row["candidate"] for row in [*tenths, *slopes]} == {"a"}
