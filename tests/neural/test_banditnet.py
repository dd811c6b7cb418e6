from __future__ import annotations

import numpy as np
import pytest
import torch

from equipoise.core.errors import InputError
from equipoise.neural.banditnet import (
    SUPPORTED,
    UNSUPPORTED,
    BanditNet,
    Setting,
    judge,
    objective,
    poem,
    translated,
)


def log(n=3000, seed=0, level=5.0):
    """Three arms at random; the best one depends on the sign of the first feature; rewards lie far
    from 0, which plain inverse propensities cannot bear.
    """
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(n, 3)), rng.choice(3, n, p=[0.5, 0.3, 0.2])
    e = np.array([0.5, 0.3, 0.2])[t]
    r = level + np.where(t == (X[:, 0] > 0), 1.0, 0.0) + 0.3 * rng.normal(size=n)
    return X, t, r, e


def test_losses_by_hand():
    w, g = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 1.0])
    assert float(objective(w, g, Setting())) == -2.5
    assert float(objective(w, g, Setting(clip=2.0))) == -2.0
    # gains 2 and 3: variance 0.5, so the penalty is sqrt(0.5 / 2) = 0.5
    assert float(objective(w, g, Setting(variance=1.0))) == pytest.approx(-2.0)


def test_what_held_out_rows_say_by_hand():
    # weights 0 and 2 of rewards 1 and 3: SNIPS 3, no error, one row of two speaks
    told = judge(np.array([0.0, 2.0]), np.array([1.0, 3.0]), Setting())
    assert (told.snips, told.std_error, told.weight, told.effective_share) == (3.0, 0.0, 1.0, 0.5)
    assert not told.thin
    even = judge(np.ones(4), np.array([1.0, 2.0, 3.0, 4.0]), Setting())
    assert (even.snips, even.effective_share) == (2.5, 1.0)
    assert even.std_error == pytest.approx(np.sqrt(5.0) / 4)


def test_a_translation_finds_what_plain_propensities_miss():
    X, t, r, e = log()
    net = BanditNet(translated()[3:6], epochs=15).fit(X, t, r, e, np.eye(3))
    new = log(500, seed=1)[0]
    assert (net.choose(new).arm == (new[:, 0] > 0)).mean() > 0.93
    assert 5.8 < net.chosen_.snips < 6.2
    assert 0 < net.chosen_.effective_share < 1
    assert [one.setting for one in net.held_out_] == list(translated()[3:6])
    assert net.chosen_.snips == max(one.snips for one in net.held_out_)
    plain = BanditNet([Setting()], epochs=15).fit(X, t, r, e, np.eye(3))
    assert (plain.choose(new).arm == (new[:, 0] > 0)).mean() < 0.9


def test_the_same_seed_gives_the_same_policy_and_an_offset_changes_nothing():
    X, t, r, e = log(600)
    one, two = (BanditNet([Setting(0.0)], epochs=3).fit(X, t, r + k, e, np.eye(3)) for k in (0, 8))
    np.testing.assert_allclose(one.scores(X), two.scores(X), atol=1e-3)
    again = BanditNet([Setting(0.0)], epochs=3).fit(X, t, r, e, np.eye(3))
    np.testing.assert_array_equal(one.scores(X), again.scores(X))
    np.testing.assert_allclose(one.probabilities(X).sum(axis=1), 1.0)


def test_rows_are_held_out_by_numbers_that_nobody_else_draws():
    # who drew the rows by the same seed would else have sorted them into the two parts
    rng = np.random.default_rng(0)
    X = rng.random((2000, 1))
    t, e = rng.integers(2, size=2000), np.full(2000, 0.5)
    net = BanditNet([Setting(0.0)], epochs=1).fit(X, t, X[:, 0], e, np.eye(2))
    assert abs(net.chosen_.snips - 0.5) < 0.1  # 0.13 before


def test_arms_that_were_not_logged_are_labelled():
    X, t, r, e = log(600)
    net = BanditNet(poem()[:1], epochs=2).fit(X, t % 2, r, e, np.eye(3))
    told = net.choose(X, np.eye(3)[:2])
    assert told.label == SUPPORTED
    assert told.supported.all()
    told = net.choose(X, np.full((1, 3), 0.5))
    assert told.label == UNSUPPORTED
    assert not told.supported.any()
    assert not net.logged_[2]


def test_bad_values_are_refused():
    X, t, r, e = log(60)
    net, arms = BanditNet([Setting()], epochs=1), np.eye(3)

    def spoilt(column, value):
        copy = column.astype(float)
        copy[7] = value
        return copy

    for name, rows in (
        ("choice", (X, spoilt(t, 5), r, e)),
        ("choice", (X, spoilt(t, 0.5), r, e)),
        ("reward", (X, t, spoilt(r, np.nan), e)),
        ("propensity", (X, t, r, spoilt(e, 0))),
        ("feature", (spoilt(X, np.inf), t, r, e)),
    ):
        with pytest.raises(InputError, match=f"{name}.*row 7"):
            net.fit(*rows, arms)
    with pytest.raises(InputError, match="one entry per row"):
        net.fit(X, t[:5], r, e, arms)
    with pytest.raises(InputError, match="two arms"):
        net.fit(X, t * 0, r, e, arms[:1])
    with pytest.raises(InputError, match="held_out"):
        BanditNet(held_out=1.5).fit(X, t, r, e, arms)
    with pytest.raises(InputError, match="settings"):
        BanditNet([]).fit(X, t, r, e, arms)
