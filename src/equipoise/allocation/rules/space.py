"""All trees on the bins of some rows, and the best of them at prices of demands or within them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from equipoise.allocation.rules.deep import best_deep_tree
from equipoise.allocation.rules.demands import Candidate, Demands
from equipoise.allocation.rules.kernels import best_tree
from equipoise.allocation.rules.questions import Bins, bins_of, encode
from equipoise.allocation.rules.splits import Splits
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow


@dataclass(frozen=True)
class TreeSpace:
    """All trees on the bins of some rows: codes and gains of those that learn, codes of those that
    demands count, and how a tree is found at prices.
    """

    bins: tuple[Bins, ...]
    start: Ints
    codes: Ints
    gains: Floats
    depth: int
    least: float
    toll: float
    demands: Demands | None
    unit_codes: Ints | None

    @classmethod
    def of(
        cls,
        table: pa.Table,
        gains: Floats,
        demands: Demands | None,
        units: Any,
        *,
        depth: int,
        bins: int | None,
        min_leaf: float,
        prudence: float = 0.0,
    ) -> TreeSpace:
        """The space of a tree's arguments."""
        if table.num_rows != len(gains):
            raise InputError("gains", f"have a row per row of X, {table.num_rows}", len(gains))
        others = None if units is None else to_arrow(units).select(table.column_names)
        every = (
            table
            if others is None
            else pa.concat_tables([table, others], promote_options="permissive")
        )
        none = np.zeros((every.num_rows - len(gains), gains.shape[1]))
        cut = bins_of(every, np.concatenate([gains, none]) if len(none) else gains, bins)
        codes, start = encode(cut, every)
        least = max(1.0, min_leaf * len(gains))
        own = None if others is None else codes[len(gains) :]
        if demands is not None and demands.usage.shape[1] != (
            len(gains) if own is None else len(own)
        ):
            raise InputError("demands", "count every unit", demands.usage.shape)
        toll = prudence * float(np.sqrt((gains**2).mean(axis=0).max(initial=0.0)))
        return cls(cut, start, codes[: len(gains)], gains, depth, least, toll, demands, own)

    def with_bins(self, bins: tuple[Bins, ...], table: pa.Table, units: Any) -> TreeSpace:
        """The same rows and units by other bins."""
        codes, start = encode(bins, table)
        own = None if units is None else encode(bins, to_arrow(units))[0]
        return replace(self, bins=bins, start=start, codes=codes, unit_codes=own)

    @property
    def counted(self) -> Ints:
        """The codes of the units that demands count, (u, p)."""
        return self.codes if self.unit_codes is None else self.unit_codes

    def best_at(self, prices: Floats) -> Candidate[Splits]:
        """The best tree at prices of demands, (m,)."""
        codes, gains = self.priced(prices)
        return self.candidate(self.splits(codes, gains))

    def priced(self, prices: Floats) -> tuple[Ints, Floats]:
        """The rows that learn and those that pay prices: codes, and gains with a count behind
        them.
        """
        counted = np.column_stack([self.gains, np.ones(len(self.gains))])
        if self.demands is None or not prices.any():
            return self.codes, counted
        paid = self.demands.priced(prices)
        if self.unit_codes is None:
            counted[:, :-1] -= paid
            return self.codes, counted
        payers = np.column_stack([-paid, np.zeros(len(paid))])
        return np.concatenate([self.codes, self.unit_codes]), np.concatenate([counted, payers])

    def splits(self, codes: Ints, gain: Floats) -> Splits:
        """The best tree for gains with counts behind them."""
        margin = 1e-12 * float(np.abs(gain[:, :-1]).sum())
        kinds = np.array([one.ordered for one in self.bins], np.bool_)
        gaps = np.array([one.gaps for one in self.bins], np.bool_)
        if self.depth == 3:
            limits = self.least, margin, self.toll
            return best_deep_tree(codes, gain, self.bins, self.start, limits)
        bins, limits = (self.start, kinds, gaps), (self.least, margin, self.toll)
        _, trio = best_tree(codes, gain, bins, limits, self.depth)
        return Splits.of(trio)

    def gain(self, choice: Ints) -> float:
        """What a choice gains the rows that learn, in all."""
        rows = np.flatnonzero(choice >= 0)
        return float(self.gains[rows, choice[rows]].sum())

    def candidate(self, splits: Splits) -> Candidate[Splits]:
        """A tree with its value, less tolls, and its use."""
        choice = splits.choice(self.codes, self.bins, self.start)
        value = self.gain(choice)
        if self.toll:
            parted = splits.parted(self.codes, self.bins, self.start)
            value -= self.toll * sum(float(np.sqrt(rows)) for rows in parted)
        if self.demands is None:
            return Candidate(splits, value, np.zeros(0))
        counted = splits.choice(self.counted, self.bins, self.start)
        return Candidate(splits, value, self.demands.used(counted))


def check_gains(gains: ArrayLike) -> Floats:
    """Gains as (n, k), finite."""
    values = np.asarray(gains, np.float64)
    if values.ndim != 2 or not len(values) or not values.shape[1]:
        must = "be (n, k), a row a unit and a column a candidate"
        raise InputError("gains", must, f"shape {values.shape}", fix="reshape(-1, 1) for one")
    if not np.isfinite(values).all():
        row, a = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError("gains", "be finite", values[row, a], f"row {row}, candidate {a}")
    return values


def check_candidates(names: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Names of control and k candidates."""
    every = ("control", *(f"candidate {a}" for a in range(1, k + 1))) if names is None else names
    if len(every) != k + 1:
        raise InputError("candidates", f"name control and the {k} candidates", list(every))
    return tuple(every)
