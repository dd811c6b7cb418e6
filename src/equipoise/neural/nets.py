"""Nets of effects: what all share, how one is trained on a log, and how it is asked.

A net says the expected outcome of each row under control and every candidate, `levels` (B, 1 + k,
m), on the scale it learns on.
The base gives it the embedding of the features and the factual loss:

    loss = mean over rows and metrics of w_i (level of the row's own arm - y)^2

Parts of a net may be trained on other terms; what decides when to stop is always the factual loss
of held-out rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.core.arrays import Floats, Ints
from equipoise.neural.layers import Embed, Flat
from equipoise.neural.train import (
    Diverged,
    History,
    NoGain,
    Progress,
    Training,
    device_of,
    limit_threads,
    seeded,
    train,
)

# rows asked at once: always so many, so that a row's answer does not depend on its company
CHUNK = 1024
WIDE = 64 * CHUNK  # the same on a GPU, which a small chunk would leave idle
N = TypeVar("N", bound="Net")
Positions = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Shape:
    """What a net is made for.   features d, slots S of each, candidates k (control not among them),
    metrics m, width w.
    """

    features: int
    slots: int
    candidates: int
    metrics: int
    width: int

    @property
    def arms(self) -> int:
        """Control and candidates, 1 + k."""
        return 1 + self.candidates

    @property
    def flat(self) -> int:
        """The length of all embeddings of a row."""
        return self.features * self.width


class Net(nn.Module):
    """Base of the nets; a subclass makes its parts and writes `levels`, and `loss` where it has
    terms of its own.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = Embed(shape.features, shape.slots, shape.width)

    def flat(self, u: Tensor) -> Flat:
        """All embeddings of a row side by side, (B, d w), for a first layer to read."""
        return self.embed.flat(u)

    def levels(self, u: Tensor) -> Tensor:
        """Expected outcomes, (B, 1 + k, m).   u: (B, d) positions."""
        raise NotImplementedError

    def loss(self, u: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """What training makes small.   arm: (B,); y: (B, m); weight: (B,)."""
        return factual(self.levels(u), arm, y, weight)

    def by_arm(self, towers: Tensor) -> Tensor:
        """Outputs of towers per arm, (1 + k, B, m), as levels (B, 1 + k, m)."""
        return towers.transpose(0, 1)

    def onehot(self, arm: Tensor) -> Tensor:
        """The candidates' indicators of arms (B,), (B, k): control is the zero row."""
        return nn.functional.one_hot(arm, self.shape.arms)[:, 1:].float()


def factual(levels: Tensor, arm: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean squared error of the own arm's level."""
    return (weight[:, None] * (own(levels, arm) - y) ** 2).mean()


def own(levels: Tensor, arm: Tensor) -> Tensor:
    """The level of each row's own arm, (B, m)."""
    return levels.gather(1, arm[:, None, None].expand(-1, 1, levels.shape[2]))[:, 0]


@dataclass(frozen=True)
class Rows:
    """Rows to learn from.   u: (n, d) positions; arm: (n,); y: (n, m), scaled; weight: (n,);
    metrics: their names, for errors.
    """

    u: Positions
    arm: Ints
    y: Floats
    weight: Floats
    metrics: tuple[str, ...] = ()

    def tensors(self) -> list[Tensor]:
        """As tensors."""
        parts = (
            self.u,
            self.arm.astype(np.int64),
            self.y.astype(np.float32),
            self.weight.astype(np.float32),
        )
        return [torch.from_numpy(np.ascontiguousarray(part)) for part in parts]

    def take(self, rows: Ints) -> Rows:
        """Some of the rows."""
        return Rows(self.u[rows], self.arm[rows], self.y[rows], self.weight[rows], self.metrics)


def build(make: Callable[[Shape], N], shape: Shape, seed: int) -> N:
    """A net whose first weights come from the seed, and from nothing else."""
    with seeded(seed):
        return make(shape)


def fit(
    net: Net, rows: Rows, holdout: Rows, how: Training, progress: Progress | None = None
) -> History:
    """Train on rows until the factual loss of held-out rows has not improved for a while; the best
    weights stay.

    A loss that is no longer finite raises `Diverged`, which names the metric, where one did it, and
    the likely cause.
    """
    device = device_of(how.device)
    outside = [part.to(device) for part in holdout.tensors()]

    def judge() -> Tensor:
        net.train(mode=False)
        parts = zip(*(torch.split(part, 16 * CHUNK) for part in outside), strict=True)
        errors = [factual(net.levels(u), arm, y, w) * len(u) for u, arm, y, w in parts]
        net.train()
        return torch.stack(errors).sum() / len(outside[0])

    stop = isinstance(how.stop, NoGain) and len(holdout.arm) > 0
    # for terms that draw: their noise comes from the seed
    with seeded(how.seed, device):
        try:
            return train(
                net, net.loss, rows.tensors(), how, judge=judge if stop else None, progress=progress
            )
        except Diverged as error:
            raise _explain(error, rows) from error


def _explain(error: Diverged, rows: Rows) -> Diverged:
    """The same with the metrics it concerns.  Outcomes come in standard units, so that the rate is
    the likely cause.
    """
    names = [repr(name) for name in rows.metrics] or [str(i) for i in range(rows.y.shape[1])]
    note = (
        f"the weights of epoch {error.epoch - 1} at the latest are kept"
        if error.has_weights
        else "no weights are kept"
    )
    explanation = Diverged(
        f"{error.what} on {', '.join(names)}",
        error.must,
        error.got,
        error.where,
        f"lower the rate; {note}",
    )
    explanation.epoch, explanation.has_weights, explanation.net = (
        error.epoch,
        error.has_weights,
        error.net,
    )
    return explanation


def ask(net: Net, u: Positions, device: str = "cpu") -> Floats:
    """The levels of rows, (n, 1 + k, m), chunk by chunk: memory does not grow with n but for the
    answer.
    """
    place, levels = device_of(device), np.empty((len(u), net.shape.arms, net.shape.metrics))
    net.to(place).train(mode=False)
    chunk = CHUNK if place.type == "cpu" else WIDE
    pad = np.zeros((chunk, u.shape[1]), np.float32)
    with limit_threads(1), torch.inference_mode():
        for low in range(0, len(u), chunk):
            part = u[low : low + chunk]
            pad[: len(part)] = part
            levels[low : low + len(part)] = (
                net.levels(torch.from_numpy(pad).to(place))[: len(part)].cpu().numpy()
            )
    return levels


def weights_of(net: Net) -> dict[str, Any]:
    """What a net has learnt, as arrays by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()}


def with_weights(net: Net, weights: dict[str, Any]) -> Net:
    """A net with learnt weights."""
    net.load_state_dict(
        {name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}
    )
    return net
