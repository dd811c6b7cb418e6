"""DESCN: levels over the entire space of rows, and an effect that both arms' levels must agree
with.   Zhong et al. (2022), KDD.

    g, mu_0, mu_k and tau_k on one representation;   loss = propensity CE(t, g)
        + space  sum_a mean of (g_a mu_a - 1{t = a} y)^2                       entire space: every
        row, not its arm's alone
        + cross  mean of (mu_0 + tau_t - y)^2 in treated rows, mean over k of (mu_k - tau_k - y)^2
        in control rows
        + factual

The effect is mu_k - mu_0, as in the text; tau holds the two together.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.estimators.deep.tarnet import TwoHeads
from equipoise.neural.layers import Towers
from equipoise.neural.nets import Net, Shape, factual


class _DESCN(TwoHeads):
    def __init__(self, shape: Shape, weights: tuple[float, float, float]) -> None:
        super().__init__(shape)
        w = shape.width
        self.weights = weights
        self.assign = nn.Linear(2 * w, shape.arms)
        self.tau = Towers(shape.candidates, 2 * w, (w,), shape.metrics)

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Of all four nets."""
        propensity, space, cross = self.weights
        phi = self.unit(u)
        levels, logits = self.by_arm(self.heads(phi)), self.assign(phi)
        total: Tensor = factual(levels, arm, y, weight) + propensity * functional.cross_entropy(
            logits, arm
        )
        hit = functional.one_hot(arm, self.shape.arms).float()[:, :, None]
        g = logits.softmax(dim=1).detach()[:, :, None]
        total = total + space * ((g * levels - hit * y[:, None]) ** 2).sum(dim=1).mean()
        tau = self.by_arm(self.tau(phi))
        treated = hit[:, 1:] * (levels[:, :1] + tau - y[:, None]) ** 2
        none = hit[:, :1] / self.shape.candidates * (levels[:, 1:] - tau - y[:, None]) ** 2
        agreement: Tensor = (weight[:, None, None] * (treated + none)).sum(dim=1).mean()
        return total + cross * agreement

    def levels(self, u: Tensor) -> Tensor:
        """(B, 1 + k, m)."""
        return self.by_arm(self.heads(self.unit(u)))

    def unit(self, u: Tensor) -> Tensor:
        """Representations of one length: that of 2 w numbers of size 1."""
        length: float = (2 * self.shape.width) ** 0.5
        return length * functional.normalize(self.phi(self.flat(u)), dim=1)


@renamed_arguments(seed="random_state")
class DESCN(DeepEstimator):
    """Levels over the entire space of rows, tied by an effect of their own.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the heads.
    propensity : float, default 0.5
        Weight of the propensity's cross-entropy.
    space_weight : float, default 0.5
        Weight of the squared error over the entire space, every arm's level in every row.
    cross : float, default 0.5
        Weight of the cross term: an arm's level and the effect predict the other arm's outcome.
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
    Zhong et al. (2022), "DESCN: deep entire space cross networks for individual treatment effect
    estimation", KDD.

    Examples
    --------
    >>> DESCN(cross=0.1)
    DESCN(cross=0.1)
    """

    def __init__(
        self,
        width: int = 16,
        propensity: float = 0.5,
        space_weight: float = 0.5,
        cross: float = 0.5,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.propensity = propensity
        self.space_weight = space_weight
        self.cross = cross
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        return _DESCN(shape, (self.propensity, self.space_weight, self.cross))
