"""Which arms are open to the rows of a log of any size, by sums: rows of the same open arms are a
set, and sets are few.

    set_rows_S, set_weight_S          (P, K) rows of the set S by period and cell, and their weight;
                                      S is written like 101: of three cells two
    set_expected_S, set_products_S    (K,), (K, K) sums of propensities and of their products, where
                                      the rows say them

Observed shares are those among the rows of a set, and of a period, over all rows of the log, as
`core.eligibility.open_shares` has them; so no row is judged by the shares of the few read with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.checks import OVERLAP_LIMIT
from equipoise.core.eligibility import open_sets, set_places, set_shares
from equipoise.core.eligible_checks import ELIGIBILITY, SetSizes, eligibility_check
from equipoise.core.errors import LogError
from equipoise.core.log import Log
from equipoise.core.roles import Roles
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.pipeline.bounded.periods import periods_by

ROWS, WEIGHT = "set_rows_", "set_weight_"
EXPECTED, PRODUCTS = "set_expected_", "set_products_"
MOST_SETS = 4_096


def may_close(roles: Roles) -> bool:
    """Whether a row of such a log can have closed arms."""
    return bool(roles.eligible or roles.propensity)


def open_to(rows: Log) -> Bools:
    """Whether each cell is open to each row, (n, K)."""
    if rows.eligible is None:
        return np.ones((len(rows), len(rows.cell_names)), np.bool_)
    return rows.eligible


def known_propensity(rows: Log) -> Floats | None:
    """The probabilities that the rows themselves say, (n, K); not shares of these few."""
    if rows.roles.design == "shares":
        return None
    p: Floats | None = rows.propensity
    return p


def set_name(opens: Bools) -> str:
    """The name of a set.   opens: (K,).

    >>> set_name(np.array([True, False, True]))
    '101'
    """
    return "".join("01"[int(one)] for one in opens)


def set_sums(
    rows: Log, slot: Ints, periods: int, weight: Floats, propensity: Floats | None
) -> Arrays:
    """What rows add to the sums by set.   slot: (n,) their periods; propensity: (n, K) or None."""
    K, sums = len(rows.cell_names), Arrays()
    sets, which = open_sets(open_to(rows))
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(sets) + 1))
    for s, opens in enumerate(sets):
        name, mine = set_name(opens), order[ends[s] : ends[s + 1]]
        code = slot[mine] * K + rows.cells[mine]
        for prefix, w in ((ROWS, None), (WEIGHT, weight[mine])):
            sums[prefix + name] = np.bincount(code, w, periods * K).reshape(periods, K)
        if propensity is not None:
            p = propensity[mine]
            sums |= {EXPECTED + name: p.sum(axis=0), PRODUCTS + name: p.T @ p}
    refuse_many(sums)
    return sums


def refuse_many(sums: Arrays) -> None:
    """Refuse sets that are too many to be told apart in bounded memory."""
    many = sum(name.startswith(ROWS) for name in sums)
    if many > MOST_SETS:
        fix = "close arms that go together by one column, or say a [run] learn_rows of all rows"
        must = f"have at most {MOST_SETS:,} different sets of open arms where the log is large"
        raise LogError("the rows", must, f"more than {MOST_SETS:,}", fix=fix)


@dataclass(frozen=True)
class ArmShares:
    """The share of each cell among the rows of the same open arms, and of the same period.

    sets : (s, K), in order.   shares : (s, P, K), 0 where closed.   starts : (P,) where periods
    begin; none where there are no periods.
    """

    sets: Bools
    shares: Floats
    starts: Floats

    @property
    def uneven(self) -> bool:
        """Whether they differ from row to row."""
        return self.shares.shape[:2] != (1, 1)

    def of(self, rows: Log) -> Floats:
        """The shares of each row, (n, K)."""
        period = periods_by(rows, self.starts) if len(self.starts) else 0
        return np.asarray(self.shares[set_places(open_to(rows), self.sets), period])


@dataclass(frozen=True)
class OpenArms:
    """The sets of open arms in all rows of a log.

    Attributes
    ----------
    sets : array of bool, (s, K)
        Each set, in order.
    rows : array of int, (s, P, K)
        Rows by period and cell.
    weight : array, (s, P, K)
        Their weight.
    expected, products : array, (s, K), (s, K, K), or None
        Sums of the propensities that rows say.
    starts : array, (P,)
        Where periods begin; none where there are no periods.
    least : float
        The least weight of a row.
    """

    sets: Bools
    rows: Ints
    weight: Floats
    expected: Floats | None
    products: Floats | None
    starts: Floats
    least: float

    @property
    def closed(self) -> Bools:
        """Which cells are closed to some row, (K,)."""
        return np.asarray(~self.sets.all(axis=0))

    def check(self, names: Sequence[str]) -> Check:
        """The check of which arms are open to how many rows."""
        if not self.closed.any():
            return check(ELIGIBILITY, "ok", "Every arm is open to every row.")
        heads, weight = self.rows.sum(axis=(1, 2)), self.weight.sum(axis=(1, 2))
        counts, share = heads @ self.sets, weight @ self.sets / weight.sum()
        if self.expected is None or self.products is None:
            pooled = int(self.rows.sum(axis=2)[self._shares[1]].sum())
            return eligibility_check(names, counts, share, None, pooled)
        cells = self.rows.sum(axis=1)
        sizes = [
            SetSizes(self.sets[s], cells[s], self.expected[s], self.products[s])
            for s in np.argsort(-heads, kind="stable")
        ]
        return eligibility_check(names, counts, share, sizes)

    @property
    def shares(self) -> ArmShares:
        """The observed shares."""
        return ArmShares(self.sets, self._shares[0], self.starts)

    @cached_property
    def _shares(self) -> tuple[Floats, Bools]:
        """(s, P, K), and which are the odds of all, (s, P)."""
        s, P, K = self.weight.shape
        sets = np.repeat(self.sets, P, axis=0)
        shares, pooled = set_shares(sets, self.weight.reshape(-1, K), self.least)
        return shares.reshape(s, P, K), pooled.reshape(s, P)

    def overlap(self) -> Arrays:
        """What `core.checks.overlap_sums` says of the observed shares."""
        p, heads = self._shares[0], self.rows.sum(axis=2)
        there = (p > 0) & (heads > 0)[:, :, None]
        inverse = np.divide(1.0, p, out=np.zeros_like(p), where=there)
        return {
            "least": np.where(there, p, np.inf).min(axis=(0, 1)),
            "most": np.where(there, p, 0.0).max(axis=(0, 1)),
            "total": (self.rows * inverse).sum(axis=(0, 1)),
            "squares": (self.rows * inverse**2).sum(axis=(0, 1)),
            "thin": np.array([heads[(there & (p < OVERLAP_LIMIT)).any(axis=2)].sum()], np.float64),
        }


def open_arms(sums: Arrays, starts: Floats) -> OpenArms:
    """The sets of open arms by the sums of all rows."""
    names = sorted(name.removeprefix(ROWS) for name in sums if name.startswith(ROWS))
    rows, weight = (np.stack([sums[kind + name] for name in names]) for kind in (ROWS, WEIGHT))
    expected = products = None
    if EXPECTED + names[0] in sums:
        expected, products = (
            np.stack([sums[kind + name] for name in names]) for kind in (EXPECTED, PRODUCTS)
        )
    sets = np.array([[letter == "1" for letter in name] for name in names])
    least = float(sums["least_weight"])
    return OpenArms(sets, rows, weight, expected, products, starts, least)
