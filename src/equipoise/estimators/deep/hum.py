"""HUM: every treatment looks at the features in its own way; its branch says the outcome under it
and under control.

    f^k = attention of treatment k to the features            z^k = [f^k, sum_e softmax(W_k f^k)_e
    p_e(x)]
    y^k = treated tower of (k, metric) on z^k                 y^0k = control tower of (k, metric) on
    c^k = control part of z^k

    loss = mean of w (y - y^k)^2 over rows of arm k, and over control rows the mean over branches of
    (y - y^0k)^2
         + penalty * alignment of the branches' control representations

A row trains the branch of its own arm; a control row trains all.  P^k = softmax(c^k) is the
distribution of a branch's control representation; "js" is the mean Kullback-Leibler divergence to
and from the branches' mean, "pairwise_kl" between pairs, "mse_y0" the spread of the branches'
control levels.  The effect of k is y^k - y^0k of its own branch; the baseline is the mean of y^0k.
A shared control tower (``shared_control``) is what the penalty approaches.

    Zhai et al. (2025), HMUM; the forms that the text leaves open are choices of ours, see
    docs/hmum.md.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.deep.base import DeepEstimator, NetTraining
from equipoise.neural.attention import TargetAttention
from equipoise.neural.layers import Experts, Grouped, Towers, mlp
from equipoise.neural.nets import Net, Shape

ALIGNMENTS = ("js", "pairwise_kl", "mse_y0", "none")


class _HUM(Net):
    def __init__(self, shape: Shape, settings: HUM) -> None:
        super().__init__(shape)
        w, k = shape.width, shape.candidates
        self.settings = settings
        self.look = TargetAttention(k, w) if settings.attention else None
        self.wide = None if settings.attention else mlp(shape.flat, (w,))
        body = mlp(shape.flat, (2 * w,))
        self.body = body
        self.experts = Experts(k, 2 * w, settings.experts, w, gate=w, shared=settings.share_experts)
        self.treated = Towers(k, 2 * w, (w,), shape.metrics)
        self.control = Grouped(1 if settings.shared_control else k, 2 * w, w)
        self.base = Grouped(1 if settings.shared_control else k, w, shape.metrics)

    def branches(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Per branch: treated levels (k, B, m), control levels (k, B, m), control representations
        (k, B, w).
        """
        k, e = self.shape.candidates, self.embed(u)
        if self.look is not None:
            f = self.look(e)
        else:
            wide = self.wide(self.flat(u))  # type: ignore[misc]
            f = wide.expand(k, len(u), self.shape.width)
        z = torch.cat([f, self.experts(self.body(self.flat(u)), f)], dim=-1)  # (k, B, 2 w)
        c = self.control(z.mean(dim=0) if self.settings.shared_control else z)
        base = self.base(functional.elu(c)).expand(k, len(u), self.shape.metrics)
        return self.treated(z), base, c.expand(k, len(u), self.shape.width)

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
    shared_control : bool, default False
        Whether all branches have one control tower.
    attention : bool, default True
        Whether each treatment has a view of its own of the features; False: one view for all.
    training : NetTraining, optional
        How the net is trained; None for the defaults of `NetTraining`.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.

    References
    ----------
    Zhai et al. (2025), HMUM; docs/hmum.md lists the choices that the text leaves open.

    Examples
    --------
    >>> HUM(alignment="mse_y0", experts=2)
    HUM(alignment='mse_y0', experts=2)
    """

    def __init__(
        self,
        width: int = 16,
        experts: int = 4,
        penalty: float = 0.1,
        alignment: str = "js",
        *,
        share_experts: bool = True,
        shared_control: bool = False,
        attention: bool = True,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
    ) -> None:
        self.width = width
        self.experts = experts
        self.penalty = penalty
        self.alignment = alignment
        self.share_experts = share_experts
        self.shared_control = shared_control
        self.attention = attention
        self.training = training
        self.space = space
        self.random_state = random_state

    def _net(self, shape: Shape) -> Net:
        if self.alignment not in ALIGNMENTS:
            raise InputError(
                "alignment", f"be one of {', '.join(ALIGNMENTS)}", repr(self.alignment)
            )
        return _HUM(shape, self)
