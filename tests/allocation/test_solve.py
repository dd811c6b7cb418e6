from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.allocation import (
    Keep,
    allocate,
    budget,
    budgeted_policy,
    cap,
    ceiling,
    churn,
    decide,
    floor,
    group_budget,
    offers,
    parity,
)
from equipoise.allocation.hashing import uniform
from equipoise.allocation.rule import LOW_STREAM
from equipoise.allocation.solve import draft_policy, expand
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError

ALL = [
    budget(0.2, per_head=True, unit="USD"),
    cap("large", 0.05, per_head=True),
    floor("plays", 0.06, per_head=True),
    group_budget("city", "north", 0.15, per_head=True),
    parity("city", 0.02),
    offers(0.4, per_head=True),
]


PLAYS = Effects(np.array([[[2.0]], [[4.0]]]), np.zeros((2, 1)), ("a",), ("plays",))


def everything(shop, **options):
    return allocate(
        shop.value, ALL, cost=shop.cost, effects=shop.effects, groups=shop.groups, **options
    )


def check(shop, made):
    """That usages are what the choice uses, counted here by plain sums, and no demand is
    exceeded.
    """
    on = np.flatnonzero(made.choice >= 0)
    arm, cost = made.choice[on], shop.cost[on, made.choice[on]]
    north, n = shop.groups["city"] == "north", len(shop.cost)
    by_name = dict(zip((d.name for d in made.demands), made.usage, strict=True))
    assert by_name["budget"] == math.fsum(cost) <= 0.2 * n
    assert by_name["cap on large"] == (arm == 2).sum() <= 0.05 * n
    assert -by_name["floor of plays"] == pytest.approx(
        shop.effects.metric("plays")[on, arm].sum(), abs=1e-9
    )
    assert -by_name["floor of plays"] >= 0.06 * n
    assert by_name["budget of city = north"] == math.fsum(cost[north[on]]) <= 0.15 * north.sum()
    treated = made.choice >= 0
    assert abs(treated[north].mean() - treated.mean()) <= 0.02 + 1e-12
    assert abs(treated[~north].mean() - treated.mean()) <= 0.02 + 1e-12
    assert (made.slack >= 0).all()


def test_two_units_by_hand():
    made = allocate([[3.0, 4.0], [2.0, 1.0]], [budget(3.0)], cost=[1.0, 3.0])
    # the dearer for the first costs 2 more and brings 1 more; the cheap ones for both bring 5
    assert made.choice.tolist() == [0, 0]
    assert (made.value, made.usage.tolist(), made.slack.tolist()) == (5.0, [2.0], [1.0])
    assert made.bound == pytest.approx(5.5)  # one of the slack would buy half of the dearer
    assert made.prices[0] == pytest.approx(0.5)


def test_no_demand_is_argmax():
    made = allocate([[1.0, 2.0], [-1.0, -2.0]], [])
    assert (made.choice.tolist(), made.value, made.gap, made.status) == (
        [1, -1],
        2.0,
        0.0,
        "optimal",
    )


def test_a_budget_larger_than_needed_has_slack_and_no_price():
    made = allocate([[1.0], [2.0]], [budget(10.0)], cost=[1.0])
    assert (made.choice.tolist(), made.prices.tolist(), made.slack.tolist(), made.gap) == (
        [0, 0],
        [0.0],
        [8.0],
        0.0,
    )
    assert made.report()[0]["binding"] is False


def test_a_budget_of_nothing_treats_nobody_but_for_free():
    assert allocate([[1.0], [2.0]], [budget(0.0)], cost=[1.0]).choice.tolist() == [-1, -1]
    free = allocate([[1.0, 0.5], [2.0, 0.5]], [budget(0.0)], cost=[1.0, 0.0])
    assert (free.choice.tolist(), free.value) == ([1, 1], 1.0)
    assert free.gap < 1e-6
    assert allocate([[1.0], [2.0]], [offers(0)]).value == 0.0


