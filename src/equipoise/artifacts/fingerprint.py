"""Which rows a model was fitted on: a digest of each column, so that it is never judged on the same
log.

    digest = sha256 of the column's values in the order of the log

A log counts as the same one when every column that both know has the same digest, the treatment and
an outcome among them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from equipoise.core import columns
from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.core.snapshot import read_snapshot


def fingerprint(log: Log) -> dict[str, str]:
    """The digest of the treatment, of every outcome and of every feature of a log, by name."""
    names = (*log.roles.treatments, *log.metrics, *log.roles.features)
    return {name: _digest(log, name) for name in names}


def rows_digest(log: Log) -> str:
    """Of a log's treatments and outcomes in their order, by which the rows are known again."""
    digest = hashlib.sha256(np.ascontiguousarray(log.cells).tobytes())
    digest.update(np.ascontiguousarray(log.y).tobytes())
    return digest.hexdigest()


def refuse_own_rows(path: Path, log: Log) -> None:
    """Refuse to judge the model of a snapshot folder on the log that it was fitted on."""
    if not path.is_dir():
        return
    digests = read_snapshot(path).meta.get("seen", {})
    names = [name for name in digests if name in log.table.column_names]
    if not set(log.roles.treatments) <= set(names) or not set(log.metrics) & set(names):
        return
    if all(_digest(log, name) == digests[name] for name in names):
        fix = (
            "give a log of other rows, or the effects.parquet of `equipoise run`, which are made"
            " out of fold"
        )
        must, rows = (
            "be of rows that the model was not fitted on",
            f"the {len(log):,} rows of its own fit",
        )
        raise InputError("a log to judge a model", must, rows, str(path), fix)


def _digest(log: Log, name: str) -> str:
    if columns.is_numeric(log.table[name]):
        # + 0.0 makes -0.0 the same as 0.0
        return hashlib.sha256((log.numbers(name) + 0.0).tobytes()).hexdigest()
    codes, labels = log.codes(name)
    return hashlib.sha256(codes.tobytes() + "\0".join(labels).encode()).hexdigest()
