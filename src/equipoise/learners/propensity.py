"""LearntPropensity: the probability of each cell where the design is not known, cross-fitted,
calibrated, clipped in the open.

A known design is always better: the logged propensity, or the shares of a randomised experiment, is
what every estimator uses unless a model is asked for by ``fit(...,
propensity=LearntPropensity())``.

    1. out of fold   s_ia = the probability of cell a against the rest, by a model that never saw
    the fold of row i
    2. calibrated    p_i = softmax(b + B log(s_i,1.. / s_i,0) + C q(x_i)), a multinomial logistic
    regression learnt on the other folds
                     (Platt 1999; Kull et al. 2019, arXiv:1910.12656)
    3. clipped       p_ia < least_a becomes least_a, a tenth of the cell's own share and at most
                     0.01; the other cells of the row give up the difference; `clipped_rows_` counts

q are squares and products of the features (`learners.quadratic`), beside the model by default
only: trees are flat where logging bends smoothly, most of all in its tails, and what they miss is
bias of every effect.  C has the ridge of a prior of standard deviation r; held-out log-loss chooses
r, and 0, which leaves q out, where it does not help.

Step 2 is parametric on purpose.  Where treatment was randomised the scores are noise: its slopes go
to 0 and its answer to the shares.  Isotonic regression follows the noise there (root mean squared
error 0.025 against 0.009 at 5,000 rows) and says 0 and 1 in its tails, which is where a weight 1 /
p hurts most.
"""

from __future__ import annotations

import logging
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.eligibility import among_open
from equipoise.core.errors import InputError
from equipoise.core.features import FittedColumns
from equipoise.core.folds import fold_ids
from equipoise.core.weights import check_weights
from equipoise.learners.base_learners import BoostedTrees, check_model, predict_all
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.nested_params import NestedParams
from equipoise.learners.quadratic import MOST, learn_basis, quadratic, split_counts
from equipoise.learners.ridged_logistic import RidgedLogistic
from equipoise.learners.sample_order import sample_order
from equipoise.learners.tables import Table
from equipoise.learners.tree_scoring import Trees

LOG = logging.getLogger(__name__)
LEAST, PART = 0.01, 0.1  # the least probability of a cell, and as a part of its own share
LOUD = 0.01  # a clipped share above this is logged as a warning
SPREADS = (0.0, 0.02, 0.1, 0.5)  # of the coefficients of squares and products
# small trees, as many as held-out rows ask for: where logging jumps or waves, a fixed hundred of
# 15 leaves left twice the bias in effects (54 worlds of shapes, 8,000 rows)
TREES: dict[str, Any] = {
    "n_estimators": 600,
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_child_samples": 30,
    "early_stopping_rounds": 15,
}
MOST_ROWS = 100_000  # that a calibration is learnt from


def least_probabilities(cell: Ints, cells: int, weight: Floats | None) -> Floats:
    """The least probability of each cell, (K,): of a rare one a part of its share, for a fixed one
    would make it more probable than it is.

    >>> least_probabilities(np.repeat([0, 1], [990, 10]), 2, None).tolist()
    [0.01, 0.001]
    """
    share = np.bincount(cell, weight, cells)
    least: Floats = np.minimum(LEAST, PART * share / share.sum())
    return least


def log_odds(scores: Floats, floor: Floats | float = LEAST) -> Floats:
    """log(s_a / s_0) of every candidate, (n, K - 1).   scores: (n, K); floor: (K,), since least
    squares may say less than 0: below it scores tell nothing apart.
    """
    logs = np.log(np.maximum(scores, floor))
    return logs[:, 1:] - logs[:, :1]


