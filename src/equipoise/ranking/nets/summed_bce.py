"""SummedBCE: one score, trained on the cross-entropy of every objective, summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.ranking.nets.base import NetRanker

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


class SummedBCE(NetRanker):
    """The net of HarmonRank, its one score trained as the log odds of every objective.

    The text's baseline, and HarmonRank without its rank loss: a frequent objective drowns a rare
    one.

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
    >>> SummedBCE(epochs=2).fit([[0.1], [0.9], [0.4]], [0, 1, 0]).predict([[0.2]]).shape
    (1,)
    """

    def _first_level(self, prior: Floats) -> float:
        mean = float(self.weight_ @ prior)
        return float(np.log(mean / (1.0 - mean)))

    def _loss(self, batch: Batch) -> Tensor:
        return cross_entropy(batch, balanced=False)


def cross_entropy(batch: Batch, balanced: bool) -> Tensor:
    """The mean cross-entropy of a score as the log odds of every objective.   balanced: whether
    positives and negatives of an objective weigh alike.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits

    logits = batch.score[:, None].expand_as(batch.labels)
    weight = batch.objective_weight.expand_as(batch.labels)
    if balanced:
        half = batch.labels / batch.prior + (1.0 - batch.labels) / (1.0 - batch.prior)
        weight = weight * 0.5 * half
    if batch.observed is not None:
        weight = weight * batch.observed
    if batch.weight is not None:
        weight = weight * batch.weight[:, None]
    loss = binary_cross_entropy_with_logits(logits, batch.labels, weight=weight, reduction="sum")
    return loss / len(batch.score)
