"""A decision log as an experiment log: one row a decision, with its probability and its outcomes.

    OUT/decisions/date=2026-11-01/part.parquet    a file a day, which `read_log` reads as a folder
    OUT/plan.toml                                 the roles of the columns, ready to check and run

What the service decided with known probabilities is an experiment (Agarwal et al. 2016, "Making
contextual decisions with low technical debt"): the treatment is what was served, its probability is
over the whole mechanism.  Two passes, bounded memory: records to disk by the day of their decision,
then each day joined.  A day is written whole or not at all; a day of which the log holds less than
was written before (its oldest segments are gone) stays as it is, but for erased units.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import replace

from equipoise.core.durations import nanoseconds
from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import replacing
from equipoise.core.suggest import among
from equipoise.core.unique_text import LEAST, is_nearly_unique
from equipoise.serving.config import RewardWindow
from equipoise.serving.log.columns import (
    KIND_OF,
    TEXT,
    Contents,
    Units,
    kind_of_label,
    schema_of,
    table_of,
)
from equipoise.serving.log.erasure import mark_in, mark_of
from equipoise.serving.log.joining import Chances, Counts, Joining, Metric, joined
from equipoise.serving.log.plan_text import plan_text
from equipoise.serving.log.reader import log_folder, read_records
from equipoise.serving.log.segments import decode, encode, segments_of
from equipoise.serving.log.spill import Spill, parts_of
from equipoise.serving.records import (
    DecisionRecord,
    ErasedRecord,
    ExposureRecord,
    RewardRecord,
    SpendRecord,
)

FEW = 2  # rows that an arm of a log must have
DECISIONS, PART, PLAN = "decisions", "part.parquet", "plan.toml"
ABOUT = b"equipoise.decisions"  # in a part's metadata: how many decisions of its day were seen
START = date(1970, 1, 1)


@dataclass(frozen=True)
class Compaction:
    """What a compaction wrote.

    Attributes
    ----------
    out : Path
        The folder.
    counts : Counts
        Rows, and what was left out.
    days : list of str
        Written now.
    kept : list of str
        Left as they were: the log no longer holds the whole day.
    columns : dict of str to str
        Role -> column or columns, as in the plan.

    Examples
    --------
    >>> Compaction(Path("out"), Counts()).days
    []
    """

    out: Path
    counts: Counts
    days: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> Path:
        """The plan beside the rows."""
        return self.out / PLAN


def compact_log(
    folder: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    rewards: Mapping[str, RewardWindow] | None = None,
    window: str = "28d",
    claimed: str | None = None,
    units: Path | str | None = None,
    id: str | None = None,
    now: int | None = None,
    chances: Callable[[Mapping[str, int]], Chances] | None = None,
) -> Compaction:
    """Write the decisions of a log, with what came of them, as an experiment log.

    Parameters
    ----------
    folder : path or sequence of path
        Of the decision log, or of those of several machines, whose rewards may have come to any of
        them; its writers may be at work.
    out : path
        A folder; days in it are replaced.
    rewards : mapping of str to RewardWindow, optional
        The window, the default and the exposure of each metric.
    window : str, default "28d"
        Of a metric that is only in the log.
    claimed : str, optional
        The reward that says that an offer was taken.
    units : path, optional
        A file of units: their features, where decisions were made from a store and have none.
    id : str, optional
        Its column of ids; needed with ``units``.
    now : int, optional
        Decisions whose windows end later are left out; in nanoseconds since 1970, by default of
        this moment.
    chances : callable, optional
        Gives, by when units asked to be forgotten, what tells the probability of each cell of a
        decision (`replay.again.chances_by`): then all of them are in the rows, and not that of
        what was served alone.

    Returns
    -------
    Compaction
        What was written, and what was left out and why.

    Raises
    ------
    DataError
        Where the log is damaged, or the file of units cannot be read.
    InputError
        Where a metric or a column is not there, or no decision has its window behind it.
    """
    folders = [folder] if isinstance(folder, Path | str) else folder
    places, target = [log_folder(one) for one in folders], Path(out)
    with tempfile.TemporaryDirectory(dir=_made(target)) as room:
        contents, spill = spilt(places, Path(room))
        known = Units(units, id, contents) if units is not None else None
        until = time.time_ns() if now is None else now
        how = joining_of(contents, rewards or {}, window, claimed, until)
        if not how.metrics:
            fix = "send rewards, or name the metrics that are meant"
            raise InputError("a decision log", "hold rewards", "none", fix=fix)
        if chances is not None:
            cells = tuple(cells_of(contents))
            how = replaced(how, cells=cells, chances=chances(contents.erased))
        days = _Days(contents, spill, how, known, target)
        for number in spill.days():
            days.write(number)
        days.keep()
    result = days.result
    if not result.counts.rows and not result.kept:
        got = ", ".join(f"{n:,} {why}" for why, n in result.counts.left_out.items() if n)
        fix = "wait for the end of the windows, or give shorter ones"
        raise InputError("a decision log", "hold decisions to learn from", got or "none", fix=fix)
    result.columns.update(_roles(days))
    with replacing(result.plan) as file:
        file.write_text(plan_text(result.columns, result.counts, DECISIONS), encoding="utf-8")
    return result


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def spilt(places: Sequence[Path], room: Path) -> tuple[Contents, Spill]:
    """The first pass: every record to the part of its decision."""
    segments = [segment for place in places for segment in segments_of(place)]
    size = sum(one.path.stat().st_size for one in segments)
    times = [one.created for one in segments] or [0]
    spill = Spill(room, parts_of(size, (max(times) - min(times)) // (86_400 * 10**9) + 1))
    contents, kinds = Contents(), dict[str, int]()
    contents.kinds = kinds
    numbers: dict[bytes, int] = {}
    last, number = None, 0
    for _, context, record, payload in chain.from_iterable(map(read_records, places)):
        if isinstance(record, DecisionRecord) and context is not None:
            if context is not last:
                last, key = context, encode(replace(context, number=0, ns=0, boot=""))
                number = numbers.setdefault(key, len(numbers))
                contents.contexts += [context] if number == len(contents.contexts) else []
            spill.add(record.id, number, payload)
            for name, value in (record.features or {}).items():
                kinds[name] = kinds.get(name, 0) | KIND_OF.get(type(value), TEXT)
            for name, label in record.labels.items():
                contents.labels[name] = contents.labels.get(name, 0) | kind_of_label(label)
        elif isinstance(record, ExposureRecord | SpendRecord):
            spill.add(record.decision, 0, payload)
        elif isinstance(record, RewardRecord):
            contents.rewards[record.name] = None
            spill.add(record.decision, 0, payload)
        elif isinstance(record, ErasedRecord):
            contents.erased[record.unit] = contents.erased[mark_in(record)] = record.ns
    for name, kind in contents.labels.items():
        kinds[name] = kinds[name] | kind if name in kinds else TEXT
    return contents, spill


def joining_of(
    contents: Contents,
    rewards: Mapping[str, RewardWindow],
    window: str,
    claimed: str | None,
    until: int,
) -> Joining:
    """How rewards are joined: those that are named, and those that are only in the log; the claim
    is an outcome, too, where it is named, or the only reward.
    """
    windows = dict.fromkeys(sorted(contents.rewards), RewardWindow(window=window)) | dict(rewards)
    if claimed is not None and claimed not in windows:
        fix = among(claimed, list(windows), "rewards")
        raise InputError("the reward of claims", "be in the log", claimed, fix=fix)
    metrics = {name: _metric(name, one) for name, one in windows.items()}
    own = None if claimed is None else metrics[claimed]
    if claimed is not None and claimed not in rewards and len(metrics) > 1:
        del metrics[claimed]
    shown = any(window.exposure == "required" for window in windows.values())
    features = tuple(contents.kinds)
    return Joining(tuple(metrics.values()), own, shown, until, contents.erased, features)


def _metric(name: str, window: RewardWindow) -> Metric:
    return Metric(name, nanoseconds(window.window, f"the window of {name!r}"), window.default)


class _Days:
    """Writes the days of a log."""

    def __init__(
        self, contents: Contents, spill: Spill, how: Joining, known: Units | None, out: Path
    ) -> None:
        self.contents, self.spill, self.how, self.known = contents, spill, how, known
        self.schema, self.names = schema_of(contents, how)
        self.result = Compaction(out, Counts())
        self.values: dict[str, set[float]] = {}  # the least and the largest of parts
        self.unique: dict[str, bool] = {}  # features: whether nearly unique text in all parts

    def write(self, number: int) -> None:
        """Join a day and put it in its place, unless a fuller one is there."""
        day, result = str(START + timedelta(days=number)), self.result
        file = result.out / DECISIONS / f"date={day}" / PART
        beside = self.spill.folder / PART
        counts = Counts()
        with pq.ParquetWriter(beside, self.schema, compression="zstd") as writer:
            for part in range(self.spill.parts):
                columns = joined(*self._part(number, part, counts))
                if columns:
                    table = table_of(columns, self.schema, self.names)
                    self._note(table)
                    writer.write_table(table)
            writer.add_key_value_metadata({ABOUT.decode(): json.dumps({"seen": counts.seen})})
        before = _seen(file)
        if before > counts.seen:
            return
        result.counts.add(counts)
        if counts.rows or before:
            with replacing(file) as place:
                beside.rename(place)
            result.days.append(day)

    def keep(self) -> None:
        """Take erased units out of the days that were not written."""
        for file in sorted((self.result.out / DECISIONS).glob(f"date=*/{PART}")):
            day = file.parent.name.removeprefix("date=")
            if day not in self.result.days:
                _forget(file, self.contents.erased)
                self.result.kept.append(day)

    def _note(self, table: pa.Table) -> None:
        """Which outcomes have more than one value, and which features nearly name their row."""
        for metric in self.how.metrics:
            ends = pc.min_max(table[self.names[f"y {metric.name}"]]).as_py()
            self.values.setdefault(metric.name, set()).update(ends.values())
        for name in self.how.features if table.num_rows >= LEAST else ():
            one = is_nearly_unique(table[self.names[f"x {name}"]])
            self.unique[name] = one and self.unique.get(name, True)

    def _part(self, number: int, part: int, counts: Counts) -> tuple[Any, ...]:
        records = [
            (self.contents.contexts[context], decode(payload))
            for context, payload in self.spill.read(number, part)
        ]
        known = {}
        if self.known is not None:
            known = self.known.rows({r.unit for _, r in records if isinstance(r, DecisionRecord)})
        return records, self.how, counts, known


def _seen(file: Path) -> int:
    """Of how many decisions a part was made; 0 where there is none."""
    if not file.is_file():
        return 0
    try:
        about = json.loads((pq.read_metadata(file).metadata or {})[ABOUT])
        return int(about["seen"])
    except (pa.ArrowException, KeyError, ValueError) as error:
        fix = "choose another folder, or move the file away"
        raise DataError(
            "a part", "be one that was written here", str(error), str(file), fix
        ) from error


def _forget(file: Path, erased: Mapping[str, int]) -> None:
    """Take erased units out of a part that stays as it is otherwise."""
    if not erased:
        return
    source = pq.ParquetFile(file)
    kept, gone = [], 0
    for group in range(source.num_row_groups):
        table = source.read_row_group(group)
        units, times = table["unit"].to_pylist(), table["time"].cast(pa.int64()).to_pylist()
        stays = [
            ns * 1000 > erased.get(mark_of(unit), -1) for unit, ns in zip(units, times, strict=True)
        ]
        gone += len(stays) - sum(stays)
        kept.append(table.filter(pa.array(stays, pa.bool_())))
    if gone:
        with replacing(file) as place:
            pq.write_table(pa.concat_tables(kept), place, compression="zstd")


def _roles(days: _Days) -> dict[str, Any]:
    """Which column plays which part, as in a plan."""
    names, how, contents = days.names, days.how, days.contents
    counts = days.result.counts
    cells = cells_of(contents)
    metrics = [metric.name for metric in how.metrics]
    features = [name for name, kind in contents.kinds.items() if kind]
    varied = [name for name in metrics if len(days.values.get(name, ())) > 1]
    roles: dict[str, Any] = {
        "treatment": names["served"],
        "outcomes": [names[f"y {name}"] for name in varied or metrics],
        "features": [names[f"x {name}"] for name in features if not days.unique.get(name)],
        "action_propensity": names["probability"],
    }
    if how.claimed is not None:
        roles["claimed"] = names["claimed"]
    if not counts.no_cost:
        roles["cost"] = names["cost"]
    roles["unique"] = [names[f"x {name}"] for name in features if days.unique.get(name)]
    roles |= {"time": names["time"], "group": names["unit"], "id": names["decision"]}
    rare = {cell for cell in cells if 0 < counts.cells[cell] < FEW}
    arms = [
        cell for cell in cells or sorted(counts.cells) if counts.cells[cell] and cell not in rare
    ]
    if how.cells and tuple(arms) == how.cells and not counts.no_chances and not days.result.kept:
        del roles["action_propensity"]
        roles["propensity"] = [names[f"p {cell}"] for cell in arms]
    return roles | {"arms": arms}


def cells_of(contents: Contents) -> dict[str, None]:
    """Control and the candidates of all contexts, in order."""
    return dict.fromkeys(cell for context in contents.contexts for cell in context.cells)
