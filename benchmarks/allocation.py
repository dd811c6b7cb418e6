"""Allocation: time, memory and certified gap of our allocator, and HiGHS's interior point on the
same instance.

An instance: n units, k doses, saturating response of heavy-tailed sensitivity, expected costs, two
guarded metrics, three groups. 10 rows: a budget, caps on the four most wanted doses, two metric
floors, a budget for each group.  All times are CPU seconds of one thread after the kernels are
compiled.  Memory is the peak of the process over what it had before the instance was made, as a
multiple of the instance's own arrays.  FULL=1 adds seeds.

Beside HiGHS on several inputs, since the ratio hangs on what is solved: the instance above, the
same with its budget alone, with whole numbers (values in quarters, costs in halves: ties), a tenth
and a fifth of its units, three doses, and while every core has a neighbour that sorts.
`alloc_speedup_highs` is their median with the lowest and the highest.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402

import highspy  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

from benchmarks.neighbours import neighbours  # noqa: E402
from equipoise.allocation import allocate, budget, cap, floor, group_budget  # noqa: E402
from equipoise.allocation.solve import Allocation, compile_problem, expand  # noqa: E402
from equipoise.allocation.solver.exact import one_each, usage_matrix  # noqa: E402
from equipoise.allocation.solver.problem import Problem  # noqa: E402
from equipoise.core.effects import Effects  # noqa: E402

DOSES = 10
LARGE, MIDDLE = 1_000_000, 100_000
HIGHS = "HiGHS interior point, no crossover"
GROUP_SHARES = (0.30, 0.33, 0.42)  # of the budget


@dataclass(frozen=True)
class Instance:
    """value, cost (n, k); effects on the guarded metrics; group (n,); the demands."""

    value: np.ndarray
    cost: np.ndarray
    effects: Effects
    group: np.ndarray
    demands: list

    def allocate(self, tol: float = 1e-6) -> Allocation:
        """Our answer."""
        return allocate(
            self.value,
            self.demands,
            cost=self.cost,
            effects=self.effects,
            groups={"group": self.group},
            tol=tol,
        )

    def nbytes(self) -> int:
        """The bytes of its arrays."""
        return (
            self.value.nbytes
            + self.cost.nbytes
            + self.effects.values.nbytes
            + self.effects.baseline.nbytes
            + self.group.nbytes
        )

    def problem(self) -> Problem:
        """The compiled rows, for a solver of linear programs."""
        groups = {"group": self.group}
        return compile_problem(
            self.value,
            expand(self.demands, groups),
            self.effects.candidates,
            self.cost,
            self.effects,
            groups,
        )


def make(n: int, k: int, seed: int) -> Instance:
    """An instance with 10 rows."""
    rng = np.random.default_rng(seed)
    dose = np.linspace(0.5, 5.0, k)
    sensitivity, half = rng.lognormal(0.0, 0.8, (n, 1)), rng.gamma(2.0, 1.0, (n, 1))
    value = sensitivity * dose / (dose + half)
    value += rng.normal(0, 0.15, (n, k))
    cost = dose * rng.uniform(0.4, 1.0, (n, 1)) * rng.uniform(0.9, 1.1, (n, k))
    group = rng.integers(0, 3, n)
    guarded = np.empty((n, k, 2))
    for j in range(2):
        guarded[:, :, j] = rng.normal(-0.02 - 0.02 * j, 0.25, (n, k))
        guarded[:, :, j] += 0.03 * (value - value.mean())
    total = 0.30 * n * float(cost.mean())
    wanted = np.bincount((value - 0.25 * cost).argmax(axis=1), minlength=k)
    names = tuple(f"dose {d:.1f}" for d in dose)
    most = np.argsort(-wanted, kind="stable")[:4].tolist()
    demands = [
        budget(total),
        *(cap(names[a], 0.5 * wanted[a]) for a in sorted(most)),
        *(floor(metric, 0.0) for metric in ("plays", "visits")),
        *(group_budget("group", g, share * total) for g, share in enumerate(GROUP_SHARES)),
    ]
    return Instance(
        value, cost, Effects(guarded, np.zeros((n, 2)), names, ("plays", "visits")), group, demands
    )


def whole(instance: Instance) -> Instance:
    """The same in whole numbers: values in quarters, costs in halves."""
    value, cost = np.round(4 * instance.value) / 4, np.ceil(2 * instance.cost) / 2
    return replace(instance, value=value, cost=cost, demands=instance.demands[:1])


def budget_alone(instance: Instance) -> Instance:
    """The same without any demand but the budget."""
    return replace(instance, demands=instance.demands[:1])


# input -> (its instance, whether every core has a neighbour)
INPUTS: dict[str, tuple[Callable[[], Instance], bool]] = {
    "ten_rows": (lambda: make(MIDDLE, DOSES, 0), False),
    "budget_alone": (lambda: budget_alone(make(MIDDLE, DOSES, 0)), False),
    "whole_numbers": (lambda: whole(make(MIDDLE, DOSES, 0)), False),
    "fifth": (lambda: make(MIDDLE // 5, DOSES, 1), False),
    "tenth": (lambda: make(MIDDLE // 10, DOSES, 2), False),
    "three_doses": (lambda: make(MIDDLE, 3, 3), False),
    "fifth_busy": (lambda: make(MIDDLE // 5, DOSES, 1), True),
}


def peak() -> int:
    """The most memory this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def excess(made: Allocation) -> float:
    """By how much the worst row is exceeded, relative to its bound; 0 if none is."""
    return float(
        np.maximum(made.usage - made.bounds, 0.0).max() / max(1.0, np.abs(made.bounds).max())
    )


