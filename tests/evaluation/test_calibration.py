"""Predicted against observed effects."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    average_effects,
    best_linear_predictor,
    calibration_deciles,
    evaluation_data,
    rank_by_score,
)

HALF = [0.5, 0.5]


def test_two_bins_of_four_rows_by_hand():
    # means 2.5 and 1.5: gains 2, 2, 0, 0
    rows = evaluation_data([3, 1, 2, 2], cell=[1, 0, 1, 0], propensity=HALF)
    top, rest = calibration_deciles(rank_by_score([9, 7, 2, 0], rows), bins=2)
    assert (top.index, top.predicted, top.observed.value, top.rows) == (1, 8, 2, 2)
    assert (rest.index, rest.predicted, rest.observed.value, rest.rows) == (2, 1, 0, 2)


def test_the_bins_share_out_the_average_effect(trial):
    score, rows, _ = trial(1, n=1003, weighted=True)
    bins = calibration_deciles(rank_by_score(score[:, 0], rows))
    assert [one.index for one in bins] == list(range(1, 11))
    assert sum(one.rows for one in bins) == 1003
    assert np.all(np.diff([one.predicted for one in bins]) < 0)
    order = np.argsort(-score[:, 0])
    parts = np.split(rows.weight[order], np.cumsum([one.rows for one in bins])[:-1])
    mass = np.array([part.sum() for part in parts]) / rows.weight.sum()
    assert mass == pytest.approx(np.full(10, 0.1), abs=3 / 1003)
    assert mass @ [one.observed.value for one in bins] == pytest.approx(
        average_effects(rows).effect[0, 0].value
    )


def test_ties_stay_together(trial):
    _, rows, _ = trial(2, n=1000)
    score = np.repeat([0.0, 1.0, 2.0], [700, 200, 100])
    bins = calibration_deciles(rank_by_score(score, rows))
    assert [(one.index, one.rows) for one in bins] == [(1, 100), (3, 200), (7, 700)]


def test_true_effects_are_calibrated_and_exaggerated_ones_are_not(trial):
    for seed in range(5):
        score, rows, _ = trial(seed, n=20_000)
        right, twice = (
            best_linear_predictor(rank_by_score(scale * score[:, 0], rows)) for scale in (1, 2)
        )
        assert abs(right.slope.value - 1) < 4 * right.slope.std_error  # worst of 20 seeds: 2.0
        assert right.slope.low > 0.5
        assert twice.slope.value == pytest.approx(right.slope.value / 2)
        assert twice.slope.high < 1
        observed = [
            one
            for one in calibration_deciles(rank_by_score(score[:, 0], rows))
            if one.observed.low < one.predicted < one.observed.high
        ]
        assert len(observed) >= 6  # of 10; least of 20 seeds: 8


def test_the_intercept_is_the_average_effect(trial):
    score, rows, _ = trial(3, weighted=True, grouped=True)
    intercept = best_linear_predictor(rank_by_score(score[:, 0], rows)).intercept
    assert intercept.interval == pytest.approx(average_effects(rows).effect[0, 0].interval)


def test_slope_is_least_squares_with_robust_errors(trial):
    score, rows, _ = trial(4, weighted=True)
    s, gain, w = score[:, 0], rows.gain(0, 0), rows.weight
    design = np.column_stack([np.ones(len(s)), s - np.average(s, weights=w)])
    bread = np.linalg.inv(design.T @ (w[:, None] * design))
    beta = bread @ design.T @ (w * gain)
    share = w / np.bincount(rows.cell, w)[rows.cell]  # of its arm's weight
    kept = 1 - 2 * share + np.bincount(rows.cell, share**2)[rows.cell]
    residual = design * (w * (gain - design @ beta) / np.sqrt(kept))[:, None]
    meat = residual.T @ residual
    slope = best_linear_predictor(rank_by_score(s, rows)).slope
    assert slope.value == pytest.approx(beta[1])
    assert slope.std_error == pytest.approx(np.sqrt((bread @ meat @ bread)[1, 1]), rel=1e-9)


def test_a_prediction_that_does_not_vary_has_no_slope(trial):
    _, rows, _ = trial(5)
    predictor = best_linear_predictor(rank_by_score(np.ones(len(rows)), rows))
    assert np.isnan(predictor.slope.value)
    assert predictor.intercept.value == pytest.approx(average_effects(rows).effect[0, 0].value)


def test_more_bins_than_rows_is_refused(trial):
    score, rows, _ = trial(6)
    with pytest.raises(InputError, match="bins must lie in"):
        calibration_deciles(rank_by_score(score[:, 0], rows), bins=401)


def test_the_gain_of_one_row_has_no_interval():
    """It is told all the same."""
    rows = evaluation_data([3, 1, 2, 2], cell=[1, 0, 1, 0], propensity=HALF)
    for one, gain in zip(
        calibration_deciles(rank_by_score([9, 7, 2, 0], rows), bins=4), (2, 2, 0, 0), strict=True
    ):
        assert (one.rows, one.observed.value) == (1, gain)
        assert np.isnan(one.observed.std_error)
