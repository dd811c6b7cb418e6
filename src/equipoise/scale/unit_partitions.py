"""The units of all partitions, as the stages of the dual (`solver/stages`) and the repair
(`solver/repair`) ask for them: each call to all workers is one round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equipoise.allocation.parts import Asking, Kind, UnitPart, compile_kinds
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.stages import Stage
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.scale.executor import Group
from equipoise.scale.reduction import pairwise
from equipoise.scale.unit_worker import (
    Asked,
    Measured,
    NearUnits,
    PassSums,
    Plan,
    Totals,
    UnitFacts,
    problem_of,
)

SAMPLE = 20_000  # units that the first prices are made of
REPAIRED = 32_768  # units nearest to a tie that repair looks at, at most


Own = tuple[Ints, Choice]  # places of units in a partition, and what they get


@dataclass(frozen=True)
class FullPass:
    """A full pass over all partitions."""

    asked: Asked
    height: float
    usage: Floats
    margins: Ints

    def bin_of(self, size: int) -> tuple[int, int]:
        """The bin below which about ``size`` margins lie, and how many do."""
        count = np.cumsum(self.margins)
        place = min(int(np.searchsorted(count, size)), len(count) - 1)
        return place + 1, int(count[place])


class Partitions:
    """All units, as the stages and the repair ask for them.   penalty : of equal units' draws."""

    def __init__(
        self,
        group: Group,
        constraints: Asking,
        candidates: Sequence[str],
        metrics: Sequence[str],
    ) -> None:
        self.group, self.penalty = group, 0.0
        self.rounds = self.gathered = self.draws = 0
        self.trace: list[Stage] = []
        facts: list[UnitFacts] = self._call("facts")
        _check_facts(facts, candidates)
        sizes = [sum(own.counts.values()) for own in facts]
        counts: dict[Kind, int] = {}
        for own in facts:
            for kind, n in own.counts.items():
                counts[kind] = counts.get(kind, 0) + n
        largest = max(own.largest for own in facts)
        kinds = compile_kinds(constraints, facts[0].columns, counts, candidates, metrics, largest)
        starts = np.cumsum([0, *sizes])[:-1].tolist()
        self.plan = Plan(largest, kinds, tuple(starts))
        self.kinds, self.rows, self.n = kinds, kinds.rows, sum(sizes)
        self.totals: Totals = pairwise(self.ask("totals"), _add)
        self.potential = np.where(self.totals.potential > 0, self.totals.potential, 1.0)
        self.free = self.choose(np.zeros(len(self.rows))).height

    def __len__(self) -> int:
        """How many they are."""
        return self.n

    def bound(self, bounds: Floats) -> None:
        """Put other bounds, (m,), in the place of the demands'."""
        self.rows = replace(self.rows, bounds=bounds)
        self.kinds = replace(self.kinds, rows=self.rows)

    def _call(self, method: str, *args: Any) -> list[Any]:
        self.rounds += 1
        return self.group.call(method, *args)

    def ask(self, method: str, *args: Any) -> list[Any]:
        """The answers of all partitions."""
        return self.ask_each(method, [args] * len(self.plan.starts))

    def ask_each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The same with arguments of their own; workers without the demands are given them."""
        self.rounds += 1
        answers = self.group.each(method, arguments)
        while any(answer is None for answer in answers):  # new workers, or some made again
            self.group.each("set_up", [(self.plan, i) for i in range(len(answers))])
            self.rounds += 2
            answers = self.group.each(method, arguments)
        return answers

    def choose(self, prices: Floats) -> FullPass:
        """A full pass."""
        asked = Asked(prices, self.penalty)
        sums: PassSums = pairwise(self.ask("choose", asked), _add)
        height = sums.best + float((prices * self.rows.bounds).sum())
        return FullPass(asked, height, sums.usage, sums.margins)

    def near(self, full: FullPass, size: int, most: int) -> tuple[Problem, float]:
        """The units nearest to a tie, or a sample of them."""
        below, count = full.bin_of(size)
        rate = min(1.0, most / count)
        parts = self.near_parts(full.asked, below, rate)
        return problem_of(parts, self.kinds, rate), rate

    def near_parts(self, asked: Asked, below: int, rate: float) -> list[NearUnits]:
        """The units of each partition whose margin lies below a bin, or a sample of them."""
        self.draws += 1
        parts: list[NearUnits] = self.ask("near", asked, below, rate, self.draws)
        self.gathered += sum(len(part.codes) for part in parts)
        return parts

    def sample(self) -> tuple[Problem, float]:
        """Units of all partitions."""
        rate = min(1.0, SAMPLE / self.n)
        parts: list[NearUnits] = self.ask("sample", rate, 0)
        self.gathered += sum(len(part.codes) for part in parts)
        return problem_of(parts, self.kinds, rate), rate

    def measure(self, asked: Asked, own: Sequence[Own]) -> tuple[float, Floats]:
        """Value and usage (m,) of the choice of some prices, but for some units."""
        return self.summed(self.sums_of(asked, own))

    def sums_of(self, asked: Asked, own: Sequence[Own]) -> Measured:
        """The sums that `measure` rounds."""
        calls = [(asked, *of) for of in own]
        every: Measured = pairwise(self.ask_each("measure", calls), add_measured)
        return every

    def summed(self, every: Measured) -> tuple[float, Floats]:
        """Value and usage (m,) of compensated sums."""
        return every.value, self.rows.exact_usage(every.sums, every.rest)

    def nobody(self) -> list[Own]:
        """No unit of any partition."""
        return [(np.arange(0), np.zeros(0, np.int16)) for _ in self.plan.starts]

    def finish(
        self,
        asked: Asked,
        own: Sequence[Own],
        held: Floats,
        deliver: Callable[[UnitPart, Choice, Floats], Any],
    ) -> list[Any]:
        """What each worker hands over."""
        calls = [(asked, *of, held, deliver) for of in own]
        return [handed[0] for handed in self.ask_each("finish", calls)]


class PartedGround:
    """Units of all partitions at some prices, as `repair_on` asks for them.

    anew : all units are measured each time; else only what changes, by compensated sums.
    """

    def __init__(self, units: Partitions, full: FullPass, anew: bool = False) -> None:
        self.units, self.full, self.anew = units, full, anew
        self.bounds, self.potential = units.rows.bounds, units.potential
        self.table = units.rows.table(full.asked.prices)
        self.own, self.parts = units.nobody(), list[NearUnits]()
        self.base = units.sums_of(full.asked, self.own)

    def __len__(self) -> int:
        """How many they are."""
        return len(self.units)

    def first_usage(self) -> Floats:
        """What the choice of the prices uses."""
        return self.units.summed(self.base)[1]

    def near(self, size: int) -> tuple[Problem, Choice]:
        """The units nearest to a tie."""
        below, count = self.full.bin_of(size)
        rate = min(1.0, max(size, REPAIRED) / max(count, 1))
        self.parts = self.units.near_parts(self.full.asked, below, rate)
        choice = [_changed(part, own) for part, own in zip(self.parts, self.own, strict=True)]
        self.core = problem_of(self.parts, self.units.kinds, 1.0)
        self.before = np.concatenate(choice)
        return self.core, self.before

    def measure(self, choice: Choice) -> tuple[float, Floats]:
        """Value and usage (m,)."""
        if self.anew:
            return self.units.measure(self.full.asked, self._with(choice))
        return self.units.summed(self._changed_sums(choice))

    def _changed_sums(self, choice: Choice) -> Measured:
        """The sums of all units, with this choice of those near a tie."""
        value, sums, rest = self.core.sums_of(self.before)
        others = add_measured(self.base, Measured(-value, -sums, -rest))
        return add_measured(others, Measured(*self.core.sums_of(choice)))

    def commit(self, choice: Choice) -> None:
        """Let it be their choice."""
        self.own, self.base = self._with(choice), self._changed_sums(choice)

    def _with(self, choice: Choice) -> list[Own]:
        """What units get that prices do not give them, with this choice of those near a tie."""
        every, start = [], 0
        for part, own in zip(self.parts, self.own, strict=True):
            mine = choice[start : start + len(part.places)]
            start += len(part.places)
            places = np.concatenate([part.places, own[0]])
            first = np.unique(places, return_index=True)[1]
            given = np.concatenate([mine, own[1]])
            usual = np.concatenate([part.choice, np.full(len(own[0]), -9, np.int16)])
            kept = first[given[first] != usual[first]]
            every.append((places[kept], given[kept]))
        return every


def _changed(part: NearUnits, own: Own) -> Choice:
    """The choice of units near a tie, with what some get instead."""
    choice = part.choice.copy()
    place = np.searchsorted(part.places, own[0])
    there = place < len(part.places)
    there[there] = part.places[place[there]] == own[0][there]
    choice[place[there]] = own[1][there]
    return choice


def _add(one: Any, other: Any) -> Any:
    """Named sums, field by field."""
    return type(one)(*(a + b for a, b in zip(one, other, strict=True)))


def add_measured(one: Measured, other: Measured) -> Measured:
    """Compensated sums: what rounding loses goes to the rest (Neumaier 1974)."""
    total, a, b = one.sums + other.sums, one.sums, other.sums
    lost = np.where(np.abs(a) >= np.abs(b), (a - total) + b, (b - total) + a)
    return Measured(one.value + other.value, total, one.rest + other.rest + lost)


def _check_facts(facts: Sequence[UnitFacts], candidates: Sequence[str]) -> None:
    """Refuse partitions that do not go together."""
    for number, own in enumerate(facts):
        where, fix = f"partition {number}", "make all partitions alike"
        if own.k != len(candidates):
            must = f"have {len(candidates)} candidates"
            raise InputError("the worth of units", must, own.k, where, fix)
        if own.columns != facts[0].columns:
            must = f"be of the columns {facts[0].columns}"
            raise InputError("groups of units", must, own.columns, where, fix)
    if not sum(sum(own.counts.values()) for own in facts):
        raise InputError("partitions", "have units", "none")
