"""Attention over the embeddings of features.   Vaswani et al. (2017), NeurIPS; the target as the
query: Zhou et al. (2018), KDD.

    a_kj = softmax_j (q_k . W e_j / sqrt w)         f_k = sum_j a_kj V e_j

B rows, d features, w width, G queries.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equipoise.neural.layers import weighted_sum


class TargetAttention(nn.Module):
    """Each of G treatments looks at the features in its own way: embeddings (B, d, w) to (G, B,
    w).
    """

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(groups, width))
        self.key, self.value = nn.Linear(width, width, bias=False), nn.Linear(width, width)

    def shares(self, e: Tensor) -> Tensor:
        """The attention of every treatment to every feature, (d, B, G); sums to 1 over features."""
        # (G, w): q_k W, once for all rows
        towards = self.query @ self.key.weight / self.query.shape[1] ** 0.5
        # features first, as embeddings lie in memory
        return torch.softmax(e.transpose(0, 1) @ towards.T, dim=0)

    def forward(self, e: Tensor) -> Tensor:
        """(G, B, w)."""
        views = weighted_sum(self.shares(e), e.transpose(0, 1))
        # the value map is linear, and attention sums to 1: V sum_j a_kj e_j
        output: Tensor = self.value(views)
        return output


class SelfAttention(nn.Module):
    """Features look at each other: embeddings (B, d, w) to (B, d, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, e: Tensor) -> Tensor:
        """(B, d, w)."""
        # (w, w): (Q e_i) . (K e_j) by one product
        towards = self.query.weight.T @ self.key.weight / e.shape[-1] ** 0.5
        share = torch.softmax(e @ towards @ e.transpose(1, 2), dim=-1)
        output: Tensor = self.value(share @ e)
        return output
