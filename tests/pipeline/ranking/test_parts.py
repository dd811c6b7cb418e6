"""The parts of a ranking log: by time, by whole requests, and not by the order of rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import PlanError
from equipoise.pipeline.plan.ranking import RankingPlan
from equipoise.pipeline.ranking.parts import BASE, TEST, TRAIN, parts_of

FILE = {"path": "log.parquet", "scores": ["p"], "objectives": ["buy"]}
START = datetime(2022, 4, 25, tzinfo=UTC)
HALF_DAYS = [START + timedelta(hours=12 * i) for i in range(8)]


def plan_of(**keys):
    return RankingPlan.model_validate(FILE | keys)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=8, max_size=80).filter(lambda t: len(set(t)) > 3),
    st.integers(0, 5),
    st.booleans(),
)
def test_earlier_rows_come_first_and_no_moment_or_request_is_cut(times, requests, base):
    request = np.arange(len(times)) // (requests + 1)
    table = pa.table({"t": times, "r": request})
    keys = {"time": "t", "request": "r"} | ({"base": {"part": 0.3}} if base else {})
    plan = plan_of(**keys)
    begun = np.array([min(np.array(times)[request == r]) for r in request])
    if len(set(begun)) < 3 + base:
        with pytest.raises(PlanError, match="part must have rows"):
            parts_of(plan, table, 0)
        return
    part = parts_of(plan, table, 0)
    assert set(part) == set(range(BASE if base else TRAIN, TEST + 1))
    order = np.argsort(begun, kind="stable")
    assert (np.diff(part[order]) >= 0).all()
    assert all(len(set(part[request == r])) == 1 for r in request)
    assert all(len(set(part[begun == t])) == 1 for t in begun)


def test_shares_are_met_as_nearly_as_days_allow():
    table = pa.table({"day": np.repeat(np.arange(10), 7)})
    part = parts_of(plan_of(time="day"), table, 0)
    assert np.bincount(part).tolist() == [0, 42, 14, 14]


@pytest.mark.parametrize(
    ("column", "until"),
    [
        (pa.array(HALF_DAYS), ["2022-04-26", "2022-04-27"]),
        (pa.array([moment.date() for moment in HALF_DAYS]), ["2022-04-26", "2022-04-27"]),
        (pa.array([f"2022-04-{25 + i // 2}" for i in range(8)]), ["2022-04-26", "2022-04-27"]),
        (pa.array([25 + i // 2 for i in range(8)]), [26, 27]),
        (pa.array([25.5 + i // 2 for i in range(8)]), [26.5, 27.9]),
    ],
)
def test_a_time_of_any_type_cuts_and_a_day_ends_at_its_end(column, until):
    part = parts_of(plan_of(time="t", until=until), pa.table({"t": column}), 0)
    assert part.tolist() == [1, 1, 1, 1, 2, 2, 3, 3]


def test_without_a_time_a_hash_of_the_request_decides():
    rng = np.random.default_rng(0)
    request = np.repeat(np.arange(500), 3)
    table = pa.table({"r": [f"r{i}" for i in request]})
    plan = plan_of(request="r")
    part = parts_of(plan, table, 0)
    shuffled = rng.permutation(len(request))
    assert (parts_of(plan, table.take(pa.array(shuffled)), 0) == part[shuffled]).all()
    assert np.abs(np.bincount(part)[1:] / len(part) - [0.6, 0.2, 0.2]).max() < 0.06
    assert (parts_of(plan, table, 1) != part).any()


@pytest.mark.parametrize(
    ("table", "keys", "match"),
    [
        ({"t": [1, None, 3, 4]}, {"time": "t"}, "time 't' must be known; got nothing at row 1"),
        ({"t": [1, 1, 1, 2]}, {"time": "t"}, "part must have rows"),
        ({"t": [1, 2, 3, 4]}, {"time": "t", "until": ["a", "b"]}, "key 'until' must be a number"),
        ({"t": [1, 2, 3, 4]}, {"time": "t", "until": [9, 10]}, "validation part must have rows"),
        ({"t": [START] * 4}, {"time": "t", "until": ["May", "June"]}, "must be a date"),
    ],
)
def test_times_that_cannot_cut(table, keys, match):
    with pytest.raises(PlanError, match=match):
        parts_of(plan_of(**keys), pa.table(table), 0)
