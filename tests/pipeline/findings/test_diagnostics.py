"""Averages, rankings and deciles: their signs where lower is better, and agreement with
evaluation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.core.log import Log, Outcome
from equipoise.data import make_coupon_world
from equipoise.evaluation import METRICS, evaluation_data, rank_by_score
from equipoise.pipeline.findings.diagnostics import averages, rankings


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(4000, arms=2, metrics=("conversion",), seed=4)


def turned(log: Log) -> Log:
    """The same log with the metric said to be bad."""
    return Log(
        log.table,
        replace(log.roles, outcomes=(Outcome("conversion", "binary", better="lower"),)),
        log.space,
    )


def test_agrees_with_evaluation(world):
    log, truth = world
    effects = truth.effects()
    curves, tenths, _ = rankings(log, effects, truth.propensity, 0.9, 0)
    rows = evaluation_data(
        log.y, cell=log.cells, propensity=truth.propensity, levels=effects.levels()
    )
    ranking = rank_by_score(effects.values[:, 0, 0], rows)
    assert curves[0]["qini"] == METRICS.load("qini")(ranking, level=0.9).interval
    assert curves[0]["gain"][-1] == pytest.approx(
        averages(log, effects, truth.propensity, 0.9)[0]["effect"][0]
    )
    assert [tenth["decile"] for tenth in tenths] == list(range(1, 11))
    assert sum(tenth["rows"] for tenth in tenths) == len(log)


def test_where_lower_is_better_the_first_tenth_falls_most(world):
    log, truth = world
    effects = truth.effects()
    curves, tenths, _ = rankings(turned(log), effects, truth.propensity, 0.95, 0)
    predicted = [tenth["predicted"] for tenth in tenths]
    assert predicted == sorted(predicted)
    assert all(
        tenth["observed"][1] < tenth["observed"][0] < tenth["observed"][2] for tenth in tenths
    )
    up, _, _ = rankings(log, effects, truth.propensity, 0.95, 0)
    assert curves[0]["gain"][-1] == pytest.approx(-up[0]["gain"][-1])
    # the same order from the other end
    assert curves[0]["qini"][0] == pytest.approx(up[0]["qini"][0])


def test_true_effects_rank_and_noise_does_not(world):
    log, truth = world
    effects = truth.effects()
    noise = effects.take(np.random.default_rng(0).permutation(len(log)))
    good, _, right = rankings(log, effects, truth.propensity, 0.95, 0)
    bad, _, wrong = rankings(log, noise, truth.propensity, 0.95, 0)
    assert good[0]["qini"][1] > 0
    assert bad[0]["qini"][1] < 0 < bad[0]["qini"][2]
    assert right[0]["slope"][1] < 1 < right[0]["slope"][2]
    assert right[0]["slope"][1] > 0
    assert wrong[0]["slope"][1] < 0 < wrong[0]["slope"][2]


def test_an_average_is_told_relative_to_control_or_why_it_is_not(world):
    log, truth = world
    row = averages(log, truth.effects(), truth.propensity, 0.95)[0]
    assert row["lift"][0] == pytest.approx(row["effect"][0] / row["control"][0])
    assert row["lift"][1] < row["lift"][0] < row["lift"][2]
    debts = log.table.set_column(
        log.table.column_names.index("conversion"), "conversion", [log.y[:, 0] - 0.5]
    )
    signed = Log(debts, replace(log.roles, outcomes=(Outcome("conversion"),)), log.space)
    row = averages(signed, truth.effects(), truth.propensity, 0.95)[0]
    assert "lift" not in row
    assert row["no_lift"] == "there are values below 0"
