"""What ranks the candidates of requests: a snapshot of an ensemble, and of the models of its base
scores where they are ours.

raw columns -> base scores, the user's own and those of models -> ensemble -> score -> place in the
request
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.meta import RankingMeta, check_meta, try_on_one_unit
from equipoise.artifacts.model_parts import named_parts, parts_of
from equipoise.artifacts.policy import PLAN_PART
from equipoise.artifacts.unit_columns import UnitColumns, UnitReader
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_ids import UniqueIds
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.frames import to_arrow
from equipoise.core.snapshot import FIX, Snapshot, as_written, read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.ranking import ranker_from_parts, ranker_parts
from equipoise.ranking.base_scores.table import score_table
from equipoise.ranking.places import places
from equipoise.ranking.rows import refuse_scores

KIND, RANKER = "ranking", "ranker"
FIX_SCORES = "give what the model of the log's scores says of it"


@dataclass(frozen=True)
class RankingPolicy:
    """The order of each request's candidates.

    Attributes
    ----------
    ranker : Ranker
        Base scores and profile -> one score.
    features : FeatureMap
        Its columns are those that rows must have.
    models : mapping of str to ScoreModel, default empty
        Of base scores; none where rows bring all of them.
    scores : tuple of str, default ()
        Columns of base scores that rows bring.
    profile, model_columns : tuple of str, default ()
        Columns of the viewer, and those that models read.
    request, item : str or None, default None
        The column of requests, and of candidates; without requests rows have no places.
    columns : UnitColumns, default empty
        What the log's columns were.
    """

    ranker: Any
    features: FeatureMap
    models: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    model_columns: tuple[str, ...] = ()
    request: str | None = None
    item: str | None = None
    columns: UnitColumns = field(default_factory=UnitColumns)

    @property
    def units(self) -> UnitReader:
        """How rows are read."""
        groups = () if self.request is None else (self.request,)
        return UnitReader(self.features, self.columns, groups, id=self.item)

    def numbered(self) -> RankingPolicy:
        """The same for candidates without a column of their own: rows are numbered anyway."""
        return replace(self, item=None)

    def score(self, table: pa.Table, start: int = 0) -> Floats:
        """The score of each row, (n,), higher first.   table: its columns as the log had them;
        start: the number of its first row, for errors.
        """
        given = table.select(self.scores)
        if self.scores:
            values = np.column_stack([columns.numbers(given[name]) for name in self.scores])
            refuse_scores(values, self.scores, self.ranker.scores, start, FIX_SCORES)
        X = dict(zip(given.column_names, given.columns, strict=True))
        if self.models:
            own = score_table(self.models, table.select(self.model_columns))
            names = self.ranker.feature_names_in_[
                len(self.scores) :
            ]  # as they were free in the log
            X |= dict(zip(names, own.columns, strict=True))
        viewers = table.select(self.profile) if self.profile else None
        return np.asarray(self.ranker.predict(pa.table(X), profile=viewers), np.float64)

    def assign(self, frame: Any, start: int = 0) -> pa.Table:
        """One row a candidate of a frame of raw columns: its number, the request and the candidate
        where there are such columns, its score, and its place in the request, 1 the first.
        """
        counts = UnitCounts(self.units)
        ranked = self._assign(counts.read(to_arrow(frame)), start)
        counts.warn()
        return ranked

    def batches(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The same for record batches; a request may go on in the next batch, so that its rows wait
        for the batch in which it ends.
        """
        every = counts or UnitCounts(self.units)
        with UniqueIds(self.request or "") as seen:
            for table, start in self._whole_requests(batches, every):
                if self.request is not None:
                    _add_runs(seen, table[self.request])
                yield from self._assign(table, start).combine_chunks().to_batches()
                if counts is None:
                    every.warn()
            if self.request is not None:
                self._check_runs(seen)

    def hold(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[pa.RecordBatch]:
        """Refused: the order of a request's candidates meets no demands on the whole."""
        fix = "leave --hold out: a request is ranked by itself"
        what = "a policy of one choice per unit"
        raise InputError("--hold", f"go with {what}", "a ranking of candidates", fix=fix)

    def summary(self) -> RequestSummary:
        """How many requests a file has."""
        return RequestSummary()

    def _assign(self, table: pa.Table, start: int) -> pa.Table:
        score = self.score(table, start)
        ranked: dict[str, Any] = {"row": np.arange(start, start + table.num_rows)}
        for name in (self.request, self.item):
            if name is not None:
                ranked[columns.free_name(name, ("row", "score", "place"))] = table[name]
        ranked["score"] = score
        if self.request is not None:
            ranked["place"] = places(score, columns.codes(table[self.request])[0])
        return pa.table(ranked)

    def _whole_requests(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[tuple[pa.Table, int]]:
        """Tables that end with the end of a request, and the numbers of their first rows."""
        waiting: list[pa.Table] = []
        start = 0
        for batch in batches:
            if batch.num_rows == 0:
                continue
            table = counts.read(pa.Table.from_batches([batch]))
            if self.request is None:
                yield table, start
                start += table.num_rows
                continue
            last = _last_run(table[self.request])
            begun = waiting and waiting[-1][self.request][-1] == table[self.request][0]
            if last == 0 and begun:
                waiting.append(table)
                continue
            whole = pa.concat_tables([*waiting, table.slice(0, last)])
            waiting = [table.slice(last)]
            if whole.num_rows:
                yield whole, start
                start += whole.num_rows
        if waiting:
            yield pa.concat_tables(waiting), start

    def _check_runs(self, seen: UniqueIds) -> None:
        try:
            seen.check()
        except InputError as error:
            must, fix = "stand together in the file", f"sort the file by {self.request!r}"
            got = "other requests between them"
            raise InputError(f"the rows of a {self.request!r}", must, got, fix=fix) from error


def _last_run(column: pa.ChunkedArray) -> int:
    """Where the run of rows that ends a column begins."""
    other = np.asarray(pc.not_equal(columns.decoded(column), column[-1]).fill_null(True))
    return int(np.flatnonzero(other)[-1]) + 1 if other.any() else 0


def _add_runs(seen: UniqueIds, column: pa.ChunkedArray) -> None:
    """The request of each run of rows."""
    codes = columns.codes(column)[0]
    seen.add(column.filter(pa.array(np.diff(codes, prepend=-1) != 0)))


@dataclass
class RequestSummary:
    """How many requests a file has."""

    requests: int = 0
    ranked: bool = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        self.ranked = "place" in batch.schema.names
        if self.ranked:
            self.requests += pc.sum(pc.equal(batch.column("place"), 1)).as_py() or 0

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""
        return {"requests": self.requests} if self.ranked else {}


def write_ranking_policy(path: Path | str, policy: RankingPolicy, plan: str) -> str:
    """Write the snapshot and return its id.   plan : the text of the plan it was made by."""
    parts = {PLAN_PART: plan.encode()}
    saved: dict[str, Any] = {}
    for name, thing in ((RANKER, policy.ranker), *policy.models.items()):
        own, saved[name] = ranker_parts(thing)
        parts |= named_parts(name, own)
    about = {
        "kind": KIND,
        "version": __version__,
        "features": policy.features.to_json(),
        "ranker": saved.pop(RANKER),
        "models": saved,
        "scores": list(policy.scores),
        "profile": list(policy.profile),
        "model_columns": list(policy.model_columns),
        "request": policy.request,
        "item": policy.item,
        "columns": policy.columns.to_json(),
    }
    return write_snapshot(path, parts, about)


def read_ranking_policy(path: Path | str) -> RankingPolicy:
    """The policy of a snapshot folder; a changed byte is refused."""
    snapshot = read_snapshot(path)
    kind = snapshot.meta.get("kind")
    if kind != KIND:
        fix = "give the policy/ folder of a run with [ranking]"
        raise SnapshotError("a snapshot", "be that of a ranking", repr(kind), str(path), fix)
    return ranking_policy_of(snapshot)


def ranking_policy_of(snapshot: Snapshot) -> RankingPolicy:
    """The ranking that a verified snapshot of its kind holds."""
    meta = snapshot.meta
    check_meta(RankingMeta, meta)
    with as_written():
        policy = RankingPolicy(
            ranker_from_parts(parts_of(RANKER, snapshot.parts), meta["ranker"]),
            FeatureMap.from_json(meta["features"]),
            {
                name: ranker_from_parts(parts_of(name, snapshot.parts), own)
                for name, own in meta["models"].items()
            },
            tuple(meta["scores"]),
            tuple(meta["profile"]),
            tuple(meta["model_columns"]),
            meta["request"],
            meta["item"],
            UnitColumns.from_json(meta["columns"]),
        )
        used = {*policy.scores, *policy.profile, *policy.model_columns}
        if used != set(policy.features.columns_):
            got = sorted(used ^ set(policy.features.columns_))
            raise SnapshotError("a ranking's columns", "be those of its features", got, fix=FIX)
    try_on_one_unit(lambda table: _check_answer(policy.assign(table)), policy.units)
    return policy


def _check_answer(ranked: pa.Table) -> None:
    score = np.asarray(ranked["score"])
    if not np.isfinite(score).all():
        raise SnapshotError("a score", "be finite", score[0], fix=FIX)
