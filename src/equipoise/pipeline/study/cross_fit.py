"""Cross-fitted effects: every row's effects come from models that never saw it.

    for each fold f:   features and estimator are fitted on the rows outside f, and say the effects
    of the rows in f

so a policy chosen with these effects and judged with the outcomes of the same rows is free of the
winner's curse.  One fit serves all metrics; "claimed" (or the observed cost) is a metric of that
fit too, since a policy's expected cost needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from sklearn.base import clone

from equipoise.artifacts.model import Model, OwnModel, features_for, labels_of
from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.folds import fold_ids
from equipoise.core.log import Log
from equipoise.core.parallel import in_order
from equipoise.core.periods import period_weights
from equipoise.core.progress import Progress, silent
from equipoise.core.space import Space
from equipoise.estimators import Bootstrapped
from equipoise.pipeline.study.propensity import design_in_python
from equipoise.pipeline.study.swaps import swap_rows

LEARNT_FOLDS = 5  # of a propensity's model that has no cv of its own
OWN_ROWS = 20  # of every arm, of a group with a model of its own, in each fit
SHIPPED = 0  # the fold whose rows set the prices, and whose model, fitted on the others, is shipped

Own = Sequence[tuple[str, str]]  # (column, group) of each group with a model of its own


@dataclass(frozen=True)
class CrossFit:
    """What a fit across folds leaves.

    Attributes
    ----------
    effects : Effects
        Of every row of the log, from the model that never saw it.
    model : Model
        The model of fold `SHIPPED`, which was fitted on the rows of the other folds.
    shared : Effects or None, default None
        By the model of all rows alone, where groups have models of their own.
    swapped : tuple of Swapped, default ()
        Of some rows, by the models of one or two other folds.
    """

    effects: Effects
    model: Model
    shared: Effects | None = None
    swapped: tuple[Swapped, ...] = ()


@dataclass(frozen=True)
class Swapped:
    """Effects of rows by the model of another fold, which saw them: what they would be had one
    fold been swapped for another.

    Attributes
    ----------
    rows : array of int, shape (r,)
        Rows of the log.
    fold : array of int, shape (r,)
        The fold of the model: as many before the row's own for all rows.
    effects : Effects
        Of these rows.
    """

    rows: Ints
    fold: Ints
    effects: Effects


def extra_metrics(log: Log, cost: Any = None) -> tuple[str, ...]:
    """The columns modelled beside the outcomes because a policy's expected cost needs them:
    claimed, or else the observed cost; both where the policy's ``cost`` is the observed one.
    """
    names = [log.roles.claimed or log.roles.cost]
    if isinstance(cost, str) and cost == log.roles.cost and log.roles.claimed is not None:
        names.append(cost)
    modelled = (name for name in names if name is not None and name not in log.metrics)
    return tuple(name for name in modelled if np.ptp(log.numbers(name)) > 0)


def fitted_metrics(log: Log, cost: Any = None) -> tuple[str, ...]:
    """The metrics of the one fit: the outcomes, then `extra_metrics`."""
    return (*log.metrics, *extra_metrics(log, cost))


def fit_model(
    log: Log, estimator: Any, propensity: Any = None, metrics: tuple[str, ...] | None = None
) -> Model:
    """A clone of the estimator, fitted on all rows of a log.

    Parameters
    ----------
    log : Log
        The experiment.
    estimator : estimator
        Any of `equipoise.estimators`.
    propensity : array of float, shape (n, K), or a model that learns it, optional
        By default what the log knows.
    metrics : tuple of str, optional
        By default `fitted_metrics`.

    Where the log has periods, an estimator that does not use propensities, or is to learn them,
    takes weights that make the arms' shares alike in all periods.

    Returns
    -------
    Model
        The fitted clone with the map that made its numbers of the log's columns.
    """
    if isinstance(propensity, np.ndarray):
        propensity = propensity[log.order]
    log = log.take(log.order)
    features = FeatureMap().fit(log.features)
    model = with_space(estimator, log.space)
    if propensity is not None and not isinstance(propensity, np.ndarray):
        propensity, model = clone(propensity), with_bends(model)
    X = features_for(model, features, log.features)
    probability = log.propensity if propensity is None else propensity
    if log.eligible is not None and not isinstance(probability, np.ndarray):
        probability = _among_open(log, features.table(log.features), probability)
    weight = log.weight
    knows = isinstance(probability, np.ndarray) and getattr(model, "uses_propensity", False)
    if log.periods is not None and not knows:
        weight = period_weights(log.periods, log.cells, len(log.cell_names), weight)
    model.fit(
        X,
        pa.table({name: log.numbers(name) for name in metrics or fitted_metrics(log)}),
        treatment=log.treatment,
        propensity=probability,
        sample_weight=weight,
        groups=log.groups,
    )
    return Model(features, model)


def _among_open(log: Log, X: pa.Table, model: Any) -> Floats:
    """The probability of each cell among the open ones, (n, K), of a log that does not know it: its
    shares, or by a model that learns it across folds of its own.
    """
    if model is None:
        return log.observed_shares
    learner = clone(model)
    fold = log_folds(log, getattr(learner, "cv", LEARNT_FOLDS), getattr(learner, "random_state", 0))
    p: Floats = learner.cross_fit(
        matrix(X)[0],
        log.cells,
        len(log.cell_names),
        fold=fold,
        weight=log.weight,
        eligible=log.eligible,
    )
    return p


def with_space(estimator: Any, space: Space) -> Any:
    """A clone of the estimator, or of what wraps one, with this space where it has none of its own.

    Raises
    ------
    InputError
        Where it is no estimator of effects.
    """
    names = estimator.get_params() if _is_estimator(estimator) else ()
    places = [name for name in names if name.split("__")[-1] == "space"]
    if not places:
        fix = "give one of equipoise.estimators, as TLearner(); `equipoise estimators` lists them"
        raise InputError("the estimator", "be an estimator of effects", repr(estimator), fix=fix)
    model = clone(estimator)
    return model if model.space is not None else model.set_params(**{min(places, key=len): space})


def _is_estimator(estimator: Any) -> bool:
    known = hasattr(estimator, "space") and hasattr(estimator, "get_params")
    return known and not isinstance(estimator, type)


def with_bends(estimator: Any) -> Any:
    """The estimator with trees in place of ridge nuisances, if it has such: beside a learnt
    propensity its bias is the product of the errors of both, and ridges are lines.
    """
    ridges = {
        name: "boosted"
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "nuisances" and value in ("ridge", "lasso")
    }
    return clone(estimator).set_params(**ridges) if ridges else estimator


def _fit_own(
    log: Log, estimator: Any, propensity: Any, own: Own, model: Model, cost: Any = None
) -> Model:
    """The model with those of groups, each fitted on the group's rows of a log alone."""
    models = []
    for column, group in own:
        rows = np.flatnonzero(labels_of(log.table, [column])[column] == group)
        part = propensity[rows] if isinstance(propensity, np.ndarray) else propensity
        fitted = fit_model(log.take(rows), estimator, part, fitted_metrics(log, cost))
        models.append(OwnModel(column, group, fitted))
    return replace(model, own=tuple(models))