def fit_calibrations(
    scores: Floats,
    cell: Ints,
    fold: Ints,
    weight: Floats | None,
    floor: Floats | float = LEAST,
    q: Floats | None = None,
) -> dict[float, list[Floats]]:
    """[b, B, C] of softmax(b + B log-odds + C q), (K, K + P), control's row 0, without each fold in
    turn and, last, of all rows, by the prior standard deviation of C's entries: those of `SPREADS`,
    of which 0 leaves C out.   scores: (n, K); cell, fold: (n,); q: (n, P).
    """
    odds, folds = log_odds(scores, floor), int(fold.max()) + 1
    share = np.bincount(cell, weight, scores.shape[1]) + 1.0
    start = np.zeros(scores.shape[1:] * 2)
    start[:, 0] = np.log(share / share[0])
    logistic = RidgedLogistic(odds, cell, fold, weight, start)
    fits = {0.0: logistic.fit_each(np.ones(odds.shape[1]), [start] * (folds + 1))}
    if q is None:
        return fits
    columns = np.column_stack([odds, q])
    start = np.pad(fits[0.0][-1], ((0, 0), (0, q.shape[1])))
    logistic, starts = RidgedLogistic(columns, cell, fold, weight, start), [start] * (folds + 1)
    for spread in SPREADS[1:]:
        prior = np.repeat([1.0, spread], [odds.shape[1], q.shape[1]])
        starts = fits[spread] = logistic.fit_each(prior, starts)
    return fits


def calibrate(
    scores: Floats, calibration: Floats, floor: Floats | float = LEAST, q: Floats | None = None
) -> Floats:
    """Calibrated cell probabilities, (n, K).   scores: (n, K); calibration: (K, K) or (K, K + P) of
    `fit_calibration`; q: (n, P), which the latter asks for.
    """
    odds = log_odds(scores, floor)
    if q is not None and calibration.shape[1] > scores.shape[1]:
        odds = np.column_stack([odds, q])
    p: Floats = softmax(calibration[:, 0] + odds @ calibration[:, 1:].T, axis=1)
    return p


def clip_cells(p: Floats, least: Floats | float) -> tuple[Floats, Floats]:
    """Probabilities >= least, one for all cells or (K,), that sum to 1, (n, K), and the share of
    rows in which each cell was below, (K,).

    >>> clip_cells(np.array([[0.005, 0.495, 0.5]]), 0.01)[0].round(4).tolist()
    [[0.01, 0.4925, 0.4975]]
    """
    low = p < least
    share = low.mean(axis=0)
    clipped = p
    for _ in range(p.shape[1]):  # giving up mass may push another cell below, at most once per cell
        free = np.where(low, 0.0, p)
        rest = 1 - np.where(low, least, 0.0).sum(axis=1)
        clipped = np.where(low, least, free * (rest / free.sum(axis=1))[:, None])
        below = ~low & (clipped < least)
        if not below.any():
            break
        low |= below
    return clipped, share


def among_eligible(p: Floats, eligible: Bools | None) -> Floats:
    """Probabilities (n, K) over those of the cells open to the row; the same where all are."""
    return p if eligible is None else among_open(p, eligible)


def overlap(p: Floats, cell: Ints) -> dict[str, Floats]:
    """How well the cells overlap: each one's least, 1 % and median probability, and the effective
    rows of its weights, (K,) each.

    p: (n, K); cell: (n,).  Effective rows are Kish's (sum w)^2 / sum w^2 of w = 1 / p over the rows
    of the cell.
    """
    own = cell[:, None] == np.arange(p.shape[1])
    inverse = np.divide(1.0, p, out=np.zeros_like(p), where=own)
    open_to = np.where(p > 0, p, np.nan)  # a cell that is closed to a row has no overlap there
    effective = inverse.sum(axis=0) ** 2 / np.maximum(
        np.square(inverse).sum(axis=0), np.finfo(np.float64).tiny
    )
    percent, median = np.nanquantile(open_to, [0.01, 0.5], axis=0)
    return {
        "least": np.nanmin(open_to, axis=0),
        "percent_1": percent,
        "median": median,
        "effective_rows": effective,
    }


def calibration_error(p: Floats, cell: Ints, bins: int = 10) -> Floats:
    """Mean distance between what was said and what happened over ``bins`` equal groups of rows by
    p, (K,).
    """
    error = np.empty(p.shape[1])
    for a, column in enumerate(p.T):
        order = np.argsort(column, kind="stable")
        gap = (cell[order] == a) - column[order]
        error[a] = sum(abs(float(part.sum())) for part in np.array_split(gap, bins)) / len(cell)
    return error


def one_against_rest(cell: Ints, cells: int) -> Nuisance:
    """The regressions of 1{cell = a} for every cell, or for the candidate alone where there is but
    one.
    """
    codes = np.arange(cells) if cells > 2 else np.asarray([1])
    return Nuisance(None, (cell[:, None] == codes).astype(np.float64))


