"""Equal units are told apart by their draws: rates, chances, and what that makes of budgets."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import budget, budgeted_policy, cap, decide, decision_of, offers
from equipoise.allocation.compiled_rule import compile_rule
from equipoise.allocation.hashing import uniform
from equipoise.allocation.records import replay
from equipoise.allocation.rule import LOW_STREAM
from equipoise.allocation.solver.ties import SIZE, break_ties, tie_penalty
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy


def tied(n: int, kinds: int = 1) -> Effects:
    """n units of so many kinds; units of a kind are the same."""
    values = 1.0 + (np.arange(n) % kinds)[:, None, None] + np.zeros((n, 1, 1))
    return Effects(values, np.zeros((n, 1)), ("mail",), ("spend",))


def test_by_hand():
    value, draws = np.array([[3.0, 1.0], [2.0, -np.inf]]), np.array([0.5, 0.0])
    assert tie_penalty(value) == SIZE * 2.0  # the closed candidate counts for nothing
    assert tie_penalty(np.full((1, 1), -np.inf)) == 0.0
    assert break_ties(value, 0.4, draws).tolist() == [[2.9, 0.8], [2.0, -np.inf]]


def chances(level, penalty, threshold):
    """Of control and each candidate, of a unit with these scores before its draw; -inf: closed."""
    names = tuple(map(str, range(len(level))))
    policy = Policy(
        names, "none", ("y",), (1.0,), tie_penalty=penalty, threshold=threshold, seed=len(level)
    )
    open_to = np.isfinite(level)
    values = np.where(open_to, level, 0.0)[:, None]
    facts = (values, None, np.zeros(len(level)), {}, open_to, 1.0)
    rule = compile_rule(policy, ("y",))
    decision, each = rule.decide_row(facts, "ann"), rule.chances(facts, "ann")
    assert each[1 + decision.choice] == decision.probability
    assert each.sum() == pytest.approx(1)
    return each


def test_chances_by_hand():
    """Both candidates score 1 at u = 0; the second falls twice as fast, and control is at 0.7."""
    for level, want in (  # rates 0.5 and 1
        ((1.0, 1.0), (0.4, 0.6, 0.0)),  # above control until u = 0.6, above the second always
        ((1.0, 1.1), (0.4, 0.4, 0.2)),  # 1.1 - u > 1 - 0.5 u
        ((0.6, 0.5), (1.0, 0.0, 0.0)),
        ((3.0, 1.0), (0.0, 1.0, 0.0)),
        ((-np.inf, 1.0), (0.7, 0.0, 0.3)),
    ):
        assert chances(np.array(level), 1.0, 0.7) == pytest.approx(want)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_chance_is_the_share_of_draws_that_give_the_choice(seed):
    rng = np.random.default_rng(seed)
    k, draws = int(rng.integers(1, 5)), (np.arange(4000) + 0.5) / 4000
    value, penalty = rng.uniform(-0.2, 1, k), float(rng.uniform(0.1, 2))
    score = break_ties(np.repeat(value[None], len(draws), axis=0), penalty, draws)
    choice = np.where(score.max(axis=1) > 0, score.argmax(axis=1), -1)
    share = np.bincount(choice + 1, minlength=k + 1) / len(draws)
    assert chances(value, penalty, 0.0) == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize("kinds", [1, 3])
def test_the_budget_reaches_units_never_seen_though_all_tie(kinds):
    policy, solution = budgeted_policy(
        tied(3000, kinds),
        weights={"spend": 1.0},
        constraints=[budget(0.3, per_head=True)],
        cost=[1.0],
    )
    decisions = decide(policy, tied(30_000, kinds), cost=[1.0], units=np.arange(30_000) + 10**9)
    spent = float((decisions.choice >= 0).mean())
    # four standard errors of the 3,000 draws that set the prices and the 30,000 that meet them
    assert spent == pytest.approx(0.3, abs=4 * np.sqrt(0.21 * (1 / 3000 + 1 / 30_000)))
    assert solution.rule_usage.tolist() == [900.0]
    assert solution.expected_usage[0] == pytest.approx(900, abs=100)
    assert solution.rule_value == solution.value


def test_several_demands_are_used_in_full_though_all_tie():
    """Two candidates, caps on both and a budget: no single price vector parts one kind in three."""
    n = 1000
    effects = Effects(np.ones((n, 2, 1)) * [[[3.0], [2.0]]], np.zeros((n, 1)), ("a", "b"), ("y",))
    demands = [cap("a", 200.0), budget(500.0)]
    policy, solution = budgeted_policy(
        effects, weights={"y": 1.0}, constraints=demands, cost=[1.0, 1.0]
    )
    decisions = decide(policy, effects, cost=[1.0, 1.0], units=np.arange(n))
    assert [int((decisions.choice == a).sum()) for a in (0, 1)] == [200, 300]
    assert solution.rule_value == 1200.0
    for a, share in ((0, 0.2), (1, 0.3), (-1, 0.5)):
        assert decisions.probability[decisions.choice == a] == pytest.approx(share, abs=0.05)


def test_a_unit_keeps_its_draw_alone_and_in_a_crowd_and_in_its_record():
    effects, ids = tied(200), np.array([f"user {i}" for i in range(200)])
    policy, _ = budgeted_policy(effects, weights={"spend": 1.0}, constraints=[offers(60)])
    crowd = decide(policy, effects, units=ids)
    alone = [decide(policy, effects.take([i]), units=ids[[i]]) for i in range(200)]
    assert crowd.choice.tolist() == [int(one.choice[0]) for one in alone]
    assert crowd.score.tolist() == [float(one.score[0]) for one in alone]
    draws = uniform(ids, policy.seed, LOW_STREAM)
    assert ((crowd.choice >= 0) == (draws < crowd.probability[crowd.choice >= 0][0])).all()
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    for row in range(0, 200, 20):
        record = decision_of(policy, crowd, row)
        assert replay(record, policy, effects.take([row])) == record


def test_a_draw_needs_ids():
    policy, _ = budgeted_policy(tied(20), weights={"spend": 1.0}, constraints=[offers(5)])
    with pytest.raises(InputError, match="splits ties at random"):
        decide(policy, tied(20))


def test_nobody_gets_what_is_worth_nothing():
    effects = Effects(np.repeat([[[0.0]], [[1.0]]], 50, axis=0), np.zeros((100, 1)), ("a",), ("y",))
    policy, _ = budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(20)])
    assert policy.tie_penalty > 0
    choice = decide(policy, effects, units=np.arange(100)).choice
    assert choice[:50].tolist() == [-1] * 50
    assert (choice >= 0).sum() == 20


def test_units_that_differ_need_no_draw():
    rng = np.random.default_rng(0)
    effects = Effects(
        rng.gamma(2.0, 1.0, (20_000, 2, 1)), np.zeros((20_000, 1)), ("a", "b"), ("spend",)
    )
    policy, solution = budgeted_policy(
        effects, weights={"spend": 1.0}, constraints=[budget(5000.0)], cost=[1.0, 2.0]
    )
    assert policy.tie_penalty == 0
    assert solution.rule_value >= (1 - 1e-4) * solution.value
