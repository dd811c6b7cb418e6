"""An allocation over partitions: prices go out, sums come back, and few units ever move.

    sample      units drawn from all partitions give prices that are nearly right
    stages      a full pass; the units nearest to a tie, or an anchored sample of them, come to the
                driver, which minimises over them; a full pass at the new prices (`solver/stages`)
    repair      on the units nearest to a tie, measured by all partitions with compensated sums
    delivery    the last prices and the few units that got something else go out, and each worker
                hands over its own choices

A round sends m prices and brings m + 2 numbers and a table of margins from each partition; what
comes to the driver of units near a tie is a fixed number, however many units there are.  Sums are
added by a fixed tree over the partitions, so that every engine gives the same bits.  Every call
depends on its arguments alone: a worker that died is made again, takes the demands again, and
answers for the same prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equipoise.allocation.parts import Asking, UnitPart
from equipoise.allocation.solve import DUAL_SHARE, SPLIT, Allocation, optimality_gap, status_of
from equipoise.allocation.solver.bundle import Cuts
from equipoise.allocation.solver.infeasible import beyond_prices, conflict
from equipoise.allocation.solver.minimum import Scale, method_of, minimum_of, widened
from equipoise.allocation.solver.problem import Choice
from equipoise.allocation.solver.repair import repair_on
from equipoise.allocation.solver.stages import MOST, Stage, refine
from equipoise.allocation.solver.ties import SIZE
from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.errors import InfeasibleError
from equipoise.core.policy import Demand
from equipoise.core.progress import Progress, silent
from equipoise.scale.executor import Executor
from equipoise.scale.local import LocalExecutor
from equipoise.scale.unit_partitions import (
    REPAIRED,
    SAMPLE,
    FullPass,
    Own,
    PartedGround,
    Partitions,
)
from equipoise.scale.unit_worker import Asked, NearUnits, UnitWorker, problem_of, whole_answer

ROUGH = 1e-5  # relative tolerance on them
FIRST, RAISES = 1e-9, 24  # scaled steps by which prices are raised to hold, as of `tighten`
TIGHTENINGS, ENOUGH, SLOWER, TOLERANCE = 25, 5, 0.3, 1e-8
LOOSE = 1e-4  # a gap above which equal units are told apart by draws, once
FEW_ROWS = 20  # up to which full passes alone find prices


@shown
@dataclass(frozen=True)
class PartitionedAllocation:
    """Who gets what over partitions, at which prices, and how good it provably is.

    Attributes
    ----------
    units : int
        How many there are.
    prices : array, (m,)
        The dual price of each demand, in worth per unit of its usage.
    held_prices : array, (m,)
        Those by which units are scored: where it was asked for, prices near the dual's whose
        choices alone exceed no demand.
    demands : tuple of Demand, (m,)
        The rows.
    usage, bounds, heads, slack : array, (m,)
        As of `Allocation`; no usage is above its bound.
    value : float
        The worth of the choices.
    bound : float
        No choice within the demands is worth more.
    gap : float
        The optimality gap that is left at most: (bound - value) / abs(bound).
    repaired : int
        Units that got something else than prices give them.
    status : str
        "optimal" (gap <= tol) or "feasible".
    trace : tuple
        One line per stage of the dual.
    rounds : int
        Calls to all partitions.
    gathered : int
        Units that came to the driver, over all rounds.
    delivered : list
        What each partition's ``deliver`` gave, in order.

    Examples
    --------
    >>> from equipoise.allocation import offers, unit_part
    >>> parts = [unit_part([[3.0], [1.0]]), unit_part([[2.0]])]
    >>> made = solve_partitions(parts, [offers(2)], candidates=["mail"])
    >>> made.units, made.usage.tolist(), made.status
    (3, [2.0], 'optimal')
    """

    units: int
    prices: Floats
    held_prices: Floats
    demands: tuple[Demand, ...]
    usage: Floats
    bounds: Floats
    heads: Floats
    slack: Floats
    value: float
    bound: float
    gap: float
    repaired: int
    status: str
    trace: tuple[Stage, ...]
    rounds: int
    gathered: int
    delivered: list[Any]

    binds = Allocation.binds


def choices_of(units: UnitPart, choice: Choice, score: Floats) -> Choice:
    """The choices of a partition, as they are: the default of ``deliver``."""
    return choice


def same_part(part: UnitPart) -> UnitPart:
    """A partition that is its units: the default of ``load``."""
    return part


def solve_partitions(
    parts: Sequence[Any],
    constraints: Asking,
    *,
    candidates: Sequence[str],
    metrics: Sequence[str] = (),
    load: Callable[[Any], UnitPart] = same_part,
    deliver: Callable[[UnitPart, Choice, Floats], Any] = choices_of,
    executor: Executor | None = None,
    tol: float = 1e-6,
    warm: Mapping[str, float] | None = None,
    hold: bool = False,
    progress: Progress = silent,
) -> PartitionedAllocation:
    """Choose at most one candidate for every unit of all partitions: the most worth within demands.

    Parameters
    ----------
    parts : sequence
        Partitions: `UnitPart` objects, or what ``load`` makes them of.
    constraints : sequence of Constraint, or callable
        What the choice must obey on all units together; or groups with counted labels -> these.
    candidates : sequence of str, (k,)
        Their names.
    metrics : sequence of str, default ()
        Those that the cubes of the parts have, in order.
    load : callable, optional
        (partition) -> `UnitPart`; where workers are processes, it must be importable there.
    deliver : callable, optional
        (units, choice (n,), score (n,)) -> what a worker hands back of its partition; by default
        the choices, -1 control, else the place of a candidate.
    executor : Executor, optional
        Where workers live; by default this process.
    tol : float, default 1e-6
        Relative optimality gap at which the search ends.
    warm : mapping, optional
        Name of a demand -> price to start from.
    hold : bool, default False
        Look for prices whose choices alone exceed no demand, ``held_prices``, as a rule needs that
        decides other units: up to 24 full passes more.
    progress : callable, optional
        Told how many partitions are done.

    Returns
    -------
    PartitionedAllocation
        Prices, certificate, and what workers delivered.

    Raises
    ------
    InfeasibleError
        Where no choice was found that meets the demands, or no prices whose choices alone do where
        it was asked for.
    InputError
        Where partitions differ in their candidates or groups.

    Notes
    -----
    Of one partition, or of so few units that all may come to the driver, it is `allocate`, to the
    same bits.  Of more the answer differs from that of
    all units at once by less than the two certified gaps together; it hangs on the partitions, not
    on how many workers there are, nor on where they run.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> from equipoise.allocation.parts import unit_part
    >>> parts = [unit_part([[3.0], [1.0]], cost=[1.0]), unit_part([[2.0]], cost=[1.0])]
    >>> made = solve_partitions(parts, [budget(2.0)], candidates=["mail"])
    >>> made.value, [choice.tolist() for choice in made.delivered]
    (5.0, [[0, -1], [0]])
    """
    engine = executor or LocalExecutor()
    with engine.group(UnitWorker, parts, load, progress=progress, what="units") as group:
        units = Partitions(group, constraints, candidates, metrics)
        answer = _whole if len(parts) == 1 else _gathered if len(units) <= MOST else _solve
        found = answer(units, tol, warm or {})
        if hold and len(units.rows):
            found = replace(found, scored=_holding(units, found))
        delivered = units.finish(found.asked, found.own, found.scored, deliver)
        rows = units.rows
        gap = optimality_gap(found.bound, found.value, units.free)
        return PartitionedAllocation(
            units=len(units),
            prices=found.asked.prices,
            held_prices=found.scored,
            demands=rows.demands,
            usage=found.usage,
            bounds=rows.bounds,
            heads=rows.heads,
            slack=rows.bounds - found.usage,
            value=found.value,
            bound=found.bound,
            gap=gap,
            repaired=sum(len(places) for places, _ in found.own),
            status=status_of(gap, tol),
            trace=tuple(units.trace),
            rounds=units.rounds,
            gathered=units.gathered,
            delivered=delivered,
        )


@dataclass(frozen=True)
class _Found:
    """Prices, what some units get instead in each partition, value, usage (m,), bound, and the
    prices by which units are scored.
    """

    asked: Asked
    own: list[Own]
    value: float
    usage: Floats
    bound: float
    scored: Floats


def _whole(units: Partitions, tol: float, warm: Mapping[str, float]) -> _Found:
    """The answer of one partition, where all units are at hand."""
    answer = units.ask("solve", tol, _start(units, warm))[0]
    units.trace += answer.trace
    asked = Asked(answer.prices)
    return _Found(asked, [answer.own], answer.value, answer.usage, answer.bound, answer.held)


def _gathered(units: Partitions, tol: float, warm: Mapping[str, float]) -> _Found:
    """The answer of so few units that all of them come to the driver."""
    parts: list[NearUnits] = units.ask("sample", 1.0, 0)
    units.gathered += len(units)
    answer = whole_answer(problem_of(parts, units.kinds, 1.0), tol, _start(units, warm))
    units.trace += answer.trace
    number = np.array(units.plan.starts)
    of = np.searchsorted(number, answer.own[0], side="right") - 1
    own = [
        (answer.own[0][of == p] - start, answer.own[1][of == p]) for p, start in enumerate(number)
    ]
    held, asked = answer.held, Asked(answer.prices)
    return _Found(asked, own, answer.value, answer.usage, answer.bound, held)


def _solve(units: Partitions, tol: float, warm: Mapping[str, float]) -> _Found:
    """The answer of many partitions; a second time with equal units told apart, where the first
    leaves much.
    """
    found = _solve_once(units, tol, _start(units, warm))
    gap = optimality_gap(found.bound, found.value, units.free)
    kept = bool((found.usage <= units.rows.bounds).all())
    if not kept or gap > max(tol, LOOSE):
        size = units.totals.size / max(len(units) * units.kinds.rows.coefficient.shape[2], 1)
        units.penalty = SIZE * size
        again = _solve_once(units, tol * SIZE, found.asked.prices)
        if (again.usage <= units.rows.bounds).all() and not (kept and found.value >= again.value):
            bound = min(found.bound, again.bound)
            return _Found(again.asked, again.own, again.value, again.usage, bound, again.scored)
    if not kept:
        raise _infeasible(units, found.usage)
    return found


def _solve_once(units: Partitions, tol: float, start: Floats | None) -> _Found:
    """Dual, repair, and prices that hold."""
    m, bound = len(units.rows), units.free
    full = units.choose(np.zeros(m))
    if m:
        full, bound = _prices(units, tol, start)
    if bound < _least(units):
        raise _infeasible(units, full.usage)
    ground = PartedGround(units, full)
    repair_on(ground, bound, tol, REPAIRED)
    value, usage = units.measure(full.asked, ground.own)
    if (usage > units.rows.bounds).any():  # by a last bit, perhaps: sums of changes are rounded
        ground = PartedGround(units, full, anew=True)
        value, usage = repair_on(ground, bound, tol, REPAIRED)
    return _Found(full.asked, ground.own, value, usage, bound, full.asked.prices)


def _prices(units: Partitions, tol: float, start: Floats | None) -> tuple[FullPass, float]:
    """The full pass at the dual's prices, and the bound."""
    rows, least = units.rows, _least(units)
    scale = Scale(units.free if units.free > 0 else 1.0, units.potential)
    method = method_of(len(rows))
    if start is None:
        few, rate = units.sample()
        part = Scale(scale.worth * rate, scale.potential * rate)
        first = minimum_of(few, part, np.zeros(len(rows)), Cuts(), ROUGH, method)
        units.trace.append(("sample", len(few), first.evaluations, first.height * scale.worth))
        y = first.y
    else:
        y = np.maximum(scale.scaled(start), 0.0)
    split = max(DUAL_SHARE * tol, SPLIT * len(rows) / len(units))
    _, full = refine(
        units,
        scale,
        y,
        split,
        method,
        sampled=SAMPLE,
        least=least / scale.worth,
        trace=units.trace,
        most=MOST,
        widest=4 * MOST,
    )
    bound = full.height
    if units.penalty:
        prices, units.penalty = full.asked.prices, 0.0
        bound = units.choose(prices).height
        units.penalty = full.asked.penalty
    return full, bound


