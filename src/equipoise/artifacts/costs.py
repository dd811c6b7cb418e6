"""What an offer costs: the amount, and the amount expected to be paid.

    expected cost_ia = sending_a + what is paid:
    amount_ia * P(claimed | x_i, a)      where an offer is paid only when claimed
    amount_ia                            where it is always paid
    E[cost | x_i, a] - E[cost | x_i, control]     where the cost is an observed column of the log:
    rows of control may have costs too, and only what an offer adds is budgeted

P(claimed) and E[cost] are metrics of the one fit, so they too are cross-fitted.  Control costs
nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.columns import numbers
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError, UnsupportedSpace
from equipoise.core.log import Log
from equipoise.core.space import Space, current_names
from equipoise.core.suggest import nearest

PLACE, SENDING = "[policy] cost", "[policy] sending"


@dataclass(frozen=True)
class Costs:
    """The cost of every offer.

    Attributes
    ----------
    amount : tuple of float, (k,)
        What an offer costs when it is paid, in money; 0 under control.
    column : str or None, default None
        A column that multiplies the amounts unit by unit.
    metric : str or None, default None
        The metric that says whether it is paid (claimed) or how much (observed cost); None where
        offers are always paid.
    probability : bool, default True
        Whether that metric is a probability.
    sending : tuple of float, (k,), default ()
        What an offer costs whether it is taken or not, in money; () where that is nothing.

    Examples
    --------
    >>> Costs((1.0, 2.0)).amounts(pa.table({"age": [30, 40]})).tolist()
    [[1.0, 2.0]]
    """

    amount: tuple[float, ...]
    column: str | None = None
    metric: str | None = None
    probability: bool = True
    sending: tuple[float, ...] = ()

    def amounts(self, table: pa.Table, first: int = 0) -> Floats:
        """Give what each offer costs each unit when it is paid.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            The units' raw columns.
        first : int, default 0
            The number of the first row, for the error.

        Returns
        -------
        array, (n, k) or (1, k)
            In money.

        Raises
        ------
        InputError
            Where the cost column is missing, or holds no finite amount >= 0, with its row.
        """
        amount = np.asarray(self.amount)[None]
        if self.column is None:
            return amount
        if self.column not in table.column_names:
            fix = f"columns: {', '.join(table.column_names)}"
            raise InputError(
                f"cost column {self.column!r}", "be in the table", "no such column", fix=fix
            )
        each = numbers(table[self.column])
        bad = ~(np.isfinite(each) & (each >= 0))
        if bad.any():
            row = int(np.argmax(bad))
            amount_text, fix = f"{each[row]:g}", "mend or drop the row"
            raise InputError(
                f"cost column {self.column!r}",
                "be a finite amount >= 0",
                amount_text,
                f"row {first + row}",
                fix,
            )
        return amount * each[:, None]

    def expected(self, effects: Effects, table: pa.Table, first: int = 0) -> Floats:
        """Give the expected cost of each candidate for each unit.

        Parameters
        ----------
        effects : Effects
            Of the units, with the metric of payment among them.
        table : pyarrow.Table, (n rows)
            The units' raw columns.
        first : int, default 0
            The number of the first row, for the error.

        Returns
        -------
        array, (n, k)
            In money, >= 0.
        """
        amount = np.broadcast_to(self.amounts(table, first), effects.values.shape[:2])
        if self.metric is None:
            return amount + self._sent()
        j = self._paid(effects.metrics)
        if not self.probability:
            return amount * np.maximum(effects.values[:, :, j], 0.0) + self._sent()
        chance = np.clip(effects.baseline[:, None, j] + effects.values[:, :, j], 0.0, 1.0)
        return amount * chance + self._sent()

    def _paid(self, metrics: tuple[str, ...]) -> int:
        """The place of the metric of payment."""
        if self.metric not in metrics:
            fix = "fit the effects with it among their metrics, as `run` does"
            must = f"know the metric {self.metric!r}, of which the cost is made"
            raise InputError("effects", must, ", ".join(metrics), fix=fix)
        return metrics.index(self.metric)

    def _sent(self) -> Floats:
        """What sending costs, (k,)."""
        return np.asarray(self.sending or (0.0,) * len(self.amount))

    def spend_scores(self, scores: Floats, metrics: tuple[str, ...], table: pa.Table) -> Floats:
        """Give unbiased scores of the money spent under each cell.

        Parameters
        ----------
        scores : array, (n, K, m)
            Unbiased scores of the metrics.
        metrics : tuple of str, (m,)
            Their names.
        table : pyarrow.Table, (n rows)
            The units' raw columns.

        Returns
        -------
        array, (n, K)
            In money; control spends nothing.
        """
        spend = np.zeros(scores.shape[:2])
        factor: Floats | float = 1.0
        if self.metric is not None:
            paid = scores[:, :, self._paid(metrics)]
            factor = paid[:, 1:] if self.probability else paid[:, 1:] - paid[:, :1]
        spend[:, 1:] = self.amounts(table) * factor + self._sent()
        return spend

    def to_json(self) -> dict[str, Any]:
        """The costs as plain JSON, to be carried with a policy."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Costs:
        """The inverse of `to_json`."""
        sending = tuple(plain.get("sending", ()))  # absent from what version 0.2.0 wrote
        amount, column = tuple(plain["amount"]), plain["column"]
        return cls(amount, column, plain["metric"], plain["probability"], sending)


