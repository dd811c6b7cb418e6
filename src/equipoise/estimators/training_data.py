"""Sample: what an estimator learns from, checked once at the door.

n units, d features, m metrics, K = 1 + k cells.  Whoever holds a Sample may trust it: numbers are
finite (features may be NaN), every metric varies, every treatment lies in the space, propensities
lie in (0, 1) and sum to 1, or are 0 where an arm is closed to a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, SpaceError
from equipoise.core.features import LARGEST, encode, matrix
from equipoise.core.frames import to_arrow
from equipoise.core.space import Space
from equipoise.core.weights import check_propensities, check_weights
from equipoise.learners.sample_order import sample_order
from equipoise.learners.tables import Table
from equipoise.treatments.arms import Arms

if TYPE_CHECKING:
    from equipoise.estimators.transforms import RawRows


@runtime_checkable
class PropensityModel(Protocol):
    """What `fit(propensity=...)` takes where the design is not known: a model that learns it, never
    on the rows it predicts.
    """

    def cross_fit(
        self, X: Floats, cell: Ints, cells: int, *, fold: Ints, weight: Floats | None = None
    ) -> Floats:
        """The probability of each cell, (n, K); the rows of a fold are predicted by models that did
        not see it.
        """


@dataclass(frozen=True)
class Sample:
    """The rows of one experiment.

    Attributes
    ----------
    X : (n, d), NaN where missing.   y : (n, m).   treatment : canonical values of the space, (n,)
        or (n, p).
    propensity : (n, K) probabilities, or a model that learns them, or None for the observed shares.
    weight : (n,) > 0 or None.   groups : (n,) codes of clusters or None.
    features, metrics : the names of the columns of X and y.
    levels : (n, m), the outcomes in their own units where y is in standard ones, else None.
    raw : the rows before a transformer of the caller's, which is learnt without each fold; or None.
    categories : the places of features that number the levels of a text.
    """

    X: Floats
    y: Floats
    treatment: NDArray[Any]
    propensity: Floats | PropensityModel | None
    weight: Floats | None
    groups: Ints | None
    features: tuple[str, ...]
    metrics: tuple[str, ...]
    levels: Floats | None = None
    raw: RawRows | None = None
    categories: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: Ints) -> Sample:
        """Some of the rows, in the order of ``rows``."""
        arrays: dict[str, Any] = {
            name: part[rows] for name, part in vars(self).items() if isinstance(part, np.ndarray)
        }
        return replace(self, **arrays, raw=None if self.raw is None else self.raw.take(rows))

    @property
    def of_folds(self) -> Callable[[Ints], list[Floats]] | None:
        """What gives the features that models without each fold see; None where all see X."""
        return None if self.raw is None else self.raw.of_folds

    def table(self) -> Table:
        """The features as base models learn from them."""
        return Table(self.X, self.features, self.of_folds, self.categories)

    def order(self, space: Space, *more: NDArray[Any]) -> Ints:
        """The rows in an order of their own, (n,): see `sample_order`.   more: columns, (n,)."""
        t = self.treatment if self.treatment.dtype.kind in "biuf" else space.cells(self.treatment)
        ties = [*self.y.T, *more] if self.weight is None else [*self.y.T, *more, self.weight]
        if isinstance(self.propensity, np.ndarray):
            ties += [*self.propensity.T]
        return sample_order(self.X, t.astype(np.float64), self.groups, ties)


def sample(
    X: Any,
    y: Any,
    space: Space,
    treatment: Any,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    *,
    names: tuple[str, ...] | None = None,
) -> Sample:
    """Check everything that `fit` was given and name its parts.   names : of the columns of X,
    where it is an array that was made of a frame.
    """
    values, features = matrix(X)
    features = features if names is None else names
    n = len(values)
    if n == 0 or values.shape[1] == 0:
        raise InputError("X", "have rows and columns", f"shape {values.shape}")
    levels, metrics = outcomes(y)
    canonical = space.check(one_column(treatment))
    weight = check_weights(sample_weight, n)
    codes = None if groups is None else group_codes(groups)
    if codes is not None and len(codes) == n == codes.max() + 1:
        codes = None  # groups of one row are rows
    probability: Any = propensity
    if propensity is not None and not isinstance(propensity, PropensityModel):
        probability = _propensity(propensity, space, canonical)
    named = {
        "y": levels,
        "treatment": canonical,
        "propensity": probability,
        "sample_weight": weight,
        "groups": codes,
    }
    for name, part in named.items():
        if isinstance(part, np.ndarray) and len(part) != n:
            raise InputError(name, f"have one entry per row of X ({n})", len(part))
    return Sample(values, levels, canonical, probability, weight, codes, features, metrics)


def unchecked_order(X: Any, y: Any, treatment: Any, weight: Floats) -> Ints:
    """The order of arguments of ``fit`` whose space only an estimator knows, (n,)."""
    values, labels = matrix(encode(X)[0])[0], np.asarray(one_column(treatment))
    if labels.dtype.kind not in "biuf":
        labels = np.unique(labels, return_inverse=True)[1].reshape(len(labels), -1)
    return sample_order(values, labels.astype(np.float64), ties=[*outcomes(y)[0].T, weight])


@contextmanager
def rows_as_given(order: Ints) -> Iterator[None]:
    """Errors within name the row as the user has it.   order: (n,), of `Sample.order`."""
    try:
        yield
    except InputError as error:
        row = re.fullmatch(r"row (\d+)", error.where)
        if row is None:
            raise
        where = f"row {order[int(row[1])]}"
        raise type(error)(error.what, error.must, error.got, where, error.fix) from error


def require(name: str, value: Any) -> None:
    """Refuse an argument that scikit-learn's tools leave out unless they are told to pass it."""
    if value is None:
        fix = (
            f"say {name}=...; scikit-learn's searches, scorers and pipelines pass it on after"
            " sklearn.set_config(enable_metadata_routing=True), said before they are made"
        )
        raise InputError(name, "be given", None, fix=fix)


