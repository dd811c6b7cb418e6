"""rule  One decision by the compiled rule, against the ways that tables take: `decide` of a row,
     `uniform` of an id, `Scorer.assign` of a table of one row.  World: 10 candidates, 3 metrics, 5
     demands (budget, cap, floor, group budget, ceiling), a group column of 3 labels.  CPU of this
     process; the median of 7 rounds with the least and the most of them, both ways in turn.

rule_us_one_row          `CompiledRule.decide_row`
rule_us_one_row_lots     the same with lower bounds, keep and ties split by the unit's id
rule_us_one_row_table    `decide` of one row
rule_us_batch            a row of `decide`, 100,000 at once
lot_us_one               `uniform_one`
lot_us_one_table         `uniform` of one id
rule_different           rows, of policies of all kinds, whose choice, score, probability or scores
                         differ in a bit between `decide_row` and `decide`
batch_decisions_per_cpu_s  `CompiledRule.decide_rows` from arrays of effects, costs and labels
model_us_one_row         `UnitScorer.facts`: raw columns of Hillstrom's customers to effects and
                         costs by a DR-learner of 15 ensembles, 780 trees
model_us_one_row_decided and the decision
model_us_one_row_table   `Scorer.assign` of the same row
model_different          customers whose choice, score or expected cost differ in a bit from
                         `Scorer.assign` of all of them at once
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.record import figure
from equipoise.allocation import (
    budget,
    cap,
    ceiling,
    compile_rule,
    decide,
    floor,
    group_budget,
)
from equipoise.allocation.hashing import uniform, uniform_one
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.unit_columns import unit_columns
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.core.effects import Effects
from equipoise.core.policy import Policy

CANDIDATES, METRICS = tuple(f"c{a}" for a in range(10)), ("sales", "visits", "calls")
LABELS = ("Oslo", "Rome", "Lima")
SIZES = {"test": 2_000, "quick": 200_000, "full": 1_000_000}  # rows that are decided twice
ROUNDS, BATCH = 7, 100_000
Figures = list[dict[str, Any]]


def policy() -> Policy:
    """Five demands."""
    demands = (
        budget(1.0, per_head=True),
        cap("c1", 0.2, per_head=True),
        floor("visits", -1.0, per_head=True),
        group_budget("city", "Oslo", 0.3, per_head=True),
        ceiling("calls", 0.5, per_head=True),
    )
    prices = (0.3, 0.1, 0.2, 0.1, 0.05)
    rows = tuple(one.demand for one in demands)
    return Policy(CANDIDATES, "none", METRICS, (1.0, 0.5, -0.2), rows, prices)


def kinds() -> list[Policy]:
    """The policy with all that a rule may have, alone and together."""
    plain = policy()
    by_city = {"segment": "city", "segment_weights": (("Rome", (0.5, 1.0, 0.0)),)}
    ties, lower = {"tie_penalty": 0.3}, {"lower": 0.5}
    low = {"low_prices": (0.1,) * 5, "low_share": 0.3}
    random = {"mode": "random", "shares": (0.05,) * 10}
    ways: list[dict[str, Any]] = [
        {}, lower, {"keep": 0.4}, by_city, ties, low, random, {"cost_weight": 1.0},
        {**lower, **by_city, **ties, "keep": 0.4},
        {**lower, **low, "keep": 0.4, "cost_weight": 0.5},
    ]  # fmt: skip
    return [replace(plain, **way) for way in ways]


def world(n: int, seed: int, whole: bool = False) -> tuple[Effects, dict[str, Any]]:
    """Effects, and what else `decide` takes; in whole numbers many scores are equal."""
    rng = np.random.default_rng(seed)
    shape = (n, len(CANDIDATES), len(METRICS))
    values = rng.integers(-2, 4, shape).astype(float) if whole else rng.normal(size=shape)
    effects = Effects(values, np.zeros((n, 3)), CANDIDATES, METRICS, rng.random(shape))
    cost = rng.integers(0, 3, shape[:2]).astype(float) if whole else rng.random(shape[:2])
    return effects, {
        "cost": cost,
        "groups": {"city": rng.choice(LABELS, n)},
        "units": np.array([f"unit {i}" for i in rng.integers(0, 10**9, n)]),
        "previous": rng.integers(-2, len(CANDIDATES), n),
        "eligible": rng.random(shape[:2]) < 0.8,
        "weights": rng.normal(size=(n, 3)) if seed % 3 == 0 else None,
    }


def different(n: int) -> int:
    """Rows that a single decision and a batch decide differently."""
    wrong, every = 0, kinds()
    for seed, one in enumerate(every):
        effects, facts = world(n // len(every), seed, whole=seed % 2 == 0)
        batch, rule = decide(one, effects, **facts), compile_rule(one, METRICS)
        labels, ids = facts["groups"]["city"].tolist(), facts["units"].tolist()
        previous, weights = facts["previous"].tolist(), facts["weights"]
        for u in range(len(effects)):
            row = UnitFacts(
                effects.values[u], effects.std_error[u], facts["cost"][u],  # type: ignore[index]
                {"city": labels[u]}, facts["eligible"][u],
            )  # fmt: skip
            got = rule.decide_row(row, ids[u], previous[u], None if weights is None else weights[u])
            wrong += got[:3] != (batch.choice[u], batch.score[u], batch.probability[u])
    return wrong


def in_turn(ways: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU of each way, round by round; a way is called so many times a round."""
    for call, _ in ways.values():
        call()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (call, times) in ways.items():
            begin = time.process_time()
            for _ in range(times):
                call()
            spent[name].append((time.process_time() - begin) / times * 1e6)
    return spent


