"""Gradients of several objectives, combined so that none is worked against.

    g_m = the gradient of objective m's loss at the scores of a batch;  G = (g_l . g_m)
    loss = sum_m a_m(G) L_m,  a by MGDA or UPGrad

What objectives share is the one score, so that gradients are compared there and not at every weight
of the net: the upper bound of Sener & Koltun (2018), section 3.3, at the cost of one backward pass.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from equipoise.core.errors import MissingExtra

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch


def combined_loss(batch: Batch, name: str) -> Tensor:
    """The losses of soft ranks, weighed by a weighting of torchjd.

    Parameters
    ----------
    batch : Batch
        Scores of a net, and labels.  An objective of one class in it, or of weight 0, has no
        gradient to spare and is left out.
    name : {"MGDAWeighting", "UPGradWeighting"}
        Of ``torchjd.aggregation``.

    Returns
    -------
    Tensor
        One number, whose gradient is the combined one.

    Raises
    ------
    MissingExtra
        Where torchjd is not installed.

    Examples
    --------
    >>> import torch
    >>> from equipoise.ranking.nets.training import Batch
    >>> score, labels = torch.tensor([0.2, 0.9, 0.4], requires_grad=True), torch.eye(3)[:, :2]
    >>> half = torch.full((2,), 0.5)
    >>> batch = Batch(score, labels, None, None, None, half, half)
    >>> combined_loss(batch, "MGDAWeighting").shape
    torch.Size([])
    """
    import torch

    from equipoise.ranking.nets.harmonrank import rank_losses

    each = rank_losses(batch, "soft_rank")
    losses = each.loss * batch.objective_weight * len(batch.objective_weight)
    part = (each.n_valid_groups > 0) & (batch.objective_weight > 0)
    losses = losses[part]
    if len(losses) < 2:
        return losses.sum() + 0.0 * batch.score.sum()
    gradients = [torch.autograd.grad(one, batch.score, retain_graph=True)[0] for one in losses]
    flat = torch.stack(gradients).double()
    gramian = flat @ flat.T
    scale = gramian.diagonal().mean().clamp_min(1e-300)  # a small number has no meaning to a solver
    weights: Tensor = _weighting(name)(gramian / scale).to(losses.dtype)
    return (weights * losses).sum()


def _weighting(name: str) -> Any:
    try:
        return getattr(import_module("torchjd.aggregation"), name)()
    except ImportError as error:
        fix = 'pip install "equipoise[gradients]"'
        what, got = "torchjd", "no such module"
        raise MissingExtra(what, "be installed to combine gradients", got, fix=fix) from error
