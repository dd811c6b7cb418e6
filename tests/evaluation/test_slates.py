"""Slates: each estimator is right where its assumption holds, and wrong where a slot's reward
depends on more.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import slate_value

L, ITEMS = 3, 4
LOGGED = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])
OTHER = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.1, 0.4], [0.25, 0.25, 0.25, 0.25]])
GOOD = np.array([0.1, 0.3, 0.5, 0.7])


def draw(policy, rows, rng, carry):
    """Slates by slots filled independently, and clicks; carry: what a click above adds."""
    items = np.stack([rng.choice(ITEMS, rows, p=policy[slot]) for slot in range(L)], axis=1)
    clicks = np.zeros((rows, L))
    above = np.zeros(rows)
    for slot in range(L):
        clicks[:, slot] = rng.random(rows) < 0.6 * GOOD[items[:, slot]] + carry * above
        above = clicks[:, slot]
    return items, clicks


def case(seed, carry, rows=20_000):
    rng = np.random.default_rng(seed)
    items, clicks = draw(LOGGED, rows, rng, carry)
    slots = np.arange(L)
    truth = draw(OTHER, 400_000, rng, carry)[1].mean(axis=0)
    return clicks, OTHER[slots, items], LOGGED[slots, items], truth


@pytest.mark.parametrize(
    ("method", "carry", "right"),
    [
        ("joint", 0.3, True),
        ("cascade", 0.3, True),
        ("independent", 0.0, True),
        ("independent", 0.3, False),
        ("pseudo_inverse", 0.0, True),
    ],
)
def test_each_is_right_under_its_assumption(method, carry, right):
    z = []
    for seed in range(4):
        clicks, pi, e, truth = case(seed, carry)
        found = slate_value(clicks, pi, e, method=method)
        z.append((found.value[-1] - truth.sum()) / found.std_error[-1])
    assert (np.abs(np.mean(z)) < 1.5) == right


def test_assumptions_buy_precision():
    clicks, pi, e, _ = case(0, 0.0)
    errors = {
        method: slate_value(clicks, pi, e, method=method).std_error[-1]
        for method in ("joint", "cascade", "independent", "pseudo_inverse")
    }
    assert errors["independent"] < errors["cascade"] < errors["joint"]
    assert errors["pseudo_inverse"] < errors["joint"]
    plain, normal = (
        slate_value(clicks, pi, e, method="joint", self_normalised=on) for on in (False, True)
    )
    assert normal.std_error[-1] < plain.std_error[-1]
    assert normal.value[-1] == pytest.approx(plain.value[-1], abs=3 * plain.std_error[-1])


def test_by_hand():
    r, pi, e = np.array([[1.0, 0], [1, 1]]), np.array([[0.5, 0.2], [1, 0.4]]), np.full((2, 2), 0.5)
    w = pi / e
    want = {
        "joint": [(w.prod(axis=1) * r[:, 0]).mean(), (w.prod(axis=1) * r[:, 1]).mean()],
        "cascade": [(w[:, 0] * r[:, 0]).mean(), (w.prod(axis=1) * r[:, 1]).mean()],
        "independent": (w * r).mean(axis=0),
        "pseudo_inverse": ((w.sum(axis=1) - 1)[:, None] * r).mean(axis=0),
    }
    for method, slots in want.items():
        got = slate_value(r, pi, e, method=method).value
        np.testing.assert_allclose(got, [*slots, sum(slots)])
    half = slate_value(r, pi, e, discount=[1.0, 0.5]).value
    np.testing.assert_allclose(half[:2], np.array(want["cascade"]) * [1, 0.5])
    normal = slate_value(r, pi, e, method="independent", self_normalised=True).value
    np.testing.assert_allclose(normal[:2], (w * r).sum(axis=0) / w.sum(axis=0))


def test_clusters_widen_and_weights_weigh():
    clicks, pi, e, _ = case(0, 0.0, rows=400)
    twice = [np.repeat(part, 2, axis=0) for part in (clicks, pi, e)]
    alone = slate_value(clicks, pi, e).std_error[-1]
    groups = np.repeat(np.arange(400), 2)
    assert slate_value(*twice, groups=groups).std_error[-1] == pytest.approx(alone, rel=1e-6)
    doubled = slate_value(clicks, pi, e, weight=np.full(400, 2.0))
    assert doubled.value[-1] == pytest.approx(slate_value(clicks, pi, e).value[-1])


def test_bad_slates():
    ok = np.full((2, 2), 0.5)
    with pytest.raises(InputError, match="reward must have shape"):
        slate_value([1.0], ok, ok)
    with pytest.raises(InputError, match="evaluation must have the shape"):
        slate_value(ok, ok[:1], ok)
    with pytest.raises(InputError, match="got 0 at slate 1, slot 0"):
        slate_value(ok, ok, [[0.5, 0.5], [0, 0.5]])
    with pytest.raises(InputError, match="method must be one of joint"):
        slate_value(ok, ok, ok, method="magic")
    with pytest.raises(InputError, match="discount must have one number per slot"):
        slate_value(ok, ok, ok, discount=[1.0])
    with pytest.raises(InputError, match="be above 0 on average"):
        slate_value(ok, np.zeros((2, 2)), ok, self_normalised=True)
