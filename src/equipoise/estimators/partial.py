"""Partial curves: the effects that a model predicts where one feature, or two, are set to a value
and all others stay as they are.

    PD_j(v)      = mean over rows i of effect(v, x_i,-j)                       Friedman (2001)
    PD_jk(u, v)  = mean over rows i of effect(u, v, x_i,-jk)
    I_jk         = PD_jk less the sum of a curve of j and one of k that is nearest to it
    H_jk^2       = sum I_jk^2 / sum PD_jk^2, centred                 Friedman & Popescu (2008), (44)

on a grid of a few values, each cell weighted by its share of the rows; where features are
independent the two curves are PD_j and PD_k.  A value is one that a row has.  The curve is of the
model and not of the experiment: rows with the value are not compared with others, and values that
do not go together with the rest of a row are asked about all the same.

References
----------
Friedman (2001), Greedy function approximation, Annals of Statistics 29.
Friedman & Popescu (2008), Predictive learning via rule ensembles, Annals of Applied Statistics 2.
Goldstein, Kapelner, Bleich & Pitkin (2015), Peeking inside the black box, JCGS 24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.features import least_rows, matrix
from equipoise.core.frames import is_array, to_arrow

CHUNK = 20_000  # rows that are predicted at a time
ROWS, PAIR_ROWS = 300, 100  # of a sample: a mean over them errs by a tenth of the spread or less
POINTS, PAIR_POINTS = 12, 6  # of a grid
MOST_LEVELS = 12  # of a column of text, by rows
SPREAD = 0.8  # of the rows' own curves lie in the band
TENTHS = np.arange(1, 10) / 10
REPLICATES = 100  # of a bootstrap


@dataclass(frozen=True)
class Grid:
    """The values of a feature that are asked about.

    Attributes
    ----------
    feature : str
        Its name.
    rows : array of int, (g,)
        Rows that have the values.
    values : tuple of float or str, (g,)
        The values: numbers, times in microseconds, or levels.
    cuts : array, (g - 1,), or None
        Halfway between numbers; None for levels.

    Examples
    --------
    >>> grid_of(pa.table({"age": [20.0, 30.0, 50.0]}), "age", 3).values
    (20.0, 30.0, 50.0)
    """

    feature: str
    rows: Ints
    values: tuple[float | str, ...]
    cuts: Floats | None

    def codes(self, column: pa.ChunkedArray) -> Ints:
        """The nearest value of each row.

        Parameters
        ----------
        column : pyarrow.ChunkedArray, (n,)
            Of the feature.

        Returns
        -------
        array of int, (n,)
            The value's place; -1 where it is missing, or another level.
        """
        if self.cuts is None:
            found = pc.index_in(
                columns.labels(column), value_set=pa.array(self.values, pa.string())
            )
            return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)
        values = columns.numbers(column)
        return np.where(np.isnan(values), -1, np.searchsorted(self.cuts, values, side="right"))


def grid_of(table: pa.Table, feature: str, points: int) -> Grid:
    """Quantiles of a number, the commonest levels of text in their order."""
    column = table[feature]
    if columns.is_text(column) or pa.types.is_boolean(columns.value_type(column)):
        code, names = columns.codes(column)
        count = np.bincount(code, minlength=len(names))
        first = np.full(len(names), len(code))
        np.minimum.at(first, code, np.arange(len(code)))
        common = np.argsort(-count, kind="stable")[: min(points, MOST_LEVELS)]
        least = least_rows(len(code))
        kept = [i for i in sorted(common) if count[i] >= least and names[i] != columns.MISSING]
        return Grid(feature, first[kept], tuple(names[i] for i in kept), None)
    values = columns.numbers(column)
    order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
    known = values[order]
    new = np.flatnonzero(np.diff(known, prepend=np.nan) != 0)
    if len(new) > points:
        share = (np.arange(points) + 0.5) / points
        places = np.minimum((share * len(known)).astype(np.int64), len(known) - 1)
        new = places[np.flatnonzero(np.diff(known[places], prepend=np.nan) != 0)]
    picked = known[new]
    return Grid(feature, order[new], tuple(picked.tolist()), (picked[1:] + picked[:-1]) / 2)


@shown
@dataclass(frozen=True)
class PartialEffects:
    """What a model predicts as one feature is set to each of several values.

    Attributes
    ----------
    feature : str
        Its name.
    values : tuple of float or str, (g,)
        Numbers in their order (times in microseconds), or levels.
    effects : array, (g, k, m)
        The mean effects.
    low, high : array, (g, k, m)
        Between which eight of ten rows' own curves lie, apart from their heights: where they are
        far apart the feature does other things to other rows.
    tenths : tuple of float
        The deciles of a number among the rows; empty for levels.
    candidates, metrics : tuple of str
        Names of the axes.
    rows : int
        How many rows the means are over.

    Examples
    --------
    >>> from equipoise.estimators import LinearDML
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(2000, 2)), rng.integers(0, 2, 2000)
    >>> model = LinearDML().fit(X, t * X[:, 0] + 0.1 * rng.normal(size=2000), treatment=t)
    >>> curve = partial_effects(model, X, "x0", points=3)
    >>> bool(np.allclose(curve.effects[:, 0, 0], curve.values, atol=0.1))
    True
    """

    feature: str
    values: tuple[float | str, ...]
    effects: Floats
    low: Floats
    high: Floats
    tenths: tuple[float, ...]
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: int


def partial_effects(
    model: Any, X: Any, feature: str, *, points: int = POINTS, rows: int = ROWS, seed: int = 0
) -> PartialEffects:
    """What a model predicts as one feature is set to each of several values, all others as they
    are: it is of the model, not of the experiment.

    Parameters
    ----------
    model : object
        Whatever has ``effects(X)``: a fitted estimator, or the model of a `Scorer`.
    X : frame or array, (n, d)
        Rows, as the model takes them.
    feature : str
        One of its columns; "x0", "x1", ... of an array.
    points : int, default 12
        Values at most: quantiles of a number, the commonest levels of text.
    rows : int, default 300
        Rows that the means are over, drawn from X.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    PartialEffects
        The curve.

    Raises
    ------
    InputError
        Where there is no such column, or no value in it.

    Examples
    --------
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> rng = np.random.default_rng(0)
    >>> shop, t = rng.choice(["north", "south"], 2000), rng.integers(0, 2, 2000)
    >>> model = TLearner(BoostedTrees(20)).fit({"shop": shop}, t * (shop == "north"), treatment=t)
    >>> curve = partial_effects(model, {"shop": shop}, "shop")
    >>> curve.values, curve.effects[:, 0, 0].round(1).tolist()
    (('north', 'south'), [0.9, 0.0])
    """
    asked = _Asked.of(model, X, rows, seed)
    grid = asked.grid(feature, points)
    each = asked.effects([grid])  # (g, r, k, m)
    mean = each.mean(axis=1)
    shape = each - each.mean(axis=0)
    ends = [0.5 - SPREAD / 2, 0.5 + SPREAD / 2]
    low, high = np.quantile(shape, ends, axis=1) + each.mean(axis=(0, 1))
    known = columns.numbers(asked.table[feature]) if grid.cuts is not None else np.zeros(0)
    known = known[~np.isnan(known)]
    tenths = tuple(np.quantile(known, TENTHS).tolist()) if len(known) else ()
    return PartialEffects(
        feature,
        grid.values,
        mean,
        np.minimum(low, mean),
        np.maximum(high, mean),
        tenths,
        asked.candidates,
        asked.metrics,
        each.shape[1],
    )


@shown
@dataclass(frozen=True)
class Interaction:
    """How two features move the effects together, beyond what each does alone.

    Attributes
    ----------
    grids : (Grid, Grid)
        The features with their values, g and h of them.
    effects : array, (g, h, k, m)
        The mean effects with both set.
    beyond : array, (g, h, k, m)
        Of these what is more than the sum of the two features' own curves.
    size : array, (k, m)
        The root mean square of ``beyond`` over the rows, in the metrics' units.
    strength : array, (k, m)
        H, in 0..1: that of ``beyond`` over that of all that the two do.
    std_error : array, (k, m)
        Of the strength, by drawing other rows; the model's own noise is no part of it.
    candidates, metrics : tuple of str
        Names of the axes.

    Examples
    --------
    >>> from equipoise.estimators import LinearDML
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(2000, 2)), rng.integers(0, 2, 2000)
    >>> model = LinearDML().fit(X, t * X.sum(axis=1) + rng.normal(size=2000), treatment=t)
    >>> bool(interactions(model, X)[0].strength[0, 0] < 1e-6)
    True
    """

    grids: tuple[Grid, Grid]
    effects: Floats
    beyond: Floats
    size: Floats
    strength: Floats
    std_error: Floats
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def features(self) -> tuple[str, str]:
        """Their names."""
        return self.grids[0].feature, self.grids[1].feature


def interactions(
    model: Any,
    X: Any,
    features: Sequence[str] | None = None,
    *,
    points: int = PAIR_POINTS,
    rows: int = PAIR_ROWS,
    seed: int = 0,
) -> list[Interaction]:
    """How pairs of features move predicted effects together: Friedman & Popescu's H on a grid.

    Parameters
    ----------
    model : object
        Whatever has ``effects(X)``.
    X : frame or array, (n, d)
        Rows, as the model takes them.
    features : sequence of str, optional
        Whose pairs are asked about, in (p^2 - p) / 2 grids; by default all columns.
    points : int, default 6
        Values of each feature at most.
    rows : int, default 100
        Rows that the means are over, drawn from X.
    seed : int, default 0
        Of the draw, and of the bootstrap of these rows behind the errors.

    Returns
    -------
    list of Interaction
        Of every pair, in the order of the features.

    Notes
    -----
    A model of trees joins features by chance too, and H does not tell: a report asks held-out rows
    whether what is predicted beyond the sum is there.

    Examples
    --------
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(4000, 2)), rng.integers(0, 2, 4000)
    >>> model = TLearner(BoostedTrees(40)).fit(X, t * np.sign(X[:, 0] * X[:, 1]), treatment=t)
    >>> bool(interactions(model, X)[0].strength[0, 0] > 0.9)
    True
    """
    asked = _Asked.of(model, X, rows, seed)
    names = list(asked.table.column_names if features is None else features)
    grids = [asked.grid(name, points) for name in names]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(asked.count, np.full(asked.count, 1 / asked.count), REPLICATES)
    return [
        _interaction(asked, pair, draws / asked.count)
        for pair in combinations([grid for grid in grids if len(grid.values) > 1], 2)
    ]


def _interaction(asked: _Asked, pair: tuple[Grid, Grid], draws: Floats) -> Interaction:
    """One pair's.   draws: (B, r), what each row counts in each replicate."""
    each = asked.effects(pair)  # (g h, r, k, m)
    shape = len(pair[0].values), len(pair[1].values), *each.shape[2:]
    share, mean = asked.shares(pair), each.mean(axis=1).reshape(shape)
    beyond, strength = _parts(mean, share)
    varied = np.tensordot(draws, each, axes=(1, 1))  # (B, g h, k, m)
    error = np.stack([_parts(one.reshape(shape), share)[1] for one in varied]).std(axis=0, ddof=1)
    size = np.sqrt(np.einsum("gh,ghkm->km", share, beyond**2))
    return Interaction(pair, mean, beyond, size, strength, error, asked.candidates, asked.metrics)


