"""Allocation within folds: no unit's choice depends on other folds, groups may be absent from a
fold, figures are per head.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import budget, floor, group_budget, parity
from equipoise.core.effects import Effects
from equipoise.pipeline.study.policy import PolicyTask, carried, solve, solve_folds

N = 90


@pytest.fixture
def task():
    values = np.random.default_rng(0).random((N, 1, 1))
    effects = Effects(values, np.zeros((N, 1)), ("offer",), ("y",))
    towns = np.asarray(["a"] * 60 + ["b"] * 29 + ["c"])
    return PolicyTask(
        effects,
        np.ones((N, 1)),
        {"town": towns},
        np.arange(N) % 3,
        "none",
        {"y": 1.0},
        [budget(0.5, per_head=True)],
    )


def test_the_budget_is_that_of_each_fold(task):
    solved = solve_folds(task)
    assert [(solved.choice[task.fold == f] >= 0).sum() for f in range(3)] == [15, 15, 15]
    assert solved.rows == [
        {
            "name": "budget",
            "kind": "budget",
            "metric": None,
            "rule": "at most",
            "bound": 0.5,
            "used": 0.5,
            "price": pytest.approx(0.5, abs=0.1),
            "binding": True,
        }
    ]


def test_other_folds_have_no_say(task):
    changed = task.effects.values.copy()
    changed[task.fold == 0] *= 100
    other = replace(task, effects=replace(task.effects, values=changed))
    same = task.fold != 0
    assert np.array_equal(solve_folds(task).choice[same], solve_folds(other).choice[same])


def test_all_at_once_gives_the_shipped_price(task):
    price = solve(task).policy.prices[0]
    assert np.quantile(task.effects.values, 0.5) == pytest.approx(price, abs=0.05)


def test_a_group_may_be_absent_from_a_fold(task):
    constraints = [
        budget(0.5, per_head=True),
        group_budget("town", "c", 0.0, per_head=True),
        parity("town", 0.5),
    ]
    solved = solve_folds(replace(task, constraints=constraints))
    assert solved.choice[-1] == -1
    names = [row["name"] for row in solved.rows]
    assert len(names) == len(set(names))
    assert "budget of town = c" in names


def test_a_group_budget_is_per_head_of_the_group(task):
    solved = solve(replace(task, constraints=[group_budget("town", "a", 0.25, per_head=True)]))
    row = solved.rows[0]
    assert (solved.choice[:60] >= 0).sum() == 15
    assert (solved.choice[60:] >= 0).all()
    assert (row["bound"], row["used"]) == (0.25, 0.25)


def test_a_floor_reads_as_at_least(task):
    dear = replace(task, weights={"y": -1.0}, constraints=[floor("y", 0.2, per_head=True)])
    row = solve(dear).rows[0]
    assert (row["rule"], row["bound"]) == ("at least", 0.2)
    assert row["used"] >= 0.2
    assert row["binding"]


def test_an_idle_demand_has_no_price(task):
    row = solve(replace(task, constraints=[budget(5.0, per_head=True)])).rows[0]
    assert (row["price"], row["binding"]) == (0.0, False)


def test_carried_spend_by_hand(monkeypatch, task):
    calls, spends = [], iter([0.4, 0.6, 0.5, 0.5, 0.5, 0.5])

    def spend_on(_, pricing, judged):
        calls.append((pricing[:2].tolist(), judged[:2].tolist()))
        return next(spends)

    monkeypatch.setattr("equipoise.pipeline.study.policy._spend_on", spend_on)
    mean, low, high = carried(task)  # row i stands in fold i % 3
    assert calls[:3] == [([0, 6], [3, 9]), ([3, 9], [0, 6]), ([1, 7], [4, 10])]
    half = 2.5706 * np.sqrt(2 * 0.1**2 / 5) / 2
    assert [mean, low, high] == pytest.approx([0.5, 0.5 - half, 0.5 + half], rel=1e-4)


def test_carried_spend_needs_a_budget(task):
    assert carried(replace(task, constraints=[floor("y", 0.0, per_head=True)])) is None


def test_carried_spend_is_of_one_model_at_a_time():
    """Models that differ in scale from fold to fold are of no matter: what is shipped is one of
    them with its own prices.
    """
    values, fold = np.random.default_rng(1).random((3000, 1, 1)), np.arange(3000) % 3
    alike = Effects(values, np.zeros((3000, 1)), ("offer",), ("y",))
    task = PolicyTask(
        alike, np.ones((3000, 1)), {}, fold, "none", {"y": 1.0}, [budget(0.3, per_head=True)]
    )
    mean, low, high = carried(task)
    assert mean == pytest.approx(0.3, abs=0.02)
    assert high - low < 0.1
    wide = replace(task, effects=replace(alike, values=values * (1 + fold)[:, None, None]))
    assert carried(wide) == pytest.approx([mean, low, high], abs=1e-3)


def test_the_interval_holds_what_a_new_population_spends():
    """50 tasks of three folds, and a large new population at the price of one fold: the 95 %
    interval holds its spend.
    """
    hits = 0
    for seed in range(50):
        values = np.random.default_rng(seed).random((600, 1, 1))
        cost, constraints = np.ones((600, 1)), [budget(0.3, per_head=True)]
        task = PolicyTask(
            Effects(values, cost * 0, ("offer",), ("y",)),
            cost,
            {},
            np.arange(600) % 3,
            "none",
            {"y": 1.0},
            constraints,
        )
        price = solve(task.take(np.flatnonzero(task.fold == 0))).policy.prices[0]
        _, low, high = carried(task)
        hits += low <= 1 - price <= high  # values are uniform on [0, 1)
    assert hits >= 44
