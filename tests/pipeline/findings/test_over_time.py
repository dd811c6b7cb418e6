"""Effects by period of a log with a time: those of its rows; nothing without a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.core.log import Log
from equipoise.data import make_coupon_world
from equipoise.pipeline.findings.diagnostics import averages
from equipoise.pipeline.findings.over_time import over_time


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(3000, arms=2, metrics=("conversion",), seed=4)


def timed(log: Log, times: np.ndarray) -> Log:
    """The same log with a time of each row."""
    table = log.table.append_column("when", [times])
    return Log(table, replace(log.roles, time="when"), log.space)


def test_the_effect_of_a_week_is_the_average_of_its_rows(world):
    log, truth = world
    days = np.arange(3000) % 63
    when = np.datetime64("2026-03-02") + days.astype("timedelta64[D]")
    facts = over_time(timed(log, when), truth.effects(), truth.propensity, 0.95)
    assert facts is not None
    assert (facts["length"], len(facts["starts"])) == ("week", 9)
    third = np.flatnonzero(days // 7 == 2)
    alone = averages(log.take(third), truth.effects().take(third), truth.propensity[third], 0.95)
    assert facts["rows"][0]["effects"][2] == pytest.approx(alone[0]["effect"])
    assert facts["rows"][0]["rows"][2] == len(third)
    assert facts["rows"][0]["adjusted"] > 0.05


def test_without_a_time_or_with_one_that_tells_nothing_there_is_none(world):
    log, truth = world
    plain = Log(log.table, replace(log.roles, time=None), log.space)
    assert over_time(plain, truth.effects(), truth.propensity, 0.95) is None
    halves = timed(log, np.arange(3000) % 2)
    assert over_time(halves, truth.effects(), truth.propensity, 0.95) is None
    once = timed(log, np.zeros(3000))
    assert over_time(once, truth.effects(), truth.propensity, 0.95) is None
