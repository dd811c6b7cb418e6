"""Ranks that a net can learn from: the projection of scores on the permutahedron, in O(n log n).

A soft rank is the rank function with its slope held to 1 / eps (`equipoise.neural.rank_kernels`):
at eps -> 0 it is the hard rank, which has no gradient; at a large eps an affine function of the
score, which knows nothing of ranks.  The change comes where eps n density(s) is about 1, so that
eps must follow the spread of the scores and their number: eps = k sd / n.

Blondel et al. (2020), Fast Differentiable Sorting and Ranking, arXiv:2002.08871.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor
from torch.autograd.function import once_differentiable

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.neural.rank_inputs import (
    NOBODY,
    Groups,
    RowGroups,
    checked_choice,
    checked_scores,
    checked_strength,
    hidden_rows,
    row_groups,
    score_sorted,
)
from equipoise.neural.rank_kernels import block_starts

BACKENDS = ("auto", "numba", "scipy", "torch")
DIRECTIONS = ("ascending", "descending")
MERGES = 64  # rounds of merging on a device; chains that are longer go to the kernel on the host
LARGEST_HALF = 65504  # of float16


def soft_rank(
    scores: Tensor,
    *,
    groups: Groups | None = None,
    mask: Tensor | None = None,
    strength: float | str = "auto",
    k: float = 3.0,
    direction: str = "ascending",
    backend: str = "auto",
) -> Tensor:
    """The soft rank of each score within its group, from 1 for the smallest to the group's size.

    Parameters
    ----------
    scores : Tensor, (N,) or (..., n)
        Scores of any float type.  Of two or more axes the last one is ranked.
    groups : Tensor, array or list of int, (N,) or (G + 1,), default None
        Of scores (N,): the group of each row, or the offsets of G groups that stand one after
        another.  None: all rows are one group.
    mask : Tensor of bool, of the scores' shape, default None
        Which scores take part; the others, padding for one, get rank 0 and gradient 0, whatever
        they hold.
    strength : float or "auto", default "auto"
        What a rank is smoothed by, in units of the score.  0: hard ranks, ties at their middle, no
        gradient.  "auto": k times the standard deviation of a group's scores over its size, held
        fixed in the gradient.
    k : float, default 3.0
        The factor of "auto": below 1 few scores have a gradient, above 30 ranks are nearly affine.
    direction : {"ascending", "descending"}, default "ascending"
        Whether rank 1 is that of the smallest score or of the largest.
    backend : {"auto", "numba", "scipy", "torch"}, default "auto"
        Who pools: a compiled kernel on the host, SciPy's isotonic regression, or rounds of merging
        on the scores' own device.  "auto": torch for scores on a GPU, else numba.

    Returns
    -------
    Tensor
        The ranks, of the shape, type and device of the scores; computed in 64 bits.

    Raises
    ------
    InputError
        Where scores are not finite floats, are a column (N, 1), or groups, mask or strength do not
        fit them.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([0.7, 0.2, 0.8, 0.1, 0.9])
    >>> soft_rank(scores, strength=0.0)
    tensor([3., 2., 4., 1., 5.])
    >>> soft_rank(scores, strength=0.2, groups=[0, 3, 5])
    tensor([2.2500, 1.0000, 2.7500, 1.0000, 2.0000])
    """
    checked_choice("direction", direction, DIRECTIONS)
    checked_choice("backend", backend, BACKENDS)
    checked_strength(strength, k)
    if direction == "descending":
        scores = -scores
    hidden = hidden_rows(mask, torch.Size(np.shape(scores)))
    flat = checked_scores(scores, hidden)
    members = _members(scores, groups)
    members = members if hidden is None else members.without(hidden)
    offsets = members.offsets
    order = score_sorted(scores, flat, members).rows(members)
    largest = int(np.diff(offsets).max(initial=0))
    if scores.dtype == torch.float16 and largest > LARGEST_HALF:
        fix = "scores.float() or scores.bfloat16()"
        raise InputError(
            "scores", f"be at most {LARGEST_HALF} a group in float16", largest, fix=fix
        )
    rows = torch.from_numpy(order).to(scores.device)
    ranking = _rank_blocks(scores.detach().flatten().double()[rows], offsets, strength, k, backend)
    ranks: Tensor = _SoftRank.apply(scores, rows, *ranking)  # type: ignore[no-untyped-call]
    return ranks


def _members(scores: Tensor, groups: Groups | None) -> RowGroups:
    """The groups of the flat scores: as asked, or the last axis."""
    if scores.ndim == 1:
        return row_groups(groups, len(scores))
    shape = tuple(scores.shape)
    if scores.ndim == 0 or (shape[-1] == 1 and scores.numel() > 1):
        fix = "scores[:, 0]: the last axis is ranked, and a rank among one is 1"
        raise InputError("scores", "be (N,) or (..., n) with n > 1", f"shape {shape}", fix=fix)
    if groups is not None:
        fix = "flatten scores and groups, or mask what is padding"
        raise InputError("groups", "come with scores of one axis", f"shape {shape}", fix=fix)
    count = scores.numel() // max(shape[-1], 1)
    return RowGroups(NOBODY, np.arange(count + 1) * shape[-1])


def _rank_blocks(
    s: Tensor, offsets: Ints, strength: float | str, k: float, backend: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Of sorted scores (n,): the soft ranks (n,), the block of each (n,), and 1 / eps of each
    block, 0 where eps is 0.
    """
    bounds = torch.from_numpy(offsets).to(s.device)
    sizes = bounds.diff()
    group = torch.repeat_interleave(torch.arange(len(sizes), device=s.device), sizes)
    raw, s = s, s - s[bounds[:-1][group]]  # from the least of the group: ties are exactly 0 apart
    if isinstance(strength, str):
        centred = s - _means(s, group, sizes)[group]
        eps = k * _means(centred**2, group, sizes).sqrt() / sizes.clamp(min=1)
    else:
        eps = torch.full_like(sizes, strength, dtype=torch.float64)
    starts = _starts(raw, group, bounds, eps, backend)
    length, first = starts.diff(), starts[:-1]
    block = torch.repeat_interleave(torch.arange(len(first), device=s.device), length)
    middle = (starts[:-1] + starts[1:] + 1) / 2 - bounds[group[first]]
    slope = torch.where(eps > 0, 1 / eps, 0.0)[group[first]]
    return (s - _means(s, block, length)[block]) * slope[block] + middle[block], block, slope


