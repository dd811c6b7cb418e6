"""A fitted model with its feature map, and the same as a snapshot folder; nothing in it is code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equipoise.core.effects import Effects
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.snapshot import read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.estimators import estimator_from_parts, estimator_parts

KIND = "model"


@dataclass(frozen=True)
class Model:
    """A fitted estimator with the feature map that makes its numbers of columns.

    seen : the digests of the columns it was fitted on, by `fingerprint`; empty where they were not
        kept.
    """

    features: FeatureMap
    estimator: Any
    seen: Mapping[str, str] = field(default_factory=dict)

    def effects(self, table: Any) -> Effects:
        """The effects of every candidate for rows of raw feature columns."""
        return self.estimator.effects(self.features.table(table))  # type: ignore[no-any-return]


def write_model(path: Path | str, model: Model) -> str:
    """Write a model and return the snapshot's id."""
    parts, meta = estimator_parts(model.estimator)
    about = {
        "kind": KIND,
        "version": __version__,
        "estimator": meta,
        "features": model.features.to_json(),
    }
    about["seen"] = dict(model.seen)
    return write_snapshot(path, parts, about)


def read_model(path: Path | str) -> Model:
    """The model of a snapshot folder, or of a policy's; a changed byte is refused."""
    snapshot = read_snapshot(path)
    if not {"estimator", "features"} <= set(snapshot.meta):
        got, fix = (
            repr(snapshot.meta.get("kind")),
            "give a folder written by `equipoise fit`, or the policy/ folder of a run",
        )
        raise SnapshotError("a snapshot", "hold a model", got, str(path), fix)
    estimator = estimator_from_parts(snapshot.parts, snapshot.meta["estimator"])
    return Model(
        FeatureMap.from_json(snapshot.meta["features"]), estimator, snapshot.meta.get("seen", {})
    )
