"""Rows: demands compiled against the groups of some units, without ever making an (n, k, m) array
of usages.

Every usage is quantity[u, a] * coefficient[r, c(u), a], where c(u) is the code of the unit's group
labels.  So prices fold into
one small table per quantity, and usages unfold from the sums of each quantity by (code, candidate):

    score_ua = value_ua - sum_q table[q, c(u), a] quantity_q[u, a],     table[q] = sum over rows r
    of q: price_r coefficient_r
    usage_r  = sum_{c, a} coefficient[r, c, a] * sums[q_r, c, a]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.allocation.constraints import Groups, groups_of
from equipoise.allocation.solver.exact_sum import sum_rows
from equipoise.allocation.solver.kernels import fold_prices, unfold_usage
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand

COST, FIRST_METRIC = 1, 2  # of quantities; offers are 0
FEW_LABELS = 8  # up to which units are compared with one label after another
MANY_CODES = 4096  # more combinations of labels than this are renumbered to those that occur


@dataclass(frozen=True)
class Rows:
    """Demands over n units as m linear rows, with G group codes and k candidates.

    Attributes
    ----------
    demands : tuple of Demand, (m,)
        What they were made of.
    coefficient : array, (m, G, k)
        sign * arm * factor.
    quantity : array of int, (m,)
        What each row counts: 0 offers, 1 cost, 2 + q the metric ``columns[q]``.
    columns : array of int, (q,)
        The metrics' places in the effects.
    codes : array of int, (n,)
        The group code of each unit.
    heads : array, (m,)
        The units that a bound per head is multiplied by; 1 for totals.
    bounds : array, (m,)
        The right-hand sides, as totals.
    """

    demands: tuple[Demand, ...]
    coefficient: Floats
    quantity: Ints
    columns: Ints
    codes: Ints
    heads: Floats
    bounds: Floats

    def __len__(self) -> int:
        return len(self.demands)

    def table(self, prices: Floats) -> Floats:
        """What one unit of each quantity costs in score, (2 + q, G, k); summed in the rows' order,
        so always to the same bits.
        """
        table = np.zeros((FIRST_METRIC + len(self.columns), *self.coefficient.shape[1:]))
        fold_prices(prices, *self.counted(), table)
        return table

    def usage(self, sums: Floats) -> Floats:
        """The usage of each row, (m,), from the sums of the quantities, (2 + q, G, k)."""
        usage: Floats = self.usage_by_code(sums).sum(axis=1)
        return usage

    def usage_by_code(self, sums: Floats) -> Floats:
        """`usage` of the units of each code, (m, G)."""
        usage = np.zeros(self.coefficient.shape[:2])
        unfold_usage(sums, *self.counted(), usage)
        return usage

    def exact_usage(self, sums: Floats, rest: Floats) -> Floats:
        """`usage` of compensated sums, rounded once: the same whatever the order of the units."""
        exact = np.empty(len(self))
        sum_rows(self.coefficient, self.quantity, sums, rest, exact)
        return exact

    def counted(self) -> tuple[Floats, Ints, Ints, Ints]:
        """What the kernels take of the rows: coefficient, quantity, start (G + 1,) and row (e,)."""
        return self.coefficient, self.quantity, *self._by_code

    @cached_property
    def tie(self) -> Floats:
        """What tells equal scores apart, (2 + q, G, k): usage of rows in parts of their bounds."""
        return self.table(np.array([1 / abs(d.bound) if d.bound else 1.0 for d in self.demands]))

    @cached_property
    def support(self) -> Bools:
        """Whether a row counts units of a code, (m, G)."""
        support: Bools = (self.coefficient != 0).any(axis=2)
        return support

    @cached_property
    def _by_code(self) -> tuple[Ints, Ints]:
        """The rows that count each code, in order: start (G + 1,), row (e,)."""
        codes, row = np.nonzero(self.support.T)  # two columns of one array
        start = np.searchsorted(codes, np.arange(self.coefficient.shape[1] + 1))
        return start, np.ascontiguousarray(row)

    def only(self, indices: Sequence[int]) -> Rows:
        """Some of the rows."""
        demands = tuple(self.demands[r] for r in indices)
        coefficient, quantity = self.coefficient[indices], self.quantity[indices]
        return Rows(
            demands,
            coefficient,
            quantity,
            self.columns,
            self.codes,
            self.heads[indices],
            self.bounds[indices],
        )

    def take(self, units: Any, share: float = 1.0) -> Rows:
        """The rows over some of the units, with bounds times ``share``."""
        part = replace(
            self, codes=np.ascontiguousarray(self.codes[units]), bounds=self.bounds * share
        )
        for name in ("tie", "support", "_by_code"):  # which no unit changes
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name]
        return part


def compile_rows(
    demands: Sequence[Demand],
    candidates: Sequence[str],
    metrics: Sequence[str],
    groups: Groups,
    n: int,
    cost_known: bool,
    each: Ints | None = None,
) -> Rows:
    """Compile demands against n units, or n kinds of units of which there are ``each`` (n,); a name
    that is not among the candidates or metrics is an error.
    """
    codes, labels = _codes(demands, groups, n)
    factors = np.ones((len(demands), len(labels[0]) if labels else 1))
    arms = np.ones((len(demands), len(candidates)))
    metric_columns: list[int] = []
    quantity = np.zeros(len(demands), np.int64)
    for r, demand in enumerate(demands):
        if demand.column is not None:
            place = _columns(demands).index(demand.column)
            own = dict(demand.factors)
            factors[r] = [own.get(label, demand.other) for label in labels[place]]
        if demand.candidate is not None:
            arms[r] = np.arange(len(candidates)) == _place(
                "candidate", demand.candidate, candidates, demand.name
            )
        if demand.quantity == "cost":
            quantity[r] = COST
            if not cost_known:
                raise InputError(
                    "cost",
                    f"be given for demand {demand.name!r}",
                    None,
                    fix="pass cost=, (n, k) or (k,)",
                )
        if demand.metric is not None:
            column = _place("metric", demand.metric, metrics, demand.name)
            metric_columns = (
                metric_columns if column in metric_columns else [*metric_columns, column]
            )
            quantity[r] = FIRST_METRIC + metric_columns.index(column)
    coefficient = (
        np.array([d.sign for d in demands])[:, None, None] * factors[:, :, None] * arms[:, None, :]
    )
    counts = np.bincount(codes, each, minlength=factors.shape[1])
    heads = np.array(
        [counts[factors[r] != 0].sum() if d.per_head else 1.0 for r, d in enumerate(demands)]
    )
    bounds = np.array([d.bound for d in demands], np.float64) * heads
    return Rows(
        tuple(demands),
        coefficient,
        quantity,
        np.array(metric_columns, np.int64),
        codes,
        heads,
        bounds,
    )


def close(rows: Rows, eligible: Bools) -> Rows:
    """The rows where a candidate that is closed to a unit uses nothing, as control does.
    eligible: (n, k).
    """
    sets, which = np.unique(eligible, axis=0, return_inverse=True)
    both, codes = np.unique(rows.codes * len(sets) + which.reshape(-1), return_inverse=True)
    group, open_to = both // len(sets), sets[both % len(sets)]
    coefficient = np.ascontiguousarray(rows.coefficient[:, group] * open_to)
    return replace(rows, coefficient=coefficient, codes=codes.reshape(-1).astype(np.int64))


def _columns(demands: Sequence[Demand]) -> list[str]:
    """The group columns that are named, each once, in order."""
    return list(dict.fromkeys(demand.column for demand in demands if demand.column is not None))


class _Other:
    """Stands for every label that no demand names."""


def _codes(demands: Sequence[Demand], groups: Groups, n: int) -> tuple[Ints, list[list[Any]]]:
    """The code of each unit's labels, (n,), and for each group column the label of each code."""
    codes, size = np.zeros(n, np.int64), 1
    labels_of: list[list[Any]] = []
    for column in _columns(demands):
        mine = [demand for demand in demands if demand.column == column]
        labels = list(dict.fromkeys(label for demand in mine for label, _ in demand.factors))
        values = groups_of(groups, column, mine[0].name)
        if values.shape != (n,):
            raise InputError(
                f"group column {column!r}", f"have one label per unit, {n}", values.shape
            )
        own = _own_codes(values, labels)
        codes = codes * (len(labels) + 1) + own
        size *= len(labels) + 1
        labels_of.append([*labels, _Other])
    if size > MANY_CODES:
        present, codes = np.unique(codes, return_inverse=True)
        return codes.astype(np.int64), _unfold(present, labels_of)
    return codes, _unfold(np.arange(size), labels_of)


def _own_codes(values: NDArray[Any], labels: list[Any]) -> Ints:
    """The place of each unit's label in ``labels``, (n,); len(labels) for any other."""
    known = np.array(labels)
    if len(labels) > FEW_LABELS and known.ndim == 1 and known.dtype.kind == values.dtype.kind:
        order = np.argsort(known, kind="stable")
        near = np.minimum(np.searchsorted(known[order], values), len(known) - 1)
        return np.where(known[order][near] == values, order[near], len(labels))
    own = np.full(len(values), len(labels), np.int64)
    for place, label in enumerate(labels):
        own[values == label] = place
    return own


def _unfold(codes: Ints, labels_of: list[list[Any]]) -> list[list[Any]]:
    """For each group column the label that each joint code stands for."""
    columns: list[list[Any]] = []
    for labels in reversed(labels_of):
        columns.insert(0, [labels[place] for place in (codes % len(labels)).tolist()])
        codes = codes // len(labels)
    return columns


def _place(what: str, name: str, names: Sequence[str], who: str) -> int:
    if name not in names:
        raise InputError(
            f"the {what} of demand {who!r}",
            f"be one of {', '.join(names) or 'those given (none were)'}",
            repr(name),
        )
    return list(names).index(name)
