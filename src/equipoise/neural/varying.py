"""Nets of a dose t in [0, 1]: layers whose weights vary with it, heads for parts of its range, and a density of it.

    spline     b_l(t), l = 1..L: B-splines of degree 2 on uniform inner knots, the span of truncated powers but better conditioned
    varying    out = sum_l b_l(t) (W_l x + c_l)                          Nie et al. (2021), ICLR, "VCNet"
    stratum    a head for each of five equal parts of [0, 1], the dose beside every input     Schwab et al. (2020), "DRNet"
    density    pi(t | z): softmax over a grid of [0, 1], joined linearly, divided by the cells' width so that it is a density
    targeted   Q + eps(t) / pi(t | x), eps a spline: the functional targeted regularisation of VCNet

B rows, w width, L basis functions, m metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.neural.layers import Embed, mlp

STRATA, CELLS, LEAST = 5, 10, 0.01  # heads of DRNet, cells of the density's grid, the least density that divides
DEGREE = 2


def spline(t: Tensor, knots: int) -> Tensor:
    """B-splines of degree 2 with so many inner knots, (B, knots + 3); they sum to 1.   Cox and de Boor's recursion.

    >>> spline(torch.tensor([0.0, 1.0]), 2).sum(dim=1).tolist()
    [1.0, 1.0]
    """
    inner = torch.linspace(0, 1, knots + 2, dtype=t.dtype, device=t.device)
    grid = torch.cat([inner[:1].repeat(DEGREE), inner, inner[-1:].repeat(DEGREE)])
    x = t.clamp(0, 1)[:, None]
    at = torch.searchsorted(inner, t.clamp(0, 1).contiguous(), right=True).clamp(1, knots + 1) - 1 + DEGREE
    basis = functional.one_hot(at, len(grid) - 1).to(t.dtype)
    for degree in range(1, DEGREE + 1):
        left, right = grid[: -degree - 1], grid[degree + 1 :]
        up, down = grid[degree:-1] - left, right - grid[1:-degree]
        rise = torch.where(up > 0, (x - left) / up.clamp_min(1e-12), torch.zeros((), dtype=t.dtype))
        fall = torch.where(down > 0, (right - x) / down.clamp_min(1e-12), torch.zeros((), dtype=t.dtype))
        basis = rise * basis[:, :-1] + fall * basis[:, 1:]
    return basis


class Varying(nn.Module):
    """A linear layer whose weights are splines of the dose: (B, in) and bases (B, L) to (B, out)."""

    def __init__(self, inside: int, out: int, bases: int) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(inside, bases * out) - 1) * inside**-0.5)
        self.bias = nn.Parameter(torch.zeros(bases, out))

    def forward(self, x: Tensor, basis: Tensor) -> Tensor:
        """(B, out)."""
        every = (x @ self.weight).view(len(x), *self.bias.shape) + self.bias
        mixed: Tensor = (every * basis[:, :, None]).sum(dim=1)
        return mixed


class DoseNet(nn.Module):
    """What both nets share: features embedded, a trunk, the density of the dose, and eps.   heads: see the subclasses."""

    def __init__(self, features: int, slots: int, width: int, metrics: int, targeted: bool, density: float) -> None:
        super().__init__()
        self.targeted, self.density_weight = targeted, density
        self.embed = Embed(features, slots, 4)
        self.trunk = mlp(4 * features, (width, width))
        self.grid = nn.Linear(width, CELLS + 1)
        self.eps = nn.Parameter(torch.zeros(CELLS + DEGREE + 1, metrics))

    def represent(self, u: Tensor) -> Tensor:
        """(B, w) of positions (B, d)."""
        z: Tensor = self.trunk(self.embed(u).flatten(1))
        return z

    def density(self, z: Tensor, t: Tensor) -> Tensor:
        """pi(t | z), (B,): integrates to 1 over [0, 1]."""
        height = functional.softmax(self.grid(z), dim=1)
        whole = height.sum(dim=1) - (height[:, 0] + height[:, -1]) / 2
        place = t.clamp(0, 1) * CELLS
        low = place.floor().clamp(max=CELLS - 1).long()
        part = place - low
        at = height.gather(1, low[:, None])[:, 0] * (1 - part) + height.gather(1, low[:, None] + 1)[:, 0] * part
        return at * CELLS / whole

    def plain(self, z: Tensor, t: Tensor) -> Tensor:
        """Q(t, z), (B, m), without eps."""
        raise NotImplementedError

    def level(self, u: Tensor, t: Tensor) -> Tensor:
        """The expected outcome at a dose, (B, m)."""
        z = self.represent(u)
        return self._shifted(z, t) if self.targeted else self.plain(z, t)

    def _shifted(self, z: Tensor, t: Tensor) -> Tensor:
        return self.plain(z, t) + self._eps(t) / self.density(z, t).clamp_min(LEAST)[:, None]

    def _eps(self, t: Tensor) -> Tensor:
        return spline(t, CELLS) @ self.eps

    def loss(self, u: Tensor, t: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Squared error, less so much of the log-density, plus the targeted term, in which the density is held fixed."""
        z = self.represent(u)
        q, pi = self.plain(z, t), self.density(z, t)
        total = (weight[:, None] * (q - y) ** 2).mean() - self.density_weight * (weight * torch.log(pi + 1e-6)).mean()
        if self.targeted:
            shift = self._eps(t) / pi.detach().clamp_min(LEAST)[:, None]
            total = total + (weight[:, None] * (y - shift - q) ** 2).mean()
        return total


class VaryingNet(DoseNet):
    """VCNet: two varying layers."""

    def __init__(self, features: int, slots: int, width: int, metrics: int, targeted: bool, density: float, knots: int) -> None:
        super().__init__(features, slots, width, metrics, targeted, density)
        self.knots = knots
        self.first, self.last = Varying(width, width, knots + DEGREE + 1), Varying(width, metrics, knots + DEGREE + 1)

    def plain(self, z: Tensor, t: Tensor) -> Tensor:
        """(B, m)."""
        basis = spline(t, self.knots)
        q: Tensor = self.last(functional.elu(self.first(z, basis)), basis)
        return q


class StrataNet(DoseNet):
    """DRNet: a head of two layers for each part of the range, with the dose beside every input."""

    def __init__(self, features: int, slots: int, width: int, metrics: int, targeted: bool, density: float, knots: int) -> None:
        super().__init__(features, slots, width, metrics, targeted, density)
        self.first, self.last = Varying(width + 1, width, STRATA), Varying(width + 1, metrics, STRATA)

    def plain(self, z: Tensor, t: Tensor) -> Tensor:
        """(B, m): a varying layer whose basis is the indicator of the dose's part is a head a part."""
        part = functional.one_hot((t.clamp(0, 1) * STRATA).long().clamp(max=STRATA - 1), STRATA).to(z.dtype)
        hidden = functional.elu(self.first(torch.cat([z, t[:, None]], dim=1), part))
        q: Tensor = self.last(torch.cat([hidden, t[:, None]], dim=1), part)
        return q


def levels_at(net: DoseNet, u: Tensor, doses: Sequence[float], chunk: int = 4096) -> Tensor:
    """Levels of rows at each dose, (n, doses, m), chunk by chunk."""
    net.train(mode=False)
    parts: Sequence[Tensor] = torch.split(u, chunk)
    with torch.inference_mode():
        rows = [torch.stack([net.level(p, torch.full((len(p),), d, dtype=u.dtype)) for d in doses], dim=1) for p in parts]
    return torch.cat(rows)
