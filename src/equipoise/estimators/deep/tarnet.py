"""TARNet: one representation, one head per arm.   Shalit, Johansson & Sontag (2017), ICML.

Phi(x) -> mu_a = h_a(Phi)
"""

from __future__ import annotations

from torch import Tensor

from equipoise.estimators.deep.base import DeepEstimator
from equipoise.neural.layers import Towers, mlp
from equipoise.neural.nets import Net, Shape


class TwoHeads(Net):
    """A shared representation ``phi`` and a tower per arm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        w = shape.width
        self.phi = mlp(shape.flat, (2 * w, 2 * w))
        self.heads = Towers(shape.arms, 2 * w, (w,), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.by_arm(self.heads(self.phi(self.flat(u))))


class TARNet(DeepEstimator):
    """A shared representation, and a head per arm.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    training : NetTraining, optional
        How the net is trained; None for the defaults of `NetTraining`.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Shalit, Johansson & Sontag (2017), "Estimating individual treatment effect:
    generalization bounds and algorithms", ICML.

    Examples
    --------
    >>> TARNet(random_state=1)
    TARNet(random_state=1)
    """

    def _net(self, shape: Shape) -> Net:
        return TwoHeads(shape)
