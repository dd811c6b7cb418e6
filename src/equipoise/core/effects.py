"""Effects: what an estimator says.  Axes: n units, k candidate treatments (control not among them),
m metrics.

As a table they are a column for each metric and candidate.  Names are data: the schema's metadata
lists them as JSON, and a column's key escapes them, so that any name is safe:

    level under control         metric|baseline
    effect of a candidate       metric|candidate
    its standard error          metric|candidate|se

with a backslash before every bar and backslash in a name, and before a candidate "baseline".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.display import Displayed, first_lines, html_table
from equipoise.core.effect_frames import BASELINE, read_frame
from equipoise.core.effective_size import critical
from equipoise.core.errors import InputError

FORMAT, CANDIDATES, METRICS = b"equipoise.effects", b"equipoise.candidates", b"equipoise.metrics"
METHOD, DF = b"equipoise.error_method", b"equipoise.error_df"
GIVEN = "standard errors as given"
GIVES = "dml, dml-sparse and causal-forest give them, Bootstrapped gives any other estimator's"
BEFORE = "\x1f"  # parted the names of version 0.1.0, which wrote them into columns as they were


@dataclass(frozen=True)
class EffectIntervals:
    """Intervals of effects, each by itself; ``low, high = intervals`` unpacks them.

    Attributes
    ----------
    low, high : array, (n, k, m)
        Their ends, in each metric's unit.
    level : float
        How often an interval holds the effect, as far as the method is right.
    method : str
        How the standard errors were made.

    Examples
    --------
    >>> low, high = EffectIntervals(np.zeros((1, 1, 1)), np.ones((1, 1, 1)), 0.95, "by hand")
    >>> high.item()
    1.0
    """

    low: Floats
    high: Floats
    level: float
    method: str

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.low, self.high))


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
    error_method : str, default ""
        How they were made; "" where nobody said.
    error_df : float, default inf
        Their degrees of freedom: of a bootstrap its replicates less one.

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
    error_method: str = ""
    error_df: float = np.inf

    def __post_init__(self) -> None:
        shape = (len(self.baseline), len(self.candidates), len(self.metrics))
        if self.values.shape != shape or self.baseline.shape != (shape[0], shape[2]):
            shapes = f"values {self.values.shape}, baseline {self.baseline.shape}"
            raise InputError("effects", f"have shape (n, k, m) = {shape}", shapes)
        if self.std_error is not None and self.std_error.shape != shape:
            raise InputError("std_error", f"have the shape of values {shape}", self.std_error.shape)
        for what, names in (("candidates", self.candidates), ("metrics", self.metrics)):
            if len(set(names)) < len(names):
                raise InputError(f"the effects' {what}", "have different names", list(names))

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
        return self.values - z * self._errors()

    def interval(self, level: float = 0.95) -> EffectIntervals:
        """Intervals of every unit's effects, by a method that says its name.

        Parameters
        ----------
        level : float, default 0.95
            How often an interval is to hold the effect, above 0 and below 1.

        Returns
        -------
        EffectIntervals
            values -+ a quantile of Student's t * std_error, with the ``method``.

        Raises
        ------
        InputError
            Where the effects have no standard errors; it says which estimators give them.

        Notes
        -----
        Each interval is of the effect of one candidate on one metric for people with these
        features, one at a time.  It counts chance, not what the model's form leaves out: that of
        `LinearDML` holds the effect where it is linear in the modifiers, else the nearest line's;
        that of a forest or a bootstrap leaves out the model's own bias.  It is not of a single
        person's outcome.

        Examples
        --------
        >>> cube = np.array([[[1.0]]])
        >>> effects = Effects(cube, cube[0], ("mail",), ("sales",), cube / 2, "by hand")
        >>> low, high = effects.interval(0.95)
        >>> low.round(2).item(), high.round(2).item(), effects.interval().method
        (0.02, 1.98, 'by hand')
        """
        if not 0 < level < 1:
            raise InputError("level", "lie between 0 and 1", level, fix="0.95 is usual")
        reach = float(critical(level, self.error_df)) * self._errors()
        method = self.error_method or GIVEN
        return EffectIntervals(self.values - reach, self.values + reach, level, method)

    def _errors(self) -> Floats:
        """The standard errors, which must be there."""
        if self.std_error is None:
            raise InputError("effects", "have a std_error", None, fix=GIVES)
        return self.std_error

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
            errors, ``metric|candidate|se``; a bar or a backslash in a name has a backslash before
            it, as has a candidate ``baseline``.
        """
        keys, columns = _keys(self.candidates, self.metrics), {}
        for j in range(len(self.metrics)):
            columns[keys.baseline[j]] = self.baseline[:, j]
            for a in range(len(self.candidates)):
                columns[keys.effect[a][j]] = self.values[:, a, j]
                if self.std_error is not None:
                    columns[keys.error[a][j]] = self.std_error[:, a, j]
        names = {CANDIDATES: self.candidates, METRICS: self.metrics}
        about = {name: json.dumps(list(value)) for name, value in names.items()}
        if self.std_error is not None:
            about |= {METHOD: self.error_method, DF: str(float(self.error_df))}
        return pa.table(columns).replace_schema_metadata({FORMAT: b"2", **about})

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
        return first_lines(lines, "more candidates")

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
            The table; the names are in its schema's metadata.  Tables of version 0.1.0 are read.

        Returns
        -------
        Effects
            Equal to those that were written.

        Raises
        ------
        InputError
            Where the metadata has no names, a column is not there, or version 0.1.0 wrote two of
            them into one.
        """
        candidates, metrics, keys = _read_names(table)
        every = [*keys.baseline, *sum(keys.effect, ())]
        has_errors = keys.error[0][0] in table.column_names
        every += sum(keys.error, ()) if has_errors else ()
        fix = "make the effects again: a run of this version writes them"
        if len(set(every)) < len(every):
            twice = next(key for key in every if every.count(key) > 1)
            raise InputError("an effects table", "have a column each", f"two in {twice!r}", "", fix)
        for key in every:
            if table.column_names.count(key) != 1:
                got = f"{table.column_names.count(key)} of them"
                raise InputError(f"an effects table's column {key!r}", "occur once", got, "", fix)

        def cube(of_candidates: tuple[tuple[str, ...], ...]) -> Floats:
            return np.stack(
                [[table[key].to_numpy() for key in of_one] for of_one in of_candidates]
            ).transpose(2, 0, 1)

        baseline = np.stack([table[key].to_numpy() for key in keys.baseline], axis=1)
        error = cube(keys.error) if has_errors else None
        return cls(cube(keys.effect), baseline, candidates, metrics, error, *_read_method(table))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        metric: str = "outcome",
        candidates: Sequence[str] | None = None,
        id: str | None = None,
    ) -> Effects:
        """Read effects that any other model predicted.

        Parameters
        ----------
        frame : pandas, polars, pyarrow or any narwhals frame, dict of columns, or array
            One row per unit.  A column ``candidate`` holds its effects on the one metric,
            ``candidate|se`` their standard errors, ``baseline`` the levels under control; with
            several metrics ``metric|candidate``, ``metric|candidate|se`` and ``metric|baseline``,
            as `to_table` writes them.  The columns of an array (n, k), or (n,), are the candidates.
        metric : str, default "outcome"
            The name of the metric, where the columns do not say it.
        candidates : sequence of str, default None
            Which candidates, in which order; None: all, as the columns stand.
        id : str, default None
            A column that names the units, which is left out.

        Returns
        -------
        Effects
            Levels under control are 0 where the frame has none: effects and their order are right,
            `levels` and `relative` mean nothing.

        Raises
        ------
        InputError
            Where a column is no number, not finite, or has no name of these forms; where an effect
            of one candidate on one metric is missing.

        Examples
        --------
        >>> frame = {"mail": [0.5, 1.5], "mail|se": [0.1, 0.2]}
        >>> Effects.from_frame(frame, metric="sales")
        Effects(2 units, 1 candidates, 1 metrics); mean effects:
          mail  sales +1
        >>> frame = {"id": ["a", "b"], "sales|mail": [0.5, 1.5], "visits|mail": [1, 3]}
        >>> Effects.from_frame(frame, id="id").metrics
        ('sales', 'visits')
        """
        return cls(*read_frame(frame, metric, candidates, id))


class _Keys(NamedTuple):
    """The columns of a table of effects: (m,), (k, m) and (k, m)."""

    baseline: tuple[str, ...]
    effect: tuple[tuple[str, ...], ...]
    error: tuple[tuple[str, ...], ...]


def _keys(candidates: tuple[str, ...], metrics: tuple[str, ...]) -> _Keys:
    """The columns of this version: every name escaped, so that no two of them meet."""
    metrics = tuple(map(_escaped, metrics))
    safe = [f"\\{name}" if name == BASELINE else _escaped(name) for name in candidates]
    return _joined(tuple(safe), metrics)


def _joined(candidates: tuple[str, ...], metrics: tuple[str, ...]) -> _Keys:
    return _Keys(
        tuple(f"{metric}|{BASELINE}" for metric in metrics),
        tuple(tuple(f"{metric}|{name}" for metric in metrics) for name in candidates),
        tuple(tuple(f"{metric}|{name}|se" for metric in metrics) for name in candidates),
    )


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("|", "\\|")


def _read_names(table: pa.Table) -> tuple[tuple[str, ...], tuple[str, ...], _Keys]:
    """The candidates, the metrics and the columns of a table that this version or 0.1.0 wrote."""
    meta = table.schema.metadata or {}
    try:
        texts = [meta[name].decode() for name in (CANDIDATES, METRICS)]
        if FORMAT not in meta:
            candidates, metrics = (tuple(text.split(BEFORE)) for text in texts)
            return candidates, metrics, _joined(candidates, metrics)
        candidates, metrics = (tuple(json.loads(text)) for text in texts)
        return candidates, metrics, _keys(candidates, metrics)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        what, must = "an effects table", "be written by Effects.to_table"
        raise InputError(what, must, table.column_names[:5]) from error


def _read_method(table: pa.Table) -> tuple[str, float]:
    """How standard errors were made, and their degrees of freedom; "" in tables before 0.3."""
    meta = table.schema.metadata or {}
    try:
        return meta.get(METHOD, b"").decode(), float(meta.get(DF, b"inf"))
    except ValueError as error:
        must, got = "be a number", repr(meta[DF])
        raise InputError("the degrees of freedom of an effects table", must, got) from error


def _index(what: str, names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise InputError(what, f"be one of {', '.join(names)}", repr(name))
    return names.index(name)
