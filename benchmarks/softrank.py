"""Soft ranks and the loss made of them, beside one torch.sort, a step of cross-entropy, and
torchsort.

    softrank_over_sort_1e6      forward and backward of the loss of one objective, 10 % positives,
    softrank_over_sort_4096x20  over one torch.sort of the same float32 scores: 1e6 rows, and 4,096
                                groups of 20
    softrank6_over_sort_1e6     the same of six objectives
    linear_over_sort_1e6        the other surrogates, one objective; likewise hinge_, logistic_
    softrank_max_error          the most by which ranks of 1e6 float32 scores, in float32, miss
                                those by SciPy's isotonic regression in 64 bits; five strengths
    softrank_gradient_cosine    the least cosine of the two gradients of the AUC
    softrank_max_error_torchsort   torchsort's, in float32
    rank_step_over_bce_step     a training step (forward, loss, backward, Adam) of a net of the size
                                of HarmonRank's by the rank loss, over one by summed cross-entropy:
                                4,096 rows, six objectives
    softrank_bytes_per_element  peak memory that forward and backward add, 4e6 rows
    softrank_speedup_torchsort  torchsort's time of forward and backward of the same loss over ours:
                                the least of the shapes; each beside it

CPU time of the process, one thread, contenders timed in turn; ratios of medians, with the range of
the rounds' own ratios.  FULL=1: more rounds.  Run with "memory", this is the process whose memory
is measured.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import json  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from benchmarks.peers import ONE_THREAD, python_of  # noqa: E402
from equipoise.neural import rank_auc_loss, soft_rank  # noqa: E402

ROUNDS = 41 if full() else 15
ROWS, GROUPS, OBJECTIVES, BATCH = 1_000_000, (4096, 20), 6, 4096
SHAPES = {"1e4": (1, 10_000), "1e6": (1, ROWS), "512x100": (512, 100), "4096x20": GROUPS}
STRENGTHS = {
    "k = 10": 10 / ROWS,
    "k = 3": 3 / ROWS,
    "k = 1": 1 / ROWS,
    "k = .1": 0.1 / ROWS,
    "1": 1.0,
}
MEASURED, SEED = 4_000_000, 0  # rows whose memory is measured
WORKER = """
import json, sys, time
import torch, torchsort
torch.set_num_threads(1)
def loss(s, y, eps):
    ranks = torchsort.soft_rank(s, regularization_strength=eps)
    p = y.sum(1)
    return -(((ranks * y).sum(1) - p * (p + 1) / 2) / (p * (y.shape[1] - p)).clamp(min=1)).mean()
for line in sys.stdin:
    job = json.loads(line)
    if "shape" in job:
        made = torch.Generator().manual_seed(job["seed"])
        s = torch.randn(job["shape"], generator=made).requires_grad_()
        y = (torch.rand(job["shape"], generator=made) < 0.1).float()
        eps, answer = 3 / job["shape"][1], 0
    elif "ranks" in job:
        wide = [torchsort.soft_rank(s.detach().to(t), regularization_strength=job["ranks"]).double()
                for t in (torch.float32, torch.float64)]
        answer = float((wide[0] - wide[1]).abs().max())
    else:
        s.grad, start = None, time.process_time()
        loss(s, y, eps).backward()
        answer = time.process_time() - start
    print(json.dumps(answer), flush=True)
"""


def seconds(job: Callable[[], Any]) -> float:
    """The CPU time of a job."""
    start = time.process_time()
    job()
    return time.process_time() - start


def in_turn(jobs: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """What each job says it took, in each round; the first round warms up and is dropped."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            taken[name].append(job())
    return {name: times[1:] for name, times in taken.items()}


def ratio(
    name: str, above: list[float], below: list[float], against: str, n: int
) -> dict[str, Any]:
    """The ratio of medians, with the range of the rounds' own ratios."""
    own = [a / b for a, b in zip(above, below, strict=True)]
    value = statistics.median(above) / statistics.median(below)
    unit = "ratio of CPU time"
    return figure(name, value, low=min(own), high=max(own), unit=unit, against=against, n=n)


def batch(shape: tuple[int, int], objectives: int = 1) -> tuple[Tensor, Tensor, np.ndarray | None]:
    """Scores (N,), labels (N, objectives) and offsets of the groups."""
    made = torch.Generator().manual_seed(SEED)
    s = torch.randn(shape, generator=made).flatten().requires_grad_()
    y = (torch.rand((len(s), objectives), generator=made) < 0.1).float()
    offsets = np.arange(shape[0] + 1) * shape[1] if shape[0] > 1 else None
    return s, y, offsets


