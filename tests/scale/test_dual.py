"""An allocation over partitions: demands kept exactly, as good as its certificate says, the same on
any number of workers and after workers died.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fixtures.tied_units import cut, tied_units

from equipoise.allocation import (
    allocate,
    budget,
    cap,
    floor,
    group_budget,
    offers,
    parity,
    unit_part,
)
from equipoise.allocation.parts import compile_kinds
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError
from equipoise.scale import dual, solve_partitions, unit_partitions
from equipoise.scale.local import LocalExecutor, LocalGroup

NAMES = ("a", "b", "c")
INSTANCES = 24  # `make bench NAME=scale` has thousands
WIDER = 2e-3  # of a bound; measured: 0.8e-3 at most over these, 1.0e-3 over 100


@pytest.fixture
def small(monkeypatch):
    """Sizes at which some hundreds of units are many."""
    for name, size in (("SAMPLE", 100), ("MOST", 150), ("REPAIRED", 400)):
        for module in (dual, unit_partitions):
            monkeypatch.setattr(module, name, size, raising=False)


def instance(seed: int, n: int = 900) -> dict[str, Any]:
    """Units, partitions of them, and demands that can be met."""
    rng = np.random.default_rng(seed)
    worth, cost = rng.gamma(2.0, 1.0, (n, 3)), rng.uniform(0.5, 1.5, (n, 3))
    plays = rng.normal(0.0, 1.0, (n, 3))
    if seed % 4 == 3:  # whole numbers: ties
        worth, cost = np.ceil(2 * worth) / 2, np.ceil(2 * cost) / 2
    shop = np.minimum(rng.geometric(0.3, n) - 1, 9)
    demands = [
        budget(float(rng.uniform(0.1, 0.4)) * n),
        cap("b", 0.15 * n),
        floor("plays", 0.02 * n),
        offers(0.3, per_head=True),
        parity("shop", 0.2),
        *(group_budget("shop", s, 0.3, per_head=True) for s in range(int(shop.max()) + 1)),
    ]
    wanted = demands[: int(rng.integers(1, 4))]
    if seed % 3 == 0:
        wanted += demands[3:]
    eligible = rng.random((n, 3)) < 0.9 if seed % 5 == 0 else None
    cuts = np.sort(rng.integers(0, n, int(rng.integers(1, 6))))  # a partition may be empty
    return {
        "worth": worth,
        "cost": cost,
        "plays": plays,
        "groups": {"shop": shop},
        "demands": wanted,
        "eligible": eligible,
        "cuts": cuts,
    }


def partitions(of: dict[str, Any]) -> list[Any]:
    """The units in parts."""
    parts = []
    for units in np.split(np.arange(len(of["worth"])), of["cuts"]):
        open_to = None if of["eligible"] is None else of["eligible"][units]
        parts.append(
            unit_part(
                of["worth"][units],
                cost=of["cost"][units],
                cube=of["plays"][units][:, :, None],
                groups={"shop": of["groups"]["shop"][units]},
                eligible=open_to,
            )
        )
    return parts


def solve(of: dict[str, Any], executor: Any = None) -> Any:
    return solve_partitions(
        partitions(of), of["demands"], candidates=NAMES, metrics=["plays"], executor=executor
    )


def whole(of: dict[str, Any]) -> Any:
    n = len(of["worth"])
    effects = Effects(of["plays"][:, :, None], np.zeros((n, 1)), NAMES, ("plays",))
    return allocate(
        of["worth"],
        of["demands"],
        cost=of["cost"],
        effects=effects,
        groups=of["groups"],
        eligible=of["eligible"],
    )


def test_small_instances_keep_demands_and_their_certificate(small):
    """Beside the solver in memory, on partitions of every kind."""
    for seed in range(INSTANCES):
        of = instance(seed)
        together, made = whole(of), solve(of)
        choice = np.concatenate(made.delivered)
        on = np.flatnonzero(choice >= 0)
        assert (made.usage <= made.bounds).all(), seed
        assert made.value == pytest.approx(of["worth"][on, choice[on]].sum(), rel=1e-12)
        assert made.value <= together.bound * (1 + 1e-12), seed
        assert together.value <= made.bound * (1 + 1e-12), seed
        assert made.bounds.tolist() == together.bounds.tolist()
        if of["eligible"] is not None:
            assert of["eligible"][on, choice[on]].all()
        assert made.gap <= together.gap + WIDER, seed
        spent = of["cost"][on, choice[on]].sum()
        assert spent <= of["demands"][0].demand.bound * (1 + 1e-12)


def test_the_same_bits_on_any_number_of_workers_and_after_they_died(small):
    for seed in (0, 3):
        of = instance(seed)
        one, three, mortal = solve(of), solve(of, LocalExecutor(3)), solve(of, Mortal())
        for other in (three, mortal):
            assert other.prices.tolist() == one.prices.tolist()
            assert (other.value, other.bound) == (one.value, one.bound)
            assert (
                np.concatenate(other.delivered).tolist() == np.concatenate(one.delivered).tolist()
            )


class Mortal(LocalExecutor):
    """Workers die at random moments and are made again, without what they had been told."""

    def group(self, worker, parts, *shared, **more):
        rng = np.random.default_rng(0)

        class Dying(LocalGroup):
            def each(self, method, arguments):
                for place in range(len(self.workers)):
                    if rng.random() < 0.15 and method != "set_up":
                        self.workers[place] = worker(parts[place], *shared)
                return super().each(method, arguments)

        return Dying([worker(part, *shared) for part in parts], self)


def test_one_partition_or_few_units_are_the_solver_in_memory():
    of = instance(7)
    together = whole(of)
    for cuts in ([], of["cuts"]):
        made = solve({**of, "cuts": cuts})
        assert made.prices.tolist() == together.prices.tolist()
        assert (made.value, made.gap, made.repaired) == (
            together.value,
            together.gap,
            together.repaired,
        )
        assert np.concatenate(made.delivered).tolist() == together.choice.tolist()


def test_half_the_units_tie_and_the_budget_is_used(small):
    n = 3000
    parts = [unit_part(np.ones((n // 3, 1)), cost=[1.0]) for _ in range(3)]
    made = solve_partitions(parts, [budget(1234.0)], candidates=["mail"])
    assert made.usage.tolist() == [1234.0]
    assert made.value == 1234.0


def test_prices_that_hold_exceed_no_demand_without_repair(small):
    of = instance(1)
    made = solve_partitions(
        partitions(of), of["demands"], candidates=NAMES, metrics=["plays"], hold=True
    )
    parts = partitions(of)
    alone = solve_partitions(parts, of["demands"], candidates=NAMES, metrics=["plays"])
    assert made.prices.tolist() == alone.prices.tolist() == alone.held_prices.tolist()
    kinds = compile_kinds(
        of["demands"],
        parts[0].columns,
        Counter(part.kinds[kind] for part in parts for kind in part.kind.tolist()),
        NAMES,
        ["plays"],
        float(np.abs(of["worth"]).max()),
    )
    usage = np.zeros(len(made.bounds))
    for part in parts:
        problem = kinds.problem(part)
        usage += problem.measure(problem.choose(made.held_prices).choice)[1]
    assert (usage <= made.bounds * (1 + 1e-12)).all()
    assert (made.held_prices >= made.prices).all()


def test_demands_beyond_one_rule_by_prices_are_refused(small):
    """Of two equal units the budget is for one: no price tells them apart."""
    parts = [unit_part([[1.0]], cost=[1.0]), unit_part([[1.0]], cost=[1.0])]
    asks = [budget(1.0), floor("plays", 1.0)]
    parts = [replace(part, cube=np.ones((1, 1, 1))) for part in parts]
    named = {"candidates": ["mail"], "metrics": ["plays"]}
    assert solve_partitions(parts, asks, **named).usage.tolist() == [1.0, -1.0]
    with pytest.raises(InfeasibleError, match="hold under one rule by prices.*miss by"):
        solve_partitions(parts, asks, **named, hold=True)


def test_no_demand_gives_each_unit_its_best(small):
    parts = [unit_part([[1.0, 2.0], [-1.0, -2.0]]), unit_part([[3.0, 1.0]])] * 200
    made = solve_partitions(parts, [], candidates=["a", "b"])
    assert made.delivered[0].tolist() == [1, -1]
    assert (made.value, made.gap) == (200 * 5.0, 0.0)


def test_demands_that_cannot_hold_are_refused_by_name(small):
    of = instance(1)
    of["demands"] = [budget(10.0), floor("plays", 500.0)]
    with pytest.raises(InfeasibleError, match="plays"):
        solve(of)


def test_partitions_that_do_not_go_together_are_refused():
    wide, narrow = unit_part([[1.0, 2.0]]), unit_part([[1.0]])
    with pytest.raises(InputError, match="partition 1"):
        solve_partitions([wide, narrow], [], candidates=["a", "b"])
    shops = unit_part([[1.0]], groups={"shop": np.array([1])})
    with pytest.raises(InputError, match="columns"):
        solve_partitions([narrow, shops], [], candidates=["a"])
    with pytest.raises(InputError, match="units"):
        solve_partitions([unit_part(np.zeros((0, 1)))], [], candidates=["a"])


def test_a_budget_that_partitions_forget_is_seen(small, monkeypatch):
    """Usage that leaves out a partition would exceed the budget: the certificate test is no empty
    one.
    """
    of = instance(2)
    ours = unit_partitions.Partitions.summed

    def forgetful(self, every):
        value, usage = ours(self, every)
        return value, usage * 0.8

    monkeypatch.setattr(unit_partitions.Partitions, "summed", forgetful)
    made = solve(of)
    choice = np.concatenate(made.delivered)
    on = np.flatnonzero(choice >= 0)
    assert of["cost"][on, choice[on]].sum() > of["demands"][0].demand.bound


@pytest.mark.parametrize("seed", [4, 5, 16, 18, 26, 34])
def test_held_prices_cut_ties_of_more_units_than_come_to_the_driver(monkeypatch, seed):
    """Without full passes those lose 4 to 13 parts in a hundred, or exceed a demand; now 1.2 at
    most, over 40 seeds.
    """
    monkeypatch.setattr(dual, "MOST", 300)
    units, demands, candidates = tied_units(seed, 3_000)
    parts = cut(units, np.random.default_rng(seed).permutation(len(units)), 3)
    found = solve_partitions(parts, demands, candidates=candidates, hold=True)
    counts = dict(zip(units.kinds, units.counts().tolist(), strict=True))
    problem = compile_kinds(demands, units.columns, counts, candidates, (), 1.0).problem(units)
    value, usage = problem.measure(problem.choose(found.held_prices).choice)
    assert (usage <= problem.rows.bounds).all()
    assert value >= 0.98 * found.bound
