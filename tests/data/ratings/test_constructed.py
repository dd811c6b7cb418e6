import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.core.errors import DataError  # noqa: E402
from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, COUPON_TAKER, NEVER_BUYER, NEVER_TAKER  # noqa: E402
from equipoise.data.ratings.constructed import (  # noqa: E402
    PUBLISHED,
    RECIPES,
    TEXT_LABELS,
    Constructed,
    claims_and_outcomes,
    construct,
    strata_of,
)
from equipoise.data.ratings.ratings import Ratings  # noqa: E402


def taste(users=60, items=50, share=0.3, seed=0):
    """Ratings whose liking is additive in user and item."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(users * items, int(share * users * items), replace=False)
    u, i = keys // items, keys % items
    p = 1 / (1 + np.exp(-(rng.normal(size=users)[u] + rng.normal(size=items)[i])))
    return Ratings(
        "taste", np.column_stack([u, i]), (rng.random(len(u)) < p).astype(np.int64), (users, items)
    )


def test_strata_of_six_pairs_by_hand():
    score = np.array([3.0, 1.0, 9.0, 2.0, 5.0, 0.0])
    rated = np.array([True, True, True, False, False, True])
    liked = np.array([1, 1, 0, 0, 0, 0])
    got = strata_of(score, rated, liked, PUBLISHED)
    assert got.tolist() == [
        COUPON_BUYER,
        ALWAYS_BUYER,
        COUPON_TAKER,
        NEVER_TAKER,
        NEVER_BUYER,
        COUPON_TAKER,
    ]
    other = strata_of(score, rated, liked, TEXT_LABELS)
    assert other.tolist() == [
        ALWAYS_BUYER,
        COUPON_BUYER,
        COUPON_TAKER,
        NEVER_BUYER,
        NEVER_TAKER,
        COUPON_TAKER,
    ]


def test_what_each_stratum_shows():
    every = np.arange(5)
    c, y = claims_and_outcomes(every, np.ones(5, np.int64))
    assert (c.tolist(), y.tolist()) == ([0, 0, 1, 1, 1], [0, 1, 0, 1, 1])
    c, y = claims_and_outcomes(every, np.zeros(5, np.int64))
    assert (c.tolist(), y.tolist()) == ([0, 0, 0, 0, 0], [0, 1, 0, 0, 1])


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_the_benchmark_is_what_was_published(recipe):
    ratings = taste()
    steps = []
    data = construct(ratings, recipe=recipe, seed=1, step=steps.append)
    n = len(ratings) + int(0.8 * len(ratings))
    assert (len(data.t), len(data.test_stratum)) == (int(0.7 * n), n - int(0.7 * n))
    count = np.bincount(np.r_[data.stratum, data.test_stratum], minlength=5)
    assert count[COUPON_TAKER] == (ratings.liked == 0).sum()
    assert abs(count[COUPON_BUYER] - count[ALWAYS_BUYER]) <= 1
    assert abs(count[NEVER_BUYER] - count[NEVER_TAKER]) <= 1
    pairs = np.concatenate([data.pairs, data.test_pairs])
    assert len(np.unique(pairs @ [1000, 1])) == n
    c, y = claims_and_outcomes(data.stratum, data.t)
    np.testing.assert_array_equal([data.c, data.y], [c, y])
    assert abs(data.t.mean() - data.g.mean()) < 4 * np.sqrt(0.25 / len(data.t))
    assert [text.split(":")[0] for text in steps] == ["labels", "assignment", "constructed"]


def test_same_seed_same_data_and_it_comes_back_from_its_file(tmp_path):
    ratings = taste()
    data, again, other = (
        construct(ratings, seed=1),
        construct(ratings, seed=1),
        construct(ratings, seed=2),
    )
    data.write(tmp_path / "made.npz")
    read = Constructed.read(tmp_path / "made.npz")
    for name, value in vars(data).items():
        np.testing.assert_array_equal(getattr(again, name), value)
        np.testing.assert_array_equal(getattr(read, name), value)
    assert not np.array_equal(other.t, data.t)
    assert [file.name for file in tmp_path.iterdir()] == ["made.npz"]


def test_a_file_that_is_no_benchmark_is_refused(tmp_path):
    (tmp_path / "made.npz").write_text("no")
    with pytest.raises(DataError, match="constructed data must be readable"):
        Constructed.read(tmp_path / "made.npz")
