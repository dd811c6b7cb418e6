"""A journal of days: who was assigned what by which policy, so that any day can be decided again.

    JOURNAL/policies/<id>/          snapshots, each once
    JOURNAL/2026-11-01/             a day, written whole or not at all, and never again
        units.parquet               the columns that the policy read
        known.parquet               what was known of units before, where the policy asks for it
        assignments.parquet         what it decided
        day.json                    the snapshot's id, how it was asked, versions, digests

A replay decides the same units by the same snapshot and compares every bit.

What is known of units, once a day is decided, is their last strategy and the running means of their
features: about 40 bytes a unit and 8 a feature, before compression.  A day holds what was known
before it, so that it can be decided again without any other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.kinds import Artifact, read_artifact
from equipoise.artifacts.outputs import check_out, placed
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.staying import (
    CHOSEN,
    Memory,
    Staying,
    averaged_names,
    known_after,
    nothing_known,
)
from equipoise.core.errors import DataError, InputError, SnapshotError
from equipoise.core.snapshot import NOTHING, read_snapshot, replacing
from equipoise.core.version import __version__
from equipoise.data.sources import read_source_batches, source_columns

FORMAT = 1
POLICIES, UNITS, ASSIGNMENTS, ABOUT = "policies", "units.parquet", "assignments.parquet", "day.json"
KNOWN = "known.parquet"
FIX = "restore the file: a day is as it was written, or it is none"
SHOWN = 5  # differences of a replay
KEYS = {"format", "day", "snapshot", "hold", "number_rows", "rows", "versions", "digests", "id"}


@dataclass(frozen=True)
class Day:
    """A recorded day.

    Attributes
    ----------
    folder : Path
        Of the day.
    day : str
        As 2026-11-01.
    snapshot : str
        The id of the policy.
    hold, number_rows : bool
        How it was asked, as in `score_file`.
    rows : int
        Units.

    Examples
    --------
    >>> Day(Path("journal/2026-11-01"), "2026-11-01", "ab12", False, False, 10).policy.as_posix()
    'journal/policies/ab12'
    """

    folder: Path
    day: str
    snapshot: str
    hold: bool
    number_rows: bool
    rows: int

    @property
    def policy(self) -> Path:
        """The snapshot folder of its policy."""
        return self.folder.parent / POLICIES / self.snapshot

    def units(self) -> pa.Table:
        """The columns that the policy read."""
        return pq.read_table(self.folder / UNITS)

    def assignments(self) -> pa.Table:
        """What it decided, a row a unit."""
        return pq.read_table(self.folder / ASSIGNMENTS)

    def memory(self) -> Memory | None:
        """What was known of units before, or None where the policy did not ask."""
        file = self.folder / KNOWN
        return Memory(date.fromisoformat(self.day), pq.read_table(file)) if file.is_file() else None


@dataclass(frozen=True)
class Replay:
    """What deciding a day again came to.

    Attributes
    ----------
    day : str
        The day.
    rows : int
        Units.
    differing : dict of str to int
        Rows that differ in a bit, by column; empty: every bit is the same.
    first : list of dict
        The first of them: row, column, then and now.

    Examples
    --------
    >>> Replay("2026-11-01", 10, {}, []).same
    True
    """

    day: str
    rows: int
    differing: dict[str, int]
    first: list[dict[str, Any]]

    @property
    def same(self) -> bool:
        """Whether every bit is."""
        return not self.differing


def record_day(
    journal: Path | str,
    day: str,
    policy: Path | str,
    units: Path | str,
    out: Path | str | None = None,
    *,
    hold: bool = False,
    number_rows: bool = False,
) -> dict[str, Any]:
    """Assign the units of a file and record the day.

    Parameters
    ----------
    journal : path
        The folder of days; made where there is none.
    day : str
        As 2026-11-01; a recorded day is not written again.
    policy : path
        The snapshot folder of anything that assigns units.
    units : path
        A Parquet or CSV file with the columns of the features.
    out : path, optional
        A Parquet file of the assignments beside.
    hold, number_rows : bool, default False
        As in `score_file`.

    Returns
    -------
    dict
        As of `score_file`, and ``day``.

    Raises
    ------
    InputError
        Where the day is no date, or is recorded, or the units are not as the policy needs them; or
        where its decisions hang on the days before and later ones are recorded.
    """
    folder = Path(journal) / _date(day)
    if folder.exists():
        fix = "record another day; a journal is only added to"
        raise InputError("the day", "not be recorded yet", day, str(folder), fix)
    if out is not None:
        check_out(out, units, policy)
    artifact = read_artifact(policy)
    artifact = artifact.numbered() if number_rows else artifact
    artifact.units.check_names(source_columns(units), str(units))
    snapshot = read_snapshot(policy).id
    with replacing(folder, NOTHING) as beside:
        beside.mkdir()
        rows = read_source_batches(units, list(artifact.units.needed), artifact.units.in_text)
        _write(beside / UNITS, rows, str(units))
        memory = _memory(Path(journal), day, artifact, beside / UNITS)
        if memory is not None:
            pq.write_table(memory.known, beside / KNOWN, compression="zstd")
        how = {"hold": hold, "number_rows": number_rows}
        summary = score_file(policy, beside / UNITS, beside / ASSIGNMENTS, memory=memory, **how)
        names = (UNITS, ASSIGNMENTS, *([] if memory is None else [KNOWN]))
        digests = {name: _digest(beside / name) for name in names}
        about = {
            "format": FORMAT,
            "day": day,
            "snapshot": snapshot,
            "hold": hold,
            "number_rows": number_rows,
            "rows": summary["units"],
            "versions": {"equipoise": __version__, "numpy": np.__version__},
            "digests": digests,
        }
        about["id"] = _id(about)
        (beside / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        _keep_policy(Path(journal) / POLICIES / snapshot, Path(policy))
    if out is not None:
        with placed(out) as file:
            shutil.copyfile(folder / ASSIGNMENTS, file)
    return {"day": day, **summary}


def read_day(journal: Path | str, day: str) -> Day:
    """Find a recorded day, every byte as it was written.

    Parameters
    ----------
    journal : path
        The folder of days.
    day : str
        As 2026-11-01.

    Returns
    -------
    Day
        Its files verified.

    Raises
    ------
    InputError
        Where the day was not recorded.
    SnapshotError
        Where a file was changed since.
    """
    folder = Path(journal) / _date(day)
    if not (folder / ABOUT).is_file():
        known = [entry.name for entry in days_of(journal)]
        fix = f"recorded are {known[0]} to {known[-1]}" if known else "record days by score"
        raise InputError("the day", "be recorded", day, str(journal), fix)
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except ValueError as error:
        raise SnapshotError("a day", "be JSON", str(error), str(folder / ABOUT), FIX) from error
    if not isinstance(about, dict) or set(about) != KEYS or about["format"] != FORMAT:
        got = about.get("format") if isinstance(about, dict) else type(about).__name__
        must = f"be of format {FORMAT}"
        fix = "update equipoise, or restore the file"
        raise SnapshotError("a day", must, got, str(folder / ABOUT), fix)
    if about["id"] != _id(about):
        raise SnapshotError("a day's file", "be unchanged", "other text", ABOUT, FIX)
    for name, want in about["digests"].items():
        if _digest(folder / name) != want:
            raise SnapshotError("a day's file", "be unchanged", "other bytes", name, FIX)
    return Day(
        folder, day, about["snapshot"], about["hold"], about["number_rows"], int(about["rows"])
    )


def days_of(journal: Path | str) -> list[Path]:
    """The folders of the recorded days, the earliest first."""
    place = Path(journal)
    return sorted(entry.parent for entry in place.glob(f"????-??-??/{ABOUT}"))


def replay_day(journal: Path | str, day: str) -> Replay:
    """Decide a recorded day again, and compare every bit.

    Parameters
    ----------
    journal : path
        The folder of days.
    day : str
        As 2026-11-01.

    Returns
    -------
    Replay
        Where it differs, if it does: another version, or another machine's arithmetic.
    """
    recorded = read_day(journal, day)
    with TemporaryDirectory() as folder:
        again = Path(folder) / ASSIGNMENTS
        score_file(
            recorded.policy,
            recorded.folder / UNITS,
            again,
            hold=recorded.hold,
            number_rows=recorded.number_rows,
            memory=recorded.memory(),
        )
        then, now = recorded.assignments(), pq.read_table(again)
    differing, first = {}, []
    for name in then.column_names:
        rows = np.flatnonzero(_bits(then[name]) != _bits(now[name]))
        if len(rows):
            differing[name] = len(rows)
            first += [
                {
                    "row": int(k),
                    "column": name,
                    "then": then[name][int(k)].as_py(),
                    "now": now[name][int(k)].as_py(),
                }
                for k in rows[:SHOWN]
            ]
    return Replay(day, then.num_rows, differing, first[:SHOWN])


def _memory(journal: Path, day: str, artifact: Artifact, units: Path) -> Memory | None:
    """What is known of units before a day, where the policy asks for it."""
    if not isinstance(artifact, Scorer) or not artifact.staying.reasons:
        return None
    if artifact.id is None:
        fix = "name [log] id in the plan and run it again, and score without --number-rows"
        raise InputError("a policy by which units keep what they have", "have ids", "none", "", fix)
    days = [folder.name for folder in days_of(journal)]
    if days and max(days) > day:
        fix = "record days in their order"
        raise InputError("the day", f"be after {max(days)}, the last recorded", day, fix=fix)
    schema, staying = pq.read_schema(units).empty_table(), artifact.staying
    names = averaged_names(staying, schema, artifact.model.features.columns_)
    known = nothing_known(names)
    if days:
        known = _known_after(read_day(journal, max(days)), staying, known)
    return Memory(date.fromisoformat(day), known)


def _known_after(last: Day, staying: Staying, nothing: pa.Table) -> pa.Table:
    """What is known of units once a recorded day is over, with the columns of ``nothing``: means of
    features that were not averaged before begin with that day.
    """
    before, assigned = last.memory(), last.assignments()
    id = None if last.number_rows else read_snapshot(last.policy).meta.get("id")
    if id is None or CHOSEN not in assigned.column_names:
        return nothing
    known = nothing
    if before is not None:
        columns = {
            name: before.known[name]
            if name in before.known.column_names
            else pa.nulls(before.known.num_rows, nothing.schema.field(name).type)
            for name in nothing.column_names
        }
        known = pa.table(columns, schema=nothing.schema)
    day = Memory(date.fromisoformat(last.day), known)
    return known_after(staying, day, last.units(), assigned, id)


def _date(day: str) -> str:
    """The day, if it is a date as 2026-11-01."""
    try:
        if date.fromisoformat(day).isoformat() == day:
            return day
    except ValueError:
        pass
    raise InputError("the day", "be a date as 2026-11-01", repr(day))


def _write(file: Path, batches: Any, where: str) -> None:
    writer = None
    for batch in batches:
        writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer is None:
        raise DataError("a file of units", "have rows", 0, where)
    writer.close()


def _keep_policy(place: Path, policy: Path) -> None:
    """The snapshot in the journal, once."""
    if not place.exists():
        with replacing(place, NOTHING) as beside:
            shutil.copytree(policy, beside)


def _id(about: dict[str, Any]) -> str:
    """The digest of all that is said of a day but this."""
    rest = {name: value for name, value in about.items() if name != "id"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _digest(file: Path) -> str:
    if not file.is_file():
        raise SnapshotError("a day's file", "be there", "no such file", str(file))
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bits(column: pa.ChunkedArray) -> Any:
    """A column's values so that equal means equal in every bit."""
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy()).view(np.int64)
    return np.asarray(pc.cast(column, pa.string()).to_pylist(), dtype=object)
