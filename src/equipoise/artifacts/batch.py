"""A file of units through any artifact: one loop over record batches, so that size is bounded by
disk, not memory.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from equipoise.artifacts.kinds import Artifact, Summary, read_artifact
from equipoise.artifacts.outputs import check_out, placed, write_assignments
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.rules import read_rule_scorer, rules_file
from equipoise.artifacts.staying import Memory
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.errors import DataError
from equipoise.data.sources import read_source_batches, source_columns

LOGGER = logging.getLogger(__name__)

FORGETFUL = (
    "the policy has a cadence, and without a journal (--journal, --day) every unit is decided anew"
)


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
    units : path or address
        A Parquet or CSV file with the columns of the features; a folder of them, a pattern, a
        table.
    out : path or address
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
    check_out(out, units, policy)
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
    units : path or address
        A Parquet or CSV file with the columns that the rule asks for; a folder of them, a pattern,
        a table.
    out : path or address
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
    check_out(out, units, rules_file(run).parent)
    scorer = read_rule_scorer(run)
    return _score(scorer.numbered() if number_rows else scorer, units, out, hold=False)


def _score(artifact: Artifact, units: Path | str, out: Path | str, *, hold: bool) -> dict[str, Any]:
    """The assignments of a file of units, written."""
    artifact.units.check_names(source_columns(units), str(units))
    counts, summary = UnitCounts(artifact.units), artifact.summary()
    rows = read_source_batches(units, list(artifact.units.needed), artifact.units.in_text)
    assigned = artifact.hold(rows, counts) if hold else artifact.batches(rows, counts)
    with placed(out) as file:
        write_assignments(assigned, file, summary)
        if not counts.units:
            raise DataError(
                "a file of units", "have rows", 0, str(units), "check the file and its filters"
            )
        counts.check()
    return {"units": counts.units, "held": hold, **told(artifact, summary, counts, str(units))}


def told(artifact: Artifact, summary: Summary, counts: UnitCounts, units: str) -> dict[str, Any]:
    """What is told of units that were assigned, and their cautions on the log.

    Parameters
    ----------
    artifact : Artifact
        What assigned them.
    summary : Summary
        Sums over the assignments.
    counts : UnitCounts
        What the units lack.
    units : str
        Where they lie.

    Returns
    -------
    dict
        Plain JSON.
    """
    report = {**summary.report(), **counts.report()}
    if isinstance(artifact, Scorer) and artifact.memory is None and artifact.staying.by_day:
        report["cautions"] = [*report["cautions"], FORGETFUL]
    for caution in report["cautions"]:
        LOGGER.warning("%s: %s", units, caution)
    return report
