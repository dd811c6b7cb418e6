"""What gives users their mixes: a snapshot of clusters and their mixes, or of the forest that finds
each user's own.

raw columns -> feature map -> cluster -> its mix            or  -> forest, within the cluster's
bounds -> mix
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.meta import MixesMeta, check_meta, try_on_one_unit
from equipoise.artifacts.model_parts import named_parts, parts_of
from equipoise.artifacts.policy import PLAN_PART
from equipoise.artifacts.unit_columns import UnitColumns, UnitReader, columns_of
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_ids import assign_batches, refuse_repeated
from equipoise.core.arrays import Floats, Ints
from equipoise.core.columns import free_name
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.frames import to_arrow
from equipoise.core.snapshot import FIX, Snapshot, as_written, read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.estimators import Clusters, estimator_from_parts, estimator_parts
from equipoise.estimators.base import complete

KIND, MIXES_PART = "mixes", "mixes.json"
CLUSTERS, FOREST = "clusters", "forest"
SLACK = 1e-6  # rounding of shares


@dataclass(frozen=True)
class MixPolicy:
    """Mixes for users.

    Attributes
    ----------
    parts : the K categories.   clusters : None where all users are one.   shares : (C, K), of each
        cluster.
    bounds : (2, C, K), the least and largest shares, within which the forest, if there is one,
        finds each user's own mix.
    id : the column of user ids, or None.   columns : what the log's columns were.
    """

    features: FeatureMap
    parts: tuple[str, ...]
    clusters: Clusters | None
    shares: Floats
    bounds: Floats
    forest: Any = None
    id: str | None = None
    columns: UnitColumns = field(default_factory=UnitColumns)

    @property
    def units(self) -> UnitReader:
        """How users are read."""
        return UnitReader(self.features, self.columns, id=self.id)

    def numbered(self) -> MixPolicy:
        """The same mixes for users without ids, which are given by their row numbers."""
        return replace(self, id=None)

    def mixes(self, X: Floats) -> tuple[Ints, Floats]:
        """The cluster (n,) and the mix (n, K) of users."""
        label = cluster_labels(self.clusters, X)
        return label, cluster_mixes(X, label, self.shares, self.bounds, self.forest)

    def assign(self, frame: Any, start: int = 0) -> pa.Table:
        """One row a user of a frame of raw columns: the id or number, the cluster, and a column a
        category.
        """
        counts = UnitCounts(self.units)
        assignment = self._assign(counts.read(to_arrow(frame)), start)
        if self.id is not None:
            refuse_repeated(assignment.column(0), self.id)
        counts.warn()
        return assignment

    def _assign(self, table: pa.Table, start: int) -> pa.Table:
        X, names = matrix(self.features.table(table))
        complete(X, names)
        numbers = np.arange(start, start + table.num_rows)
        unit = numbers if self.id is None else table[self.id]
        label, mixes = self.mixes(X)
        columns = dict(zip(self.parts, mixes.T, strict=True))
        cluster = free_name("cluster", columns)
        name = free_name(self.id or "row", (cluster, *columns))
        return pa.table({name: unit, cluster: label + 1, **columns})

    def batches(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The mixes of every batch, one batch each; users without an id are numbered through."""
        yield from assign_batches(batches, self._assign, self.units, counts)

    def hold(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[pa.RecordBatch]:
        """Refused: a mix is that of a cluster, and its demands were met when the clusters' mixes
        were found.
        """
        fix = "leave --hold out, or run the plan again on these users"
        raise InputError(
            "--hold", "go with a policy of one choice per unit", "a policy of mixes", fix=fix
        )

    def summary(self) -> ClusterSummary:
        """How many users of a file are of each cluster."""
        return ClusterSummary()


def cluster_labels(clusters: Clusters | None, X: Floats) -> Ints:
    """The cluster of each user, (n,); 0 where all users are one."""
    return np.zeros(len(X), np.int64) if clusters is None else clusters.predict(X)


def cluster_mixes(X: Floats, label: Ints, shares: Floats, bounds: Floats, forest: Any) -> Floats:
    """The mix of each user: that of its cluster, or its own by a forest within the bounds.

    Parameters
    ----------
    X : array of float, shape (n, d)
        The users' features.
    label : array of int, shape (n,)
        The users' clusters.
    shares : array of float, shape (C, K)
        The mix of each cluster.
    bounds : array of float, shape (2, C, K)
        The least and the largest shares that a forest may give.
    forest : estimator or None
        What finds a mix for each user, where there is one.

    Returns
    -------
    array of float, shape (n, K)
        Shares >= 0 that sum to 1.
    """
    if forest is None:
        return shares[label]
    mixes = np.empty((len(X), shares.shape[1]))
    for c in np.unique(label):
        low, high = bounds[:, c]
        mixes[label == c] = forest.recommend(X[label == c], low=low, high=high)
    return mixes


@dataclass
class ClusterSummary:
    """How many users are of each cluster."""

    clusters: dict[str, int] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        for item in sorted(
            pc.value_counts(batch.column(1)).to_pylist(), key=lambda item: item["values"]
        ):
            name = f"cluster {item['values']}"
            self.clusters[name] = self.clusters.get(name, 0) + item["counts"]

    def merge(self, sums: Mapping[str, Any]) -> None:
        """Count what another summary of the same policy has counted: its fields."""
        for name, count in sums["clusters"].items():
            self.clusters[name] = self.clusters.get(name, 0) + count

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""
        return {"clusters": self.clusters}


def write_mix_policy(path: Path | str, policy: MixPolicy, plan: str) -> str:
    """Write the snapshot and return its id.   plan : the text of the plan it was made by."""
    mixes = {
        "parts": list(policy.parts),
        "shares": policy.shares.tolist(),
        "bounds": policy.bounds.tolist(),
    }
    parts = {PLAN_PART: plan.encode(), MIXES_PART: (json.dumps(mixes, indent=1) + "\n").encode()}
    models: dict[str, Any] = {}
    for name, model in ((CLUSTERS, policy.clusters), (FOREST, policy.forest)):
        if model is not None:
            own, models[name] = estimator_parts(model)
            parts |= named_parts(name, own)
    about = {
        "kind": KIND,
        "version": __version__,
        "models": models,
        "features": policy.features.to_json(),
        "id": policy.id,
        "columns": policy.columns.to_json(),
    }
    return write_snapshot(path, parts, about)


def read_mix_policy(path: Path | str) -> MixPolicy:
    """The policy of a snapshot folder; a changed byte is refused."""
    snapshot = read_snapshot(path)
    kind = snapshot.meta.get("kind")
    if kind != KIND:
        fix = "give the policy/ folder of a run with [supply]"
        raise SnapshotError("a snapshot", "be that of mixes", repr(kind), str(path), fix)
    return mix_policy_of(snapshot)


def mix_policy_of(snapshot: Snapshot) -> MixPolicy:
    """The mixes that a verified snapshot of their kind holds."""
    meta = snapshot.meta
    check_meta(MixesMeta, meta)
    with as_written():
        mixes = json.loads(snapshot.parts[MIXES_PART])
        own = {
            name: estimator_from_parts(parts_of(name, snapshot.parts), about)
            for name, about in meta["models"].items()
        }
        policy = MixPolicy(
            FeatureMap.from_json(meta["features"]),
            tuple(mixes["parts"]),
            own.get(CLUSTERS),
            np.asarray(mixes["shares"], np.float64),
            np.asarray(mixes["bounds"], np.float64),
            own.get(FOREST),
            meta["id"],
            columns_of(meta),
        )
        _check_mixes(policy)
    try_on_one_unit(policy.assign, policy.units)
    return policy


def _check_mixes(policy: MixPolicy) -> None:
    """There is a mix for each cluster and a share for each category, within the bounds."""
    count = 1 if policy.clusters is None else policy.clusters.n_clusters
    shape = (count, len(policy.parts))
    (low, high), shares = policy.bounds, policy.shares
    if not shares.shape == low.shape == high.shape == shape:
        got = f"{shares.shape} and {policy.bounds.shape}"
        raise SnapshotError("mixes and bounds", f"be of shape {shape}", got, fix=FIX)
    within = (low - SLACK <= shares) & (shares <= high + SLACK)
    whole = np.abs(shares.sum(axis=1, keepdims=True) - 1) <= SLACK
    if not (within & whole & (low >= 0) & (high <= 1)).all():
        raise SnapshotError("mixes", "be shares of a whole, in bounds", "others", fix=FIX)
