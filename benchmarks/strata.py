"""The strata table's training: our steps against the published arithmetic, side by side, and what
MovieLens 1M gives.

A step is forward, loss, backward and Adam on a batch of 8,192 pairs of 6,040 users and 3,952 items,
embeddings of 64.  Published: gather both embeddings, concatenate, a linear layer; six
cross-entropies one by one; three Adams; rows indexed from arrays, batch by batch.  Ours:
`equipoise.neural`, with its loop.  Both run in turn, in this process, on one thread; the losses
must agree.

Figures: strata_one_step_speedup (a step of each net together), strata_step_speedup_nuisance and
_joint, step_ms_*; strata_two_fits_speedup, of two fits side by side.  strata_step_speedup is the
whole table on two cores: the steps that its published methods took here, at these times per step;
the published code fits every model once a scheme, that is twice, one after the other, and is given
a second thread where that helps it (published_two_threads, how much). It and the others need a
folder that `equipoise reproduce strata` wrote (STRATA_RUN=..., default
runs/reproduce-movielens_1m-published): ml1m_max_rel_diff (without the row of CF-MTL-v1),
ml1m_max_rel_diff_coupon, ml1m_best_reward, ml1m_best_minus_cfmtl, ml1m_v1_reward,
ml1m_table_minutes; and, of --recipe swapped-losses (STRATA_RUN_SWAPPED=...):
ml1m_v1_reward_swapped, ml1m_v1_max_rel_diff_swapped (without "w/o both").
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from equipoise.neural.additive import SQUARED, Composite, train_joint, train_one  # noqa: E402
from equipoise.neural.id_nets import Additive, generator  # noqa: E402
from equipoise.neural.strata import ETA, OFFICIAL, THR, ClaimRows  # noqa: E402
from equipoise.neural.train import Training  # noqa: E402

SIZES, WIDTH, BATCH = (6_040, 3_952), 64, 8_192
RATE, DECAY, STEPS = 0.01, 1e-5, 100
HOW = Training(RATE, DECAY, BATCH, epochs=1)
RUNS = (("", "published"), ("_SWAPPED", "swapped-losses"))
BEST, RIVAL, VARIANT = "CF-MLE, known g", "CF-MTL", "CF-MTL-v1"


def world(rows: int, seed: int = 0) -> ClaimRows:
    """Random rows of the size of the table's."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, size, rows) for size in SIZES])
    t, c, y = rng.integers(0, 2, (3, rows))
    return ClaimRows(codes, SIZES, t, c * t, y)


