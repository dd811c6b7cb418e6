"""Polish: branch and bound over the units nearest to a tie, for populations so small that whole
units matter.

The linear bound splits up to m units, so the gap of a repaired choice shrinks like m / n: on a
hundred units it shows.  The nearest ties are then chosen together, the others staying as they are:
best bound first, branching on the candidate that is most split; each relaxation also offers its
whole part, filled up greedily.  The work is limited in nodes, not in seconds, so the result is the
same on every machine.  Reference: Land and Doig (1960), Econometrica 28.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from equipoise.allocation.solver.exact import one_each, usage_matrix
from equipoise.allocation.solver.problem import Choice, Problem, nearest_ties
from equipoise.allocation.solver.repair import RepairedChoice
from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit

UNITS = 120
NODES = 60
WHOLE = 1e-7  # a share this near to 0 or 1 is whole
BETTER = 1e-6  # a branch must promise this part of the value more than the best so far


def polish(problem: Problem, prices: Floats, start: RepairedChoice) -> RepairedChoice:
    """The better of the repaired choice and one whose nearest ties are chosen together."""
    near = nearest_ties(problem.choose(prices).margin, UNITS)
    core = problem.take(near)
    worth, own = core.measure(start.choice[near])
    room = problem.rows.bounds - (start.usage - own)
    best = _Search(core.value, usage_matrix(core), room, worth if start.feasible else -np.inf).run()
    if best is None:
        return start
    choice = start.choice.copy()
    choice[near] = best
    value, usage = problem.measure(choice)
    if (usage > problem.rows.bounds).any() or (start.feasible and value <= start.value):
        return start
    switched = start.switched | (choice != start.choice)
    return replace(start, choice=choice, value=value, usage=usage, switched=switched, feasible=True)


@dataclass
class _Search:
    """value (n, k), matrix (m, n * k), room (m,), the best value known."""

    value: Floats
    matrix: Floats
    room: Floats
    best: float
    choice: Choice | None = None

    def run(self) -> Choice | None:
        """The best choice found, (n,), if it is better than what was known."""
        n, k = self.value.shape
        everything = sp.vstack([sp.csr_array(self.matrix), one_each(n, k)], format="csc")
        limits = LinearConstraint(everything, ub=np.concatenate([self.room, np.ones(n)]))
        heap: list[tuple[float, int, Floats]] = [(-np.inf, 0, np.tile([0.0, 1.0], (n * k, 1)))]
        for node in range(1, NODES + 1):
            if not heap or -heap[0][0] <= self.best + BETTER * abs(self.best):
                break
            bounds = heapq.heappop(heap)[2]
            # no variable is integral: the linear program of `linprog`, at two thirds of its time
            relaxation = milp(-self.value.ravel(), constraints=limits, bounds=Bounds(*bounds.T))
            if relaxation.x is None or -relaxation.fun <= self.best:
                continue
            self.offer(relaxation.x)
            split = np.minimum(relaxation.x, 1.0 - relaxation.x)
            place = int(split.argmax())
            if split[place] <= WHOLE:
                continue
            for side in (0, 1):
                child = bounds.copy()
                child[place] = side
                heapq.heappush(heap, (float(relaxation.fun), 2 * node + side, child))
        return self.choice

    def offer(self, shares: Floats) -> None:
        """Keep the whole part of a relaxation, with what else fits by value, if that is feasible
        and the best.
        """
        n, k = self.value.shape
        whole = shares.reshape(n, k) > 0.5
        sure = shares.reshape(n, k) > 1.0 - WHOLE
        for start in (whole, sure):
            choice = np.where(start.any(axis=1), start.argmax(axis=1), -1)
            on = np.flatnonzero(choice >= 0)
            usage = self.matrix[:, on * k + choice[on]].sum(axis=1)
            order = np.argsort(-self.value.ravel(), kind="stable")
            fill(order, self.value, self.matrix, self.room, choice, usage)
            on = np.flatnonzero(choice >= 0)
            worth = float(self.value[on, choice[on]].sum())
            if worth > self.best and (usage <= self.room).all():
                self.best, self.choice = worth, choice.astype(np.int16)


@njit(cache=True, nogil=True)
def fill(order, value, matrix, room, choice, usage):  # type: ignore[no-untyped-def]
    """Give units without a candidate, in place, the best that still fits: candidates by ``order``
    of their places in value (n, k).   choice (n,), usage (m,) and room (m,) of what is chosen.
    """
    k = value.shape[1]
    for place in order:
        unit, a = divmod(place, k)
        if value[unit, a] > 0 and choice[unit] < 0 and (usage + matrix[:, place] <= room).all():
            choice[unit] = a
            usage += matrix[:, place]
