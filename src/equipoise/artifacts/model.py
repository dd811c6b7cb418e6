"""A fitted model with its feature map, and the same as a snapshot folder; nothing in it is code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.artifacts.meta import ModelMeta, check_meta, try_on_one_unit
from equipoise.artifacts.unit_columns import UnitColumns, UnitReader, columns_of
from equipoise.core.effects import Effects
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.frames import to_arrow
from equipoise.core.snapshot import FIX, as_written, read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.estimators import estimator_from_parts, estimator_parts

KIND = "model"


@dataclass(frozen=True)
class Model:
    """A fitted estimator with the feature map that makes its numbers of columns.

    seen : the digests of the columns it was fitted on, by `fingerprint`; empty where they were not
        kept.
    columns : what the log's columns were; by default nothing is known but their names.
    """

    features: FeatureMap
    estimator: Any
    seen: Mapping[str, str] = field(default_factory=dict)
    columns: UnitColumns = field(default_factory=UnitColumns)

    def effects(self, table: Any) -> Effects:
        """The effects of every candidate for rows of raw feature columns."""
        if self.columns.types:
            table = UnitReader(self.features, self.columns).read(to_arrow(table))
        effects: Effects = self.estimator.effects(self.features.table(table))
        wrong = ~np.isfinite(effects.values).all(axis=(1, 2))
        if wrong.any():
            got, row = "another number", f"row {int(np.argmax(wrong))}"
            raise SnapshotError("a model", "give finite effects", got, row, FIX)
        return effects


def write_model(path: Path | str, model: Model) -> str:
    """Write a model and return the snapshot's id."""
    parts, meta = estimator_parts(model.estimator)
    about = {
        "kind": KIND,
        "version": __version__,
        "estimator": meta,
        "features": model.features.to_json(),
    }
    about |= {"seen": dict(model.seen), "columns": model.columns.to_json()}
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
    check_meta(ModelMeta, snapshot.meta)
    with as_written():
        model = replace(model_of(snapshot.parts, snapshot.meta), columns=columns_of(snapshot.meta))
    try_on_one_unit(model.effects, UnitReader(model.features, model.columns))
    return model


def model_of(parts: Mapping[str, bytes], meta: Mapping[str, Any]) -> Model:
    """The model that the parts and the meta of a snapshot describe."""
    estimator = estimator_from_parts(parts, meta["estimator"])
    return Model(FeatureMap.from_json(meta["features"]), estimator, meta.get("seen", {}))
