"""Log: what happened.  One row = one unit when it was decided on; roles say what each column is.

A Log is immutable and was checked at the door: whoever holds one may trust it.  `equipoise.data`
makes one of files and frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import LogError
from equipoise.core.space import Space
from equipoise.core.suggest import among

Kind = Literal["binary", "count", "amount", "continuous"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Outcome:
    """One metric: its column, its kind, and which way is better."""

    name: str
    kind: Kind = "continuous"
    better: Literal["higher", "lower"] = "higher"
    unit: str = ""

    @property
    def sign(self) -> float:
        """+1 where higher is better, else -1."""
        return 1.0 if self.better == "higher" else -1.0


@dataclass(frozen=True)
class Roles:
    """Which column plays which part.

    treatment : the column of labels, amounts or vectors; or the columns of a vector, one a part.
    features : columns that models and the policy may use.
    claimed : whether the incentive was taken (0/1).   cost : money spent on the row.   weight :
        survey or sampling weight.
    propensity : one column a cell (control first, then the candidates), or for two cells the column
        P(treated).
    design : the same as known constants, one a cell; the text "shares" takes the observed shares of
        a randomised experiment.
    group : rows that belong together (a user's requests).   protected : never a feature; audited in
        the report.
    """

    treatment: str | tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    features: tuple[str, ...]
    claimed: str | None = None
    cost: str | None = None
    propensity: tuple[str, ...] = ()
    design: tuple[float, ...] | Literal["shares"] | None = None
    weight: str | None = None
    time: str | None = None
    group: str | None = None
    id: str | None = None
    protected: tuple[str, ...] = ()

    @property
    def treatments(self) -> tuple[str, ...]:
        """The column of the treatment, or those of its parts."""
        return (self.treatment,) if isinstance(self.treatment, str) else tuple(self.treatment)

    def columns(self) -> list[str]:
        """Every column that has a part, each once."""
        single = (
            *self.treatments,
            self.claimed,
            self.cost,
            self.weight,
            self.time,
            self.group,
            self.id,
        )
        outcomes = (outcome.name for outcome in self.outcomes)
        every = (*single, *outcomes, *self.features, *self.propensity, *self.protected)
        return list(dict.fromkeys(name for name in every if name is not None))


class Log:
    """An experiment log.

    Parameters
    ----------
    table : the rows; columns without a part are dropped.
    roles : which column is what.
    space : the treatment space.

    Raises `LogError` (or `SpaceError`) naming column and row where a rule is broken: an unknown
    column, no rows, a treatment outside the space, an outcome outside its kind or the same in every
    row, a number that is not finite, a negative cost or weight, a propensity outside (0, 1), a
    duplicate id, a protected column among the features, a cell with fewer than two rows.
    """

    def __init__(self, table: pa.Table, roles: Roles, space: Space) -> None:
        self.roles, self.space = roles, space
        _check_roles(roles)
        check_columns(roles, table.column_names)
        self.table = table.select(roles.columns())
        if len(self) == 0:
            raise LogError("a log", "have rows", 0, fix="check the file and its filters")
        self.treatment: NDArray[Any] = space.check(self._given())
        self.cell_names: tuple[str, ...] = (
            *space.names([space.control]),
            *space.names(space.candidates()),
        )
        # a vector need not be one of the candidates
        least = 2 * len(self.cell_names) if self.treatment.ndim == 1 else 2
        if len(self) < least:
            fix = f"two rows of each: {', '.join(self.cell_names[:6])}"
            raise LogError("a log", f"have at least {least} rows", len(self), fix=fix)
        _check_values(self)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        metrics = ", ".join(self.metrics)
        return (
            f"Log({len(self):,} rows, {len(self.roles.features)} features, metrics {metrics};"
            f" {self.space.describe()})"
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the m outcomes."""
        return tuple(outcome.name for outcome in self.roles.outcomes)

    @property
    def features(self) -> pa.Table:
        """The feature columns as they stand in the log; `FeatureMap` makes them numbers."""
        return self.table.select(list(self.roles.features))

    @cached_property
    def y(self) -> Floats:
        """The outcomes, (n, m)."""
        return np.stack([self.numbers(name) for name in self.metrics], axis=1)

    @cached_property
    def cells(self) -> Ints:
        """The finite cell of each row, (n,): 0 control, 1 + a candidate a."""
        return self.space.cells(self.treatment)

    @cached_property
    def propensity(self) -> Floats | None:
        """The logged probability of each cell, (n, 1 + k), or None where the log does not know
        it.
        """
        if self.roles.propensity:
            known = np.stack([self.numbers(name) for name in self.roles.propensity], axis=1)
            return np.column_stack([1 - known[:, 0], known[:, 0]]) if known.shape[1] == 1 else known
        if self.roles.design is None:
            return None
        if self.roles.design == "shares":
            share = np.bincount(self.cells, self.weight, minlength=len(self.cell_names))
            return np.broadcast_to(share / share.sum(), (len(self), len(share)))
        return np.broadcast_to(
            np.asarray(self.roles.design, np.float64), (len(self), len(self.roles.design))
        )

    @cached_property
    def weight(self) -> Floats | None:
        """The weight of each row, (n,), or None."""
        return None if self.roles.weight is None else self.numbers(self.roles.weight)

    @cached_property
    def groups(self) -> Ints | None:
        """The cluster of each row as codes 0.., (n,), or None."""
        return None if self.roles.group is None else self.codes(self.roles.group)[0]

    def numbers(self, name: str) -> Floats:
        """A column as float64, (n,); missing values are NaN.   Text is refused, also where it reads
        like numbers.
        """
        column = self.table[name]
        if not columns.is_numeric(column):
            raise _not_numbers(name, column)
        return columns.numbers(column)

    def codes(self, name: str) -> tuple[Ints, list[str]]:
        """A column as codes (n,) and their labels; a missing value is the label "missing"."""
        encoded = columns.text(self.table[name]).combine_chunks().dictionary_encode()
        labels = encoded.dictionary.to_pylist()
        order = np.argsort(np.asarray(labels, dtype=object))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank[encoded.indices.to_numpy()], [labels[i] for i in order]

    def take(self, rows: Any) -> Log:
        """Some of the rows, in the order asked, as a log of their own (checked rows are not checked
        again).
        """
        part = object.__new__(Log)
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        part.roles, part.space, part.cell_names = self.roles, self.space, self.cell_names
        part.table, part.treatment = self.table.take(pa.array(index)), self.treatment[index]
        # the whole experiment's shares, not the part's
        if self.roles.design == "shares" and self.propensity is not None:
            part.__dict__["propensity"] = self.propensity[index]
        return part

    def _given(self) -> NDArray[Any]:
        """The treatments as the columns have them, (n,) or (n, p)."""
        if isinstance(self.roles.treatment, str):
            return self._plain(self.roles.treatment)
        return np.column_stack([self._plain(name) for name in self.roles.treatment])

    def _plain(self, name: str) -> NDArray[Any]:
        column = self.table[name]
        absent = columns.missing(column)
        if absent.any():
            row = int(np.argmax(absent))
            raise LogError(
                f"column {name!r}",
                "have no missing value",
                "null",
                f"row {row}",
                "drop the row or fill it",
            )
        return (
            columns.vectors(column)
            if columns.is_vector(column)
            else np.asarray(columns.decoded(column).to_numpy())
        )


def check_columns(roles: Roles, names: Sequence[str]) -> None:
    """Every column that has a part is among ``names``, once; an unknown one is an error that
    suggests the nearest.
    """
    for name in roles.columns():
        count = list(names).count(name)
        if count == 0:
            raise LogError(
                f"column {name!r}",
                "be in the log",
                "no such column",
                fix=among(name, names, "columns"),
            )
        if count > 1:
            raise LogError(
                f"column {name!r}",
                "be there once",
                f"{count} of them",
                fix="rename or drop the others",
            )


def _check_roles(roles: Roles) -> None:
    if not roles.outcomes:
        raise LogError("a log", "have at least one outcome", "none", fix="name the metrics")
    for outcome in roles.outcomes:
        if outcome.kind not in KINDS:
            raise LogError(
                f"the kind of {outcome.name!r}", f"be one of {', '.join(KINDS)}", repr(outcome.kind)
            )
        if outcome.better not in ("higher", "lower"):
            raise LogError(
                f"better of {outcome.name!r}", "be 'higher' or 'lower'", repr(outcome.better)
            )
    metrics = [outcome.name for outcome in roles.outcomes]
    named = {
        "outcome": metrics,
        "feature": roles.features,
        "propensity": roles.propensity,
        "treatment": roles.treatments,
    }
    for what, names in named.items():
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise LogError(f"{what} {twice[0]!r}", "be named once", "twice", fix="take one out")
    for name in roles.treatments:
        if name in (*metrics, roles.claimed, roles.cost, *roles.protected):
            raise LogError(
                f"treatment {name!r}",
                "have no other part",
                "one",
                fix="take it out of its other role",
            )
    taken = {*roles.treatments, roles.claimed, roles.cost, roles.weight, roles.id, roles.group}
    taken |= {*metrics, *roles.propensity, *roles.protected}
    for name in roles.features:
        if name in taken:
            raise LogError(
                f"feature {name!r}",
                "have no other part",
                "one",
                fix="take it out of the features, or out of its other role",
            )
    if roles.design is not None and roles.propensity:
        raise LogError(
            "design",
            "be left out where propensity columns are named",
            roles.design,
            fix="keep one of the two",
        )
    if isinstance(roles.design, str) and roles.design != "shares":
        raise LogError("design", 'be "shares" or one probability a cell', repr(roles.design))


def _check_values(log: Log) -> None:
    roles = log.roles
    for outcome in roles.outcomes:
        _check_outcome(log, outcome)
    if roles.claimed:
        _require(log, roles.claimed, lambda v: (v == 0) | (v == 1), "be 0 or 1")
    if roles.cost:
        _require(log, roles.cost, lambda v: np.isfinite(v) & (v >= 0), "be a finite amount >= 0")
    if roles.weight:
        _require(log, roles.weight, lambda v: np.isfinite(v) & (v > 0), "be a finite number > 0")
    for name in roles.features:
        _check_feature(log, name)
    _check_propensity(log)
    if roles.id:
        _check_ids(log, roles.id)
    if log.treatment.ndim > 1:  # what was done need not be one of the candidates
        return
    counts = np.bincount(log.cells, minlength=len(log.cell_names))
    for name, count in zip(log.cell_names, counts, strict=True):
        if count < 2 and name == log.cell_names[0]:
            fix = "effects are measured against control: log it, or say another control"
            raise LogError(f"control {name!r}", "have at least two rows", int(count), fix=fix)
        if count < 2:
            raise LogError(
                f"treatment {name!r}",
                "have at least two rows",
                int(count),
                fix="drop it from the space, or log it",
            )


def _not_numbers(name: str, column: pa.ChunkedArray) -> LogError:
    """The error for a column of text, naming the first value that does not even read like a
    number.
    """
    if not columns.is_text(column):
        return LogError(
            f"column {name!r}",
            "be numbers",
            str(column.type),
            fix="make one column of each number in it",
        )
    row = int(np.argmin(columns.reads_as_number(column))) if len(column) else 0
    got = repr(column[row].as_py()) if len(column) else "text"
    return LogError(
        f"column {name!r}",
        "be numbers",
        got,
        f"row {row}",
        "mend the value, and store numbers as numbers",
    )


def _check_feature(log: Log, name: str) -> None:
    column = log.table[name]
    if not columns.is_text(column) and not columns.is_numeric(column):
        raise LogError(
            f"feature {name!r}",
            "be numbers, text, true/false or times",
            str(column.type),
            fix="leave it out",
        )
    if pa.types.is_floating(columns.value_type(column)):
        _require(log, name, lambda v: ~np.isinf(v), "be finite (missing values may stay empty)")


def _check_outcome(log: Log, outcome: Outcome) -> None:
    rules = {
        "binary": (lambda v: (v == 0) | (v == 1), "be 0 or 1"),
        "count": (
            lambda v: np.isfinite(v) & (v >= 0) & (v == np.floor(v)),
            "be a whole number >= 0",
        ),
        "amount": (lambda v: np.isfinite(v) & (v >= 0), "be a finite amount >= 0"),
        "continuous": (np.isfinite, "be finite"),
    }
    rule, must = rules[outcome.kind]
    _require(log, outcome.name, rule, must)
    values = log.numbers(outcome.name)
    if values.min() == values.max():
        raise LogError(
            f"outcome {outcome.name!r}",
            "vary",
            f"{values[0]:g} in every row",
            fix="take it out of the metrics",
        )


def _check_propensity(log: Log) -> None:
    roles, cells = log.roles, len(log.cell_names)
    for name in roles.propensity:
        _require(log, name, lambda v: (v > 0) & (v < 1), "lie strictly between 0 and 1")
    if roles.propensity and len(roles.propensity) not in ({1, 2} if cells == 2 else {cells}):
        raise LogError(
            "propensity",
            f"be one column a cell ({cells})",
            len(roles.propensity),
            fix=f"cells: {', '.join(log.cell_names)}",
        )
    known = log.propensity
    if known is None or roles.design == "shares":
        return
    if roles.design is not None and (
        known.shape[1] != cells or not ((known > 0) & (known < 1)).all()
    ):
        raise LogError(
            "design",
            f"be {cells} probabilities in (0, 1)",
            roles.design,
            fix=f"cells: {', '.join(log.cell_names)}",
        )
    total = known.sum(axis=1)
    if not np.allclose(total, 1, atol=1e-6):
        row = int(np.argmax(np.abs(total - 1)))
        raise LogError(
            "propensities",
            "sum to 1",
            f"{total[row]:g}",
            f"row {row}",
            "give one probability a cell, control first",
        )


def _check_ids(log: Log, name: str) -> None:
    absent = columns.missing(log.table[name])
    if absent.any():
        raise LogError(
            f"id {name!r}",
            "have no missing value",
            "null",
            f"row {int(np.argmax(absent))}",
            "drop the row or fill it",
        )
    if pc.count_distinct(log.table[name]).as_py() < len(log):
        codes, labels = log.codes(name)
        twice = int(np.argmax(np.bincount(codes)))
        rows = np.flatnonzero(codes == twice)[:2].tolist()
        fix = "where users repeat, make it the group: [log] group"
        raise LogError(f"id {name!r}", "be unique", f"{labels[twice]!r} twice", f"rows {rows}", fix)


def _require(log: Log, name: str, rule: Any, must: str) -> None:
    values = log.numbers(name)
    with np.errstate(invalid="ignore"):
        good = rule(values)
    if not good.all():
        row = int(np.argmin(good))
        raise LogError(
            f"column {name!r}", must, f"{values[row]:g}", f"row {row}", "mend or drop the row"
        )


def roles_to_json(roles: Roles) -> dict[str, Any]:
    """The roles as plain JSON, defaults left out."""
    plain: dict[str, Any] = {}
    for field in fields(roles):
        value = getattr(roles, field.name)
        if field.name == "outcomes":
            value = [{f.name: getattr(o, f.name) for f in fields(o)} for o in value]
        if value not in (None, ()):
            plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain
