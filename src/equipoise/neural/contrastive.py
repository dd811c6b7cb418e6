"""Deep contrastive clustering of rows: SCCL (Zhang et al. 2021, NAACL) carried from text to
numbers.

    views      a row twice, each time with a share of its features taken from other rows (SCARF:
    Bahri et al. 2022, ICLR)
    instance   NT-Xent of the projected views: a row's two views are alike, all other views of the
    batch are not
    cluster    KL(p || q);  q_ic ~ (1 + |e_i - mu_c|^2)^-1,   p_ic ~ q_ic^2 / sum_i q_ic        Xie,
    Girshick & Farhadi (2016)

First the instance loss alone; then centres by k-means on the representation e, and both losses
together.  Both views are corrupted, as in SCCL; SCARF corrupts one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.arrays import Floats
from equipoise.neural.layers import mlp
from equipoise.neural.train import NoGain, Training, limit_threads, seeded, train

WIDTH, SIZE = 64, 16  # of the encoder's layers, of the representation
# share of features; temperature; weight of the cluster loss
CORRUPTED, HEAT, TOGETHER = 0.3, 0.5, 5.0
WARM, JOINT, RATE = 20, 20, 2e-3  # epochs of each part
# about so many steps per epoch; rows of a batch.  With fewer steps k-means wins on small logs
STEPS, FEWEST, MOST = 32, 32, 512
Start = Callable[[Floats, Floats, int, int], Floats]  # rows, weights, k, seed -> centres (k, s)


class Contrastive(nn.Module):
    """Encoder, projection head and centres, for d features and k clusters.   seed: of the
    corruption.
    """

    def __init__(self, features: int, k: int, seed: int) -> None:
        super().__init__()
        self.encoder = mlp(features, (WIDTH, WIDTH), SIZE)
        self.head = nn.Sequential(nn.Linear(SIZE, SIZE), nn.ReLU(), nn.Linear(SIZE, SIZE))
        self.centres = nn.Parameter(torch.zeros(k, SIZE))
        self.joint = False
        self.dice = torch.Generator().manual_seed(seed)

    def loss(self, x: Tensor, weight: Tensor) -> Tensor:
        """Of a batch (B, d) with weights (B,)."""
        first, second = (
            functional.normalize(self.head(self.encoder(self.view(x))), dim=1) for _ in range(2)
        )
        total = nt_xent(first, second, weight)
        if self.joint:
            total = total + TOGETHER * cluster_loss(
                assignment(self.encoder(x), self.centres), weight
            )
        return total

    def view(self, x: Tensor) -> Tensor:
        """A row with some features from other rows of the batch."""
        away = torch.rand(x.shape, generator=self.dice) < CORRUPTED
        other = torch.rand(x.shape, generator=self.dice).argsort(dim=0)
        return torch.where(away, x.gather(0, other), x)


def nt_xent(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """The normalised, temperature-scaled cross entropy of two views (B, s) of unit length.   Chen
    et al. (2020), ICML, eq. 1.
    """
    both, B = torch.cat([first, second]), len(first)
    alike = both @ both.T / HEAT
    alike.fill_diagonal_(-torch.inf)
    partner = torch.arange(2 * B).roll(B)
    each = functional.cross_entropy(alike, partner, reduction="none")
    w = weight.repeat(2)
    return (w * each).sum() / w.sum()


def assignment(e: Tensor, centres: Tensor) -> Tensor:
    """q, (B, k): Student's t with one degree of freedom around each centre."""
    near = 1 / (1 + ((e[:, None] - centres) ** 2).sum(dim=2))
    return near / near.sum(dim=1, keepdim=True)


def cluster_loss(q: Tensor, weight: Tensor) -> Tensor:
    """KL(p || q), p a sharper q of clusters alike in size, held fixed."""
    with torch.no_grad():
        sharp = q**2 / (weight[:, None] * q).sum(dim=0)
        p = sharp / sharp.sum(dim=1, keepdim=True)
    each = (p * (p.clamp_min(1e-12).log() - q.clamp_min(1e-12).log())).sum(dim=1)
    return (weight * each).sum() / weight.sum()


@dataclass(frozen=True)
class Representation:
    """What was learnt: layers (weight, bias), and centres (k, s)."""

    layers: list[tuple[Floats, Floats]]
    centres: Floats


def learn_clusters(X: Floats, weight: Floats, k: int, seed: int, start: Start) -> Representation:
    """Learn k clusters of standardised rows (n, d) with weights (n,).   start: first centres, of
    what was learnt by instances.
    """
    with seeded(seed):
        net = Contrastive(X.shape[1], k, seed)
    columns = [
        torch.from_numpy(np.asarray(part, np.float32)) for part in (X, weight / weight.mean())
    ]
    batch = int(np.clip(2 ** round(np.log2(len(X) / STEPS)), FEWEST, MOST))
    with limit_threads(1):
        train(net, net.loss, columns, Training(RATE, 1e-5, batch, WARM, NoGain(WARM), seed))
        with torch.no_grad():
            warm = net.encoder(columns[0]).numpy()
            net.centres.copy_(torch.from_numpy(start(warm, weight, k, seed)))
        net.joint = True
        train(net, net.loss, columns, Training(RATE, 1e-5, batch, JOINT, NoGain(JOINT), seed + 1))
    return Representation(_layers(net), net.centres.detach().double().numpy())


def _layers(net: Contrastive) -> list[tuple[Floats, Floats]]:
    linears = [layer for layer in net.encoder.modules() if isinstance(layer, nn.Linear)]
    return [
        (
            layer.weight.detach().double().numpy().T.copy(),
            layer.bias.detach().double().numpy().copy(),
        )
        for layer in linears
    ]
