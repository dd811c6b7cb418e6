"""The dual: over many demands, and over partitions.

`demands_exponent`: the slope of log CPU seconds on log rows of one allocation, n units, 5 doses,
with G = 1, 10, 50 and 200 budgets of groups beside one budget for all and a cap; repair and
certificate included, one thread, the best of three.  `demands_worst_exponent` is the steepest
part of it.

Over partitions: the instance of `allocation` (10 rows, 10 doses) in 1 to 1,000 partitions, all in
this process.  `dual_rounds_P` are the calls to all of P partitions until the choices are handed
over, `dual_round_bytes_P` what goes to and comes from one partition in a round, by pickle, averaged
over the rounds but those that send units; `dual_gathered_P` the units that came to the driver;
`dual_us_per_unit` the CPU time of all rounds over 10 partitions.
`ray_overhead_dual` is the wall time of 2 actors over that of one process with 2 threads, on the
same 10 partitions in files, which each worker reads itself: the middle of pairs run in turn.
`dual_instances` is how many small instances were solved by partitions and in memory: no demand was
exceeded, no value above the other's bound; `dual_lost` is the most by which the value in memory was
larger.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import pickle  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.allocation import make  # noqa: E402
from equipoise.allocation import (  # noqa: E402
    UnitPart,
    allocate,
    budget,
    cap,
    group_budget,
    unit_part,
)
from equipoise.allocation.solver.problem import Choice  # noqa: E402
from equipoise.core.arrays import Floats, Ints  # noqa: E402
from equipoise.scale import dual, solve_partitions, unit_partitions  # noqa: E402
from equipoise.scale.local import LocalExecutor, LocalGroup  # noqa: E402

Figures = list[dict[str, Any]]
GROUPS = (1, 10, 50, 200)
BASE, DOSES = 100_000, 5
RUNS = 3


def shops(n: int, g: int, seed: int = 0) -> tuple[Floats, Floats, Ints, list[Any]]:
    """n units in g shops: value and cost (n, k), the shop of each, and the demands."""
    rng = np.random.default_rng(seed)
    dose = np.linspace(0.5, 5.0, DOSES)
    sensitivity, half = rng.lognormal(0.0, 0.8, (n, 1)), rng.gamma(2.0, 1.0, (n, 1))
    value = sensitivity * dose / (dose + half) + rng.normal(0, 0.15, (n, DOSES))
    cost = dose * rng.uniform(0.4, 1.0, (n, 1)) * rng.uniform(0.9, 1.1, (n, DOSES))
    shop, total = rng.integers(0, g, n), 0.3 * n * float(cost.mean())
    wanted = np.bincount((value - 0.25 * cost).argmax(axis=1), minlength=DOSES)
    top, share = int(wanted.argmax()), rng.uniform(0.6, 1.4, g)
    own = [group_budget("shop", s, total / g * share[s]) for s in range(g)]
    return value, cost, shop, [budget(0.9 * total), cap(str(top), 0.5 * wanted[top]), *own]


def seconds(n: int, g: int) -> tuple[float, float]:
    """CPU seconds of an allocation, the best of some, and its gap."""
    value, cost, shop, demands = shops(n, g)
    times, gap = [], 0.0
    for _ in range(RUNS):
        start = time.process_time()
        made = allocate(value, demands, cost=cost, groups={"shop": shop})
        times.append(time.process_time() - start)
        gap = made.gap
        if (made.usage > made.bounds).any():
            raise SystemExit(f"a demand is exceeded at {n} units and {g} groups")
    return min(times), gap


def many_demands(n: int) -> Figures:
    """The exponent, its steepest part, and what 200 budgets cost over one."""
    measured = [seconds(n, g) for g in GROUPS]
    cpu, gaps = np.array([s for s, _ in measured]), [gap for _, gap in measured]
    rows = np.log(np.array(GROUPS) + 2.0)
    steps = np.diff(np.log(cpu)) / np.diff(rows)
    slope = float(np.polyfit(rows, np.log(cpu), 1)[0])
    size, against = f"n = {n:,}, K = {DOSES}", f"{GROUPS[0]} group budget"
    return [
        figure("demands_exponent", slope, unit=f"log s / log rows, {size}", n=n),
        figure("demands_worst_exponent", float(steps.max()), unit="between two sizes", n=n),
        figure("demands_cost_ratio", cpu[-1] / cpu[0], unit="times", against=against, n=n),
        *(
            figure(f"demands_cpu_{g}", float(s), unit="CPU s", n=n)
            for g, s in zip(GROUPS, cpu, strict=True)
        ),
        figure("demands_gap_200", gaps[-1], unit="share of the bound", n=n),
    ]


class CountingGroup(LocalGroup):
    """Counts what would travel: the bytes of arguments and answers, without units."""

    sent = answered = calls = 0

    def each(self, method: str, arguments: Any) -> list[Any]:
        """As of the group in this process."""
        answers = super().each(method, arguments)
        if method in ("choose", "measure", "totals"):
            cls = CountingGroup
            cls.sent += sum(len(pickle.dumps(one)) for one in arguments)
            cls.answered += sum(len(pickle.dumps(one)) for one in answers)
            cls.calls += len(answers)
        return answers


class CountingExecutor(LocalExecutor):
    """This process, with counts."""

    def group(self, worker: Any, parts: Any, *shared: Any, **more: Any) -> LocalGroup:
        """Workers whose calls are counted."""
        CountingGroup.sent = CountingGroup.answered = CountingGroup.calls = 0
        return CountingGroup([worker(part, *shared) for part in parts], self)


def parts_of(n: int, p: int) -> tuple[list[UnitPart], list[Any], tuple[str, ...]]:
    """The instance of `allocation` in p partitions, its demands and candidates."""
    made = make(n, 10, 0)
    cube = made.effects.values
    parts = [
        unit_part(
            made.value[units],
            cost=made.cost[units],
            cube=cube[units],
            groups={"group": made.group[units]},
        )
        for units in np.array_split(np.arange(n), p)
    ]
    return parts, made.demands, made.effects.candidates


def solved(parts: Any, demands: list[Any], names: tuple[str, ...], **more: Any) -> Any:
    """An allocation over partitions, whose demands are checked."""
    made = solve_partitions(parts, demands, candidates=names, metrics=["plays", "visits"], **more)
    if (made.usage > made.bounds).any():
        raise SystemExit(f"a demand is exceeded over {len(parts)} partitions")
    return made


def over_partitions(n: int, counts: Sequence[int]) -> Figures:
    """Rounds, bytes and gaps by the number of partitions."""
    rows: Figures = []
    for p in counts:
        given = parts_of(n, p)
        start = time.process_time()
        made = solved(*given, executor=CountingExecutor())
        if p == 10:
            each = 1e6 * (time.process_time() - start) / n
            rows.append(figure("dual_us_per_unit", each, unit="CPU us", n=n))
        rows.append(figure(f"dual_rounds_{p}", made.rounds, unit="calls", n=n))
        rows.append(figure(f"dual_gap_{p}", made.gap, unit="share of the bound", n=n))
        if p > 1:
            each = (CountingGroup.sent + CountingGroup.answered) / CountingGroup.calls
            rows.append(figure(f"dual_round_bytes_{p}", each, unit="a partition and round", n=n))
            rows.append(figure(f"dual_gathered_{p}", made.gathered, unit="units", n=n))
    return rows


def save_part(folder: Path, part: UnitPart) -> None:
    """Write a partition's arrays."""
    for name in ("worth", "cost", "cube", "kind"):
        np.save(folder / f"{name}.npy", getattr(part, name))
    np.save(folder / "labels.npy", np.array([kind[0][0] for kind in part.kinds]))


