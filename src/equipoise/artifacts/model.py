"""A fitted model with its feature map, and the same as a snapshot folder; nothing in it is code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.meta import ModelMeta, check_meta, try_on_one_unit
from equipoise.artifacts.model_parts import named_parts, parts_of
from equipoise.artifacts.unit_columns import UnitColumns, UnitReader, columns_of
from equipoise.core import columns
from equipoise.core.arrays import Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.frames import to_arrow
from equipoise.core.snapshot import FIX, as_written, read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.estimators import estimator_from_parts, estimator_parts
from equipoise.estimators.transforms import takes_raw

KIND = "model"


@dataclass(frozen=True)
class Model:
    """A fitted estimator with the feature map that makes its numbers of columns.

    seen : the digests of the columns it was fitted on, by `fingerprint`; empty where they were not
        kept.
    columns : what the log's columns were; by default nothing is known but their names.
    own : models of groups, fitted on their rows alone; a unit of several groups has the first's.
    """

    features: FeatureMap
    estimator: Any
    seen: Mapping[str, str] = field(default_factory=dict)
    columns: UnitColumns = field(default_factory=UnitColumns)
    own: tuple[OwnModel, ...] = ()

    @property
    def units(self) -> UnitReader:
        """How units are read: the features, and the columns of groups with models of their own."""
        named = tuple(dict.fromkeys(own.column for own in self.own))
        return UnitReader(self.features, self.columns, named)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Of the effects, in order."""
        return tuple(unwrapped(self.estimator).metrics_)

    def features_of(self, table: pa.Table) -> pa.Table:
        """Raw feature columns as the estimator takes them."""
        return features_for(self.estimator, self.features, table)

    def effects(self, table: Any, groups: Mapping[str, Any] | None = None) -> Effects:
        """The effects of every candidate for rows of raw feature columns.

        groups : column -> labels (n,) of those that have models of their own; by default the
            table's columns.
        """
        table = self.units.read(to_arrow(table)) if self.columns.types else to_arrow(table)
        return self.with_own(self._shared(table), table, groups)

    def with_own(
        self, effects: Effects, table: pa.Table, groups: Mapping[str, Any] | None = None
    ) -> Effects:
        """Effects of the shared model, (n,) units, with those of groups by their own models."""
        groups = labels_of(table, [own.column for own in self.own]) if groups is None else groups
        free = np.ones(len(effects), np.bool_)
        for own in self.own:
            rows = np.flatnonzero(free & (groups[own.column] == own.group))
            if len(rows):
                effects = _replaced(effects, rows, own.model.effects(table.take(pa.array(rows))))
                free[rows] = False
        return effects

    def _shared(self, table: pa.Table) -> Effects:
        effects: Effects = self.estimator.effects(self.features_of(table))
        wrong = ~np.isfinite(effects.values).all(axis=(1, 2))
        if wrong.any():
            got, row = "another number", f"row {int(np.argmax(wrong))}"
            raise SnapshotError("a model", "give finite effects", got, row, FIX)
        return effects


def unwrapped(estimator: Any) -> Any:
    """An estimator, or the one that it wraps, which knows the names."""
    return getattr(estimator, "whole_", estimator)


def features_for(estimator: Any, features: FeatureMap, table: pa.Table) -> pa.Table:
    """Raw feature columns as an estimator takes them: as numbers, or as they are where it has a
    ``transform`` of its own.
    """
    return table.select(features.columns_) if takes_raw(estimator) else features.table(table)


@dataclass(frozen=True)
class OwnModel:
    """A model of the units whose label in a column is that of the group."""

    column: str
    group: str
    model: Model


def labels_of(table: pa.Table, names: Iterable[str]) -> dict[str, Any]:
    """The labels, as text, of each unit in some columns, (n,) each."""
    return {
        name: np.asarray(columns.labels(table[name]).to_pylist(), dtype=np.str_) for name in names
    }


def _replaced(effects: Effects, rows: Ints, own: Effects) -> Effects:
    """Effects with those of some rows replaced."""
    values, baseline, error = effects.values.copy(), effects.baseline.copy(), effects.std_error
    values[rows], baseline[rows] = own.values, own.baseline
    if error is not None and own.std_error is not None:
        error = error.copy()
        error[rows] = own.std_error
    return replace(effects, values=values, baseline=baseline, std_error=error)


def saved_model(model: Model) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The parts of a model and what a snapshot's meta says of it; `model_of` is the inverse."""
    parts, meta = estimator_parts(model.estimator)
    own = []
    for j, group in enumerate(model.own):
        more, about = estimator_parts(group.model.estimator)
        parts = {**parts, **named_parts(_own_name(j), more)}
        features = group.model.features.to_json()
        label = {"column": group.column, "group": group.group}
        own.append({**label, "estimator": about, "features": features})
    about = {"estimator": meta, "features": model.features.to_json(), "seen": dict(model.seen)}
    return parts, {**about, "own": own}


def _own_name(j: int) -> str:
    return f"own{j}"


def write_model(path: Path | str, model: Model) -> str:
    """Write a model and return the snapshot's id."""
    parts, meta = saved_model(model)
    about = {"kind": KIND, "version": __version__, **meta, "columns": model.columns.to_json()}
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
    try_on_one_unit(model.effects, model.units)
    return model


def model_of(parts: Mapping[str, bytes], meta: Mapping[str, Any]) -> Model:
    """The model that the parts and the meta of a snapshot describe."""
    estimator = estimator_from_parts(parts, meta["estimator"])
    features = FeatureMap.from_json(meta["features"])
    own = []
    for j, group in enumerate(meta.get("own", ())):  # 0.1.0 knew of none
        parted = estimator_from_parts(parts_of(_own_name(j), parts), group["estimator"])
        model = Model(FeatureMap.from_json(group["features"]), parted)
        own.append(OwnModel(group["column"], group["group"], model))
    return Model(features, estimator, meta.get("seen", {}), own=tuple(own))
