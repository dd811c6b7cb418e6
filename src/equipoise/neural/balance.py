"""How far the representations of two arms lie apart: terms that a net makes small so that arms can
be compared.

    mmd_linear   |mean_t - mean_c|^2                                        Johansson, Shalit &
    Sontag (2016), ICML
    mmd_rbf      mean k(t,t) + mean k(c,c) - 2 mean k(t,c), k Gaussian       Gretton et al. (2012),
    JMLR
    wasserstein  the entropic transport cost between the two samples        Cuturi (2013), NeurIPS;
    Shalit et al. (2017), ICML

Equal samples give 0, whatever the share of an arm; every one has a gradient in both samples.   (B,
w) each; an empty one gives 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SHARP, ROUNDS = 10.0, 10  # of the transport: mean cost over entropy, and Sinkhorn's rounds
MOST = 256  # rows a side that a plan or a kernel is made of: its cost is their product
Distance = Callable[[Tensor, Tensor], Tensor]


def mmd_linear(treated: Tensor, control: Tensor) -> Tensor:
    """The squared distance of the means."""
    if min(len(treated), len(control)) == 0:
        return treated.new_zeros(())
    return ((treated.mean(dim=0) - control.mean(dim=0)) ** 2).sum()


def mmd_rbf(treated: Tensor, control: Tensor) -> Tensor:
    """The squared maximum mean discrepancy under a Gaussian kernel as wide as the median
    distance.
    """
    a, b = treated[:MOST], control[:MOST]
    if min(len(a), len(b)) == 0:
        return treated.new_zeros(())
    ab, aa, bb = (_squared(x, y) for x, y in ((a, b), (a, a), (b, b)))
    wide = ab.detach().median().clamp_min(1e-12)
    return (
        torch.exp(-aa / wide).mean()
        + torch.exp(-bb / wide).mean()
        - 2 * torch.exp(-ab / wide).mean()
    )


def wasserstein(treated: Tensor, control: Tensor) -> Tensor:
    """Sinkhorn's divergence: the entropic cost between the samples, less half that of each with
    itself, so equal ones give 0.
    """
    a, b = treated[:MOST], control[:MOST]
    if min(len(a), len(b)) == 0:
        return treated.new_zeros(())
    scale = _squared(a, b).detach().mean().clamp_min(1e-12)
    return _cost(a, b, scale) - (_cost(a, a, scale) + _cost(b, b, scale)) / 2


def _cost(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """sum P_ij |a_i - b_j|^2 with the plan P of Sinkhorn's rounds, itself held fixed in the
    gradient.
    """
    cost = _squared(a, b)
    kernel = (-SHARP * cost.detach() / scale).double()
    left, right = (
        torch.zeros(len(a), 1, dtype=kernel.dtype),
        torch.zeros(1, len(b), dtype=kernel.dtype),
    )
    left, right = left.to(a.device), right.to(a.device)
    for _ in range(ROUNDS):
        left = -math.log(len(a)) - torch.logsumexp(kernel + right, dim=1, keepdim=True)
        right = -math.log(len(b)) - torch.logsumexp(kernel + left, dim=0, keepdim=True)
    return ((kernel + left + right).exp().to(cost.dtype) * cost).sum()


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2, (A, B)."""
    return ((a**2).sum(dim=1)[:, None] + (b**2).sum(dim=1) - 2 * a @ b.T).clamp_min(0.0)


DISTANCES: dict[str, Distance] = {"mmd": mmd_linear, "mmd-rbf": mmd_rbf, "wasserstein": wasserstein}
