"""Exact checks: expectations are sums over the 16 cells of (offered, type), so nothing here is a
draw.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from equipoise.core import strata
from equipoise.core.errors import InputError
from equipoise.core.strata import (
    CASH,
    COUPON,
    SCHEMES,
    Claims,
    Scheme,
    cells_of,
    dr_signals,
    identify,
    ips_signals,
)

# (C(1), Y(0), Y(1)) of the five strata
TYPES = [(0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 1)]
EXACT = 1e-9


def world(n=500, seed=0):
    """Strata p (n, 5), the law q (n, 4), m0 (n,), and propensity g (n,)."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), n)
    q, m0 = np.zeros((n, 4)), np.zeros(n)
    for share, (c, without, with_offer) in zip(p.T, TYPES, strict=True):
        q[:, 2 * c + with_offer] += share
        m0 += share * without
    return p, q, m0, rng.uniform(0.05, 0.95, n)


def wrong(n=500, seed=1):
    """Grossly wrong q, m0 and g."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(4), n), rng.random(n), rng.uniform(0.1, 0.9, n)


def expected(signal, p, g, said):
    """E[signal | x], (n, 5): the sum over offer and type.   said: the propensity that the signal
    believes.
    """
    total = np.zeros_like(p)
    for (share, (c, without, with_offer)), t in product(zip(p.T, TYPES, strict=True), (0, 1)):
        full = np.ones(len(p), np.int64)
        rows = Claims(t * full, t * c * full, (with_offer if t else without) * full, said)
        total += (share * (g if t else 1 - g))[:, None] * signal(rows)
    return total


def test_one_unit_by_hand():
    q, m0 = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])
    np.testing.assert_allclose(identify(q, m0), [[0.4, 0.1, 0.2, 0.15, 0.15]], atol=EXACT)
    offered = Claims(np.array([1]), np.array([1]), np.array([1]), np.array([0.5]))
    np.testing.assert_allclose(ips_signals(offered), [[0, 0, 0, 2, 0]], atol=EXACT)
    left_out = Claims(np.array([0]), np.array([0]), np.array([1]), np.array([0.2]))
    np.testing.assert_allclose(ips_signals(left_out), [[0, 0, 0, -1.25, 1.25]], atol=EXACT)


def test_strata_are_identified():
    p, q, m0, _ = world()
    np.testing.assert_allclose(identify(q, m0), p, atol=EXACT)
    np.testing.assert_allclose(cells_of(p)[0], q, atol=EXACT)
    np.testing.assert_allclose(cells_of(p)[1], m0, atol=EXACT)


def test_dr_is_exact_if_either_nuisance_is():
    p, q, m0, g = world()
    bad_q, bad_m0, bad_g = wrong()
    for guess_q, guess_m0, guess_g in ((q, m0, g), (bad_q, bad_m0, g), (q, m0, bad_g)):
        mean = expected(lambda rows, a=guess_q, b=guess_m0: dr_signals(rows, a, b), p, g, guess_g)
        np.testing.assert_allclose(mean, p, atol=EXACT)
    both_bad = expected(lambda rows: dr_signals(rows, bad_q, bad_m0), p, g, bad_g)
    assert np.abs(both_bad - p).max() > 0.1


def test_the_bias_of_dr_is_a_product():
    p, q, m0, g = world()
    bad_q, bad_m0, bad_g = wrong()
    bias_q = (bad_q - q) * ((bad_g - g) / bad_g)[:, None]
    bias_0 = (bad_m0 - m0) * (g - bad_g) / (1 - bad_g)
    mean = expected(lambda rows: dr_signals(rows, bad_q, bad_m0), p, g, bad_g)
    np.testing.assert_allclose(mean - p, identify(bias_q, bias_0), atol=EXACT)


def test_ips_is_exact_if_the_propensity_is():
    p, _, _, g = world()
    np.testing.assert_allclose(expected(ips_signals, p, g, g), p, atol=EXACT)
    assert np.abs(expected(ips_signals, p, g, wrong()[2]) - p).max() > 0.1


def test_dr_signals_sum_to_one_in_every_row():
    rng = np.random.default_rng(3)
    offered = rng.integers(0, 2, 100)
    rows = Claims(
        offered,
        offered * rng.integers(0, 2, 100),
        rng.integers(0, 2, 100),
        rng.uniform(0.2, 0.8, 100),
    )
    bad_q, bad_m0, _ = wrong(100)
    np.testing.assert_allclose(dr_signals(rows, bad_q, bad_m0).sum(axis=1), 1, atol=EXACT)
    np.testing.assert_allclose(ips_signals(rows).sum(axis=1), offered / rows.propensity, atol=EXACT)


def test_product_of_marginals_is_another_thing():
    p, q, m0, _ = world()
    claims, buys = q[:, 2] + q[:, 3], q[:, 1] + q[:, 3]
    product_q = np.column_stack(
        [(1 - claims) * (1 - buys), (1 - claims) * buys, claims * (1 - buys), claims * buys]
    )
    off = np.abs(identify(product_q, m0) - p).mean(axis=0)
    assert off[strata.COUPON_BUYER] < EXACT
    assert (np.delete(off, strata.COUPON_BUYER) > 0.03).all()


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_reward_is_profit_uplift(scheme):
    p, q, m0, _ = world()
    gain, cost = 1.3, 0.4
    direct = scheme.profit_uplift(q, m0, margin=gain + cost, cost=cost)
    np.testing.assert_allclose(p @ scheme.reward(gain, cost), direct, atol=EXACT)
    by_outcome = np.zeros(len(p))
    for share, (c, without, with_offer) in zip(p.T, TYPES, strict=True):
        one = scheme.profit(
            np.array([with_offer, without]), np.array([c, 0]), margin=gain + cost, cost=cost
        )
        by_outcome += share * (one[0] - one[1])
    np.testing.assert_allclose(by_outcome, direct, atol=EXACT)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_spend_is_what_is_paid(scheme):
    p, q, _, _ = world()
    np.testing.assert_allclose(p @ scheme.spend(0.4), 0.4 * q @ np.asarray(scheme.paid), atol=EXACT)


def test_published_reward_vectors():
    assert COUPON.reward(1, 0.4).tolist() == [0, 0, 0, 1, -0.4]
    assert CASH.reward(1, 0.4).tolist() == [0, 0, -0.4, 1, -0.4]
    assert Scheme("to all", (1, 1, 1, 1)).reward(1, 0.4).tolist() == [-0.4, -0.4, -0.4, 1, -0.4]


def test_baselines_by_hand():
    offered, without = np.array([0.5]), np.array([0.2])
    np.testing.assert_allclose(strata.naive_reward(offered, gain=1, cost=0.4), [0.1])
    np.testing.assert_allclose(strata.uplift_reward(offered, without, gain=1, cost=0.4), [0.02])


def test_projection_is_the_nearest_point():
    rng = np.random.default_rng(4)
    values = rng.normal(0.2, 0.5, (50, 5))
    near = strata.project_simplex(values)
    np.testing.assert_allclose(near.sum(axis=1), 1, atol=EXACT)
    assert (near >= 0).all()
    rivals = rng.dirichlet(np.ones(5) * 0.3, (4000, 1))  # (rivals, 1, 5)
    assert (
        ((values - near) ** 2).sum(axis=1)
        <= ((values - rivals) ** 2).sum(axis=2).min(axis=0) + EXACT
    ).all()
    inside = rng.dirichlet(np.ones(5), 20)
    np.testing.assert_allclose(strata.project_simplex(inside), inside, atol=EXACT)


def test_every_assumption_is_named():
    assert [one.name for one in strata.ASSUMPTIONS] == ["A1", "A2", "A3", "A4", "A5", "A6"]
    assert all(one.sentence.endswith(".") for one in strata.ASSUMPTIONS)


@pytest.mark.parametrize("reward", [[1, 2], [0, 0, 0, np.nan, 0], [[0] * 5]])
def test_a_reward_is_five_numbers(reward):
    with pytest.raises(InputError, match="five finite numbers"):
        strata.check_reward(reward)


def test_five_numbers_are_a_reward():
    assert strata.check_reward([0, 0, 0, 1, -0.4]).tolist() == [0, 0, 0, 1, -0.4]


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_budget_of_offers_is_a_share(share):
    with pytest.raises(InputError, match="a budget of offers must be a share in 0..1; got"):
        strata.offer_threshold(np.array([1.0]), share)


def test_a_budget_that_suffices_has_no_threshold():
    """All who are worth more than nothing get an offer, and nobody else."""
    reward = np.array([0.3, -0.1, 0.0])
    assert strata.offer_threshold(reward, 1 / 3) == (0.0, 0.0)
    assert strata.offer_chance(reward, 0.0, 0.0).tolist() == [1, 0, 0]


def test_negative_amounts_are_refused():
    with pytest.raises(InputError, match="cost must be a finite amount >= 0; got -1"):
        COUPON.reward(1, -1)


def test_threshold_and_chance_by_hand():
    gamma, tie = strata.offer_threshold(np.array([0.3, 0.1, 0.1, -0.2]), 0.5)
    assert (gamma, tie) == (0.1, 0.5)
    assert strata.offer_chance(np.array([0.2, 0.1, 0.0]), gamma, tie).tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("reward", [[], [1.0, np.nan], [[1.0]]])
def test_threshold_needs_rewards(reward):
    with pytest.raises(InputError, match="reward must be one finite number per unit"):
        strata.offer_threshold(np.asarray(reward), 0.5)
