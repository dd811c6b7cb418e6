"""What must hold of the values of a log; a `LogError` names the column and the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError, LogError, SpaceError
from equipoise.core.features import LARGEST
from equipoise.core.roles import Outcome, Roles
from equipoise.core.unique_text import refuse_nearly_unique
from equipoise.core.weights import RANGE, SUM_TOLERANCE, mean_one, rescaled, rounding_error

if TYPE_CHECKING:
    from equipoise.core.log import Log


ROWS = re.compile(r"\brows? \[?\d+(?:(?:, | and )\d+)*")
IN_RANGE = f"lie within {LARGEST:.3g} of 0"


def check_types(table: pa.Table, roles: Roles) -> None:
    """Every column is of a type that its role can be, and what names a row is there in each."""
    numbers: dict[str, Sequence[str | None]] = {
        "outcome": [outcome.name for outcome in roles.outcomes],
        "claimed": [roles.claimed],
        "cost": [roles.cost],
        "weight": [roles.weight],
        "propensity": roles.propensity,
        "action_propensity": [roles.action_propensity],
    }
    for role, names in numbers.items():
        for name in names:
            if name is not None and columns.is_time(table[name]):
                fix = "count from a moment that means something, e.g. days since the offer"
                got = str(table[name].type)
                raise LogError(f"{role} {name!r}", "be numbers, not times", got, fix=fix)
    labels: dict[str, Sequence[str | None]]
    labels = {"group": [roles.group], "id": [roles.id], "time": [roles.time]}
    labels |= {"protected": roles.protected, "feature": roles.features}
    for role, names in labels.items():
        for name in names:
            if name is not None:
                _check_plain(f"{role} {name!r}", table[name])
    for name in roles.treatments:
        _check_treatment_type(f"treatment {name!r}", table[name])
    for name in table.column_names:
        _check_readable(name, table[name])
    check_named(table, roles)


def check_named(table: pa.Table, roles: Roles) -> None:
    """What names a row can be read, and is there in each: its id and its group, or, where it has
    none, all that it holds.
    """
    named = {"id": roles.id, "group": roles.group}
    for role, name in named.items():
        if name is not None:
            _check_plain(f"{role} {name!r}", table[name])
            _check_readable(name, table[name])
            check_present(f"{role} {name!r}", table[name])
    if not any(named.values()):
        for name in table.column_names:
            _check_readable(name, table[name])


def _check_plain(what: str, column: pa.ChunkedArray) -> None:
    if not _is_plain(column):
        must, fix = "be numbers, text, true/false or times", "leave it out, or convert it"
        raise LogError(what, must, str(column.type), fix=fix)


def _check_treatment_type(what: str, column: pa.ChunkedArray) -> None:
    good = _is_plain(column) and not columns.is_time(column)
    if columns.is_vector(column):
        good = columns.is_number_type(column.type.value_type)
    if not good:
        must = "be labels, amounts or lists of numbers"
        raise LogError(what, must, str(column.type), fix="convert it")
    if columns.is_vector(column):
        size = np.asarray(pc.list_value_length(column).to_numpy(), np.float64)
        other = size != size[0]
        if np.isfinite(size).all() and other.any():
            row = int(np.argmax(other))
            got = f"{size[row]:g} and {size[0]:g} numbers"
            raise SpaceError(what, "have lists of one length", got, f"row {row}", "fill them up")


def _check_readable(name: str, column: pa.ChunkedArray) -> None:
    """Text is Unicode, and a time zone is one that this machine knows."""
    kind = columns.value_type(column)
    try:
        if columns.is_text(column):
            column.validate(full=True)
        elif pa.types.is_timestamp(kind):
            pc.cast(pa.array([0], kind), pa.string())
    except pa.ArrowInvalid as error:
        what, must = (
            f"column {name!r}",
            "be text in UTF-8" if columns.is_text(column) else "be in a known time zone",
        )
        raise LogError(what, must, str(error), fix="write it again, or leave it out") from error


def _is_plain(column: pa.ChunkedArray) -> bool:
    return columns.is_text(column) or columns.is_numeric(column)


def check_present(what: str, column: pa.ChunkedArray) -> None:
    """No value is missing."""
    absent = columns.missing(column)
    if absent.any():
        row = f"row {int(np.argmax(absent))}"
        raise LogError(what, "have no missing value", "null", row, "drop the row or fill it")


def check_values(log: Log) -> None:
    """Every value is within its role and kind, outcomes vary, no id comes twice, and every arm has
    at least two rows.
    """
    roles = log.roles
    check_rows(log)
    for outcome in roles.outcomes:
        values = log.numbers(outcome.name)
        check_varies(outcome, float(values.min()), float(values.max()))
    if roles.weight:
        mean_one(log.numbers(roles.weight), f"weight {roles.weight!r}")
    refuse_nearly_unique(log.table, roles.features, roles.nearly_unique)
    if roles.id:
        _check_ids(log, roles.id)
    if log.treatment.ndim == 1:  # else what was done need not be one of the candidates
        check_counts(log.cell_names, np.bincount(log.cells, minlength=len(log.cell_names)))


def check_rows(log: Log) -> None:
    """Every value is within its role and kind: what each row shows by itself."""
    roles = log.roles
    for outcome in roles.outcomes:
        _check_outcome(log, outcome)
    if roles.claimed:
        _require(log, roles.claimed, lambda v: (v == 0) | (v == 1), "be 0 or 1")
    if roles.cost:
        _require(log, roles.cost, lambda v: np.isfinite(v) & (v >= 0), "be a finite amount >= 0")
        _require(log, roles.cost, lambda v: v <= LARGEST, IN_RANGE)
    if roles.weight:
        _require(log, roles.weight, lambda v: np.isfinite(v) & (v > 0), "be a finite number > 0")
    for name in roles.features:
        _check_feature(log, name)
    if roles.action_propensity:
        _require(log, roles.action_propensity, lambda v: (v > 0) & (v <= 1), "lie in (0, 1]")
    _check_propensity(log)
    _check_eligible(log)


@contextmanager
def numbered_by(number: Callable[[int], int]) -> Iterator[None]:
    """Errors of rows name them by their numbers in the whole log."""
    try:
        yield
    except InputError as error:
        where = ROWS.sub(lambda rows: _renumbered(rows[0], number), error.where)
        if where == error.where:
            raise
        parts = error.what, error.must, error.got, where, error.fix
        raise type(error)(*parts) from error


def _renumbered(rows: str, number: Callable[[int], int]) -> str:
    return re.sub(r"\d+", lambda row: str(number(int(row[0]))), rows)


def check_counts(names: Sequence[str], counts: Ints) -> None:
    """Every cell has two rows or more.   counts: (K,)."""
    for name, count in zip(names, counts, strict=True):
        if count < 2 and name == names[0]:
            fix = "effects are measured against control: log it, or say another control"
            raise LogError(f"control {name!r}", "have at least two rows", int(count), fix=fix)
        if count < 2:
            raise LogError(
                f"treatment {name!r}",
                "have at least two rows",
                int(count),
                fix="drop it from the space, or log it",
            )


def check_varies(outcome: Outcome, least: float, most: float) -> None:
    """The values of an outcome are not all the same."""
    if least == most:
        raise LogError(
            f"outcome {outcome.name!r}",
            "vary",
            f"{least:g} in every row",
            fix="take it out of the metrics",
        )


def not_numbers(name: str, column: pa.ChunkedArray) -> LogError:
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
    value = repr(column[row].as_py()) if len(column) else "text"
    return LogError(
        f"column {name!r}",
        "be numbers",
        value,
        f"row {row}",
        "mend the value, and store numbers as numbers",
    )


def _check_feature(log: Log, name: str) -> None:
    kind = columns.value_type(log.table[name])
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        _require(log, name, lambda v: ~np.isinf(v), "be finite (missing values may stay empty)")
        _require(log, name, lambda v: ~(np.abs(v) > LARGEST), IN_RANGE)


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
    _require(log, outcome.name, lambda v: np.abs(v) <= LARGEST, IN_RANGE)


def _check_propensity(log: Log) -> None:
    roles, cells = log.roles, len(log.cell_names)
    for name in roles.propensity:
        _require(log, name, lambda v: ~((v > 0) & (v < 1 / RANGE)), f"be at least {1 / RANGE:g}")
    if roles.propensity and len(roles.propensity) not in ({1, 2} if cells == 2 else {cells}):
        raise LogError(
            "propensity",
            f"be one column per cell ({cells})",
            len(roles.propensity),
            fix=f"cells: {', '.join(log.cell_names)}",
        )
    propensity = log.logged_propensity
    if propensity is None:
        return
    if roles.propensity:
        off = np.abs(propensity.sum(axis=1) - 1) > rounding_error(propensity) + SUM_TOLERANCE
        must = "lie strictly between 0 and 1, or be 0 where the arm is closed"
        for name in roles.propensity:  # 0 and 1 say something where the others agree
            _require(log, name, lambda v: (v > 0) & (v < 1) | ((v == 0) | (v == 1)) & ~off, must)
        closed = propensity[:, 0] == 0
        if closed.any():
            what, row = f"control's propensity, by {roles.propensity[0]!r},", int(closed.argmax())
            fix = "drop the row: effects are measured against control"
            raise LogError(what, "be above 0", 0, f"row {row}", fix)
    if roles.design is not None and (
        propensity.shape[1] != cells or not ((propensity > 0) & (propensity < 1)).all()
    ):
        raise LogError(
            "design",
            f"be {cells} probabilities in (0, 1)",
            roles.design,
            fix=f"cells: {', '.join(log.cell_names)}",
        )
    try:
        rescaled(propensity)
    except InputError as error:
        total = propensity.sum(axis=1)
        row = int(np.argmax(np.abs(total - 1)))
        fix = "give one probability per cell, control first"
        raise LogError("propensities", "sum to 1", f"{total[row]:g}", f"row {row}", fix) from error


def _check_eligible(log: Log) -> None:
    """Cells can be closed in this space, and no row got one that was closed to it."""
    if log.eligibility is None:
        return
    if not hasattr(log.space, "among"):
        fix = "leave eligible and propensities of 0 out, or make arms of the treatments"
        raise LogError("eligible", "be of arms", log.space.describe(), fix=fix)
    try:
        open_to = log.eligible
    except InputError as error:
        raise LogError(*error.args) from error
    if open_to is None:
        open_to = np.ones((len(log), len(log.cell_names)), np.bool_)
    own = open_to[np.arange(len(log)), log.cells]
    if not own.all():
        row = int(np.argmin(own))
        arm = log.cell_names[log.cells[row]]
        eligibility = log.eligibility
        by = eligibility.listed or dict(eligibility.cells)[arm]
        what, got = f"arm {arm!r}", f"closed by {by!r}"
        fix = "mend the column, or drop the row"
        raise LogError(what, "be open to the rows that got it", got, f"row {row}", fix)
    if not log.roles.propensity or log.logged_propensity is None:
        return
    other = (log.logged_propensity > 0) != open_to
    if other.any():
        row, a = (int(i) for i in np.argwhere(other)[0])
        what = f"the propensity of {log.cell_names[a]!r}"
        must = "be above 0 where the arm is open, and 0 where it is closed"
        p = f"{log.logged_propensity[row, a]:g}"
        raise LogError(what, must, p, f"row {row}", "mend the propensity or the eligibility")


def _check_ids(log: Log, name: str) -> None:
    if pc.count_distinct(columns.decoded(log.table[name])).as_py() < len(log):
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
