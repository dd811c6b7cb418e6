"""Base scores of our own: they predict, ignore the order of rows, and refuse what they cannot
learn.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from equipoise.core.errors import InputError
from equipoise.ranking import BoostedScores, MMoEScores, ranker_from_parts, ranker_parts
from equipoise.ranking.base_scores.mmoe import _logits
from equipoise.ranking.base_scores.table import score_table

MODELS = {
    "trees": BoostedScores(40, num_leaves=4),
    "mmoe": MMoEScores(2, 4, epochs=12, batch=128, rate=0.02),
}
every_model = pytest.mark.parametrize("name", MODELS)


def log(seed=0, n=1500):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    X["kind"] = rng.choice(["live", "video"], n)
    level = np.column_stack([X.a - 0.5, 0.8 * X.b + (X.kind == "live") - 2.5])
    y = rng.uniform(size=(n, 2)) < 1 / (1 + np.exp(-2 * level))
    return X, pd.DataFrame(y.astype(int), columns=["click", "buy"]), rng.integers(0, 300, n)


@every_model
def test_it_predicts_what_it_has_not_seen(name):
    X, y, users = log()
    later, won, _ = log(1)
    model = clone(MODELS[name]).fit(X, y, groups=users)
    p = model.predict(later)
    assert ((p > 0) & (p < 1)).all()
    assert all(roc_auc_score(won[column], p[:, j]) > 0.78 for j, column in enumerate(won))
    np.testing.assert_allclose(p.mean(axis=0), won.mean(), rtol=0.25)
    assert model.scores(later).column_names == ["p_click", "p_buy"]
    order = np.random.default_rng(0).permutation(len(X))
    again = clone(model).fit(X.iloc[order], y.iloc[order], groups=users[order])
    np.testing.assert_allclose(again.predict(later), p, rtol=1e-6)


@every_model
def test_what_a_mask_hides_is_not_read(name):
    X, y, _ = log()
    mask = np.random.default_rng(0).uniform(size=y.shape) < 0.7
    p = clone(MODELS[name]).fit(X, y, label_mask=mask).predict(X[:20])
    other = clone(MODELS[name]).fit(X, y.where(mask, 5), label_mask=mask)
    np.testing.assert_array_equal(other.predict(X[:20]), p)


@every_model
def test_what_cannot_be_learnt_is_named(name):
    X, y, _ = log(n=60)
    with pytest.raises(InputError, match="labels 0 and 1 of each objective; got all 60 labels of"):
        clone(MODELS[name]).fit(X, y * [1, 0])
    with pytest.raises(InputError, match="y must have one row for each of X's 60"):
        clone(MODELS[name]).fit(X, y[:9])
    few = clone(MODELS[name]).fit(X[:15], [0, 1, 1] * 5)
    assert few.predict(X[:1]).shape == (1, 1)
    assert few.predict(X[:0]).shape == (0, 1)


@every_model
def test_the_users_that_stop_it_are_not_trained_on(name, monkeypatch):
    parts = {}

    def spy(self, X, labels, observed, weight, held):
        parts["held"], parts["X"] = held, X

    monkeypatch.setattr(type(MODELS[name]), "_learn", spy)
    X, y, users = log()
    clone(MODELS[name]).fit(X, y, groups=users)
    user_of = dict(zip(X.a.tolist(), users, strict=True))
    held, rows = parts["held"], parts["X"][:, 0]
    sides = [{user_of[a] for a in rows[side]} for side in (held, ~held)]
    assert not sides[0] & sides[1]
    assert 0.15 < held.mean() < 0.25


def test_the_forward_by_numpy_is_the_net():
    torch = pytest.importorskip("torch")
    from equipoise.neural.mmoe import MMoE, MMoEShape

    torch.manual_seed(0)
    net = MMoE(MMoEShape(3, 4, 2, 3, 5)).double()
    u = 4 * torch.rand(20, 3, dtype=torch.double)
    weights = {key: part.detach().numpy() for key, part in net.state_dict().items()}
    np.testing.assert_allclose(_logits(weights, u.numpy()), net(u).detach().numpy(), atol=1e-12)


@every_model
def test_it_is_saved_without_code_and_says_the_same(name):
    X, y, _ = log(n=400)
    model = clone(MODELS[name]).fit(X, y)
    parts, meta = ranker_parts(model)
    again = ranker_from_parts(parts, json.loads(json.dumps(meta)))
    assert again.predict(X).tolist() == model.predict(X).tolist()
    table = score_table({"one": model, "two": again}, X, taken=("p_click_one",))
    assert table.column_names == ["p_click_one_", "p_buy_one", "p_click_two", "p_buy_two"]
