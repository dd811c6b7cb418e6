"""Pacing: the curve by brute force, the clock, the state, and a budget that is never overspent."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError, SnapshotError
from equipoise.operations import Pacer, PacingPlan
from equipoise.operations.pacing import WAYS, price_at, spend_curve

GRID = np.geomspace(0.05, 20, 200)
EVEN = PacingPlan((0.25, 0.25, 0.25, 0.25), 4000.0, 1.0, seconds=14_400.0)


def requests(seed, n=300, k=4):
    """Worth and cost of candidates; some cost nothing, some are worth less than nothing."""
    rng = np.random.default_rng(seed)
    cost = np.round(rng.gamma(1, 0.5, (n, k)), 1)
    return rng.gamma(2, 0.4, (n, k)) - 0.2, cost


def greedy_spend(value, cost, price):
    """What argmax(value - price cost) spends."""
    net = value - price * cost
    best = net.argmax(axis=1)
    rows = np.arange(len(value))
    return float(np.where(net[rows, best] > 0, cost[rows, best], 0).sum())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_curve_is_the_spend_at_every_price(seed):
    value, cost = requests(seed)
    pacer = Pacer(1e6, EVEN, GRID)
    pacer.seen(value, cost, 0.0)
    curve = spend_curve(pacer._steps[0])
    want = [greedy_spend(value, cost, price) for price in (1e-12, *GRID)]
    np.testing.assert_allclose(curve, want, atol=1e-9)


def test_the_price_that_lasts():
    """After an hour of four that went as planned, the price spends a third of what is left in each
    of the hours to come.
    """
    value, cost = requests(0, 1000)
    pacer = Pacer(600.0, EVEN, GRID, every="1h")
    pacer.seen(value, cost, 100.0)
    pacer.spent(150.0, 200.0)
    price = pacer.price(3600.0)
    assert greedy_spend(value, cost, price) == pytest.approx(150.0, rel=0.03)


def test_twice_the_traffic_and_twice_the_claims_halve_what_a_request_gets():
    value, cost = requests(1, 2000)
    pacer = Pacer(1e6, EVEN, GRID, every="1h")
    choice = pacer.serve(value, cost, 0.0)
    expected = float(cost[np.arange(2000), choice][choice >= 0].sum())
    busy = Pacer(3000.0, EVEN, GRID, every="1h")
    busy.serve(value, cost, 0.0)
    busy.spent(2 * expected, 10.0, reserved=expected)
    to_come = greedy_spend(value, cost, busy.price(3600.0)) * 3 * 2
    assert to_come == pytest.approx(3000 - 2 * expected, rel=0.12)  # ratios are drawn to the plan


def test_the_price_rests_on_two_hours():
    pacers = [Pacer(10.0, EVEN, GRID) for _ in range(2)]
    for pacer in pacers:
        value, cost = requests(2)
        pacer.seen(value, cost, 0.0)
    assert pacers[0].price(7000.0) > 2  # dear: 300 such requests would spend it all
    assert pacers[1].price(8200.0) == 1.0  # nothing behind it: as it was


def test_pi_by_hand():
    pacer = Pacer(100.0, EVEN, GRID, "pi", "1h")
    pacer.spent(35.0, 10.0)
    assert pacer.price(3600.0) == pytest.approx(np.exp(8 * 0.1 + 0.4 * 0.1))
    assert pacer.price(7200.0) == pytest.approx(np.exp(8 * -0.15 + 0.4 * -0.05))
    assert Pacer(100.0, EVEN, GRID, "price").price(14_000.0) == 1.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(WAYS), st.floats(0.5, 200.0))
def test_a_budget_is_never_overspent(seed, way, budget):
    """Traffic, claims and amounts may be anything; what is paid stays within, at every moment."""
    rng = np.random.default_rng(seed)
    pacer, paid = Pacer(budget, EVEN, GRID, way), 0.0
    for now in np.sort(rng.uniform(0, 14_400, 12)):
        value, cost = requests(int(rng.integers(1e6)), int(rng.integers(1, 200)))
        most = cost * rng.uniform(1, 4)
        choice = pacer.serve(value, cost, now, most)
        held = most[np.arange(len(value)), choice][choice >= 0]
        amount = float(held[rng.random(len(held)) < 0.7].sum())
        pacer.spent(amount, now, reserved=float(held.sum()))
        paid += amount
        assert paid <= budget * (1 + 1e-9)
        assert pacer.left == pytest.approx(budget - paid)


def test_nothing_is_offered_when_nothing_is_left():
    pacer = Pacer(1.0, EVEN, GRID, "price")
    assert pacer.serve([[5.0], [5.0], [9.0]], [[0.6], [0.6], [0.4]], 0.0).tolist() == [0, -1, 0]
    assert pacer.price(1.0) == np.inf
    assert pacer.serve([[5.0]], [[0.1]], 2.0).tolist() == [-1]
    pacer.spent(0.0, 3.0, reserved=1.0)  # nobody claimed
    assert pacer.left == 1.0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(WAYS))
def test_a_state_goes_on_as_if_nothing_had_been(seed, way):
    rng = np.random.default_rng(seed)
    pacer = Pacer(300.0, EVEN, GRID, way)
    for now in np.sort(rng.uniform(0, 14_400, 8)):
        value, cost = requests(int(rng.integers(1e6)), 150)
        twin = Pacer.from_state(json.loads(json.dumps(pacer.state())))
        choices = [one.serve(value, cost, now) for one in (pacer, twin)]
        assert choices[0].tolist() == choices[1].tolist()
        for one in (pacer, twin):
            one.spent(1.0, now)
        assert pacer.price(now) == twin.price(now)
        assert pacer.state() == twin.state()


def test_interpolation_by_hand():
    prices, curve = np.array([0.0, 1.0, 3.0]), np.array([10.0, 6.0, 2.0])
    assert [price_at(prices, curve, m) for m in (11.0, 8.0, 4.0, 1.0)] == [0.0, 0.5, 2.0, 3.0]
    assert EVEN.by(1800.0) == 0.125
    assert PacingPlan((0.5, 0.5), 1.0, 0.0, (0.8, 0.2), 10.0).by(5.0, of_spend=True) == 0.8


def plan(**change):
    return PacingPlan(**({"profile": (0.5, 0.5), "requests": 10.0, "price": 1.0} | change))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Pacer(0.0, EVEN, GRID), "the budget must be finite and > 0; got 0.0"),
        (lambda: Pacer(np.nan, EVEN, GRID), "the budget must be"),
        (lambda: Pacer(1.0, EVEN, [1.0]), "two finite numbers or more"),
        (lambda: Pacer(1.0, EVEN, [2.0, 1.0]), "prices must rise"),
        (lambda: Pacer(1.0, EVEN, [0.0, 1.0]), "prices must rise and be > 0"),
        (lambda: Pacer(1.0, EVEN, GRID, "resolves"), "did you mean 'resolve'"),
        (lambda: Pacer(1.0, EVEN, GRID, every="15"), "every must be a number and a unit of time"),
        (lambda: Pacer(1.0, EVEN, GRID, every="-1m"), "every must be a number and a unit of time"),
        (lambda: plan(profile=(0.5, 0.4)), "the profile must sum to 1; got 0.9"),
        (lambda: plan(profile=(1.5, -0.5)), "shares >= 0"),
        (lambda: plan(spend=(0.5, 0.6)), "the spend must sum to 1"),
        (lambda: plan(requests=0.0), "the plan's requests must be finite and > 0"),
        (lambda: plan(seconds=np.inf), "the plan's seconds"),
        (lambda: plan(price=-1.0), "the plan's price"),
        (lambda: Pacer(1.0, EVEN, GRID).price(14_400.0), "stay within 14400 s"),
        (lambda: Pacer(1.0, EVEN, GRID).spent(2.0, 0.0), "be within 1 left; got 2.0"),
        (lambda: Pacer(1.0, EVEN, GRID).spent(-1.0, 0.0), "finite and >= 0"),
        (lambda: Pacer(1.0, EVEN, GRID).seen([[1.0]], [[-1.0]], 0.0), "costs must be.*row 0"),
        (lambda: Pacer(1.0, EVEN, GRID).seen([[np.nan]], [[1.0]], 0.0), "values must be finite"),
        (lambda: Pacer(1.0, EVEN, GRID).seen([1.0], [1.0], 0.0), "one shape"),
        (lambda: Pacer(1.0, EVEN, GRID).serve([[1.0]], [[1.0]], 0.0, [[0.5]]), "the most at least"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()


def test_clocks_do_not_run_backwards():
    pacer = Pacer(1.0, EVEN, GRID)
    pacer.price(100.0)
    for call in (
        lambda: pacer.price(99.0),
        lambda: pacer.spent(0.1, 99.0),
        lambda: pacer.serve([[1.0]], [[1.0]], 99.0),
    ):
        with pytest.raises(InputError, match="not run backwards from 100; got 99"):
            call()
    assert pacer.left == 1.0


def test_states_of_others_are_refused():
    state = Pacer(1.0, EVEN, GRID).state()
    with pytest.raises(SnapshotError, match="be of version 1; got 2"):
        Pacer.from_state(state | {"version": 2})
    with pytest.raises(SnapshotError, match="be of version 1; got None"):
        Pacer.from_state({})
    with pytest.raises(SnapshotError, match="be whole; got KeyError"):
        Pacer.from_state({name: state[name] for name in state if name != "paid"})
