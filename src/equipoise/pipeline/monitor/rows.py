"""The rows of a daily log that a monitor reads: a unit on a day, its strategy, what came of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.policy import PLAN_PART
from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, LogError, PlanError
from equipoise.core.snapshot import read_snapshot
from equipoise.core.suggest import among
from equipoise.data.files import column_names, read_table
from equipoise.operations.rows import DayRows, day_rows
from equipoise.pipeline.plan.read import make_plan, read_plan, space_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.treatments.schedule import Schedule

POLICY = "policy"
BETWEEN = " x "  # parts of a strategy that several columns name


@dataclass(frozen=True)
class Source:
    """What a monitor is told of the log.

    plan : with [log].   control : of the policy, or None.   missing : shares in the log that the
    policy was learnt from, by feature.
    """

    plan: Plan
    control: str | None
    missing: dict[str, float]


@dataclass(frozen=True)
class Watched:
    """The rows of a log.

    rows : strategies, days and outcomes.   metrics, units : of outcomes.   base : a strategy.
    days : what each day is called.   unit : (n,) codes, or None.   group : (n,) codes of classes,
    with their names.   missing : feature -> (D,) rows without it.   cost : (k,), of each candidate
    over the base, in money; 0 where the plan does not say.
    """

    rows: DayRows
    metrics: tuple[str, ...]
    units: tuple[str, ...]
    base: str
    days: list[str]
    unit: Ints | None
    group: Ints | None
    groups: list[str]
    missing: dict[str, Ints]
    cost: Floats

    @property
    def choice(self) -> Ints:
        """The strategy of each row as a candidate, (n,): -1 the base."""
        origin = self.rows.place(self.base)
        place = np.arange(len(self.rows.names)) - (np.arange(len(self.rows.names)) >= origin)
        place[origin] = -1
        return np.asarray(place[self.rows.strategy], np.int64)


def source_of(place: Path | str) -> Source:
    """What a plan or a run folder says of its log."""
    place = Path(place)
    if place.suffix == ".toml":
        return Source(read_plan(place), None, {})
    folder = place / POLICY if (place / POLICY).is_dir() else place
    snapshot = read_snapshot(folder)
    if PLAN_PART not in snapshot.parts or "policy" not in snapshot.meta:
        fix = "give the folder of a run with a policy, or its plan.toml"
        raise InputError("what is watched", "be a policy", str(snapshot.meta.get("kind")), fix=fix)
    text = snapshot.parts[PLAN_PART].decode()
    plan = make_plan(tomllib.loads(text), base=place.parent, text=text, where=str(folder))
    meta = snapshot.meta
    return Source(plan, meta["policy"]["control"], dict(meta["columns"].get("missing", {})))


def base_of(plan: Plan) -> str | None:
    """The name of the base that a plan's [space] has, or None."""
    space = space_of(plan)
    if space is None or isinstance(space, str):
        return None
    return space.names(np.asarray(space.control)[None])[0]


def watched_rows(source: Source, file: Path | str, *, daily: bool = True) -> Watched:
    """The rows of a daily log, checked.

    Parameters
    ----------
    source : Source
        Which column is what.
    file : path
        Parquet or CSV.
    daily : bool, default True
        Whether days must be named; else all rows are of one day where they are not.

    Returns
    -------
    Watched
        Codes and sums.

    Raises
    ------
    PlanError
        Where the plan names no column of days, or no base.
    LogError
        Where a column is missing, or a value cannot be read.
    """
    plan, log = source.plan, source.plan.log
    if log.time is None and daily:
        fix = 'name the column of days: time = "day"'
        raise PlanError("[log] time", "be named, to watch a log by days", "nothing", "[log]", fix)
    treatments = [log.treatment] if isinstance(log.treatment, str) else list(log.treatment or ())
    metrics = tuple(log.outcomes or {})
    names = column_names(file)
    features = [name for name in log.features or source.missing if name in names]
    unit = log.id if log.id is not None else log.group
    cadence = plan.cadence.column if plan.cadence else None
    needed = [*treatments, *metrics, *(name for name in (log.time, unit, cadence) if name)]
    for name in needed:
        if name not in names:
            raise LogError(f"column {name!r}", "be in the log", "no such one", str(file),
                           among(name, names, "columns"))  # fmt: skip
    table = read_table(file, list(dict.fromkeys([*needed, *features])))
    if table.num_rows == 0:
        raise LogError("the log", "have rows", 0, str(file))
    check_single_values(table)
    day = _days(table[log.time], log.time) if log.time else np.zeros(len(table), np.int64)
    outcomes = np.column_stack([numbers_of(table[name], name) for name in metrics])
    rows = day_rows(_strategies(table, treatments), day, outcomes)
    base = plan.monitor.base or source.control or base_of(plan)
    if base is None:
        fix = f'say base = "..." there: {", ".join(rows.names[:6])}'
        raise PlanError("[monitor] base", "name a strategy", "nothing", "[monitor]", fix)
    rows.place(base)
    group, groups = (None, []) if cadence is None else _codes(table[cadence], cadence)
    return Watched(
        rows,
        metrics,
        tuple(f" {spec.unit}" if spec.unit else "" for spec in (log.outcomes or {}).values()),
        base,
        _day_names(rows.days, table[log.time].type) if log.time else ["all"],
        None if unit is None else _codes(table[unit], unit)[0],
        group,
        groups,
        {name: _missing_by_day(table[name], rows) for name in features},
        _costs(plan, rows.names, base),
    )


