"""DragonNet: a representation that also predicts the treatment, and targeted regularisation.   Shi
et al. (2019), NeurIPS.

    loss = factual + propensity * CE(t, g(Phi)) + targeted * mean of (y - mu_t - sum_k eps_k h_k)^2
    h_k = 1{t = k}/g_k - 1{t = 0}/g_0

eps has one number per candidate and metric.   The effect of k gains eps_k (1/g_k + 1/g_0); control
stays, as the baseline of all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.tarnet import TwoHeads
from equipoise.neural.nets import Net, Shape, factual, own

LEAST = 0.01  # of a fitted propensity


class _DragonNet(TwoHeads):
    def __init__(self, shape: Shape, propensity: float, targeted: float) -> None:
        super().__init__(shape)
        self.propensity = propensity
        self.targeted = targeted
        self.assign = nn.Linear(2 * shape.width, shape.arms)
        self.eps = nn.Parameter(torch.zeros(shape.candidates, shape.metrics))

    def parts(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Untargeted levels (B, 1 + k, m) and logits of the arms (B, 1 + k)."""
        phi = self.phi(self.flat(u))
        return self.by_arm(self.heads(phi)), self.assign(phi)

    def levels(self, u: Tensor) -> Tensor:
        """With the targeted shift of each candidate."""
        levels, logits = self.parts(u)
        if not self.targeted:
            return levels
        rare = 1 / torch.softmax(logits, dim=1).clamp_min(LEAST)
        shift = self.eps * (rare[:, 1:] + rare[:, :1])[:, :, None]
        return torch.cat([levels[:, :1], levels[:, 1:] + shift], dim=1)

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, propensity, targeted."""
        levels, logits = self.parts(u)
        total = factual(levels, arm, y, weight) + self.propensity * functional.cross_entropy(
            logits, arm
        )
        if not self.targeted:
            return total
        rare = 1 / torch.softmax(logits, dim=1).clamp_min(LEAST)
        h = self.onehot(arm) * rare[:, 1:] - (arm == 0).float()[:, None] * rare[:, :1]
        perturbed = own(levels, arm) + h @ self.eps
        return total + self.targeted * ((y - perturbed) ** 2).mean()


@renamed_arguments(seed="random_state")
class DragonNet(DeepEstimator):
    """A shared representation with a head per arm and one for the treatment itself.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    propensity : float, default 1.0
        Weight of the treatment's cross-entropy.
    targeted : float, default 1.0
        Weight of targeted regularisation; 0 for none.
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
    Shi, Blei & Veitch (2019), "Adapting neural networks for the estimation of treatment effects",
    NeurIPS.

    Examples
    --------
    >>> DragonNet(targeted=0.0)
    DragonNet(targeted=0.0)
    """

    def __init__(
        self,
        width: int = 16,
        propensity: float = 1.0,
        targeted: float = 1.0,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.propensity = propensity
        self.targeted = targeted
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _DragonNet(shape, self.propensity, self.targeted)
