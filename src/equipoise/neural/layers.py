"""Layers of nets of effects: features embedded, grouped layers (one for each arm or metric, in one product), towers, experts.

B rows of a batch, d features, S slots, w width, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Embed(nn.Module):
    """Positions (B, d) to one embedding a feature, (B, d, w), linear in its basis (see `equipoise.neural.inputs`)."""

    def __init__(self, features: int, slots: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, slots, width) * slots**-0.5)
        self.bias = nn.Parameter(torch.randn(features, width) * 0.1)
        self.slot: Tensor
        self.register_buffer("slot", torch.arange(slots, dtype=torch.float32), persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        """(B, d, w)."""
        basis = (u.T[:, :, None] - self.slot).clamp(0.0, 1.0)  # (d, B, S)
        return torch.baddbmm(self.bias[:, None], basis, self.weight).transpose(0, 1)


class Grouped(nn.Module):
    """G linear layers in one product: (B, in) for all or (G, B, in) for each, to (G, B, out)."""

    weight: Tensor

    def __init__(self, groups: int, inside: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(groups, inside, out) - 1) * inside**-0.5)
        self.bias = nn.Parameter(torch.zeros(groups, 1, out))

    def forward(self, x: Tensor) -> Tensor:
        """(G, B, out)."""
        if x.dim() == 2:  # what all groups share is one wide product
            groups, inside, out = self.weight.shape
            wide = x @ self.weight.permute(1, 0, 2).reshape(inside, groups * out)
            return wide.view(len(x), groups, out).transpose(0, 1) + self.bias
        return torch.baddbmm(self.bias, x, self.weight)


class Towers(nn.Module):
    """G towers of ELU layers and a linear end, (B, in) or (G, B, in) to (G, B, out)."""

    def __init__(self, groups: int, inside: int, hidden: Sequence[int], out: int) -> None:
        super().__init__()
        widths = [inside, *hidden]
        self.layers = nn.ModuleList(Grouped(groups, a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.end = Grouped(groups, widths[-1], out)

    @property
    def first(self) -> Grouped:
        """The layer that reads the inputs."""
        return next(layer for layer in self.modules() if isinstance(layer, Grouped))

    def hidden(self, x: Tensor) -> Tensor:
        """The last layer before the end, (G, B, hidden[-1])."""
        for layer in self.layers:
            x = functional.elu(layer(x))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(G, B, out)."""
        end: Tensor = self.end(self.hidden(x))
        return end


def mlp(inside: int, hidden: Sequence[int], out: int | None = None) -> nn.Sequential:
    """ELU layers, (B, in) to (B, hidden[-1]); with ``out``, a linear end."""
    parts: list[nn.Module] = []
    widths = [inside, *hidden]
    for a, b in zip(widths[:-1], widths[1:], strict=True):
        parts += [nn.Linear(a, b), nn.ELU()]
    return nn.Sequential(*parts, *([] if out is None else [nn.Linear(widths[-1], out)]))


class Experts(nn.Module):
    """M experts mixed by a gate a group: sum_e softmax(W_g f)_e p_e, (G, B, out).   Ma et al. (2018), KDD, "MMoE".

    f : (B, in) for all groups or (G, B, in) for each, read by gates, and by experts of their own where ``shared`` is False.
    """

    def __init__(self, groups: int, inside: int, experts: int, out: int, gate: int | None = None, *, shared: bool = True) -> None:
        super().__init__()
        self.groups, self.experts, self.shared = groups, experts, shared
        self.bodies = Grouped(experts if shared else experts * groups, inside, out)
        self.gates = Grouped(groups, gate or inside, experts)

    def forward(self, x: Tensor, f: Tensor) -> Tensor:
        """x: what experts see, (B, in), or (G, B, in) for experts of each group; f: what gates see."""
        share = torch.softmax(self.gates(f), dim=-1)  # (G, B, M)
        if self.shared:
            bodies = functional.elu(self.bodies(x))  # (M, B, out)
            return sum(share[:, :, m, None] * bodies[m] for m in range(self.experts))  # type: ignore[return-value]
        each = x.expand(self.groups, *x.shape[-2:]) if x.dim() == 2 else x
        bodies = functional.elu(self.bodies(each.repeat_interleave(self.experts, dim=0)))
        return torch.einsum("gbm,gmbo->gbo", share, bodies.view(self.groups, self.experts, *bodies.shape[1:]))