def one_column(treatment: Any) -> Any:
    """A treatment of shape (n, 1), array or frame, as (n,); any other as it is."""
    shape = getattr(treatment, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != 1:
        return treatment
    if isinstance(treatment, np.ndarray):
        return treatment[:, 0]
    return np.asarray(to_arrow(treatment).columns[0].to_pylist())


def infer_space(treatment: Any) -> Space:
    """Arms([0, 1]) for labels 0 and 1; anything else must be said."""
    labels = np.asarray(one_column(treatment))
    if labels.ndim == 1 and labels.dtype.kind in "iubf" and np.isin(labels, (0, 1)).all():
        return Arms([0, 1])
    some = sorted({str(label) for label in labels.ravel()[:1000]})[:5]
    raise SpaceError(
        "space",
        "be given unless the treatment is 0 or 1",
        f"None, with labels like {', '.join(some)}",
        fix=(
            'say space=Arms(["none", "mens", "womens"]) with control first, or space=Dose(0, 3) for'
            " amounts"
        ),
    )


def outcomes(y: Any) -> tuple[Floats, tuple[str, ...]]:
    """Outcomes as (n, m) and the names of the metrics: a frame's columns, else y, or y0, y1, ..."""
    names: tuple[str, ...] | None = None
    if isinstance(y, np.ndarray | list | tuple):
        values = np.asarray(y)
    # a series of any library
    elif getattr(y, "ndim", 0) == 1 or hasattr(y, "chunks") or hasattr(y, "implode"):
        label = getattr(y, "name", None)
        values, names = np.asarray(y), (str(label),) if label else None
    else:
        table = to_arrow(y)
        values, names = (
            np.column_stack([column.to_numpy() for column in table.columns]),
            tuple(table.column_names),
        )
    try:
        values = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("y", "be numbers", str(error)) from error
    if values.ndim not in (1, 2) or values.size == 0:
        raise InputError("y", "have shape (n,) or (n, m)", f"shape {values.shape}")
    values = values.reshape(len(values), -1)
    names = names or (
        ("y",) if values.shape[1] == 1 else tuple(f"y{j}" for j in range(values.shape[1]))
    )
    _check_outcomes(values, names)
    return values, names


def _check_outcomes(values: Floats, names: tuple[str, ...]) -> None:
    bad = ~(np.abs(values) <= LARGEST)
    if bad.any():
        row, j = (int(i) for i in np.argwhere(bad)[0])
        beyond = np.isfinite(values[row, j])
        raise InputError(
            f"outcome {names[j]!r}",
            f"lie within {LARGEST:.3g} of 0" if beyond else "be finite",
            values[row, j],
            f"row {row}",
            "mend or drop the row",
        )
    constant = values.max(axis=0) == values.min(axis=0)
    if constant.any():
        j = int(np.argmax(constant))
        raise InputError(
            f"outcome {names[j]!r}",
            "vary",
            f"{values[0, j]:g} in every row",
            fix="take it out of the metrics",
        )


def group_codes(groups: Any) -> Ints:
    """The codes of clusters, (n,), by the order of their labels."""
    labels = np.asarray(groups)
    if labels.ndim != 1:
        raise InputError("groups", "be one label per row", f"shape {labels.shape}")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _propensity(values: Any, space: Space, treatment: NDArray[Any]) -> Floats:
    """Probabilities (n, K), control first; (n,) is P(treated) of two cells.  Arms may be closed to
    rows that did not get them.
    """
    cells = 1 + len(space.candidates())
    e = (
        np.asarray(values, np.float64)
        if isinstance(values, np.ndarray | list) or hasattr(values, "dtype")
        else matrix(values)[0]
    )
    if e.ndim == 1 and cells == 2:
        e = np.column_stack([1 - e, e])
    if e.ndim != 2 or e.shape[1] != cells:
        fix = "give one column per cell: control first, then the candidates in the space's order"
        raise InputError(
            "propensity", f"have shape (n, {cells})", f"shape {np.shape(values)}", fix=fix
        )
    arms = (e == 0).any() and hasattr(space, "among") and len(e) == len(treatment)
    return check_propensities(e, space.cells(treatment) if arms else None)
