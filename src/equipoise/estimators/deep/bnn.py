"""BNN: one net on a representation that is alike across arms, held to what near rows of other arms
showed.

loss = factual + balance |mean Phi_t - mean Phi_c|^2 + near * mean over other arms a of (mu(x, a) -
y of the nearest row of a)^2

Johansson, Shalit & Sontag (2016), ICML, "BNN"; the nearest row is sought within the batch, among
its features' positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.cfrnet import apart
from equipoise.neural.balance import mmd_linear
from equipoise.neural.layers import mlp
from equipoise.neural.nets import Net, Shape, factual

SEARCHED = 512  # rows of a batch that neighbours are sought among


class _BNN(Net):
    def __init__(self, shape: Shape, balance: float, near: float) -> None:
        super().__init__(shape)
        w = shape.width
        self.balance = balance
        self.near = near
        self.phi = mlp(shape.flat, (2 * w, 2 * w))
        self.first = torch.nn.Linear(2 * w, w)
        self.treated = torch.nn.Parameter(torch.randn(shape.arms, w) * (2 * w) ** -0.5)
        self.end = torch.nn.Linear(w, shape.metrics)

    def of(self, phi: Tensor) -> Tensor:
        """Levels (B, 1 + k, m) of a representation."""
        levels: Tensor = self.end(functional.elu(self.first(phi)[:, None] + self.treated))
        return levels

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.of(self.phi(self.flat(u)))

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, balance, and the nearest rows of other arms."""
        phi = self.phi(self.flat(u))
        levels = self.of(phi)
        total = factual(levels, arm, y, weight) + self.balance * apart(
            phi, arm, self.shape.arms, mmd_linear
        )
        return total + self.near * neighbours(
            levels[:SEARCHED], u[:SEARCHED], arm[:SEARCHED], y[:SEARCHED]
        )


def neighbours(levels: Tensor, u: Tensor, arm: Tensor, y: Tensor) -> Tensor:
    """The mean squared difference of counterfactual levels from the outcome of the nearest row that
    had that arm.
    """
    far = torch.cdist(u, u)
    errors = []
    for a in range(levels.shape[1]):
        there, others = torch.nonzero(arm == a)[:, 0], torch.nonzero(arm != a)[:, 0]
        if len(there) and len(others):
            nearest = there[far[others][:, there].argmin(dim=1)]
            errors.append(((levels[others, a] - y[nearest]) ** 2).mean())
    return torch.stack(errors).mean() if errors else levels.new_zeros(())


@renamed_arguments(seed="random_state")
class BNN(DeepEstimator):
    """One balanced net that reads the treatment beside its representation.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the last layer.
    balance : float, default 0.1
        Weight of the distance between the arms' mean representations.
    near : float, default 0.1
        Weight of the squared distance to the outcome of the nearest row of each other arm.
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
    Johansson, Shalit & Sontag (2016), "Learning representations for counterfactual
    inference", ICML.

    Examples
    --------
    >>> BNN(balance=0.5, near=0.0)
    BNN(balance=0.5, near=0.0)
    """

    def __init__(
        self,
        width: int = 16,
        balance: float = 0.1,
        near: float = 0.1,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.balance = balance
        self.near = near
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _BNN(shape, self.balance, self.near)
