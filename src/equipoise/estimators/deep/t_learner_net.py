"""T-net: a net of its own for every arm, from the embedding on.   Künzel et al. (2019), PNAS.

mu_a(x) = f_a(x)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equipoise.estimators.deep.base import DeepEstimator
from equipoise.neural.layers import Embed, Towers
from equipoise.neural.nets import Net, Shape


class ArmNets(Net):
    """One net an arm, with nothing in common."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        w = shape.width
        self.embed = nn.Identity()  # type: ignore[assignment]
        self.embeds = nn.ModuleList(
            Embed(shape.features, shape.slots, w) for _ in range(shape.arms)
        )
        self.towers = Towers(shape.arms, shape.flat, (2 * w, 2 * w, w), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.by_arm(self.towers(torch.stack([embed(u).flatten(1) for embed in self.embeds])))


class TLearnerNet(DeepEstimator):
    """A net an arm; effects are differences of nets that never met.  Parameters as
    `DeepEstimator`.
    """

    def _net(self, shape: Shape) -> Net:
        return ArmNets(shape)
