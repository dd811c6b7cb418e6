"""What the covariance of folds adds to the variance of a cross-fitted value.

The rule of fold j is learnt from all folds but j, the rule of fold k from all but k: the rows of k
choose what j's rows judge, and j's rows what k's judge.  Each fold's error E is 0 on average,
whatever chose its rule, but the product of two is not:

    E_j = h(D_j, D_k)   linear in the outcomes of D_j, by way of the rule in those of D_k
    cov(E_j, E_k) = E h(D_j, D_k) h(D_k, D_j) = n^-2 sum_ii' s_i^2 s_i'^2 A_ii' A_i'i

with A_ii' how much an outcome of row i' moves the choice for row i.  Where rows move each other's
choice alike (A symmetric: means of cells, least squares, kernels), predictions are about normal,
and rows hang on data of their own, it follows from the choices that change when one fold of F is
swapped for another, d = phi(rule without j) - phi(rule without k), with phi what a row adds:

    sum_{j != k} w_j w_k cov(E_j, E_k) = var(mean d) / (2 theta)
    theta = arccos((F - 2) / (F - 1))

theta comes from the bivariate normal: of two predictions with F - 2 of their F - 1 folds in common,
the signs differ with probability theta / pi, and both lie at 0 with density 1 / (2 pi (F - 1)).  In
a world without effects it is 1 / pi of the variance, for any F; where effects are clear no choice
changes, and it is nothing.  Learners whose cuts jump with the data (single deep trees) choose less
alike than they change, and their intervals are wider than need be.

Rows judge d that one of the two rules has seen (its own fold's is the other), which overstates it,
for a row's outcome moves its own choice; or both, which understates it.  The mean of the two is
taken; with two folds there is the first only.

Only the part of a metric that goes along with what the rule aims at chooses, so each metric's d
counts by its squared correlation with that of the objective.

References
----------
Bates, Hastie & Tibshirani (2024), Cross-validation: what does it estimate and how well does it do
it?, JASA 119: errors of folds are correlated, and no estimate from one split is unbiased for it.
Stein (1981), Estimation of the mean of a multivariate normal distribution, Ann. Statist. 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, owens_t

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Units
from equipoise.core.estimates import Estimate, around, sum_df

MOST_ROWS = 50_000  # of a log, by which swaps are measured


@dataclass(frozen=True)
class Swaps:
    """How choices change when one fold of the training rows is swapped for another.

    Attributes
    ----------
    folds : int
        F.
    rows : array of int, shape (r,), or None
        Rows of the log; None where the models of the folds are not known.
    choices : tuple of array of int, shape (r,)
        Their choices by the rule of their own fold, and by those of the one or two folds before.
    objective : mapping of str to float
        What the rule aims at: the weight of each metric, with the prices of demands on it.
    price : float
        Of a unit of spend, in the objective.
    guess : float
        Where the models are not known, what the covariances add, in variances of the value.
    """

    folds: int
    rows: Ints | None
    choices: tuple[Ints, ...]
    objective: Mapping[str, float]
    price: float = 0.0
    guess: float = 0.0

    @property
    def share(self) -> float:
        """1 / (2 theta): what the covariances add, in variances of the mean of d."""
        return 1 / (2 * theta(self.folds))

    def take(self, rows: Ints) -> Swaps:
        """The swaps among some rows of the log."""
        if self.rows is None:
            return self
        keep = np.isin(self.rows, rows)
        choices = tuple(choice[keep] for choice in self.choices)
        return replace(self, rows=self.rows[keep], choices=choices)

    def aim(self, metrics: tuple[str, ...]) -> Floats:
        """The objective as weights of the metrics and the spend, (m + 1,)."""
        return np.array([*(self.objective.get(name, 0.0) for name in metrics), -self.price])


def theta(folds: int) -> float:
    """arccos((F - 2) / (F - 1)): pi times how often two folds' predictions have unlike signs."""
    return float(np.arccos((folds - 2) / (folds - 1)))


def unknown_swaps(folds: int, treated: float) -> Swaps:
    """Those of effects without their models: the covariances of a world without effects where so
    many are treated, p: var(mean d) / (2 theta) with d^2 / 2 on average p - P(both are treated),
    which is twice Owen's T.
    """
    guess = 0.0
    if 0 < treated < 1:
        likeness = (folds - 2) / (folds - 1)
        slope = np.sqrt((1 - likeness) / (1 + likeness))
        guess = 2 * float(owens_t(ndtri(treated), slope)) / treated
    return Swaps(folds, None, (), {}, guess=guess / theta(folds))


def swap_rows(inside: Ints, order: Ints, folds: int, groups: Ints | None) -> Ints:
    """The rows of a fold by which swaps are measured: all, or of a large log the first of its own
    order, clusters whole.   inside: the fold's rows; order: (n,) of the log.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = inside[np.argsort(place[inside])][: -(-MOST_ROWS // folds)]
    if groups is None or len(first) == len(inside):
        return np.sort(first)
    return inside[np.isin(groups[inside], groups[first])]


def covariance_part(d: Floats, aim: Floats, units: Units) -> tuple[Floats, Floats]:
    """Variances of the means of d (r, m), each times the squared correlation with the objective's
    d, and their degrees of freedom, (m,) and (m,).   aim: (m,) the objective's weights.
    """
    whole = d @ aim
    centred = np.column_stack([d, whole])
    centred = centred - units.weight @ centred / units.weight.sum()
    errors, df = units.errors(centred)
    if not errors[-1] > 0:
        return np.zeros(d.shape[1]), df[:-1]
    moves = errors[:-1] > 0
    scaled = centred[:, :-1] / np.where(moves, errors[:-1], 1.0) + centred[:, -1:] / errors[-1]
    correlation = np.where(moves, units.errors(scaled)[0] ** 2 / 2 - 1, 0.0)
    return errors[:-1] ** 2 * np.clip(correlation, -1, 1) ** 2, df[:-1]


def widened(
    estimate: Estimate,
    moves: Sequence[Floats],
    units: Units,
    folds: int,
    rows: int,
    level: float,
) -> Estimate:
    """The estimate of a mean of so many rows with the covariance of folds.   moves: what changes of
    it (r,) in some rows where one fold is swapped for another; units: of these rows.
    """
    parts = [covariance_part(d[:, None], np.ones(1), units) for d in moves]
    variance = np.nan_to_num([part[0] for part, _ in parts]).mean()
    extra = variance * Swaps(folds, None, (), {}).share * len(moves[0]) / rows
    variances = np.array([estimate.std_error**2, extra])
    df = sum_df(variances, np.array([estimate.df, parts[0][1][0]]))
    one = around(np.array(estimate.value), np.sqrt(variances.sum()), df, level=level)
    return one[()]
