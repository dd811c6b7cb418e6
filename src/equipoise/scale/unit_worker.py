"""One partition's units in an allocation: full passes over them, and those near a tie.

What a worker answers hangs on its units, the compiled demands and the prices alone, so one that was
made again answers the same; that it has no demands yet it says by None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from equipoise.allocation.hashing import uniform
from equipoise.allocation.parts import Kind, KindRows, UnitPart
from equipoise.allocation.solve import solve_problem
from equipoise.allocation.solver.problem import Choice, Problem, best_scores
from equipoise.allocation.solver.stages import Stage
from equipoise.allocation.solver.ties import break_ties
from equipoise.allocation.solver.tighten import hold
from equipoise.core.arrays import Floats, Ints

STREAM = 9  # of the hash that draws samples, and tells equal units apart
PARTS = 8  # bins a power of two
POWERS = 48  # powers of two below the largest worth that are told apart
ABOVE = 6  # and above it


class UnitFacts(NamedTuple):
    """What all must know of a partition: its units by kind, the columns, k, the largest worth."""

    counts: dict[Kind, int]
    columns: tuple[str, ...]
    k: int
    largest: float


class Totals(NamedTuple):
    """Sums that do not hang on prices: the least that any choice is worth, the size of all worths,
    and the potential usage (m,).
    """

    least: float
    size: float
    potential: Floats


class PassSums(NamedTuple):
    """A full pass: the sum of best scores, the usage (m,), and how many margins lie in each bin."""

    best: float
    usage: Floats
    margins: Ints


class NearUnits(NamedTuple):
    """Units near a tie: their arrays as of a `Problem`, codes (s,), places in the partition (s,)
    and choice at the prices (s,).
    """

    value: Floats
    cost: Floats
    cube: Floats
    codes: Ints
    places: Ints
    choice: Choice


class Measured(NamedTuple):
    """Value of a choice with what rounding lost; the sums of its quantities, likewise."""

    value: float
    sums: Floats
    rest: Floats


class WholeAnswer(NamedTuple):
    """An allocation: prices (m,), units that get something else with what they get, value, usage
    (m,), bound, prices that hold (m,), and the dual's stages.
    """

    prices: Floats
    own: tuple[Ints, Choice]
    value: float
    usage: Floats
    bound: float
    held: Floats
    trace: tuple[Stage, ...]


@dataclass(frozen=True)
class Plan:
    """What workers compute with.

    Attributes
    ----------
    largest : float
        The largest size of a worth.
    kinds : KindRows
        The compiled demands.
    starts : tuple of int
        The number of the first unit of each partition.
    """

    largest: float
    kinds: KindRows
    starts: tuple[int, ...]


class Asked(NamedTuple):
    """The prices (m,) that are asked about, and what a unit's draw takes at most of a score."""

    prices: Floats
    penalty: float = 0.0


