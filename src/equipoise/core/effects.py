"""Effects: what an estimator says.  Axes: n units, k candidate treatments (control not among them),
m metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.display import Displayed, html_table
from equipoise.core.errors import InputError


@dataclass(frozen=True, repr=False)
class Effects(Displayed):
    """Expected change of every metric under every candidate, against control, for every unit.

    Attributes
    ----------
    values : array, (n, k, m)
        The effects, in each metric's own unit.
    baseline : array, (n, m)
        The expected level of each metric under control.
    candidates : tuple of str, (k,)
        The names of the candidates.
    metrics : tuple of str, (m,)
        The names of the metrics.
    std_error : array, (n, k, m), or None, default None
        Standard errors of the effects; None where no theory or bootstrap gave them.

    Examples
    --------
    >>> Effects(np.array([[[0.5]], [[1.5]]]), np.ones((2, 1)), ("mail",), ("visits",))
    Effects(2 units, 1 candidates, 1 metrics); mean effects:
      mail  visits +1
    """

    values: Floats
    baseline: Floats
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    std_error: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.baseline), len(self.candidates), len(self.metrics))
        if self.values.shape != shape or self.baseline.shape != (shape[0], shape[2]):
            shapes = f"values {self.values.shape}, baseline {self.baseline.shape}"
            raise InputError("effects", f"have shape (n, k, m) = {shape}", shapes)
        if self.std_error is not None and self.std_error.shape != shape:
            raise InputError("std_error", f"have the shape of values {shape}", self.std_error.shape)

    def __len__(self) -> int:
        return len(self.values)

    def metric(self, name: str) -> Floats:
        """Select the effects on one metric.

        Parameters
        ----------
        name : str
            The metric.

        Returns
        -------
        array, (n, k)
            In the metric's unit.
        """
        return self.values[:, :, _index("metric", self.metrics, name)]

    def candidate(self, name: str) -> Floats:
        """Select the effects of one candidate.

        Parameters
        ----------
        name : str
            The candidate.

        Returns
        -------
        array, (n, m)
            In each metric's unit.
        """
        return self.values[:, _index("candidate", self.candidates, name)]

    def levels(self) -> Floats:
        """Add the effects to the baseline.

        Returns
        -------
        array, (n, 1 + k, m)
            The expected level of each metric under control and under each candidate.
        """
        return np.concatenate(
            [self.baseline[:, None], self.baseline[:, None] + self.values], axis=1
        )

    def relative(self, floor: float | Sequence[float]) -> Floats:
        """Divide the effects by the baseline, floored where it is small (HMUM's delta).

        Parameters
        ----------
        floor : float, or sequence of float, (m,)
            The least denominator > 0, in each metric's unit; a small quantile of the baseline is a
            good choice.

        Returns
        -------
        array, (n, k, m)
            values / max(baseline, floor).

        Raises
        ------
        InputError
            Where a floor is not > 0.
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
        """Bound the effects from below by their standard errors.

        Parameters
        ----------
        z : float
            How many standard errors are subtracted.

        Returns
        -------
        array, (n, k, m)
            values - z * std_error.

        Raises
        ------
        InputError
            Where the effects have no standard errors.
        """
        if self.std_error is None:
            raise InputError(
                "effects",
                "have a std_error",
                None,
                fix="use an estimator that gives one, or bootstrap it",
            )
        return self.values - z * self.std_error

    def take(self, rows: Any) -> Effects:
        """Select some units, in the order of ``rows``.

        Parameters
        ----------
        rows : array-like or slice
            Row numbers, or True and False per unit.

        Returns
        -------
        Effects
            The effects of these units.
        """
        error = None if self.std_error is None else self.std_error[rows]
        return replace(
            self, values=self.values[rows], baseline=self.baseline[rows], std_error=error
        )

    def to_table(self) -> pa.Table:
        """Write the effects as a table, which `from_table` reads.

        Returns
        -------
        pyarrow.Table
            One row per unit; columns ``metric|baseline``, ``metric|candidate`` and, with standard
            errors, ``metric|candidate|se``.
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

    def _frame(self) -> pa.Table:
        return self.to_long()

    def __repr__(self) -> str:
        n, k, m = self.values.shape
        lines = [f"Effects({n:,} units, {k} candidates, {m} metrics); mean effects:"]
        width = max(map(len, self.candidates))
        means = self.values.mean(axis=0) if n else np.full((k, m), np.nan)
        for candidate, row in zip(self.candidates, means, strict=True):
            cells = ", ".join(f"{name} {x:+.4g}" for name, x in zip(self.metrics, row, strict=True))
            lines.append(f"  {candidate:<{width}}  {cells}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        n, k, m = self.values.shape
        means = self.values.mean(axis=0) if n else np.full((k, m), np.nan)
        rows = [
            (name, *(f"{x:+.4g}" for x in row))
            for name, row in zip(self.candidates, means, strict=True)
        ]
        caption = f"Mean effects of {n:,} units"
        return html_table(caption, rows, ("", *self.metrics))

    @classmethod
    def from_table(cls, table: pa.Table) -> Effects:
        """Read the effects from a table of `to_table`.

        Parameters
        ----------
        table : pyarrow.Table
            The table; the names are in its schema's metadata.

        Returns
        -------
        Effects
            Equal to those that were written.

        Raises
        ------
        InputError
            Where the metadata has no names.
        """
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
        has_errors = f"{metrics[0]}|{candidates[0]}|se" in table.column_names
        return cls(
            cube("{0}|{1}"),
            baseline,
            candidates,
            metrics,
            cube("{0}|{1}|se") if has_errors else None,
        )


def _index(what: str, names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise InputError(what, f"be one of {', '.join(names)}", repr(name))
    return names.index(name)
