"""A fitted model as a snapshot folder: the estimator's parts and the feature map; nothing in it is code."""

from __future__ import annotations

from pathlib import Path

from equipoise import __version__
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.snapshot import read_snapshot, write_snapshot
from equipoise.estimators import estimator_from_parts, estimator_parts
from equipoise.pipeline.effects import Model

KIND = "model"


def write_model(path: Path | str, model: Model) -> str:
    """Write a model and return the snapshot's id."""
    parts, meta = estimator_parts(model.estimator)
    about = {"kind": KIND, "version": __version__, "estimator": meta, "features": model.features.to_json()}
    about["seen"] = dict(model.seen)
    return write_snapshot(path, parts, about)


def read_model(path: Path | str) -> Model:
    """The model of a snapshot folder, or of a policy's; a changed byte is refused."""
    snapshot = read_snapshot(path)
    if not {"estimator", "features"} <= set(snapshot.meta):
        got, fix = repr(snapshot.meta.get("kind")), "give a folder written by `equipoise fit`, or the policy/ folder of a run"
        raise SnapshotError("a snapshot", "hold a model", got, str(path), fix)
    estimator = estimator_from_parts(snapshot.parts, snapshot.meta["estimator"])
    return Model(FeatureMap.from_json(snapshot.meta["features"]), estimator, snapshot.meta.get("seen", {}))
