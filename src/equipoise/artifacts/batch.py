"""A file of units through any artifact: one loop over record batches, so that size is bounded by
disk, not memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.artifacts.kinds import Artifact, read_artifact
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.rules import read_rule_scorer, rules_file
from equipoise.artifacts.staying import Memory
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import Earlier, replacing
from equipoise.data import read_batches
from equipoise.data.files import column_names

LOGGER = logging.getLogger(__name__)

FORGETFUL = (
    "the policy has a cadence, and without a journal (--journal, --day) every unit is decided anew"
)
MARK = {b"equipoise": b"scored units"}  # in the schema of a file that a later call may replace


def score_file(
    policy: Path | str,
    units: Path | str,
    out: Path | str,
    *,
    hold: bool = False,
    number_rows: bool = False,
    memory: Memory | None = None,
) -> dict[str, Any]:
    """Assign the units of a file and write the assignments as Parquet, whole or not at all.

    Parameters
    ----------
    policy : path
        The snapshot folder of anything that assigns units.
    units : path
        A Parquet or CSV file with the columns of the features.
    out : path
        The Parquet file to write; only an earlier one is replaced.
    hold : bool, default False
        Meet the policy's demands on these units as a whole, in memory; else its fixed prices
        decide, batch by batch.
    number_rows : bool, default False
        Take the units' row numbers, in a column ``row``, for their ids.
    memory : Memory, optional
        What is known of units from days before, for a policy by which they keep what they have;
        without it every unit is new.

    Returns
    -------
    dict
        ``units``, ``held`` and the sums of the artifact: the cost and the cells of a policy, the
        clusters of mixes.  Beside them ``missing`` values and ``unseen`` levels by feature,
        ``unknown`` labels by column of a demand, and ``cautions``: what is most of a column.

    Raises
    ------
    InputError
        Where a column is missing, of another type or empty, or an id is missing or occurs twice;
        nothing is written.
    DataError
        Where the file cannot be read, or has no rows.
    """
    check_out(Path(out), Path(units), Path(policy))
    artifact = read_artifact(policy)
    if isinstance(artifact, Scorer):
        artifact = replace(artifact, memory=memory)
    return _score(artifact.numbered() if number_rows else artifact, units, out, hold=hold)


def score_file_by_rules(
    run: Path | str, units: Path | str, out: Path | str, *, number_rows: bool = False
) -> dict[str, Any]:
    """Assign the units of a file by the rule that people signed, and write the assignments as
    Parquet, whole or not at all.

    Parameters
    ----------
    run : path
        The folder of a run whose plan asks for a rule.
    units : path
        A Parquet or CSV file with the columns that the rule asks for.
    out : path
        The Parquet file to write; only an earlier one is replaced.
    number_rows : bool, default False
        Take the units' row numbers, in a column ``row``, for their ids.

    Returns
    -------
    dict
        As of `score_file`: ``units``, ``cells``, and what units lack.

    Raises
    ------
    InputError, DataError
        As of `score_file`.
    """
    check_out(Path(out), Path(units), rules_file(run).parent)
    scorer = read_rule_scorer(run)
    return _score(scorer.numbered() if number_rows else scorer, units, out, hold=False)


def _score(artifact: Artifact, units: Path | str, out: Path | str, *, hold: bool) -> dict[str, Any]:
    """The assignments of a file of units, written."""
    artifact.units.check_names(column_names(units), str(units))
    counts, summary = UnitCounts(artifact.units), artifact.summary()
    rows = read_batches(units, list(artifact.units.needed), types=artifact.units.in_text)
    assigned = _on_the_whole(artifact, rows, counts) if hold else artifact.batches(rows, counts)
    with replacing(out, EARLIER_SCORES) as file:
        writer = None
        for batch in assigned:
            writer = writer or pq.ParquetWriter(
                file, batch.schema.with_metadata(MARK), compression="zstd"
            )
            writer.write_batch(batch.replace_schema_metadata(MARK))
            summary.add(batch)
        if writer is None:
            raise DataError(
                "a file of units", "have rows", 0, str(units), "check the file and its filters"
            )
        writer.close()
        counts.check()
    report = {**summary.report(), **counts.report()}
    if isinstance(artifact, Scorer) and artifact.memory is None and artifact.staying.by_day:
        report["cautions"] = [*report["cautions"], FORGETFUL]
    for caution in report["cautions"]:
        LOGGER.warning("%s: %s", units, caution)
    return {"units": counts.units, "held": hold, **report}


def _on_the_whole(
    artifact: Artifact, batches: Iterable[pa.RecordBatch], counts: UnitCounts
) -> Iterator[pa.RecordBatch]:
    """The assignments of units that are taken as a whole."""
    rows = [batch for batch in batches if batch.num_rows]
    if rows:
        yield from artifact.rebudget(pa.Table.from_batches(rows), counts).to_batches()


def check_out(out: Path, units: Path, policy: Path) -> None:
    """Refuse to write over the units, into the snapshot, or over anything but an earlier file of
    scored units.
    """
    fix = "choose another file with --out"
    if out.is_dir():
        raise InputError("the file to write", "be a file", "a folder", str(out), fix)
    if out.resolve() == units.resolve() or (
        out.exists() and units.exists() and out.samefile(units)
    ):
        raise InputError(
            "the file to write", "differ from that of the units", "the same", str(out), fix
        )
    if out.resolve().is_relative_to(policy.resolve()):
        raise InputError(
            "the file to write", "lie outside the policy's snapshot", "a place in it", str(out), fix
        )
    if out.exists() and not _is_scored(out):
        raise InputError(
            "the file to write",
            "be new, or one of units scored earlier",
            "another file",
            str(out),
            fix,
        )


def _is_scored(file: Path) -> bool:
    try:
        return MARK.items() <= (pq.read_schema(file).metadata or {}).items()
    except (pa.ArrowException, OSError):
        return False


EARLIER_SCORES = Earlier("a file of units scored earlier", _is_scored)
