"""How effects vary: what two features do together is told where held-out rows show it, and not
where a model joined them by chance.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.evaluation import evaluation_data
from equipoise.pipeline.findings.variation import is_sure, slope_beyond, variation_findings
from equipoise.pipeline.plan.read import read_plan
from equipoise.pipeline.study.policy import solve_folds
from equipoise.pipeline.study.study import make_study

PLAN = """
[log]
path = "{name}.parquet"
treatment = "t"
outcomes = ["y"]
features = ["age", "shop", "noise"]
design = [0.5, 0.5]
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 40, num_leaves = 8 }} }}
[run]
folds = 2
"""


def found_of(folder, name, product):
    """The key "variation" of a log in which age and shop move the effect together, or not."""
    rng = np.random.default_rng(0)
    n = 4000
    age, north, t = rng.uniform(-1, 1, n), rng.random(n) < 0.5, rng.integers(0, 2, n)
    lift = 2 * north * age if product else age + north
    y = t * lift + 0.5 * rng.normal(size=n)
    shop = np.where(north, "north", "south")
    table = {"age": age, "shop": shop, "noise": rng.normal(size=n), "t": t, "y": y}
    pq.write_table(pa.table(table), folder / f"{name}.parquet")
    (folder / f"{name}.toml").write_text(PLAN.format(name=name))
    study = make_study(read_plan(folder / f"{name}.toml"))
    policy = solve_folds(study.task, study.judge).shares(1)
    return variation_findings(study, policy, study.effects)["variation"]


def test_a_product_is_told_with_its_curves(tmp_path):
    found = found_of(tmp_path, "product", True)
    first = found["pairs"][0]
    assert set(first["features"]) == {"age", "shop"}
    assert is_sure(first)
    assert first["strength"] > 0.5
    assert first["slope"][1] < 1 < first["slope"][2]
    together = found["together"]
    place = together["features"].index("shop")
    assert together["values"][place] == ["north", "south"]
    lines = np.array(together["effects"])
    lines = lines if place else lines.T
    assert lines[-1, 0] - lines[0, 0] > 2
    assert abs(lines[-1, 1] - lines[0, 1]) < 0.4
    curve = next(row for row in found["curves"] if row["feature"] == "age")
    width = np.subtract(curve["high"], curve["low"])
    assert min(width[0], width[-1]) > 1 > width[6]


def test_a_sum_is_not_said_to_be_more(tmp_path):
    found = found_of(tmp_path, "sum", False)
    assert found["together"] is None
    assert not any(map(is_sure, found["pairs"]))
    curve = next(row for row in found["curves"] if row["feature"] == "age")
    assert curve["effect"][-1] - curve["effect"][0] > 1.2  # 1.67 between the ends of the grid
    assert len(curve["tenths"]) == 9
    levels = next(row for row in found["curves"] if row["feature"] == "shop")
    assert (levels["levels"], levels["values"], levels["tenths"]) == (True, ["north", "south"], [])


def trial(seed, slope, n=600, groups=None):
    """Rows whose effect is a sum and ``slope`` times what is predicted beyond it."""
    rng = np.random.default_rng(seed)
    one, two, cell = rng.integers(0, 4, n), rng.integers(0, 3, n), rng.integers(0, 2, n)
    beyond = rng.normal(size=(4, 3))
    beyond -= beyond.mean(axis=0)
    beyond -= beyond.mean(axis=1, keepdims=True)
    y = cell * (one + two + slope * beyond[one, two]) + rng.normal(size=n)
    rows = evaluation_data(y, cell=cell, propensity=[0.5, 0.5], groups=groups)
    return slope_beyond(rows, (0, 0), [one, two], beyond)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_the_slope_is_found_and_its_interval_holds_it(slope):
    every = [trial(seed, slope) for seed in range(400)]
    values = np.array([one.value for one in every])
    assert values.mean() == pytest.approx(slope, abs=4 * values.std() / 20)
    held = np.mean([one.low <= slope <= one.high for one in every])
    assert held == pytest.approx(0.95, abs=0.03)
    if slope == 0:
        assert np.mean([one.p_value <= 0.05 for one in every]) <= 0.05 + 0.025


def test_nothing_predicted_is_nothing_asked():
    rows = evaluation_data([1.0, 2, 3, 4], cell=[0, 1, 0, 1], propensity=[0.5, 0.5])
    codes = [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])]
    assert np.isnan(slope_beyond(rows, (0, 0), codes, np.zeros((2, 2))).value)
    assert np.isnan(slope_beyond(rows, (0, 0), [codes[0], -np.ones(4, int)], np.eye(2)).value)
