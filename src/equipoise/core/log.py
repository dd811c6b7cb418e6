"""Log: what happened.  One row = one unit when it was decided on; roles say what each column is.

A Log is immutable and was checked at the door: whoever holds one may trust it.  `equipoise.data`
makes one of files and frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import html_table, short
from equipoise.core.eligibility import Eligibility, among_open, by_propensity, open_shares
from equipoise.core.errors import LogError
from equipoise.core.log_checks import (
    check_present,
    check_rows,
    check_types,
    check_values,
    not_numbers,
    numbered_by,
)
from equipoise.core.periods import period_codes, period_shares
from equipoise.core.roles import KINDS as KINDS
from equipoise.core.roles import Kind as Kind
from equipoise.core.roles import Outcome as Outcome
from equipoise.core.roles import Roles as Roles
from equipoise.core.roles import check_columns, check_roles
from equipoise.core.roles import roles_to_json as roles_to_json
from equipoise.core.row_order import row_order
from equipoise.core.space import Space, cell_names
from equipoise.core.weights import mean_one, over_sums


class Log:
    """An experiment log; whoever holds one may trust it.

    Parameters
    ----------
    table : pyarrow.Table, (n rows)
        The rows; columns without a part are dropped.
    roles : Roles
        Which column is what.
    space : Space
        The treatment space.
    left_out : mapping of str to str, optional
        Columns that did not become features, with why; kept for the checks.

    Raises
    ------
    LogError
        Where a rule is broken, naming column and row: an unknown column, no rows, an outcome
        outside its kind or the same in every row, a number that is not finite, a negative cost or
        weight, a propensity outside [0, 1], a treatment that was closed to its row, a duplicate id,
        a protected column among the features, a cell with fewer than two rows.
    SpaceError
        Where a treatment lies outside the space.

    Examples
    --------
    >>> from equipoise.treatments import Arms
    >>> table = pa.table({"arm": [0, 1, 0, 1], "age": [3, 4, 5, 6], "spend": [1.0, 2.0, 0.0, 4.0]})
    >>> log = Log(table, Roles("arm", (Outcome("spend"),), ("age",)), Arms())
    >>> log
    Log(4 rows, 1 features, metrics spend; 2 arms: 0, 1; control is 0)
    >>> log.cells.tolist(), log.y[:, 0].tolist()
    ([0, 1, 0, 1], [1.0, 2.0, 0.0, 4.0])
    """

    def __init__(
        self,
        table: pa.Table,
        roles: Roles,
        space: Space,
        *,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.roles, self.space, self.left_out = roles, space, left_out
        check_roles(roles)
        check_columns(roles, table.column_names)
        self.table = columns.plain_table(table.select(roles.columns()))
        if len(self) == 0:
            raise LogError("a log", "have rows", 0, fix="check the file and its filters")
        check_types(self.table, roles)
        self.treatment: NDArray[Any] = space.check(self._treatment_values())
        self.cell_names: tuple[str, ...] = cell_names(space)
        twice = [name for name, count in Counter(self.cell_names).items() if count > 1]
        if twice:
            fix = "list each treatment once, and control not among the candidates"
            raise LogError("the cells", "have different names", f"{twice[0]!r} twice", fix=fix)
        # a vector need not be one of the candidates
        least = 2 * len(self.cell_names) if self.treatment.ndim == 1 else 2
        if len(self) < least:
            fix = f"two rows of each: {', '.join(self.cell_names[:6])}"
            raise LogError("a log", f"have at least {least} rows", len(self), fix=fix)
        check_values(self)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        metrics = ", ".join(self.metrics)
        return (
            f"Log({len(self):,} rows, {len(self.roles.features)} features, metrics {metrics};"
            f" {self.space.describe()})"
        )

    def _repr_html_(self) -> str:
        count = np.bincount(self.cells, minlength=len(self.cell_names))
        rows = [(name, f"{n:,} rows") for name, n in zip(self.cell_names, count, strict=True)]
        rows += [("metrics", ", ".join(self.metrics)), ("features", short(self.roles.features))]
        return html_table(repr(self), rows)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the m outcomes."""
        return tuple(outcome.name for outcome in self.roles.outcomes)

    @property
    def features(self) -> pa.Table:
        """The feature columns as they stand in the log, those that nobody named by name;
        `FeatureMap` makes them numbers.
        """
        names = self.roles.features
        return self.table.select(list(names) if self.left_out is None else sorted(names))

    @cached_property
    def order(self) -> Ints:
        """The rows in an order of their own, (n,): see `row_order`."""
        return row_order(self)

    @cached_property
    def y(self) -> Floats:
        """The outcomes, (n, m)."""
        return np.stack([self.numbers(name) for name in self.metrics], axis=1)

    @cached_property
    def cells(self) -> Ints:
        """The finite cell of each row, (n,): 0 control, 1 + a candidate a."""
        return self.space.cells(self.treatment)

    @property
    def logged_propensity(self) -> Floats | None:
        """The probability of each cell as the log has it, (n, 1 + k), or (1, 1 + k) of a design;
        None where the log does not know it.  Its sums may be rounded.
        """
        if self.roles.propensity:
            p = np.stack([self.numbers(name) for name in self.roles.propensity], axis=1)
            return np.column_stack([1 - p[:, 0], p[:, 0]]) if p.shape[1] == 1 else p
        if self.roles.design is None or self.roles.design == "shares":
            return None
        return np.asarray([self.roles.design], np.float64)

    @cached_property
    def propensity(self) -> Floats | None:
        """The probability of each cell, (n, 1 + k), or None where the log does not know it; sums
        that rounding put off 1 are divided out.  0 where a cell is closed; a design is that among
        the open ones.
        """
        logged = self.logged_propensity
        if logged is not None:
            p = over_sums(logged)
            if self.eligible is not None:
                return among_open(p, self.eligible)
            return p if len(p) == len(self) else np.broadcast_to(p[0], (len(self), p.shape[1]))
        return None if self.roles.design is None else self.observed_shares

    @property
    def own_propensity(self) -> Floats | None:
        """The probability with which each row got what it got, (n,), or None where the log does not
        know it.
        """
        if self.roles.action_propensity is not None:
            return self.numbers(self.roles.action_propensity)
        p = self.propensity
        return None if p is None else p[np.arange(len(self)), self.cells]

    @property
    def observed_shares(self) -> Floats:
        """The share of each cell, (n, 1 + k): of all rows, or of those of a period, or of the same
        open cells.
        """
        if self.eligible is not None:
            return open_shares(self.cells, self.eligible, self.weight, self.periods)[0]
        if self.periods is not None:
            return period_shares(self.periods, self.cells, len(self.cell_names), self.weight)
        share = np.bincount(self.cells, self.weight, minlength=len(self.cell_names))
        return np.broadcast_to(share / share.sum(), (len(self), len(share)))

    @cached_property
    def eligibility(self) -> Eligibility | None:
        """The columns that say which cells are open to a row: those of the role, or propensities
        that are 0 somewhere; None where there are none.
        """
        named, p = self.roles.propensity, self.logged_propensity
        if self.roles.eligible or not named or p is None:
            return self.roles.eligibility
        return by_propensity(self.cell_names, named, (p == 0).any(axis=0))

    @cached_property
    def eligible(self) -> Bools | None:
        """Whether each cell is open to each row, (n, 1 + k); None where all are open to all."""
        if self.eligibility is None:
            return None
        open_to = self.eligibility.open_cells(self.table, self.cell_names)
        return None if open_to.all() else open_to

    @cached_property
    def periods(self) -> Ints | None:
        """The period of each row as codes in the order of time, (n,), where arms are compared
        within periods: the log has a time and does not know the probabilities.
        """
        time, roles = self.roles.time, self.roles
        known = roles.propensity or roles.action_propensity or roles.design
        if time is None or not self.roles.periods or known not in (None, (), "shares"):
            return None
        if not columns.is_numeric(self.table[time]):
            return None
        codes = period_codes(self.table[time], self.cells)
        return codes if codes.any() else None

    @property
    def varies(self) -> bool:
        """Whether the log knows a probability for each row, not one for all."""
        shares = self.roles.design == "shares" and self.periods is not None
        by_set = self.roles.design is not None and self.eligible is not None
        return bool(self.roles.propensity) or shares or by_set

    @cached_property
    def weight(self) -> Floats | None:
        """The weight of each row, (n,), of mean 1; None where there is none, or all are the
        same.
        """
        name = self.roles.weight
        return None if name is None else mean_one(self.numbers(name), f"weight {name!r}")

    @cached_property
    def groups(self) -> Ints | None:
        """The cluster of each row as codes 0.., (n,), or None."""
        return None if self.roles.group is None else self.codes(self.roles.group)[0]

    def numbers(self, name: str) -> Floats:
        """Read a column as numbers.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        array, (n,)
            float64; missing values are NaN.

        Raises
        ------
        LogError
            Where the column is text, even if it reads like numbers.
        """
        column = self.table[name]
        if not columns.is_numeric(column):
            raise not_numbers(name, column)
        return columns.numbers(column)

    def codes(self, name: str) -> tuple[Ints, list[str]]:
        """Read a column as codes of its labels.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        codes : array of int, (n,)
            The place of each row's label.
        labels : list of str
            The labels in order; a missing value is the label "missing".
        """
        return columns.codes(self.table[name])

    def take(self, rows: Any) -> Log:
        """Select some rows, in the order of ``rows``; checked rows are not checked again.

        Parameters
        ----------
        rows : array-like
            Row numbers, or True and False per row.

        Returns
        -------
        Log
            A log of these rows; with the design "shares" they keep the whole experiment's shares.
        """
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        part = object.__new__(Log)
        part.roles = self.roles
        part.space = self.space
        part.left_out = self.left_out
        part.cell_names = self.cell_names
        part.table = self.table.take(pa.array(index))
        part.treatment = self.treatment[index]
        part.eligibility = self.eligibility  # what some rows close, others may meet
        if self.roles.design == "shares" and self.propensity is not None:
            part.propensity = self.propensity[index]  # the whole experiment's shares
        if self.roles.time is not None:
            part.periods = None if self.periods is None else self.periods[index]
        return part

    def more(self, table: pa.Table, start: int = 0) -> Log:
        """Further rows of the same experiment, each checked by itself.

        What only all rows together show is not asked: whether outcomes vary, whether an id comes
        twice, how many rows an arm has.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            With the columns of this log.
        start : int, default 0
            The number of the first row, for errors.

        Returns
        -------
        Log
            A log of these rows; shares and weights are of them alone, and it has no periods.

        Raises
        ------
        LogError, SpaceError
            With the row, where a rule is broken.

        Examples
        --------
        >>> from equipoise.treatments import Arms
        >>> rows = pa.table({"arm": [0, 1, 0, 1], "spend": [1.0, 2.0, 0.0, 4.0]})
        >>> log = Log(rows, Roles("arm", (Outcome("spend"),), ()), Arms())
        >>> log.more(pa.table({"arm": [1], "spend": [3.0]})).cells.tolist()
        [1]
        """
        part = object.__new__(Log)
        part.roles, part.space = self.roles, self.space
        part.left_out, part.cell_names = self.left_out, self.cell_names
        part.periods = None
        with numbered_by(lambda row: row + start):
            check_columns(part.roles, table.column_names)
            part.table = columns.plain_table(table.select(part.roles.columns()))
            check_types(part.table, part.roles)
            part.treatment = part.space.check(part._treatment_values())
            check_rows(part)
        return part

    def _treatment_values(self) -> NDArray[Any]:
        """The treatments as the columns have them, (n,) or (n, p)."""
        if isinstance(self.roles.treatment, str):
            return self._plain(self.roles.treatment)
        return np.column_stack([self._plain(name) for name in self.roles.treatment])

    def _plain(self, name: str) -> NDArray[Any]:
        column = self.table[name]
        check_present(f"column {name!r}", column)
        return (
            columns.vectors(column)
            if columns.is_vector(column)
            else np.asarray(columns.decoded(column).to_numpy())
        )
