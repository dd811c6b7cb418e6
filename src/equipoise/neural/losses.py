"""Losses of one batch: of a binary score, and of the six cells (t, c, y) that five strata and a
propensity give.

    six cells   g f_0000 | g f_0011 | g f_0100 | g (f_0101 + f_0111) | (1-g)(f_0011 + f_0111) |
    (1-g)(f_0000 + f_0100 + f_0101)

`composite` sums a weighted binary cross-entropy of each cell against the rest (Li et al., 2023).
`likelihood` is the exact one:

    -log P(t, c, y | x) = -log P(t | x) - t log q_cy(f) - (1-t) log m0_y(f)

whose strata part holds no propensity at all.  Scores of the strata are (5, batch), in the order of
`core.strata.STRATA`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NUDGE = 1e-6  # added to a cell's probability, as published


def squared(score: Tensor, y: Tensor) -> Tensor:
    """Mean (sigmoid(score) - y)^2; score: (1, batch), y: (batch,), which may lie outside [0, 1]."""
    return ((torch.sigmoid(score[0]) - y) ** 2).mean()


def cross_entropy(score: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy, computed from the score and so exact in the tails."""
    return functional.binary_cross_entropy_with_logits(score[0], y)


def saturating_cross_entropy(score: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy of the rounded probability, as published: a score beyond 17 or so
    no longer learns.
    """
    return functional.binary_cross_entropy(torch.sigmoid(score[0]), y)


def composite(score: Tensor, g: Tensor, cell: Tensor, weight: Tensor) -> Tensor:
    """The weighted sum of six cross-entropies.   g: (batch,) propensity; cell: (batch,) in 0..5;
    weight: (6, 1).
    """
    f = torch.softmax(score, dim=0)
    offered, withheld = f * g, f * (1 - g)
    both = offered[3] + offered[4]
    purchase = withheld[1] + withheld[4]
    no_purchase = withheld[0] + withheld[2] + withheld[3]
    p = torch.stack([offered[0], offered[1], offered[2], both, purchase, no_purchase])
    target = (cell == torch.arange(6, dtype=cell.dtype, device=cell.device)[:, None]).to(p.dtype)
    return functional.binary_cross_entropy(
        (p + NUDGE).clamp(max=1.0), target, weight=weight.expand_as(p), reduction="sum"
    )


def likelihood(score: Tensor, cell: Tensor, weight: Tensor) -> Tensor:
    """Minus the weighted mean log-likelihood of claim and outcome given the offer.   cell: (batch,)
    in 0..5; weight: (batch,).
    """
    p = torch.log_softmax(score, dim=0)
    both = torch.logaddexp(p[3], p[4])
    purchase = torch.logaddexp(p[1], p[4])
    no_purchase = torch.logsumexp(p[[0, 2, 3]], dim=0)
    cells = torch.stack([p[0], p[1], p[2], both, purchase, no_purchase])
    return -(weight * cells.gather(0, cell[None].long())[0]).mean()
