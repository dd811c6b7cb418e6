"""A small world with its plan, and the run of it, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from equipoise.core.log import Log
from equipoise.core.truth import Truth
from equipoise.data import make_coupon_world
from equipoise.pipeline.findings import Findings
from equipoise.pipeline.plan import Plan, read_plan
from equipoise.pipeline.runner import run

BUDGET = 0.4
PLAN = f"""
[log]
path = "log.parquet"
treatment = "arm"
outcomes = {{ conversion = "binary", visits = "count" }}
features = ["sensitivity", "recency", "orders", "age", "city"]
claimed = "claimed"
design = [0.3333333333333333, 0.3333333333333333, 0.3333333333333333]
id = "user"
protected = ["gender"]

[space]
kind = "arms"
labels = ["none", "coupon-1", "coupon-2"]

[estimator]
name = "t-learner"
params = {{ outcome = {{ trees = 20, leaves = 8 }} }}

[policy]
weights = {{ conversion = 1.0 }}
cost = {{ "coupon-1" = 2.0, "coupon-2" = 4.0 }}
budget = {{ per_head = {BUDGET} }}

[report]
currency = "USD"

[run]
folds = 3
out = "out"
"""


@dataclass(frozen=True)
class World:
    """A simulated experiment on disk."""

    folder: Path
    plan: Plan
    log: Log
    truth: Truth


def make_world(folder: Path, rows: int = 1500, seed: int = 0, extra: str = "") -> World:
    """Write log.parquet and plan.toml; ``extra`` is added to the plan."""
    log, truth = make_coupon_world(rows, metrics=("conversion", "visits"), seed=seed)
    pq.write_table(log.table, folder / "log.parquet")
    (folder / "plan.toml").write_text(PLAN + extra)
    return World(folder, read_plan(folder / "plan.toml"), log, truth)


@pytest.fixture(scope="package")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@dataclass(frozen=True)
class Ran:
    """A run of the world."""

    world: World
    out: Path
    findings: Findings


@pytest.fixture(scope="package")
def ran(world) -> Ran:
    out = world.folder / "run"
    return Ran(world, out, run(world.plan, out, command="equipoise run plan.toml"))
