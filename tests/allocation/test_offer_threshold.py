from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from equipoise.allocation import (
    budget,
    budgeted_policy,
    ceiling,
    decide,
    offer_effects,
    offer_policy,
)
from equipoise.core.errors import InputError
from equipoise.core.strata import COUPON, cells_of
from equipoise.data import make_incentive_world
from equipoise.evaluation import strata_bounds

EXACT = 1e-9


def plan(n=400, seed=0):
    """Strata, reward and spend of an offer to n units of a known world."""
    _, truth = make_incentive_world(n, seed=seed)
    strata = truth.strata()
    return strata, strata @ COUPON.reward(1, 0.4), strata @ COUPON.spend(0.4)


@pytest.mark.parametrize("share", [0.0, 0.013, 0.05, 0.4, 0.9, 1.0])
def test_the_best_offers_of_all(share):
    """Against the linear program over all probabilities of an offer."""
    reward = plan(200)[1]
    chance = offer_policy(reward, share).chance(reward)
    best = linprog(-reward / 200, A_ub=np.full((1, 200), 1 / 200), b_ub=[share], bounds=(0, 1))
    assert np.mean(chance * reward) == pytest.approx(-best.fun, abs=EXACT)
    assert chance.mean() <= share + EXACT


def test_ties_share_what_is_left():
    made = offer_policy(np.array([0.5, 0.2, 0.2, 0.2, -1.0]), 0.5)
    assert (made.gamma, made.tie) == (0.2, pytest.approx(0.5))
    assert made.probabilities(np.array([0.5, 0.2, 0.1])).tolist() == [[0, 1], [0.5, 0.5], [1, 0]]


def test_nobody_is_offered_at_a_loss():
    made = offer_policy(np.array([0.5, 0.0, -0.1]), 1.0)
    assert made.chance(np.array([0.5, 0.0, -0.1])).tolist() == [1, 0, 0]


def test_gamma_falls_as_the_budget_grows():
    reward = plan()[1]
    gammas = [offer_policy(reward, share).gamma for share in np.linspace(0, 1, 21)]
    assert (np.diff(gammas) <= 0).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_budget_is_a_share(share):
    with pytest.raises(InputError, match="a budget of offers must be a share in 0..1"):
        offer_policy(np.ones(3), share)


def relaxed(reward, rows, bounds):
    """The value of the best random offers within linear rows."""
    return -linprog(-reward, A_ub=np.stack(rows), b_ub=bounds, bounds=(0, 1)).fun


def test_money_and_caps_on_strata_in_one_policy():
    """Spend, always-buyers and harm held together; the value is the linear program's but for less
    than three units' reward.
    """
    strata, reward, spend = plan()
    # the most that the data leave of it
    harm = strata_bounds(*cells_of(strata), assume=("A5",)).of("harm")[1]
    effects = offer_effects(reward, {"always_buyer": strata[:, 4], "harm": harm})
    demands = [
        budget(16.0),
        ceiling("always_buyer", 0.012, per_head=True),
        ceiling("harm", 0.006, per_head=True),
    ]
    policy, made = budgeted_policy(
        effects, weights={"reward": 1.0}, constraints=demands, cost=spend[:, None]
    )
    best = relaxed(reward, [spend, strata[:, 4], harm], [16.0, 0.012 * 400, 0.006 * 400])
    chosen = made.choice == 0
    assert best - 3 * reward.max() < reward[chosen].sum() <= best + EXACT
    assert spend[chosen].sum() <= 16 + EXACT
    assert strata[chosen, 4].sum() / 400 <= 0.012 + EXACT
    assert harm[chosen].sum() / 400 <= 0.006 + EXACT
    assert [line["rule"] for line in made.report()] == ["at most"] * 3
    assert sum(line["binding"] for line in made.report()) >= 2
    carried = decide(policy, effects, cost=spend[:, None]).choice == 0
    assert strata[carried, 4].sum() / 400 <= 0.012 + EXACT
    free = (
        budgeted_policy(
            effects, weights={"reward": 1.0}, constraints=demands[:1], cost=spend[:, None]
        )[1].choice
        == 0
    )
    assert strata[free, 4].sum() / 400 > 0.014


def test_a_cap_on_the_mix_of_offers():
    """At most 15 % of the offered may be always-buyers: a metric p - 0.15 whose sum must not exceed
    0.
    """
    strata, reward, spend = plan()
    effects = offer_effects(reward, {"over": strata[:, 4] - 0.15})
    made = budgeted_policy(
        effects, weights={"reward": 1.0}, constraints=[ceiling("over", 0.0)], cost=spend[:, None]
    )[1]
    offered = made.choice == 0
    assert offered.any()
    assert strata[offered, 4].mean() <= 0.15 + EXACT
    assert strata[reward > 0, 4].mean() > 0.15


def test_metrics_have_one_entry_a_unit():
    with pytest.raises(InputError, match="metric 'harm' must have one entry per unit"):
        offer_effects(np.ones(3), {"harm": np.ones(2)})


def test_a_ceiling_is_finite():
    with pytest.raises(InputError, match="ceiling of harm must be a finite number"):
        ceiling("harm", np.inf)