def worth_of(plan: Plan, watched: Watched) -> Floats:
    """What a row brought, by [policy] weights, the worth of outcomes and which way is better;
    without weights of those with a worth, else of the first outcome alone.  No cost is taken off.
    """
    specs = plan.log.outcomes or {}
    money = {name: 1.0 for name, spec in specs.items() if spec.worth is not None}
    weights = plan.policy.weights or money or {watched.metrics[0]: 1.0}
    worth = np.zeros(len(watched.rows.y))
    for name, weight in weights.items():
        if name not in watched.metrics:
            fix = among(name, watched.metrics, "outcomes")
            raise PlanError(f"weight of {name!r}", "be of an outcome", "no such one",
                            "[policy] weights", fix)  # fmt: skip
        sign = 1.0 if specs[name].better == "higher" else -1.0
        worth += (
            sign
            * weight
            * (specs[name].worth or 1.0)
            * watched.rows.y[:, watched.metrics.index(name)]
        )
    return worth


def _costs(plan: Plan, names: tuple[str, ...], base: str) -> Floats:
    """What each strategy but the base costs over it: totals of a menu, or amounts of [policy]."""
    amounts: dict[str, float] = {}
    space = space_of(plan)
    if isinstance(space, Schedule):
        amounts = {name: strategy.total for name, strategy in space.menu.items()}
    elif isinstance(plan.policy.cost, dict):
        amounts = plan.policy.cost
    elif isinstance(plan.policy.cost, float):
        amounts = {name: plan.policy.cost for name in names if name != base}
    own = amounts.get(base, 0.0)
    return np.array([amounts.get(name, own) - own for name in names if name != base])


def _strategies(table: pa.Table, treatments: list[str]) -> Any:
    """One name a row: that of the one column, or of several joined."""
    texts = [pc.cast(columns.decoded(table[name]), pa.string()) for name in treatments]
    if len(texts) == 1:
        return texts[0]
    return pc.binary_join_element_wise(*texts, BETWEEN)


def check_single_values(table: pa.Table) -> None:
    """Refuse columns of lists or structures."""
    for name in table.column_names:
        kind = columns.value_type(table[name])
        if pa.types.is_nested(kind):
            raise LogError(f"column {name!r}", "have one value a row", str(kind))


def _days(column: pa.ChunkedArray, name: str) -> Any:
    """Days as whole numbers, or as dates."""
    plain = columns.decoded(column)
    if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        try:
            plain = pc.cast(plain, pa.date32())
        except pa.ArrowInvalid as error:
            raise LogError(f"{name!r}", "be dates as 2026-11-01", str(error)) from error
    if columns.missing(plain).any():
        row = int(np.argmax(columns.missing(plain)))
        raise LogError(f"{name!r}", "be known in every row", "nothing", f"row {row}")
    if pa.types.is_temporal(plain.type):
        return plain.to_numpy().astype("datetime64[D]")
    return numbers_of(plain, name)


def _day_names(days: Ints, kind: pa.DataType) -> list[str]:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return [str(day) for day in days]
    return [str(day) for day in days.astype("datetime64[D]")]


def numbers_of(column: pa.ChunkedArray, name: str) -> Any:
    """A column of a log as numbers, (n,)."""
    if not columns.is_numeric(column):
        raise LogError(f"{name!r}", "be numbers", str(columns.value_type(column)))
    return columns.numbers(column)


def _codes(column: pa.ChunkedArray, name: str) -> tuple[Ints, list[str]]:
    absent = columns.missing(column)
    if absent.any():
        row = f"row {int(np.argmax(absent))}"
        raise LogError(f"{name!r}", "be known in every row", "nothing", row)
    code, names = columns.codes(column)
    return code, list(names)


def _missing_by_day(column: pa.ChunkedArray, rows: DayRows) -> Ints:
    count = np.bincount(rows.day[columns.missing(column)], minlength=len(rows.days))
    return np.asarray(count, np.int64)
