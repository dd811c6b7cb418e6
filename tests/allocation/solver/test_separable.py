"""Rows that share no unit are minimised out: the bound stays that of the linear program, and the
work does not grow with their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import budget, budgeted_policy, cap, ceiling, floor, group_budget
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import separable
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.exact import solve_exactly
from equipoise.allocation.solver.separable import separate
from equipoise.core.effects import Effects


def shops(n, m, seed, more=(), per_head=0.3):
    """n units in m shops with a budget each, and more demands; effects, cost, groups, demands."""
    rng = np.random.default_rng(seed)
    effects = Effects(
        rng.gamma(2.0, 1.0, (n, 3, 2)), np.zeros((n, 2)), ("a", "b", "c"), ("sales", "plays")
    )
    groups = {"shop": np.arange(n) % m, "city": rng.choice(["north", "south"], n)}
    demands = [group_budget("shop", shop, per_head * n / m) for shop in range(m)]
    return effects, rng.uniform(0.5, 1.5, (n, 3)), groups, [*demands, *more]


def problem_of(effects, cost, groups, demands):
    rows = expand(demands, groups)
    worth = effects.values[:, :, 0].copy()
    return compile_problem(worth, rows, effects.candidates, cost, effects, groups)


def test_rows_of_one_column_share_no_unit():
    support = np.array(
        [[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]], dtype=bool
    )
    assert separate(support) is None  # three are too few
    wide = np.concatenate([np.ones((1, 9), bool), np.eye(9, dtype=bool)[:8]])
    parts = separate(wide)
    assert parts is not None
    assert parts.own.tolist() == list(range(1, 9))
    assert parts.other.tolist() == [0]
    assert parts.block.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]  # the last code has no row


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(60, 200),
    m=st.integers(8, 30),
    more=st.lists(st.sampled_from(range(6)), max_size=4, unique=True),
)
def test_the_bound_is_the_linear_program_s(seed, n, m, more):
    """Whatever other rows there are, floors and an exceeded group among them."""
    others: list[Any] = [
        budget(0.2 * n),
        cap("b", 0.1 * n),
        floor("plays", 0.05 * n),
        ceiling("plays", 0.3 * n),
        group_budget("city", "north", 0.05 * n),
        group_budget("city", "south", 0.01 * n),
    ]
    problem = problem_of(*shops(n, m, seed, [others[i] for i in more]))
    assert separate(problem.rows.support) is not None
    exact = solve_exactly(problem)
    if exact is None:
        return
    answer = solve_dual(problem, 1e-9)
    scale = max(problem.evaluate(np.zeros(len(problem.rows)))[0], 1e-12)
    assert answer.bound == pytest.approx(exact.low, abs=1e-7 * scale)
    assert answer.low <= exact.low + 1e-7 * scale
    assert (answer.prices >= 0).all()
    assert problem.evaluate(answer.prices)[0] == pytest.approx(answer.bound, abs=1e-9 * scale)


def test_it_is_the_level_method_s_minimum_on_a_sample_too(monkeypatch):
    monkeypatch.setattr("equipoise.allocation.solver.dual.SAMPLE", 500)
    problem = problem_of(*shops(4000, 12, 3, [budget(700.0), floor("plays", 200.0)]))
    ours = solve_dual(problem, 1e-8)
    monkeypatch.setattr(separable, "FEWEST", 99)
    theirs = solve_dual(problem, 1e-8)
    assert ours.bound == pytest.approx(theirs.bound, rel=1e-7)


def test_demands_that_cannot_hold_end_the_search():
    effects, cost, groups, demands = shops(90, 9, 0)
    never = [*demands, floor("plays", 1e9)]
    with pytest.raises(ValueError, match="plays"):
        budgeted_policy(
            effects, weights={"sales": 1.0}, constraints=never, cost=cost, groups=groups
        )


@pytest.mark.parametrize("more", [(), (budget(300.0), cap("b", 200))])
def test_the_work_does_not_grow_with_the_rows(more):
    """Passes over the units: of 160 shops at most four times those of 10 (measured: 1 and 2.6)."""
    passes = [
        sum(stage[2] for stage in solve_dual(problem_of(*shops(1600, m, 1, more)), 1e-7).trace)
        for m in (10, 160)
    ]
    assert passes[1] <= 4 * passes[0]


def test_a_cut_with_one_end_only_is_seen(monkeypatch):
    """Cuts of one end, not of the mixture that is flat, are no bounds: the minimum is missed."""
    problem = problem_of(*shops(400, 20, 5, [budget(60.0), floor("plays", 20.0)]))
    right = solve_dual(problem, 1e-9).bound
    exact = solve_exactly(problem)
    assert exact is not None
    assert right == pytest.approx(exact.low, rel=1e-8)

    def one_end(search):
        left, right = search.left, search.right
        return np.where(np.isnan(right.price)[:, None], left.usage, right.usage).sum(axis=0)

    monkeypatch.setattr(separable._Search, "flat", one_end)
    assert solve_dual(problem, 1e-9).bound > right * (1 + 1e-6)