class UnitWorker:
    """The units of one partition.

    Parameters
    ----------
    part : object
        A partition.
    load : callable
        (part) -> `UnitPart`.
    """

    def __init__(self, part: Any, load: Callable[[Any], UnitPart]) -> None:
        self.units = load(part)
        self._start = self._power = 0
        self._problem: Problem | None = None
        self._apart: tuple[float, Problem] | None = None
        self._last: tuple[bytes, float, Choice, Floats] | None = None

    def facts(self) -> UnitFacts:
        """What all must know."""
        units, counts = self.units, self.units.counts().tolist()
        by_kind = dict(zip(units.kinds, counts, strict=True))
        size = max(float(units.worth.max()), -float(units.worth.min())) if len(units) else 0.0
        return UnitFacts(by_kind, units.columns, units.worth.shape[1], size)

    def set_up(self, plan: Plan, number: int) -> bool:
        """Take the demands; the partition's number among all."""
        if self._problem is None:
            self._problem, self._start = plan.kinds.problem(self.units), plan.starts[number]
            self._power = int(np.frexp(plan.largest)[1])
        return True

    def totals(self) -> Totals | None:
        """Sums that do not hang on prices."""
        if self._problem is None:
            return None
        value = self._problem.value
        least = float(np.minimum(value.min(axis=1), 0.0).sum())
        return Totals(least, float(np.abs(value).sum()), self._problem.row_sizes())

    def choose(self, asked: Asked) -> PassSums | None:
        """A full pass at some prices."""
        if self._problem is None:
            return None
        problem = self._priced(asked.penalty)
        full = problem.choose(asked.prices)
        height = full.height - float((asked.prices * problem.rows.bounds).sum())
        self._last = (asked.prices.tobytes(), asked.penalty, full.choice, full.margin)
        bins = np.bincount(self._bins(full.margin), minlength=PARTS * (POWERS + ABOVE))
        return PassSums(height, full.usage, bins)

    def sample(self, rate: float, seed: int) -> NearUnits | None:
        """Units drawn by their numbers, about this part of all."""
        if self._problem is None:
            return None
        places = self._drawn(np.arange(len(self.units)), rate, seed)
        return self._near(self._priced(0.0), places, np.full(len(self.units), -1, np.int16))

    def near(self, asked: Asked, below: int, rate: float, seed: int) -> NearUnits | None:
        """Units whose margin lies in a bin below this one, or about this part of them."""
        if self._problem is None:
            return None
        choice, margin = self._choice(asked)
        places = np.flatnonzero(self._bins(margin) < below)
        return self._near(self._priced(asked.penalty), self._drawn(places, rate, seed), choice)

    def measure(self, asked: Asked, places: Ints, own: Choice) -> Measured | None:
        """The choice of the prices, but for some units."""
        if self._problem is None:
            return None
        problem, choice = self._problem, self._choice(asked)[0].copy()
        choice[places] = own
        return Measured(*problem.sums_of(choice))

    def finish(
        self,
        asked: Asked,
        places: Ints,
        own: Choice,
        scored: Floats,
        deliver: Callable[[UnitPart, Choice, Floats], Any],
    ) -> tuple[Any] | None:
        """Hand over the final choice and each unit's best score at the prices ``scored``."""
        if self._problem is None:
            return None
        choice = self._choice(asked)[0].copy()
        choice[places] = own
        return (deliver(self.units, choice, best_scores(self._problem, scored)),)

    def solve(self, tol: float, warm: Floats | None) -> WholeAnswer | None:
        """The allocation of these units, were there no others."""
        if self._problem is None:
            return None
        return whole_answer(self._problem, tol, warm)

    def _choice(self, asked: Asked) -> tuple[Choice, Floats]:
        """Choice and margin at some prices, those of the last pass where they are the same."""
        same = (asked.prices.tobytes(), asked.penalty)
        if self._last is None or self._last[:2] != same:
            full = self._priced(asked.penalty).choose(asked.prices)
            self._last = (*same, full.choice, full.margin)
        return self._last[2:]

    def _priced(self, penalty: float) -> Problem:
        """The problem, or the one whose equal units are told apart by their draws."""
        if self._problem is None:
            raise RuntimeError("a worker was asked before it had its demands")
        if not penalty:
            return self._problem
        if self._apart is None or self._apart[0] != penalty:
            draws = uniform(self._start + np.arange(len(self.units)), 0, STREAM)
            value = break_ties(self._problem.value, penalty, draws)
            self._apart = penalty, replace(self._problem, value=value)
        return self._apart[1]

    def _drawn(self, places: Ints, rate: float, seed: int) -> Ints:
        """Some of these places, by the numbers of their units."""
        if rate >= 1:
            return places
        kept: Ints = places[uniform(self._start + places, seed, STREAM) < rate]
        return kept

    def _near(self, problem: Problem, places: Ints, choice: Choice) -> NearUnits:
        part = problem.take(places)
        return NearUnits(part.value, part.cost, part.cube, part.rows.codes, places, choice[places])

    def _bins(self, margin: Floats) -> Ints:
        """The bin of each margin, by its power and first bits: the same on any machine."""
        mantissa, power = np.frexp(margin)
        within = ((mantissa - 0.5) * 2 * PARTS).astype(np.int64)
        place = (power - self._power + POWERS) * PARTS + within
        bins: Ints = np.clip(np.where(margin > 0, place, 0), 0, PARTS * (POWERS + ABOVE) - 1)
        return bins


def whole_answer(problem: Problem, tol: float, warm: Floats | None) -> WholeAnswer:
    """The allocation of units that are all at hand."""
    made = solve_problem(problem, tol, warm, "auto")
    places = np.flatnonzero(made.choice != problem.choose(made.prices).choice)
    held, own = hold(problem, made.prices), (places, made.choice[places])
    return WholeAnswer(made.prices, own, made.value, made.usage, made.bound, held, made.trace)


def problem_of(parts: Sequence[NearUnits], kinds: KindRows, share: float) -> Problem:
    """Units of all partitions as a problem, under the bounds times ``share``."""
    costs = [part.cost for part in parts]
    if any(len(cost) > 1 for cost in costs) or any((c != costs[0]).any() for c in costs):
        costs = [np.broadcast_to(part.cost, part.value.shape) for part in parts]
        cost = np.concatenate(costs)
    else:
        cost = costs[0]
    counted = len(kinds.rows.columns) > 0
    rows = replace(
        kinds.rows,
        codes=np.concatenate([part.codes for part in parts]),
        bounds=kinds.rows.bounds * share,
    )
    return Problem(
        np.concatenate([part.value for part in parts]),
        cost,
        np.concatenate([part.cube for part in parts]) if counted else parts[0].cube,
        np.arange(len(rows.columns)),
        rows,
    )