def _holding(units: Partitions, found: _Found) -> Floats:
    """Prices whose choice exceeds no row: those found, raised; or, where that costs much, as it
    does where many units are tied, the dual's to more digits, and with tighter bounds; the best of
    them, or an error where none hold.
    """
    units.penalty = 0.0
    best, now = _Held(units, found), found.scored
    if best.look(now) and best.prices is not None:
        return best.prices
    now = _by_full_passes(units, now)
    bounds, tight = units.rows.bounds, np.zeros(len(now))
    for step in range(TIGHTENINGS):
        if best.look(now) or (step > ENOUGH and best.prices is not None):
            break
        over = np.maximum(units.measure(Asked(now), units.nobody())[1] - bounds, 0.0)
        if not over.any():
            break
        tight = tight + (1 + SLOWER * step) * over
        units.bound(bounds - tight)
        now = _by_full_passes(units, now)
        units.bound(bounds)
    if best.prices is None:
        raise beyond_prices(units.rows, units.measure(Asked(found.scored), units.nobody())[1])
    return best.prices


class _Held:
    """The best prices yet whose choice exceeds no row."""

    def __init__(self, units: Partitions, found: _Found) -> None:
        self.units, self.value = units, -np.inf
        self.prices: Floats | None = None
        self.enough = found.bound - LOOSE * abs(found.bound)

    def look(self, prices: Floats) -> bool:
        """Whether they are good enough, now that these, raised, were tried too."""
        higher = _raised(self.units, prices)
        if higher is not None:
            value = self.units.measure(Asked(higher), self.units.nobody())[0]
            if value > self.value:
                self.prices, self.value = higher, value
        return self.value >= self.enough


