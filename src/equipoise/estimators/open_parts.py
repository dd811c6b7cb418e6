"""Arms that are closed to some rows: each is learnt from the rows that it is open to.

    part      the arms that are open to the same rows; its rows got control or one of them, and
              could have got any
    fit       the estimator on each part alone, with propensities  e_a / sum over the part of e;
              one that does not use them takes weights  mean of e_a / e_a  of what a row got, for
              the other arms that are open move the probabilities of these
    answer    the effect of an arm is that of its part; a unit that an arm is closed to gets the
              model's extrapolation.  The level under control is that of the part with most rows

So no estimator has to know of eligibility, none divides by 0, and no row enters the comparison of
an arm that it could not get.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import UnsupportedSpace
from equipoise.core.space import Space
from equipoise.estimators.training_data import Sample

FIX = "drop the rows that some treatments are closed to"


def has_closed(propensity: Any) -> bool:
    """Whether a propensity is known and closes an arm to a row."""
    return isinstance(propensity, np.ndarray) and bool((propensity == 0).any())


def parts_of(cell: Ints, propensity: Floats) -> list[tuple[Ints, Ints]]:
    """The arms of each part, in 1..k, and its rows.

    >>> e = np.array([[0.5, 0.2, 0.3], [0.5, 0.5, 0.0], [0.4, 0.6, 0.0]])
    >>> [(arms.tolist(), rows.tolist()) for arms, rows in parts_of(np.array([2, 0, 1]), e)]
    [([1], [1, 2]), ([2], [0])]
    """
    open_to = propensity[:, 1:] > 0
    _, part = np.unique(open_to.T, axis=0, return_inverse=True)
    part = part.reshape(-1)
    parts = []
    for p in dict.fromkeys(part.tolist()):
        arms = np.flatnonzero(part == p) + 1
        own = open_to[:, arms[0] - 1] & np.isin(cell, [0, *arms])
        parts.append((arms, np.flatnonzero(own)))
    return parts


def fit_parts(estimator: Any, space: Space, data: Sample) -> tuple[list[Ints], list[Any]]:
    """The arms of each part, and a clone of the estimator fitted on it; the part with most rows
    first.
    """
    among = getattr(space, "among", None)
    if among is None or not isinstance(data.propensity, np.ndarray):
        raise UnsupportedSpace(
            "a space with closed treatments", "be arms", space.describe(), fix=FIX
        )
    arms_of, models = [], []
    cell = space.cells(data.treatment)
    parts = parts_of(cell, data.propensity)
    for arms, rows in sorted(parts, key=lambda part: -len(part[1])):
        cells = np.r_[0, arms]
        e = data.propensity[np.ix_(rows, cells)]
        e /= e.sum(axis=1, keepdims=True)
        weight = None if data.weight is None else data.weight[rows]
        if not getattr(estimator, "uses_propensity", False):
            weight = _balancing(e, np.searchsorted(cells, cell[rows]), weight)
        model = clone(estimator).set_params(space=among(arms))
        model.fit(
            data.X[rows] if data.raw is None else data.raw.take(rows).given(),
            pa.table(dict(zip(data.metrics, data.y[rows].T, strict=True))),
            treatment=data.treatment[rows],
            propensity=e,
            sample_weight=weight,
            groups=None if data.groups is None else data.groups[rows],
        )
        arms_of.append(arms)
        models.append(model)
    return arms_of, models


def _balancing(e: Floats, cell: Ints, weight: Floats | None) -> Floats:
    """Weights that make each cell's rows stand for all, (n,).   e: (n, K)."""
    share = np.average(e, axis=0, weights=weight)
    balance: Floats = share[cell] / e[np.arange(len(cell)), cell]
    return balance if weight is None else balance * weight


def effects_of_parts(
    arms_of: list[Ints], models: list[Any], X: Floats, space: Space, treatments: NDArray[Any]
) -> Effects:
    """The effects of treatments (k,), each from its part."""
    answers = [model.effects(X) for model in models]
    cells, first = space.cells(treatments), answers[0]
    with_error = all(answer.std_error is not None for answer in answers)
    values = np.zeros((len(X), len(cells), len(first.metrics)))
    error = np.zeros_like(values)
    for arms, answer in zip(arms_of, answers, strict=True):
        for place, a in enumerate(arms.tolist()):
            values[:, cells == a] = answer.values[:, [place]]
            if answer.std_error is not None:
                error[:, cells == a] = answer.std_error[:, [place]]
    names = space.names(treatments)
    baseline, metrics = first.baseline, first.metrics
    if not with_error:
        return Effects(values, baseline, names, metrics)
    return Effects(values, baseline, names, metrics, error, first.error_method, first.error_df)
