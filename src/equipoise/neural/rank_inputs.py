"""What ranks and losses of ranks ask of their arguments, checked at the door: scores, groups of
rows, masks, strengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.neural.rank_kernels import grouped_order, score_order, sorted_groups

NOBODY = np.empty(0, np.int64)
Groups = Tensor | NDArray[Any] | Sequence[int]


@dataclass(frozen=True)
class RowGroups:
    """Groups of rows.   of_row: (n,), -1 for a row that takes no part, or (0,) where all rows do
    and groups stand one after another; offsets: (g + 1,), the first of each group among the rows
    that take part, sorted by group, and their number behind them.
    """

    of_row: Ints
    offsets: Ints

    @staticmethod
    def of(of_row: Ints, count: int) -> RowGroups:
        """The groups of rows, -1 for one that takes no part."""
        sizes = np.bincount(of_row + 1, minlength=count + 1)[1:]
        return RowGroups(of_row, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def without(self, hidden: Bools) -> RowGroups:
        """The same groups, less some rows.   hidden: (n,)."""
        return RowGroups.of(np.where(hidden, -1, self.ids()), len(self))

    def ids(self) -> Ints:
        """The group of each row."""
        whole = len(self.of_row) or not len(self)
        return self.of_row if whole else np.repeat(np.arange(len(self)), np.diff(self.offsets))


@dataclass(frozen=True)
class ScoreOrder:
    """Rows by score, for any groups.   score: (n,); order: (n,) from the smallest score to the
    largest, of all rows; None where each group is sorted by itself.
    """

    score: NDArray[np.float32] | Floats
    order: Ints | None

    def rows(self, groups: RowGroups) -> Ints:
        """The rows that take part, by group, then by score."""
        if self.order is None:
            return sorted_groups(self.score, groups.of_row, groups.offsets)
        if len(groups) == 1 and groups.offsets[1] == len(self.order):
            return self.order
        rows: Ints = grouped_order(self.order, groups.ids(), groups.offsets)
        return rows


def checked_floats(scores: Tensor) -> None:
    """Refuse what is no tensor of floats."""
    if not (isinstance(scores, Tensor) and scores.is_floating_point()):
        kind = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError("scores", "be a tensor of floats", kind, fix="scores.float()")


def checked_scores(scores: Tensor, hidden: Bools | None) -> NDArray[np.float32] | Floats:
    """Flat scores on the host in 32 or 64 bits, those of hidden rows 0; the others are finite."""
    checked_floats(scores)
    wide = scores.detach().flatten()
    wide = wide if wide.dtype == torch.float64 else wide.float()
    flat: NDArray[np.float32] | Floats = wide.cpu().numpy()
    if hidden is not None and hidden.any():
        flat = np.where(hidden, flat.dtype.type(0), flat)
    finite = np.isfinite(flat)
    if not finite.all():
        bad = int(np.argmin(finite))
        where = ", ".join(map(str, np.unravel_index(bad, scores.shape)))
        raise InputError(
            "scores",
            "be finite",
            flat[bad],
            f"[{where}]",
            "mask padding; look for a net that blew up",
        )
    return flat


def hidden_rows(mask: Tensor | None, shape: torch.Size, what: str = "mask") -> Bools | None:
    """What a mask of some shape leaves out, flat (n,)."""
    if mask is None:
        return None
    if not (isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == shape):
        got = (
            f"{mask.dtype} of shape {tuple(mask.shape)}"
            if isinstance(mask, Tensor)
            else type(mask).__name__
        )
        raise InputError(what, f"be a tensor of bools of shape {tuple(shape)}", got)
    hidden: Bools = ~mask.detach().flatten().cpu().numpy()
    return hidden


def row_groups(groups: Groups | None, n: int) -> RowGroups:
    """The groups of n rows: one of all; by an id of each row, in the order of the ids; or by
    offsets (g + 1,) of groups that stand one after another.
    """
    if groups is None:
        return RowGroups(NOBODY, np.array([0, n]))
    raw = groups.detach().cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups)
    rule = (
        f"be one whole number per row ({n}), or offsets that start at 0, never fall and end at {n}"
    )
    if raw.ndim != 1 or raw.dtype.kind not in "iu":
        raise InputError("groups", rule, f"{raw.dtype} of shape {raw.shape}")
    values = raw.astype(np.int64)
    covers = len(values) > 0 and values[0] == 0 and values[-1] == n
    is_offsets = covers and bool((np.diff(values) >= 0).all())
    if len(values) == n and is_offsets and n:
        fix = "number the groups from 0, or add an empty group at the end of the offsets"
        raise InputError("groups", "be ids or offsets, told apart", values[:5].tolist(), fix=fix)
    if len(values) == n:
        return _by_id(values)
    if not is_offsets:
        got = f"{len(values)} numbers from {values[:1].tolist()} to {values[-1:].tolist()}"
        raise InputError(
            "groups", rule, got, fix="offsets of sizes: cat([zeros(1), sizes.cumsum(0)])"
        )
    return RowGroups(NOBODY, values)


def _by_id(ids: Ints) -> RowGroups:
    """Groups of equal ids, in the order of the ids."""
    low, high = (int(ids.min()), int(ids.max())) if len(ids) else (0, -1)
    if high - low > 4 * len(ids):
        distinct, of_row = np.unique(ids, return_inverse=True)
        return RowGroups.of(of_row.astype(np.int64), len(distinct))
    present = np.bincount(ids - low, minlength=high - low + 1) > 0
    number = np.cumsum(present) - 1
    return RowGroups.of(number[ids - low], int(present.sum()))


def checked_strength(strength: float | str, k: float, *, endless: bool = False) -> None:
    """Refuse a strength that is neither "auto" nor a number >= 0, and a k that is not > 0; either
    may be infinite where `endless`.
    """
    most = "" if endless else " and finite"
    if isinstance(strength, str):
        if strength != "auto":
            raise InputError("strength", 'be "auto" or a number', repr(strength))
    elif not (strength >= 0 and (endless or math.isfinite(strength))):
        raise InputError("strength", f"be >= 0{most}", strength)
    if not (k > 0 and (endless or math.isfinite(k))):
        raise InputError("k", f"be > 0{most}", k, fix="the default is 3")


def checked_choice(what: str, choice: str, choices: Sequence[str]) -> None:
    """Refuse a name that is none of the choices."""
    if choice not in choices:
        raise InputError(what, "be a known name", repr(choice), fix=among(str(choice), choices))


def score_sorted(
    scores: Tensor, flat: NDArray[np.float32] | Floats, groups: RowGroups
) -> ScoreOrder:
    """The order of the rows.  Scores on a GPU are sorted there."""
    if scores.is_cuda:
        order = torch.argsort(torch.from_numpy(flat).to(scores.device)).cpu().numpy()
        return ScoreOrder(flat, order)
    return ScoreOrder(flat, score_order(flat) if len(groups) == 1 else None)


def checked_weights(what: str, weights: Tensor | Sequence[float], n: int, of: str) -> Floats:
    """Weights (n,), one of each row, group or objective: finite and >= 0."""
    given = torch.as_tensor(weights).detach().double().cpu().numpy()
    if given.shape != (n,):
        raise InputError(what, f"be one number of each {of} ({n})", f"shape {given.shape}")
    bad = ~(np.isfinite(given) & (given >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(what, "be finite and >= 0", given[at], f"{of} {at}")
    return np.asarray(given, np.float64)
