"""Rows have one order, however their file has them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.row_order import row_hashes, row_order
from equipoise.treatments import Arms


def log_of(table, **roles):
    return Log(pa.table(table), Roles("arm", (Outcome("y"),), (), **roles), Arms())


def world(n, seed):
    rng = np.random.default_rng(seed)
    return {
        "arm": np.arange(n) % 2,
        "y": rng.integers(0, 3, n) + (np.arange(n) == 0) * 5.0,
        "id": rng.permutation(5 * n)[:n],
        "store": rng.choice(["a", "b", "cc"], n),
    }


@given(st.integers(0, 10**6), st.integers(4, 60), st.sampled_from(["", "id", "group", "both"]))
def test_rows_and_columns_in_any_order_give_the_same_rows(seed, n, which):
    roles = {"": {}, "id": {"id": "id"}, "group": {"group": "store"}}
    roles["both"] = roles["id"] | roles["group"]
    table, shuffle = world(n, seed), np.random.default_rng(seed + 1).permutation(n)
    log = log_of(table, **roles[which])
    turned = {name: table[name][shuffle] for name in reversed(table)}
    other = log_of(turned, **roles[which])
    assert sorted(log.order) == list(range(n))
    for name in log.table.column_names:
        one, two = (np.asarray(each.take(each.order).table[name]) for each in (log, other))
        assert (one == two).all()


@pytest.mark.parametrize("kind", [int, str])
def test_ids_follow_their_number_as_numbers_and_as_text(kind):
    ids = [kind(value) for value in (100, 9, 10, 11)]
    assert log_of(world(4, 0) | {"id": ids}, id="id").order.tolist() == [1, 2, 3, 0]


def test_without_ids_an_offset_or_a_unit_of_an_outcome_keeps_the_order():
    table = world(60, 0)
    order = row_order(log_of(table))
    assert (row_order(log_of(table | {"y": 1e9 + 100.0 * table["y"]})) == order).all()


def test_without_ids_rows_that_hold_the_same_are_shuffled():
    """Every other row of many that are alike but for the outcome is a sample of them."""
    y = np.repeat([0.0, 1.0], 500)
    order = log_of({"arm": np.tile([0, 1], 500), "y": y}).order
    assert abs(y[order][::2].mean() - 0.5) < 0.06
    assert abs(y[order][:500].mean() - 0.5) < 0.06


def test_rows_that_differ_have_hashes_that_differ():
    table = pa.table({"x": np.repeat(np.arange(200), 3), "word": np.tile(["a", "b", None], 200)})
    assert len(set(row_hashes(table, ["x", "word"]))) == 600
    twice = pa.concat_tables([table, table])
    assert (row_hashes(twice, ["x"])[:600] == row_hashes(twice, ["x"])[600:]).all()
