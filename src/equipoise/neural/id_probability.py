"""One probability for rows of ids, P(y = 1 | ids), by a net trained on one loss: the nuisance
models of incentive strata.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from equipoise.core.arrays import Floats, Ints
from equipoise.neural.additive import CROSS_ENTROPY, SQUARED, train_one
from equipoise.neural.id_nets import Additive, Product, generator
from equipoise.neural.id_scores import IdScores, sigmoid
from equipoise.neural.losses import cross_entropy, saturating_cross_entropy, squared
from equipoise.neural.train import History, Progress, Training, ids, numbers, train

Net = Callable[[Sequence[int], int], "Additive | Product"]  # sizes, seed
Loss = Callable[[Tensor, Tensor], Tensor]
WIDTH = 64  # of an embedding, as published
# those whose gradient is compiled
KINDS: dict[Loss, int] = {squared: SQUARED, cross_entropy: CROSS_ENTROPY}

__all__ = [
    "PairModel",
    "additive",
    "cross_entropy",
    "fit_pairs",
    "product",
    "saturating_cross_entropy",
    "squared",
]


@dataclass(frozen=True)
class PairModel:
    """A fitted probability.   scores: its arrays; history: of its training."""

    scores: IdScores
    history: History

    def predict(self, codes: Ints) -> Floats:
        """P(y = 1), (n,), of rows of codes (n, p)."""
        return sigmoid(self.scores(codes)[:, 0])


def additive(sizes: Sequence[int], seed: int) -> Additive:
    """A linear head on the embeddings: no interaction."""
    return Additive(sizes, WIDTH, 1, generator(seed))


def product(sizes: Sequence[int], seed: int) -> Product:
    """Matrix factorisation."""
    return Product(sizes, WIDTH, generator(seed))


def fit_pairs(
    net: Net,
    loss: Loss,
    codes: Ints,
    y: Floats,
    sizes: Sequence[int],
    how: Training,
    progress: Progress | None = None,
) -> PairModel:
    """Fit a net on rows of codes (n, p) and targets y (n,), which may lie outside [0, 1] for the
    squared loss.
    """
    model = net(sizes, how.seed)
    return PairModel(*_fit(model, loss, codes, y, how, progress))


def _fit(
    net: Additive | Product,
    loss: Loss,
    codes: Ints,
    y: Floats,
    how: Training,
    progress: Progress | None,
) -> tuple[IdScores, History]:
    if isinstance(net, Additive) and loss in KINDS and how.device == "cpu":
        history = train_one(net, KINDS[loss], codes, y, how, progress=progress)
        return net.scores(), history
    columns = [ids(codes, j) for j in range(codes.shape[1])]

    def batch_loss(*batch: Tensor) -> Tensor:
        return loss(net(batch[:-1]), batch[-1])

    history = train(net, batch_loss, [*columns, numbers(y)], how, progress=progress, mixed=False)
    return net.scores(), history


def pretrain(
    net: Additive | Product, loss: Loss, codes: Ints, y: Floats, how: Training
) -> nn.Module:
    """Train a net that another will go on with."""
    _fit(net, loss, codes, y, how, None)
    return net