def read_part(folder: str) -> UnitPart:
    """Read a partition, where it is worked on."""
    worth, cost, cube, kind, labels = (
        np.load(Path(folder, f"{name}.npy")) for name in ("worth", "cost", "cube", "kind", "labels")
    )
    whole = np.ones(worth.shape[1], np.bool_).tobytes()
    kinds = tuple(((label,), whole) for label in labels.tolist())
    return UnitPart(worth, cost, cube, kind, ("group",), kinds)


def how_many(units: UnitPart, choice: Choice, score: Floats) -> int:
    """How many units of a partition get something."""
    return int((choice >= 0).sum())


def ray_overhead(n: int, runs: int) -> Figures:
    """Two actors against two threads, in turn."""
    from equipoise.scale.ray_engine import RayExecutor

    parts, demands, names = parts_of(n, 10)
    with TemporaryDirectory() as place:
        folders = [str(Path(place, str(number))) for number in range(len(parts))]
        for folder, part in zip(folders, parts, strict=True):
            Path(folder).mkdir()
            save_part(Path(folder), part)
        del parts
        times: dict[str, list[float]] = {"threads": [], "actors": []}
        answers = set()
        with RayExecutor(actors=2) as cluster:
            for _ in range(runs + 1):
                for name, engine in (("threads", LocalExecutor(2)), ("actors", cluster)):
                    start = time.perf_counter()
                    made = solved(
                        folders, demands, names, load=read_part, deliver=how_many, executor=engine
                    )
                    times[name].append(time.perf_counter() - start)
                    answers.add((made.value, tuple(made.prices.tolist())))
        if len(answers) > 1:
            raise SystemExit("actors and threads gave other bits")
    pairs = np.array(times["actors"][1:]) / np.array(times["threads"][1:])
    middle, against = float(np.median(pairs)), "one process with 2 threads"
    low, high = float(pairs.min()), float(pairs.max())
    return [
        figure("ray_overhead_dual", middle, low=low, high=high, against=against, unit="times", n=n),
        *(
            figure(f"dual_wall_{name}", float(np.median(own[1:])), unit="s", n=n)
            for name, own in times.items()
        ),
    ]


