"""CF-OR: the strata of the outcome models, put into the identification formulas.

    p = identify(q(x), m0(x))       q: one model of the four claim cells; m0: one of the outcome
    without an offer

It is right if both models are, and needs no propensity.   Li et al. (2023), KDD, doi
10.1145/3580305.3599550.
"""

from __future__ import annotations

from typing import Any

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.core.strata import dr_signals, identify
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.cells import learn_nuisances, mean_cells
from equipoise.estimators.strata.sample import StrataSample


@renamed_arguments(outcome="outcome_model", folds="cv", seed="random_state")
class CFOR(StrataEstimator):
    """Strata by outcome regression.

    Parameters
    ----------
    cells : classifier, optional
        Of the claim cells; None for boosted trees.
    outcome_model : regressor or classifier, optional
        Of the outcome without an offer; None for boosted trees.
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

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 1))
    >>> stratum, t = rng.integers(5, size=1000), rng.integers(2, size=1000)
    >>> claimed = t * (stratum >= 2)
    >>> y = np.isin(stratum, [1, 4]) | (stratum == 3) & (t == 1)
    >>> learner = CFOR(LogisticRegression(), LogisticRegression())
    >>> learner.fit(X, y, treatment=t, claimed=claimed).strata([[0.0]]).round(1).tolist()
    [[0.2, 0.2, 0.2, 0.2, 0.2]]
    """

    uses_propensity = False

    def __init__(
        self,
        cells: Any = None,
        outcome_model: Any = None,
        *,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.cells = cells
        self.outcome_model = outcome_model
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> OutOfFold:
        fit = learn_nuisances(
            self.cells, self.outcome_model, data, folds=self.cv, seed=self.random_state
        )
        self.cells_, self.levels_ = fit.cells, fit.levels
        plug_in = identify(fit.q, fit.m0)
        tested = dr_signals(data.claims(fit.propensity), fit.q, fit.m0)
        return OutOfFold(plug_in, tested, plug_in, fit.propensity)

    def _raw(self, X: Floats) -> Floats:
        return identify(*mean_cells(self.cells_, self.levels_, X))
