"""CF-MTL: strata and propensity as one net, learnt together from all rows.

    L = sum over the six cells (t, c, y) of w_cell BCE(P(cell), seen) + eta sum (g - t)^2

    P(cell): g f_0000 | g f_0011 | g f_0100 | g (f_0101 + f_0111) | (1-g)(f_0011 + f_0111) |
    (1-g)(f_0000 + f_0100 + f_0101)

f: five classes, g: the propensity, both additive in embeddings of the ids.   Li et al. (2023), KDD,
doi 10.1145/3580305.3599550; the weights are those of its code.  The fitted strata are probabilities
by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.strata.base import Held, StrataEstimator
from equipoise.estimators.strata.ids import learn_by_fold, mean_strata
from equipoise.estimators.strata.sample import StrataSample

OFFICIAL = (5.0, 1.0, 1.0, 5.0, 5.0, 5.0)


@renamed_arguments(folds="cv", seed="random_state")
class CFMTL(StrataEstimator):
    """The full-space multi-task net.

    Parameters
    ----------
    weights : of the six cells, in the order above.   eta : of the squared error of the propensity.
    batch, epochs, tolerance : of the training, which stops after seven epochs in all whose relative
        gain is below the tolerance.
    device : "cpu", "cuda", or "auto" for what there is.
    space : two arms, no offer first; None for labels 0 and 1.   cv : of the cross-fitting.
        seed : of the folds and nets.
    """

    of_ids = True

    def __init__(
        self,
        weights: Sequence[float] = OFFICIAL,
        eta: float = 0.5,
        *,
        batch: int = 8192,
        epochs: int = 1000,
        device: str = "cpu",
        tolerance: float = 1e-5,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.weights = weights
        self.eta = eta
        self.batch = batch
        self.epochs = epochs
        self.tolerance = tolerance
        self.device = device
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> Held:
        def learn(rows: Any) -> Any:
            from equipoise.neural.strata import fit_cf_mtl
            from equipoise.neural.train import SlowGains, Training

            how = Training(
                batch=self.batch,
                epochs=self.epochs,
                stop=SlowGains(self.tolerance),
                seed=self.random_state,
                device=self.device,
            )
            return fit_cf_mtl(rows, how, weights=self.weights, eta=self.eta)

        self.models_, held = learn_by_fold(data, self.cv, self.random_state, learn)
        return held

    def _raw(self, X: Floats) -> Floats:
        return mean_strata(self.models_, X, tuple(self.feature_names_in_))
