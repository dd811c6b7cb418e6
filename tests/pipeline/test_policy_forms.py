"""Every form of a policy or of effects means the same on the same log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import equipoise as eq
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.data.simulators.coupon import make_coupon_world
from equipoise.pipeline.policy_forms import effects_or_shares

N = 300


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(N, seed=0)


@pytest.fixture(scope="module")
def log(world):
    return world[0]


def form(thing, log):
    return effects_or_shares(thing, log, "'it'", 3, 0)


def test_one_policy_in_every_form(log, tmp_path: Path):
    names = np.array(log.cell_names)
    cell = np.random.default_rng(0).integers(0, 3, N)
    want = np.eye(3)[cell]
    table = pa.table({name: want[:, a] for a, name in enumerate(log.cell_names)})
    pq.write_table(table, tmp_path / "policy.parquet")
    mixed = np.random.default_rng(1).permutation(N)
    shuffled = table.append_column("user", log.table["user"]).take(pa.array(mixed))
    for given in (
        names[cell],
        names[cell].tolist(),
        pd.Series(names[cell]),
        pd.Categorical(names[cell]),
        pl.Series(names[cell]),
        pa.chunked_array([names[cell].tolist()]),
        cell - 1,
        want,
        want.tolist(),
        table,
        table.to_pandas(),
        pl.from_arrow(table).lazy(),
        table.to_pydict(),
        tmp_path / "policy.parquet",
        str(tmp_path / "policy.parquet"),
        shuffled,
    ):
        shares, swaps = form(given, log)
        np.testing.assert_array_equal(shares, want, err_msg=str(type(given)))
        assert swaps is None
    everybody, _ = form(log.cell_names[2], log)
    np.testing.assert_array_equal(everybody, np.eye(3)[np.full(N, 2)])


def test_one_set_of_effects_in_every_form(world, tmp_path: Path):
    log, truth = world
    effects = truth.effects()
    table = effects.to_table()
    with_row = table.append_column("row", pa.array(np.arange(N)))
    pq.write_table(with_row, tmp_path / "effects.parquet")
    mixed = np.random.default_rng(1).permutation(N)
    shuffled = table.append_column("user", log.table["user"]).take(pa.array(mixed))
    for given in (
        effects,
        effects.values,
        table,
        table.to_pandas(),
        shuffled.to_pandas(),
        tmp_path / "effects.parquet",
    ):
        got = form(given, log)
        assert isinstance(got, Effects)
        np.testing.assert_array_equal(got.values, effects.values, err_msg=str(type(given)))
    one = form(effects.values[:, :, 0], log)
    assert one.metrics == log.metrics[:1]


def test_an_honest_policy_is_its_choice_on_its_own_rows_and_its_scorer_elsewhere():
    log, _ = make_coupon_world(N, metrics=("conversion",), seed=0)
    other, _ = make_coupon_world(N, metrics=("conversion",), seed=1)
    policy = eq.honest_policy(log, eq.TLearner(eq.BoostedTrees(3)), offers=0.4)
    own, swaps = form(policy, log)
    np.testing.assert_array_equal(own, np.eye(3)[policy.choice + 1])
    assert swaps is policy.swaps
    theirs, none = form(policy, other)
    served, _ = form(policy.scorer, other)
    np.testing.assert_array_equal(theirs, served)
    assert none is None
    blind = eq.honest_policy(log, eq.cross_fit_effects(log, eq.TLearner(eq.BoostedTrees(3))))
    with pytest.raises(InputError, match="a scorer on a log of other rows; got none at 'it'"):
        form(blind, other)


def test_an_estimator_is_cross_fitted(log):
    trees = eq.TLearner(eq.BoostedTrees(2))
    want = eq.cross_fit_effects(log, trees, cv=3, random_state=0)
    np.testing.assert_array_equal(form(trees, log).values, want.values)


def test_whole_numbers_are_names_where_arms_are_named_by_numbers():
    rng = np.random.default_rng(0)
    frame = {"t": np.arange(40) % 2, "y": rng.normal(size=40), "x": rng.normal(size=40)}
    log = eq.read_log(frame, treatment="t", outcomes=["y"], features=["x"], design="shares")
    shares, _ = form(np.arange(40) % 2, log)
    np.testing.assert_array_equal(shares, np.eye(2)[np.arange(40) % 2])
    with pytest.raises(InputError, match="be one of 0, 1; got '-1'"):
        form(np.arange(40) % 2 - 1, log)
    scores = form(frame["x"], log)
    np.testing.assert_array_equal(scores.values[:, 0, 0], frame["x"])


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("coupon-3", "be an arm, or the path of a run"),
        (np.array(["none"] * 299 + ["cuopon-1"]), "did you mean 'coupon-1'"),
        (np.array([0] * 299 + [5]), "lie in -1..1; got 5 at row 299"),
        (np.zeros((N, 7)), "be effects .300, 2, 3. or a frame of them, or a policy"),
        (np.full((N, 3), 0.4), "sum to 1"),
        (3, "or a policy"),
        ({"user": ["nobody"], "coupon-1": [1.0], "coupon-2": [1.0]}, "a row for every id"),
        ({"user": [1, 1], "coupon-1": [1.0, 2], "coupon-2": [1.0, 2]}, "each user once"),
        ({"coupon-1": ["a"]}, "be numbers"),
    ],
)
def test_what_is_neither_ends_in_an_error(log, thing, message):
    with pytest.raises(InputError, match=message):
        form(thing, log)
