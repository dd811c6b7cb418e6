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
    """A net per arm; effects are differences of nets that share nothing.

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
    >>> TLearnerNet(width=32)
    TLearnerNet(width=32)
    """

    def _net(self, shape: Shape) -> Net:
        return ArmNets(shape)
