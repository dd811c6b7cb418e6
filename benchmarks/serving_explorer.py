"""explorer  100,000 units x 5 candidates, 3 metrics, doubly robust scores, 8 towns to count by, a
     budget, a floor and a cap.  Questions are those of a person: one slider at a time is dragged in
     steps, sometimes to where the demands cannot hold together and back.  Each is asked as the
     service answers it, JSON to JSON.  CPU of this thread, ms.

explorer_ms_p95, _p50         while a slider moves, the metrics with their bands included; of so
                              many units the service looks at all, so that is exact
explorer_release_ms_p95       where it is let go
explorer_sample_ms_p95        on the nested sample of 5,000 units, what larger logs are answered by
                              while a slider moves
explorer_impossible_ms_p95    questions without an answer, told by name with what can be reached
explorer_after_ms_p95         the first question after such a one
explorer_whole_ms_p95, _p50   the same questions by `allocate`, from the last prices, as before: no
                              metrics, no counts; the impossible ones left out
explorer_bound_off            the largest relative difference of the bound from that of `allocate`
explorer_gap_worst            the largest gap that an answer on all units told
explorer_million_ms_p95       while a slider moves, of 1,000,000 units: by the sample (FULL=1)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import process_time
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.record import figure
from equipoise.allocation import UnitScores, allocate, budget, cap, floor
from equipoise.artifacts.explorer import ExplorerUnits
from equipoise.core.effects import Effects
from equipoise.serving.explorer import states
from equipoise.serving.explorer.states import ExploreRequest, ExplorerState, explore

CANDIDATES, STEPS = 5, 12
SIZES = {"test": (2_000, 4), "quick": (100_000, 12), "full": (100_000, 60)}  # units, drags
BUDGET, FLOOR, CAP = "budget", "floor of use", "cap on e"
WEIGHTS = {"sales": 1.0, "use": 0.3, "visits": 0.0}


class Asked(NamedTuple):
    """One question: its weights, bounds, and whether the slider is let go there."""

    weights: dict[str, float]
    bounds: dict[str, float]
    last: bool


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of the explorer."""
    units, drags = SIZES[form]
    state, asked = state_of(units), list(questions(drags))
    for one in (asked[0], asked[STEPS - 1]):  # compiles what is compiled
        ask(state, one)
        whole(state, one, None)
    told = [ask(state, one) for one in asked]
    at_once, states.AT_ONCE = states.AT_ONCE, 0
    try:
        sample = [ask(state, one)[0] for one in asked if not one.last]
    finally:
        states.AT_ONCE = at_once
    fits = [not answer["infeasible"] for _, answer in told]
    after = [i for i in range(1, len(asked)) if fits[i] and not fits[i - 1]]
    times, off, prices = [], 0.0, None
    for one, (_, answer), fit in zip(asked, told, fits, strict=True):
        if fit:
            time, solution = whole(state, one, prices)
            prices = solution.prices
            times.append(time)
            off = max(off, abs(answer["bound"] * units / solution.bound - 1))
    ms = np.array([taken for taken, _ in told])
    last, possible = np.array([one.last for one in asked]), np.array(fits)
    rows = [
        *spread("explorer_ms", ms[~last], "100"),
        *spread("explorer_release_ms", ms[last], "100"),
        *spread("explorer_sample_ms", sample, "100"),
        *spread("explorer_impossible_ms", ms[~possible], "100"),
        *spread("explorer_after_ms", ms[after], "100"),
        *spread("explorer_whole_ms", times, "explorer_ms"),
        figure("explorer_bound_off", off, against="1e-6", n=len(times)),
        figure("explorer_gap_worst", max(answer["gap"] for _, answer in told), n=len(times)),
    ]
    if form == "full":
        large = state_of(1_000_000)
        million = [ask(large, one)[0] for one in asked[: 10 * STEPS] if not one.last]
        rows += spread("explorer_million_ms", million, "100")
    return rows


