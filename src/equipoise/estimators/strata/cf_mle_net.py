"""CF-MLE for ids: the exact likelihood of the strata, with an embedding an id in place of trees.

    -log L = - t log [f_0000 | f_0011 | f_0100 | f_0101 + f_0111]_CY - (1-t) log [f_0011 + f_0111 |
    the rest]_Y

Scores are additive in the ids, plus an interaction of low rank where asked.  A tenth of the rows
decides when to stop.  Where a propensity was given, rows weigh 1 / P(own arm): what the assignment
depended on need not be within the net's reach.
"""

from __future__ import annotations

from typing import Any

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.strata.base import OutOfFold, StrataEstimator
from equipoise.estimators.strata.ids import learn_by_fold, mean_strata
from equipoise.estimators.strata.sample import StrataSample

ONE_IN = 10  # one row in so many is held out to decide when to stop


@renamed_arguments(folds="cv", seed="random_state")
class CFMLENet(StrataEstimator):
    """Strata of rows of ids by structural likelihood, with an embedding per id.

    Parameters
    ----------
    rank : int, default 0
        Of the interaction between ids; 0 for none.
    batch : int, default 8192
        Rows per step.
    epochs : int, default 1000
        At most so many.
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.
    patience : int, default 5
        Epochs without a gain on held-out rows before training stops.
    space : Space, optional
        Two arms, no offer first; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds and nets.

    Examples
    --------
    >>> CFMLENet(rank=2)
    CFMLENet(rank=2)
    """

    of_ids = True

    def __init__(
        self,
        rank: int = 0,
        *,
        batch: int = 8192,
        epochs: int = 1000,
        device: str = "cpu",
        patience: int = 5,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.rank = rank
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
        self.device = device
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: StrataSample) -> OutOfFold:
        self.models_, out_of_fold = learn_by_fold(data, self.cv, self.random_state, self._fit_net)
        return out_of_fold

    def _fit_net(self, rows: Any) -> Any:
        from equipoise.neural.strata import fit_cf_mle
        from equipoise.neural.train import NoGain, Training

        rest, holdout = rows.split(ONE_IN, self.random_state)
        how = Training(
            batch=self.batch,
            epochs=self.epochs,
            stop=NoGain(self.patience),
            seed=self.random_state,
            decay=0.0,
            device=self.device,
        )
        return fit_cf_mle(rest, how, rank=self.rank, holdout=holdout)

    def _raw(self, X: Floats) -> Floats:
        return mean_strata(self.models_, X, self._encoded_names)
