"""S-net: one net of features and treatment together.   Künzel et al. (2019), PNAS.

mu(x, t) = f([x, one-hot of t])
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.estimators.deep.base import DeepEstimator
from equipoise.neural.layers import Dense, mlp
from equipoise.neural.nets import Net, Shape


class _SLearner(Net):
    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        w = shape.width
        self.first = Dense(shape.flat, 2 * w)
        self.treated = torch.nn.Parameter(
            torch.randn(shape.arms, 2 * w) * (shape.flat + shape.candidates) ** -0.5
        )
        self.rest = mlp(2 * w, (2 * w, w), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """The first layer is linear in [x, t], so every arm only adds its own row to it."""
        shared = self.first(self.flat(u))
        levels: Tensor = self.rest(functional.elu(shared[:, None] + self.treated))
        return levels


class SLearnerNet(DeepEstimator):
    """One net that reads the treatment beside the features.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the last layer.
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
    Künzel et al. (2019), "Metalearners for estimating heterogeneous treatment effects using machine
    learning", PNAS.

    Examples
    --------
    >>> SLearnerNet(width=32)
    SLearnerNet(width=32)
    """

    def _net(self, shape: Shape) -> Net:
        return _SLearner(shape)
