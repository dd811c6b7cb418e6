"""The net of HarmonRank, trained on the squared hinge of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equipoise.ranking.nets.base import NetRanker
from equipoise.ranking.nets.harmonrank import rank_loss

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


class SquaredHinge(NetRanker):
    """The net of HarmonRank, trained on the squared hinge of all pairs.

    The arguments are those of `NetRanker`.

    Examples
    --------
    >>> SquaredHinge(epochs=2).fit([[0.1], [0.9], [0.4]], [0, 1, 0]).predict([[0.2]]).shape
    (1,)
    """

    def _loss(self, batch: Batch) -> Tensor:
        return rank_loss(batch, "squared_hinge")
