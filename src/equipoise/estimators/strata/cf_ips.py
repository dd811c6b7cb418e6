"""CF-IPS: the strata by weighting with the propensity, and no outcome model at all.

    psi = identify(t 1{C=c, Y=y} / g, (1-t) Y / (1-g))        p(x) = E[psi | x], one regression a
    stratum

It is right if the propensity is; its signals are noisier than CF-DR's.   Li et al. (2023), KDD, doi
10.1145/3580305.3599550.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.core.strata import STRATA, ips_signals
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.cells import folds_of, offer_propensity
from equipoise.estimators.strata.sample import StrataSample
from equipoise.learners.base_learners import EVENTS, MANY, BoostedTrees, check_model, predict_all
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.tables import Table


def default_signal(rows: float) -> BoostedTrees:
    """The model of the signals, for so many rows: little signal beside much noise, so small trees
    and short steps.
    """
    step = float(np.clip(0.1 * (rows / MANY) ** (1 / 3), 0.03, 0.1))
    leaves = 8 if rows >= MANY else 4
    return BoostedTrees(learning_rate=step, num_leaves=leaves, min_child_events=EVENTS)


@renamed_arguments(effect="effect_model", folds="cv", seed="random_state")
class CFIPS(StrataEstimator):
    """Strata by inverse-propensity weighting, without an outcome model.

    Parameters
    ----------
    effect_model : regressor, optional
        Of the signals; None for boosted trees.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and models.

    References
    ----------
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550.

    Examples
    --------
    A fifth of the units is in each stratum, whatever their feature.

    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 1))
    >>> stratum, t = rng.integers(5, size=1000), rng.integers(2, size=1000)
    >>> claimed = t * (stratum >= 2)
    >>> y = np.isin(stratum, [1, 4]) | (stratum == 3) & (t == 1)
    >>> learner = CFIPS(LinearRegression()).fit(X, y, treatment=t, claimed=claimed)
    >>> learner.strata([[0.0]]).round(1).tolist()
    [[0.2, 0.2, 0.2, 0.2, 0.2]]
    """

    def __init__(
        self,
        effect_model: Any = None,
        *,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.effect_model = effect_model
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> OutOfFold:
        table = Table(data.rows.X, data.rows.features)
        effect = default_signal(len(data) / 2) if self.effect_model is None else self.effect_model
        check_model(effect, "effect_model", table, classifier=False)
        fold = folds_of(data, self.cv, self.random_state)
        g = offer_propensity(data, fold)
        psi = ips_signals(data.claims(g))
        fit = cross_fit(
            effect, table, [Nuisance(None, psi)], fold, data.rows.weight, self.random_state
        )
        self.effects_ = [of_fold[0] for of_fold in fit.models]  # (folds, strata)
        return OutOfFold(psi, psi, fit.predictions[:, 0], g)

    def _raw(self, X: Floats) -> Floats:
        signals = predict_all([model for of_fold in self.effects_ for model in of_fold], X)
        scores: Floats = np.ascontiguousarray(
            signals.reshape(-1, len(STRATA), len(X)).mean(axis=0).T
        )
        return scores
