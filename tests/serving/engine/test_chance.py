"""Who falls where, and that the probability told is the one of what is done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from equipoise.allocation import compile_rule
from equipoise.allocation.hashing import uniform
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.policy import Demand, Policy
from equipoise.serving.engine import chance
from equipoise.serving.engine.chance import Shares, Side, serve
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import CANDIDATE, EXPLORED, HOLDOUT, LOW_PRICES, NO_BUDGET, Context

BUDGET = (Demand("budget", "cost", 1.0),)
LIVE = Policy(  # by the usual prices "b", by the lower ones "a"
    ("a", "b"), "none", ("y",), (1.0,), BUDGET, (0.5,), low_prices=(0.1,), low_share=0.3, seed=5
)
LOTS = Policy(("a", "b"), "none", ("y",), (1.0,), mode="random", shares=(0.5, 0.2), seed=9)
FACTS = UnitFacts(np.array([[2.0], [1.5]]), None, np.array([2.0, 0.5]))
EVEN = np.full(3, 1 / 3)


def plain(policy):
    return compile_rule(policy, policy.metrics)


@pytest.fixture(scope="module")
def sides():
    return Side(plain(LIVE), FACTS), Side(plain(LOTS), FACTS)


def shares(seed=1, holdout=0.0, share=0.0, explore=0.0, cells=EVEN):
    return Shares(seed, holdout, share, explore, cells)


def inside(hits, n, p):
    """Whether so many of n are inside the exact interval of p that holds with 99.99 %."""
    return binom.ppf(5e-5, n, p) <= hits <= binom.isf(5e-5, n, p)


def told_and_done(outcomes):
    """Of each cell: what was told of it, the same for all, and how many got it."""
    for cell in (-1, 0, 1):
        told = {outcome.probability for outcome in outcomes if outcome.served == cell}
        assert max(told) - min(told) < 1e-12
        yield min(told), sum(outcome.served == cell for outcome in outcomes)


def test_ties_that_a_draw_splits_are_told_as_often_as_they_fall(sides):
    ties = Policy(
        ("a", "b"), "none", ("y",), (1.0,), BUDGET, (0.5,), threshold=0.8, tie_penalty=0.6, seed=7
    )
    mechanism = shares(holdout=0.1, share=0.4, explore=0.2)
    live = Side(plain(ties), FACTS._replace(values=np.array([[2.0], [1.3]])))
    n = 4000
    outcomes = [serve(mechanism, f"u{i}", -2, live, sides[1]) for i in range(n)]
    cells = list(told_and_done(outcomes))
    assert sum(p for p, _ in cells) == pytest.approx(1)
    assert all(inside(hits, n, p) for p, hits in cells)
    chances = {round(live.rule.decide_row(live.facts, f"u{i}").probability, 6) for i in range(50)}
    assert 1.0 not in chances


def test_what_is_told_is_what_is_done_with_all_draws_at_once(sides):
    mechanism = shares(holdout=0.1, share=0.4, explore=0.2)
    n = 4000
    outcomes = [serve(mechanism, f"u{i}", -2, *sides) for i in range(n)]
    cells = list(told_and_done(outcomes))
    assert sum(p for p, _ in cells) == pytest.approx(1)
    assert all(inside(hits, n, p) for p, hits in cells)
    by_hand = 0.9 * (0.6 * (0.8 * 0.3 + 0.2 / 3) + 0.4 * (0.8 * 0.5 + 0.2 / 3))
    assert cells[1][0] == pytest.approx(by_hand)
    # what one policy wished is not what was done
    wished = {0: 0.3, 1: 0.7}
    assert not all(inside(cells[a + 1][1], n, wished[a]) for a in wished)
    reasons = {BY_CODE[outcome.reason].name for outcome in outcomes}
    assert reasons == {"holdout", "explored", "lot"}
    for bit in (HOLDOUT, EXPLORED, CANDIDATE, LOW_PRICES):
        assert any(outcome.flags & bit for outcome in outcomes)


def test_without_draws_a_rule_is_sure(sides):
    rule = plain(replace(LIVE, low_share=0.0))
    outcome = serve(shares(), "ann", -2, Side(rule, FACTS))
    assert outcome[:5] == (1, 1, 1.0, chance.BEST_SCORE, 0)
    poor = FACTS._replace(values=-FACTS.values)
    outcome = serve(shares(), "ann", -2, Side(rule, poor))
    assert outcome[:5] == (-1, -1, 1.0, chance.BELOW_THRESHOLD, 0)
    counts_twice = serve(shares(), "ann", -2, Side(rule, FACTS._replace(importance=2.0)))
    assert counts_twice.scores.tolist() == [2 * 2.0 - 0.5 * 2.0, 2 * 1.5 - 0.5 * 0.5]


def test_a_larger_share_only_adds_units(sides):
    units = [f"u{i}" for i in range(200)]
    before: set[str] = set()
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        mechanism = shares(share=share)
        now = {u for u in units if serve(mechanism, u, -2, *sides).flags & CANDIDATE}
        assert before <= now
        before = now
    assert before == set(units)
    held = {u for u in units if uniform([u], 1, 3)[0] < 0.2}
    assert held == {
        u
        for u in units
        if serve(shares(holdout=0.2), u, -2, *sides).served == -1
        and serve(shares(holdout=0.2), u, -2, *sides).flags & HOLDOUT
    }


def test_of_a_candidate_that_knows_nothing_its_share_gets_control(sides):
    live = Side(plain(replace(LIVE, low_share=0.0)), FACTS)
    nothing = Side(plain(LOTS), None)
    outcomes = [serve(shares(share=0.25), f"u{i}", -2, live, nothing) for i in range(100)]
    told = {(o.served, o.probability, BY_CODE[o.reason].name) for o in outcomes}
    assert told == {(1, 0.75, "best_score"), (-1, 0.25, "unknown_unit")}


def test_what_is_closed_is_neither_chosen_nor_explored(sides):
    closed = FACTS._replace(eligible=np.array([True, False]))
    rule = plain(replace(LIVE, low_share=0.0))
    mechanism = shares(explore=0.5)
    outcomes = [serve(mechanism, f"u{i}", -2, Side(rule, closed)) for i in range(100)]
    assert {(o.served, o.probability) for o in outcomes} == {(0, 0.75), (-1, 0.25)}
    none = Side(rule, FACTS._replace(eligible=np.zeros(2, np.bool_)))
    outcome = serve(shares(holdout=1.0, explore=1.0), "ann", -2, none)
    assert (outcome.served, outcome.probability) == (-1, 1.0)
    assert BY_CODE[outcome.reason].name == "not_eligible"


def test_exploration_draws_by_its_cells(sides):
    cells = np.array([0.0, 0.9, 0.1])
    outcomes = [serve(shares(explore=1.0, cells=cells), f"u{i}", -2, sides[0]) for i in range(300)]
    hits = sum(o.served == 0 for o in outcomes)
    assert all(o.served >= 0 for o in outcomes)
    assert inside(hits, 300, 0.9)
    assert {o.probability for o in outcomes} <= {0.9, 0.1}


def test_a_refusal_and_a_unit_that_keeps_are_sure(sides):
    outcome = chance.refused(serve(shares(explore=0.5), "ann", -2, sides[0]))
    assert (outcome.served, outcome.probability) == (-1, 1.0)
    assert outcome.flags & NO_BUDGET
    assert BY_CODE[outcome.reason].name == "budget"
    assert chance.kept(1)[:3] == (1, 1, 1.0)
    assert not chance.stays({"heavy": 7}, None, "ann", 3)
    assert not chance.stays({"heavy": 7}, "light", "ann", 3)


def test_the_shares_of_a_context():
    context = Context(0, 0, "p", "s", seed=3, holdout=0.1, share=0.2, explore=0.3)
    assert chance.shares_of(context, 2)[:4] == (3, 0.1, 0.2, 0.3)
    assert chance.shares_of(context, 2).cells.tolist() == EVEN.tolist()
    told = Context(0, 0, "p", "s", explore_shares=np.array([0.5, 0.5]).tobytes())
    assert chance.shares_of(told, 1).cells.tolist() == [0.5, 0.5]
