"""engine  One worker decides for known units, K = 10 candidates, 3 metrics, 5 demands, a group
     column; the log is written before the answer.  CPU of this thread, medians of blocks.

engine_us               a whole decision: store (in memory), rule, log, index of recent ones, answer
engine_beyond_rule_us   the same less the rule
engine_store_us, engine_rule_us, engine_record_us, engine_log_us, engine_answer_us
                        steps of it alone; engine_log_us includes the write and the id
engine_index_us         the index of recent decisions, written for all workers
engine_key_us           what an idempotency key adds
engine_two_us           a whole decision where a candidate policy shares the traffic, with holdout
                        and exploration: both rules are applied
engine_batch_us         a unit of a batch of 1,000, all of it as above, one write to the log

propensity_calibration_CELL   mean of 1[served = cell] / p by the log, over units with effects of
                        their own, in a run with holdout .1, a candidate policy at .3, exploration
                        .1, and lots in both policies, with its 95 % interval: 1 where what is told
                        is what is done
propensity_calibration  the cell that is farthest from 1, with an interval that holds for all cells
                        at once (Bonferroni)
propensity_of_live      the same, were the live policy's own probability logged
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from benchmarks.record import figure
from equipoise.allocation import compile_rule
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.policy import Demand, Policy
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.answers import answer_json
from equipoise.serving.engine.chance import Side, verdict
from equipoise.serving.engine.deciding import RequestInHand, record_of, settle
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.reading import read_all
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest
from equipoise.serving.records import DecisionRecord

K, METRICS = 10, ("sales", "visits", "cost")
NAMES = tuple(f"offer {a}" for a in range(K))
DEMANDS = (
    Demand("budget", "cost", 100.0, kind="budget"),
    Demand("cap", "offers", 50.0, candidate=NAMES[0], kind="cap"),
    Demand("floor", "effect", -1.0, -1.0, "visits", kind="floor"),
    Demand("north", "cost", 9.0, column="region", factors=(("north", 1.0),), other=0.0),
    Demand("ceiling", "effect", 3.0, metric="cost", kind="ceiling"),
)
POLICY = Policy(NAMES, "none", METRICS, (1.0, 0.2, -0.5), DEMANDS, (0.3, 0.1, 0.05, 0.02, 0.1))
SIZES = {"test": (2_000, 3_000), "quick": (20_000, 30_000), "full": (100_000, 300_000)}
BLOCKS, BATCH = 7, 1_000


class Units:
    """A store in memory."""

    quick = True

    def __init__(self, units: dict[str, UnitFacts]) -> None:
        self.units = units

    def get(self, unit: str) -> UnitFacts | None:
        """The facts of a unit."""
        return self.units.get(unit)

    async def fetch(self, unit: str) -> UnitFacts | None:
        """As `get`."""
        return self.get(unit)

    def close(self) -> None:
        """Nothing is open."""


class Scoring(NamedTuple):
    """The published rule."""

    rule: Any
    metrics: tuple[str, ...]


class Snapshot(NamedTuple):
    """A snapshot of known units."""

    id: str
    scorer: Scoring
    store: Units


def snapshot(id: str, policy: Policy, units: dict[str, UnitFacts]) -> Snapshot:
    """A snapshot in memory."""
    return Snapshot(id, Scoring(compile_rule(policy, METRICS), METRICS), Units(units))


def known_units(n: int, k: int, seed: int) -> dict[str, UnitFacts]:
    """Units with effects of their own."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.3, 1.0, (n, k, len(METRICS)))
    cost = rng.uniform(0.1, 2.0, (n, k))
    region = rng.choice(["north", "south"], n)
    return {
        f"u{i}": UnitFacts(values[i], None, cost[i], {"region": str(region[i])}) for i in range(n)
    }


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU of one call, the median of blocks."""
    blocks = []
    for _ in range(BLOCKS):
        begin = time.thread_time()
        for _ in range(times):
            work()
        blocks.append((time.thread_time() - begin) / times * 1e6)
    return statistics.median(blocks)


def speed(folder: Path, times: int) -> dict[str, float]:
    """What a decision costs, and its steps."""
    units = known_units(1_000, K, 0)
    log = DecisionLog(folder / "log", 0)
    live = snapshot("a" * 64, POLICY, units)
    shared = SharedState(folder)
    engine = Engine(live, ServeConfig(), log, shared, seed=1)
    requests = [DecideRequest(unit=unit) for unit in units]
    turn, now = iter(requests * (times * 40 // 1_000 + 10)), time.time_ns

    def decide(engine: Engine = engine) -> None:
        engine.decide_batch([next(turn)], now())

    decide()
    found = {"engine_us": cpu_us(decide, times)}
    request, state = requests[0], engine.now
    asked = RequestInHand(request, now(), read_all(state, [request.unit])[0], b"")
    settled = settle(state, asked, False, engine._money, engine.counters)
    record = record_of(state, asked, settled, log.new_ids(1)[0], 0)
    facts, rule = units[request.unit], live.scorer.rule
    scores = settled.outcome.scores.tolist()
    steps: dict[str, Callable[[], object]] = {
        "store": lambda: read_all(state, [request.unit]),
        "rule": lambda: rule.decide_row(facts, request.unit),
        "record": lambda: record_of(state, asked, settled, b"", 0),
        "log": lambda: (log.new_ids(1)[0], log.append(record)),
        "answer": lambda: answer_json(record, state.context, settled.part, scores),
    }
    found |= {f"engine_{name}_us": cpu_us(step, times) for name, step in steps.items()}
    found["engine_beyond_rule_us"] = found["engine_us"] - found["engine_rule_us"]
    shared.flush()
    before = engine.flush
    engine.flush = lambda now_ns: None  # type: ignore[method-assign]
    plain = cpu_us(decide, min(times, 500))
    engine.flush = before  # type: ignore[method-assign]
    found["engine_index_us"] = max(0.0, found["engine_us"] - plain)
    keys = iter(range(times * BLOCKS))

    def with_key() -> None:
        engine.decide_batch([DecideRequest(unit=request.unit, key=str(next(keys)))], now())

    found["engine_key_us"] = cpu_us(with_key, times) - found["engine_us"]
    batches = iter([requests] * (BLOCKS * (times // BATCH + 1)))
    batch = cpu_us(lambda: engine.decide_batch(next(batches), now()), max(1, times // BATCH))
    found["engine_batch_us"] = batch / BATCH
    other = snapshot("b" * 64, POLICY, units)
    engine.swap(candidate=other)
    engine.configure(ServeConfig(holdout=0.1, share=0.3, explore=0.1))
    found["engine_two_us"] = cpu_us(decide, times)
    engine.close()
    log.close()
    return found


def calibration(folder: Path, n: int) -> list[dict[str, Any]]:
    """Whether what the log tells of each cell is what was done."""
    k = 3
    names, prices = NAMES[:k], (0.3,)
    units = known_units(n, k, 1)
    demands = DEMANDS[:1]
    first = Policy(names, "none", METRICS, POLICY.weights, demands, prices, tie_penalty=1.5, seed=3)
    second = Policy(
        names, "none", METRICS, POLICY.weights, demands, (0.6,), low_prices=(0.1,), low_share=0.4,
        seed=4,
    )  # fmt: skip
    config = ServeConfig(holdout=0.1, share=0.3, explore=0.1)
    live, candidate = (
        snapshot(id * 64, policy, units) for id, policy in (("a", first), ("b", second))
    )
    log, shared = DecisionLog(folder / "log", 0), SharedState(folder)
    engine = Engine(live, config, log, shared, seed=2, candidate=candidate)
    for unit in units:
        engine.decide(DecideRequest(unit=unit), time.time_ns())
    engine.close()
    log.close()
    cells, told, wished = [], [], []
    for entry in read_records(folder / "log"):
        record = entry.record
        if isinstance(record, DecisionRecord):
            cells.append(record.served)
            told.append(record.probability)
            mine = verdict(Side(live.scorer.rule, units[record.unit]), record.unit, -2)
            wished.append(mine.probability if mine.choice == record.served else np.inf)
    served, p, of_live = np.array(cells), np.array(told), np.array(wished)
    cells_of = {name: place for place, name in enumerate(("none", *names), -1)}
    figures = [
        calibrated(f"propensity_calibration_{name.replace(' ', '_')}", served == place, p, 1.96)
        for name, place in cells_of.items()
    ]
    z = float(norm.isf(0.025 / len(cells_of)))
    for name, told_p in (("propensity_calibration", p), ("propensity_of_live", of_live)):
        every = [calibrated(name, served == place, told_p, z) for place in cells_of.values()]
        figures.append(
            max(every, key=lambda one: abs(one["value"] - 1) / (one["high"] - one["low"]))
        )
    return figures


def calibrated(name: str, hit: Any, p: Any, z: float) -> dict[str, Any]:
    """The mean of 1[served = cell] / p with its interval."""
    terms = hit / p
    mean, error = float(terms.mean()), float(terms.std() / np.sqrt(len(terms)))
    low, high = mean - z * error, mean + z * error
    return figure(name, mean, low=low, high=high, against="1", n=len(terms))


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of the engine."""
    times, units = SIZES[form]
    with tempfile.TemporaryDirectory() as folder:
        found = speed(Path(folder), times)
    against = {"engine_beyond_rule_us": "15"}
    rows = [
        figure(name, value, unit="us", against=against.get(name, ""), n=times)
        for name, value in found.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        return rows + calibration(Path(folder), units)


if __name__ == "__main__":
    for one in figures("quick"):
        print(f"{one['name']:32} {one['value']:.6g}  {one['low']} {one['high']}")