def make_costs(cost: Any, paid: str | None, space: Space, log: Log, sending: Any = None) -> Costs:
    """The costs that a plan names; without any, every offer counts 1.   sending: what each offer
    costs whether it is taken or not.
    """
    costs = _paid_costs(cost, paid, space, log)
    if sending is None:
        return costs
    amounts = _amounts(sending, space, space.names(space.candidates()), SENDING)
    return replace(costs, sending=amounts)


def _paid_costs(cost: Any, paid: str | None, space: Space, log: Log) -> Costs:
    """The costs of offers that are paid."""
    names = space.names(space.candidates())
    ones = (1.0,) * len(names)
    if cost is None:
        return Costs(ones)
    if isinstance(cost, str) and cost == log.roles.cost:
        if paid == "claimed":
            fix = "leave paid out: what was paid is what the column says"
            raise PlanError("[policy] paid", "be absent where the cost is observed", paid, fix=fix)
        return Costs(ones, metric=_varying(cost, log), probability=False)
    if paid == "claimed" and log.roles.claimed is None:
        raise PlanError(
            '[policy] paid = "claimed"',
            "go with a claimed column",
            "none",
            "[log]",
            'add claimed = "column"',
        )
    metric = (
        None if paid == "always" or log.roles.claimed is None else _varying(log.roles.claimed, log)
    )
    if isinstance(cost, str) and cost != "dose":
        costs = Costs(ones, column=cost, metric=metric)
        costs.amounts(log.table)
        return costs
    return Costs(_amounts(cost, space, names, PLACE), metric=metric)


def _varying(name: str, log: Log) -> str:
    """A column whose mean is to be modelled."""
    values = log.numbers(name)
    if values.min() == values.max():
        fix = 'say paid = "always", or take the role away'
        raise PlanError(f"column {name!r}", "vary", f"{values[0]:g} in every row", "[log]", fix)
    return name


def _amounts(cost: Any, space: Space, names: tuple[str, ...], place: str) -> tuple[float, ...]:
    if isinstance(cost, float):
        return (cost,) * len(names)
    if isinstance(cost, dict):
        now = current_names(space)
        named = {now.get(key, str(key)): each for key, each in cost.items()}
        return _by_candidate(named, names, place)
    try:
        return tuple(space.dose(space.candidates()).tolist())
    except UnsupportedSpace as error:
        fix = "give a table candidate = amount"
        raise PlanError(
            "cost = 'dose'", "go with a space of amounts", space.describe(), "[policy]", fix
        ) from error


def _by_candidate(cost: dict[str, float], names: tuple[str, ...], place: str) -> tuple[float, ...]:
    for name in cost:
        if name not in names:
            fix = nearest(name, names) or f"candidates: {', '.join(names)}"
            raise PlanError(f"candidate {name!r}", "be known", cost[name], place, fix)
    missing = [name for name in names if name not in cost]
    if missing:
        raise PlanError(
            f"the cost of {missing[0]!r}",
            "be given",
            "nothing",
            place,
            "say 0 for an offer that is free",
        )
    return tuple(cost[name] for name in names)
