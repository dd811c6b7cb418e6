"""The one training loop: tensors that stay on the device, sliced into batches; Adam; a stopping
rule; same seed, same numbers.

There is no loader of rows: an epoch draws one permutation, orders every column by it once, and
takes slices.

`SlowGains` is the rule of Li et al. (2023): it counts epochs whose relative gain is below a
tolerance, never forgets one, and stops at the seventh.  `NoGain` stops when a held-out loss has not
improved for some epochs, and the best weights are restored.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.core.errors import InputError
from equipoise.neural.distributed import average, mean, part

log = logging.getLogger(__name__)
Progress = Callable[[int, float], None]  # epochs done, loss of the last
FIRST = 1e9  # the loss before the first epoch, as published
SMALL = 1e-10


class Stop(Protocol):
    """When to stop, given the losses of the epochs so far."""

    def __call__(self, losses: Sequence[float]) -> bool:
        """Whether that was enough."""
        ...


@dataclass(frozen=True)
class SlowGains:
    """Stop at the ``allowed`` + 1st epoch, in all, whose relative gain is below ``tolerance``."""

    tolerance: float = 1e-4
    allowed: int = 6

    def __call__(self, losses: Sequence[float]) -> bool:
        """Whether that was enough."""
        before = np.array([FIRST, *losses[:-1]])
        slow = (before - np.asarray(losses)) / (before + SMALL) < self.tolerance
        return bool(slow[-1] and slow.sum() > self.allowed)


@dataclass(frozen=True)
class NoGain:
    """Stop when the least loss is ``patience`` epochs old."""

    patience: int = 5

    def __call__(self, losses: Sequence[float]) -> bool:
        """Whether that was enough."""
        return len(losses) - 1 - int(np.argmin(losses)) >= self.patience


@dataclass(frozen=True)
class Training:
    """How to train.

    rate, decay : of Adam, the decay as an L2 penalty.   batch : rows per step; the last rows, too
        few for one, are left out.
    epochs : at most so many.   device : "cpu", "cuda", or "auto" for what there is.   threads : on
        the CPU; sums depend on it.
    """

    rate: float = 0.01
    decay: float = 1e-5
    batch: int = 8192
    epochs: int = 1000
    stop: Stop = field(default_factory=SlowGains)
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        for name, value, least in (
            ("rate", self.rate, 0),
            ("decay", self.decay, 0),
            ("batch", self.batch, 1),
        ):
            if not (np.isfinite(value) and value >= least):
                raise InputError(name, f"be a number >= {least}", value)
        if self.epochs < 1 or self.threads < 1:
            raise InputError(
                "epochs and threads", "be whole numbers >= 1", (self.epochs, self.threads)
            )


@dataclass(frozen=True)
class History:
    """What training did.   losses: one an epoch, held-out where a judge was given; converged:
    whether the rule said stop.
    """

    losses: tuple[float, ...]
    seconds: float
    converged: bool

    @property
    def epochs(self) -> int:
        """How many were run."""
        return len(self.losses)


class Diverged(InputError):
    """A loss is no longer finite.   epoch: the first where it is not; has_weights: whether ``net``
    has the best weights before it.
    """

    epoch = 0
    has_weights = False
    net: nn.Module | None = None


def train(
    net: nn.Module,
    loss: Callable[..., Tensor],
    columns: Sequence[Tensor],
    how: Training,
    *,
    judge: Callable[[], Tensor] | None = None,
    progress: Progress | None = None,
    mixed: bool = True,
) -> History:
    """Train a net in place.

    loss : ``loss(*batch) -> scalar``, with the columns of a batch in their order.   columns :
        tensors of n rows.
    judge : ``judge() -> scalar``, a held-out loss after each epoch; the stopping rule then reads
        it, and the best weights stay.
    mixed : whether a GPU takes products in bfloat16; not for losses of probabilities, whose
        logarithms need more digits.
    """
    rows = len(columns[0])
    batch = min(how.batch, rows)
    steps = rows // batch
    device = device_of(how.device)
    net.to(device)
    columns = [column.to(device) for column in columns]
    adam = torch.optim.Adam(net.parameters(), lr=how.rate, weight_decay=how.decay, fused=True)
    rng = torch.Generator().manual_seed(how.seed)
    batches: list[Sequence[Tensor]] = []
    start, run = time.perf_counter(), Epochs(net, how, judge, progress)
    with limit_threads(how.threads):
        while run.goes_on():
            if rows > batch or not batches:  # a batch of all rows is the same in any order
                order, mine = part(
                    torch.randperm(rows, generator=rng)[: steps * batch], steps, batch
                )
                batches = [
                    torch.split(column.index_select(0, order.to(device)), mine)
                    for column in columns
                ]
            run.take(_epoch(net, loss, batches, adam, mixed and device.type == "cuda"))
    return run.finish(time.perf_counter() - start)


class Epochs:
    """The losses of the epochs so far: whether to go on, and the best weights where a judge
    decides.
    """

    def __init__(
        self,
        net: nn.Module,
        how: Training,
        judge: Callable[[], Tensor] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.net, self.how, self.judge, self.progress = net, how, judge, progress
        self.name = type(net).__name__.lstrip("_")
        self.losses: list[float] = []
        self.best: dict[str, Tensor] = {}
        self.enough = False

    def goes_on(self) -> bool:
        """Whether there is another epoch."""
        return len(self.losses) < self.how.epochs and not self.enough

    def take(self, total: float) -> None:
        """An epoch was run; its loss, which a judge's replaces."""
        self.losses.append(_loss_by(self.judge) if self.judge else total)
        if not np.isfinite(self.losses[-1]):
            self._restore()
            fix = (
                "lower the rate, or look for outcomes far from the others; the best weights so far"
                " are kept"
            )
            error = Diverged(
                f"the loss of {self.name}",
                "stay finite",
                self.losses[-1],
                f"epoch {len(self.losses)}",
                fix,
            )
            error.epoch, error.has_weights, error.net = len(self.losses), bool(self.best), self.net
            raise error
        if self.judge and self.losses[-1] == min(self.losses):
            self.best = {
                name: value.detach().clone() for name, value in self.net.state_dict().items()
            }
        if self.progress is not None:
            self.progress(len(self.losses), self.losses[-1])
        self.enough = self.how.stop(self.losses)

    def finish(self, seconds: float) -> History:
        """The best weights back, and what training did."""
        self._restore()
        summary = (type(self.net).__name__, len(self.losses), seconds, self.losses[-1])
        log.info("%s: %d epochs, %.1f s, loss %.6g", *summary)
        return History(tuple(self.losses), seconds, self.enough)

    def _restore(self) -> None:
        if self.best:
            self.net.load_state_dict(self.best)


