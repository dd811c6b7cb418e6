"""The kinds of what ships: a snapshot says its kind, and the kind says what is made of it.  A new
kind is one line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from equipoise.artifacts.unit_columns import UnitReader
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.errors import SnapshotError
from equipoise.core.registry import Registry
from equipoise.core.snapshot import read_snapshot

ARTIFACTS = Registry(
    "kind of artifact",
    {
        "policy": "equipoise.artifacts.policy:scorer_of",
        "mixes": "equipoise.artifacts.mixes:mix_policy_of",
        "ranking": "equipoise.artifacts.ranking:ranking_policy_of",
    },
)


class Summary(Protocol):
    """Sums over the batches of a file."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""


class MergedSummary(Summary, Protocol):
    """Sums over the batches of a part, which can be merged with those of others."""

    def merge(self, sums: Mapping[str, Any]) -> None:
        """Count what another one of the same file has counted: its fields, as plain JSON."""


class Artifact(Protocol):
    """What assigns units never seen."""

    @property
    def units(self) -> UnitReader:
        """How units are read."""

    def numbered(self) -> Artifact:
        """The same for units without ids, which are given by their row numbers."""

    def batches(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The assignments of every batch, one batch each."""

    def hold(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[pa.RecordBatch]:
        """The assignments that meet the demands on all units as a whole, or an error where there
        are none to meet.
        """

    def summary(self) -> Summary:
        """What to count over a file."""


def read_artifact(path: Path | str) -> Artifact:
    """What a snapshot folder holds, whatever its kind; a changed byte is refused."""
    snapshot = read_snapshot(path)
    kind = snapshot.meta.get("kind")
    if kind not in ARTIFACTS:
        fix = "give the policy/ folder of a run"
        raise SnapshotError(
            "a snapshot",
            f"be of a kind that assigns units: {', '.join(ARTIFACTS)}",
            repr(kind),
            str(path),
            fix,
        )
    artifact: Artifact = ARTIFACTS.load(str(kind))(snapshot)
    return artifact