def test_nothing_is_worth_anything():
    made = allocate([[-1.0], [-2.0]], [budget(1.0)], cost=[1.0])
    assert (made.choice.tolist(), made.value, made.gap) == ([-1, -1], 0.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_every_kind_of_demand_at_once(market, seed):
    shop = market(2000, seed)
    made = everything(shop)
    check(shop, made)
    assert made.bound == pytest.approx(everything(shop, method="highs").bound, rel=1e-7)
    assert made.gap < 8e-4  # worst of 20 seeds: 5.0e-4
    assert made.value == math.fsum(
        shop.value[np.flatnonzero(made.choice >= 0), made.choice[made.choice >= 0]]
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 99),
    money=st.floats(0, 1),
    most=st.integers(0, 30),
    least=st.floats(-0.3, 0.1),
)
def test_any_small_problem(market, n, seed, money, most, least):
    shop = market(n, seed)
    demands = [budget(money * n), cap("medium", most), floor("plays", least * n)]
    options = {"cost": shop.cost, "effects": shop.effects}
    try:
        made = allocate(shop.value, demands, **options)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            allocate(shop.value, demands, **options, method="highs")
        return
    assert (made.slack >= 0).all()
    exact = allocate(shop.value, demands, **options, method="highs")
    assert made.bound == pytest.approx(exact.bound, rel=1e-7, abs=1e-7)
    assert made.value <= made.bound + 1e-9


def test_prices_are_marginal_values(market):
    shop = market(4000)
    at, more = (allocate(shop.value, [budget(total)], cost=shop.cost) for total in (600.0, 606.0))
    # worst of 20 seeds: 0.003
    assert (more.bound - at.bound) / 6.0 == pytest.approx(at.prices[0], rel=0.01)


def test_the_order_of_units_is_of_no_effect_on_bound_and_hardly_on_value(market):
    shop = market(1500)
    order = np.random.default_rng(0).permutation(1500)
    one, two = everything(shop), everything(shop.take(order))
    assert two.bound == pytest.approx(one.bound, rel=1e-7)
    assert two.value == pytest.approx(one.value, rel=3e-4)


def test_a_repeat_gives_the_same_and_inputs_stay(market):
    shop = market(800)
    value = shop.value.copy()
    one, two = everything(shop), everything(shop)
    assert one.choice.tobytes() == two.choice.tobytes()
    assert one.prices.tobytes() == two.prices.tobytes()
    allocate(value, ALL[:1], cost=shop.cost, keep=Keep(np.zeros(800, int), 0.5))
    assert (value == shop.value).all()


def test_warm_prices_lead_to_the_same_bound(market):
    shop = market(1500)
    cold = everything(shop)
    assert everything(shop, warm=cold.prices).bound == pytest.approx(cold.bound, rel=1e-7)


def test_prices_carry_the_budget_to_new_units(market):
    # half of a population sets the prices, the other half is decided unit by unit.  Over 20 seeds,
    # as parts of the bound: spend 0.969..1.018, capped candidate 0.944..1.037, floor 0.948..1.037
    for seed in range(3):
        shop = market(40_000, seed)
        old, new = shop.take(np.arange(20_000)), shop.take(np.arange(20_000, 40_000))
        demands = [
            budget(0.2, per_head=True),
            cap("small", 0.12, per_head=True),
            floor("plays", 0.09, per_head=True),
        ]
        policy, made = budgeted_policy(
            old.effects, weights={"sales": 1.0}, constraints=demands, cost=old.cost
        )
        assert (made.prices > 0).all()
        choice = decide(policy, new.effects, cost=new.cost).choice
        on = np.flatnonzero(choice >= 0)
        assert new.cost[on, choice[on]].sum() / 20_000 == pytest.approx(0.2, rel=0.05)
        assert (choice == 0).mean() == pytest.approx(0.12, rel=0.1)
        assert new.effects.metric("plays")[on, choice[on]].sum() / 20_000 == pytest.approx(
            0.09, rel=0.1
        )


def test_the_rule_by_prices_holds_every_demand_where_it_was_solved(market):
    shop = market(3000, 1)
    policy, made = budgeted_policy(
        shop.effects, weights={"sales": 1.0}, constraints=ALL, cost=shop.cost, groups=shop.groups
    )
    by_rule = decide(policy, shop.effects, cost=shop.cost, groups=shop.groups)
    assert (made.expected_usage <= made.bounds).all()
    on = np.flatnonzero(by_rule.choice >= 0)
    assert made.expected_usage[0] == math.fsum(shop.cost[on, by_rule.choice[on]])
    assert made.expected_value == math.fsum(shop.value[on, by_rule.choice[on]])
    assert made.value * 0.99 < made.expected_value <= made.bound
    assert made.repaired <= 60


