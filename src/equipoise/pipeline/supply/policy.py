"""What gives users their mixes: a snapshot of clusters and their mixes, or of the forest that finds each user's own.

raw columns -> feature map -> cluster -> its mix            or  -> forest, within the cluster's bounds -> mix
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise import __version__
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import DataError, SnapshotError
from equipoise.core.features import FeatureMap, matrix, to_arrow
from equipoise.core.snapshot import read_snapshot, replacing, write_snapshot
from equipoise.data import read_batches
from equipoise.estimators import Clusters, estimator_from_parts, estimator_parts
from equipoise.estimators.base import complete
from equipoise.pipeline.score import MARK, PLAN_PART, check_out

KIND, MIXES_PART = "mixes", "mixes.json"
CLUSTERS, FOREST = "clusters", "forest"


@dataclass(frozen=True)
class MixPolicy:
    """Mixes for users.

    Attributes
    ----------
    parts : the K categories.   clusters : None where all users are one.   shares : (C, K), of each cluster.
    bounds : (2, C, K), the least and largest shares, within which the forest, if there is one, finds each user's own mix.
    id : the column of user ids, or None.
    """

    features: FeatureMap
    parts: tuple[str, ...]
    clusters: Clusters | None
    shares: Floats
    bounds: Floats
    forest: Any = None
    id: str | None = None

    def mixes(self, X: Floats) -> tuple[Ints, Floats]:
        """The cluster (n,) and the mix (n, K) of users."""
        label = np.zeros(len(X), np.int64) if self.clusters is None else self.clusters.predict(X)
        if self.forest is None:
            return label, self.shares[label]
        found = np.empty((len(X), len(self.parts)))
        for c in np.unique(label):
            low, high = self.bounds[:, c]
            found[label == c] = self.forest.recommend(X[label == c], low=low, high=high)
        return label, found

    def assign(self, frame: Any, start: int = 0) -> pa.Table:
        """One row a user of a frame of raw columns: the id or number, the cluster, and a column a category."""
        table = to_arrow(frame)
        X, names = matrix(self.features.transform(table))
        complete(X, names)
        unit = table[self.id] if self.id in table.column_names else np.arange(start, start + table.num_rows)
        label, mixes = self.mixes(X)
        columns = dict(zip(self.parts, mixes.T, strict=True))
        return pa.table({self.id or "row": unit, "cluster": label + 1, **columns})


def write_mix_policy(path: Path | str, policy: MixPolicy, plan: str) -> str:
    """Write the snapshot and return its id.   plan : the text of the plan it was made by."""
    said = {"parts": list(policy.parts), "shares": policy.shares.tolist(), "bounds": policy.bounds.tolist()}
    parts = {PLAN_PART: plan.encode(), MIXES_PART: (json.dumps(said, indent=1) + "\n").encode()}
    models: dict[str, Any] = {}
    for name, model in ((CLUSTERS, policy.clusters), (FOREST, policy.forest)):
        if model is not None:
            own, models[name] = estimator_parts(model)
            parts |= {f"{name}-{part}": data for part, data in own.items()}
    about = {"kind": KIND, "version": __version__, "models": models, "features": policy.features.to_json(), "id": policy.id}
    return write_snapshot(path, parts, about)


def read_mix_policy(path: Path | str) -> MixPolicy:
    """The policy of a snapshot folder; a changed byte is refused."""
    snapshot = read_snapshot(path)
    meta = snapshot.meta
    if meta.get("kind") != KIND:
        fix = "give the policy/ folder of a run with [supply]"
        raise SnapshotError("a snapshot", "be that of mixes", repr(meta.get("kind")), str(path), fix)
    said = json.loads(snapshot.parts[MIXES_PART])
    made = {name: _model(snapshot.parts, name, about) for name, about in meta["models"].items()}
    return MixPolicy(
        FeatureMap.from_json(meta["features"]),
        tuple(said["parts"]),
        made.get(CLUSTERS),
        np.asarray(said["shares"]),
        np.asarray(said["bounds"]),
        made.get(FOREST),
        meta["id"],
    )


def _model(parts: Mapping[str, bytes], name: str, about: Mapping[str, Any]) -> Any:
    own = {part.removeprefix(f"{name}-"): data for part, data in parts.items() if part.startswith(f"{name}-")}
    return estimator_from_parts(own, about)


def gives_mixes(path: Path | str) -> bool:
    """Whether a snapshot folder is one of mixes."""
    return read_snapshot(path).meta.get("kind") == KIND


def mix_file(policy: Path | str, units: Path | str, out: Path | str) -> dict[str, Any]:
    """Give the users of a file their mixes, as Parquet, whole or not at all; returns how many of each cluster."""
    made, count = read_mix_policy(policy), 0
    check_out(Path(out), Path(units), Path(policy))
    found: dict[str, int] = {}
    with replacing(out) as file:
        writer = None
        for batch in read_batches(units):
            if batch.num_rows == 0:
                continue
            table = made.assign(pa.Table.from_batches([batch]), count).replace_schema_metadata(MARK)
            writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
            count += table.num_rows
            for label, many in zip(*np.unique(table["cluster"].to_numpy(), return_counts=True), strict=True):
                found[f"cluster {label}"] = found.get(f"cluster {label}", 0) + int(many)
        if writer is None:
            raise DataError("a file of units", "have rows", 0, str(units), "check the file and its filters")
        writer.close()
    return {"units": count, "clusters": found}
