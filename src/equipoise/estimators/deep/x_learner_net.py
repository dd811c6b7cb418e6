"""X-net: levels by a net per arm; then effects from what each row shows against the other arm's
net. Künzel et al. (2019), PNAS.

D = y - mu_0(x) in rows of arm k,   mu_k(x) - y in control rows
tau_k = g tau_k0 + (1 - g) tau_k1,   tau_k1 learnt on rows of k, tau_k0 on control rows, g the share
of k among the two
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equipoise.estimators.deep.base import DeepEstimator
from equipoise.estimators.deep.t_learner_net import ArmNets
from equipoise.neural.layers import Towers
from equipoise.neural.nets import Net, Rows, Shape, build, fit
from equipoise.neural.train import Training


class _XNet(Net):
    """``stage`` 0 learns levels; 1 learns effects of the levels that were learnt."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        w = shape.width
        self.base = ArmNets(shape)
        self.effect = Towers(2 * shape.candidates, shape.flat, (2 * w, w), shape.metrics)
        self.share: Tensor
        self.register_buffer("share", torch.full((shape.candidates,), 0.5))
        self.stage = 1

    def pairs(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Effects by rows of the candidate, and by control rows, (k, B, m) each."""
        both = self.effect(self.flat(u))
        return both[: self.shape.candidates], both[self.shape.candidates :]

    def levels(self, u: Tensor) -> Tensor:
        """Control by its own net; a candidate adds its effect."""
        base = self.base.levels(u)
        if self.stage == 0:
            return base
        by_treated, by_control = self.pairs(u)
        g = self.share[:, None, None]
        tau = g * by_control + (1 - g) * by_treated
        return torch.cat([base[:, :1], base[:, :1] + tau.transpose(0, 1)], dim=1)

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Of the levels first, then of the effects."""
        if self.stage == 0:
            return super().loss(u, arm, y, weight)
        base = self.base.levels(u).detach()
        by_treated, by_control = self.pairs(u)
        hit = self.onehot(arm).T[:, :, None] * weight[:, None]
        none = ((arm == 0).float() * weight)[:, None] / self.shape.candidates
        miss = (
            hit * (by_treated - (y - base[:, 0])) ** 2
            + none * (by_control - (base[:, 1:].transpose(0, 1) - y)) ** 2
        )
        return miss.sum() / y.numel()


class XLearnerNet(DeepEstimator):
    """Effects learnt from each row's outcome less the other arm's net.

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
    >>> XLearnerNet(width=32)
    XLearnerNet(width=32)
    """

    def _net(self, shape: Shape) -> Net:
        return _XNet(shape)

    def _train_net(self, rows: Rows, holdout: Rows, how: Training) -> Net:
        net = build(_XNet, Shape(**self.shape_), self.random_state)
        counts = np.bincount(rows.arm)
        net.share.copy_(torch.from_numpy(counts[1:] / (counts[1:] + counts[0])))
        self.losses_ = []
        for net.stage in (0, 1):
            self.losses_ += fit(net, rows, holdout, how).losses
        return net
