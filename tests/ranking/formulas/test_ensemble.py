"""The searched formulas: never below the best single score, and forms that are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.ranking import BestSingleScore, FormulaEnsemble
from equipoise.ranking.formulas.forms import Spreads, terms


def log(seed, n=400):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, [3, 20], (n, 2))
    return p, (rng.uniform(size=(n, 2)) < p).astype(int)


@pytest.mark.parametrize("seed", range(3))
def test_it_never_ends_below_the_best_single_score_where_it_is_judged(seed):
    p, y = log(seed)
    best = BestSingleScore().fit(p, y).score(p, y)
    for form in ("sum", "product", "rank"):
        ranker = FormulaEnsemble([form], trials=6, random_state=seed).fit(p, y)
        assert ranker.score(p, y) >= best - (0.005 if form == "rank" else 1e-12)


def test_a_product_is_the_product():
    p = np.random.default_rng(0).uniform(0.01, 0.5, (20, 2))
    seen, a, w = Spreads.learn(p), np.array([0.1, 2.0]), np.array([0.5, 1.5])
    product = ((a * p.mean(axis=0) + p) ** w).prod(axis=1)
    np.testing.assert_allclose(np.exp(terms("product", p, seen, a) @ w), product)


def test_a_place_is_the_share_above():
    p = np.linspace(0, 1, 1001)[:, None]
    np.testing.assert_allclose(Spreads.learn(p).places(p)[:, 0], 100 * (1 - p[:, 0]), atol=0.5)
    tied = np.repeat([[0.2], [0.4]], 50, axis=0)
    assert np.unique(Spreads.learn(tied).places(tied)).size == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"forms": ["mean"]}, "forms must be among sum, product, rank"),
        ({"forms": []}, "forms must be among"),
        ({"trials": 5}, "trials must be a whole number >= 9"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        FormulaEnsemble(**arguments).fit(*log(0))


@pytest.mark.parametrize("ranker", [BestSingleScore(), FormulaEnsemble(trials=30)], ids=repr)
def test_an_eval_set_decides_and_not_the_rows_of_fit(ranker):
    """Score 0 ranks the rows of fit, score 1 those of the eval_set."""
    rng = np.random.default_rng(0)
    p, later = rng.uniform(size=(2, 300, 2))
    held = {"X": later, "y": (later[:, 1] > 0.5).astype(int)}
    ranker = ranker.fit(p, (p[:, 0] > 0.5).astype(int), eval_set=held)
    assert ranker.score(**held) > 0.95
    assert ranker.score(p, (p[:, 0] > 0.5).astype(int)) < 0.7