def rule_ways(rows: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """One row and many, by the rule alone."""
    effects, facts = world(rows, seed=1)
    cost, groups, values = facts["cost"], facts["groups"], effects.values
    one = UnitFacts(values[0], effects.std_error[0], cost[0], {"city": "Oslo"})  # type: ignore[index]
    plain, lots = policy(), replace(policy(), lower=0.5, keep=0.4, tie_penalty=0.3)
    rule, drawn, alone = (
        compile_rule(plain, METRICS),
        compile_rule(lots, METRICS),
        effects.take([0]),
    )
    city = {"city": groups["city"][:1]}
    return {
        "rule_us_one_row": (lambda: rule.decide_row(one), 20_000),
        "rule_us_one_row_lots": (lambda: drawn.decide_row(one, "unit 1"), 20_000),
        "rule_us_one_row_table": (lambda: decide(plain, alone, cost=cost[:1], groups=city), 300),
        "lot_us_one": (lambda: uniform_one("unit 123456", 3, 2), 20_000),
        "lot_us_one_table": (lambda: uniform(["unit 123456"], 3, 2), 300),
        "rule_us_batch": (lambda: decide(plain, effects, cost=cost, groups=groups), 3),
        "batch": (lambda: rule.decide_rows(values, None, cost, groups=groups), 3),
    }


def customers(form: str) -> tuple[Scorer, pa.Table]:
    """Hillstrom's customers under the example's DR-learner; in tests a small made world."""
    from equipoise.datasets import fetch_hillstrom, make_coupon_world
    from equipoise.estimators import BoostedTrees, DRLearner
    from equipoise.pipeline.study.cross_fit import fit_model

    if form == "test":
        log, _ = make_coupon_world(600, seed=0)
        trees = (BoostedTrees(10), BoostedTrees(8))
    else:
        log = fetch_hillstrom()
        trees = (
            BoostedTrees(60, 0.08, 16, min_child_samples=100),
            BoostedTrees(40, 0.05, 8, min_child_samples=400),
        )
    model = fit_model(log, DRLearner(*trees))
    raw, metrics = log.features, log.metrics
    names = tuple(log.cell_names[1:])
    rows = (budget(0.05, per_head=True).demand, floor(metrics[-1], 0.0, per_head=True).demand)
    worth = (1.0, *(0.0,) * (len(metrics) - 1))
    rule = Policy(names, log.cell_names[0], metrics, worth, rows, (0.2, 0.01), tie_penalty=6e-6)
    costs = Costs(tuple(np.linspace(0.08, 0.1, len(names)).tolist()))
    return Scorer(model, costs, rule, columns=unit_columns(log)), raw


def plain_rows(raw: pa.Table) -> list[dict[str, Any]]:
    """Rows as requests have them."""
    return [
        {name: float(v) if type(v) is int else v for name, v in row.items()}
        for row in raw.to_pylist()
    ]


def model_part(form: str) -> tuple[dict[str, list[float]], int, int]:
    """Times of one customer, customers that differ, and how many were asked about."""
    scorer, raw = customers(form)
    some = raw.slice(0, 300 if form == "test" else 20_000)
    alone, rows, every = UnitScorer(scorer), plain_rows(some), scorer.assign(some).to_pylist()
    cells, wrong = (alone.control, *alone.candidates), 0
    for u, (row, want) in enumerate(zip(rows, every, strict=True)):
        facts = alone.facts(row)
        got = alone.decide(u, facts)
        cost = 0.0 if got.choice < 0 else facts.cost[got.choice]
        wrong += (cells[1 + got.choice], got.score, cost) != tuple(
            want[name] for name in ("chosen", "score", "expected_cost")
        )
    ways = {
        "model_us_one_row": (lambda: [alone.facts(row) for row in rows[:300]], 3),
        "model_us_one_row_decided": (
            lambda: [alone.decide("unit 1", alone.facts(row)) for row in rows[:300]],
            3,
        ),
        "model_us_one_row_table": (lambda: scorer.assign(some.slice(0, 1)), 30),
    }
    spent = in_turn(ways, 2 if form == "test" else ROUNDS)
    for name in ("model_us_one_row", "model_us_one_row_decided"):
        spent[name] = [each / 300 for each in spent[name]]
    return spent, wrong, len(rows)


def figures(form: str) -> Figures:
    """The figures of one decision."""
    n, batch = SIZES[form], 2_000 if form == "test" else BATCH
    spent = in_turn(rule_ways(batch), 2 if form == "test" else ROUNDS)
    spent["rule_us_batch"] = [each / batch for each in spent["rule_us_batch"]]
    per_second = [batch / each * 1e6 for each in spent.pop("batch")]
    model, model_wrong, asked = model_part(form)
    against = {
        "rule_us_one_row": "2", "rule_us_batch": "0.2", "lot_us_one": "2", "model_us_one_row": "30",
    }  # fmt: skip
    found = [
        figure(
            name, statistics.median(each), low=min(each), high=max(each), unit="us",
            against=against.get(name, ""),
        )
        for name, each in (spent | model).items()
    ]  # fmt: skip
    found.append(
        figure(
            "batch_decisions_per_cpu_s", statistics.median(per_second), low=min(per_second),
            high=max(per_second), unit="1/s", against="1e6", n=batch,
        )
    )  # fmt: skip
    found.append(figure("rule_different", different(n), against="0", n=n))
    found.append(figure("model_different", model_wrong, against="0", n=asked))
    return found


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:28} {one['value']:.6g}  {one['low']} {one['high']}")
