"""How a net of scores is trained: whole groups a step where there are groups, else rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from equipoise.neural.harmonrank import HarmonRankNet, RankShape
from equipoise.neural.train import (
    NoGain,
    SlowGains,
    Training,
    device_of,
    limit_threads,
    seeded,
    train,
)
from equipoise.ranking.criterion import mean_auc
from equipoise.ranking.rows import RankingRows

if TYPE_CHECKING:
    from equipoise.ranking.nets.base import NetRanker

STEPS = 30  # in an epoch, about, where the batch is not said
SMALLEST, LARGEST = 256, 8192  # rows of such a batch
CHUNK = 65_536  # rows that are judged at once


@dataclass(frozen=True)
class Batch:
    """What a loss is told.

    score : (B,), of the net.   labels : (B, M), 0 or 1.   observed : (B, M) or None.
    weight : (B,) or None.   groups : (G + 1,) offsets of whole groups, or None.
    objective_weight : (M,), of sum 1.   prior : (M,), the share of positives in training rows.
    """

    score: Tensor
    labels: Tensor
    observed: Tensor | None
    weight: Tensor | None
    groups: Tensor | None
    objective_weight: Tensor
    prior: Tensor


class Table:
    """The rows of training on a device, group after group."""

    def __init__(self, ranker: NetRanker, rows: RankingRows, device: torch.device) -> None:
        def tensor(values: Any, kind: torch.dtype = torch.float32) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values), dtype=kind, device=device)

        self.offsets: Tensor | None = None
        if rows.groups is not None:
            self.offsets = tensor(np.r_[0, np.cumsum(np.bincount(rows.groups))], torch.int64)
            rows = rows.take(np.argsort(rows.groups, kind="stable"))
        self.z, self.u = (
            tensor(ranker._standard(rows.scores)),
            tensor(ranker._positions(rows.profile)),
        )
        self.labels = tensor(rows.labels)
        self.observed = None if rows.observed is None else tensor(rows.observed, torch.bool)
        self.weight = None if rows.weight is None else tensor(rows.weight)
        self.prior = tensor(rows.positives / rows.counts)
        self.objective_weight = tensor(ranker.weight_)

    @property
    def units(self) -> int:
        """How many things a step can draw: groups, or rows."""
        return len(self.z) if self.offsets is None else len(self.offsets) - 1

    def batch(self, net: HarmonRankNet, units: Tensor) -> Batch:
        """What a loss is told of some groups, or rows."""
        rows, groups = units, None
        if self.offsets is not None:
            start = self.offsets[units]
            size = self.offsets[units + 1] - start
            groups = torch.cat([size.new_zeros(1), size.cumsum(0)])
            rows = torch.repeat_interleave(start - groups[:-1], size)
            rows += torch.arange(len(rows), device=rows.device)
        return Batch(
            net(self.z[rows], self.u[rows]),
            self.labels[rows],
            None if self.observed is None else self.observed[rows],
            None if self.weight is None else self.weight[rows],
            groups,
            self.objective_weight,
            self.prior,
        )


def train_net(
    ranker: NetRanker, rows: RankingRows, held: RankingRows | None
) -> tuple[dict[str, Any], list[float]]:
    """The weights of a net that was trained on rows until held-out ones rank no better, by name,
    and a loss an epoch: 1 less the mean AUC of held-out rows, or without them the training loss.
    """
    device = device_of(ranker.device)
    table = Table(ranker, rows, device)
    net = _net(ranker, table)
    judge = None if held is None else _judge(ranker, net, held, device)
    if judge is not None:
        with limit_threads(1):
            if not bool(torch.isfinite(judge())):  # no objective has two classes: nothing is judged
                judge = None
    size = ranker.batch
    if size is None:
        size = int(np.clip(2 ** round(np.log2(max(len(rows) / STEPS, 1))), SMALLEST, LARGEST))
    units = max(1, round(size * table.units / len(rows)))
    stop = SlowGains() if judge is None else NoGain(ranker.patience)
    how = Training(
        ranker.rate, ranker.decay, units, ranker.epochs, stop, ranker.random_state, ranker.device
    )
    draws = torch.arange(table.units, device=device)

    def loss(units: Tensor) -> Tensor:
        return ranker._loss(table.batch(net, units))

    history = train(net, loss, [draws], how, judge=judge, mixed=False)
    weights = {name: value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    return {name: value.copy() for name, value in weights.items()}, list(history.losses)


def _net(ranker: NetRanker, table: Table) -> HarmonRankNet:
    """A net whose first weights come from the seed, and from nothing else."""
    from equipoise.neural.piecewise_linear import Inputs

    features = table.u.shape[1]
    shape = RankShape(
        table.z.shape[1],
        features,
        Inputs(**ranker.inputs_).slots if features else 1,
        ranker.width,
        ranker.heads,
        ranker.self_attention,
        ranker.cross_attention,
        ranker.gate,
    )
    with seeded(ranker.random_state):
        net = HarmonRankNet(shape)
    with torch.no_grad():
        net.bias.fill_(ranker._first_level(table.prior.cpu().numpy()))
    return net


def _judge(ranker: NetRanker, net: HarmonRankNet, held: RankingRows, device: torch.device) -> Any:
    """1 less the mean AUC of held-out rows, as a function of the net as it is."""
    z = torch.as_tensor(ranker._standard(held.scores), dtype=torch.float32, device=device)
    u = torch.as_tensor(ranker._positions(held.profile), dtype=torch.float32, device=device)

    def judge() -> Tensor:
        with torch.no_grad():
            parts = zip(torch.split(z, CHUNK), torch.split(u, CHUNK), strict=True)
            score = torch.cat([net(*part) for part in parts]).cpu().double().numpy()
        return torch.tensor(1.0 - mean_auc(score, held, ranker.weight_), dtype=torch.float64)

    return judge
