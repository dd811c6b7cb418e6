"""Record batches as the parts that linear double machine learning walks over.

Every walk starts again at the first batch and gives the same rows with the same folds: a row's fold
is a hash of its number, so it depends neither on the size of the batches nor on how many rows there
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.features import matrix
from equipoise.core.folds import check_folds, check_seed
from equipoise.core.space import Space
from equipoise.estimators.dml import logged
from equipoise.estimators.dml.passes import Part, Sums
from equipoise.estimators.level_bounds import joint_bounds, outcome_bounds
from equipoise.estimators.training_data import infer_space


def row_folds(start: int, rows: int, folds: int, seed: int) -> Ints:
    """The folds of rows start, start + 1, ..., (rows,): the finaliser of SplitMix64 (Steele et al.
    2014) of seed and number.
    """
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    x = np.arange(start, start + rows, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((x ^ (x >> np.uint64(31))) % np.uint64(folds), np.int64)


class Source:
    """Where the rows come from and what each column is.

    Parameters are those of `LinearDML.fit_batches`, and ``space``, ``folds`` and ``seed`` of the
    estimator.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[pa.RecordBatch]],
        treatment: str | Sequence[str],
        outcomes: str | Sequence[str],
        features: Sequence[str] | None,
        weight: str | None,
        space: Space | None,
        folds: int,
        seed: int,
    ) -> None:
        check_folds(folds)
        check_seed(seed)
        if not callable(batches):
            fix = "the rows are walked over three times: lambda: read_batches(path)"
            raise InputError(
                "batches",
                "be a function that starts again at the first batch",
                type(batches).__name__,
                fix=fix,
            )
        self._batches = batches
        self._treatment = treatment
        self._weight = weight
        self._folds = folds
        self._seed = seed
        self._rows = -1
        self.bounds: Floats | None = None  # of the outcomes, (2, m), once walked
        self.outcomes = (outcomes,) if isinstance(outcomes, str) else tuple(outcomes)
        first = next((batch for batch in batches() if batch.num_rows), None)
        if first is None:
            raise InputError("batches", "have rows", 0, fix="check the file and its filters")
        vector = (treatment,) if isinstance(treatment, str) else tuple(treatment)
        others = {*vector, *self.outcomes, weight}
        names = (
            [name for name in first.schema.names if name not in others]
            if features is None
            else features
        )
        self.features = tuple(names)
        for name in (*vector, *self.outcomes, *self.features, *([weight] if weight else [])):
            if name not in first.schema.names:
                fix = f"columns: {', '.join(first.schema.names[:20])}"
                raise InputError(f"column {name!r}", "be in the batches", "no such column", fix=fix)
        twice = others & set(self.features)
        if twice or not self.features or not self.outcomes:
            got = f"{sorted(map(str, twice))} in both" if twice else "none"
            raise InputError(
                "features and outcomes", "be one or more columns each, with no other role", got
            )
        self.space = infer_space(self._treatments(first)) if space is None else space
        self.encode = self.space.encode
        self.columns = 0  # of the encoding, once walked
        self.known: Floats | None = None  # distinct treatments, or enough of them, once walked
        # only how weights compare says anything, and sums of their squares must not overflow
        self._unit = 1.0 if weight is None else float(self._weights(first, weight).max())

    def parts(self) -> Iterator[Part]:
        """One walk over the rows."""
        start = 0
        for number, batch in enumerate(self._batches()):
            if batch.num_rows == 0:
                continue
            try:
                part = self._part(batch, start)
            except InputError as error:  # its row is one of the batch
                where = (
                    f"{error.where} of batch {number}, which starts at row {start}".removeprefix(
                        " of "
                    )
                )
                raise type(error)(error.what, error.must, error.got, where, error.fix) from error
            start += batch.num_rows
            if self._rows == -1:
                own = outcome_bounds(part.y)
                self.bounds = own if self.bounds is None else joint_bounds(self.bounds, own)
            yield part
        if self._rows not in (-1, start):
            fix = "give a function that opens the file anew each time"
            raise InputError(
                "batches", f"give the same {self._rows} rows each time", start, fix=fix
            )
        self._rows = start

    def treatments(self) -> Floats:
        """The distinct treatments of all rows, (s, c), by a walk of their own; of many, some."""
        known: Floats | None = None
        for batch in self._batches():
            if batch.num_rows:
                treatment = self.space.check(self._treatments(batch))
                known = logged.distinct(logged.numbers(self.space, treatment), known)
        return np.zeros((0, 1)) if known is None else known

    def check(self, sums: Sums) -> None:
        """Refuse an outcome that does not vary."""
        total, m = sums.grams.sum(axis=0), len(self.outcomes)
        square, mean = np.diag(total)[-m:] / total[0, 0], total[0, -m:] / total[0, 0]
        flat = square - mean**2 <= 1e-24 * np.square(sums.shift[-m:] + mean)
        if flat.any():
            j = int(np.argmax(flat))
            value = f"{sums.shift[-m:][j] + mean[j]:g} in every row"
            raise InputError(
                f"outcome {self.outcomes[j]!r}", "vary", value, fix="take it out of the metrics"
            )

    def _part(self, batch: pa.RecordBatch, start: int) -> Part:
        X = _numbers(
            batch, self.features, "feature", np.isfinite, "be a finite number, not missing"
        )
        y = _numbers(batch, self.outcomes, "outcome", np.isfinite, "be finite")
        treatment = self.space.check(self._treatments(batch))
        phi = self.encode(treatment)
        self.columns = phi.shape[1]
        if self._rows == -1:
            rows = logged.numbers(self.space, treatment)
            self.known = logged.distinct(rows, self.known, phi.shape[1] + 1)
        weight = None
        if self._weight is not None:
            weight = self._weights(batch, self._weight) / self._unit
        return Part(
            X,
            phi,
            y,
            row_folds(start, batch.num_rows, self._folds, self._seed),
            weight,
            start=start,
        )

    def _weights(self, batch: pa.RecordBatch, name: str) -> Floats:
        return _numbers(batch, (name,), "weight", _positive, "be a finite number > 0")[:, 0]

    def _treatments(self, batch: pa.RecordBatch) -> Any:
        if not isinstance(self._treatment, str):
            return matrix(batch.select(list(self._treatment)))[0]
        column = pa.chunked_array([batch.column(self._treatment)])
        if columns.missing(column).any():
            row = int(np.argmax(columns.missing(column)))
            raise InputError(
                "treatment",
                "have no missing value",
                "null",
                f"row {row}",
                "drop the row or fill it",
            )
        return columns.decoded(column).to_numpy()


def _positive(values: Floats) -> Bools:
    return np.isfinite(values) & (values > 0)


def _numbers(
    batch: pa.RecordBatch,
    names: Sequence[str],
    role: str,
    rule: Callable[[Floats], Bools],
    must: str,
) -> Floats:
    values = np.empty((batch.num_rows, len(names)))
    for j, name in enumerate(names):
        column = pa.chunked_array([batch.column(name)])
        if not columns.is_numeric(column):
            fix = "FeatureMap makes numbers of text columns"
            raise InputError(f"{role} {name!r}", "be numbers", str(column.type), fix=fix)
        values[:, j] = one = columns.numbers(column)
        good = rule(one)
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(
                f"{role} {name!r}", must, values[row, j], f"row {row}", "mend or drop the row"
            )
    return values
