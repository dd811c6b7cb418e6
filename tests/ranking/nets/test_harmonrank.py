"""HarmonRank finds what a formula cannot say: weights that follow the viewer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.neural.rank_loss import rank_auc_loss  # noqa: E402
from equipoise.ranking import FormulaEnsemble, HarmonRank  # noqa: E402
from equipoise.ranking.nets import training  # noqa: E402


def log(seed, n=6000):
    """Half of the viewers buy what score 0 says, half what score 1 says."""
    rng = np.random.default_rng(seed)
    kind, taste = rng.integers(0, 2, n), rng.normal(size=(n, 2))
    own = taste[np.arange(n), kind]
    y = rng.uniform(size=(n, 2)) < 1 / (1 + np.exp(-(1.5 * own[:, None] + [-1.0, -2.5])))
    return 1 / (1 + np.exp(-taste)), y.astype(int), kind[:, None]


@pytest.mark.parametrize("seed", range(2))
def test_weights_follow_the_viewer(seed):
    p, y, kind = log(seed)
    later, won, whose = log(100 + seed)
    ranker = HarmonRank(epochs=15, rate=0.02, random_state=seed).fit(p, y, profile=kind)
    formula = FormulaEnsemble(["sum"], trials=20).fit(p, y, profile=kind)
    gain = ranker.score(later, won, profile=whose) - formula.score(later, won, profile=whose)
    assert gain > 0.05  # about .075: AUC .80 against .73
    gates = ranker.gates([[0.0], [1.0]])
    assert gates[0, 0] > gates[0, 1]
    assert gates[1, 1] > gates[1, 0]


def test_a_loss_of_the_wrong_direction_is_noticed(monkeypatch):
    """The text's descending ranks would train the AUC towards 0."""

    def descending(scores, labels, **how):
        return rank_auc_loss(-scores, labels, **how)

    monkeypatch.setattr("equipoise.neural.rank_loss.rank_auc_loss", descending)
    p, y, kind = log(0)
    ranker = HarmonRank(epochs=5, rate=0.02, patience=9).fit(p, y, profile=kind)
    assert ranker.losses_[-1] > 0.6


def test_what_stops_the_training_is_never_trained_on(monkeypatch):
    """Held-out rows, and an eval_set, decide; the rows that train are the others, all of them."""
    seen = []

    def spy(ranker, rows, held):
        seen.append((rows, held))
        return train_net(ranker, rows, held)

    train_net = training.train_net
    monkeypatch.setattr(training, "train_net", spy)
    p, y, kind = log(0, 600)
    groups = np.arange(600) // 5
    HarmonRank(epochs=1).fit(p, y, profile=kind, groups=groups)
    later, won, whose = log(1, 200)
    held = {"X": later, "y": won, "profile": whose, "groups": np.arange(200) // 5}
    HarmonRank(epochs=1).fit(p, y, profile=kind, groups=groups, eval_set=held)
    (rows, outside), (every, given) = seen
    assert len(outside) == 120
    both = np.concatenate([rows.scores, outside.scores])
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(p, axis=0))
    group_of = dict(zip(map(tuple, p.tolist()), groups, strict=True))
    parts = [{group_of[tuple(row)] for row in part.scores.tolist()} for part in (rows, outside)]
    assert not parts[0] & parts[1]
    np.testing.assert_array_equal(np.unique(every.scores, axis=0), np.unique(p, axis=0))
    np.testing.assert_array_equal(given.scores, later)


def test_a_second_fit_is_asked_and_not_the_first():
    p, y, kind = log(0, 400)
    ranker = HarmonRank(epochs=1).fit(p, y)
    first = ranker.predict(p)
    again = ranker.fit(p[:, ::-1], y[:, ::-1]).predict(p[:, ::-1])
    fresh = HarmonRank(epochs=1).fit(p[:, ::-1], y[:, ::-1]).predict(p[:, ::-1])
    np.testing.assert_array_equal(again, fresh)
    assert not np.array_equal(first, again)
