"""The learning sample: rows of a log whose units' draws are below a share, read partition by
partition, with what all rows say that a sample cannot: how many there are, and the kinds of
outcomes that nobody named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Ints
from equipoise.core.errors import DataError, InputError, LogError
from equipoise.core.folds import FewGroups
from equipoise.core.log_checks import check_named, numbered_by
from equipoise.core.roles import Kind, Roles
from equipoise.core.suggest import among
from equipoise.data.read import infer_kind
from equipoise.pipeline.bounded.kept import ARRAYS, Answer, Kept
from equipoise.pipeline.bounded.keys import SAMPLE, name_words, unit_draws
from equipoise.pipeline.plan.constraints import Groups, known_column
from equipoise.pipeline.plan.schema import GroupBudget, LimitPlan, LogPlan, Plan
from equipoise.scale.partitions import Partition

MOST_SHARE = 0.5  # of the units: the others judge
LARGEST = 2  # times the rows asked for, which groups may fill
WHOLE = (
    "have a finer [log] group, or a larger [run] learn_rows: of the groups half at most are learnt"
    " from; or one of all rows, if memory allows"
)
ROWS, STAGE = "rows", "sample"  # of a table of an answer; of the work kept
ORDER: tuple[Kind, ...] = ("binary", "count", "amount", "continuous")  # each holds those before


@dataclass(frozen=True)
class Asked:
    """What is read of a partition.

    columns : of the log.   roles : of what names a row.   unsaid : outcomes whose kind nobody said.
    seed : of the draws.   share : of the units.   groups : (column, label) whose rows are counted.
    """

    columns: tuple[str, ...]
    roles: Roles
    unsaid: tuple[str, ...]
    seed: int
    share: float
    groups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SampleReader:
    """Reads a partition's rows of the sample, and what names every row."""

    part: Partition
    asked: Asked

    def answer(self) -> Answer:
        """The rows of the sample, their numbers, a hash of what names each row, the places of the
        outcomes' kinds in `ORDER`, and how many rows groups have.
        """
        asked, at = self.asked, self.part.start or 0
        tables, rows, names = [], [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        kinds = np.zeros(len(asked.unsaid), np.int64)
        heads = np.zeros(len(asked.groups), np.int64)
        for batch in self.part.batches(asked.columns):
            table = columns.plain_table(pa.Table.from_batches([batch]))
            with numbered_by(at.__add__):
                check_named(table, asked.roles)
            draw = unit_draws(table, asked.roles, asked.seed, SAMPLE)
            some = np.flatnonzero(draw < asked.share)
            tables.append(table.take(pa.array(some)))
            rows.append(at + some)
            names.append(name_words(table, asked.roles))
            kinds = np.maximum(kinds, [_kind(table[name]) for name in asked.unsaid])
            heads += _heads(table, asked.groups)
            at += table.num_rows
        arrays = {
            "rows": np.concatenate(rows),
            "names": np.concatenate(names),
            "kinds": kinds,
            "heads": heads,
            "count": np.array([at - (self.part.start or 0)]),
        }
        return Answer(arrays, {ROWS: pa.concat_tables(tables)})


def _heads(table: pa.Table, groups: Sequence[tuple[str, str]]) -> Ints:
    """How many rows have each label, (g,)."""
    counts = {
        name: {one["values"]: one["counts"] for one in found.to_pylist()}
        for name in dict.fromkeys(name for name, _ in groups)
        if len(found := pc.value_counts(columns.labels(table[name])))
    }
    return np.array([counts.get(name, {}).get(label, 0) for name, label in groups], np.int64)


def _kind(column: pa.ChunkedArray) -> int:
    if not columns.is_numeric(column) or columns.missing(column).all():
        return 0 if columns.is_numeric(column) else len(ORDER) - 1
    return ORDER.index(infer_kind(column))


@dataclass(frozen=True)
class Sample:
    """The sample of a log.

    table : its rows, n, in the order of the hash of what names them, so that no sum over them hangs
    on how they lay in files.   rows : (n,) their numbers in the log.   total : the rows of the log.
    share : of the units.   kinds : of outcomes that nobody named.   names : files of the hashes of
    what names every row.   heads : rows of the groups that were asked for.
    """

    table: pa.Table
    rows: Ints
    total: int
    share: float
    kinds: dict[str, Kind]
    names: list[Path]
    heads: dict[tuple[str, str], int]

    def labels(self) -> Groups:
        """The labels that there are in each column of a group: those here, and those that others
        have.
        """
        labels: Groups = {}
        for (name, label), count in self.heads.items():
            if name not in labels:
                labels[name] = np.array(columns.labels(self.table[name]).to_pylist(), np.str_)
            if count:
                labels[name] = np.append(labels[name], label)
        return labels

    def take(self, rows: Ints) -> Sample:
        """Some of its rows, by their places in it."""
        return replace(self, table=self.table.take(pa.array(rows)), rows=self.rows[rows])


@contextmanager
def said_of(sample: Sample) -> Iterator[None]:
    """Errors that name no place say that they are of the sample."""
    try:
        yield
    except InputError as error:
        if error.where:
            raise
        here = f"the sample of {len(sample.rows):,} of {sample.total:,} rows"
        few = "vary" in error.must or "at least" in error.must  # rows, of which others may be
        fix = f"{error.fix}; or say a larger [run] learn_rows" if few else error.fix
        fix = WHOLE if isinstance(error, FewGroups) else fix
        raise type(error)(error.what, error.must, error.got, here, fix) from error


def named_columns(log: LogPlan, every: Sequence[str]) -> tuple[str, ...]:
    """The columns that a plan's log is made of, in the order of the file; all where it names no
    features.
    """
    eligible = log.eligible
    named = [log.treatment, *(log.outcomes or {}), *(log.features or ()), log.claimed, log.cost]
    named += [*log.propensity, log.action_propensity, log.weight, log.time, log.group, log.id]
    named += [*(log.protected or ()), *log.nearly_unique, *(log.text or ())]
    named += list(eligible.values()) if isinstance(eligible, dict) else [eligible]
    flat = dict.fromkeys(n for one in named for n in (one if isinstance(one, tuple) else (one,)))
    for name in flat:
        if name is not None and name not in every:
            fix = among(name, every, "columns")
            raise LogError(f"column {name!r}", "be in the log", "no such column", fix=fix)
    return tuple(name for name in every if name in flat or not log.features)


def asked_of(plan: Plan, columns_: tuple[str, ...], total: int) -> Asked:
    """What is read of every partition of a plan's log."""
    log = plan.log
    roles = Roles(
        treatment=log.treatment,
        outcomes=(),
        features=(),
        id=log.id,
        group=log.group,
        time=log.time,
        eligible=log.eligible,
    )
    unsaid = tuple(name for name, own in (log.outcomes or {}).items() if own.kind is None)
    share = min(MOST_SHARE, plan.run.learn_rows / total)
    named: list[GroupBudget | LimitPlan] = [*plan.policy.group_budgets, *plan.policy.limits]
    groups = tuple(dict.fromkeys((own.column, own.group) for own in named))
    for name, _ in groups:
        known_column(name, columns_)
    return Asked(columns_, roles, unsaid, plan.run.seed, share, groups)


def read_sample(
    plan: Plan,
    partitions: Sequence[Partition],
    asked: Asked,
    kept: Kept,
) -> Sample:
    """The sample of a plan's log."""
    rows: dict[int, Ints] = {}
    kinds, total = np.zeros(len(asked.unsaid), np.int64), 0
    heads = np.zeros(len(asked.groups), np.int64)
    work = kept.each(STAGE, SampleReader, partitions, asked, "sample")
    for place, arrays in work:
        rows[place] = arrays["rows"]
        kinds, total = np.maximum(kinds, arrays["kinds"]), total + int(arrays["count"][0])
        heads += arrays["heads"]
        size = sum(map(len, rows.values()))
        if size > LARGEST * max(plan.run.learn_rows, 1):
            _too_large(plan, size)
    size = sum(map(len, rows.values()))
    if size in (0, total):
        must = "be some of the rows, so that the others judge"
        fix = "have a finer [log] group, or a [run] learn_rows of all rows, if memory allows"
        got = f"{size:,} of {total:,} rows, in whole units"
        raise DataError("the sample to learn from", must, got, fix=fix)
    places = range(len(partitions))
    table = pa.concat_tables([kept.table(STAGE, place, ROWS) for place in places])
    order = np.argsort(name_words(table, asked.roles), kind="stable")
    return Sample(
        table.take(pa.array(order)),
        np.concatenate([rows[place] for place in places])[order],
        total,
        asked.share,
        {name: ORDER[kind] for name, kind in zip(asked.unsaid, kinds, strict=True)},
        [kept.place(STAGE, place) / ARRAYS for place in places],
        dict(zip(asked.groups, heads.tolist(), strict=True)),
    )


def _too_large(plan: Plan, size: int) -> None:
    """Groups came into the sample that are larger than it should be."""
    must = f"have about {plan.run.learn_rows:,} rows, as [run] learn_rows says"
    if plan.log.group is None:
        fix = "say the id of the rows, or a larger learn_rows: too many rows repeat each other"
        raise DataError("the sample to learn from", must, f"{size:,} and more", fix=fix)
    fix = (
        "a group is as large as the sample: say a larger learn_rows, if memory allows, or leave"
        " out the rows of that group"
    )
    got = f"{size:,} and more, in whole groups by {plan.log.group!r}"
    raise DataError("the sample to learn from", must, got, fix=fix)
