"""CF-MLE: the strata as one model of five classes whose likelihood is that of what was seen.

    -log L = - t log [f_0000 | f_0011 | f_0100 | f_0101 + f_0111]_CY - (1-t) log [f_0011 + f_0111 |
    the rest]_Y

A row shows a set S of strata it may belong to, one class of six.  With r_s = f_s 1{s in S} / sum_S
f the gradient in the score of
class s is f_s - r_s, and f_s (1 - f_s) bounds its curvature: a step of boosting is a step of
generalised EM.   Dempster, Laird & Rubin (1977).  The likelihood needs no propensity, and the
strata are probabilities that keep both restrictions by construction; the signals are doubly robust
around them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit
from equipoise.core.space import Space
from equipoise.core.strata import STRATA, cells_of, dr_signals
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.cells import BoostedClasses, folds_of, offer_propensity
from equipoise.estimators.strata.sample import StrataSample
from equipoise.learners.base_learners import MANY
from equipoise.learners.tables import Rows, Table

# the strata that each of the six observable cells may be: offered q00, q01, q10, q11; not offered
# y0, y1
SETS = np.array(
    [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1],
        [1, 0, 1, 1, 0],
        [0, 1, 0, 0, 1],
    ],
    np.bool_,
)
EM_STEPS = 200
LEAST = 1e-6  # of a starting probability


def observed(offered: Ints, claimed: Ints, y: Ints) -> Ints:
    """Which of the six observable cells each row is in, (n,): a row of `SETS`."""
    return np.where(offered == 1, 2 * claimed + y, 4 + y)


@njit(cache=True, nogil=True)
def _step(
    scores: Floats, cell: Ints, sets: Bools, weight: Floats, gradient: Floats, curvature: Floats
) -> None:
    """The gradient and the bound of the curvature of each row's likelihood, both (n, 5)."""
    n, k = scores.shape
    for i in range(n):
        top = scores[i].max()
        total, inside = 0.0, 0.0
        for s in range(k):
            e = np.exp(scores[i, s] - top)
            gradient[i, s] = e
            total += e
            inside += e * sets[cell[i], s]
        for s in range(k):
            f = gradient[i, s] / total
            r = gradient[i, s] * sets[cell[i], s] / inside
            gradient[i, s] = weight[i] * (f - r)
            curvature[i, s] = weight[i] * f * (1 - f)


def start_scores(cell: Ints, weight: Floats) -> Floats:
    """The log-probabilities of the strata over all rows, (5,), by EM."""
    count = np.bincount(cell, weight, minlength=len(SETS))
    f = np.full(len(STRATA), 1 / len(STRATA))
    for _ in range(EM_STEPS):
        share = SETS * f
        f = count @ (share / share.sum(axis=1, keepdims=True))
        f = np.maximum(f / f.sum(), LEAST)
    start: Floats = np.log(f / f.sum())
    return start


def default_strata(rows: float) -> BoostedClasses:
    """The model of the strata, for so many rows: leaves as measured on the incentive world."""
    leaves = 15 if rows >= 10 * MANY else 8 if rows >= MANY else 4
    return BoostedClasses(n_estimators=150, learning_rate=0.15, num_leaves=leaves, reg_lambda=1.0)


@renamed_arguments(folds="cv", seed="random_state")
class CFMLE(StrataEstimator):
    """Strata by structural likelihood.

    Parameters
    ----------
    model : BoostedClasses, optional
        The model of the five strata; None for one that suits the number of rows.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds.

    References
    ----------
    Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm".

    Examples
    --------
    >>> CFMLE(BoostedClasses(num_leaves=4), cv=5)
    CFMLE(cv=5, model=BoostedClasses(num_leaves=4))
    """

    uses_propensity = False

    def __init__(
        self, model: Any = None, *, space: Space | None = None, cv: int = 3, random_state: int = 0
    ) -> None:
        self.model = model
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> OutOfFold:
        model = default_strata(len(data)) if self.model is None else self.model
        if not hasattr(model, "climb"):
            raise InputError(
                "model",
                "be BoostedClasses",
                repr(model),
                fix="its likelihood is not one of a plain classifier",
            )
        table = Table(data.rows.X, data.rows.features)
        fold = folds_of(data, self.cv, self.random_state)
        cell = observed(data.offered, data.claimed, data.y)
        weight = np.ones(len(data)) if data.rows.weight is None else data.rows.weight
        self.models_, strata = [], np.empty((len(data), len(STRATA)))
        for f in range(self.cv):
            part, rows = Rows(table, np.flatnonzero(fold != f)), np.flatnonzero(fold == f)
            self.models_.append(_learn_strata(model, part, part.of(cell), part.of(weight)))
            strata[rows] = self.models_[-1].predict(table.X, rows)
        g = offer_propensity(data, fold)
        psi = dr_signals(data.claims(g), *cells_of(strata))
        return OutOfFold(psi, psi, strata, g)

    def _raw(self, X: Floats) -> Floats:
        scores: Floats = np.mean([model.predict(X) for model in self.models_], axis=0)
        return scores


def _learn_strata(model: BoostedClasses, rows: Rows, cell: Ints, weight: Floats) -> Any:
    """Boost the likelihood on rows of a table.   cell, weight: (rows,)."""
    shape = (len(cell), len(STRATA))

    def gradient(scores: Floats) -> tuple[Floats, Floats]:
        down, curve = np.empty(shape), np.empty(shape)
        _step(np.ascontiguousarray(scores), cell, SETS, weight, down, curve)
        return down, curve

    return model.climb(rows, gradient, start_scores(cell, weight))