def test_parity_holds_and_costs_value(market):
    shop = market(3000, 2)
    value = shop.value * np.where(shop.groups["city"] == "north", 0.4, 1.0)[:, None]
    free = allocate(value, [offers(900)], groups=shop.groups)
    fair = allocate(value, [offers(900), parity("city", 0.01)], groups=shop.groups)
    north = shop.groups["city"] == "north"
    apart, near = (
        abs((m.choice[north] >= 0).mean() - (m.choice >= 0).mean()) for m in (free, fair)
    )
    assert apart > 0.1
    assert near <= 0.01 + 1e-12
    assert fair.value < free.value


def test_a_bonus_for_staying_lowers_churn_and_moves_less_money(market):
    shop, other = market(2000, 0), market(2000, 7)
    before = allocate(other.value, [budget(400.0)], cost=other.cost).choice
    shares, values = [], []
    for bonus in (0.0, 0.2, 5.0):
        made = allocate(shop.value, [budget(400.0)], cost=shop.cost, keep=Keep(before, bonus))
        shares.append(churn(before, made.choice, shop.cost).share)
        on = np.flatnonzero(made.choice >= 0)
        values.append(shop.value[on, made.choice[on]].sum())
        assert (made.slack >= 0).all()
    assert shares[0] > shares[1] > shares[2]
    assert values[0] > values[1] > values[2]


def test_lower_confidence_prefers_what_is_sure():
    values, errors = np.array([[[2.0], [1.5]]]), np.array([[[1.0], [0.1]]])
    effects = Effects(values, np.zeros((1, 1)), ("bold", "sure"), ("y",), errors)
    for z, want in [(0.0, 0), (1.0, 1)]:
        _, made = budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(1)], lower=z)
        assert made.choice.tolist() == [want]


def test_a_metric_where_less_is_better_has_a_negative_weight():
    effects = Effects(np.array([[[-2.0], [3.0]]]), np.zeros((1, 1)), ("a", "b"), ("churned",))
    policy, made = budgeted_policy(effects, weights={"churned": -1.0}, constraints=[])
    assert made.choice.tolist() == [0]
    assert policy.weights == (-1.0,)


def test_the_report_speaks_as_the_demand_was_asked():
    demands = [
        floor("plays", 1.0, per_head=True, unit="plays"),
        budget(3.0, unit="USD"),
        parity("g", 1.0),
    ]
    made = allocate(
        [[1.0], [2.0]], demands, cost=[1.0], effects=PLAYS, groups={"g": np.array([1, 2])}
    )
    lines = made.report()
    assert {k: lines[0][k] for k in ("name", "unit", "rule", "bound", "used")} == {
        "name": "floor of plays",
        "unit": "plays",
        "rule": "at least",
        "bound": 1.0,
        "used": 3.0,
    }
    assert {k: lines[1][k] for k in ("rule", "bound", "used", "price")} == {
        "rule": "at most",
        "bound": 3.0,
        "used": 2.0,
        "price": 0.0,
    }
    assert [line["used"] for line in lines[2:]] == [0.0] * 4


def choices(n, k):
    return (np.array(choice) for choice in itertools.product(range(-1, k), repeat=n))


