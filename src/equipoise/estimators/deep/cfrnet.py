"""CFRNet: TARNet whose representation is made alike across arms.   Shalit, Johansson & Sontag
(2017), ICML.

loss = factual + balance * mean over candidates of distance(Phi of its rows, Phi of control rows)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.tarnet import TwoHeads
from equipoise.neural.balance import DISTANCES, Distance
from equipoise.neural.nets import Net, Shape, factual


class _CFRNet(TwoHeads):
    def __init__(self, shape: Shape, balance: float, distance: Distance) -> None:
        super().__init__(shape)
        self.balance = balance
        self.distance = distance

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Factual, and what lies between the arms' representations."""
        phi = self.phi(self.flat(u))
        return factual(self.by_arm(self.heads(phi)), arm, y, weight) + self.balance * apart(
            phi, arm, self.shape.arms, self.distance
        )


def apart(phi: Tensor, arm: Tensor, arms: int, distance: Distance) -> Tensor:
    """The mean distance of the candidates' rows from control's.   phi: (B, w), arm: (B,)."""
    control = phi[arm == 0]
    return torch.stack([distance(phi[arm == a], control) for a in range(1, arms)]).mean()


@renamed_arguments(seed="random_state")
class CFRNet(DeepEstimator):
    """A shared representation, alike across arms, and a head per arm.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    balance : float, default 0.1
        Weight of the mean distance of the candidates' representations from control's; 0 is TARNet.
    distance : str, default "mmd"
        "mmd" (of means), "mmd-rbf" or "wasserstein".
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
    Shalit, Johansson & Sontag (2017), "Estimating individual treatment effect:
    generalization bounds and algorithms", ICML.

    Examples
    --------
    >>> CFRNet(distance="wasserstein")
    CFRNet(distance='wasserstein')
    """

    def __init__(
        self,
        width: int = 16,
        balance: float = 0.1,
        distance: str = "mmd",
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.balance = balance
        self.distance = distance
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        if self.distance not in DISTANCES:
            raise InputError("distance", f"be one of {', '.join(DISTANCES)}", repr(self.distance))
        return _CFRNet(shape, self.balance, DISTANCES[self.distance])
