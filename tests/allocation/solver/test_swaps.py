from __future__ import annotations

import itertools

import numpy as np
import pytest

from equipoise.allocation import budget, cap
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import swaps
from equipoise.allocation.solver.swaps import take_pairs, trade


def run(gain, more, slack, units=None):
    units = np.arange(len(gain)) if units is None else np.array(units)
    choice, left = np.full(int(units.max()) + 1, -1, np.int16), np.array(slack, float)
    to = np.zeros(len(gain), np.int16)
    rows = np.zeros(len(choice), int), np.array([0, len(left)]), np.arange(len(left))
    total = take_pairs(
        units, to, *rows, np.array(gain, float), np.array(more, float), left, choice, 1e-12
    )
    return total, choice.tolist(), left.tolist()


def test_a_pair_that_fits_together():
    assert run([2.0, -1.5], [[3.0], [-2.5]], [0.5]) == (0.5, [0, 0], [0.0])


def test_a_switch_that_fits_alone():
    assert run([2.0, -1.0], [[1.0], [0.0]], [1.0]) == (2.0, [0, -1], [0.0])


def test_nothing_that_loses_exceeds_or_is_of_the_same_unit():
    assert run([2.0, -3.0], [[3.0], [-3.0]], [0.0])[0] == 0.0
    assert run([2.0, -1.0], [[3.0, 1.0], [-3.0, 1.0]], [0.0, 1.0])[0] == 0.0
    assert run([2.0, -1.0], [[3.0], [-3.0]], [0.0], units=[0, 0])[0] == 0.0


def test_a_partner_is_held_to_the_rows_of_its_own_group():
    """Two groups with a row each: the second exceeds its own row, so the first goes alone."""
    choice, slack = np.full(2, -1, np.int16), np.array([1.0, 1.0])
    codes, start, row = np.array([0, 1]), np.array([0, 1, 2]), np.array([0, 1])
    gain, more = np.array([2.0, 3.0]), np.array([[1.0, 0.0], [0.0, 5.0]])
    units, to = np.arange(2), np.zeros(2, np.int16)
    assert take_pairs(units, to, codes, start, row, gain, more, slack, choice, 1e-12) == 2.0
    assert (choice.tolist(), slack.tolist()) == ([0, -1], [0.0, 1.0])


def traded(value, cost, limits, start, gap, enough=0.0, price=0.0):
    """The choice after `trade`, its value and its slack under a budget and a cap on the first."""
    value = np.array(value)
    names = tuple("abc")[: value.shape[1]]
    demands = expand([budget(limits[0]), cap("a", limits[1])], {})
    problem = compile_problem(value, demands, names, cost, None, {})
    choice = np.array(start, np.int16)
    slack = problem.rows.bounds - problem.measure(choice)[1]
    rows = problem.rows
    table = rows.table(np.array([price, 0.0]))
    trade(
        (*problem.arrays(), table, rows.codes, *rows.counted(), choice),
        slack,
        gap,
        enough,
    )
    worth, usage = problem.measure(choice)
    assert np.allclose(slack, rows.bounds - usage, atol=1e-12)
    return choice.tolist(), worth, slack


PAIR = ([[3.3], [5.2]], [[3.0], [5.0]], (5.0, 1.0), [0, -1])


def test_the_second_takes_the_place_of_the_first():
    assert traded(*PAIR, gap=3.5)[0] == [-1, 0]
    assert traded(*PAIR, gap=3.5, enough=3.5)[0] == [0, -1]  # near enough as it is
    assert traded(*PAIR, gap=3.5, enough=3.4)[0] == [-1, 0]


def test_switches_that_lose_more_than_the_gap_are_left_out(monkeypatch):
    """At a price of 1.05 the first loses 0.15 in score, the second 0.05."""
    assert traded(*PAIR, gap=0.1, price=1.05)[0] == [0, -1]
    assert traded(*PAIR, gap=0.2, price=1.05)[0] == [-1, 0]
    monkeypatch.setattr(swaps, "SWITCHES", 1)  # the one that loses least fits only with the other
    assert traded(*PAIR, gap=0.2, price=1.05)[0] == [0, -1]


@pytest.mark.parametrize("seed", range(15))
def test_no_switch_and_no_pair_of_switches_is_left_that_gains_and_fits(seed):
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(0.5, 1, (4, 2)), rng.random((4, 2))
    limits = float(rng.uniform(0.3, 2)), float(rng.integers(0, 3))
    start = [-1] * 4
    choice, worth, slack = traded(value, cost, limits, start, gap=100.0)
    assert worth >= 0
    assert (slack >= 0).all()

    def change(unit, to):
        """What a switch gains and uses more."""
        use = [(cost[unit, a], a == 0) if a >= 0 else (0, 0) for a in (to, choice[unit])]
        worths = [value[unit, a] if a >= 0 else 0.0 for a in (to, choice[unit])]
        return worths[0] - worths[1], np.subtract(use[0], use[1], dtype=float)

    switches = [(u, a) for u in range(4) for a in (-1, 0, 1) if a != choice[u]]
    for one, two in itertools.combinations_with_replacement(switches, 2):
        if one == two or one[0] != two[0]:
            gains, uses = zip(*(change(*s) for s in {one, two}), strict=True)
            fits = (np.sum(uses, axis=0) <= slack).all()
            assert not fits or sum(gains) <= 1e-9
