"""Layers of nets of effects: features embedded, grouped layers (one for each arm or metric, in one
product), towers, experts.

B rows of a batch, d features, S slots, w width, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Flat:
    """All embeddings of rows side by side, (B, d w), not multiplied out: a linear layer on them is
    one on their basis.

    It is the same function with the same gradients, and one product of B rows with d S numbers in
    place of two, the first of which fills memory with B d w numbers.
    """

    def __init__(self, basis: Tensor, weight: Tensor, bias: Tensor) -> None:
        self.basis, self.weight, self.bias = basis, weight, bias  # (B, d S), (d, S, w), (d, w)

    def __len__(self) -> int:
        return len(self.basis)

    def dim(self) -> int:
        """As of the tensor it stands for."""
        return 2

    def times(self, weight: Tensor) -> Tensor:
        """(B, out).   weight: (d w, out)."""
        d, _, width = self.weight.shape
        through = torch.bmm(self.weight, weight.reshape(d, width, -1)).flatten(0, 1)  # (d S, out)
        return torch.addmm(self.bias.flatten() @ weight, self.basis, through)


def times(x: Tensor | Flat, weight: Tensor) -> Tensor:
    """x @ weight."""
    return x.times(weight) if isinstance(x, Flat) else x @ weight


class Embed(nn.Module):
    """Positions (B, d) to one embedding a feature, (B, d, w), linear in its basis (see
    `equipoise.neural.piecewise_linear`).
    """

    def __init__(self, features: int, slots: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, slots, width) * slots**-0.5)
        self.bias = nn.Parameter(torch.randn(features, width) * 0.1)
        self.slot: Tensor
        self.register_buffer("slot", torch.arange(slots, dtype=torch.float32), persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        """(B, d, w); in memory feature first, as its product makes it."""
        basis = (u.T.contiguous()[:, :, None] - self.slot).clamp_(0.0, 1.0)  # (d, B, S)
        return torch.baddbmm(self.bias[:, None], basis, self.weight).transpose(0, 1)

    def flat(self, u: Tensor) -> Flat:
        """For layers that read all embeddings at once."""
        return Flat((u[:, :, None] - self.slot).clamp_(0.0, 1.0).flatten(1), self.weight, self.bias)


class Dense(nn.Linear):
    """A linear layer, (B, in) to (B, out), that also reads `Flat`."""

    def forward(self, x: Tensor | Flat) -> Tensor:
        """(B, out)."""
        return x.times(self.weight.T) + self.bias if isinstance(x, Flat) else super().forward(x)


class Grouped(nn.Module):
    """G linear layers in one product: (B, in) for all or (G, B, in) for each, to (G, B, out)."""

    weight: Tensor

    def __init__(self, groups: int, inside: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(groups, inside, out) - 1) * inside**-0.5)
        self.bias = nn.Parameter(torch.zeros(groups, 1, out))

    def forward(self, x: Tensor | Flat) -> Tensor:
        """(G, B, out)."""
        if isinstance(x, Flat) or x.dim() == 2:  # what all groups share is one wide product
            groups, inside, out = self.weight.shape
            wide = times(x, self.weight.permute(1, 0, 2).reshape(inside, groups * out))
            return wide.view(len(x), groups, out).transpose(0, 1) + self.bias
        return torch.baddbmm(self.bias, x, self.weight)


class Towers(nn.Module):
    """G towers of ELU layers and a linear end, (B, in) or (G, B, in) to (G, B, out)."""

    def __init__(self, groups: int, inside: int, hidden: Sequence[int], out: int) -> None:
        super().__init__()
        widths = [inside, *hidden]
        self.layers = nn.ModuleList(
            Grouped(groups, a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.end = Grouped(groups, widths[-1], out)

    @property
    def first(self) -> Grouped:
        """The layer that reads the inputs."""
        return next(layer for layer in self.modules() if isinstance(layer, Grouped))

    def hidden(self, x: Tensor | Flat) -> Tensor:
        """The last layer before the end, (G, B, hidden[-1])."""
        for layer in self.layers:
            x = functional.elu(layer(x))
        return x  # type: ignore[return-value]

    def forward(self, x: Tensor | Flat) -> Tensor:
        """(G, B, out)."""
        end: Tensor = self.end(self.hidden(x))
        return end


def mlp(inside: int, hidden: Sequence[int], out: int | None = None) -> nn.Sequential:
    """ELU layers, (B, in) to (B, hidden[-1]); with ``out``, a linear end."""
    parts: list[nn.Module] = []
    widths = [inside, *hidden]
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        parts += [Dense(a, b), nn.ELU()]
    return nn.Sequential(*parts, *([] if out is None else [Dense(widths[-1], out)]))


class Experts(nn.Module):
    """M experts mixed by a gate per group: sum_e softmax(W_g f)_e p_e, (G, B, out).   Ma et al.
    (2018), KDD, "MMoE".

    f : (B, in) for all groups or (G, B, in) for each, read by gates, and by experts of their own
        where ``shared`` is False.
    """

    def __init__(
        self,
        groups: int,
        inside: int,
        experts: int,
        out: int,
        gate: int | None = None,
        *,
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.groups, self.experts, self.shared = groups, experts, shared
        self.bodies = Grouped(experts if shared else experts * groups, inside, out)
        self.gates = Grouped(groups, gate or inside, experts)

    def forward(self, x: Tensor, f: Tensor) -> Tensor:
        """x: what experts see, (B, in), or (G, B, in) for experts of each group; f: what gates
        see.
        """
        share = torch.softmax(self.gates(f), dim=-1)  # (G, B, M)
        if self.shared:
            return weighted_sum(share.permute(2, 1, 0), functional.elu(self.bodies(x)))
        each = (
            x if isinstance(x, Flat) or x.dim() == 2 else x.repeat_interleave(self.experts, dim=0)
        )
        # (G, M, B, out)
        bodies = functional.elu(self.bodies(each)).view(*share.shape[::2], *share.shape[1:2], -1)
        mixture = weighted_sum(
            share.permute(2, 0, 1).reshape(self.experts, -1, 1),
            bodies.transpose(0, 1).flatten(1, 2),
        )
        return mixture.view(*share.shape[:2], -1)


def weighted_sum(share: Tensor, x: Tensor) -> Tensor:
    """sum_m share_mng x_mn, (G, N, w).   share: (M, N, G); x: (M, N, w)."""
    mixture: Tensor = _WeightedSum.apply(share.to(x.dtype), x)  # type: ignore[no-untyped-call]
    return mixture


class _WeightedSum(torch.autograd.Function):
    """Block by block of m, so that what is worked on stays near: several times faster than a
    product of many small matrices.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(share, x)
        mixture = x.new_empty(share.shape[2], *x.shape[1:])
        for g, out in enumerate(mixture):
            torch.mul(share[0, :, g, None], x[0], out=out)
            for part, row in zip(share[1:, :, g, None], x[1:], strict=True):
                out.addcmul_(part, row)
        return mixture

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        share, x = ctx.saved_tensors
        to_share, to_x, scratch, ones = (
            torch.empty_like(share),
            torch.empty_like(x),
            torch.empty_like(x[0]),
            x.new_ones(x.shape[2]),
        )
        for part, row, share_out, x_out in zip(share, x, to_share, to_x, strict=True):
            for g, s in enumerate(slope):
                torch.mul(row, s, out=scratch)
                share_out[:, g] = scratch @ ones
                if g:
                    x_out.addcmul_(part[:, g, None], s)
                else:
                    torch.mul(part[:, 0, None], s, out=x_out)
        return to_share, to_x
