"""TARNet: one representation, one head an arm.   Shalit, Johansson & Sontag (2017), ICML.

    Phi(x) -> mu_a = h_a(Phi)
"""

from __future__ import annotations

from torch import Tensor

from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Towers, mlp
from equipoise.neural.nets import Net, Shape


class TwoHeads(Net):
    """A shared representation ``phi`` and a tower an arm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        w = shape.width
        self.phi = mlp(shape.flat, (2 * w, 2 * w))
        self.heads = Towers(shape.arms, 2 * w, (w,), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.by_arm(self.heads(self.phi(self.flat(u))))


class TARNet(DeepEstimator):
    """A shared representation, and a head an arm.

    Parameters
    ----------
    width : of an embedding and of the heads.   training : see `NetTraining`.   space : what can be done to a unit.   seed : of all.
    """

    def __init__(
        self, width: int = 32, *, training: NetTraining | None = None, space: Space | None = None, seed: int = 0
    ) -> None:
        self.width, self.training, self.space, self.seed = width, training, space, seed

    def _net(self, shape: Shape) -> Net:
        return TwoHeads(shape)
