"""The net of HarmonRank: M objectives' scores and a viewer's profile to one score to rank by.

    e_j = z_j a_j + b_j                                  a token for each objective, z its score
    t_j = e_j + sum_h sum_l softmax_l(Q_h e_j . K_h e_l / sqrt(w)) V_h e_l      objectives align
    o   = sum_g V'_g sum_j softmax_j(q_g(profile) . t_j / sqrt(w)) t_j          the viewer asks them
    s   = b + v . elu(o + c(profile))  +  r sum_j gate_j(profile) z_j           aware + agnostic

Each head of attention is w wide.  Each part can be left out: without alignment t_j = e_j; without
the viewer's question o is the mean token through V'; without the gate only the aware part stays.
At the start the aware part is nearly nothing and the gate is even: s is the mean score.

    Xia et al. (2026), HarmonRank, arXiv 2601.02955.  The dimensions are ours: the text has none.

B rows, M scores, w width, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.neural.layers import Dense, Embed

SMALL = 0.01  # of the first weights of the aware part, beside the agnostic one


@dataclass(frozen=True)
class RankShape:
    """What a net is made for.

    scores : M, base scores of a row.   features, slots : of the profile's positions (see
    `neural.piecewise_linear`), 0 features where there is no profile.   width : w.   heads : H of
    each attention.   self_attention, cross_attention, gate : whether the part is there.
    """

    scores: int
    features: int = 0
    slots: int = 1
    width: int = 16
    heads: int = 2
    self_attention: bool = True
    cross_attention: bool = True
    gate: bool = True


class Alignment(nn.Module):
    """Self-attention over the objectives' tokens, (B, M, w) to (B, M, w)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (
            nn.Parameter(torch.randn(heads, width, width) * width**-0.5) for _ in range(3)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Each token and what it has seen of the others."""
        scale = tokens.shape[-1] ** -0.5
        towards = self.query.transpose(1, 2) @ self.key * scale  # (H, w, w): e_j towards e_l
        logits = tokens[:, None] @ towards @ tokens[:, None].transpose(2, 3)  # (B, H, M, M)
        seen = torch.softmax(logits, dim=-1) @ tokens[:, None]  # (B, H, M, w)
        return tokens + torch.einsum("bhmw,hvw->bmv", seen, self.value) / len(self.value)


class Question(nn.Module):
    """Cross-attention: a viewer's state (B, w) asks the tokens (B, M, w), to (B, w)."""

    def __init__(self, width: int, heads: int, asks: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, heads * width) if asks else None
        self.value = nn.Parameter(torch.randn(heads, width, width) * width**-0.5)

    def forward(self, tokens: Tensor, viewer: Tensor) -> Tensor:
        """What the tokens answer."""
        if self.query is None:
            pooled = tokens.mean(dim=1)[:, None].expand(-1, self.heads, -1)
        else:
            asked = self.query(viewer).view(len(viewer), self.heads, -1)  # (B, H, w)
            logits = asked @ tokens.transpose(1, 2) * tokens.shape[-1] ** -0.5  # (B, H, M)
            pooled = torch.softmax(logits, dim=-1) @ tokens  # (B, H, w)
        return torch.einsum("bhw,hvw->bv", pooled, self.value)


class HarmonRankNet(nn.Module):
    """The net above.   shape: what it is made for."""

    def __init__(self, shape: RankShape) -> None:
        super().__init__()
        self.shape, width = shape, shape.width
        self.slope = nn.Parameter(torch.randn(shape.scores, width))
        self.offset = nn.Parameter(torch.randn(shape.scores, width) * 0.1)
        self.profile = Embed(shape.features, shape.slots, width) if shape.features else None
        self.state = Dense(max(shape.features, 1) * width, width)
        self.align = Alignment(width, shape.heads) if shape.self_attention else None
        self.question = Question(width, shape.heads, shape.cross_attention)
        self.context = nn.Linear(width, width)
        self.end = nn.Linear(width, 1, bias=False)
        self.gate = nn.Linear(width, shape.scores) if shape.gate else None
        self.log_scale, self.bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        if self.gate is not None:
            for weight in (self.end.weight, self.gate.weight, self.gate.bias):
                nn.init.normal_(weight, std=SMALL * width**-0.5)

    def viewer(self, u: Tensor) -> Tensor:
        """The state of viewers, (B, w).   u: (B, d) positions; of no profile: (B, 0)."""
        if self.profile is None:
            return torch.zeros(len(u), self.shape.width, dtype=self.slope.dtype, device=u.device)
        return functional.elu(self.state(self.profile.flat(u)))

    def gates(self, viewer: Tensor) -> Tensor:
        """What the agnostic part weighs each objective by, (B, M); they sum to 1."""
        if self.gate is None:
            return torch.zeros(len(viewer), self.shape.scores, device=viewer.device)
        return torch.softmax(self.gate(viewer), dim=-1)

    def forward(self, z: Tensor, u: Tensor) -> Tensor:
        """The scores to rank by, (B,).   z: (B, M) standardised scores; u: (B, d) positions."""
        viewer = self.viewer(u)
        tokens = z[:, :, None] * self.slope + self.offset
        if self.align is not None:
            tokens = self.align(tokens)
        answer = self.question(tokens, viewer) + self.context(viewer)
        aware: Tensor = self.end(functional.elu(answer))[:, 0] + self.bias
        if self.gate is None:
            return aware
        return aware + self.log_scale.exp() * (self.gates(viewer) * z).sum(dim=1)
