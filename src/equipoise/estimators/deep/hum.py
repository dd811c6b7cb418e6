"""HUM: every treatment looks at the features in its own way; its branch adds an effect to control.

    f^k = dense view of all features + gate_k * attention of treatment k to the features
    z^k = [f^k, sum_e softmax(W_k f^k)_e p_e(x)]               the experts p_e are shared
    y^0 = control tower on the mean of z^k                     one for all (``shared_control``), or
                                                               y^0k of each branch on its own z^k
    y^k = y^0k + V_k h(z^k)                                    h: one effect layer for all branches

    loss = mean of w (y - y^k)^2 over rows of arm k, and over control rows the mean over branches of
    (y - y^0k)^2
         + penalty * alignment of the branches' control representations

A row trains the branch of its own arm, and control below it; a control row trains all.  That is the
form "added", ours: strategies that exclude each other share what moves their effects, and an effect
is small beside a level.  The form "text" is that of the paper, read to the letter: f^k is the
attention's view alone and y^k a tower of its own, which learns the whole level from the rows of one
arm.  The gates begin small, so that attention has to earn its place.

Where branches have control towers of their own, P^k = softmax(c^k) is the distribution of a
branch's control representation; "js" is the mean Kullback-Leibler divergence to and from the
branches' mean, "pairwise_kl" between pairs, "mse_y0" the spread of the branches' control levels.
One control tower for all is what the penalty approaches.  The effect of k is y^k - y^0k of its own
branch; the baseline is the mean of y^0k.

    Zhai et al. (2025), HMUM; the forms that the text leaves open are choices of ours, see
    docs/hmum.md.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.attention import TargetAttention
from equipoise.neural.layers import Experts, Grouped, Towers, mlp
from equipoise.neural.nets import Net, Shape

GATE = 0.1  # that attention begins with
ALIGNMENTS = ("js", "pairwise_kl", "mse_y0", "none")
FORMS = ("added", "text")


class _HUM(Net):
    """The form of the text; `_Added` is ours."""

    def __init__(self, shape: Shape, settings: HUM) -> None:
        super().__init__(shape)
        w, k = shape.width, shape.candidates
        self.settings = settings
        self.look = TargetAttention(k, w) if settings.attention else None
        self.wide = None if self._narrow() else mlp(shape.flat, (w,))
        body = mlp(shape.flat, (2 * w,))
        self.body = body
        self.experts = Experts(k, 2 * w, settings.experts, w, gate=w, shared=settings.share_experts)
        self._make_treated(shape)
        self.control = Grouped(1 if settings.shared_control else k, 2 * w, w)
        self.base = Grouped(1 if settings.shared_control else k, w, shape.metrics)

    def _narrow(self) -> bool:
        """Whether the attention's view is all that a branch sees beside the experts."""
        return self.settings.attention

    def _make_treated(self, shape: Shape) -> None:
        self.treated = Towers(shape.candidates, 2 * shape.width, (shape.width,), shape.metrics)

    def _views(self, u: Tensor) -> Tensor:
        """What each branch sees of the features, (k, B, w)."""
        if self.look is not None:
            output: Tensor = self.look(self.embed(u))
            return output
        wide: Tensor = self.wide(self.flat(u))  # type: ignore[misc]
        return wide.expand(self.shape.candidates, len(u), self.shape.width)

    def _treated_levels(self, z: Tensor, base: Tensor) -> Tensor:
        """(k, B, m), of what branches know z (k, B, 2 w)."""
        output: Tensor = self.treated(z)
        return output

    def branches(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Per branch: treated levels (k, B, m), control levels (k, B, m), control representations
        (k, B, w).
        """
        k, f = self.shape.candidates, self._views(u)
        z = torch.cat([f, self.experts(self.body(self.flat(u)), f)], dim=-1)  # (k, B, 2 w)
        c = self.control(z.mean(dim=0) if self.settings.shared_control else z)
        base = self.base(functional.elu(c)).expand(k, len(u), self.shape.metrics)
        return self._treated_levels(z, base), base, c.expand(k, len(u), self.shape.width)

    def levels(self, u: Tensor) -> Tensor:
        """Control is the branches' mean, and a candidate's level that mean plus its own branch's
        effect.
        """
        treated, base, _ = self.branches(u)
        level = base.mean(dim=0)
        return torch.cat([level[None], level + treated - base]).transpose(0, 1)

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Each row trains its own branch, control rows all; plus the alignment of control."""
        treated, base, c = self.branches(u)
        hit = self.onehot(arm).T[:, :, None] * weight[:, None]  # (k, B, 1)
        none = ((arm == 0).float() * weight)[:, None] / self.shape.candidates
        miss = (hit * (treated - y) ** 2).sum() + (none * (base - y) ** 2).sum()
        return miss / y.numel() + self.settings.penalty * alignment(
            self.settings.alignment, c, base
        )


class _Added(_HUM):
    """Branches add an effect to control."""

    def __init__(self, shape: Shape, settings: HUM) -> None:
        super().__init__(shape, settings)
        self.gate = nn.Parameter(torch.full((shape.candidates, 1, shape.width), GATE))

    def _narrow(self) -> bool:
        return False

    def _make_treated(self, shape: Shape) -> None:
        self.effect = mlp(2 * shape.width, (shape.width,))
        self.added = Grouped(shape.candidates, shape.width, shape.metrics)

    def _views(self, u: Tensor) -> Tensor:
        wide: Tensor = self.wide(self.flat(u))  # type: ignore[misc]
        if self.look is None:
            return wide.expand(self.shape.candidates, len(u), self.shape.width)
        own: Tensor = self.gate * self.look(self.embed(u))
        return wide + own

    def _treated_levels(self, z: Tensor, base: Tensor) -> Tensor:
        output: Tensor = base + self.added(self.effect(z))
        return output


def alignment(kind: str, c: Tensor, base: Tensor) -> Tensor:
    """How far the branches' control lies apart, averaged over rows: 0 for equal branches.   c: (k,
    B, w); base: (k, B, m).
    """
    if kind == "none" or len(c) == 1:
        return c.new_zeros(())
    if kind == "mse_y0":
        return ((base - base.mean(dim=0)) ** 2).mean()
    p = torch.log_softmax(c, dim=-1)
    if kind == "pairwise_kl":
        pairs = torch.einsum("kbw,jbw->kjb", p.exp(), p)  # sum p_k log p_j
        own = (p.exp() * p).sum(dim=-1)
        return (own[:, None] - pairs).sum(dim=(0, 1)).mean() / (len(c) * (len(c) - 1))
    mean = torch.logsumexp(p, dim=0) - torch.log(torch.tensor(float(len(c))))
    there = (p.exp() * (p - mean)).sum(dim=-1)
    back = (mean.exp() * (mean - p)).sum(dim=-1)
    return (there + back).mean() / 2


@renamed_arguments(seed="random_state")
class HUM(DeepEstimator):
    """Heterogeneous multi-treatment uplift: a branch per treatment, all metrics at once.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the towers.
    experts : int, default 4
        The number of experts.
    penalty : float, default 0.1
        Weight of the alignment of the branches' control.
    alignment : str, default "js"
        "js", "pairwise_kl", "mse_y0" or "none".
    share_experts : bool, default True
        One set of experts for all branches, or one each.
    shared_control : bool, default True
        Whether all branches have one control tower; alignment is then nothing.
    attention : bool, default True
        Whether each treatment has a view of its own of the features; False: one view for all.
    form : str, default "added"
        "added": a branch adds an effect to control, by one effect layer for all; "text": it has a
        tower of its own for the whole level, as in the paper.
    training : NetTraining, optional
        How the net is trained; None for the defaults of `NetTraining`.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Zhai et al. (2025), HMUM; docs/hmum.md lists the choices that the text leaves open.

    Examples
    --------
    >>> HUM(alignment="mse_y0", experts=2)
    HUM(alignment='mse_y0', experts=2)
    """

    # what snapshots of versions that did not have an argument stand for
    earlier_arguments_: ClassVar[dict[str, str]] = {"form": "text"}

    def __init__(
        self,
        width: int = 16,
        experts: int = 4,
        penalty: float = 0.1,
        alignment: str = "js",
        *,
        share_experts: bool = True,
        shared_control: bool = True,
        attention: bool = True,
        form: str = "added",
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.experts = experts
        self.penalty = penalty
        self.alignment = alignment
        self.share_experts = share_experts
        self.shared_control = shared_control
        self.attention = attention
        self.form = form
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _net(self, shape: Shape) -> Net:
        if self.alignment not in ALIGNMENTS:
            raise InputError(
                "alignment", f"be one of {', '.join(ALIGNMENTS)}", repr(self.alignment)
            )
        if self.form not in FORMS:
            raise InputError("form", f"be one of {', '.join(FORMS)}", repr(self.form))
        return (_Added if self.form == "added" else _HUM)(shape, self)
