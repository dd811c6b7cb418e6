"""Curves: their points by hand, their bands against the bootstrap."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    average_effects,
    evaluation_data,
    gain_curve,
    qini,
    rank_by_score,
    toc_curve,
)
from equipoise.evaluation.resampling import replicate_seeds, resample


def test_four_rows_by_hand():
    rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    curve = gain_curve(rank_by_score([4, 3, 2, 1], rows))
    assert curve.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.value.tolist() == [0, 0.375, 0.5, 0.375, 0.5]
    assert curve.random == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    assert toc_curve(rank_by_score([4, 3, 2, 1], rows)).value == pytest.approx([1.0, 0.5, 0.0, 0.0])


def test_tied_rows_are_one_step():
    rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    assert gain_curve(rank_by_score([1, 1, 0, 0], rows)).share.tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    "kind", [{}, {"ties": True}, {"weighted": True}, {"grouped": True}], ids=str
)
def test_thinned_curve_lies_on_the_full_one(trial, kind):
    score, rows, _ = trial(1, n=1000, **kind)
    ranking = rank_by_score(score[:, 0], rows)
    thin, full = gain_curve(ranking, points=20), gain_curve(ranking, points=1000)
    assert len(thin.share) <= 21
    assert np.interp(thin.share, full.share, full.value) == pytest.approx(thin.value, abs=1e-12)
    assert thin.share[0] == thin.value[0] == thin.low[0] == 0
    assert thin.share[-1] == 1


def test_the_area_over_the_random_line_is_the_qini(trial):
    score, rows, _ = trial(2, n=500, weighted=True)
    ranking = rank_by_score(score[:, 0], rows)
    curve = gain_curve(ranking, points=5000)
    assert np.trapezoid(curve.value - curve.random, curve.share) == pytest.approx(
        qini(ranking).value
    )


@pytest.mark.parametrize("kind", [{}, {"weighted": True}, {"grouped": True}], ids=str)
def test_the_end_is_the_average_effect_with_its_interval(trial, kind):
    score, rows, _ = trial(3, **kind)
    curve, effect = gain_curve(rank_by_score(score[:, 0], rows)), average_effects(rows).effect[0, 0]
    assert [curve.value[-1], curve.low[-1], curve.high[-1]] == pytest.approx(effect.interval)


@pytest.mark.parametrize("kind", [{}, {"weighted": True}, {"grouped": True}], ids=str)
def test_bands_agree_with_the_bootstrap(trial, kind):
    score, rows, _ = trial(4, n=4000, **kind)
    ranking = rank_by_score(score[:, 0], rows)
    curve = gain_curve(ranking, points=10)
    unit = ranking.ranked.order if ranking.group is None else ranking.group
    draws = []
    for seed in replicate_seeds(400, 1):
        weight = resample(unit, ranking.weight, seed)
        share, gain = (
            np.r_[0, np.cumsum(part)] / weight.sum() for part in (weight, weight * ranking.gain)
        )
        draws.append(np.interp(curve.share, share, gain))
    error = (curve.high - curve.low)[1:] / 2 / 1.96
    assert error == pytest.approx(np.std(draws, axis=0)[1:], rel=0.15)  # worst of 10 seeds: 11.4 %


def test_the_uniform_band_holds_the_pointwise_one(trial):
    score, rows, _ = trial(5)
    for curve in (
        gain_curve(rank_by_score(score[:, 0], rows)),
        toc_curve(rank_by_score(score[:, 0], rows)),
    ):
        assert (curve.band_low <= curve.low).all()
        assert (curve.band_high >= curve.high).all()
        widest = np.max((curve.band_high - curve.value)[1:-1] / (curve.high - curve.value)[1:-1])
        assert 1.1 < widest < 1.8  # about 2.7 / 1.96 for a curve of many points


def test_same_seed_same_band(trial):
    score, rows, _ = trial(6)
    first, second = (gain_curve(rank_by_score(score[:, 0], rows), seed=3) for _ in range(2))
    assert first.band_low.tolist() == second.band_low.tolist()


def test_points_below_one_are_refused(trial):
    score, rows, _ = trial(7)
    with pytest.raises(InputError, match="points must be a whole number >= 1; got 0"):
        gain_curve(rank_by_score(score[:, 0], rows), points=0)


def test_without_any_noise_a_band_is_its_curve():
    """Every row gains the same, so no end of the curve could lie elsewhere."""
    rows = evaluation_data([1, 0, 1, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    curve = toc_curve(rank_by_score([4, 3, 2, 1], rows))
    np.testing.assert_allclose(curve.band_low, curve.value, atol=1e-12)
    np.testing.assert_allclose(curve.band_high, curve.value, atol=1e-12)
