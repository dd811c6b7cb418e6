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
from equipoise.core.space import Space
from equipoise.core.strata import dr_signals, identify
from equipoise.estimators.base_learners import Rows, check_model, predict_all
from equipoise.estimators.crossfit import learn_each
from equipoise.estimators.strata.base import Held, StrataEstimator
from equipoise.estimators.strata.cells import default_missed, learn_nuisances, mean_cells
from equipoise.estimators.strata.sample import StrataSample


class CFDR(StrataEstimator):
    """Doubly robust.

    Parameters
    ----------
    cells : classifier of the claim cells.   outcome : regressor, or classifier, of the outcome
        without an offer.
    effect : regressor of what these missed.   None for boosted trees.
    space : two arms, no offer first; None for labels 0 and 1.   folds : of the cross-fitting.
        seed : of the folds and models.
    """

    def __init__(
        self,
        cells: Any = None,
        outcome: Any = None,
        effect: Any = None,
        *,
        space: Space | None = None,
        folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.cells, self.outcome, self.effect = cells, outcome, effect
        self.space, self.folds, self.seed = space, folds, seed

    def _learn(self, data: StrataSample) -> Held:
        fit = learn_nuisances(self.cells, self.outcome, data, folds=self.folds, seed=self.seed)
        effect = default_missed() if self.effect is None else self.effect
        check_model(effect, "effect", fit.table, classifier=False)
        plug_in = identify(fit.q, fit.m0)
        psi = dr_signals(data.claims(fit.propensity), fit.q, fit.m0)
        self.cells_, self.levels_ = fit.cells, fit.levels
        self.effects_ = learn_each(
            effect, Rows(fit.table, None), psi - plug_in, data.rows.weight, self.seed
        )
        return Held(psi, psi, plug_in, fit.propensity)

    def _raw(self, X: Floats) -> Floats:
        missed: Floats = predict_all(self.effects_, X).T
        return identify(*mean_cells(self.cells_, self.levels_, X)) + missed