def check_own(log: Log, fold: Ints, own: Own) -> None:
    """Refuse models of groups that have too few rows of an arm to learn from.

    Parameters
    ----------
    log : Log
        The experiment.
    fold : array of int, shape (n,)
        The fold of each row.
    own : sequence of (column, group)
        The groups.

    Raises
    ------
    PlanError
        With the rows there are and those needed.
    """
    for column, group in own:
        inside = labels_of(log.table, [column])[column] == group
        for f in np.unique(fold):
            counts = np.bincount(log.cells[inside & (fold != f)], minlength=len(log.cell_names))
            if counts.min() < OWN_ROWS:
                must = f"have {OWN_ROWS} rows of every arm in each fit, which leaves out a fold"
                got = f"{counts.min()} of {log.cell_names[int(counts.argmin())]!r}"
                where = f"{int(inside.sum()):,} rows of {column!r} are {group!r}"
                fix = 'bring more rows of the group, or say model = "shared"'
                raise PlanError("a group's own model", must, got, where, fix)


def cross_fit(
    log: Log,
    estimator: Any,
    fold: Ints,
    propensity: Any = None,
    progress: Progress = silent,
    own: Own = (),
    cost: Any = None,
) -> CrossFit:
    """Fit an estimator once per fold, on the rows of the other folds.

    Parameters
    ----------
    log : Log
        The experiment.
    estimator : estimator
        Any of `equipoise.estimators`; it is cloned.
    fold : array of int, shape (n,)
        The fold of each row, 0 to F - 1.
    propensity : array of float, shape (n, K), or a model that learns it, optional
        By default what the log knows.
    progress : callable, optional
        Called with what is being done, the folds done, and the folds in all.
    own : sequence of (column, group), default ()
        Groups whose effects are by models of their rows alone.
    cost : optional
        Of the policy: where it is the log's observed cost, that is a metric too.

    Returns
    -------
    CrossFit
        The effects of every row, and the model that ships.
    """
    check_own(log, fold, own)
    count = int(fold.max()) + 1
    progress("effects", 0, count)
    case = FoldCase(log, estimator, fold, propensity, own, cost)
    folds = [*in_order(_fit_fold, range(count), case, progress=progress, what="effects")]
    shipped = folds[SHIPPED].model
    if shipped is None:
        raise InputError("the folds", "be one or more", count)
    order = np.concatenate([one.rows for one in folds])
    return CrossFit(
        _in_order([one.effects for one in folds], order),
        shipped,
        _in_order([one.shared for one in folds], order) if own else None,
        tuple(_swapped(parts) for parts in zip(*(one.swapped for one in folds), strict=True)),
    )


