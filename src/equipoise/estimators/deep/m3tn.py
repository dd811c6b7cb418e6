"""M3TN: experts mixed by one gate per arm; control has a level, every candidate an effect on it.
Sun & Chen (2024), ICASSP.

phi_a = sum_e softmax(W_a x)_e p_e(x)      mu_0 = h_0(phi_0)      mu_k = mu_0 + h_k(phi_k)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Experts, Towers
from equipoise.neural.nets import Net, Shape


class _M3TN(Net):
    def __init__(self, shape: Shape, experts: int) -> None:
        super().__init__(shape)
        w = shape.width
        self.experts = Experts(shape.arms, shape.flat, experts, 2 * w)
        self.heads = Towers(shape.arms, 2 * w, (w,), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        x = self.flat(u)
        outputs = self.by_arm(self.heads(self.experts(x, x)))
        return torch.cat([outputs[:, :1], outputs[:, :1] + outputs[:, 1:]], dim=1)


@renamed_arguments(seed="random_state")
class M3TN(DeepEstimator):
    """A mixture of experts per arm; effects on control's level.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    experts : int, default 4
        The number of experts.
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
    Sun & Chen (2024), "M3TN: multi-gate mixture-of-experts based multi-valued treatment network for
    uplift modeling", ICASSP.

    Examples
    --------
    >>> M3TN(experts=2)
    M3TN(experts=2)
    """

    def __init__(
        self,
        width: int = 16,
        experts: int = 4,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.experts = experts
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _M3TN(shape, self.experts)