def _parts(effects: Floats, share: Floats) -> tuple[Floats, Floats]:
    """What two features do beyond the sum of what each does, (g, h, k, m), and H, (k, m).

    effects: (g, h, k, m); share: (g, h), of the rows by cells.  The sum is the nearest one, by
    least squares on the cells' shares: for features that are independent, that of the two curves.
    """
    g, h = share.shape
    every = np.concatenate([np.repeat(np.eye(g), h, axis=0), np.tile(np.eye(h), (g, 1))], axis=1)
    flat, root = effects.reshape(g * h, -1), np.sqrt(share).reshape(-1, 1)
    sums = np.linalg.lstsq(every * root, flat * root, rcond=1e-10)[0]
    beyond = (flat - every @ sums) * (share.reshape(-1, 1) > 0)
    centred = flat - share.reshape(1, -1) @ flat
    own, whole = (share.reshape(-1) @ part**2 for part in (beyond, centred))
    tiny = 1e-24 + 1e-20 * (flat**2).max(axis=0)
    ratio = np.divide(own, whole, out=np.zeros_like(own), where=whole > tiny)
    shape = effects.shape
    return beyond.reshape(shape), np.sqrt(np.minimum(ratio, 1.0)).reshape(shape[2:])


@dataclass(frozen=True)
class _Asked:
    """A model with the rows that it is asked about."""

    model: Any
    table: pa.Table  # all rows
    sample: Ints
    array: bool
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, model: Any, X: Any, rows: int, seed: int) -> _Asked:
        """Rows drawn from X."""
        if not hasattr(model, "effects"):
            fix = "give a fitted estimator, or a scorer's model"
            raise InputError("model", "have effects(X)", type(model).__name__, fix=fix)
        table = to_arrow(X)
        if not table.num_rows:
            raise InputError("X", "have rows", 0)
        if rows < 1:
            raise InputError("rows", "be at least 1", rows)
        sample = np.arange(table.num_rows)
        if rows < len(sample):
            sample = np.sort(np.random.default_rng(seed).choice(len(sample), rows, replace=False))
        first = model.effects(_as_given(table.slice(0, 1), is_array(X)))
        return cls(model, table, sample, is_array(X), first.candidates, first.metrics)

    @property
    def count(self) -> int:
        """The rows of the sample, r."""
        return len(self.sample)

    @cached_property
    def _rows(self) -> pa.Table:
        return self.table.take(pa.array(self.sample))

    def grid(self, feature: str, points: int) -> Grid:
        """The values of a feature."""
        if feature not in self.table.column_names:
            known = f"columns: {', '.join(self.table.column_names)}"
            raise InputError(
                f"feature {feature!r}", "be a column of X", "no such column", fix=known
            )
        grid = grid_of(self.table, feature, points)
        if not grid.values:
            must = "have values that rows enough have"
            raise InputError(f"feature {feature!r}", must, "none")
        return grid

    def effects(self, grids: Sequence[Grid]) -> Floats:
        """Of each row with its features set to each cell of grids, (cells, r, k, m)."""
        cells = np.stack(np.meshgrid(*(grid.rows for grid in grids), indexing="ij"), axis=-1)
        cells = cells.reshape(-1, len(grids))
        at_once = max(1, CHUNK // self.count)
        parts = []
        for start in range(0, len(cells), at_once):
            some = cells[start : start + at_once]
            table = self._rows.take(pa.array(np.tile(np.arange(self.count), len(some))))
            for grid, rows in zip(grids, some.T, strict=True):
                place = table.column_names.index(grid.feature)
                column = self.table[grid.feature].take(pa.array(np.repeat(rows, self.count)))
                table = table.set_column(place, table.schema.field(place), column)
            values = self.model.effects(_as_given(table, self.array)).values
            parts.append(values.reshape(len(some), self.count, *values.shape[1:]))
        return np.concatenate(parts)

    def shares(self, pair: tuple[Grid, Grid]) -> Floats:
        """The rows in each cell of two grids, (g, h), as shares; the rest apart."""
        one, two = (grid.codes(self.table[grid.feature]) for grid in pair)
        known = (one >= 0) & (two >= 0)
        g, h = (len(grid.values) for grid in pair)
        count = np.bincount(one[known] * h + two[known], minlength=g * h).reshape(g, h)
        return np.asarray(count / max(count.sum(), 1), np.float64)


def _as_given(table: pa.Table, array: bool) -> Any:
    """An array where X was one."""
    return matrix(table)[0] if array else table
