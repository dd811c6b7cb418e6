"""CEVAE: hidden causes z, of which features, treatment and outcome are noisy signs.   Louizos et
al. (2017), NeurIPS.

    p(z) = N(0, 1)   p(x|z), p(t|z), p(y|z, t)      q(t|x), q(y|x, t), q(z|x, t, y)
    loss = KL(q(z) | p(z)) - log p(x|z) - log p(t|z) - log p(y|z, t) - log q(t|x) - log q(y|x, t)

Prediction draws nothing: z is the mean of q(z|x, t, E[y|x, t]) over q(t|x), and the levels are
those of p(y|z, a) at it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.tarnet import TwoHeads
from equipoise.neural.layers import Towers, mlp
from equipoise.neural.nets import Net, Shape, factual


class _CEVAE(TwoHeads):
    """`TwoHeads` is q(y|x, t)."""

    def __init__(self, shape: Shape, hidden: int, divergence: float) -> None:
        super().__init__(shape)
        w, arms = shape.width, shape.arms
        self.hidden = hidden
        self.divergence = divergence
        self.assign = mlp(shape.flat, (w,), arms)
        # an arm each: mean and log-variance of z
        self.encode = Towers(arms, shape.flat + shape.metrics, (w,), 2 * hidden)
        self.see = mlp(hidden, (w,), shape.features)
        self.treat = mlp(hidden, (w,), arms)
        self.outcome = Towers(arms, hidden, (w, w), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """At the mean of z."""
        x, outcomes = self.embed(u).flatten(1), super().levels(u)  # outcomes: (B, 1 + k, m)
        inputs = torch.cat([x.expand(self.shape.arms, *x.shape), outcomes.transpose(0, 1)], dim=-1)
        means = self.encode(inputs)[:, :, : self.hidden]
        share = torch.softmax(self.assign(x), dim=1).T[:, :, None]
        return self.by_arm(self.outcome((share * means).sum(dim=0)))

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Minus the evidence bound, and the two predictive terms."""
        x = self.embed(u).flatten(1)
        every = self.encode(torch.cat([x, y], dim=1))
        posterior = every.transpose(0, 1)[torch.arange(len(u), device=u.device), arm]
        mean, spread = posterior[:, : self.hidden], posterior[:, self.hidden :].clamp(-8, 8)
        z = mean + torch.exp(spread / 2) * torch.randn_like(mean)
        divergence = (mean**2 + torch.exp(spread) - 1 - spread).sum(dim=1).mean() / 2
        # features of about unit size
        reconstruction = ((self.see(z) - 4 * u / self.shape.slots) ** 2).sum(dim=1).mean() / 2
        treated = functional.cross_entropy(self.treat(z), arm) + functional.cross_entropy(
            self.assign(x), arm
        )
        outcome = factual(self.by_arm(self.outcome(z)), arm, y, weight) + factual(
            super().levels(u), arm, y, weight
        )
        total: Tensor = (
            outcome
            + treated
            + (self.divergence * divergence + reconstruction) / self.shape.features
        )
        return total


@renamed_arguments(seed="random_state")
class CEVAE(DeepEstimator):
    """A variational autoencoder of hidden causes.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the layers.
    hidden : int, default 10
        The number of hidden causes.
    divergence : float, default 0.05
        Weight of the Kullback-Leibler term; with 1 the causes collapse.
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
    Louizos et al. (2017), "Causal effect inference with deep latent-variable models", NeurIPS.

    Examples
    --------
    >>> CEVAE(hidden=4)
    CEVAE(hidden=4)
    """

    def __init__(
        self,
        width: int = 16,
        hidden: int = 10,
        divergence: float = 0.05,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.hidden = hidden
        self.divergence = divergence
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _CEVAE(shape, self.hidden, self.divergence)
