from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import (
    budget,
    budgeted_policy,
    decide,
    decide_each,
    decision_of,
    floor,
    parity,
    replay,
    scores,
)
from equipoise.allocation.hashing import uniform
from equipoise.allocation.rule import LOW_STREAM
from equipoise.allocation.solve import Keep
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy

ONE = Effects(
    np.array([[[2.0, 1.0], [3.0, -1.0]]]),
    np.zeros((1, 2)),
    ("a", "b"),
    ("sales", "plays"),
    np.full((1, 2, 2), 0.5),
)
BUDGET, FLOOR = Demand("budget", "cost", 1.0), Demand("floor", "effect", 0.0, -1.0, metric="plays")
POLICY = Policy(("a", "b"), "none", ("sales", "plays"), (1.0, 0.5), (BUDGET, FLOOR), (0.5, 2.0))


def test_the_score_by_hand():
    # a: 2 + 0.5 - 0.5 * 4 + 2 * 1;  b: 3 - 0.5 - 0.5 * 1 + 2 * -1
    assert scores(POLICY, ONE, cost=[4.0, 1.0]).tolist() == [[2.5, 0.0]]
    made = decide(POLICY, ONE, cost=[[4.0, 1.0]])
    assert (made.choice.tolist(), made.score.tolist(), made.probability.tolist()) == (
        [0],
        [2.5],
        [1.0],
    )
    assert decision_of(POLICY, made, 0, "id").candidate == "a"


def test_lower_confidence_hurts_each_metric_in_its_own_direction():
    # sales less is worse, plays more is worse: both move by 0.5 standard errors of 0.5
    policy = replace(POLICY, weights=(1.0, -1.0), demands=(), prices=(), lower=0.5)
    assert scores(policy, ONE).tolist() == [[2.0 - 0.25 - 1.0 - 0.25, 3.0 - 0.25 + 1.0 - 0.25]]
    # a floor counts the effect less 0.5 standard errors
    policy = replace(POLICY, weights=(0.0, 0.0), demands=(FLOOR,), prices=(2.0,), lower=0.5)
    assert scores(policy, ONE).tolist() == [[1.5, -2.5]]


def test_a_score_at_the_threshold_is_control_and_the_first_of_equals_wins():
    flat = Effects(np.array([[[1.0], [1.0]]]), np.zeros((1, 1)), ("a", "b"), ("y",))
    policy = Policy(("a", "b"), "none", ("y",), (1.0,), threshold=1.0)
    assert decide(policy, flat).choice.tolist() == [-1]
    assert decide(replace(policy, threshold=0.5), flat).choice.tolist() == [0]
    assert decision_of(policy, decide(policy, flat), 0).candidate == "none"


def test_keep_holds_units_where_they_were():
    policy = replace(POLICY, keep=1.0, demands=(), prices=())
    for was, want in [(-2, [2.5, 2.5]), (-1, [1.5, 1.5]), (0, [3.5, 2.5]), (1, [2.5, 3.5])]:
        assert scores(policy, ONE, previous=np.array([was])).tolist() == [want]


def test_weights_of_a_segment_and_of_a_request():
    two = ONE.take([0, 0])
    policy = replace(
        POLICY, demands=(), prices=(), segment="city", segment_weights=(("n", (0.0, 1.0)),)
    )
    assert scores(policy, two, groups={"city": np.array(["n", "s"])}).tolist() == [
        [1.0, -1.0],
        [2.5, 2.5],
    ]
    assert scores(policy, ONE, weights=np.array([[0.0, 2.0]])).tolist() == [[2.0, -2.0]]