def both_ways(shape: tuple[int, int], objectives: int = 1, **options: Any) -> Callable[[], float]:
    """A job: forward and backward of the loss."""
    s, y, offsets = batch(shape, objectives)

    def step() -> None:
        s.grad = None
        rank_auc_loss(s, y, groups=offsets, **options).loss.backward()

    return lambda: seconds(step)


def sort_of(shape: tuple[int, int]) -> Callable[[], float]:
    """A job: one torch.sort of the same scores."""
    s = batch(shape)[0].detach().reshape(shape)
    return lambda: seconds(lambda: torch.sort(s, descending=True))


def over_sort() -> list[dict[str, Any]]:
    """The loss over one sort."""
    one, rows = (1, ROWS), []
    wide = in_turn(
        {
            "sort": sort_of(one),
            "softrank": both_ways(one),
            "softrank6": both_ways(one, OBJECTIVES),
            "linear": both_ways(one, surrogate="linear"),
            "hinge": both_ways(one, surrogate="squared_hinge"),
            "logistic": both_ways(one, surrogate="logistic"),
        }
    )
    for name in list(wide)[1:]:
        rows.append(ratio(f"{name}_over_sort_1e6", wide[name], wide["sort"], "torch.sort", ROWS))
    short = in_turn(
        {
            "sort": sort_of(GROUPS),
            "one": both_ways(GROUPS),
            "six": both_ways(GROUPS, OBJECTIVES),
        },
        rounds=5 * ROUNDS,
    )
    n = GROUPS[0] * GROUPS[1]
    for name, job in (("softrank", "one"), ("softrank6", "six")):
        label = f"{name}_over_sort_4096x20"
        rows.append(ratio(label, short[job], short["sort"], "torch.sort", n))
    return rows


def precision() -> list[dict[str, Any]]:
    """Errors of float32 at many rows."""
    s, y, _ = batch((1, ROWS))
    exact = s.detach().double().requires_grad_()
    positives = y[:, 0].sum().double()
    errors, cosines = [], []
    for strength in STRENGTHS.values():
        reference = soft_rank(exact, strength=strength, backend="scipy")
        errors.append(
            float((soft_rank(s.detach(), strength=strength) - reference.detach()).abs().max())
        )
        auc = (reference @ y[:, 0].double()) / (positives * (ROWS - positives))
        (slow,) = torch.autograd.grad(-auc, exact)
        ours = rank_auc_loss(s, y, strength=strength, standardize=False, scale="auc").loss
        (fast,) = torch.autograd.grad(ours, s)
        cosines.append(cosine(fast.double(), slow))
    return [
        figure(
            "softrank_max_error",
            max(errors),
            low=min(errors),
            high=max(errors),
            unit="ranks",
            against="SciPy in float64; half a unit in the last place of 1e6 is .031",
            n=ROWS,
        ),
        figure("softrank_gradient_cosine", min(cosines), against="SciPy in float64", n=ROWS),
    ]


def cosine(a: Tensor, b: Tensor) -> float:
    """The cosine of two vectors, however short."""
    return float((a / a.norm()) @ (b / b.norm()))


class FusionNet(nn.Module):
    """A stand-in for HarmonRank's net: self-attention over objectives, cross-attention from the
    user, and a gated sum.
    """

    def __init__(self, width: int = 32, user: int = 16) -> None:
        super().__init__()
        self.token = nn.Linear(1, width)
        self.name = nn.Parameter(torch.randn(OBJECTIVES, width) / 10)
        self.among = nn.MultiheadAttention(width, 4, batch_first=True)
        self.user = nn.Linear(user, width)
        self.across = nn.MultiheadAttention(width, 4, batch_first=True)
        self.out = nn.Linear(width, 1)
        self.gate = nn.Sequential(
            nn.Linear(user + OBJECTIVES, 64), nn.ReLU(), nn.Linear(64, OBJECTIVES)
        )

    def forward(self, scores: Tensor, user: Tensor) -> Tensor:
        """The fused score (n,) of scores (n, m) and profiles (n, d)."""
        tokens = self.token(scores[..., None]) + self.name
        tokens = tokens + self.among(tokens, tokens, tokens, need_weights=False)[0]
        asked = self.across(self.user(user)[:, None], tokens, tokens, need_weights=False)[0]
        gate = torch.softmax(self.gate(torch.cat([user, scores], dim=1)), dim=1)
        fused: Tensor = self.out(asked[:, 0])[:, 0] + (gate * scores).sum(dim=1)
        return fused


