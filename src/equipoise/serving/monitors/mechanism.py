"""Who fell where, against the shares that were set, and what was served against the probabilities
logged: a sample-ratio check of the service on itself, by policy and day.

    holdout       of units that could be held out, against the share of the context
    candidate     of units while a candidate policy shares the traffic, likewise
    explored      of units that were open and not held out, likewise
    cells         what exploration drew, where all was open
    propensity    of each cell that exploration gives: the mean of 1[cell] / p is 1

A unit counts once a day: its draws are by its id, so asking again draws nothing.  Decisions that
the budget refused were drawn before it was asked; what they drew counts, what they were served
does not, and on a day with more than a few the mean is not told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import chdtrc

from equipoise.core.arrays import Floats
from equipoise.serving.config import MonitorConfig
from equipoise.serving.monitors.alarms import Board, Figure
from equipoise.serving.monitors.chances import probability_test, share_test
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import (
    CANDIDATE,
    DRY_RUN,
    EXPLORED,
    HOLDOUT,
    KILLED,
    NO_BUDGET,
    OVERRIDE,
    Context,
    DecisionRecord,
)

UNDRAWN = {
    REASONS[name].code
    for name in ("not_eligible", "cadence", "model_error", "log_unavailable", "killed", "override")
}
UNITS = 200_000  # a day: more say nothing new
REFUSED = 0.001  # of units
LEAST = 20.0  # that a test must expect


class Mechanism:
    """The units of a day, in blocks and all together.

    Parameters
    ----------
    config : MonitorConfig
        What is an alarm.
    board : Board
        Where figures go.
    """

    def __init__(self, config: MonitorConfig, board: Board) -> None:
        self.config, self.board = config, board
        self._policy = ""
        self._begin(-1)

    def _begin(self, day: int) -> None:
        self._day, self._next = day, 4 * self.config.block
        self._looks = {"block": 0, "day": 0}
        self._units: set[int] = set()
        self._of_day, self._of_block = Counts(), Counts()

    def add(self, record: DecisionRecord, context: Context, day: int) -> None:
        """Take a decision."""
        if day != self._day or context.policy != self._policy:
            self._policy = context.policy
            self._begin(day)
        if record.flags & (DRY_RUN | OVERRIDE | KILLED) or record.reason in UNDRAWN:
            return
        unit = hash((record.unit, context.seed))
        if unit in self._units or len(self._units) >= UNITS:
            return
        self._units.add(unit)
        self._of_day.add(record, context)
        self._of_block.add(record, context)
        if self._of_block.n >= 2 * self.config.block:
            self._look(self._of_block, "block", record.ns)
            self._of_block = Counts()
        if self._of_day.n >= self._next:
            self._next *= 2
            self._look(self._of_day, "day", record.ns)

    def _look(self, counts: Counts, span: str, ns: int) -> None:
        self._looks[span] += 1
        self.board.look(counts.figures(span, ns), self._looks[span])


class Counts:
    """Who fell where, and what they were served, by cell: control first."""

    def __init__(self) -> None:
        self.n = self._refused = 0
        self._names: tuple[str, ...] = ()
        self._shares: dict[tuple[str, float], list[int]] = defaultdict(lambda: [0, 0])
        self._drawn: dict[bytes, Floats] = {}
        self._probability: dict[int, list[float]] = defaultdict(list)
        self._other: dict[int, list[bool]] = defaultdict(list)
        self._chosen: dict[int, int] = defaultdict(int)
        self._others: dict[int, int] = defaultdict(int)

    def add(self, record: DecisionRecord, context: Context) -> None:
        """Count a unit."""
        self.n += 1
        self._names = context.cells or self._names
        held = bool(record.flags & HOLDOUT)
        self._share("holdout", context.holdout, held)
        if context.candidate_snapshot:
            self._share("candidate", context.share, bool(record.flags & CANDIDATE))
        if not record.scores or (record.eligible and not any(record.eligible)):
            return  # nothing known, or nothing open: no exploration
        refused = bool(record.flags & NO_BUDGET)
        self._refused += refused
        explored = bool(record.flags & EXPLORED)
        if not held:
            self._share("explored", context.explore, explored)
        if explored and not refused and (not record.eligible or all(record.eligible)):
            cells = len(record.scores) // 8 + 1
            key = context.explore_shares or np.full(cells, 1 / cells).tobytes()
            drawn = self._drawn.setdefault(key, np.zeros(cells))
            drawn[record.served + 1] += 1
        if not refused:
            self._given(record, context)

    def _share(self, name: str, share: float, hit: bool) -> None:
        counts = self._shares[name, share]
        counts[0] += hit
        counts[1] += 1

    def _given(self, record: DecisionRecord, context: Context) -> None:
        """Count the cells that any draw could have given the unit, and the one that it got."""
        # which policy decides is drawn, too, so what it chose then divides nothing
        split = bool(context.candidate_snapshot and context.share)
        k = len(record.scores) // 8
        q = np.frombuffer(context.explore_shares, "<f8")
        q = q if len(q) else np.full(k + 1, 1.0)
        for cell in range(k + 1):
            is_open = cell == 0 or not record.eligible or record.eligible[cell - 1]
            if not is_open or not (context.explore * q[cell] or (cell == 0 and context.holdout)):
                continue
            chosen = split or record.choice + 1 == cell
            (self._chosen if chosen else self._others)[cell] += 1
            if record.served + 1 == cell:
                self._probability[cell].append(record.probability)
                self._other[cell].append(not chosen)

    def figures(self, span: str, ns: int) -> list[Figure]:
        """What is told of them."""
        found = [*self._ratios(), *self._cells_drawn()]
        if self._refused <= REFUSED * self.n:
            found += self._propensities()
        return [Figure(**each, span=span, ns=ns) for each in found]

    def _ratios(self) -> Iterator[dict[str, Any]]:
        for (name, share), (hits, n) in self._shares.items():
            yield {
                "monitor": "sample_ratio",
                "column": f"{name} {share:g}",
                "value": hits / n,
                "expected": share,
                "p": share_test(hits, n, share),
                "n": n,
            }

    def _cells_drawn(self) -> Iterator[dict[str, Any]]:
        for key, counts in self._drawn.items():
            n, q = counts.sum(), np.frombuffer(key, "<f8")
            kept = q > 0
            if self._refused or n * q[kept].min() < LEAST:
                continue
            expected = n * q[kept]
            x = float(((counts[kept] - expected) ** 2 / expected).sum())
            p = float(chdtrc(max(int(kept.sum()) - 1, 1), x))
            worst = int(np.abs(counts / n - q).argmax())
            yield {
                "monitor": "sample_ratio",
                "column": f"explored cells, {self._name(worst)}",
                "value": float(counts[worst] / n),
                "expected": float(q[worst]),
                "p": 0.0 if counts[~kept].any() else p,
                "n": int(n),
            }

    def _propensities(self) -> Iterator[dict[str, Any]]:
        for cell, logged in self._probability.items():
            counts = self._chosen[cell], self._others[cell]
            probability, other = np.array(logged), np.array(self._other[cell])
            mean, low, high, p = probability_test(probability, other, *counts)
            yield {
                "monitor": "propensity",
                "column": self._name(cell),
                "value": mean,
                "expected": 1.0,
                "low": low,
                "high": high,
                "p": p,
                "n": sum(counts),
            }

    def _name(self, cell: int) -> str:
        return self._names[cell] if cell < len(self._names) else f"cell {cell}"
