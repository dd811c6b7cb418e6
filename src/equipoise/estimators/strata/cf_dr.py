"""CF-DR: the strata by doubly robust signals, each regressed on x.

    psi  = identify(q + t (1{C=c, Y=y} - q) / g, m0 + (1-t) (Y - m0) / (1-g))       q, m0, g learnt
    without the row's fold
    p(x) = identify(q(x), m0(x)) + E[psi - identify(q, m0) | x]

Right in the limit if either the outcome models or the propensity are; the second term is what the
models missed.
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550; Kennedy, arXiv:2004.14497.
"""

from __future__ import annotations

from typing import Any

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.core.strata import dr_signals, identify
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.cells import default_missed, learn_nuisances, mean_cells
from equipoise.estimators.strata.sample import StrataSample
from equipoise.learners.base_learners import check_model, predict_all
from equipoise.learners.crossfit import learn_each
from equipoise.learners.tables import Rows


@renamed_arguments(outcome="outcome_model", effect="effect_model", folds="cv", seed="random_state")
class CFDR(StrataEstimator):
    """Strata by doubly robust signals, each regressed on the features.

    Parameters
    ----------
    cells : classifier, optional
        Of the claim cells; None for boosted trees.
    outcome_model : regressor or classifier, optional
        Of the outcome without an offer; None for boosted trees.
    effect_model : regressor, optional
        Of what these two miss; None for boosted trees.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and models.

    References
    ----------
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550; Kennedy, arXiv:2004.14497.

    Examples
    --------
    A fifth of the units is in each stratum, whatever their feature.

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 1))
    >>> stratum, t = rng.integers(5, size=1000), rng.integers(2, size=1000)
    >>> claimed = t * (stratum >= 2)
    >>> y = np.isin(stratum, [1, 4]) | (stratum == 3) & (t == 1)
    >>> models = LogisticRegression(), LogisticRegression(), LinearRegression()
    >>> CFDR(*models).fit(X, y, treatment=t, claimed=claimed).strata([[0.0]]).round(1).tolist()
    [[0.2, 0.2, 0.2, 0.2, 0.2]]
    """

    def __init__(
        self,
        cells: Any = None,
        outcome_model: Any = None,
        effect_model: Any = None,
        *,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.cells = cells
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> OutOfFold:
        fit = learn_nuisances(
            self.cells, self.outcome_model, data, folds=self.cv, seed=self.random_state
        )
        effect = default_missed() if self.effect_model is None else self.effect_model
        check_model(effect, "effect_model", fit.table, classifier=False)
        plug_in = identify(fit.q, fit.m0)
        psi = dr_signals(data.claims(fit.propensity), fit.q, fit.m0)
        self.cells_, self.levels_ = fit.cells, fit.levels
        self.effects_ = learn_each(
            effect,
            Rows(fit.table, None),
            psi - plug_in,
            data.rows.weight,
            self.random_state,
            fit.fold,
        )
        return OutOfFold(psi, psi, plug_in, fit.propensity)

    def _raw(self, X: Floats) -> Floats:
        correction: Floats = predict_all(self.effects_, X).T
        return identify(*mean_cells(self.cells_, self.levels_, X)) + correction