def highs_seconds(instance: Instance) -> tuple[float, float]:
    """CPU seconds and optimum of HiGHS's interior point without crossover, one thread; building the
    model is not counted.
    """
    problem = instance.problem()
    n, k = problem.value.shape
    matrix = sp.vstack([sp.csr_array(usage_matrix(problem)), one_each(n, k)], format="csc")
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n * k, matrix.shape[0]
    lp.col_cost_ = -problem.value.ravel()
    lp.col_lower_, lp.col_upper_ = np.zeros(n * k), np.full(n * k, highspy.kHighsInf)
    lp.row_lower_ = np.full(matrix.shape[0], -highspy.kHighsInf)
    lp.row_upper_ = np.concatenate([problem.rows.bounds, np.ones(n)])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = (
        matrix.indptr,
        matrix.indices,
        matrix.data,
    )
    solver = highspy.Highs()
    for option, value in {
        "output_flag": False,
        "threads": 1,
        "solver": "ipm",
        "run_crossover": "off",
    }.items():
        solver.setOptionValue(option, value)
    solver.passModel(lp)
    start = time.process_time()
    solver.run()
    return time.process_time() - start, -solver.getInfo().objective_function_value


def timed(instance: Instance) -> tuple[float, Allocation]:
    """CPU seconds of one allocation, repair and certificate included."""
    start = time.process_time()
    made = instance.allocate()
    return time.process_time() - start, made


def beside_highs() -> list[dict]:
    """The ratio on each input, their median with the range, and how far the bounds are apart."""
    rows, ratios, apart = [], [], []
    for name, (instance, busy) in INPUTS.items():
        problem = instance()
        with neighbours(busy):
            ours = [timed(problem) for _ in range(3)]
            theirs, optimum = highs_seconds(problem)
        mine, n = float(np.median([taken for taken, _ in ours])), len(problem.value)
        ratios.append(theirs / mine)
        apart.append(abs(ours[0][1].bound - optimum) / optimum)
        rows.append(figure(f"alloc_speedup_{name}", ratios[-1], unit="times", against=HIGHS, n=n))
        rows.append(figure(f"alloc_cpu_{name}", mine, unit="CPU s", n=n))
        rows.append(figure(f"alloc_highs_cpu_{name}", theirs, unit="CPU s", n=n))
        gap = ours[0][1].gap
        rows.append(figure(f"alloc_gap_{name}", gap, unit="share of the bound", n=n))
    worst, unit = max(apart), "share of the bound"
    unit_of_all = f"times, {len(ratios)} inputs"
    middle, low, high = float(np.median(ratios)), min(ratios), max(ratios)
    return [
        figure("alloc_speedup_highs", middle, low=low, high=high, unit=unit_of_all, against=HIGHS),
        figure("alloc_bound_difference_highs", worst, unit=unit, against=HIGHS, n=MIDDLE),
        *rows,
    ]


def main() -> int:
    """Measure and record."""
    seeds = list(range(5 if full() else 3))
    make(50_000, DOSES, 99).allocate()  # compiles every kernel
    whole(make(5_000, 3, 98)).allocate()
    before = peak()
    large = [measure_large(seed, before) for seed in seeds]
    seconds, gaps, over, memory = (np.array(column) for column in zip(*large, strict=True))

    def spread(name: str, values: np.ndarray, unit: str, against: str = "") -> dict:
        low, high = float(values.min()), float(values.max())
        return figure(
            name, float(np.median(values)), low=low, high=high, unit=unit, against=against, n=LARGE
        )

    figures = [
        spread("alloc_cpu_1e6", seconds, "CPU s"),
        figure("alloc_gap", float(gaps.max()), unit="share of the bound", n=LARGE),
        figure("alloc_violation", float(over.max()), unit="share of the bound", n=LARGE),
        figure("alloc_memory_ratio", float(memory[0]), unit="peak / data", n=LARGE),
        *beside_highs(),
    ]
    path = record(
        "allocation",
        (__doc__ or "").strip(),
        versions("numpy", "scipy", "numba", "highspy"),
        seeds,
        figures,
    )
    for line in figures:
        print(f"{line['name']:30s} {line['value']:.6g} {line['unit']}")
    print(path)
    return 0


def measure_large(seed: int, before: int) -> tuple[float, float, float, float]:
    """CPU seconds, gap, excess and memory ratio of one large instance."""
    instance = make(LARGE, DOSES, seed)
    taken, made = timed(instance)
    return taken, made.gap, excess(made), (peak() - before) / instance.nbytes()


if __name__ == "__main__":
    sys.exit(main())
