"""Effects: what an estimator says.  Axes: n units, k candidate treatments (control not among them),
m metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError, MissingExtra


@dataclass(frozen=True, repr=False)
class Effects:
    """Expected change of every metric under every candidate, against control, for every unit.

    Attributes
    ----------
    values : (n, k, m), in each metric's own unit.
    baseline : (n, m), the expected level of each metric under control.
    candidates, metrics : the names of axes k and m.
    std_error : (n, k, m) or None where no theory or bootstrap gave one.
    """

    values: Floats
    baseline: Floats
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    std_error: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.baseline), len(self.candidates), len(self.metrics))
        if self.values.shape != shape or self.baseline.shape != (shape[0], shape[2]):
            got = f"values {self.values.shape}, baseline {self.baseline.shape}"
            raise InputError("effects", f"have shape (n, k, m) = {shape}", got)
        if self.std_error is not None and self.std_error.shape != shape:
            raise InputError("std_error", f"have the shape of values {shape}", self.std_error.shape)

    def __len__(self) -> int:
        return len(self.values)

    def metric(self, name: str) -> Floats:
        """The effects on one metric, (n, k)."""
        return self.values[:, :, _index("metric", self.metrics, name)]

    def candidate(self, name: str) -> Floats:
        """The effects of one candidate, (n, m)."""
        return self.values[:, _index("candidate", self.candidates, name)]

    def levels(self) -> Floats:
        """The expected level of each metric under control and each candidate, (n, 1 + k, m)."""
        return np.concatenate(
            [self.baseline[:, None], self.baseline[:, None] + self.values], axis=1
        )

    def relative(self, floor: float | Sequence[float]) -> Floats:
        """The relative change values / baseline, (n, k, m), with the denominator floored (HMUM's
        delta).

        ``floor`` > 0 is in each metric's unit, one number or one per metric; a small quantile of
        the baseline is a good choice.
        """
        least = np.broadcast_to(np.asarray(floor, np.float64), (len(self.metrics),))
        if not (least > 0).all():
            raise InputError(
                "floor",
                "be > 0 for every metric",
                floor,
                fix="try a small quantile of the baseline",
            )
        return self.values / np.maximum(self.baseline, least)[:, None]

    def lower(self, z: float) -> Floats:
        """values - z * std_error, (n, k, m): what the effects are with more certainty."""
        if self.std_error is None:
            raise InputError(
                "effects",
                "have a std_error",
                None,
                fix="use an estimator that gives one, or bootstrap it",
            )
        return self.values - z * self.std_error

    def take(self, rows: Any) -> Effects:
        """The effects of some units, in the order asked."""
        error = None if self.std_error is None else self.std_error[rows]
        return replace(
            self, values=self.values[rows], baseline=self.baseline[rows], std_error=error
        )

    def to_table(self) -> pa.Table:
        """One row a unit; columns ``metric|baseline``, ``metric|candidate`` and
        ``metric|candidate|se``.
        """
        columns: dict[str, Any] = {}
        for j, metric in enumerate(self.metrics):
            columns[f"{metric}|baseline"] = self.baseline[:, j]
            for a, candidate in enumerate(self.candidates):
                columns[f"{metric}|{candidate}"] = self.values[:, a, j]
                if self.std_error is not None:
                    columns[f"{metric}|{candidate}|se"] = self.std_error[:, a, j]
        table = pa.table(columns)
        return table.replace_schema_metadata(
            {
                "equipoise.candidates": "\x1f".join(self.candidates),
                "equipoise.metrics": "\x1f".join(self.metrics),
            }
        )

    def to_long(self) -> pa.Table:
        """One row per unit, candidate and metric, for frames and drawings.

        Returns
        -------
        pyarrow.Table, n * k * m rows
            unit (row number), candidate, metric, effect and baseline in the metric's unit, and
            std_error (null where there is none).

        Examples
        --------
        >>> effects = Effects(np.array([[[0.5]]]), np.array([[2.0]]), ("mail",), ("visits",))
        >>> effects.to_long().to_pylist()[0]["effect"]
        0.5
        """
        n, k, m = self.values.shape
        unit, candidate, metric = np.indices((n, k, m)).reshape(3, -1)
        error = None if self.std_error is None else self.std_error.ravel()
        return pa.table(
            {
                "unit": unit,
                "candidate": np.asarray(self.candidates)[candidate],
                "metric": np.asarray(self.metrics)[metric],
                "effect": self.values.ravel(),
                "baseline": self.baseline[unit, metric],
                "std_error": pa.nulls(n * k * m, pa.float64()) if error is None else error,
            }
        )

    def to_pandas(self) -> Any:
        """`to_long` as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            One row per unit, candidate and metric.

        Examples
        --------
        >>> effects = Effects(np.array([[[0.5]]]), np.array([[2.0]]), ("mail",), ("visits",))
        >>> effects.to_pandas()["effect"].tolist()
        [0.5]
        """
        return frame_library("pandas").DataFrame(self.to_long().to_pydict())

    def to_polars(self) -> Any:
        """`to_long` as a polars frame.

        Returns
        -------
        polars.DataFrame
            One row per unit, candidate and metric.

        Examples
        --------
        >>> effects = Effects(np.array([[[0.5]]]), np.array([[2.0]]), ("mail",), ("visits",))
        >>> effects.to_polars()["effect"].to_list()
        [0.5]
        """
        return frame_library("polars").from_arrow(self.to_long())

    def __repr__(self) -> str:
        n, k, m = self.values.shape
        lines = [f"Effects({n:,} units, {k} candidates, {m} metrics); mean effects:"]
        width = max(map(len, self.candidates))
        means = self.values.mean(axis=0) if n else np.full((k, m), np.nan)
        for candidate, row in zip(self.candidates, means, strict=True):
            cells = ", ".join(f"{name} {x:+.4g}" for name, x in zip(self.metrics, row, strict=True))
            lines.append(f"  {candidate:<{width}}  {cells}")
        return "\n".join(lines)

    @classmethod
    def from_table(cls, table: pa.Table) -> Effects:
        """The inverse of `to_table`."""
        meta = table.schema.metadata or {}
        if b"equipoise.metrics" not in meta:
            raise InputError(
                "an effects table", "be written by Effects.to_table", table.column_names[:5]
            )
        candidates = tuple(meta[b"equipoise.candidates"].decode().split("\x1f"))
        metrics = tuple(meta[b"equipoise.metrics"].decode().split("\x1f"))

        def cube(pattern: str) -> Floats:
            return np.stack(
                [[table[pattern.format(j, a)].to_numpy() for j in metrics] for a in candidates]
            ).transpose(2, 0, 1)

        baseline = np.stack([table[f"{j}|baseline"].to_numpy() for j in metrics], axis=1)
        known = f"{metrics[0]}|{candidates[0]}|se" in table.column_names
        return cls(
            cube("{0}|{1}"), baseline, candidates, metrics, cube("{0}|{1}|se") if known else None
        )


def frame_library(name: str) -> Any:
    """A library of frames by name; an error that says what to install where it is absent."""
    try:
        return import_module(name)
    except ImportError as error:
        what, must = name, "be installed to give its frames"
        raise MissingExtra(what, must, "no such module", fix=f"pip install {name}") from error


def _index(what: str, names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise InputError(what, f"be one of {', '.join(names)}", repr(name))
    return names.index(name)