def device_of(name: str) -> torch.device:
    """The device of that name; "auto" is this process's GPU, or the CPU where there is none."""
    if name == "auto":
        place = int(os.environ.get("LOCAL_RANK", "0"))  # several processes have a GPU each
        return torch.device("cuda", place) if torch.cuda.is_available() else torch.device("cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            "device", "be there", name, fix="use device='cpu', or 'auto' for what there is"
        )
    return torch.device(name)


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Within the block chance comes from the seed; outside, the caller's own goes on as it was.

    ``torch.manual_seed`` keeps a trace of the stack for each kind of accelerator that is not there,
    at every call.
    """
    gpu = device if device is not None and device.type == "cuda" else None
    with torch.random.fork_rng([gpu] if gpu else []):
        torch.default_generator.manual_seed(seed)
        if gpu:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


def ids(codes: NDArray[np.integer], column: int) -> Tensor:
    """One column of codes (n, p) as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(codes[:, column], dtype=np.int32))


def numbers(values: NDArray[np.generic]) -> Tensor:
    """Values (n,) as a float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _epoch(
    net: nn.Module,
    loss: Callable[..., Tensor],
    batches: Sequence[Sequence[Tensor]],
    adam: torch.optim.Optimizer,
    half: bool,
) -> float:
    """One pass over the batches; the sum of their losses.   half: on a GPU, products in bfloat16,
    sums in float32.
    """
    total = torch.zeros((), dtype=torch.float64, device=batches[0][0].device)
    for batch in zip(*batches, strict=True):
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            value = loss(*batch)
        torch.autograd.backward(value)
        average(net)
        adam.step()
        total += value.detach()
    return mean(float(total))


def _loss_by(judge: Callable[[], Tensor]) -> float:
    with torch.no_grad():
        return float(judge())


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """So many threads of torch for a while: sums by more threads are other sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