class FoldCase(NamedTuple):
    """What the fits of all folds are given, as `cross_fit` is."""

    log: Log
    estimator: Any
    fold: Ints
    propensity: Any
    own: Own
    cost: Any


class FoldFit(NamedTuple):
    """What the fit of a fold leaves: the fold's rows, their effects by the model of all others and
    with those of groups, rows of the next folds and theirs, and the model where it ships.
    """

    rows: Ints
    shared: Effects
    effects: Effects
    swapped: list[tuple[Ints, Effects]]
    model: Model | None


def _fit_fold(f: int, case: FoldCase) -> FoldFit:
    """Fit on the rows outside a fold."""
    log, estimator, fold, propensity, own, cost = case
    count = int(fold.max()) + 1
    inside, outside = np.flatnonzero(fold == f), np.flatnonzero(fold != f)
    probability = propensity[outside] if isinstance(propensity, np.ndarray) else propensity
    others, units = log.take(outside), log.table.take(pa.array(inside))
    alone = fit_model(others, estimator, probability, fitted_metrics(others, cost))
    model = _fit_own(others, estimator, probability, own, alone, cost)
    shared = alone.effects(units)
    effects = model.with_own(shared, units)
    swapped = []
    for step in range(1, min(count, 3)):
        after = np.flatnonzero(fold == (f + step) % count)
        after = swap_rows(after, log.order, count, log.groups)
        units = log.table.take(pa.array(after))
        swapped.append((after, model.with_own(alone.effects(units), units)))
    return FoldFit(inside, shared, effects, swapped, model if f == SHIPPED else None)


def with_std_error(estimator: Any, replicates: int, seed: int) -> Any:
    """The estimator as it is where it gives standard errors itself, else its bootstrap.

    Parameters
    ----------
    estimator : estimator
        It says so by its class attribute ``gives_std_error``; without one it gives none.
    replicates : int
        Of the bootstrap.
    seed : int
        Of the bootstrap's weights.

    Returns
    -------
    estimator
        One whose effects have a ``std_error``.
    """
    own = getattr(estimator, "gives_std_error", False)
    return estimator if own else Bootstrapped(estimator, replicates, seed)


def log_folds(log: Log, folds: int, seed: int) -> Ints:
    """The fold of each row of a log, (n,): clusters stay whole, or every cell is spread evenly.
    Folds follow ids, groups and what rows hold, and not the order of rows.
    """
    order = log.order
    groups = None if log.groups is None else log.groups[order]
    fold = np.empty(len(log), np.int64)
    fold[order] = fold_ids(len(log), folds, seed, strata=log.cells[order], groups=groups)
    return fold


@renamed_arguments(folds="cv", seed="random_state")
def cross_fit_effects(
    log: Log,
    estimator: Any,
    cv: int = 3,
    random_state: int = 0,
    undesigned: str = "learn",
) -> Effects:
    """The effects of every row of a log, each from a model that never saw the row.

    Parameters
    ----------
    log : Log
        The experiment.
    estimator : estimator
        Any of `equipoise.estimators`; it is cloned, and takes the log's space where it has none.
    cv : int, default 3
        The log is cut in so many folds; clusters of its group column stay whole.
    random_state : int, default 0
        Of the cut.
    undesigned : {"learn", "stop", "shares"}, default "learn"
        What to do where the log does not say how treatment was given, and the arms follow the
        features: learn the propensity, with a warning; stop; or take the observed shares.

    Returns
    -------
    Effects
        Of all n rows, in the order of the log.  Metrics are the log's outcomes, and after them
        "claimed" or the observed cost, where the log has one that varies: costs are expected
        costs, which need it.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(300)
    >>> effects = eq.cross_fit_effects(log, eq.TLearner(eq.BoostedTrees(5)), cv=2)
    >>> effects.values.shape == (300, 2, len(effects.metrics))
    True
    """
    learner, _ = design_in_python(log, undesigned, random_state)
    return cross_fit(log, estimator, log_folds(log, cv, random_state), learner).effects


def _swapped(parts: Sequence[tuple[Ints, Effects]]) -> Swapped:
    """The swapped effects of all folds, sorted by row."""
    rows = np.concatenate([part for part, _ in parts])
    fold = np.repeat(np.arange(len(parts)), [len(part) for part, _ in parts])
    return Swapped(
        np.sort(rows), fold[np.argsort(rows)], _in_order([effects for _, effects in parts], rows)
    )


def _in_order(parts: list[Effects], rows: Ints) -> Effects:
    """The effects of the folds put together in the order of the log."""
    place = np.argsort(rows)

    def joined(arrays: list[Floats]) -> Floats:
        return np.concatenate(arrays)[place]

    errors = [part.std_error for part in parts if part.std_error is not None]
    return replace(
        parts[0],
        values=joined([part.values for part in parts]),
        baseline=joined([part.baseline for part in parts]),
        std_error=joined(errors) if len(errors) == len(parts) else None,
    )