def test_two_price_vectors_and_which_one_is_drawn():
    """Choice, score, chance and record of each unit by the definition; each record replays."""
    policy = replace(POLICY, low_prices=(0.0, 0.5), low_share=0.25, seed=1)
    many, ids = ONE.take([0] * 40), np.arange(40) + 5
    cost = np.stack([np.linspace(0, 12, 40), np.ones(40)], axis=1)  # above 9 only low prices give a
    made = decide(policy, many, cost=cost, units=ids)
    usual, lower = (
        scores(replace(policy, prices=prices), many, cost=cost)
        for prices in (policy.prices, policy.low_prices)
    )
    low = uniform(ids, 1, LOW_STREAM) < 0.25
    assert (made.low == low).all()
    assert 0 < low.sum() < 40
    score = np.where(low[:, None], lower, usual)
    assert (made.score == score.max(axis=1)).all()
    best = [np.where(s.max(axis=1) > 0, s.argmax(axis=1), -1) for s in (usual, lower)]
    assert (made.choice == np.where(low, best[1], best[0])).all()
    chance = np.where(best[0] == best[1], 1.0, np.where(low, 0.25, 0.75))
    assert (made.probability == chance).all()
    assert set(chance) == {0.25, 0.75, 1.0}
    for row in range(40):
        record = decision_of(policy, made, row, "id")
        assert record.price_set == ("low" if low[row] else "usual")
        assert record.prices == (policy.low_prices if low[row] else policy.prices)
        assert (record.unit, record.cost) == (ids[row], tuple(cost[row]))
        assert (record.snapshot, record.weights) == ("id", policy.weights)
        # what the record holds comes before what the policy has
        other = replace(policy, weights=(9.0, 9.0))
        other = replace(
            other, **{"low_prices" if low[row] else "prices": tuple(np.array(record.prices) + 1)}
        )
        assert replay(record, other, ONE) == record
        old = replace(record, price_set="")
        assert replay(old, policy, ONE) == old
    with pytest.raises(InputError, match="be of the one unit of the record; got 2 units"):
        replay(record, policy, many.take([0, 1]))
    for units in (None, ids[:3]):
        with pytest.raises(InputError, match="one id per unit, 40: this policy splits ties"):
            decide(policy, many, cost=cost, units=units)


def test_a_random_choice_has_its_share_as_its_chance():
    policy = Policy(("a", "b"), "none", ("sales",), (1.0,), mode="random", shares=(0.25, 0.5))
    made = decide(policy, ONE.take([0] * 60), units=np.arange(60))
    assert set(made.choice.tolist()) == {-1, 0, 1}
    assert (made.probability == np.array([0.25, 0.5, 0.25])[made.choice]).all()
    assert (made.score == 0).all()
    assert not made.low.any()


def test_costs_of_each_unit_or_of_all():
    two = ONE.take([0, 0])
    for cost in ([4.0, 1.0], [[4.0, 1.0]], [[4.0, 1.0]] * 2):
        assert scores(POLICY, two, cost=cost).tolist() == [[2.5, 0.0]] * 2
        assert decision_of(POLICY, decide(POLICY, two, cost=cost), 1).cost == (4.0, 1.0)
    apart = [[4.0, 1.0], [2.0, 0.0]]
    assert scores(POLICY, two, cost=apart).tolist() == [[2.5, 0.0], [3.5, 0.5]]
    made = decide(POLICY, two, cost=apart)
    assert decision_of(POLICY, made, 1).cost == (2.0, 0.0)
    assert (made.weights.tolist(), made.weight_row.tolist()) == ([[1.0, 0.5]], [0, 0])
    for odd in (np.ones((2, 2)), np.ones((3, 1))):
        with pytest.raises(InputError, match=r"cost must have shape \(n, k\) = \(3, 2\) or \(k,\)"):
            scores(POLICY, ONE.take([0, 0, 0]), cost=odd)


def test_a_previous_choice_is_one_of_the_candidates_control_or_none():
    policy = replace(POLICY, keep=1.0, demands=(), prices=())
    for bad in (-3, 2):
        with pytest.raises(InputError, match=f"0..1 for each unit; got {bad} at row 1"):
            scores(policy, ONE.take([0, 0]), previous=np.array([0, bad]))
    with pytest.raises(InputError, match=r"for each unit; got shape \(1,\) at row 0"):
        scores(policy, ONE.take([0, 0]), previous=np.array([0]))
    assert scores(replace(policy, keep=0.0), ONE, previous=np.array([9])).tolist() == [[2.5, 2.5]]


def test_each_candidate_on_its_own():
    policy = replace(POLICY, mode="each", demands=(), prices=(), weights=(0.0, 1.0))
    assert decide_each(policy, ONE).tolist() == [[True, False]]
    with pytest.raises(InputError, match="call decide_each"):
        decide(policy, ONE)
    with pytest.raises(InputError, match="mode 'each'"):
        decide_each(POLICY, ONE, cost=[1.0, 1.0])


