"""Nets of a dose t in [0, 1]: layers whose weights vary with it, heads for parts of its range, and
a density of it.

    spline     b_l(t), l = 1..L: B-splines on uniform inner knots, the span of truncated powers but
    better conditioned
    varying    out = sum_l b_l(t) (W_l x + c_l)                          Nie et al. (2021), ICLR,
    "VCNet"
    stratum    a head for each of five equal parts of [0, 1], the dose beside every input     Schwab
    et al. (2020), "DRNet"
               A head is told where the dose lies in its part, from -1 to 1: the same functions as
               of t itself, but a slope within a part is learnt as soon as a step between parts.
    density    pi(t | z): a softmax over a grid of [0, 1], joined linearly, over its area
    targeted   Q + eps(t) / pi(t | x), eps a spline: the functional targeted regularisation of VCNet

All that a net needs of a dose are these bases side by side, `DoseNet.encode`: they are made once a
fit, not once per step.

B rows, w width, L basis functions, m metrics, p numbers of a dose's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from equipoise.neural.train import limit_threads

# heads of DRNet, cells of the density's grid, the least density that divides
STRATA, CELLS, LEAST = 5, 10, 0.01
DEGREE, KNOTS = 2, 2  # of VCNet's weights, as published
BEND = CELLS + DEGREE + 1  # splines of eps


def spline(t: Tensor, knots: int, degree: int = DEGREE) -> Tensor:
    """B-splines with so many inner knots, (B, knots + degree + 1); they sum to 1.   Cox and de
    Boor's recursion.

    >>> spline(torch.tensor([0.0, 1.0]), 2).sum(dim=1).tolist()
    [1.0, 1.0]
    """
    inner = torch.linspace(0, 1, knots + 2, dtype=t.dtype, device=t.device)
    grid = torch.cat([inner[:1].repeat(degree), inner, inner[-1:].repeat(degree)])
    x = t.clamp(0, 1)[:, None]
    at = (
        torch.searchsorted(inner, t.clamp(0, 1).contiguous(), right=True).clamp(1, knots + 1)
        - 1
        + degree
    )
    basis = functional.one_hot(at, len(grid) - 1).to(t.dtype)
    for step in range(1, degree + 1):
        left, right = grid[: -step - 1], grid[step + 1 :]
        up, down = grid[step:-1] - left, right - grid[1:-step]
        rise = torch.where(up > 0, (x - left) / up.clamp_min(1e-12), torch.zeros((), dtype=t.dtype))
        fall = torch.where(
            down > 0, (right - x) / down.clamp_min(1e-12), torch.zeros((), dtype=t.dtype)
        )
        basis = rise * basis[:, :-1] + fall * basis[:, 1:]
    return basis


class Heads(nn.Module):
    """Two layers whose weights vary with the dose, (B, in) and codes of doses (B, L + more)
    to (B, out).

    Weights are mixed by the first L numbers of the code, which are the basis; constants by all of
    them.
    """

    def __init__(self, inside: int, width: int, out: int, bases: int, code_size: int) -> None:
        super().__init__()
        self.first = nn.Parameter((2 * torch.rand(inside, bases * width) - 1) * inside**-0.5)
        self.last = nn.Parameter((2 * torch.rand(width, bases * out) - 1) * width**-0.5)
        self.below = nn.Parameter(torch.zeros(code_size, width))
        self.above = nn.Parameter(torch.zeros(code_size, out))

    def forward(self, z: Tensor, code: Tensor) -> Tensor:
        """(B, out)."""
        parts = (self.first, self.below, self.last, self.above)
        q: Tensor = _TwoLayers.apply(z, code, *parts)  # type: ignore[no-untyped-call]
        return q


class _TwoLayers(torch.autograd.Function):
    """Both layers as one step of autograd in place of twenty: with few rows it is steps that take
    time.   code: held fixed.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, code: Tensor, first: Tensor, below: Tensor, last: Tensor, above: Tensor
    ) -> Tensor:
        basis = code[:, : first.shape[1] // below.shape[1], None]
        hidden = (
            (z @ first)
            .view(len(z), basis.shape[1], -1)
            .mul_(basis)
            .sum(dim=1)
            .addmm_(code, below)
            .relu_()
        )
        ctx.save_for_backward(z, code, basis, hidden, first, last)
        return (
            (hidden @ last)
            .view(len(z), basis.shape[1], -1)
            .mul_(basis)
            .sum(dim=1)
            .addmm_(code, above)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, Tensor, Tensor, Tensor, Tensor]:
        z, code, basis, hidden, first, last = ctx.saved_tensors
        high = (slope[:, None] * basis).flatten(1)
        bend = (high @ last.T).mul_(hidden > 0)
        low = (bend[:, None] * basis).flatten(1)
        return low @ first.T, None, z.T @ low, code.T @ bend, hidden.T @ high, code.T @ slope


class DoseNet(nn.Module):
    """A trunk on features' bases, the density of the dose, eps, and heads that vary with the dose
    as a subclass says.
    """

    mixers: int  # how many of `bases` mix weights
    slot: Tensor
    area: Tensor

    def __init__(
        self, features: int, slots: int, width: int, metrics: int, targeted: bool, density: float
    ) -> None:
        super().__init__()
        self.targeted, self.density_weight = targeted, density
        self.trunk = nn.Sequential(
            nn.Linear(features * slots, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.grid = nn.Linear(width, CELLS + 1)
        self.heads = Heads(width, width, metrics, self.mixers, self.bases(torch.zeros(1)).shape[1])
        self.eps = nn.Parameter(torch.zeros(BEND, metrics))
        ends = torch.tensor([0.5, *[1.0] * (CELLS - 1), 0.5])
        self.register_buffer("area", ends / CELLS, persistent=False)
        self.register_buffer("slot", torch.arange(slots, dtype=torch.float32), persistent=False)

    def represent(self, u: Tensor) -> Tensor:
        """(B, w) of positions (B, d), piecewise linear in each (see `neural.piecewise_linear`)
        before the first bend.
        """
        z: Tensor = self.trunk((u[:, :, None] - self.slot).clamp_(0.0, 1.0).flatten(1))
        return z

    def encode(self, t: Tensor) -> Tensor:
        """Doses (B,) as the net reads them, (B, p): the bases of the density, of eps, and of the
        heads.
        """
        return torch.cat([spline(t, CELLS - 1, 1), spline(t, CELLS), self.bases(t)], dim=1)

    def bases(self, t: Tensor) -> Tensor:
        """What the heads are told of doses (B,), (B, L)."""
        raise NotImplementedError

    def plain(self, z: Tensor, code: Tensor) -> Tensor:
        """Q(t, z), (B, m), without eps."""
        q: Tensor = self.heads(z, code[:, CELLS + 1 + BEND :])
        return q

    def density(self, z: Tensor, code: Tensor) -> Tensor:
        """pi(t | z), (B,): integrates to 1 over [0, 1]."""
        grid = self.grid(z)
        height = torch.exp(grid - grid.detach().amax(dim=1, keepdim=True))
        return (height * code[:, : CELLS + 1]).sum(dim=1) / (height @ self.area)

    def answer(self, z: Tensor, code: Tensor) -> Tensor:
        """The expected outcome, (B, m)."""
        q = self.plain(z, code)
        return q + self._shift(self.density(z, code), code) if self.targeted else q

    def level(self, u: Tensor, t: Tensor) -> Tensor:
        """The expected outcome at doses (B,), (B, m)."""
        return self.answer(self.represent(u), self.encode(t))

    def _shift(self, pi: Tensor, code: Tensor) -> Tensor:
        return code[:, CELLS + 1 : CELLS + 1 + BEND] @ self.eps / pi.clamp_min(LEAST)[:, None]

    def loss(self, u: Tensor, code: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Squared error, less so much of the log-density, plus the targeted term, in which the
        density is held fixed.
        """
        z = self.represent(u)
        pi, miss = self.density(z, code), self.plain(z, code) - y
        total = (weight @ miss.square()).mean() - self.density_weight * (
            weight @ torch.log(pi + 1e-6)
        )
        if self.targeted:
            total = total + (weight @ (miss + self._shift(pi.detach(), code)).square()).mean()
        return total / len(y)


class VaryingNet(DoseNet):
    """VCNet: weights are splines of the dose."""

    mixers = KNOTS + DEGREE + 1

    def bases(self, t: Tensor) -> Tensor:
        """Splines."""
        return spline(t, KNOTS)


class StrataNet(DoseNet):
    """DRNet: a head of two layers for each part of the range, with the dose beside every input.

    Weights mixed by the indicator of the dose's part are a head a part; a constant that also has
    the dose's place in that part is a layer with the dose beside its inputs.
    """

    mixers = STRATA

    def bases(self, t: Tensor) -> Tensor:
        """The indicator of the dose's part, and the dose's place in it there."""
        along = t.clamp(0, 1) * STRATA
        part = along.floor().clamp(max=STRATA - 1)
        hit = functional.one_hot(part.long(), STRATA).to(t.dtype)
        return torch.cat([hit, hit * (2 * (along - part) - 1)[:, None]], dim=1)


def levels_at(net: DoseNet, u: Tensor, doses: Sequence[float], chunk: int = 4096) -> Tensor:
    """Levels of rows at each dose, (n, doses, m), chunk by chunk; on one thread, which for nets
    this small is the quickest.
    """
    net.train(mode=False)
    with limit_threads(1), torch.inference_mode():
        code = net.encode(torch.tensor(doses, dtype=u.dtype, device=u.device))
        rows = []
        for z in map(net.represent, torch.split(u, chunk)):
            rows.append(torch.stack([net.answer(z, one.expand(len(z), -1)) for one in code], dim=1))
    return torch.cat(rows)
