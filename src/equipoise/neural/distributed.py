"""Several processes on one training, by torch's own launcher: each takes its part of every batch,
and gradients are averaged.

    torchrun --nproc-per-node 2 train.py

Every process starts from the same weights and draws the same permutation, so that two processes do
the steps of one, to rounding. That holds for a loss that is a mean over rows; a term that compares
rows with each other sees those of its own process only.
"""

from __future__ import annotations

import atexit
import os

import torch
from torch import distributed, nn

from equipoise.core.errors import InputError


def rank_and_size() -> tuple[int, int]:
    """The place of this process and how many there are, (0, 1) without a launcher.   The first call
    joins the others.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not distributed.is_available():
        return 0, 1
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(distributed.destroy_process_group)
    return distributed.get_rank(), distributed.get_world_size()


def part(order: torch.Tensor, steps: int, batch: int) -> tuple[torch.Tensor, int]:
    """This process's rows of every batch, and how many that is.   order: (steps * batch,)."""
    rank, size = rank_and_size()
    if size == 1:
        return order, batch
    if batch % size:
        raise InputError(
            "batch",
            f"be a multiple of the {size} processes",
            batch,
            fix="choose another batch or fewer processes",
        )
    return order.view(steps, batch)[:, rank::size].reshape(-1), batch // size


def average(net: nn.Module) -> None:
    """Gradients become their mean over processes."""
    _, size = rank_and_size()
    if size > 1:
        for parameter in net.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= size


def mean(total: float) -> float:
    """The mean of a number over processes."""
    _, size = rank_and_size()
    if size == 1:
        return total
    device = (
        f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        if distributed.get_backend() == "nccl"
        else "cpu"
    )
    value = torch.tensor([total], dtype=torch.float64, device=device)
    distributed.all_reduce(value)
    return float(value) / size
