"""FlexTENet: every layer has a part for all arms and a part for each; an arm's part also reads the
shared one.

s_l = elu(S_l s_{l-1})     p_al = elu(P_al [s_{l-1}, p_a,l-1])     mu_a = shared end(s_L) +
end_a([s_L, p_aL])
loss = factual + orthogonal * sum over layers and arms of |S_l^T P_al|_F^2

Curth & van der Schaar (2021), NeurIPS.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Dense, Flat, Grouped
from equipoise.neural.nets import Net, Shape, factual


class _FlexTENet(Net):
    def __init__(self, shape: Shape, orthogonal: float) -> None:
        super().__init__(shape)
        w, arms = shape.width, shape.arms
        self.orthogonal = orthogonal
        inside, both = (shape.flat, w, w), (shape.flat, 2 * w, 2 * w)
        self.shared = nn.ModuleList(Dense(i, w) for i in inside)
        self.private = nn.ModuleList(Grouped(arms, i, w) for i in both)
        self.end = nn.Linear(w, shape.metrics)
        self.ends = Grouped(arms, 2 * w, shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        s: Tensor | Flat = self.flat(u)
        inputs = s  # what an arm's part reads
        for shared, private in zip(self.shared, self.private, strict=True):
            s, own = functional.elu(shared(s)), functional.elu(private(inputs))
            inputs = torch.cat([s.expand_as(own), own], dim=-1)
        return self.by_arm(self.end(s) + self.ends(inputs))

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, and orthogonality of shared and private layers."""
        total = factual(self.levels(u), arm, y, weight)
        for shared, private in zip(
            self.shared.parameters(), self.private.parameters(), strict=True
        ):
            # weights, not biases: (w, in) and (1 + k, in or more, w), whose shared inputs come
            # first
            if shared.dim() == 2:
                total = (
                    total + self.orthogonal * ((shared @ private[:, : shared.shape[1]]) ** 2).sum()
                )
        return total


@renamed_arguments(seed="random_state")
class FlexTENet(DeepEstimator):
    """Layers that are shared and private at once.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of a layer's part.
    orthogonal : float, default 0.001
        Weight of the penalty on inputs that feed the shared and a private part alike.
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
    Curth & van der Schaar (2021), "On inductive biases for heterogeneous treatment
    effect estimation", NeurIPS.

    Examples
    --------
    >>> FlexTENet(orthogonal=0.01)
    FlexTENet(orthogonal=0.01)
    """

    def __init__(
        self,
        width: int = 16,
        orthogonal: float = 0.001,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.orthogonal = orthogonal
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _FlexTENet(shape, self.orthogonal)