@pytest.mark.parametrize("seed", range(30))
def test_of_all_choices_of_a_few_units_the_best(seed):
    """And what the prices make of them is told: value, usage, and who got something else."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    value, cost = rng.normal(0.5, 1, (n, k)), rng.random((n, k))
    money, most = float(rng.uniform(0, n / 2)), int(rng.integers(0, n))
    made = allocate(value, [budget(money), cap("0", most)], cost=cost, tol=1e-9)

    def tally(choice):
        on = np.flatnonzero(choice >= 0)
        spent = math.fsum(cost[on, choice[on]])
        return math.fsum(value[on, choice[on]]), [spent, float((choice == 0).sum())]

    kept = (tally(c) for c in choices(n, k))
    best = max(v for v, (spent, first) in kept if spent <= money and first <= most)
    assert (made.value, made.usage.tolist()) == tally(made.choice)
    assert made.value == pytest.approx(best, abs=1e-12)
    assert made.bound >= best - 1e-9
    gap = (made.bound - best) / made.bound if made.bound > 1e-6 else 0.0
    assert made.gap == pytest.approx(gap, abs=1e-8)
    assert made.status == ("optimal" if made.gap <= 1e-9 else "feasible")
    score = value - made.prices[0] * cost - made.prices[1] * (np.arange(k) == 0)
    by_prices = np.where(score.max(axis=1) > 0, score.argmax(axis=1), -1)
    if np.sort(np.abs(np.c_[score, np.zeros(n)]), axis=None)[n] > 1e-9:  # no tie
        assert (made.expected_value, made.expected_usage.tolist()) == tally(by_prices)
        assert made.repaired == (by_prices != made.choice).sum()
    assert np.allclose(made.slack, [money, most] - made.usage, atol=1e-12)


def test_the_gap_is_a_part_of_the_bound():
    """By hand: bound 5.5, value 5; a floor that costs has a bound below 0."""
    for tol, status in ((0.05, "feasible"), (0.1, "optimal")):
        made = allocate([[3.0, 4.0], [2.0, 1.0]], [budget(3.0)], cost=[1.0, 3.0], tol=tol)
        assert made.gap == pytest.approx(0.5 / 5.5, rel=1e-2)
        assert made.status == status
    effects = Effects(np.full((2, 1, 1), 2.0), np.zeros((2, 1)), ("a",), ("plays",))
    made = allocate([[-1.0], [-2.0]], [floor("plays", 3.0)], effects=effects)
    assert (made.value, made.bound) == (-3.0, pytest.approx(-2.0, rel=1e-6))
    assert made.gap == 0.0 or made.gap == pytest.approx(0.5, rel=1e-5)


def test_a_demand_binds_where_its_price_and_its_use_are_worth_something():
    made = allocate([[3.0], [1.0]], [offers(2), budget(4.0)], cost=[1.0])
    for price, slack, bound, usage, want in (
        (0.0, 0.0, 4.0, 4.0, False),  # used up and free
        (1e-15, 0.0, 4.0, 4.0, True),  # used up, at a price however small
        (1e-15, 1.0, 4.0, 3.0, False),  # worth 1e-15 of the value
        (1e-8, 1.0, 4.0, 3.0, True),  # its bound is worth 4e-8, the value is 4
        (1.5e-9, 1.0, 4.0, 3.0, True),
        (0.9e-9, 1.0, 4.0, 3.0, False),  # 3.6e-9 of 4e-9
        (1.5e-9, 1.0, -3.0, -4.0, True),  # 6e-9: of bound and use the larger counts
        (1.5e-9, 6.0, 4.0, -2.0, True),
        (-1.0, 0.0, 4.0, 4.0, False),
    ):
        for r in (0, 1):
            one = {
                name: np.where(np.arange(2) == r, x, 0.0)
                for name, x in (("prices", price), ("slack", slack), ("bounds", bound))
            }
            used = np.where(np.arange(2) == r, usage, 0.0)
            for value in (4.0, -4.0):
                now = replace(made, **one, usage=used, value=value)
                assert now.binds(r) is want
                assert now.report()[r]["binding"] is want


def test_terms_are_per_so_many_heads_and_turned_for_a_floor_only():
    demands = [floor("plays", 3.0), ceiling("plays", 9.0), parity("g", 0.5), budget(3.0)]
    made = allocate(
        [[1.0], [2.0]], demands, cost=[1.0], effects=PLAYS, groups={"g": np.array([1, 2])}
    )
    terms = [made.terms(r, 2.0) for r in range(7)]
    assert [line["rule"] for line in terms] == ["at least"] + ["at most"] * 6
    assert [terms[r]["bound"] for r in (0, 1, 6)] == [1.5, 4.5, 1.5]
    assert [terms[r]["used"] for r in (0, 1, 6)] == [3.0, 3.0, 1.0]
    assert [line["bound"] for line in made.report()][2:6] == [0.5] * 4
    assert [line["price"] for line in terms] == made.prices.tolist()


def test_a_bonus_is_part_of_the_value_and_of_the_policy():
    """0.5 for leaving the first where it is; the second would leave control for 0.5 less."""
    effects = Effects(np.array([[[1.0]], [[1.2]]]), np.zeros((2, 1)), ("a",), ("y",))
    for bonus, choice, value in ((0.0, [-1, 0], 1.2), (0.5, [0, -1], 1.5)):
        keep = Keep(np.array([0, -1]), bonus)
        policy, made = budgeted_policy(
            effects, weights={"y": 1.0}, constraints=[offers(1)], keep=keep
        )
        assert (made.choice.tolist(), made.value) == (choice, pytest.approx(value))
        assert policy.keep == bonus
        by_rule = decide(policy, effects, previous=keep.previous, units=np.arange(2)).choice
        assert by_rule.tolist() == choice


@pytest.mark.parametrize("seed", range(4))
def test_ties_are_shared_at_random_and_the_record_says_what_that_gives(seed):
    """A quarter of equal units: those of the smallest draws."""
    effects = Effects(np.full((40, 1, 1), 2.0), np.zeros((40, 1)), ("a",), ("y",))
    ids = np.array([f"user {i}" for i in range(40)])
    policy, solution = budgeted_policy(
        effects, weights={"y": 1.0}, constraints=[offers(10)], units=ids, seed=seed
    )
    draws = uniform(ids, seed, LOW_STREAM)
    decisions = decide(policy, effects, units=ids)
    assert np.flatnonzero(decisions.choice == 0).tolist() == sorted(np.argsort(draws)[:10])
    assert (solution.rule_value, solution.rule_usage.tolist()) == (20.0, [10.0])
    assert (solution.value, solution.promise_cost) == (20.0, 0.0)
    chance = decisions.probability[decisions.choice == 0][0]
    tenth, next_one = np.sort(draws)[9:11]
    assert tenth < chance < next_one
    assert solution.expected_value == pytest.approx(80 * chance, abs=2 * 2.0)
    assert solution.expected_usage.tolist() == pytest.approx([40 * chance], abs=2.0)


def test_ties_are_parted_where_that_is_worth_something():
    """The last two of n units tie for the last offer."""
    for n in (4, 60):
        worth = 2.0 + np.maximum(np.arange(n), 1.0)[::-1] / n
        effects = Effects(worth[:, None, None], np.zeros((n, 1)), ("a",), ("y",))
        policy, solution = budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(n - 1)])
        assert solution.value == pytest.approx(worth[:-1].sum())
        assert solution.rule_value == pytest.approx(worth[:-1].sum())
        assert policy.tie_penalty > 0
    policy, _ = budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(n - 2)])
    assert policy.tie_penalty == 0


def test_prices_that_miss_are_told_by_how_much():
    """Only "b" for the first alone fits; prices at which it gets that give the second something."""
    values = np.array([[[10.0, 10.0], [1.0, 6.0]], [[11.0, 4.0], [2.0, 3.0]]])
    effects = Effects(values, np.zeros((2, 2)), ("a", "b"), ("y", "plays"))
    demands = [floor("plays", 5.0), ceiling("plays", 7.0)]
    with pytest.raises(InfeasibleError) as error:
        budgeted_policy(effects, weights={"y": 1.0}, constraints=demands)
    said = str(error.value)
    assert said.endswith("loosen the demand by as much, or take single choices from allocate()")
    assert said.startswith(
        (
            "'ceiling of plays' must hold under one rule by prices; got prices that miss by 7;",
            "'floor of plays' must hold under one rule by prices; got prices that miss by 5;",
            "'floor of plays' must hold under one rule by prices; got prices that miss by 1;",
        )
    )
    assert allocate(values[:, :, 0], demands, effects=effects).choice.tolist() == [1, -1]


def test_a_draft_has_the_metrics_that_weigh_or_are_counted_in_the_effects_order():
    effects = Effects(np.ones((1, 1, 3)), np.zeros((1, 3)), ("a",), ("x", "y", "z"))
    demands = expand([floor("z", 0.5), offers(1)], {})
    draft = draft_policy(effects, {"y": 2.0}, demands, "nobody", 0.5, 0.25)
    assert (draft.metrics, draft.weights, draft.prices) == (("y", "z"), (2.0, 0.0), (0.0, 0.0))
    assert (draft.control, draft.lower, draft.keep) == ("nobody", 0.5, 0.25)
    assert (draft.candidates, draft.demands) == (("a",), demands)
    plain = draft_policy(effects, {"x": 1.0}, (), "none")
    assert (plain.metrics, plain.lower, plain.keep) == (("x",), 0.0, 0.0)


def test_the_first_arguments_have_names():
    assert allocate(value=[[1.0]], constraints=[]).value == 1.0
    policy, _ = budgeted_policy(effects=PLAYS, weights={"plays": 1.0}, constraints=[])
    assert (policy.control, policy.lower, policy.seed) == ("control", 0.0, 0)


def test_every_method_finds_the_same_and_the_same_conflict(market):
    shop = market(600, 3)
    names = ("auto", "bisect", "level", "highs")
    made = [allocate(shop.value, [budget(110.0)], cost=shop.cost, method=name) for name in names]
    assert [m.bound for m in made] == pytest.approx([made[0].bound] * 4, rel=1e-7)
    assert made[0].trace == made[1].trace
    for name in ("level", "highs"):
        with pytest.raises(InfeasibleError, match="demand 'floor of plays' must be attainable"):
            allocate(shop.value, [floor("plays", 1e3)], effects=shop.effects, method=name)


def test_bad_input_names_the_place():
    ok = [[1.0, 2.0]]
    with pytest.raises(InputError, match="value must be finite; got nan at row 0, candidate 1"):
        allocate([[1.0, np.nan]], [])
    with pytest.raises(InputError, match="got inf at row 1, candidate 0"):
        allocate([[1.0, 2.0], [np.inf, np.nan]], [])
    with pytest.raises(InputError, match=r"value must have shape \(n, k\)"):
        allocate([1.0], [])
    with pytest.raises(InputError, match=r"value must have shape \(n, k\)"):
        allocate(np.zeros((1, 0)), [])
    with pytest.raises(InputError, match=r"value must have shape \(n, k\)"):
        allocate(np.zeros((0, 2)), [])
    with pytest.raises(InputError, match="cost must be given for demand 'budget'"):
        allocate(ok, [budget(1.0)])
    with pytest.raises(
        InputError, match="cost must be finite and >= 0; got -1.0 at row 0, candidate 0"
    ):
        allocate(ok, [budget(1.0)], cost=[-1.0, 1.0])
    with pytest.raises(InputError, match="the candidate of demand 'cap on c' must be one of a, b"):
        allocate(ok, [cap("c", 1)], candidates=("a", "b"))
    with pytest.raises(
        InputError, match="the metric of demand 'floor of x' must be one of those given"
    ):
        allocate(ok, [floor("x", 1)])
    with pytest.raises(InputError, match="candidates must be 2 names"):
        allocate(ok, [], candidates=("a",))
    with pytest.raises(InputError, match="names of demands must be different"):
        allocate(ok, [offers(1), offers(2)])
    with pytest.raises(InputError, match="method must be one of .*bisect for one row"):
        allocate(ok, [offers(1), budget(2)], cost=[1.0, 1.0], method="bisect")
    with pytest.raises(InputError, match="tol must be > 0"):
        allocate(ok, [], tol=0.0)
    with pytest.raises(InputError, match="method must be one of auto, bisect, level, highs;"):
        allocate(ok, [], method="bisect")
    for warm in ([np.inf], [np.nan], [0.0, 1.0], [[0.0]]):
        with pytest.raises(InputError, match="warm must be 1 finite prices >= 0"):
            allocate(ok, [offers(1)], warm=warm)
    assert allocate(ok, [offers(1), cap("1", 1)], warm=[0.0, 3.0]).choice.tolist() == [1]
    with pytest.raises(InputError, match="warm must be 1 finite prices >= 0"):
        allocate(ok, [offers(1)], warm=[-1.0])
    other = Effects(np.zeros((1, 3, 1)), np.zeros((1, 1)), ("a", "b", "c"), ("y",))
    with pytest.raises(InputError, match=r"units and candidates, \(1, 2\); got \(1, 3\)"):
        allocate(ok, [], effects=other)
    effects = Effects(np.zeros((2, 2, 1)), np.zeros((2, 1)), ("a", "b"), ("y",))
    with pytest.raises(InputError, match="effects must be of the value's units"):
        allocate(ok, [], effects=effects)
    with pytest.raises(InputError, match="weights must name metrics among y; got 'z'"):
        budgeted_policy(effects, weights={"z": 1.0}, constraints=[])


def test_one_id_per_unit():
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("y",))
    with pytest.raises(InputError, match=r"units must be one id per unit, 2; got \(3,\)"):
        budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(1)], units=[1, 2, 3])


def test_names_of_version_0_1_0_warn_and_work():
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("y",))
    _, made = budgeted_policy(effects, weights={"y": 1.0}, constraints=[offers(1)])
    with pytest.warns(FutureWarning, match="Allocation.carried_value"):
        assert made.carried_value == made.expected_value
    with pytest.warns(FutureWarning, match="Allocation.carried_usage"):
        assert made.carried_usage is made.expected_usage
