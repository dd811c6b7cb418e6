"""CPM: experts mixed by a gate that sees the treatment alone, and towers whose input the treatment
scales.

g_a = softmax(W guide(t_a))      mu_a = h_a(indicator(t_a) * sum_e g_ae p_e(x))

Zhai et al. (2025), RecSys, "CDUM", whose code is the protocol of the published comparison.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Grouped, Towers
from equipoise.neural.nets import Net, Shape


class _CPM(Net):
    def __init__(self, shape: Shape, experts: int) -> None:
        super().__init__(shape)
        w, arms = shape.width, shape.arms
        self.treated = nn.Parameter(torch.randn(arms, w))
        self.guide = nn.Sequential(nn.Linear(w, w), nn.ReLU(), nn.Linear(w, experts))
        self.indicate = nn.Sequential(nn.Linear(w, w), nn.ReLU(), nn.Linear(w, w), nn.Sigmoid())
        self.experts = nn.Sequential(
            Grouped(experts, shape.flat, 2 * w), nn.ELU(), Grouped(experts, 2 * w, w), nn.ELU()
        )
        self.heads = Towers(arms, w, (w,), shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        # (1 + k, experts): the same for every row
        share = torch.softmax(self.guide(self.treated), dim=1)
        mixture = torch.einsum("ae,ebw->abw", share, self.experts(self.flat(u)))
        return self.by_arm(self.heads(self.indicate(self.treated)[:, None] * mixture))


@renamed_arguments(seed="random_state")
class CPM(DeepEstimator):
    """Experts that the treatment alone mixes and scales.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    experts : int, default 3
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
    Zhai et al. (2025), "CDUM", RecSys.

    Examples
    --------
    >>> CPM(experts=5)
    CPM(experts=5)
    """

    def __init__(
        self,
        width: int = 16,
        experts: int = 3,
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
        return _CPM(shape, self.experts)