def _with_control(scores: Floats) -> Floats:
    return np.column_stack([1 - scores[:, 0], scores[:, 0]]) if scores.shape[1] == 1 else scores


def _with_open(X: Floats, cells: int, eligible: Bools | None) -> Floats:
    """The features, and which candidates are open to the row, (n, d + k)."""
    if eligible is None:
        return X
    open_to = np.asarray(eligible, np.bool_)
    if open_to.shape != (len(X), cells) or not open_to[:, 0].all():
        fix = "True for control in every row"
        raise InputError("eligible", f"have shape {(len(X), cells)}", open_to.shape, fix=fix)
    return np.column_stack([X, open_to[:, 1:]])


def _part(weight: Floats | None, rows: Ints | slice) -> Floats | None:
    return None if weight is None else weight[rows]


def _present(cell: Ints, cells: int, fold: Ints) -> None:
    """Refuse a cell that some training part would not hold."""
    for f in range(int(fold.max()) + 1):
        count = np.bincount(cell[fold != f], minlength=cells)
        if len(count) > cells:
            raise InputError(
                "cells", f"lie in 0..{cells - 1}", int(cell.max()), f"row {int(np.argmax(cell))}"
            )
        if count.min() == 0:
            a = int(np.argmin(count))
            raise InputError(
                f"cell {a}",
                "have rows outside every fold",
                0,
                f"fold {f}",
                "use fewer folds, or drop the cell",
            )