class Wide(torch.nn.Module):
    """The published arithmetic: gather, concatenate, one linear layer.   start: a net of ours, to
    start from the same point.
    """

    def __init__(self, start: Additive) -> None:
        super().__init__()
        self.W, self.H = (
            torch.nn.Embedding.from_pretrained(t.detach().clone(), freeze=False)
            for t in start.tables
        )
        self.linear = torch.nn.Linear(2 * WIDTH, start.bias.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(torch.cat(list(start.heads), dim=1))
            self.linear.bias.copy_(start.bias)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Scores, (batch, o)."""
        return self.linear(torch.cat([self.W(pairs[:, 0]), self.H(pairs[:, 1])], dim=1))


def nets() -> tuple[Additive, Additive]:
    """The strata's net and the propensity's, from one seed."""
    rng = generator(1)
    return Additive(SIZES, WIDTH, 5, rng), Additive(SIZES, WIDTH, 1, rng)


def published_nuisance(rows: ClaimRows, steps: int) -> float:
    """Some steps of a nuisance net; the sum of their losses."""
    net, total = Wide(nets()[1]), 0.0
    adam = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=DECAY)
    for x, y in batches(rows, steps, rows.y):
        adam.zero_grad()
        loss = torch.nn.MSELoss()(torch.sigmoid(net(x).squeeze()), torch.Tensor(y))
        loss.backward()
        adam.step()
        total += loss.detach().numpy()
    return float(total)


def published_joint(rows: ClaimRows, steps: int) -> float:
    """Some steps of CF-MTL; the sum of their losses."""
    strata, propensity = (Wide(net) for net in nets())
    groups = [
        [strata.W.weight, strata.H.weight],
        strata.linear.parameters(),
        propensity.parameters(),
    ]
    adams = [torch.optim.Adam(group, lr=RATE, weight_decay=DECAY) for group in groups]
    total = 0.0
    for x, t, c, y in batches(rows, steps, rows.t, rows.c, rows.y):
        g = torch.clip(torch.sigmoid(propensity(x).squeeze()), THR, 1)
        f = torch.softmax(strata(x), dim=1)
        cells = [g * f[:, 0], g * f[:, 1], g * f[:, 2], g * (f[:, 3] + f[:, 4])]
        cells += [(1 - g) * (f[:, 4] + f[:, 1]), (1 - g) * (f[:, 0] + f[:, 2] + f[:, 3])]
        seen = [
            t * (1 - c) * (1 - y),
            t * (1 - c) * y,
            t * c * (1 - y),
            t * c * y,
            (1 - t) * (1 - c) * y,
            (1 - t) * (1 - c) * (1 - y),
        ]
        loss = ETA * torch.nn.MSELoss(reduction="sum")(g, torch.Tensor(t))
        for weight, p, z in zip(OFFICIAL, cells, seen, strict=True):
            loss = loss + weight * functional.binary_cross_entropy(
                (p + 1e-6).clamp(max=1), torch.Tensor(z), reduction="sum"
            )
        for adam in adams:
            adam.zero_grad()
        loss.backward()
        for adam in adams:
            adam.step()
        total += loss.detach().numpy()
    return float(total)


def batches(rows: ClaimRows, steps: int, *columns: np.ndarray) -> Any:
    """Batches as the published code makes them: a shuffle of an epoch's rows, then fancy indexing
    of each array.
    """
    order = np.arange(len(rows.t))
    np.random.default_rng(0).shuffle(order)
    floats = [column.astype(float) for column in columns]
    pairs = rows.codes.astype(float)
    for step in range(steps):
        place = order[BATCH * step : BATCH * (step + 1)]
        yield torch.LongTensor(pairs[place].astype(np.int64)), *(column[place] for column in floats)


def our_nuisance(rows: ClaimRows, steps: int) -> float:
    """The same by our kernel, one epoch of so many steps."""
    part = rows.take(np.arange(steps * BATCH))
    return train_one(nets()[1], SQUARED, part.codes, part.y, HOW).losses[0]


def our_joint(rows: ClaimRows, steps: int) -> float:
    """The same by our kernel, one epoch of so many steps."""
    part = rows.take(np.arange(steps * BATCH))
    return train_joint(*nets(), part.codes, part.cell(), Composite(OFFICIAL, ETA, THR), HOW).losses[
        0
    ]


def side_by_side(rows: ClaimRows, rounds: int) -> float:
    """How much sooner two joint fits are done on two threads than one after the other: the median
    ratio.
    """
    ratios = []
    for _ in range(rounds):
        after = seconds(lambda: [our_joint(rows, STEPS) for _ in range(2)])
        with ThreadPoolExecutor(2) as pool:
            beside = seconds(
                lambda pool=pool: list(pool.map(our_joint, (rows, rows), (STEPS, STEPS)))
            )
        ratios.append(after / beside)
    return statistics.median(ratios)


def second_thread(rows: ClaimRows, rounds: int) -> float:
    """How much sooner the published joint steps are done on two threads than on one: the median
    ratio, at least 1.
    """
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for threads, found in times.items():
            torch.set_num_threads(threads)
            found.append(seconds(lambda: published_joint(rows, STEPS)))
    torch.set_num_threads(1)
    return max(
        1.0, statistics.median(one / two for one, two in zip(times[1], times[2], strict=True))
    )


def seconds(job: Callable[[], Any]) -> float:
    """The wall time of a job."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def speedups(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds a step of each, in turn, and their ratios."""
    torch.set_num_threads(1)
    rows = world(STEPS * BATCH)
    jobs = {
        "nuisance": (published_nuisance, our_nuisance),
        "joint": (published_joint, our_joint),
    }
    one = rows.take(np.arange(BATCH))  # a single batch, so that both see the same rows
    for published, ours in jobs.values():
        if abs(published(one, 1) / ours(one, 1) - 1) > 1e-4:
            raise RuntimeError(f"losses differ: {published(one, 1)} and {ours(one, 1)}")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, (published, ours) in jobs.items():
            pair = (
                seconds(lambda job=published: job(rows, STEPS)),
                seconds(lambda job=ours: job(rows, STEPS)),
            )
            times[name].append(pair)
    found = []
    for name, pairs in times.items():
        ratios = [theirs / mine for theirs, mine in pairs]
        found.append(
            figure(
                f"strata_step_speedup_{name}",
                statistics.median(ratios),
                low=min(ratios),
                high=max(ratios),
                unit="ratio of wall time",
                against="the published arithmetic",
                n=BATCH,
            )
        )
        for who, place in (("published", 0), ("ours", 1)):
            taken = [1e3 * pair[place] / STEPS for pair in pairs]
            found.append(
                figure(
                    f"step_ms_{name}_{who}",
                    statistics.median(taken),
                    low=min(taken),
                    high=max(taken),
                    unit="ms",
                    n=BATCH,
                )
            )
    both = [
        sum(pairs[k][0] for pairs in times.values()) / sum(pairs[k][1] for pairs in times.values())
        for k in range(rounds)
    ]
    head = figure(
        "strata_one_step_speedup",
        statistics.median(both),
        low=min(both),
        high=max(both),
        unit="ratio of wall time",
        against="the published arithmetic, one step of each net",
        n=BATCH,
    )
    two = figure(
        "strata_two_fits_speedup",
        side_by_side(rows, rounds),
        unit="ratio of wall time",
        against="one after the other",
    )
    return [
        head,
        *found,
        two,
        figure(
            "published_two_threads", second_thread(rows, rounds), unit="ratio", against="one thread"
        ),
    ]


def run_figures(run: dict[str, Any], step_ms: dict[str, float]) -> list[dict[str, Any]]:
    """What a reproduction's results.json says.   step_ms: milliseconds by the names of
    `speedups`.
    """
    rows = {(row["scheme"], row["method"]): row for row in run["rows"]}
    seeds = run["settings"]["seeds"]
    gaps = {
        key: abs(row["relative"])
        for key, row in rows.items()
        if row["relative"] is not None and VARIANT not in key[1]
    }
    coupon = {method: row for (scheme, method), row in rows.items() if scheme == "coupon"}
    gains = [gain["coupon"] for gain in run["gains"]]
    per_seed = {
        (seed["seed"], name): model
        for seed in run["results"]
        for name, model in seed["models"].items()
    }
    minutes = sum(model["seconds"] for model in per_seed.values()) / 60 / len(seeds)
    n, pairs = len(seeds), "pairs of MovieLens 1M"
    return [
        figure(
            "ml1m_max_rel_diff",
            max(gaps.values()),
            unit="share of the reward",
            against="the published table",
            n=n,
        ),
        figure(
            "ml1m_max_rel_diff_coupon",
            max(gap for (scheme, _), gap in gaps.items() if scheme == "coupon"),
            unit="share of the reward",
            against="the published table",
            n=n,
        ),
        reward("ml1m_best_reward", coupon[BEST], "the oracle's 86,238", n),
        reward("ml1m_cfmtl_reward", coupon[RIVAL], "72,218", n),
        reward("ml1m_v1_reward", coupon[VARIANT], "77,640", n),
        figure(
            "ml1m_best_minus_cfmtl",
            statistics.mean(gain[0] for gain in gains),
            low=min(gain[1] for gain in gains),
            high=max(gain[2] for gain in gains),
            unit=f"reward, {pairs}",
            against="CF-MTL, the same pairs; the ends of all seeds' 95 % intervals",
            n=n,
        ),
        figure("ml1m_table_minutes", minutes, unit="minutes of training per seed, one thread", n=n),
        figure(
            "strata_step_speedup",
            table_speedup(per_seed, step_ms)
            * step_ms["strata_two_fits_speedup"]
            / step_ms["published_two_threads"],
            unit="ratio of wall time, worked out from steps and epochs",
            against="the table by the published arithmetic on two cores",
        ),
        figure(
            "strata_step_speedup_one_core",
            table_speedup(per_seed, step_ms),
            unit="the same on one core",
            against="published",
        ),
    ]


def variant_figures(run: dict[str, Any]) -> list[dict[str, Any]]:
    """What CF-MTL-v1 gives on data constructed with its losses.   Without both terms a reward is
    one of chance: left out.
    """
    rows = [
        row
        for row in run["rows"]
        if row["method"].startswith(VARIANT) and "both" not in row["method"]
    ]
    gap = max(abs(row["relative"]) for row in rows)
    n = len(run["settings"]["seeds"])
    whole = next(row for row in rows if (row["method"], row["scheme"]) == (VARIANT, "coupon"))
    return [
        reward("ml1m_v1_reward_swapped", whole, "77,640", n),
        figure(
            "ml1m_v1_max_rel_diff_swapped",
            gap,
            unit="share of the reward",
            against="the published tables",
            n=n,
        ),
    ]


def reward(name: str, row: dict[str, Any], against: str, n: int) -> dict[str, Any]:
    """A coupon reward with its range over seeds."""
    return figure(
        name,
        row["reward"],
        low=row["least"],
        high=row["most"],
        unit="coupon reward",
        against=against,
        n=n,
    )


def table_speedup(
    models: dict[tuple[int, str], dict[str, Any]], step_ms: dict[str, float]
) -> float:
    """Times of all epochs of the published methods' models, theirs fitted once a scheme, over
    ours.
    """
    epochs = {"joint": 0.0, "nuisance": 0.0}
    for (_, name), model in models.items():
        if not name.startswith("cf-mle") and name != "c1y1":
            epochs["joint" if name.startswith("cf-mtl") else "nuisance"] += model["epochs"]
    theirs = sum(2 * count * step_ms[f"step_ms_{kind}_published"] for kind, count in epochs.items())
    return theirs / sum(count * step_ms[f"step_ms_{kind}_ours"] for kind, count in epochs.items())


def main() -> None:
    """Measure and record."""
    rounds = 15 if full() else 7
    rows = speedups(rounds)
    folders = (
        os.environ.get(f"STRATA_RUN{end}", f"runs/reproduce-movielens_1m-{kind}")
        for end, kind in RUNS
    )
    published, swapped = (Path(folder) / "results.json" for folder in folders)
    seeds: list[int] = []
    if published.exists():
        run = json.loads(published.read_text(encoding="utf-8"))
        rows += run_figures(run, {row["name"]: row["value"] for row in rows})
        seeds = run["settings"]["seeds"]
    if swapped.exists():
        rows += variant_figures(json.loads(swapped.read_text(encoding="utf-8")))
    protocol = (
        f"Steps: batches of {BATCH:,}, {STEPS} steps, {rounds} rounds in turn, one thread, other"
        " work on the machine; median and range. Rewards: the published protocol, converged by its"
        " stopping rule (see docs/strata.md)."
    )
    print(record("strata", protocol, versions("equipoise", "numpy", "torch"), seeds, rows))
    for row in rows:
        print(f"{row['name']:32} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