def training_step(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], float]:
    """A job: one step of the net by a loss."""
    torch.manual_seed(SEED)
    net = FusionNet()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    scores, user = torch.randn(BATCH, OBJECTIVES), torch.randn(BATCH, 16)
    labels = (
        torch.rand(BATCH, OBJECTIVES) < torch.tensor([0.4, 0.2, 0.1, 0.05, 0.02, 0.01])
    ).float()

    def step() -> None:
        adam.zero_grad()
        loss(net(scores, user), labels).backward()
        adam.step()

    return lambda: seconds(step)


def summed_cross_entropy(score: Tensor, labels: Tensor) -> Tensor:
    """The sum over objectives of the mean cross-entropy of one score."""
    each = functional.binary_cross_entropy_with_logits(score[:, None].expand_as(labels), labels)
    return each * labels.shape[1]


def steps() -> list[dict[str, Any]]:
    """A training step by ranks over one by cross-entropy."""
    taken = in_turn(
        {
            "bce": training_step(summed_cross_entropy),
            "rank": training_step(lambda score, labels: rank_auc_loss(score, labels).loss),
        },
        rounds=2 * ROUNDS,
    )
    name = "rank_step_over_bce_step"
    return [ratio(name, taken["rank"], taken["bce"], "summed cross-entropy", BATCH)]


def memory() -> None:
    """Print the bytes per row that forward and backward of many rows add at their peak."""
    both_ways((1, 1000))()
    s, y, _ = batch((1, MEASURED))
    before = peak_kilobytes()
    rank_auc_loss(s, y).loss.backward()
    print((peak_kilobytes() - before) * 1024 / MEASURED)


def peak_kilobytes() -> int:
    """The most memory that this process has held; the count of Linux's getrusage outlives exec."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def bytes_per_element() -> dict[str, Any]:
    """The same, by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.softrank", "memory"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return figure("softrank_bytes_per_element", float(said), unit="bytes", n=MEASURED)


def beside_torchsort() -> list[dict[str, Any]]:
    """Our time and error beside torchsort's, in a process of its own environment."""
    command, pipe = [python_of("torchsort"), "-W", "ignore", "-c", WORKER], subprocess.PIPE
    with subprocess.Popen(
        command, env=os.environ | ONE_THREAD, stdin=pipe, stdout=pipe, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None

        def ask(**job: Any) -> float:
            print(json.dumps(job), file=worker.stdin, flush=True)
            return float(json.loads(worker.stdout.readline()))

        rows = []
        for name, shape in SHAPES.items():
            ask(shape=shape, seed=SEED)
            taken = in_turn({"ours": both_ways(shape), "theirs": lambda: ask(time=1)})
            label, n = f"softrank_speedup_torchsort_{name}", shape[0] * shape[1]
            rows.append(ratio(label, taken["theirs"], taken["ours"], "torchsort 0.1.10", n))
            if name == "1e6":
                far = [ask(ranks=strength) for strength in STRENGTHS.values()]
        worker.stdin.close()
    least = min(rows, key=lambda row: row["value"])
    error = figure("softrank_max_error_torchsort", max(far), low=min(far), high=max(far), n=ROWS)
    return [least | {"name": "softrank_speedup_torchsort"}, *rows, error]


def main() -> None:
    """Measure and record."""
    torch.set_num_threads(1)
    rows = [*over_sort(), *precision(), *steps(), bytes_per_element()]
    try:
        rows += beside_torchsort()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"torchsort does not install here, its rows are left out: {error}")
    protocol = (
        f"CPU time, one thread, contenders in turn, {ROUNDS} rounds (groups of 20: {5 * ROUNDS},"
        f" steps: {2 * ROUNDS}) after a warm one; float32 normal scores, 10 % positives, automatic"
        " strength (k = 3); no GPU was at hand"
    )
    print(record("softrank", protocol, versions("numpy", "scipy", "numba", "torch"), [SEED], rows))
    for row in rows:
        print(f"{row['name']:36} {row['value']:.4g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    memory() if sys.argv[1:] == ["memory"] else main()
