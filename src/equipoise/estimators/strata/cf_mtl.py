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
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.ids import learn_by_fold, mean_strata
from equipoise.estimators.strata.sample import StrataSample

OFFICIAL = (5.0, 1.0, 1.0, 5.0, 5.0, 5.0)


@renamed_arguments(folds="cv", seed="random_state")
class CFMTL(StrataEstimator):
    """The full-space multi-task net of strata and propensity, for rows of ids.

    Parameters
    ----------
    weights : sequence of float, (6,), default OFFICIAL
        Of the six cells: offered q00, q01, q10, q11; not offered and bought, not bought.
    eta : float, default 0.5
        Weight of the squared error of the propensity.
    batch : int, default 8192
        Rows per step.
    epochs : int, default 1000
        At most so many.
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.
    tolerance : float, default 1e-5
        Training stops at the seventh epoch, in all, whose relative gain is below it.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and nets.

    References
    ----------
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550.

    Examples
    --------
    >>> CFMTL(eta=0.1)
    CFMTL(eta=0.1)
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

    def _learn(self, data: StrataSample) -> OutOfFold:
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

        self.models_, out_of_fold = learn_by_fold(data, self.cv, self.random_state, learn)
        return out_of_fold

    def _raw(self, X: Floats) -> Floats:
        return mean_strata(self.models_, X, self._encoded_names)
