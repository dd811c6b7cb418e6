"""BalancedBCE: one score, trained on cross-entropies in which both classes weigh alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equipoise.ranking.nets.base import NetRanker
from equipoise.ranking.nets.summed_bce import cross_entropy

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


class BalancedBCE(NetRanker):
    """The net of HarmonRank, trained on cross-entropies in which the two classes of each objective
    weigh alike, however rare one is.

    The arguments are those of `NetRanker`.

    Examples
    --------
    >>> BalancedBCE(epochs=2).fit([[0.1], [0.9], [0.4]], [0, 1, 0]).predict([[0.2]]).shape
    (1,)
    """

    def _loss(self, batch: Batch) -> Tensor:
        return cross_entropy(batch, balanced=True)
