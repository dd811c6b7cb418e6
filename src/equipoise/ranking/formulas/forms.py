"""The formulas that practitioners rank by, each a weighted sum of one term a score.

    sum       sum_m w_m p_m / spread_m
    product   sum_m w_m log(a_m mean_m + p_m)             the log of prod (alpha_m + p_m)^w_m
    rank      sum_m w_m / (c + L (1 - F_m(p_m)))

F_m is the distribution of score m in the rows of fit, so that L (1 - F_m) is the place of a row in
a typical list of L: a row's score does not depend on its company, and streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats

LIST = 100.0  # L
KNOTS = 257  # of each distribution
FORMS = ("sum", "product", "rank")
LEAST_ALPHA, MOST_ALPHA = 1e-3, 10.0  # of a_m
LEAST_C, MOST_C = 1.0, 100.0


@dataclass(frozen=True)
class Spreads:
    """What fit saw of the scores.   mean, spread : (S,).   quantiles : (S, K)."""

    mean: Floats
    spread: Floats
    quantiles: Floats

    @classmethod
    def learn(cls, scores: Floats) -> Spreads:
        """From scores (n, S)."""
        spread = scores.std(axis=0)
        quantiles = np.quantile(scores, np.linspace(0, 1, KNOTS), axis=0).T
        return cls(scores.mean(axis=0), np.where(spread > 0, spread, 1.0), quantiles)

    def places(self, scores: Floats) -> Floats:
        """L (1 - F), (n, S)."""
        grid = np.linspace(0, 1, KNOTS)
        below = np.empty(scores.shape)
        for j, (low, high) in enumerate(self._distinct()):
            below[:, j] = np.interp(scores[:, j], self.quantiles[j][low], grid[high])
        return LIST * (1.0 - below)

    def _distinct(self) -> Any:
        """Of each score, where its distinct quantiles begin, and their mid-places in the grid."""
        for row in self.quantiles:
            first = np.flatnonzero(np.r_[True, row[1:] > row[:-1]])
            last = np.r_[first[1:] - 1, len(row) - 1]
            yield first, (first + last) // 2


def terms(form: str, scores: Floats, seen: Spreads, constants: Floats) -> Floats:
    """The terms of a formula, (n, S).

    Parameters
    ----------
    form : str
        One of `FORMS`.
    scores : array, (n, S)
        Base scores; for "product" none below 0.
    seen : Spreads
        Of fit.
    constants : array
        Nothing, (0,), for "sum"; a_m, (S,), for "product"; c, (1,), for "rank".

    Returns
    -------
    array, (n, S)
        To be weighed and summed.

    Examples
    --------
    >>> p = np.array([[0.2], [0.4]])
    >>> terms("sum", p, Spreads.learn(p), np.empty(0)).ravel().round(3).tolist()
    [2.0, 4.0]
    """
    if form == "sum":
        return scores / seen.spread
    if form == "product":
        return np.log(constants * seen.mean + scores)
    return 1.0 / (constants + seen.places(scores))
