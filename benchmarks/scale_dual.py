"""The dual over many demands.

`demands_exponent`: the slope of log CPU seconds on log rows of one allocation, n units, 5 doses,
with G = 1, 10, 50 and 200 budgets of groups beside one budget for all and a cap; repair and
certificate included, one thread, the best of three.  `demands_worst_exponent` is the steepest
part of it.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.allocation import allocate, budget, cap, group_budget  # noqa: E402
from equipoise.core.arrays import Floats, Ints  # noqa: E402

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


def figures(form: str) -> Figures:
    """All figures, from 1e5 units or, in full, 1e6."""
    seconds(2_000, 4), seconds(50_000, 12)  # compiles every kernel
    return many_demands(BASE if form == "quick" else 10 * BASE)