def instances(count: int, n: int = 1_200) -> Figures:
    """Small instances by partitions and in memory."""
    dual.MOST, unit_partitions.SAMPLE, unit_partitions.REPAIRED = 200, 150, 400
    lost = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        g = int(rng.integers(1, 12))
        value, cost, shop, demands = shops(n, g, seed)
        if seed % 4 == 0:
            value, cost = np.round(4 * value) / 4, np.ceil(2 * cost) / 2  # ties
        cuts = np.sort(rng.integers(0, n, int(rng.integers(1, 9))))
        names = [str(a) for a in range(DOSES)]
        together = allocate(value, demands, cost=cost, groups={"shop": shop})
        parts = [
            unit_part(value[units], cost=cost[units], groups={"shop": shop[units]})
            for units in np.split(np.arange(n), cuts)
        ]
        made = solve_partitions(parts, demands, candidates=names)
        close = 1 + 1e-12
        if (made.usage > made.bounds).any() or made.value > together.bound * close:
            raise SystemExit(f"instance {seed}: a demand or a bound is exceeded")
        if together.value > made.bound * close:
            raise SystemExit(f"instance {seed}: the bound is no bound")
        lost.append((together.value - made.value) / together.value)
    most, middle = float(np.max(lost)), float(np.median(lost))
    return [
        figure("dual_instances", count, unit="instances", n=n),
        figure("dual_lost", most, unit="share of the value", against="in memory", n=n),
        figure("dual_lost_middle", middle, unit="share of the value", against="in memory", n=n),
    ]


def figures(form: str) -> Figures:
    """All figures: quick from 1e5 units, in full from 1e6."""
    seconds(2_000, 4), seconds(50_000, 12)  # compiles every kernel
    n, counts = BASE, (1, 10, 100)
    if form == "full":
        n, counts = 10 * BASE, (1, 10, 100, 1_000)
    rows = [*many_demands(n), *over_partitions(n, counts)]
    rows += ray_overhead(n, 3 if form == "quick" else 5)
    return rows + instances(300 if form == "quick" else 2_000)