@renamed_arguments(folds="cv", seed="random_state")
class LearntPropensity(FittedColumns, NestedParams, BaseEstimator):  # type: ignore[misc]
    """The probability of each cell, learnt from the features.

    It is cross-fitted, calibrated and clipped in the open.

    Parameters
    ----------
    model : classifier or regressor, optional
        A scikit-learn classifier or regressor of 0/1, or `BoostedTrees`; None is a small one of
        these.
    cv : int, default 5
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and the model.
    clip : float or None, default None
        The least probability that is returned, in [0, 1 / K).  None: of each cell a tenth of its
        share of the rows, and at most 0.01, so that a rare cell stays as rare as it is.

    Attributes
    ----------
    clipped_share_ : array, (K,)
        The share of rows in which each cell was clipped.
    clipped_rows_ : array of int, (K,)
        The number of those rows.
    least_ : array, (K,)
        The least probability of each cell.
    overlap_ : dict
        Least, 1 % and median probability and effective rows of each cell, see `overlap`.
    calibration_error_ : array, (K,)
        See `calibration_error`.
    spread_ : float
        Of the coefficients of squares and products of the features; 0 where they did not help.

    References
    ----------
    Platt (1999); Kull et al. (2019), "Beyond temperature scaling", arXiv:1910.12656.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(4000, 2))
    >>> treated = (rng.random(4000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    >>> p = LearntPropensity().fit_predict(X, treated, 2)
    >>> bool(np.abs(p[:, 1] - 1 / (1 + np.exp(-X[:, 0]))).mean() < 0.05)
    True
    """

    def __init__(
        self, model: Any = None, cv: int = 5, random_state: int = 0, clip: float | None = None
    ) -> None:
        self.model = model
        self.cv = cv
        self.random_state = random_state
        self.clip = clip

    def fit_predict(
        self,
        X: Any,
        cells: Any,
        n_cells: int,
        groups: Ints | None = None,
        sample_weight: Floats | None = None,
        eligible: Bools | None = None,
    ) -> Floats:
        """Learn, and return the cross-fitted probabilities of the rows themselves.

        Parameters
        ----------
        X : frame, array, sparse matrix or list of rows, (n, d)
            Features: numbers, and in a frame also text and categories, encoded as `FeatureMap`
            does.
        cells : array-like of int, (n,)
            The cell of each row, in 0..n_cells-1.
        n_cells : int
            How many cells there are, K.
        groups : array of int, (n,), optional
            Codes of clusters that share a fold.
        sample_weight : array, (n,), optional
            Weights > 0.
        eligible : array of bool, (n, K), optional
            Whether each cell is open to each row: what is closed has probability 0, and the open
            cells are told apart by which they are, beside the features.

        Returns
        -------
        array, (n, K)
            Probabilities >= ``least_`` that sum to 1.

        Raises
        ------
        InputError
            ``clip`` is too large, or a cell has no rows outside some fold.
        """
        values, _ = self._fit_columns(X)
        cell = np.asarray(cells, np.int64)
        weight = check_weights(sample_weight, len(values))
        order = sample_order(values, cell, ties=[] if weight is None else [weight])
        fold = np.empty(len(values), np.int64)
        fold[order] = fold_ids(
            len(values),
            self.cv,
            self.random_state,
            strata=cell[order],
            groups=None if groups is None else np.asarray(groups)[order],
        )
        return self._cross_fit(values, cell, n_cells, fold, weight, eligible)

    def fit(
        self,
        X: Any,
        cells: Any,
        n_cells: int,
        groups: Ints | None = None,
        sample_weight: Floats | None = None,
        eligible: Bools | None = None,
    ) -> Self:
        """Learn, as `fit_predict` does.

        Parameters
        ----------
        X : frame, array, sparse matrix or list of rows, (n, d)
            Features: numbers, and in a frame also text and categories, encoded as `FeatureMap`
            does.
        cells : array-like of int, (n,)
            The cell of each row, in 0..n_cells-1.
        n_cells : int
            How many cells there are, K.
        groups : array of int, (n,), optional
            Codes of clusters that share a fold.
        sample_weight : array, (n,), optional
            Weights > 0.
        eligible : array of bool, (n, K), optional
            Whether each cell is open to each row: what is closed has probability 0, and the open
            cells are told apart by which they are, beside the features.

        Returns
        -------
        LearntPropensity
            Itself.
        """
        self.fit_predict(X, cells, n_cells, groups, sample_weight, eligible)
        return self

    def cross_fit(
        self,
        X: Floats,
        cell: Ints,
        cells: int,
        *,
        fold: Ints,
        weight: Floats | None = None,
        eligible: Bools | None = None,
    ) -> Floats:
        """Cross-fitted probabilities on folds of the caller: what the estimators call.

        Parameters
        ----------
        X : array, (n, d)
            Features.
        cell : array of int, (n,)
            The cell of each row, in 0..cells-1.
        cells : int
            How many cells there are, K.
        fold : array of int, (n,)
            The fold of each row.
        weight : array, (n,), optional
            Weights > 0.
        eligible : array of bool, (n, K), optional
            Whether each cell is open to each row: what is closed has probability 0, and the open
            cells are told apart by which they are, beside the features.

        Returns
        -------
        array, (n, K)
            Probabilities >= ``least_`` that sum to 1.

        Raises
        ------
        InputError
            ``clip`` is too large, or a cell has no rows outside some fold.
        """
        values, _ = self._fit_columns(X)
        weight = check_weights(weight, len(values))
        return self._cross_fit(values, cell, cells, fold, weight, eligible)

    def _cross_fit(
        self,
        X: Floats,
        cell: Ints,
        cells: int,
        fold: Ints,
        weight: Floats | None,
        eligible: Bools | None,
    ) -> Floats:
        """`cross_fit` on columns that are known, by rows in an order of their own."""
        X = _with_open(X, cells, eligible)
        self.by_eligibility_ = eligible is not None
        if self.clip is not None and not 0 <= self.clip * cells < 1:
            fix = "None takes a tenth of each cell's share"
            raise InputError("clip", f"lie in [0, 1 / {cells})", self.clip, fix=fix)
        _present(cell, cells, fold)
        order = sample_order(X, cell, fold, [] if weight is None else [weight])
        X, cell, fold, weight = X[order], cell[order], fold[order], _part(weight, order)
        eligible = None if eligible is None else np.asarray(eligible, np.bool_)[order]
        self.floor_ = least_probabilities(cell, cells, weight)
        self.least_ = self.floor_ if self.clip is None else np.full(cells, float(self.clip))
        table = Table(X, [f"x{j}" for j in range(X.shape[1])])
        model = BoostedTrees(**TREES) if self.model is None else self.model
        check_model(model, "a propensity's model", table)
        regressions = cross_fit(
            model, table, [one_against_rest(cell, cells)], fold, weight, self.random_state
        )
        self.models_ = [nuisances[0] for nuisances in regressions.models]
        scores = _with_control(regressions.predictions[:, 0])
        q = self._learn_basis(X, cells)
        p = self._calibrate_across(scores, q, cell, fold, weight)
        p = among_eligible(p, eligible)
        least = self.least_ if eligible is None else self.least_ * eligible
        clipped, self.clipped_share_ = clip_cells(p, least)
        self.clipped_rows_ = np.rint(self.clipped_share_ * len(p)).astype(np.int64)
        self.overlap_, self.calibration_error_ = overlap(clipped, cell), calibration_error(p, cell)
        level = logging.WARNING if self.clipped_share_.max() > LOUD else logging.INFO
        LOG.log(
            level,
            "propensities below %s were clipped in %s rows of %d, by cell",
            self.least_.tolist(),
            self.clipped_rows_.tolist(),
            len(p),
        )
        return clipped[np.argsort(order)]

    def _learn_basis(self, X: Floats, cells: int) -> Floats | None:
        """q of the rows, (n, P), by the trees' features; None beside a model of the caller's."""
        self.basis_ = None
        if self.model is not None:
            return None
        trees = [model for models in self.models_ for model in models if isinstance(model, Trees)]
        used = split_counts(trees, X.shape[1])
        most = MOST // (cells - 1)
        if not used.any() or most < 2:
            return None
        self.basis_ = learn_basis(X, used, most)
        return quadratic(self.basis_, X)

    def _calibrate_across(
        self, scores: Floats, q: Floats | None, cell: Ints, fold: Ints, weight: Floats | None
    ) -> Floats:
        """Probabilities of every row by calibrations learnt on the other folds, (n, K), with the
        part of q that loses least on them; and the calibration of all rows.
        """
        some = slice(0, MOST_ROWS)  # rows stand in no order: these are a sample
        calibrations = fit_calibrations(
            scores[some],
            cell[some],
            fold[some],
            _part(weight, some),
            self.floor_,
            None if q is None else q[some],
        )
        answers = {spread: np.empty_like(scores) for spread in calibrations}
        for f in range(int(fold.max()) + 1):
            own = np.flatnonzero(fold == f)
            part = None if q is None else q[own]
            for spread, fits in calibrations.items():
                answers[spread][own] = calibrate(scores[own], fits[f], self.floor_, part)
        losses = {}
        for spread, p in answers.items():
            chance = np.maximum(p[np.arange(len(p)), cell], np.finfo(np.float64).tiny)
            losses[spread] = -float(np.average(np.log(chance), weights=weight))
        self.spread_ = min(losses, key=lambda spread: losses[spread])
        self.calibration_ = calibrations[self.spread_][-1]
        return answers[self.spread_]

    def squares(self, X: Any, eligible: Bools | None = None) -> Floats | None:
        """The squares and products that the calibration was offered.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        eligible : array of bool, (n, K), optional
            As in `predict`.

        Returns
        -------
        array, (n, P), or None
            In standard units; None beside a model of the caller's.
        """
        check_is_fitted(self, "models_")
        basis = getattr(self, "basis_", None)
        if basis is None:
            return None
        return quadratic(basis, _with_open(self._as_fitted(X), len(self.least_), eligible))

    def predict(self, X: Any, eligible: Bools | None = None) -> Floats:
        """The probability of each cell for new rows: the mean over the folds' models.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        eligible : array of bool, (n, K), optional
            Whether each cell is open to each row; asked for where fit had it.

        Returns
        -------
        array, (n, K)
            Probabilities >= ``least_`` that sum to 1.
        """
        check_is_fitted(self, "models_")
        if getattr(self, "by_eligibility_", False) != (eligible is not None):
            fix = "give it to both fit and predict, or to neither"
            raise InputError("eligible", "be given as to fit", eligible, fix=fix)
        values = _with_open(self._as_fitted(X), len(self.calibration_), eligible)
        if len(values) == 0:
            return np.empty((0, len(self.calibration_)))
        floor = getattr(self, "floor_", LEAST)  # a snapshot of before has none
        basis = getattr(self, "basis_", None)
        q = None if basis is None else quadratic(basis, values)
        probabilities = [
            calibrate(_with_control(predict_all(models, values).T), self.calibration_, floor, q)
            for models in self.models_
        ]
        p = among_eligible(np.mean(probabilities, axis=0), eligible)
        least: float | Floats = getattr(self, "least_", self.clip or 0.0)
        return clip_cells(p, least if eligible is None else np.asarray(least * eligible))[0]
