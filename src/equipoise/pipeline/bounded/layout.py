"""Where the sums of judged rows stand: columns by cell and metric, and, where candidates are closed
to some units, what is open by pattern.

A pattern is which candidates are open to a unit, by the log and by the policy's limits.  Whoever is
compared with the rule keeps within it too; lots at equal cost are drawn among what is open, so
their chances are one vector for each pattern.  Patterns have a slot of sums each, or share one
where sums of so many would not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.artifacts.policy import Scorer
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.eligibility import set_places
from equipoise.pipeline.bounded.blocks import BYTES, LEAST, add_rows, block_count, whole_numbers
from equipoise.pipeline.bounded.kept import Arrays


@dataclass(frozen=True)
class Layout:
    """Where the columns of ``values`` stand.   cells : K.   metrics : m.   closed : the candidates
    that the log closes to some rows.
    """

    cells: int
    metrics: int
    closed: tuple[int, ...] = ()

    @property
    def scores(self) -> slice:
        """K m: by cell, then by metric."""
        return slice(2, 2 + self.cells * self.metrics)

    @property
    def spend(self) -> slice:
        """k."""
        return slice(self.scores.stop, self.scores.stop + self.cells - 1)

    @property
    def chosen(self) -> slice:
        """m gains of the rule, and behind them its spend."""
        return slice(self.spend.stop, self.spend.stop + self.metrics + 1)

    @property
    def expected(self) -> int:
        """The expected cost of the rule's choice."""
        return int(self.chosen.stop)

    def part(self, candidate: int) -> slice:
        """w, w / e, m scores of control and m of the candidate, of rows that it is open to; of one
        of ``closed``.
        """
        width = 2 + 2 * self.metrics
        start = self.expected + 1 + width * self.closed.index(candidate)
        return slice(start, start + width)

    @property
    def width(self) -> int:
        """Of all."""
        return self.expected + 1 + len(self.closed) * (2 + 2 * self.metrics)

    @property
    def blocks(self) -> int:
        """C."""
        return block_count(self.cells * self.width)


@dataclass(frozen=True)
class Patterns:
    """Which candidates may be open to a unit at a time.

    sets : (p, k).   slot : (p,) the place of each pattern's sums.   metrics : m.   blocks : C', of
    which each holds some of `Layout.blocks`.
    """

    sets: Bools
    slot: Ints
    metrics: int
    blocks: int

    @property
    def slots(self) -> int:
        """s."""
        return 1 + int(self.slot.max())

    @property
    def width(self) -> int:
        """k (m + 1)."""
        return int(self.sets.shape[1]) * (self.metrics + 1)

    def empty(self, cells: int) -> Arrays:
        """The sums over no rows."""
        rows = self.blocks * cells * self.slots
        return {"opened": np.zeros((rows, self.width)), "patterns": np.zeros(len(self.sets))}

    def add(self, sums: Arrays, gains: Floats, own: tuple[Ints, Floats], offered: Bools) -> None:
        """Add rows.   gains: w gain and w spend of each candidate, (r, k, m + 1);  own: their cells
        and draws, (r,);  offered: what the policy leaves open, (r, k).
        """
        pattern = set_places(offered, self.sets)
        sums["patterns"] += np.bincount(pattern, minlength=len(self.sets))
        cells, draw = own
        block = whole_numbers(draw, self.blocks) * (1 + self.sets.shape[1]) + cells
        values = np.where(offered[:, :, None], gains, 0.0).reshape(len(cells), -1)
        add_rows(block * self.slots + self.slot[pattern], values, sums["opened"])

    def given(self, sums: Arrays, share: Floats) -> Floats:
        """Sums of gains and spend of candidates given at random in each slot, (C', K, m + 1).
        share: (s, k), of those whom each is open to.
        """
        k = self.sets.shape[1]
        opened = sums["opened"].reshape(self.blocks, 1 + k, self.slots, k, self.metrics + 1)
        return np.asarray(np.einsum("cfsaj,sa->cfj", opened, share))

    def within(self, sums: Arrays, share: Floats) -> Floats:
        """Shares (k,) of candidates in each slot, (s, k), at most everybody: as much as leaves none
        of its patterns that occur more than whole.
        """
        total = np.where(sums["patterns"] > 0, self.sets @ share, 0.0)
        most = np.ones(self.slots)
        np.maximum.at(most, self.slot, total)
        return np.asarray(share / most[:, None])


def patterns_of(scorer: Scorer, sets: Bools, layout: Layout) -> Patterns:
    """The patterns under the limits of a policy, of units to whom the log leaves open one of
    ``sets`` (s, k).
    """
    k = sets.shape[1]
    by_column: dict[str, dict[str, Bools]] = {}
    for limit in scorer.limits:
        groups = by_column.setdefault(limit.column, {})
        opens = ~np.isin(scorer.policy.candidates, limit.closed)
        groups[limit.group] = groups.get(limit.group, np.ones(k, np.bool_)) & opens
    patterns = {tuple(one.tolist()) for one in sets}
    for groups in by_column.values():
        patterns |= {tuple((opens & one).tolist()) for opens in groups.values() for one in patterns}
    return slotted(sorted(patterns), layout)


def slotted(patterns: Sequence[tuple[bool, ...]], layout: Layout) -> Patterns:
    """Patterns with a slot each, or one for all where sums of so many would not fit.

    >>> slotted([(True, False), (True, True)], Layout(3, 1)).slot.tolist()
    [0, 1]
    """
    every, K = np.array(patterns, np.bool_), layout.cells
    columns = K * (K - 1) * (layout.metrics + 1)  # of a slot
    fits = 8 * LEAST * columns * len(every) <= BYTES
    slot = np.arange(len(every)) if fits else np.zeros(len(every), np.int64)
    blocks = min(layout.blocks, block_count(columns * (int(slot.max()) + 1)))
    return Patterns(every, slot, layout.metrics, blocks)
