"""AUC and GAUC of several objectives against scikit-learn, group by group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from equipoise.evaluation import gauc
from equipoise.ranking.criterion import mean_auc, objective_auc
from equipoise.ranking.rows import RankingRows


def rows_of(seed, n=60, grouped=True, weighted=False):
    rng = np.random.default_rng(seed)
    observed = rng.uniform(size=(n, 2)) < 0.8
    labels = ((rng.uniform(size=(n, 2)) < 0.4) & observed).astype(float)
    groups = np.unique(rng.integers(0, 6, n), return_inverse=True)[1] if grouped else None
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    score = rng.integers(0, 8, n).astype(float)  # with ties
    scores, profile = score[:, None], np.empty((n, 0))
    return RankingRows(scores, labels, ("a", "b"), observed, groups, weight, profile), score


@given(seed=st.integers(0, 10_000), weighted=st.booleans())
def test_auc_is_scikit_learns(seed, weighted):
    rows, score = rows_of(seed, grouped=False, weighted=weighted)
    for j, auc in enumerate(objective_auc(score, rows)):
        seen = rows.observed[:, j]
        weight = None if rows.weight is None else rows.weight[seen]
        want = roc_auc_score(rows.labels[seen, j], score[seen], sample_weight=weight)
        assert auc == pytest.approx(want, abs=1e-12)


@given(seed=st.integers(0, 10_000))
def test_gauc_is_that_of_the_evaluation(seed):
    rows, score = rows_of(seed)
    want = gauc(rows.labels, score, rows.groups, label_mask=rows.observed, weight="size")
    np.testing.assert_allclose(objective_auc(score, rows), want.value, atol=1e-12)


def test_an_objective_of_one_class_does_not_count():
    rows, score = rows_of(0, grouped=False)
    rows.labels[:, 1] = 0.0
    first = objective_auc(score, rows)[0]
    assert mean_auc(score, rows, np.array([0.5, 0.5])) == first
    assert np.isnan(mean_auc(score, rows, np.array([0.0, 1.0])))
