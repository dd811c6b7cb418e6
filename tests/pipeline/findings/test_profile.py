"""Who gets what, by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.audit_groups import audit_groups
from equipoise.core.effects import Effects
from equipoise.data import make_coupon_world, read_log
from equipoise.pipeline.findings.drivers import drivers
from equipoise.pipeline.findings.profile import profile, shares
from equipoise.pipeline.study.evaluator import one_hot


def log_of(**columns):
    n = len(next(iter(columns.values())))
    table = {"t": [0, 1] * (n // 2), "y": np.arange(n) * 1.0, **columns}
    return read_log(
        pa.table(table),
        treatment="t",
        outcomes={"y": "amount"},
        features=[k for k in columns if k[0] == "x"],
    )


def test_shares_by_hand():
    policy = one_hot(np.array([-1, 0, 0, 0]), 1)
    assert shares(policy, ("none", "mail")) == {"none": 0.25, "mail": 0.75}
    assert shares(policy, ("none", "mail"), np.array([0, 1])) == {"none": 0.5, "mail": 0.5}


def groups(column) -> tuple[list, list]:
    n = len(column)
    table = {"t": [0, 1] * (n // 2), "y": np.arange(n) * 1.0, "x": range(n), "g": column}
    log = read_log(
        pa.table(table), treatment="t", outcomes={"y": "amount"}, features=["x"], protected=["g"]
    )
    codes, labels = audit_groups(log, "g")
    return codes.tolist(), labels


def test_few_values_are_their_own_groups():
    assert groups(["b", "a", None, "a"]) == ([1, 0, 2, 0], ["a", "b", "missing"])


def test_a_number_with_many_values_is_cut_into_quarters():
    codes, labels = groups([float(i) for i in range(19)] + [None])
    assert np.bincount(codes).tolist() == [5, 5, 4, 5, 1]
    assert labels == ["up to 4.5", "4.5 to 9", "9 to 13.5", "above 13.5", "missing"]


def test_rare_labels_are_put_together():
    codes, labels = groups(([chr(97 + i % 14) for i in range(26)] + ["z"] * 4) * 10)
    assert len(labels) == 12
    assert labels[-1] == "other"
    assert np.bincount(codes).sum() == 300


@pytest.mark.parametrize("n", [12, 40, 400])
def test_a_label_of_few_rows_is_no_group_of_its_own(n):
    """It could be a person; nor is it merged with what is missing."""
    common = ["missing", None] * (n // 2 - 1)
    codes, labels = groups(["ann@example.org", *common, "bob@example.org"])
    assert labels == ['"missing"', "missing", "other"]
    assert np.bincount(codes).tolist() == [n // 2 - 1, n // 2 - 1, 2]


def test_profile_by_hand():
    log = log_of(x=[1.0, 2.0, 3.0, 4.0])
    (row,) = profile(log, one_hot(np.array([-1, -1, 0, 0]), 1))
    assert (row["feature"], row["treated"], row["untreated"]) == ("x", 3.5, 1.5)
    assert row["smd"] == pytest.approx(2 / 0.5)
    assert profile(log, one_hot(np.full(4, -1), 1)) == []


def test_drivers_find_what_the_effects_hang_on():
    log, _ = make_coupon_world(2000, arms=2, metrics=("conversion",), seed=0)
    x = log.numbers("age") + 20.0 * (np.asarray(log.table["city"].to_pylist()) == "north")
    effects = Effects(x[:, None, None], np.zeros((len(log), 1)), ("coupon-1",), ("conversion",))
    rows = drivers(log, effects, ("conversion",), 0)
    assert rows[0]["feature"] == "age"
    assert rows[0]["importance"] > 0.5
    assert sum(row["importance"] for row in rows) == pytest.approx(1)
    assert {row["feature"] for row in rows} <= set(log.roles.features)


def test_quarters_of_large_amounts_are_told_apart():
    codes, labels = groups([1_000_000.0 + i for i in range(20)])
    assert len(set(labels)) == len(labels) == len(set(codes)) == 4


def test_rare_labels_and_one_that_is_called_as_they_are():
    column = ["other"] * 200 + [f"g{i % 11:02d}" for i in range(330)] + [f"r{i}" for i in range(7)]
    codes, labels = groups([*column, "r7"])
    assert len(labels) == len(set(labels)) == 12
    assert codes[:200] == [labels.index("other")] * 200
    assert codes[-8:] == [labels.index("other_")] * 8


def test_drivers_are_columns_whatever_their_names():
    g = np.random.default_rng(0)
    x = g.normal(size=400)
    level = g.choice(["b", "c"], 400)
    log = log_of(x=g.choice(["p", "q"], 400), **{"x=a": level, "x=z": x})
    effects = Effects(x[:, None, None], np.zeros((400, 1)), ("1",), ("y",))
    assert [row["feature"] for row in drivers(log, effects, ("y",), 0)] == ["x=z"]
    effects = Effects((level == "b")[:, None, None] * 1.0, np.zeros((400, 1)), ("1",), ("y",))
    assert [row["feature"] for row in drivers(log, effects, ("y",), 0)] == ["x=a"]
