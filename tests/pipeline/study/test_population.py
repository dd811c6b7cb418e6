"""The rows that an answer is for: trimmed, or weighted by their overlap."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

import equipoise as eq
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import InputError, LogError
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.population import overlap_population, population_of, unclipped


def logged(rows: int = 3_000, seed: int = 0, known: bool = True):
    """A log whose effect of .5 + a^2 is largest where an arm is rare, and the true propensity."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    e = expit(2.5 * a)
    arm = (rng.random(rows) < e).astype(np.int64)
    y = a + b + arm * (0.5 + a**2) + rng.normal(size=rows)
    table = pa.table({"a": a, "b": b, "arm": arm, "y": y, "e": e})
    extra = {"propensity": ("e",)} if known else {"design": None}
    log = eq.read_log(table, treatment="arm", outcomes=["y"], features=["a", "b"], **extra)
    return log, e


def test_trimming_keeps_the_rows_where_every_arm_was_possible():
    log, e = logged()
    some = overlap_population(log)
    keep = np.flatnonzero((e >= 0.1) & (e <= 0.9))
    np.testing.assert_array_equal(some.rows, keep)
    assert len(some.log) == len(keep)
    assert f"{len(keep):,} of 3,000 rows" in some.check["summary"]
    wide = overlap_population(log, trim_below=0.02)
    np.testing.assert_array_equal(wide.rows, np.flatnonzero((e >= 0.02) & (e <= 0.98)))


def test_overlap_weights_are_those_of_the_paper():
    log, e = logged()
    some = overlap_population(log, "weights")
    h = e * (1 - e)  # of two arms 1 / sum(1 / e) is just that
    np.testing.assert_allclose(some.log.weight, h / h.mean(), rtol=1e-12)
    assert len(some.log) == len(log)


def test_own_weights_stay():
    log, e = logged(300)
    own = np.random.default_rng(1).uniform(0.5, 2.0, 300)
    table = log.table.append_column("mass", pa.array(own))
    weighted = eq.read_log(
        table, treatment="arm", outcomes=["y"], features=["a"], propensity=("e",), weight="mass"
    )
    got = overlap_population(weighted, "weights").log.weight
    want = own * e * (1 - e)
    np.testing.assert_allclose(got, want / want.mean(), rtol=1e-12)


def test_closed_arms_do_not_count():
    log, e = logged(400)
    half = np.arange(400) < 200
    control = np.asarray(log.cells) == 0
    shut = half & control
    p1 = np.where(shut, 0.0, e)
    table = pa.table({"a": log.numbers("a"), "arm": log.cells, "y": log.y[:, 0], "e": p1})
    closed = eq.read_log(table, treatment="arm", outcomes=["y"], features=["a"], propensity=("e",))
    some = overlap_population(closed, "weights")
    h = np.where(shut, 1.0, 4 * e * (1 - e))
    np.testing.assert_allclose(some.log.weight, h / h.mean(), rtol=1e-9)
    assert set(np.flatnonzero(shut)) <= set(overlap_population(closed).rows)


@pytest.mark.parametrize("overlap", ["trim", "weights"])
def test_an_arm_that_other_rows_close_stays_closed(overlap):
    log, _ = logged(300)
    log.eligibility = Eligibility((("1", "e"),), propensity=True)
    assert overlap_population(log, overlap).log.eligibility == log.eligibility


def test_learnt_propensities_recover_the_effect_of_the_overlap_population():
    errors, unweighted = [], []
    for seed in range(4):
        log, e = logged(4_000, seed, known=False)
        a = log.numbers("a")
        h = e * (1 - e)
        truth = np.average(0.5 + a**2, weights=h)
        some = overlap_population(log, "weights", random_state=seed)
        assert some.learns
        errors.append(np.average(0.5 + a**2, weights=some.log.weight) - truth)
        unweighted.append((0.5 + a**2).mean() - truth)
    assert np.abs(errors).max() < 0.08
    assert np.abs(np.mean(errors)) < 0.04
    assert np.min(unweighted) > 0.3  # what all rows alike would say


def test_a_plan_narrows_its_log_as_python_does():
    log, _ = logged(600, known=False)
    tables = {
        "log": {
            "path": "none.parquet",
            "treatment": "arm",
            "outcomes": ["y"],
            "features": ["a", "b"],
            "overlap": "trim",
            "trim_below": 0.2,
        }
    }
    by_plan = population_of(make_plan(tables), log)
    by_call = overlap_population(log, trim_below=0.2)
    np.testing.assert_array_equal(by_plan.rows, by_call.rows)
    assert by_plan.learns
    _, p = unclipped(log, 3, 0)
    np.testing.assert_array_equal(by_plan.rows, np.flatnonzero(p.min(axis=1) >= 0.2))
    tables["log"].pop("trim_below")
    tables["log"]["overlap"] = "all"
    assert population_of(make_plan(tables), log).check is None


def test_what_cannot_be_is_refused():
    log, _ = logged(200)
    with pytest.raises(InputError, match="overlap must be one of all, trim, weights"):
        overlap_population(log, "cut")
    with pytest.raises(InputError, match="trim_below must lie in"):
        overlap_population(log, trim_below=0.7)
    with pytest.raises(LogError, match=r"lower trim_below, or say overlap"):
        overlap_population(log, trim_below=0.4999)
    with pytest.raises(eq.EquipoiseError, match='overlap = "trim" beside trim_below'):
        make_plan({"log": {"dataset": "thornton", "trim_below": 0.1}})
