"""Drivers: shares of what a tree explains, and features that matter to some rows alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.effects import Effects
from equipoise.data import read_log
from equipoise.pipeline.findings.drivers import drivers

N = 4000


def shares_of(lift):
    """The importance of each feature; lift: a function of age and whether a row is of the north."""
    rng = np.random.default_rng(0)
    age, north = rng.uniform(-1, 1, N), rng.random(N) < 0.5
    shop = np.where(north, "north", "south")
    columns = {"age": age, "shop": shop, "noise": rng.normal(size=N)}
    table = pa.table({**columns, "t": rng.integers(0, 2, N), "y": rng.normal(size=N)})
    log = read_log(table, treatment="t", outcomes="y", features=list(columns))
    effects = Effects(lift(age, north)[:, None, None], np.zeros((N, 1)), ("1",), ("y",))
    return {row["feature"]: row["importance"] for row in drivers(log, effects, ("y",), 0)}


def test_shares_are_those_of_the_variation():
    shares = shares_of(lambda age, north: 2 * (age > 0) + 1.0 * north)
    assert shares == {"age": pytest.approx(0.8, abs=0.02), "shop": pytest.approx(0.2, abs=0.02)}


def test_a_feature_that_matters_to_some_rows_alone_is_there():
    shares = shares_of(lambda age, north: 2 * north * age)  # on average over ages it does nothing
    assert shares["shop"] > 0.25
    assert "noise" not in shares


def test_nothing_drives_an_effect_that_is_the_same_for_all():
    assert shares_of(lambda age, north: np.ones(N)) == {}