def _means(values: Tensor, part: Tensor, sizes: Tensor) -> Tensor:
    """The mean of the values (n,) of each part."""
    total = torch.zeros(len(sizes), dtype=values.dtype, device=values.device)
    return total.index_add_(0, part, values) / sizes.clamp(min=1)


def _starts(s: Tensor, group: Tensor, bounds: Tensor, eps: Tensor, backend: str) -> Tensor:
    """The first row of every block, and n behind them, by whom it was asked for."""
    if backend == "torch" or (backend == "auto" and s.is_cuda):
        return _merged(s, group, bounds, eps)
    host = s.cpu().numpy(), bounds.cpu().numpy(), eps.cpu().numpy()
    pool = _scipy_starts if backend == "scipy" else _numba_starts
    return torch.from_numpy(pool(*host)).to(s.device)


def _numba_starts(s: Floats, offsets: Ints, eps: Floats) -> Ints:
    """The blocks by our kernel."""
    starts: Ints = block_starts(s, np.ones(len(s)), offsets, eps)
    return starts


def _scipy_starts(s: Floats, offsets: Ints, eps: Floats) -> Ints:
    """The blocks by SciPy: one regression of all groups, each lifted above the one before."""
    if not len(s):
        return np.zeros(1, np.int64)
    group = np.repeat(np.arange(len(eps)), np.diff(offsets))
    z = s - eps[group] * (np.arange(len(s)) - offsets[group])
    leads = np.diff(group, prepend=-1) > 0
    first = np.flatnonzero(leads)
    step = np.maximum.reduceat(z, first)[:-1] - np.minimum.reduceat(z, first)[1:] + 1
    lift = np.cumsum(np.concatenate([[0.0], step]))
    z += np.repeat(lift, np.diff(np.append(first, len(s))))
    opens = np.zeros(len(s), np.bool_)
    opens[isotonic_regression(z).blocks[:-1]] = True
    hard = eps[group] == 0
    opens[hard] = (np.diff(s, prepend=np.nan) != 0)[hard]
    return np.append(np.flatnonzero(opens | leads), len(s))


def _merged(s: Tensor, group: Tensor, bounds: Tensor, eps: Tensor) -> Tensor:
    """The blocks by rounds on the device: a run of neighbours in the wrong order becomes one."""
    if not len(s):
        return bounds.new_zeros(1)
    n = bounds[-1:]
    first = torch.ones(len(s), dtype=torch.bool, device=s.device)
    first[1:] = (s[1:] != s[:-1]) | (group[1:] != group[:-1])
    starts, total = torch.nonzero(first)[:, 0], s
    part = first.cumsum(0) - 1
    for _ in range(MERGES):
        total = total.new_zeros(len(starts)).index_add_(0, part, total)
        ends = torch.cat([starts[1:], n])
        own = group[starts]
        level = total / (ends - starts) - eps[own] * ((starts + ends) / 2 - bounds[own])
        wrong = (level[:-1] >= level[1:]) & (own[:-1] == own[1:]) & (eps[own[1:]] > 0)
        if not wrong.any():
            return torch.cat([starts, n])
        keep = torch.cat([torch.ones_like(wrong[:1]), ~wrong])
        starts, part = starts[keep], keep.cumsum(0) - 1
    host = _numba_starts(s.cpu().numpy(), bounds.cpu().numpy(), eps.cpu().numpy())
    return torch.from_numpy(host).to(s.device)


class _SoftRank(torch.autograd.Function):
    """Ranks that were computed from the scores, and their gradient: within a block, what comes from
    above less its mean, over eps.
    """

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, rows: Tensor, ranks: Tensor, block: Tensor, slope: Tensor
    ) -> Tensor:
        """The ranks, in the order, shape and type of the scores."""
        ctx.save_for_backward(rows, block, slope)
        flat = torch.zeros(scores.numel(), dtype=torch.float64, device=scores.device)
        return flat.index_copy_(0, rows, ranks).to(scores.dtype).reshape(scores.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the scores."""
        rows, block, slope = ctx.saved_tensors
        pull = above.flatten().double()[rows]
        sizes = torch.bincount(block, minlength=len(slope))
        pull = (pull - _means(pull, block, sizes)[block]) * slope[block]
        flat = torch.zeros(above.numel(), dtype=torch.float64, device=above.device)
        gradient = flat.index_copy_(0, rows, pull).to(above.dtype).reshape(above.shape)
        return gradient, None, None, None, None