def test_the_kernel_is_the_formula_bit_for_bit(market):
    shop = market(50)
    policy, _ = budgeted_policy(
        shop.effects,
        weights={"sales": 0.7, "plays": -0.2},
        constraints=[budget(10.0), floor("plays", 1.0)],
        cost=shop.cost,
    )
    value = 0.7 * shop.effects.values[:, :, 0]
    value = value + -0.2 * shop.effects.values[:, :, 1]
    want = (
        value
        - policy.prices[0] * shop.cost
        - (policy.prices[1] * -1.0) * shop.effects.values[:, :, 1]
    )
    assert scores(policy, shop.effects, cost=shop.cost).tobytes() == want.tobytes()


def test_batch_part_and_single_row_give_the_same_bits_after_json(market):
    shop = market(120)
    before = np.arange(120) % 5 - 2
    demands = [budget(20.0), floor("plays", 0.0), parity("city", 0.02)]
    kept = Keep(before, 0.05)
    weights = {"sales": 1.0}
    policy, _ = budgeted_policy(
        shop.effects,
        weights=weights,
        constraints=demands,
        cost=shop.cost,
        groups=shop.groups,
        lower=0.3,
        keep=kept,
    )
    policy = Policy.from_json(json.loads(json.dumps(policy.to_json())))
    ids = np.arange(120)
    whole = decide(
        policy, shop.effects, cost=shop.cost, groups=shop.groups, previous=before, units=ids
    )
    for size in (1, 7):
        parts = []
        for start in range(0, 120, size):
            part = shop.take(np.arange(start, min(120, start + size)))
            now, some = before[start : start + size], ids[start : start + size]
            parts.append(
                decide(
                    policy,
                    part.effects,
                    cost=part.cost,
                    groups=part.groups,
                    previous=now,
                    units=some,
                )
            )
        assert np.concatenate([p.score for p in parts]).tobytes() == whole.score.tobytes()
        assert np.concatenate([p.choice for p in parts]).tolist() == whole.choice.tolist()


def test_the_order_of_metrics_is_of_no_effect(market):
    shop = market(20)
    policy = Policy(
        shop.effects.candidates, "none", ("sales", "plays"), (1.0, 0.5), (FLOOR,), (0.1,)
    )
    other = replace(
        shop.effects, values=shop.effects.values[:, :, ::-1].copy(), metrics=("plays", "sales")
    )
    assert scores(policy, shop.effects).tobytes() == scores(policy, other).tobytes()


def test_bad_input_names_the_place():
    bad = replace(ONE, values=np.array([[[2.0, 1.0], [np.nan, -1.0]]]))
    with pytest.raises(InputError, match="effects must be finite; got nan at row 0, candidate 1"):
        scores(POLICY, bad, cost=[1.0, 1.0])
    with pytest.raises(
        InputError, match="cost must be finite and >= 0; got -1.0 at row 0, candidate 1"
    ):
        scores(POLICY, ONE, cost=[1.0, -1.0])
    with pytest.raises(InputError, match="cost must be finite and >= 0; got nan"):
        scores(POLICY, ONE, cost=[np.nan, 1.0])
    with pytest.raises(InputError, match=r"cost must have shape \(n, k\) = \(1, 2\)"):
        scores(POLICY, ONE, cost=[1.0])
    with pytest.raises(InputError, match="cost must be given for demand 'budget'"):
        scores(POLICY, ONE)
    with pytest.raises(InputError, match="the effects' candidates must be the policy's"):
        scores(replace(POLICY, candidates=("a", "c")), ONE)
    with pytest.raises(InputError, match="the policy's metric must be one of"):
        scores(Policy(("a", "b"), "none", ("likes",), (1.0,)), ONE)
    with pytest.raises(InputError, match="std_error"):
        scores(replace(POLICY, lower=1.0), replace(ONE, std_error=None), cost=[1.0, 1.0])
    with pytest.raises(InputError, match="previous choice must be one of .* got 2 at row 0"):
        scores(replace(POLICY, keep=1.0), ONE, cost=[1.0, 1.0], previous=np.array([2]))
    with pytest.raises(InputError, match="weights must be finite and have shape"):
        scores(POLICY, ONE, cost=[1.0, 1.0], weights=np.ones((2, 2)))
