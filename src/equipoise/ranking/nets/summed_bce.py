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
    one.  The arguments are those of `NetRanker`.

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
