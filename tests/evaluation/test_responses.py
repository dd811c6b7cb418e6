"""Response tables: by hand, as means with Welch's errors in each bin, clusters, and weights."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import evaluation_data, rank_by_score, response_table
from equipoise.evaluation.average import average_effects
from equipoise.evaluation.off_policy import snips


def world(n=900, arms=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    score, cell = rng.normal(size=n), rng.integers(arms, size=n)
    y = np.column_stack([score * cell + rng.normal(size=n), rng.random(n) < 0.3]).astype(float)
    rows = evaluation_data(y, cell=cell, propensity=np.full(arms, 1 / arms), **more)
    return score, cell, y, rows


def test_by_hand_with_ties_and_the_total():
    """Units 0 and 1 tie; of bins of two, the first has one treated and one control."""
    rows = evaluation_data([5, 1, 2, 4, 1, 1], cell=[1, 0, 1, 1, 0, 0], propensity=[0.5, 0.5])
    ranking = rank_by_score([3.0, 3.0, 2.0, 1.5, 1.0, 0.0], rows)
    table = response_table(ranking, bins=3, total=True)
    assert table.bin.tolist() == [1, 2, 3, 0]
    assert table.score.tolist() == [3, 1.75, 0.5, 1.75]
    assert table.rows.tolist() == [[1, 1], [0, 2], [2, 0], [3, 3]]
    np.testing.assert_allclose(table.response.value[[0, 3]], [[1, 5], [1, 11 / 3]])
    assert table.response.value[1, 1] == 3
    assert np.isnan(table.uplift.value[1:3]).all()
    np.testing.assert_allclose(table.uplift.value[[0, 3], 0], [4, 8 / 3])


def test_bins_have_means_and_errors_of_welch():
    score, cell, y, rows = world()
    table = response_table(rank_by_score(score, rows, metric=1), bins=3)
    place = np.argsort(np.argsort(-score)) * 3 // 900
    for b in range(3):
        inside = [y[(place == b) & (cell == a), 1] for a in range(3)]
        assert table.rows[b].tolist() == [len(one) for one in inside]
        means = np.array([one.mean() for one in inside])
        variances = np.array([one.var(ddof=1) / len(one) for one in inside])
        np.testing.assert_allclose(table.response.value[b], means)
        np.testing.assert_allclose(table.response.std_error[b] ** 2, variances)
        np.testing.assert_allclose(table.uplift.value[b], means[1:] - means[0])
        np.testing.assert_allclose(table.uplift.std_error[b] ** 2, variances[1:] + variances[0])


@pytest.mark.parametrize("kind", ["weights", "clusters", "chances"])
def test_all_rows_are_the_average_effects_by_inverse_chances(kind):
    rng = np.random.default_rng(1)
    more = {"weight": rng.uniform(1, 2, 900)} if kind == "weights" else {}
    more |= {"groups": np.repeat(np.arange(300), 3)} if kind == "clusters" else {}
    score, cell, y, rows = world(**more)
    if kind == "chances":
        rows = evaluation_data(y, cell=cell, propensity=rng.dirichlet([9, 9, 9], 900))
    table = response_table(rank_by_score(score, rows), bins=4, total=True)
    whole = average_effects(rows, method=snips)
    np.testing.assert_allclose(table.uplift.value[-1], whole.effect.value[:, 0])
    np.testing.assert_allclose(table.uplift.std_error[-1], whole.effect.std_error[:, 0])
    np.testing.assert_allclose(table.response.value[-1, 0], whole.control.value[0])


def test_as_a_table():
    score, _, _, rows = world()
    table = response_table(rank_by_score(score, rows), bins=2)
    plain = table.to_table().to_pydict()
    assert plain["bin"] == [1, 1, 1, 2, 2, 2]
    assert plain["cell"] == [0, 1, 2] * 2
    assert [up is None for up in plain["uplift"]] == [True, False, False] * 2
    assert plain["uplift"][1] == table.uplift.value[0, 0]
    assert plain["uplift_error"][5] == table.uplift.std_error[1, 1]
    with pytest.raises(InputError, match=r"bins must lie in 1\.\.900"):
        response_table(rank_by_score(score, rows), bins=0)
