"""EFIN: features look at each other for control; the treatment looks at features for its effect;
and cannot be told from it.

c = f(self-attention of e)      tau_k = h_k(sum_j a_kj e_j),  a_kj = softmax_j q_k . W e_j
y = c under control, stop(c) + tau_k under k;   + constraint * CE(arm from the treatment's view,
uniform over the other arms)

Liu et al. (2023), KDD, "explicit feature interaction-aware uplift network", whose constraint
reverses a binary label; for more arms every other arm is as right.  Embeddings are made of
positions, and the treatment's query is learnt: it reaches the effect.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.attention import SelfAttention, TargetAttention
from equipoise.neural.layers import Towers, mlp
from equipoise.neural.nets import Net, Shape, factual


class _EFIN(Net):
    def __init__(self, shape: Shape, constraint: float, detach: bool) -> None:
        super().__init__(shape)
        w = shape.width
        self.constraint = constraint
        self.detach = detach
        self.mix = SelfAttention(w)
        self.look = TargetAttention(shape.candidates, w)
        self.control = mlp(shape.flat, (2 * w, w), shape.metrics)
        self.effect = Towers(shape.candidates, w, (w,), shape.metrics)
        self.told = nn.Linear(w, shape.arms)

    def parts(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Levels (B, 1 + k, m) and the treatments' views (k, B, w)."""
        e = self.embed(u)
        c = self.control((e + self.mix(e)).flatten(1))[:, None]
        views = self.look(e)
        under = c.detach() if self.detach else c
        return torch.cat([c, under + self.by_arm(self.effect(views))], dim=1), views

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.parts(u)[0]

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, and the reversed treatment."""
        levels, views = self.parts(u)
        others = (1 - functional.one_hot(arm, self.shape.arms).float()) / self.shape.candidates
        log_share = torch.log_softmax(self.told(views), dim=-1)  # (k, B, 1 + k)
        return (
            factual(levels, arm, y, weight)
            - self.constraint * (others * log_share).sum(dim=-1).mean()
        )


@renamed_arguments(seed="random_state")
class EFIN(DeepEstimator):
    """Attention among features, and of the treatment to features.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding.
    constraint : float, default 0.1
        Weight of the reversed treatment: the treatment's view must not tell the arm.
    detach : bool, default True
        Whether treated rows leave the net of control alone.
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
    Liu et al. (2023), "Explicit feature interaction-aware uplift network for online
    marketing", KDD.

    Examples
    --------
    >>> EFIN(constraint=0.0)
    EFIN(constraint=0.0)
    """

    def __init__(
        self,
        width: int = 16,
        constraint: float = 0.1,
        detach: bool = True,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.constraint = constraint
        self.detach = detach
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _EFIN(shape, self.constraint, self.detach)
