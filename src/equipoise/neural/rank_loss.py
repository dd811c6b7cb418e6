"""A loss that is an AUC: minus the AUC of the soft ranks of one score, for many objectives at once.

    AUC_m = (sum_i w_i y_im t_i - W+^2 / 2) / (W+ W-),    t: ascending ranks in cumulative weight

One sort and one pooling serve all objectives that observe the same rows, and the gradient is closed
form, from the very blocks b that the ranks were made of (eps: the strength; W+, W-: the weight of
positives and of negatives)

    d AUC_m / d s_i = w_i (y_im - mean_b y_m) / (eps W+ W-).

W+ W- are constants of a batch: each objective counts the same, however rare it is.  Xia et al.
(2026), arXiv:2601.02955, whose example counts ranks from the largest score: with its own formula
that would train the AUC to 0, so ranks ascend here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.neural.rank_inputs import (
    Groups,
    RowGroups,
    ScoreOrder,
    checked_choice,
    checked_floats,
    checked_scores,
    checked_strength,
    checked_weights,
    hidden_rows,
    row_groups,
    score_sorted,
)
from equipoise.neural.rank_kernels import (
    scatter,
    soft_aucs,
    sorted_columns,
)
from equipoise.neural.rank_surrogates import linear, logistic, squared_hinge

Codes = NDArray[np.uint8]
PAIR_LOSSES: dict[str, Callable[..., Floats]] = {
    "linear": linear,
    "squared_hinge": squared_hinge,
    "logistic": logistic,
}
SURROGATES = ("soft_rank", *PAIR_LOSSES)
GROUP_WEIGHTS = ("uniform", "size", "pairs")


class RankLossOutput(NamedTuple):
    """A loss of ranks and what to log beside it.

    Attributes
    ----------
    loss : Tensor, () or (M,)
        What to minimise; of each objective where nothing was reduced.
    soft_auc : Tensor, (M,)
        The AUC of the soft ranks, which the loss is made of and which is no AUC: it leans to one
        half as the strength grows.  NaN without a valid group, and for other surrogates.
    hard_auc : Tensor, (M,)
        The AUC, ties one half, from the same sort.  NaN where no group has both classes, and for
        the surrogate "linear", which sorts nothing.
    n_valid_groups : Tensor of int, (M,)
        The groups that an objective was learnt from.

    Examples
    --------
    >>> import torch
    >>> scores, labels = torch.tensor([0.7, 0.2, 0.8]), torch.tensor([[1], [0], [0]])
    >>> rank_auc_loss(scores, labels).n_valid_groups
    tensor([1])
    """

    loss: Tensor
    soft_auc: Tensor
    hard_auc: Tensor
    n_valid_groups: Tensor


def rank_auc_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    label_mask: Tensor | None = None,
    sample_weight: Tensor | Sequence[float] | None = None,
    groups: Groups | None = None,
    group_weight: str | Tensor = "uniform",
    objective_weight: Tensor | Sequence[float] | None = None,
    strength: float | str = "auto",
    k: float = 3.0,
    surrogate: str = "soft_rank",
    standardize: bool = True,
    scale: str = "gradient",
    reduction: str = "mean",
) -> RankLossOutput:
    """The loss of one score that is to rank the positives of every objective first.

    An objective is learnt from the groups in which it has both positives and negatives; without one
    it has no part in the loss and no gradient.  Where no objective has one the loss is 0, its
    gradient too.

    Parameters
    ----------
    scores : Tensor, (N,)
        One score of each row, of any float type; computed in 64 bits.  On a GPU rows are sorted
        there and pooled on the host.
    labels : Tensor, (N, M)
        0 or 1 of each row and objective; anything where `label_mask` is false.
    label_mask : Tensor of bool, (N, M), default None
        The labels that were observed: an objective ranks its observed rows alone.  A row without
        any may hold any score, as padding does.
    sample_weight : Tensor or list of float, (N,), default None
        What a row counts, >= 0: a row of weight 2 is two rows.
    groups : Tensor, array or list of int, (N,) or (G + 1,), default None
        The group of each row, or offsets of groups that stand one after another: pairs are made
        within groups.  None: all rows are one group.
    group_weight : {"uniform", "size", "pairs"} or Tensor (G,), default "uniform"
        What a valid group counts: the same, its rows, its pairs, or a number of each group, in the
        order of ids or offsets.
    objective_weight : Tensor or list of float, (M,), default None
        What an objective counts, >= 0.  None: the same.
    strength : float or "auto", default "auto"
        The strength of the soft ranks, in units of the (standardised) score; 0 has no gradient.
        "auto": k times the standard deviation of a group over its size; of standardised scores
        k over its size.
    k : float, default 3.0
        The factor of "auto".  Infinite: the surrogate "linear".
    surrogate : {"soft_rank", "linear", "squared_hinge", "logistic"}, default "soft_rank"
        What stands for the AUC.  The others are means of a loss over all pairs of a group, none
        sampled (`equipoise.neural.rank_surrogates`).
    standardize : bool, default True
        Whether scores are divided by their standard deviation within groups, and the gradient goes
        through it: the loss then ignores shift and scale.  Scores that are all equal have no
        gradient.
    scale : {"gradient", "auc"}, default "gradient"
        Of soft ranks.  "gradient": the loss is eps n (1/2 - soft AUC), whose gradient depends
        neither on the size of a group nor on k.  "auc": minus the soft AUC.
    reduction : {"mean", "sum", "none"}, default "mean"
        Over objectives: their weighted mean over those with a valid group, their weighted sum, or
        the loss of each, unweighted.

    Returns
    -------
    RankLossOutput
        The loss, soft and hard AUC, and the number of valid groups.

    Raises
    ------
    InputError
        Where shapes do not fit, scores are not finite, an observed label is not 0 or 1, a weight is
        negative, or a name is unknown.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([0.7, 0.2, 0.8, 0.1, 0.9], requires_grad=True)
    >>> labels = torch.tensor([[1], [0], [0], [0], [1]])
    >>> output = rank_auc_loss(scores, labels)
    >>> output.hard_auc
    tensor([0.8333])
    >>> output.loss.backward()
    >>> bool(scores.grad[0] < 0 < scores.grad[2])
    True
    """
    checked_choice("surrogate", surrogate, SURROGATES)
    checked_choice("scale", scale, ("gradient", "auc"))
    checked_choice("reduction", reduction, ("mean", "sum", "none"))
    checked_strength(strength, k, endless=True)
    if surrogate == "soft_rank" and math.isinf(k if isinstance(strength, str) else strength):
        surrogate = "linear"
    flat, codes, hidden = _checked_rows(scores, labels, label_mask)
    n, m = codes.shape
    weight = None
    if sample_weight is not None:
        weight = checked_weights("sample_weight", sample_weight, n, "row")
        hidden |= (weight == 0)[:, None]
    importance = np.ones(m)
    if objective_weight is not None:
        importance = checked_weights("objective_weight", objective_weight, m, "objective")
    form = _Form(surrogate, strength, k, standardize, scale)
    batch = _Batch(flat, weight, codes, row_groups(groups, n))
    if surrogate == "linear":
        order = ScoreOrder(flat, np.arange(n))
    else:
        order = score_sorted(scores, flat, batch.groups)
    parts = [
        _part(batch, hidden[:, same[0]], order, same, group_weight, form)
        for same in _same_rows(hidden)
    ]
    return _output(scores, parts, importance, reduction, form)


class RankAUCLoss(nn.Module):
    """`rank_auc_loss` with its options stored.

    Several processes rank each its own batch: gather scores and labels before the loss where ranks
    are to be of all.

    Parameters
    ----------
    group_weight : {"uniform", "size", "pairs"} or Tensor (G,), default "uniform"
        What a valid group counts.
    objective_weight : Tensor or list of float, (M,), default None
        What an objective counts.
    strength : float or "auto", default "auto"
        The strength of the soft ranks.
    k : float, default 3.0
        The factor of "auto".
    surrogate : {"soft_rank", "linear", "squared_hinge", "logistic"}, default "soft_rank"
        What stands for the AUC.
    standardize : bool, default True
        Whether scores are divided by their standard deviation within groups.
    scale : {"gradient", "auc"}, default "gradient"
        What the loss of soft ranks is multiplied by.
    reduction : {"mean", "sum", "none"}, default "mean"
        Over objectives.

    Examples
    --------
    >>> import torch
    >>> loss = RankAUCLoss(surrogate="squared_hinge", standardize=False)
    >>> loss(torch.tensor([2.0, 1.0, 0.5]), torch.tensor([[1], [0], [1]])).loss
    tensor(1.1250)
    """

    def __init__(
        self,
        *,
        group_weight: str | Tensor = "uniform",
        objective_weight: Tensor | Sequence[float] | None = None,
        strength: float | str = "auto",
        k: float = 3.0,
        surrogate: str = "soft_rank",
        standardize: bool = True,
        scale: str = "gradient",
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = {
            "group_weight": group_weight,
            "objective_weight": objective_weight,
            "strength": strength,
            "k": k,
            "surrogate": surrogate,
            "standardize": standardize,
            "scale": scale,
            "reduction": reduction,
        }

    def forward(
        self,
        scores: Tensor,
        labels: Tensor,
        *,
        label_mask: Tensor | None = None,
        sample_weight: Tensor | Sequence[float] | None = None,
        groups: Groups | None = None,
    ) -> RankLossOutput:
        """The loss of a batch.

        Parameters
        ----------
        scores : Tensor, (N,)
            One score of each row.
        labels : Tensor, (N, M)
            0 or 1 of each row and objective.
        label_mask : Tensor of bool, (N, M), default None
            The labels that were observed.
        sample_weight : Tensor or list of float, (N,), default None
            What a row counts.
        groups : Tensor, array or list of int, (N,) or (G + 1,), default None
            The group of each row, or offsets.

        Returns
        -------
        RankLossOutput
            The loss, soft and hard AUC, and the number of valid groups.
        """
        return rank_auc_loss(
            scores,
            labels,
            label_mask=label_mask,
            sample_weight=sample_weight,
            groups=groups,
            **self.options,
        )


@dataclass(frozen=True)
class _Form:
    """The options of a loss, checked."""

    surrogate: str
    strength: float | str
    k: float
    standardize: bool
    scale: str


@dataclass(frozen=True)
class _Batch:
    """Rows as arrays.   score, weight: (n,); y: (n, m) of 0 and 1."""

    score: NDArray[np.float32] | Floats
    weight: Floats | None
    y: Codes
    groups: RowGroups


@dataclass(frozen=True)
class _Part:
    """The objectives that observe the same rows, and these rows, sorted.

    objectives: (m,); rows, s, w: (n,), s centred in its group and divided by unit; y: (n, m);
    offsets: (g + 1,); size, eps: (g,); positive, negative: (m, g), weights of both classes; hard:
    (m, g), the AUC, 0 without both; count: (m, g), what a group counts, 0 where it is not valid;
    hard_count: the same, of all groups with both classes.
    """

    objectives: Ints
    rows: Ints
    s: Floats
    w: Floats
    y: Codes
    offsets: Ints
    unit: float
    size: Floats
    eps: Floats
    positive: Floats
    negative: Floats
    hard: Floats
    count: Floats
    hard_count: Floats


def _checked_rows(
    scores: Tensor, labels: Tensor, label_mask: Tensor | None
) -> tuple[NDArray[np.float32] | Floats, Codes, Bools]:
    """Scores (n,), labels (n, m) of 0 and 1, and whether a label is unobserved (n, m)."""
    checked_floats(scores)
    if scores.ndim != 1:
        fix = "scores[:, 0]" if scores.ndim == 2 and scores.shape[1] == 1 else "scores.flatten()"
        raise InputError("scores", "be (N,)", f"shape {tuple(scores.shape)}", fix=fix)
    if not isinstance(labels, Tensor):
        raise InputError("labels", "be a tensor (N, M)", type(labels).__name__)
    shape, n = tuple(labels.shape), len(scores)
    if len(shape) != 2 or shape[0] != n or shape[1] == 0:
        rule = f"be (N, M), a row of each score, N = {n}, and M > 0"
        raise InputError("labels", rule, f"shape {shape}", fix="labels[:, None] for one objective")
    observed = hidden_rows(label_mask, labels.shape, "label_mask")
    hidden = np.zeros(shape, np.bool_) if observed is None else observed.reshape(shape)
    flat = checked_scores(scores, None if observed is None else np.asarray(hidden.all(axis=1)))
    narrow = labels.dtype == torch.bfloat16  # unknown to numpy
    held = (labels.float() if narrow else labels).detach().cpu().numpy()
    ones = held == 1
    wrong = (ones == (held == 0)) & ~hidden
    if wrong.any():
        row, objective = np.argwhere(wrong)[0].tolist()
        raise InputError(
            "labels",
            "be 0 or 1 where they are observed",
            held[row, objective],
            f"row {row}, objective {objective}",
            "labels > 0 makes labels of counts; label_mask hides what is unknown",
        )
    return flat, ones.view(np.uint8), hidden


def _same_rows(hidden: Bools) -> list[Ints]:
    """Objectives by the rows that they observe.   hidden: (n, m)."""
    if not hidden.any():
        return [np.arange(hidden.shape[1])]
    same: dict[bytes, list[int]] = {}
    for objective, bits in enumerate(np.packbits(hidden, axis=0).T):
        same.setdefault(bits.tobytes(), []).append(objective)
    return [np.array(objectives) for objectives in same.values()]


def _part(
    batch: _Batch,
    hidden: Bools,
    order: ScoreOrder,
    objectives: Ints,
    group_weight: str | Tensor,
    form: _Form,
) -> _Part:
    """The rows that some objectives observe, by group, in an order within it."""
    groups = batch.groups.without(hidden) if hidden.any() else batch.groups
    rows, offsets = order.rows(groups), groups.offsets
    w = np.ones(len(rows)) if batch.weight is None else batch.weight[rows]
    s, y, size, sd, positive, negative, right = sorted_columns(
        rows, batch.score, batch.y, w, objectives, offsets
    )
    unit = 1.0
    if form.standardize:
        unit = math.sqrt(float((size * sd**2).sum() / (size.sum() or 1.0)))
        s /= unit or 1.0
    eps = _strengths(size, np.full(len(size), float(unit > 0)) if form.standardize else sd, form)
    pairs = positive * negative
    both = pairs > 0
    hard = np.divide(right, pairs, out=np.zeros_like(pairs), where=both)
    count = both * _group_counts(group_weight, size, pairs)
    automatic = form.surrogate == "soft_rank" and isinstance(form.strength, str)
    alive = eps > 0 if automatic else unit > 0
    return _Part(
        objectives,
        rows,
        s,
        w,
        y,
        offsets,
        unit,
        size,
        eps,
        positive,
        negative,
        hard,
        count * alive,
        count,
    )


def _strengths(size: Floats, sd: Floats, form: _Form) -> Floats:
    """The strength of each group (g,)."""
    if isinstance(form.strength, str):
        return np.asarray(form.k * sd / np.where(size > 0, size, 1.0))
    return np.full(len(size), float(form.strength))


def _group_counts(group_weight: str | Tensor, size: Floats, pairs: Floats) -> Floats:
    """What each group counts (g,), or (m, g) by objective.   size: (g,); pairs: (m, g)."""
    if not isinstance(group_weight, str):
        return checked_weights("group_weight", group_weight, len(size), "group")
    checked_choice("group_weight", group_weight, GROUP_WEIGHTS)
    return {"uniform": np.ones_like(size), "size": size, "pairs": pairs}[group_weight]


def _output(
    scores: Tensor, parts: list[_Part], importance: Floats, reduction: str, form: _Form
) -> RankLossOutput:
    """The loss of all parts, with its gradient where the scores ask for one."""
    m, learns = len(importance), scores.requires_grad and torch.is_grad_enabled()
    loss, soft, hard, valid = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m, np.int64)
    for part in parts:
        valid[part.objectives] = np.count_nonzero(part.count, axis=1)
    factor = importance if reduction == "sum" else np.ones(m)
    if reduction == "mean":
        factor = importance * (valid > 0)
        factor /= factor.sum() or 1.0
    column = np.arange(m) if reduction == "none" else np.zeros(m, np.int64)
    wide = torch.float64 if scores.dtype == torch.float64 else torch.float32
    slopes = torch.zeros(len(scores) if learns else 0, int(column.max()) + 1, dtype=wide)
    for part in parts:
        own, share = part.objectives, _shares(part.count)
        pull = share * factor[own][:, None]
        slope = np.zeros((len(part.rows) if learns else 0, slopes.shape[1]))
        losses, soft_auc = _part_losses(part, pull, column[own], slope, form)
        loss[own] = (share * losses).sum(axis=1)
        soft[own] = np.where(valid[own] > 0, (share * soft_auc).sum(axis=1), np.nan)
        hard[own] = _hard_auc(part, form)
        if learns:
            _through_unit(part, slope, form, slopes.numpy())
    aucs = torch.from_numpy(np.stack([soft, hard])).to(scores.device, wide)
    total = loss if reduction == "none" else np.array([(factor * loss).sum()])
    losses_of = torch.from_numpy(total).to(scores.device, wide)
    if learns:
        slopes = slopes.to(scores.device)
        losses_of = _ClosedForm.apply(scores, losses_of, slopes)  # type: ignore[no-untyped-call]
    return RankLossOutput(
        losses_of if reduction == "none" else losses_of[0],
        aucs[0],
        aucs[1],
        torch.from_numpy(valid).to(scores.device),
    )


def _shares(count: Floats) -> Floats:
    """Counts (m, g) over their sum, 0 where that is 0."""
    total = count.sum(axis=1, keepdims=True)
    return np.asarray(count / np.where(total > 0, total, 1.0))


def _part_losses(
    part: _Part, pull: Floats, column: Ints, slope: Floats, form: _Form
) -> tuple[Floats, Floats]:
    """Loss of each objective and group (m, g), 0 where it has not both classes, and its soft AUC;
    slope (n, c) takes pull d loss / d s.
    """
    s, w, y, offsets = part.s, part.w, part.y, part.offsets
    positive, negative = part.positive, part.negative
    if form.surrogate != "soft_rank":
        kernel = PAIR_LOSSES[form.surrogate]
        losses = kernel(s, w, y, offsets, positive, negative, pull, column, slope)
        return losses, np.full_like(losses, np.nan)
    pairs = positive * negative
    eps = part.eps
    weight = eps * part.size if form.scale == "gradient" else np.ones_like(eps)
    steep = np.divide(-pull * weight, eps * pairs, out=np.zeros_like(pairs), where=eps * pairs > 0)
    soft = soft_aucs(s, w, y, offsets, eps, positive, negative, steep, column, slope)
    soft = np.where((pairs > 0) & (eps > 0), soft, part.hard)
    return weight * (0.5 - soft) if form.scale == "gradient" else -soft, soft


def _hard_auc(part: _Part, form: _Form) -> Floats:
    """The AUC of each objective over its groups with both classes (m,)."""
    known = part.hard_count.any(axis=1) & (form.surrogate != "linear")
    return np.where(known, (_shares(part.hard_count) * part.hard).sum(axis=1), np.nan)


def _through_unit(part: _Part, slope: Floats, form: _Form, gradient: NDArray[Any]) -> None:
    """Add to the gradient of the scores (N, c) that of the standardised ones (n, c)."""
    along = np.zeros(slope.shape[1])
    if form.standardize and part.unit > 0:
        along = part.s @ slope / part.size.sum()
    scatter(part.rows, part.s, part.w, slope, along, part.unit or 1.0, gradient)


class _ClosedForm(torch.autograd.Function):
    """Losses that were computed from the scores, and their gradient (n, c)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, losses: Tensor, gradient: Tensor) -> Tensor:
        """The losses (c,)."""
        ctx.save_for_backward(gradient)
        ctx.dtype = scores.dtype
        return losses.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of the scores."""
        (gradient,) = ctx.saved_tensors
        return (gradient @ above).to(ctx.dtype), None, None
