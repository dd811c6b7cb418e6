"""GANITE: a generator completes each row's outcomes, a discriminator guesses which was seen; a
third net learns them.

G(x, t, y, z) -> levels of all arms      D(x, completed) -> arm      I(x) -> levels
generator      factual - adversary * CE(t, D)      discriminator      CE(t, D)      inference
factual + (I - completed)^2

Yoon, Jordon & van der Schaar (2018), ICLR.  Each loss reaches its own net only: what another net
made is held fixed, and the discriminator is frozen in the generator's.  One Adam serves the three,
since it moves every number by its own gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.tarnet import TwoHeads
from equipoise.neural.layers import Embed, mlp
from equipoise.neural.nets import Net, Shape, factual

NOISE = 4  # numbers that the generator draws


class _GANITE(TwoHeads):
    """`TwoHeads` is the inference net; G and D have embeddings of their own."""

    def __init__(self, shape: Shape, adversary: float) -> None:
        super().__init__(shape)
        w, arms, m = shape.width, shape.arms, shape.metrics
        self.adversary = adversary
        self.seen_g, self.seen_d = (Embed(shape.features, shape.slots, w) for _ in range(2))
        self.generator = mlp(shape.flat + arms + m + NOISE, (2 * w, w), arms * m)
        self.discriminator = mlp(shape.flat + arms * m, (2 * w, w), arms)

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """The three losses, each of its own net."""
        hit = functional.one_hot(arm, self.shape.arms).float()
        noise = torch.rand(len(u), NOISE, device=u.device)
        output = self.generator(torch.cat([self.seen_g(u).flatten(1), hit, y, noise], dim=1))
        levels = output.view(len(u), self.shape.arms, self.shape.metrics)
        completed = torch.where(hit[:, :, None] > 0, y[:, None], levels)
        embedding = self.seen_d(u).flatten(1)
        guess = self.discriminator(torch.cat([embedding, completed.detach().flatten(1)], dim=1))
        frozen = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        verdict = functional_call(
            self.discriminator,
            frozen,
            (torch.cat([embedding.detach(), completed.flatten(1)], dim=1),),
        )
        generator = factual(levels, arm, y, weight) - self.adversary * functional.cross_entropy(
            verdict, arm
        )
        prediction = self.levels(u)
        inference = (
            factual(prediction, arm, y, weight) + ((prediction - completed.detach()) ** 2).mean()
        )
        return generator + functional.cross_entropy(guess, arm) + inference


@renamed_arguments(seed="random_state")
class GANITE(DeepEstimator):
    """Outcomes completed by an adversarial pair of nets, then learnt by a third.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the last layers.
    adversary : float, default 0.1
        Weight of fooling the discriminator.
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
    Yoon, Jordon & van der Schaar (2018), "GANITE: estimation of individualized treatment
    effects using generative adversarial nets", ICLR.

    Examples
    --------
    >>> GANITE(adversary=1.0)
    GANITE(adversary=1.0)
    """

    def __init__(
        self,
        width: int = 16,
        adversary: float = 0.1,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.adversary = adversary
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _GANITE(shape, self.adversary)
