"""The net of HarmonRank, trained on the difference of mean scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equipoise.ranking.nets.base import NetRanker
from equipoise.ranking.nets.harmonrank import rank_loss

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


class LinearSurrogate(NetRanker):
    """The net of HarmonRank, trained on the difference of mean scores.

    The arguments are those of `NetRanker`.

    Examples
    --------
    >>> LinearSurrogate(epochs=2).fit([[0.1], [0.9], [0.4]], [0, 1, 0]).predict([[0.2]]).shape
    (1,)
    """

    def _loss(self, batch: Batch) -> Tensor:
        return rank_loss(batch, "linear")
