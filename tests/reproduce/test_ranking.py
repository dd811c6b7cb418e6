"""The table of ensembles: its measures by hand, its parts, and a method that knows the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from equipoise.core.errors import DataError
from equipoise.ranking import RANKERS
from equipoise.reproduce import ranking
from equipoise.reproduce.ranking import Part, judged, losses, means_of, synthetic


def test_the_losses_are_those_of_the_mean_auc():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (300, 2)).astype(float)
    score, users = rng.normal(size=300), rng.integers(0, 4, 300)
    found = losses(score, Part(np.empty((300, 0)), y, users, None))
    whole = np.mean([roc_auc_score(column, score) for column in y.T])
    grouped = np.mean(
        [
            np.average(
                [roc_auc_score(column[users == u], score[users == u]) for u in range(4)],
                weights=np.bincount(users),
            )
            for column in y.T
        ]
    )
    assert found == pytest.approx({"AUC loss": 1 - whole, "GAUC loss": 1 - grouped})


def test_parts_share_no_user_and_every_objective_is_in_each():
    learn, decide, test = synthetic(3, users=300)
    assert [len(part.y) for part in (learn, decide, test)] == [2400, 1200, 2400]
    users = [set(part.users) for part in (learn, decide, test)]
    assert not users[0] & users[1]
    assert not (users[0] | users[1]) & users[2]
    assert all((part.y.sum(axis=0) > 0).all() for part in (learn, decide, test))
    assert ((learn.X > 0) & (learn.X < 1)).all()
    both = learn.with_rows(decide)
    assert len(both.y) == both.profile.num_rows == 3600


def test_a_searched_formula_beats_the_best_single_score(monkeypatch):
    monkeypatch.setattr(ranking, "parts", lambda data, seed: synthetic(seed, users=300))
    single = judged("synthetic", 0, 1, name="best-single-score")
    formula = judged("synthetic", 0, 1, name="weighted-sum", trials=30)
    net = judged("synthetic", 0, 3, name="balanced-bce", width=4)
    assert formula["AUC loss"] < single["AUC loss"] - 0.02
    assert net["AUC loss"] < 0.45


def test_means_leave_out_what_is_not_known():
    ids, values = np.array([0, 0, 1, 1]), np.array([1.0, 0.0, 1.0, 1.0])
    known = np.array([True, False, True, False])
    values_seen = means_of(ids, values, known)
    values[~known] = 9.0
    assert means_of(ids, values, known).tolist() == values_seen.tolist()


def test_every_ranker_and_both_curves_are_methods():
    assert set(RANKERS) <= set(ranking.METHODS)
    assert {"harmonrank, batch 256", "harmonrank, k = 100"} <= set(ranking.METHODS)


def test_movielens_is_a_smoke_test():
    try:
        learn, _, test = ranking.movielens()
    except DataError:
        pytest.skip("no MovieLens in the data folders")
    assert (len(learn.y), len(test.y)) == (36_000, 36_000)
    assert (np.diff(test.y, axis=1) <= 0).all()
