import numpy as np
import pytest

from equipoise.core.errors import DataError
from equipoise.data.ratings.ratings import Ratings, dense, table_of


def some(users=8, items=9, n=30, seed=0):
    keys = np.random.default_rng(seed).choice(users * items, n, replace=False)
    return Ratings("some", np.column_stack([keys // items, keys % items]), keys % 2, (users, items))


def test_ids_become_their_rank():
    ratings = dense("some", np.array([[40, 7], [10, 7], [40, 3]]), np.array([1, 0, 1]))
    assert ratings.pairs.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert ratings.sizes == (2, 2)


@pytest.mark.parametrize("seed", range(5))
def test_unrated_pairs_are_distinct_and_were_not_rated(seed):
    ratings = some(seed=seed)
    pairs = ratings.unrated(20, np.random.default_rng(seed))
    rated = {tuple(pair) for pair in ratings.pairs.tolist()}
    tuples = [tuple(pair) for pair in pairs.tolist()]
    assert len(tuples) == len(set(tuples)) == 20
    assert not rated & set(tuples)


def test_every_unrated_pair_is_as_likely():
    ratings = some()
    count = np.zeros(ratings.sizes)
    for seed in range(2_000):
        u, i = ratings.unrated(10, np.random.default_rng(seed)).T
        count[u, i] += 1
    count[ratings.pairs[:, 0], ratings.pairs[:, 1]] = np.nan
    expected = 2_000 * 10 / 42
    assert np.nanmax(np.abs(count - expected)) < 4.5 * np.sqrt(expected)


def test_a_sample_has_the_share_asked_and_dense_ids():
    part = some().sampled(0.3, seed=1)
    assert len(part) == 9
    assert part.pairs.max(axis=0).tolist() == [size - 1 for size in part.sizes]
    np.testing.assert_array_equal(part.pairs, some().sampled(0.3, seed=1).pairs)


def test_lines_of_another_format_are_told(tmp_path):
    file = tmp_path / "ratings.dat"
    file.write_text("1;2;3;4\n")
    with pytest.raises(
        DataError, match=r"a line must be a::b; got '1;2;3;4\\n' at .*ratings.dat, row 1"
    ):
        table_of(file, ("a", "b"), "::")
    file.write_text("1::2\n1::2::3\n")
    with pytest.raises(DataError, match="a file must hold a::b"):
        table_of(file, ("a", "b"), "::")
