"""EUEN: a net of control and a net of uplift, added.   Ke et al. (2021), ICDM, "explicit uplift
effect network".

y = c(x) under control,   stop(c(x)) + u_k(x) under candidate k
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.layers import Embed, Towers, mlp
from equipoise.neural.nets import Net, Shape


class _EUEN(Net):
    def __init__(self, shape: Shape, detach: bool) -> None:
        super().__init__(shape)
        w, hidden = shape.width, (2 * shape.width, shape.width)
        self.detach = detach
        self.other = Embed(shape.features, shape.slots, w)  # the uplift's own embedding
        self.control = mlp(shape.flat, hidden, shape.metrics)
        self.uplift = Towers(shape.candidates, shape.flat, hidden, shape.metrics)

    def levels(self, u: Tensor) -> Tensor:
        """Gradients of treated rows reach control only where asked."""
        c = self.control(self.flat(u))[:, None]
        under = c.detach() if self.detach else c
        return torch.cat([c, under + self.by_arm(self.uplift(self.other(u).flatten(1)))], dim=1)


@renamed_arguments(seed="random_state")
class EUEN(DeepEstimator):
    """Control and uplift as two nets that are added.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the last layer.
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
    Ke et al. (2021), "Addressing exposure bias in uplift modeling for large-scale online
    advertising", ICDM.

    Examples
    --------
    >>> EUEN(detach=False)
    EUEN(detach=False)
    """

    def __init__(
        self,
        width: int = 16,
        detach: bool = True,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.detach = detach
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _EUEN(shape, self.detach)
