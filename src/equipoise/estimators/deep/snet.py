"""SNet: representations for each arm alone, for all outcomes, for outcomes and treatment, and for
the treatment alone.

mu_a = h_a([r_a, r_o, r_c])      g = softmax of [r_c, r_w]
loss = factual + propensity * CE + orthogonal * sum over pairs of representations and over inputs of
|W_r|_1 |W_r'|_1

Curth & van der Schaar (2021), AISTATS: the penalty lets an input feed one kind of representation
only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Towers
from equipoise.neural.nets import Net, Shape, factual


class _SNet(Net):
    def __init__(self, shape: Shape, propensity: float, orthogonal: float) -> None:
        super().__init__(shape)
        w = shape.width
        self.propensity = propensity
        self.orthogonal = orthogonal
        # an arm each, then outcomes, common, treatment
        self.views = Towers(shape.arms + 3, shape.flat, (w,), w)
        self.heads = Towers(shape.arms, 3 * w, (w,), shape.metrics)
        self.assign = nn.Linear(2 * w, shape.arms)

    def parts(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Levels (B, 1 + k, m) and logits of the arms (B, 1 + k)."""
        views = functional.elu(self.views(self.flat(u)))  # (1 + k + 3, B, w)
        alone, (outcomes, common, treatment) = views[:-3], views[-3:]
        inputs = torch.cat([alone, outcomes.expand_as(alone), common.expand_as(alone)], dim=-1)
        return self.by_arm(self.heads(inputs)), self.assign(torch.cat([common, treatment], dim=-1))

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.parts(u)[0]

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, propensity, orthogonality."""
        levels, logits = self.parts(u)
        total = factual(levels, arm, y, weight) + self.propensity * functional.cross_entropy(
            logits, arm
        )
        return total + self.orthogonal * crowding(self.views.first.weight)


def crowding(weight: Tensor) -> Tensor:
    """How much inputs feed several views at once.   weight: (views, in, out)."""
    size = weight.abs().mean(dim=2)  # (views, in)
    return (size.sum(dim=0) ** 2 - (size**2).sum(dim=0)).sum() / 2


@renamed_arguments(seed="random_state")
class SNet(DeepEstimator):
    """Five kinds of representation, kept apart.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of a representation.
    propensity : float, default 1.0
        Weight of the treatment's cross-entropy.
    orthogonal : float, default 0.01
        Weight of the penalty on inputs that several representations share.
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
    Curth & van der Schaar (2021), "Nonparametric estimation of heterogeneous treatment
    effects: from theory to learning algorithms", AISTATS.

    Examples
    --------
    >>> SNet(orthogonal=0.1)
    SNet(orthogonal=0.1)
    """

    def __init__(
        self,
        width: int = 16,
        propensity: float = 1.0,
        orthogonal: float = 0.01,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.propensity = propensity
        self.orthogonal = orthogonal
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _SNet(shape, self.propensity, self.orthogonal)
