"""Paired comparison: a winner only where the interval excludes 0."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    autoc,
    compare_policies,
    compare_rankings,
    evaluation_data,
    policy_value,
    qini,
    qini_sklift,
    rank_by_score,
)


def test_a_ranking_against_itself_is_a_draw(trial):
    score, rows, _ = trial(1)
    same = compare_rankings(
        rank_by_score(score[:, 0], rows), rank_by_score(np.exp(score[:, 0]), rows), qini
    )
    assert same.difference.interval == pytest.approx([0, 0, 0], abs=1e-12)
    assert same.winner is None
    assert "no winner: the interval holds 0" in str(same)


def test_truth_beats_noise_and_the_statement_says_so(trial):
    score, rows, _ = trial(2, n=2000)
    noise = np.random.default_rng(0).standard_normal(2000)
    comparison = compare_rankings(
        rank_by_score(noise, rows),
        rank_by_score(score[:, 0], rows),
        autoc,
        names=("noise", "truth"),
    )
    assert comparison.winner == "truth"
    assert str(comparison).startswith("autoc: noise - truth = -")
    assert str(comparison).endswith("; truth wins")


def test_pairing_narrows_the_difference_of_like_scores(trial):
    score, rows, _ = trial(3, n=2000)
    near = score[:, 0] + 0.05 * np.random.default_rng(1).standard_normal(2000)
    error = qini(rank_by_score(near, rows)).std_error
    assert (
        compare_rankings(
            rank_by_score(score[:, 0], rows), rank_by_score(near, rows), qini, draws=200
        ).difference.std_error
        < error / 2
    )


@pytest.mark.parametrize("metric", [qini, autoc], ids=["qini", "autoc"])
def test_influence_values_give_the_bootstraps_error(trial, metric):
    score, rows, _ = trial(3, n=2000)
    near = score[:, 0] + 0.3 * np.random.default_rng(1).standard_normal(2000)
    first, second = rank_by_score(score[:, 0], rows), rank_by_score(near, rows)
    drawn = compare_rankings(first, second, metric, draws=400).difference
    known = compare_rankings(first, second, metric, draws=0).difference
    assert known.value == pytest.approx(drawn.value, abs=1e-12)
    assert known.std_error == pytest.approx(drawn.std_error, rel=0.15)
    flat = compare_rankings(first, first, metric, draws=0)
    assert flat.difference.interval == [0, 0, 0]
    assert flat.winner is None


def test_noise_wins_over_noise_no_more_often_than_the_level_says():
    """By influence values, of 400 experiments: 20 false winners are expected (standard error 4)."""
    rng, winners = np.random.default_rng(5), 0
    for _ in range(400):
        cell = rng.integers(0, 2, 300)
        rows = evaluation_data(rng.exponential(size=300), cell=cell, propensity=[0.5, 0.5])
        pair = [rank_by_score(rng.standard_normal(300), rows) for _ in range(2)]
        winners += compare_rankings(*pair, qini, draws=0).winner is not None
    assert winners <= 32


def test_without_influence_values_there_must_be_draws(trial):
    score, rows, _ = trial(3, n=2000)
    ranking = rank_by_score(score[:, 0], rows)
    with pytest.raises(InputError, match="'qini_sklift' must have influence values"):
        compare_rankings(ranking, ranking, qini_sklift, draws=0)


def test_clusters_are_drawn_whole():
    rng = np.random.default_rng(4)
    x, cell = rng.standard_normal(200), rng.integers(0, 2, 200)
    y, copies = x * cell + rng.standard_normal(200), np.repeat(np.arange(200), 5)
    noise = rng.standard_normal(200)
    once = evaluation_data(y, cell=cell, propensity=[0.5, 0.5])
    many = evaluation_data(y[copies], cell=cell[copies], propensity=[0.5, 0.5], groups=copies)
    first = compare_rankings(rank_by_score(x, once), rank_by_score(noise, once), qini)
    second = compare_rankings(
        rank_by_score(x[copies], many), rank_by_score(noise[copies], many), qini
    )
    assert second.difference.interval == pytest.approx(first.difference.interval)


def test_policies_are_compared_like_their_means(trial):
    score, rows, _ = trial(5, n=3000, effect=0.0)
    aimed = policy_value(np.where(score[:, 0] > 0, 0, -1), rows)
    nobody = policy_value(np.full(3000, -1), rows)
    comparison = compare_policies(aimed, nobody, names=("aimed", "nobody"), draws=1000)
    paired = aimed.minus(nobody)[0]
    assert comparison.winner == "aimed"
    assert comparison.difference.value == pytest.approx(paired.value)
    # 1000 draws know it to 2.2 %
    assert comparison.difference.std_error == pytest.approx(paired.std_error, rel=0.08)
    assert (
        compare_policies(aimed, nobody, better=-1.0, names=("aimed", "nobody")).winner == "nobody"
    )


def test_same_seed_same_numbers(trial):
    score, rows, _ = trial(6)
    noise = rank_by_score(np.random.default_rng(0).standard_normal(len(rows)), rows)
    first, second, other = (
        compare_rankings(rank_by_score(score[:, 0], rows), noise, qini, draws=50, seed=s)
        for s in (1, 1, 2)
    )
    assert first == second != other


def test_no_winner_on_noise_more_often_than_the_level_allows(trial):
    """Two meaningless scores: a winner in about 5 of 100 worlds; over 20 blocks of 100 the most was
    8.
    """
    wins = 0
    for seed in range(100):
        _, rows, _ = trial(seed, n=300)
        noise = np.random.default_rng(seed).standard_normal((2, 300))
        wins += (
            compare_rankings(
                rank_by_score(noise[0], rows), rank_by_score(noise[1], rows), qini, draws=200
            ).winner
            is not None
        )
    assert wins <= 14


def test_other_rows_are_refused(trial):
    score, rows, _ = trial(7)
    other, more, _ = trial(7, n=500)
    with pytest.raises(InputError, match="same rows"):
        compare_rankings(rank_by_score(score[:, 0], rows), rank_by_score(other[:, 0], more), qini)
    with pytest.raises(InputError, match="same rows"):
        compare_policies(
            policy_value(np.zeros(400, int), rows), policy_value(np.zeros(500, int), more)
        )
    with pytest.raises(InputError, match="draws must be a whole number >= 2"):
        compare_rankings(
            rank_by_score(score[:, 0], rows), rank_by_score(score[:, 0], rows), qini, draws=1
        )
