"""A small net of base scores: experts shared by M objectives, a gate and a tower for each.

    logit_m(u) = tower_m( sum_e softmax(G_m x)_e elu(E_e x) ),   x the embedded features

trained on the cross-entropy of every observed label, each objective's mean counting the same.
What was learnt is plain arrays.

    Ma et al. (2018), Modeling task relationships in multi-task learning with multi-gate
    mixture-of-experts, KDD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from equipoise.core.arrays import Bools, Floats
from equipoise.neural.layers import Embed, Experts, Towers
from equipoise.neural.train import Training, limit_threads, seeded, train

CHUNK = 65_536  # rows that are judged at once


@dataclass(frozen=True)
class MMoEShape:
    """features, slots : of the positions.   objectives : M.   experts : E.   width : of an
    embedding, an expert and a tower.
    """

    features: int
    slots: int
    objectives: int
    experts: int = 4
    width: int = 16


@dataclass(frozen=True)
class LabelledPositions:
    """Rows to learn from.   u : (n, d) positions.   labels : (n, M), 0 or 1.   observed : (n, M).
    weight : (n,).
    """

    u: Floats
    labels: Floats
    observed: Bools
    weight: Floats


class MMoE(nn.Module):
    """The net above."""

    def __init__(self, shape: MMoEShape) -> None:
        super().__init__()
        flat, m = shape.features * shape.width, shape.objectives
        self.embed = Embed(shape.features, shape.slots, shape.width)
        self.experts = Experts(m, flat, shape.experts, shape.width)
        self.towers = Towers(m, shape.width, (shape.width,), 1)

    def forward(self, u: Tensor) -> Tensor:
        """Logits, (B, M).   u: (B, d)."""
        flat: Any = self.embed.flat(u)
        logits: Tensor = self.towers(self.experts(flat, flat))[:, :, 0].T
        return logits


def train_mmoe(
    shape: MMoEShape, rows: LabelledPositions, held: LabelledPositions, how: Training
) -> tuple[dict[str, Any], list[float]]:
    """The weights of the net that predicts held-out rows best, by name, and its loss an epoch."""
    with seeded(how.seed):
        net = MMoE(shape)
    prior = _share(rows)
    with torch.no_grad():
        net.towers.end.bias[:, 0, 0] = torch.log(prior / (1 - prior))
    outside = _tensors(held)

    def loss(u: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        logits = net(u)
        each = binary_cross_entropy_with_logits(logits, labels, weight=counts, reduction="none")
        return (each.sum(dim=0) / counts.sum(dim=0).clamp(min=1e-12)).mean()

    def judge() -> Tensor:
        total, weight = torch.zeros(shape.objectives), torch.zeros(shape.objectives)
        with torch.no_grad():
            for u, y, w in zip(*(torch.split(part, CHUNK) for part in outside), strict=True):
                each = binary_cross_entropy_with_logits(net(u), y, weight=w, reduction="none")
                total, weight = total + each.sum(dim=0), weight + w.sum(dim=0)
        return (total / weight.clamp(min=1e-12)).mean()

    with limit_threads(how.threads):
        history = train(net, loss, _tensors(rows), how, judge=judge, mixed=False)
    weights = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    return {name: value.copy() for name, value in weights.items()}, list(history.losses)


def _tensors(rows: LabelledPositions) -> list[Tensor]:
    counts = rows.observed * rows.weight[:, None]
    return [
        torch.as_tensor(np.ascontiguousarray(part), dtype=torch.float32)
        for part in (rows.u, rows.labels, counts)
    ]


def _share(rows: LabelledPositions) -> Tensor:
    """The share of positives of each objective, (M,), never 0 or 1."""
    counts = rows.observed * rows.weight[:, None]
    share = ((rows.labels * counts).sum(axis=0) + 0.5) / (counts.sum(axis=0) + 1.0)
    return torch.as_tensor(share, dtype=torch.float32)