def state_of(n: int, seed: int = 0) -> ExplorerState:
    """A snapshot's explorer on n units."""
    rng = np.random.default_rng(seed)
    taste, fatigue = rng.normal(size=(2, n, 1))
    dose = np.arange(1, CANDIDATES + 1) / CANDIDATES
    sales = 0.1 * dose * (1 + 0.5 * taste) + 0.03 * rng.normal(size=(n, CANDIDATES))
    use = 0.01 - 0.05 * dose**1.5 * (1 + 0.5 * fatigue) + 0.03 * rng.normal(size=sales.shape)
    visits = 0.02 * dose + 0.02 * rng.normal(size=sales.shape)
    values = np.stack([sales, use, visits], axis=2)
    cost = dose * (0.3 + 0.4 / (1 + np.exp(-taste))) * np.ones_like(sales)
    gains = values + rng.normal(0, 0.5, values.shape)
    names = ("sales", "use", "visits")
    metrics = [{"name": m, "unit": "", "kind": "continuous", "better": "higher"} for m in names]
    units = ExplorerUnits(
        effects=Effects(values, np.zeros((n, 3)), tuple("abcde"), names),
        cost=cost,
        scores=UnitScores((*names, "cost"), np.concatenate([gains, cost[:, :, None]], axis=2)),
        weights=WEIGHTS,
        constraints=(budget(0.2, per_head=True, unit="USD"),),
        by={"town": rng.integers(0, 8, n).astype(str)},
        about={"metrics": metrics, "currency": "USD", "level": 0.95},
    )
    return ExplorerState("ab" * 32, units, units.explorer())


def questions(drags: int, seed: int = 1) -> Iterator[Asked]:
    """Sliders dragged one at a time, each from where it was."""
    rng = np.random.default_rng(seed)
    weights, bounds = dict(WEIGHTS), {BUDGET: 0.2, FLOOR: -0.01, CAP: 0.3}
    ends = {BUDGET: (0.02, 0.45), FLOOR: (0.005, 0.06), CAP: (0.02, 0.5), "use": (0.0, 1.0)}
    for drag in range(drags):
        name = list(ends)[drag % len(ends)]
        place = weights if name in weights else bounds
        start, end = place[name], float(rng.uniform(*ends[name]))
        for step in range(1, STEPS + 1):
            place[name] = start + (end - start) * step / STEPS
            yield Asked(dict(weights), dict(bounds), step == STEPS)
        if name == FLOOR:  # nobody leaves a page where nothing holds
            place[name] = min(end, 0.002)


def ask(state: ExplorerState, one: Asked) -> tuple[float, dict[str, Any]]:
    """How long the service takes, and its answer."""
    body = msgspec.json.encode({"weights": one.weights, "bounds": one.bounds, "exact": one.last})
    began = process_time()
    request = msgspec.json.decode(body, type=ExploreRequest)
    text = msgspec.json.encode(explore(state, request))
    ms = 1000 * (process_time() - began)
    return ms, {"infeasible": "", "gap": 0.0, "bound": 0.0, **msgspec.json.decode(text)}


def whole(state: ExplorerState, one: Asked, warm: Any) -> tuple[float, Any]:
    """The same by a whole solve."""
    units, bounds = state.units, one.bounds
    worth = units.effects.values @ np.array([one.weights[name] for name in WEIGHTS])
    demands = [
        budget(bounds[BUDGET], per_head=True),
        floor("use", bounds[FLOOR], per_head=True),
        cap("e", bounds[CAP], per_head=True),
    ]
    began = process_time()
    solution = allocate(worth, demands, cost=units.cost, effects=units.effects, warm=warm)
    return 1000 * (process_time() - began), solution


def spread(name: str, values: Any, against: str) -> list[dict[str, Any]]:
    """The median and the 95th percentile."""
    values = np.asarray(values, np.float64)
    if not len(values):
        return []
    middle, high = np.percentile(values, [50, 95])
    more: dict[str, Any] = {"unit": "ms", "against": against, "n": len(values)}
    return [
        figure(f"{name}_p50", float(middle), **more),
        figure(f"{name}_p95", float(high), **more),
    ]


if __name__ == "__main__":
    for row in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{row['name']:28} {row['value']:.4g}  n = {row['n']}")
