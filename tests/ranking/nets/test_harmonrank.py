"""HarmonRank finds what a formula cannot say: weights that follow the viewer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.neural.rank_loss import rank_auc_loss  # noqa: E402
from equipoise.ranking import FormulaEnsemble, HarmonRank  # noqa: E402


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
