"""UPGrad: the net of HarmonRank, its step the mean of gradients that oppose no objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equipoise.ranking.nets.base import NetRanker
from equipoise.ranking.nets.gradient_level import combined_loss

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


class UPGrad(NetRanker):
    """The net of HarmonRank, its step the mean of the objectives' gradients, each first moved to
    the nearest that opposes none of the others.

    Quinton & Rey (2024), Jacobian Descent for Multi-Objective Optimization, arXiv 2406.16232.
    Needs ``equipoise[gradients]``.


    Parameters
    ----------
    width : int, default 16
        Of a token.
    heads : int, default 2
        Of each attention.
    epochs : int, default 60
        At most so many passes over the training rows.
    batch : int, optional
        Rows of a step, about; None: of 256 to 8192, some 30 steps an epoch.
    rate : float, default 5e-3
        The step size of Adam.
    decay : float, default 1e-5
        The L2 penalty of Adam.
    patience : int, default 8
        Epochs without a better mean AUC of held-out rows before training stops; the best weights
        stay.
    held : float, default 0.2
        The share of rows, or of groups, held out where there is no ``eval_set``, in (0, 1).
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" (their logits are read) or "number".
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.

    Examples
    --------
    >>> ranker = UPGrad(epochs=2).fit([[0.1], [0.9], [0.4]], [0, 1, 0])
    >>> ranker.predict([[0.2]]).shape
    (1,)
    """

    def _loss(self, batch: Batch) -> Tensor:
        return combined_loss(batch, "UPGradWeighting")
