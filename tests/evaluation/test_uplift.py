"""qini, autoc, qini_rate: by hand, against brute force, in simulated truth, and on bad input."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    METRICS,
    autoc,
    auuc,
    bootstrap,
    evaluation_data,
    qini,
    qini_rate,
    rank_by_score,
)

HALF = [0.5, 0.5]


def brute(score, gain, weight):
    """(qini, autoc, qini_rate) by their definitions, one loop over ranks; ties share their weighted
    mean gain.
    """
    order = np.argsort(-score, kind="stable")
    s, g, w = score[order], gain[order].copy(), weight[order].copy()
    for value in np.unique(s):
        tied = s == value
        g[tied], w[tied] = np.average(g[tied], weights=w[tied]), w[tied].mean()
    total, tau = w.sum(), np.average(g, weights=w)
    share, curve = np.r_[0, np.cumsum(w)] / total, np.r_[0, np.cumsum(w * g)] / total
    toc = curve[1:] / share[1:] - tau
    area = np.trapezoid(curve, share) - curve[-1] / 2
    return area, w @ toc / total, w @ (share[1:] * toc) / total


def test_four_rows_by_hand():
    rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=HALF)
    # gains 1.5, .5, -.5, .5, so G = .375, .5, .375, .5 at shares 1/4..1
    assert qini(rank_by_score([4, 3, 2, 1], rows)).value == pytest.approx(
        0.25 * (0.1875 + 0.4375 + 0.4375 + 0.4375) - 0.25
    )
    whole = 0.25 * (0.1875 + 0.4375 + 0.4375 + 0.4375)
    assert auuc.value(rank_by_score([4, 3, 2, 1], rows)) == pytest.approx(whole)
    assert auuc(rank_by_score([4, 3, 2, 1], rows)).value == pytest.approx(whole)
    assert autoc(rank_by_score([4, 3, 2, 1], rows)).value == pytest.approx(
        (1.5 + 1.0 + 0.5 + 0.5) / 4 - 0.5
    )
    assert qini_rate(rank_by_score([4, 3, 2, 1], rows)).value == pytest.approx(
        (0.375 + 0.5 + 0.375 + 0.5 - 0.5 * 2.5) / 4
    )


def test_a_good_order_is_positive_and_its_reverse_negative(trial):
    score, rows, _ = trial(1)
    best, worst = rank_by_score(score[:, 0], rows), rank_by_score(-score[:, 0], rows)
    for metric in (qini, autoc, qini_rate):
        assert metric(best).low > 0 > metric(worst).high
    assert qini(worst).value == pytest.approx(-qini(best).value)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("effect", [0.5, 0.0, -0.5])
def test_agrees_with_the_definition_row_by_row(trial, ties, weighted, effect):
    score, rows, _ = trial(2, n=150, ties=ties, weighted=weighted, effect=effect)
    ranking = rank_by_score(score[:, 0], rows)
    got = [metric(ranking).value for metric in (qini, autoc, qini_rate)]
    assert got == pytest.approx(brute(score[:, 0], rows.gain(0, 0), rows.weight), rel=1e-10)


@pytest.mark.parametrize("name", [name for name in METRICS if "causalml" not in name])
def test_whole_weights_are_rows_repeated(trial, name):
    score, rows, _ = trial(3, n=120, ties=True, weighted=True, binary=True)
    weight = np.rint(rows.weight / rows.weight.min()).astype(int)  # 1 to 3, as they were drawn
    again = np.repeat(np.arange(120), weight)
    repeated = evaluation_data(rows.y[again], cell=rows.cell[again], propensity=HALF)
    # those two sum over ranks, of which there are then more
    tolerance = 0.01 if name in ("autoc", "qini_rate") else 1e-9
    got, want = (
        METRICS.load(name).value(r)
        for r in (rank_by_score(score[:, 0], rows), rank_by_score(score[again, 0], repeated))
    )
    assert got == pytest.approx(want, abs=tolerance)


@pytest.mark.parametrize("name", list(METRICS))
def test_the_order_of_rows_and_the_scale_of_scores_are_of_no_effect(trial, name):
    score, rows, _ = trial(4, ties=True, binary=True, weighted=True)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    moved = evaluation_data(
        rows.y[shuffled], cell=rows.cell[shuffled], propensity=HALF, weight=rows.weight[shuffled]
    )
    metric = METRICS.load(name)
    first = metric(rank_by_score(score[:, 0], rows))
    for other in (
        rank_by_score(score[shuffled, 0], moved),
        rank_by_score(np.exp(score[:, 0]), rows),
    ):
        assert metric(other).value == pytest.approx(first.value, rel=1e-9)
        assert metric(other).std_error == pytest.approx(first.std_error, rel=1e-9, nan_ok=True)


def test_a_constant_score_ranks_nothing(trial):
    _, rows, _ = trial(5)
    ranking = rank_by_score(np.zeros(len(rows)), rows)
    for metric in (qini, autoc):
        assert metric(ranking).value == pytest.approx(0, abs=1e-12)
        assert not metric(ranking).excludes_zero


def test_adding_a_constant_to_the_outcome_is_of_no_effect(trial):
    score, rows, _ = trial(6)
    moved = evaluation_data(rows.y + 1e4, cell=rows.cell, propensity=HALF)
    for metric in (qini, autoc):
        here, there = (
            metric(rank_by_score(score[:, 0], rows)),
            metric(rank_by_score(score[:, 0], moved)),
        )
        assert there.interval == pytest.approx(here.interval, abs=1e-7)


def test_the_average_effect_is_no_divisor(trial):
    """Unlike qini_causalml, which grows without bound: the same ranking quality is the same number
    at any average effect.
    """
    values = []
    for effect in (0.3, 0.003, -0.3):
        score, rows, _ = trial(7, n=20_000, effect=effect)
        values.append(qini(rank_by_score(score[:, 0], rows)).value)
    # the outcome moves by a constant in the treated arm alone
    assert np.ptp(values) < 1e-9 * abs(values[0])


@pytest.mark.parametrize("metric", [qini, autoc], ids=lambda m: m.name)
@pytest.mark.parametrize("kind", ["plain", "ties", "weighted", "grouped"])
def test_standard_error_agrees_with_the_bootstrap(trial, metric, kind):
    score, rows, _ = trial(8, n=3000, **({} if kind == "plain" else {kind: True}))
    ranking = rank_by_score(
        score[:, 0] + np.random.default_rng(1).standard_normal(3000).round(kind == "ties"), rows
    )
    by_draws = bootstrap(metric, ranking, draws=400, seed=1).std_error
    # 400 draws know it to 3.5 %; worst of 20 seeds: 11.6 %
    assert metric(ranking).std_error == pytest.approx(by_draws, rel=0.15)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("metric", [qini, autoc], ids=lambda m: m.name)
def test_influence_is_what_one_more_unit_of_weight_does(trial, metric, ties):
    score, rows, _ = trial(12, n=1000, weighted=True)
    ranking = rank_by_score(np.round(score[:, 0], 1) if ties else score[:, 0], rows)
    (value, psi), step = metric.influence(ranking), 1e-4
    for p in (50, 400, 990):
        heavier = ranking.weight.copy()
        heavier[p] += step
        change = (metric.value(ranking.reweighted(heavier)) - value) / step * ranking.weight.sum()
        # autoc sums over ranks: off by 1 / rank
        assert change == pytest.approx(psi[p], abs=0.06 if metric is autoc else 2e-3)
    assert ranking.weight @ psi == pytest.approx(0, abs=1e-9)


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(9)
    x, cell = rng.standard_normal(300), rng.integers(0, 2, 300)
    y = x * cell + rng.standard_normal(300)
    copies = np.repeat(np.arange(300), 4)
    clustered = evaluation_data(y[copies], cell=cell[copies], propensity=HALF, groups=copies)
    once = evaluation_data(y, cell=cell, propensity=HALF)
    assert qini(rank_by_score(x[copies], clustered)).interval == pytest.approx(
        qini(rank_by_score(x, once)).interval, rel=1e-9
    )


def test_finds_the_truth_with_many_arms_and_unequal_shares(trial):
    """The score of an arm stands on all rows; cov(effect, F(effect)) is its true qini."""
    for seed in range(3):
        score, rows, gain = trial(seed, n=40_000, cells=3)
        for a in range(2):
            true = np.mean(gain[:, a] * (np.argsort(np.argsort(gain[:, a])) / 40_000 - 0.5))
            estimate = qini(rank_by_score(score[:, a], rows, candidate=a))
            assert abs(estimate.value - true) < 4 * estimate.std_error  # worst of 20 seeds: 2.4
            assert estimate.std_error < true / 10


def test_bad_input(trial):
    score, rows, _ = trial(10)
    with pytest.raises(InputError, match="score must have one entry per row"):
        rank_by_score(score[:5, 0], rows)
    with pytest.raises(InputError, match="candidate must lie in 0..0; got 1"):
        rank_by_score(score[:, 0], rows, candidate=1)
    with pytest.raises(InputError, match="metric must lie in 0..0; got 2"):
        rank_by_score(score[:, 0], rows, metric=2)
    with pytest.raises(InputError, match="nan at row 3"):
        rank_by_score(np.where(np.arange(len(rows)) == 3, np.nan, score[:, 0]), rows)
    with pytest.raises(InputError, match="level must lie strictly between 0 and 1"):
        qini(rank_by_score(score[:, 0], rows), level=95)
