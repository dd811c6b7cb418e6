"""Bootstrap by weights on the sorted order."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import bootstrap, evaluation_data, qini, qini_sklift, rank_by_score
from equipoise.evaluation.resampling import replicate_seeds, resample


def test_counts_are_poisson_one():
    counts = resample(np.arange(200_000), np.ones(200_000), replicate_seeds(2, 0)[0])
    shares = np.bincount(counts.astype(int), minlength=8)[:5] / 200_000
    # three standard errors are .0033
    assert shares == pytest.approx(np.exp(-1) / np.array([1, 1, 2, 6, 24]), abs=0.005)
    assert counts.mean() == pytest.approx(counts.var(), abs=0.02)


def test_a_unit_counts_alike_wherever_it_stands():
    seed, order = replicate_seeds(2, 1)[0], np.random.default_rng(0).permutation(1000)
    plain = resample(np.arange(1000), np.ones(1000), seed)
    assert resample(order, np.ones(1000), seed).tolist() == plain[order].tolist()


def test_replicates_are_independent():
    first, second = (
        resample(np.arange(50_000), np.ones(50_000), seed) for seed in replicate_seeds(2, 2)
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.02


def test_any_metric_gets_an_interval(trial):
    score, rows, _ = trial(3, n=2000, binary=True)
    estimate = bootstrap(qini_sklift, rank_by_score(score[:, 0], rows), draws=100)
    assert estimate.value == qini_sklift(rank_by_score(score[:, 0], rows)).value
    assert 0 < estimate.low < estimate.value < estimate.high


def test_clusters_count_as_one():
    copies = np.repeat(np.arange(50), 3)
    rows = evaluation_data(
        np.arange(50.0)[copies],
        cell=np.arange(50)[copies] % 2,
        propensity=[0.5, 0.5],
        groups=copies,
    )
    once = evaluation_data(np.arange(50.0), cell=np.arange(50) % 2, propensity=[0.5, 0.5])
    many = bootstrap(qini, rank_by_score(np.arange(50.0)[copies], rows), draws=50)
    assert many.interval == pytest.approx(
        bootstrap(qini, rank_by_score(np.arange(50.0), once), draws=50).interval
    )


def test_draws_below_two_are_refused(trial):
    score, rows, _ = trial(4)
    with pytest.raises(InputError, match="draws must be a whole number >= 2; got 0"):
        bootstrap(qini, rank_by_score(score[:, 0], rows), draws=0)


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1] * 10])
def test_too_few_units_are_refused(groups):
    rows = 40 if groups else 4
    cells, y = [0, 1, 0, 1] * (rows // 4), [1.0, 0.0, 0.0, 1.0] * (rows // 4)
    data = evaluation_data(y, cell=cells, propensity=[0.5, 0.5], groups=groups)
    ranking = rank_by_score(np.arange(rows) % 4, data)
    with pytest.raises(
        InputError, match=f"at least 20; got {2 if groups else 4}; evaluate on more"
    ):
        bootstrap(qini, ranking)
