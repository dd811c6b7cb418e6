"""Logs in: a file or a frame, and what each column is, become a `Log`.

What is not named is inferred where that is safe: the kind of an outcome from its values, the
features as the columns that can be known before the treatment (`default_features`), two arms from
0/1 labels.  Any other treatment must be named, and the error shows how.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.amounts import amount_text
from equipoise.core.errors import LogError
from equipoise.core.frames import to_arrow
from equipoise.core.log import Log
from equipoise.core.log_checks import check_present, check_types
from equipoise.core.roles import KINDS, Kind, Outcome, Roles, check_columns
from equipoise.core.space import Space
from equipoise.core.suggest import among
from equipoise.data.default_features import default_features
from equipoise.data.said_arms import arms_of_text, arms_option
from equipoise.data.sources import is_place, read_source, source_columns
from equipoise.treatments import Arms, Shares

OutcomeSpec: TypeAlias = Outcome | str | Mapping[str, Any] | None
MANY_LABELS = 8  # more different labels than this are not listed in an error
MOST_ARMS = 40  # more labels of text than this are hardly arms


def read_log(
    source: Any,
    *,
    treatment: str | Sequence[str],
    outcomes: str | Outcome | Iterable[str | Outcome] | Mapping[str, OutcomeSpec],
    space: Space | str | None = None,
    features: Sequence[str] | None = None,
    claimed: str | None = None,
    cost: str | None = None,
    propensity: str | Sequence[str] = (),
    action_propensity: str | None = None,
    design: Sequence[float] | Literal["shares"] | None = None,
    weight: str | None = None,
    time: str | None = None,
    group: str | None = None,
    id: str | None = None,
    protected: str | Sequence[str] = (),
    periods: bool = True,
    eligible: str | Mapping[str, str] | None = None,
    text: Sequence[str] = (),
    nearly_unique: Sequence[str] = (),
    version: int | str | None = None,
) -> Log:
    """Read an experiment log from a file or a frame.

    Parameters
    ----------
    source : path-like, list of them, or frame
        A Parquet, CSV or TSV file (.gz allowed), a folder of them, a pattern such as
        ``days/*.csv``, an address such as ``s3://bucket/days``, a Delta or Iceberg table; or a
        pandas, polars or pyarrow frame, dataset or reader, anything with an Arrow stream, or a dict
        of columns.
    treatment : str or sequence of str
        The column of treatments; or the columns of a vector, one per part.
    outcomes : str, Outcome, iterable of them, or mapping
        The metrics: names; or `Outcome` objects; or a mapping of name to kind, or of name to {kind,
        better, unit, worth}.  A kind that is left out is inferred: 0/1 is binary, whole numbers
        >= 0 a count, numbers >= 0 an amount, anything else continuous.
    space : Space or str, default None
        What treatments are drawn from.  None: two arms, for which labels must be 0/1; the columns
        of a vector are shares of a whole, today's mean being control.  Text: arms, control first,
        as on the command line: ``"none,mail"``; they are numbers where the column holds numbers.
    features : sequence of str, default None
        The columns that models may use.  None: those without a role that `default_features` finds
        no reason to leave out.
    claimed : str, default None
        The column that says whether a unit took what it was offered.
    cost : str, default None
        The column of money spent on a unit.
    propensity : str or sequence of str, default ()
        The columns of the cells' probabilities.
    action_propensity : str, default None
        The column with the probability of what each row got, where those of the other cells are not
        logged.
    design : sequence of float, "shares" or None, default None
        The probability of each cell, control first, the same for every unit; "shares": as observed.
    weight : str, default None
        The column of weights.
    time : str, default None
        The column of times; see ``periods``.
    group : str, default None
        The column of clusters, whose rows are not independent.
    id : str, default None
        The column of ids.
    protected : str or sequence of str, default ()
        Columns that are audited and never features.
    periods : bool, default True
        Whether arms are compared within periods of ``time`` where the probabilities are not known;
        False takes one share for all times.
    eligible : str or mapping of str to str, default None
        The column that lists the arms open to each unit; or arm -> its true/false column, for each
        arm that is closed to some.
    text : sequence of str, default ()
        Columns that files of text, and folders named ``key=value``, are read with as they stand,
        such as codes; the id and the group always are.
    nearly_unique : sequence of str, default ()
        Columns that may be features although they are text with a value of its own in nearly every
        row, as names and e-mail addresses are.
    version : int, str or None, default None
        That of a table: a version of Delta, a snapshot of Iceberg; None: as it is now.

    Returns
    -------
    Log
        Checked.

    Raises
    ------
    DataError
        Where the file cannot be read, or Parquet files do not fit in memory.
    LogError
        Where a column is missing or has two roles, or a treatment or feature needs a decision.

    Examples
    --------
    >>> rows = {"treated": [0, 1, 0, 1], "spend": [0, 2.5, 0, 1], "age": [30, 41, 28, 57]}
    >>> read_log(rows, treatment="treated", outcomes="spend")
    Log(4 rows, 1 features, metrics spend; 2 arms: 0, 1; control is 0)
    """
    specs = _outcome_specs(outcomes)
    frame = None if is_place(source) else _rows_of(source, version)
    names = source_columns(source, version) if frame is None else frame.column_names
    roles = Roles(
        treatment=treatment if isinstance(treatment, str) else tuple(treatment),
        outcomes=tuple(Outcome(name) for name in specs),
        features=(),
        claimed=claimed,
        cost=cost,
        propensity=_names(propensity),
        action_propensity=action_propensity,
        design=(
            design if design is None or isinstance(design, str) else tuple(float(p) for p in design)
        ),
        weight=weight,
        time=time,
        group=group,
        id=id,
        protected=_names(protected),
        periods=periods,
        nearly_unique=_names(nearly_unique),
        eligible=eligible,
    )
    taken = set(roles.columns())
    free = [name for name in names if name not in taken]
    roles = replace(roles, features=() if features is None else _names(features))
    check_columns(replace(roles, features=tuple(free)) if features is None else roles, names)
    wanted = roles.columns() + (free if features is None else [])
    for name in (*text, *roles.nearly_unique):
        if name not in names:
            fix = among(name, names, "columns")
            raise LogError(f"column {name!r}", "be in the log", "no such column", fix=fix)
    as_text = dict.fromkeys([name for name in (id, group, *text) if name is not None], pa.string())
    table = (
        frame.select(wanted)
        if frame is not None
        else to_arrow(read_source(source, wanted, as_text, version))
    )
    if table.num_rows == 0:
        where = str(source) if frame is None else ""
        raise LogError("a log", "have rows", 0, where, "check the file and its filters")
    check_types(table, roles)
    roles = replace(roles, outcomes=tuple(_outcome(n, spec, table) for n, spec in specs.items()))
    log = Log(table, roles, _space(space, table, roles))
    if features is not None:
        return log
    selection, left_out = default_features(log, table, free)
    return Log(table, replace(roles, features=selection), log.space, left_out=left_out)


def _rows_of(source: Any, version: int | str | None) -> pa.Table:
    """Rows that are no place, and so have no versions."""
    if version is not None:
        fix = "name the folder of a Delta or Iceberg table, or leave the version out"
        raise LogError("a source with a version", "be the place of a table", "rows", fix=fix)
    return to_arrow(source)


def infer_kind(column: pa.ChunkedArray) -> Kind:
    """The kind of an outcome from its values; missing ones do not count."""
    values = columns.numbers(column)
    values = values[np.isfinite(values)]
    if values.size == 0 or values.min() < 0:
        return "continuous"
    if not (values == np.floor(values)).all():
        return "amount"
    return "binary" if values.max() <= 1 else "count"


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _outcome_specs(outcomes: Any) -> dict[str, OutcomeSpec]:
    if isinstance(outcomes, Mapping):
        return dict(outcomes)
    every = [outcomes] if isinstance(outcomes, str | Outcome) else list(outcomes)
    specs: dict[str, OutcomeSpec] = {}
    for one in every:
        name = one.name if isinstance(one, Outcome) else one
        if name in specs:
            raise LogError(f"outcome {name!r}", "be named once", "twice", fix="take one out")
        specs[name] = one if isinstance(one, Outcome) else None
    return specs


def _outcome(name: str, spec: OutcomeSpec, table: pa.Table) -> Outcome:
    if isinstance(spec, Outcome):
        return spec
    if spec is None or isinstance(spec, str):
        settings: dict[str, Any] = {} if spec is None else {"kind": spec}
    else:
        settings = {key: value for key, value in spec.items() if value is not None}
    strange = set(settings) - {"kind", "better", "unit", "worth"}
    if strange:
        raise LogError(
            f"outcome {name!r}",
            "be given by kind, better, unit and worth",
            sorted(strange),
            fix=f"kinds: {', '.join(KINDS)}",
        )
    if "kind" not in settings:
        settings["kind"] = (
            infer_kind(table[name]) if columns.is_numeric(table[name]) else "continuous"
        )
    return Outcome(name, **settings)


def _space(space: Space | str | None, table: pa.Table, roles: Roles) -> Space:
    if not isinstance(space, str):
        return _inferred(table, roles) if space is None else space
    if not isinstance(roles.treatment, str):
        fix = "name one column of labels, or leave the arms out"
        raise LogError("arms", "be labels of one column", list(roles.treatment), fix=fix)
    return arms_of_text(space, table[roles.treatment])


def _inferred(table: pa.Table, roles: Roles) -> Space:
    """Two arms of one column; shares of a whole of many, control being what was shown on
    average.
    """
    if isinstance(roles.treatment, str):
        return _infer_arms(table[roles.treatment], roles.treatment)
    names = roles.treatment
    mixes = Shares(names).check(np.column_stack([columns.numbers(table[name]) for name in names]))
    mean = mixes.mean(axis=0)
    return Shares(names, control=mean / mean.sum())


def _infer_arms(column: pa.ChunkedArray, name: str) -> Space:
    """Two arms where the labels are 0 and 1, else an error that shows how to say the space."""
    check_present(f"treatment {name!r}", column)
    labels = _different_labels(column, name)
    if columns.is_numeric(column) and set(labels) <= {0, 1}:
        return Arms((0, 1))
    if len(labels) == 1:
        fix = "an experiment has two arms or more: keep the rows of the others"
        raise LogError(f"treatment {name!r}", "vary", f"{labels[0]!r} in every row", fix=fix)
    listed = ", ".join(map(repr, labels[:MANY_LABELS]))
    if len(labels) > MANY_LABELS:
        listed += f", ... ({len(labels)} labels)"
    raise LogError(
        f"the space of {name!r}",
        "be said where labels are not 0 and 1",
        f"labels {listed}",
        fix=_suggestion(labels),
    )


def _different_labels(column: pa.ChunkedArray, name: str) -> list[Any]:
    """The labels of a column, each once, in order; whole numbers exactly, of whatever type."""
    kind = columns.value_type(column)
    if not (columns.is_numeric(column) or columns.is_text(column)) or pa.types.is_temporal(kind):
        fix = "make text or whole numbers of them"
        raise LogError(f"treatment {name!r}", "be text or numbers", str(kind), fix=fix)
    labels = pc.unique(columns.decoded(column)).to_pylist()
    if columns.is_numeric(column):
        if not all(map(math.isfinite, labels)):
            row = int(np.argmin(np.isfinite(columns.numbers(column))))
            got = str(column[row].as_py())
            raise LogError(f"treatment {name!r}", "be finite", got, f"row {row}", "drop the row")
        labels = [int(x) if x == int(x) else float(x) for x in labels]
    return sorted(set(labels))


def _suggestion(labels: list[Any]) -> str:
    """How to say a space of these labels: by the arms where they can be arms, else as amounts."""
    numbers = not isinstance(labels[0], str)
    if numbers and (len(labels) > MANY_LABELS or not all(isinstance(x, int) for x in labels)):
        low, high = amount_text(labels[0]), amount_text(labels[-1])
        return (
            f"say the amounts to choose from: space=Dose({low}, {high}, levels=[...]), or [space]"
            " in a plan"
        )
    control = next(
        (label for label in labels if str(label).lower().startswith(("no", "control", "0"))),
        labels[0],
    )
    arms = Arms(labels, control)
    if len(labels) > MOST_ARMS:
        return 'list the arms: space=Arms([...], control="..."), or [space] in a plan'
    return (
        f"say which is control: space=Arms({labels}, control={control!r}), or"
        f" {arms_option(arms.labels)} on the command line, [space] in a plan"
    )