def _by_full_passes(units: Partitions, prices: Floats) -> Floats:
    """The dual's prices near these to the digits that part equal units, which stages do not find
    where more are tied than come to the driver.
    """
    m = len(prices)
    if m > FEW_ROWS:
        return _prices(units, TOLERANCE, prices)[0].asked.prices
    scale = Scale(units.free if units.free > 0 else 1.0, units.potential)

    def height(y: Floats) -> tuple[float, Floats]:
        full = units.choose(scale.prices(y))
        return full.height / scale.worth, (units.rows.bounds - full.usage) / scale.potential

    y = np.maximum(scale.scaled(prices), 0.0)
    return scale.prices(widened(height, y, Cuts(), TOLERANCE, method_of(m)).y)


def _raised(units: Partitions, prices: Floats) -> Floats | None:
    """The prices of rows that are exceeded raised by steps that double, until the choice that they
    make exceeds none.
    """
    first = Scale(max(units.free, 1e-300), units.potential).prices(np.full(len(prices), FIRST))
    higher, step, nobody = prices, np.zeros(len(prices)), units.nobody()
    for _ in range(RAISES):
        over = units.choose(higher).usage > units.rows.bounds
        if not over.any():  # but for the last bits
            over = units.measure(Asked(higher), nobody)[1] > units.rows.bounds
        if not over.any():
            return higher
        step = np.where(over, np.maximum(2 * step, first), step)
        higher = higher + np.where(over, step, 0.0)
    return None


def _least(units: Partitions) -> float:
    """No choice within demands that hold together is worth less."""
    least = units.totals.least
    return least - 1e-9 * abs(least) - 1e-300


def _start(units: Partitions, warm: Mapping[str, float]) -> Floats | None:
    """The prices to start from, (m,)."""
    if not warm:
        return None
    return np.array([warm.get(demand.name, 0.0) for demand in units.rows.demands], np.float64)


def _infeasible(units: Partitions, usage: Floats) -> InfeasibleError:
    """The error that names the rows in conflict, by a sample, or else those that are exceeded."""
    rows = conflict(units.sample()[0])
    over = rows or np.flatnonzero(usage > units.rows.bounds).tolist()
    names = " and ".join(repr(units.rows.demands[r].name) for r in over) or "the demands"
    got = "no choice that meets every demand was found"
    fix = "loosen or leave out one of them"
    return InfeasibleError(f"demands {names}", "hold together", got, fix=fix)
