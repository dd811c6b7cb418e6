"""Units through a policy wherever they lie: a callable from record batches to record batches, which
is what DuckDB, Spark (``mapInArrow``), Ray Data and Beam ask for.

It holds the policy's path and id and nothing else, so that it is a few bytes when it is sent to
workers; each process reads the policy once.  A worker that finds another policy at that path than
the one that was asked for stops: all units of a job are assigned by one policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from equipoise.artifacts.kinds import Artifact, read_artifact
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.places import expanded
from equipoise.core.snapshot import read_manifest

KEPT = 4  # policies that a process holds


def score_batches(
    policy: Path | str, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Assign units by the policy of a snapshot folder, batch by batch.

    Parameters
    ----------
    policy : path
        The snapshot folder of anything that assigns units: the ``policy`` folder of a run.
    batches : iterable of pyarrow.RecordBatch or Table, or a Table
        Units, with the columns that the policy needs; others are not read.  Empty batches are left
        out.

    Yields
    ------
    pyarrow.RecordBatch
        Their assignments in the same order, one batch for each (a ranking keeps the rows of a
        request together).  Memory does not grow with the number of batches.

    Raises
    ------
    SnapshotError
        Where the folder is no snapshot, or a byte of it was changed.
    InputError
        Where a column is missing or of another type, an id is missing or occurs twice, or units
        come as something else.

    Warns
    -----
    UnitsWarning
        Where most of a column is missing or unlike the log.

    See Also
    --------
    BatchScorer : The same as an object that is sent to workers.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import equipoise as eq
    >>> from equipoise.artifacts.policy import write_scorer
    >>> units = {"treated": [0, 1] * 300, "spend": [0.0, 2.0] * 300, "age": [30, 41, 28] * 200}
    >>> log = eq.read_log(units, treatment="treated", outcomes="spend", features=["age"])
    >>> policy = eq.honest_policy(log, eq.LinearDML(), cv=2)
    >>> with TemporaryDirectory() as folder:
    ...     _ = write_scorer(f"{folder}/policy", policy.scorer, plan="")
    ...     batches = pa.table({"age": range(50)}).to_batches(max_chunksize=20)
    ...     [batch.num_rows for batch in score_batches(f"{folder}/policy", batches)]
    [20, 20, 10]
    """
    return read_artifact(policy).batches(record_batches(batches))


def record_batches(units: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    """Units of Arrow as record batches; what is none of Arrow is refused."""
    for rows in [units] if isinstance(units, pa.Table) else units:
        if isinstance(rows, pa.Table):
            yield from rows.to_batches()
        elif isinstance(rows, pa.RecordBatch):
            yield rows
        else:
            fix = "make them by pyarrow.RecordBatch.from_pandas, or from_pydict"
            raise InputError("units", "come as Arrow record batches", type(rows).__name__, fix=fix)


class BatchScorer:
    """A policy as a function of record batches, to be sent to the workers of another system.

    Parameters
    ----------
    policy : path
        The snapshot folder of anything that assigns units: the ``policy`` folder of a run.  Each
        worker must find it there too: on a shared disk, or as a copy.

    Attributes
    ----------
    policy : str
        The absolute path.
    id : str
        Of the snapshot.

    Raises
    ------
    SnapshotError
        Where the folder is no snapshot; on a worker also where it is another one.

    See Also
    --------
    score_batches : The same for one stream in this process.

    Notes
    -----
    Each call is one stream: ids must be unique within it, and a policy without ids numbers its
    rows.  So a policy whose units several workers assign needs an id, ``[log] id`` in its plan.
    Prices are the policy's own; a budget is met on the whole by ``equipoise score --hold``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import equipoise as eq
    >>> from equipoise.artifacts.policy import write_scorer
    >>> units = {"treated": [0, 1] * 300, "spend": [0.0, 2.0] * 300, "age": [30, 41, 28] * 200}
    >>> log = eq.read_log(units, treatment="treated", outcomes="spend", features=["age"])
    >>> policy = eq.honest_policy(log, eq.LinearDML(), cv=2)
    >>> with TemporaryDirectory() as folder:
    ...     _ = write_scorer(f"{folder}/policy", policy.scorer, plan="")
    ...     scorer, new = BatchScorer(f"{folder}/policy"), pa.table({"age": range(50)})
    ...     names = scorer.schema(new.schema).names
    ...     rows = sum(batch.num_rows for batch in scorer(new.to_batches()))
    >>> names, rows
    (['row', 'chosen', 'score', 'expected_cost'], 50)
    """

    def __init__(self, policy: Path | str) -> None:
        self.policy = str(expanded(policy).absolute())
        self.id = read_manifest(Path(self.policy)).id

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Assign the units of a stream.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Units, as in `score_batches`.

        Returns
        -------
        iterator of pyarrow.RecordBatch
            Their assignments, as in `score_batches`.
        """
        return artifact_of(self.policy, self.id).batches(record_batches(batches))

    def schema(self, units: pa.Schema) -> pa.Schema:
        """Tell the columns of the assignments, which some systems ask for ahead.

        Parameters
        ----------
        units : pyarrow.Schema
            Of the units: an id keeps its type.

        Returns
        -------
        pyarrow.Schema
            Of the batches that a call gives.
        """
        artifact: Any = artifact_of(self.policy, self.id)
        assignments: pa.Table = artifact.assign(units.empty_table())
        return assignments.schema.remove_metadata()

    def __repr__(self) -> str:
        return f"BatchScorer({self.policy!r})"


@lru_cache(maxsize=KEPT)
def artifact_of(policy: str, id: str) -> Artifact:
    """What a folder holds, read once a process.

    Parameters
    ----------
    policy : str
        The folder's whole path.
    id : str
        Of the snapshot that must be there.

    Returns
    -------
    Artifact
        What assigns units.

    Raises
    ------
    SnapshotError
        Where another snapshot is there, or a byte was changed.
    """
    found = read_manifest(Path(policy)).id
    if found != id:
        fix = "make a scorer of the policy that is there now, or copy the one of before to workers"
        raise SnapshotError("the policy", f"be {id[:12]}...", f"{found[:12]}...", policy, fix)
    return read_artifact(policy)
