"""CF-MTL-v1: CF-MTL with parts that were trained before, as the source text varies it.

    1  the propensity g, by cross-entropy with t        2  embeddings, as a matrix factorisation of
    y with squared error
    3  strata on these embeddings, by the six cells' cross-entropies alone: g and the embeddings go
    on learning, without eta

Its listing registers the parts as sub-modules, so nothing is frozen.
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

LISTED = (1.0, 1.0, 1.0, 5.0, 10.0, 10.0)


@renamed_arguments(folds="cv", seed="random_state")
class CFMTLV1(StrataEstimator):
    """CF-MTL with pre-trained parts.

    Parameters
    ----------
    weights : sequence of float, (6,), default LISTED
        Of the six cells: offered q00, q01, q10, q11; not offered and bought, not bought.
    batch : int, default 8192
        Rows per step.
    epochs : int, default 1000
        At most so many.
    tolerance : float, default 1e-5
        Training stops at the seventh epoch, in all, whose relative gain is below it.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and nets.

    References
    ----------
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550.

    Examples
    --------
    >>> CFMTLV1(epochs=100)
    CFMTLV1(epochs=100)
    """

    of_ids = True

    def __init__(
        self,
        weights: Sequence[float] = LISTED,
        *,
        batch: int = 8192,
        epochs: int = 1000,
        tolerance: float = 1e-5,
        space: Space | None = None,
        device: str = "cpu",
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.weights = weights
        self.space = space
        self.cv = cv
        self.random_state = random_state
        self.batch = batch
        self.epochs = epochs
        self.tolerance = tolerance
        self.device = device

    def _learn(self, data: StrataSample) -> OutOfFold:
        self.models_, out_of_fold = learn_by_fold(data, self.cv, self.random_state, self._net)
        return out_of_fold

    def _net(self, rows: Any) -> Any:
        from equipoise.neural.strata import fit_cf_mtl_v1
        from equipoise.neural.train import SlowGains, Training

        how = Training(
            batch=self.batch,
            epochs=self.epochs,
            seed=self.random_state,
            stop=SlowGains(self.tolerance),
            device=self.device,
        )
        return fit_cf_mtl_v1(rows, how, weights=self.weights)

    def _raw(self, X: Floats) -> Floats:
        return mean_strata(self.models_, X, self._encoded_names)
