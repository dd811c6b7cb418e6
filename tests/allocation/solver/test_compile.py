from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation.solver import compile as rows_module
from equipoise.allocation.solver.compile import compile_rows
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand

GROUPS = {"city": np.array(["n", "s", "n"]), "age": np.array([1, 1, 2])}
DEMANDS = [
    Demand("budget", "cost", 10.0),
    Demand("cap", "offers", 0.5, candidate="b", per_head=True),
    Demand("floor", "effect", -1.0, -1.0, metric="plays"),
    Demand("north", "cost", 2.0, column="city", factors=(("n", 1.0),), other=0.0, per_head=True),
    Demand("old", "offers", 3.0, column="age", factors=((2, 0.5),), other=-1.0),
]


def compiled(demands=DEMANDS, groups=GROUPS):
    return compile_rows(demands, ("a", "b"), ("sales", "plays"), groups, 3, True)


def dense(rows, cost, cube):
    """The usage of every unit and candidate of every row, (m, n, k), by the definition."""
    quantities = [np.ones_like(cost), cost, *(cube[:, :, column] for column in rows.columns)]
    return np.array(
        [rows.coefficient[r][rows.codes] * quantities[q] for r, q in enumerate(rows.quantity)]
    )


def test_usages_by_hand():
    cost, cube = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.arange(12.0).reshape(3, 2, 2)
    got = dense(compiled(), cost, cube)
    assert got[0].tolist() == cost.tolist()
    assert got[1].tolist() == [[0, 1]] * 3
    assert got[2].tolist() == (-cube[:, :, 1]).tolist()
    assert got[3].tolist() == [[1, 2], [0, 0], [5, 6]]
    assert got[4].tolist() == [[-1, -1], [-1, -1], [0.5, 0.5]]
    assert compiled().bounds.tolist() == [10, 1.5, -1, 4, 3]  # north: per head of its two units


def test_tables_and_sums_are_the_dense_usage(monkeypatch):
    rng = np.random.default_rng(0)
    cost, cube, prices = rng.random((3, 2)), rng.normal(size=(3, 2, 2)), rng.random(5)
    for many in (4096, 1):  # codes of all labels, and only of those that occur
        monkeypatch.setattr(rows_module, "MANY_CODES", many)
        rows = compiled()
        usage = dense(rows, cost, cube)
        quantities = np.stack([np.ones_like(cost), cost, cube[:, :, 1]])
        priced = (rows.table(prices)[:, rows.codes] * quantities).sum(axis=0)
        assert np.allclose(priced, np.tensordot(prices, usage, 1), atol=1e-14)
        sums = np.zeros((3, rows.coefficient.shape[1], 2))
        for u, a in enumerate([1, 0, 1]):
            sums[:, rows.codes[u], a] += quantities[:, u, a]
        want = usage[:, [0, 1, 2], [1, 0, 1]].sum(axis=1)
        assert np.allclose(rows.usage(sums), want, atol=1e-14)
        assert np.allclose(rows.exact_usage(sums, np.zeros_like(sums)), want, atol=1e-14)
        assert np.allclose(rows.exact_usage(sums / 4, sums * 0.75), want, atol=1e-14)


def test_what_rounding_lost_is_added_before_the_usage_is_rounded():
    rows = compiled([Demand("budget", "cost", 1.0)])
    sums, rest = np.zeros((2, 1, 2)), np.zeros((2, 1, 2))
    sums[1, 0], rest[1, 0] = [1.0, 2.0**53], [0.5, 0.5]
    assert rows.exact_usage(sums, rest).tolist() == [2.0**53 + 2]


def test_codes_are_those_of_the_labels_that_demands_name():
    """Two labels and "any other" of one column by one and "any other" of another: 6 codes."""
    north = Demand("north", "cost", 1.0, column="city", factors=(("n", 1.0), ("w", 2.0)), other=7.0)
    rows = compiled([north, DEMANDS[4]])
    assert (rows.coefficient.shape, rows.codes.tolist()) == ((2, 6, 2), [1, 5, 0])
    assert rows.coefficient[0, :, 0].tolist() == [1, 1, 2, 2, 7, 7]
    assert rows.coefficient[1, :, 1].tolist() == [0.5, -1] * 3
    assert compiled(DEMANDS[:3]).coefficient.shape == (3, 1, 2)
    assert compiled([]).coefficient.shape == (0, 1, 2)


def test_more_codes_than_many_are_those_that_occur(monkeypatch):
    for many, codes in ((4, 4), (3, 3)):
        monkeypatch.setattr(rows_module, "MANY_CODES", many)
        assert compiled().coefficient.shape == (5, codes, 2)
        assert compiled().bounds.tolist() == [10, 1.5, -1, 4, 3]


def test_metrics_are_counted_once_each_in_the_order_of_the_demands():
    demands = [
        Demand(name, "effect", 1.0, metric=metric)
        for name, metric in (("p", "plays"), ("s", "sales"), ("again", "plays"))
    ]
    rows = compiled([*demands, DEMANDS[0]])
    assert (rows.columns.tolist(), rows.quantity.tolist()) == ([1, 0], [2, 3, 2, 1])
    assert rows.table(np.ones(4)).shape == (4, 1, 2)


def test_heads_are_the_units_that_a_demand_counts():
    heads = compiled().heads.tolist()
    assert heads == [1, 3, 1, 2, 1]  # totals have 1; north has two of three units
    old = Demand("old", "offers", 2.0, column="age", factors=((1, -1.0),), other=0.0, per_head=True)
    rows = compiled([DEMANDS[3], old])
    assert (rows.heads.tolist(), rows.bounds.tolist()) == ([2, 2], [4, 4])


def test_some_rows_and_some_units():
    cost, cube = np.arange(6.0).reshape(3, 2), np.arange(12.0).reshape(3, 2, 2)
    rows, some = compiled(), [4, 1, 3]
    part = rows.only(some)
    assert len(part) == 3
    assert (dense(part, cost, cube) == dense(rows, cost, cube)[some]).all()
    assert part.demands == tuple(DEMANDS[r] for r in some)
    assert (part.bounds.tolist(), part.heads.tolist()) == ([3, 1.5, 4], [1, 3, 2])
    units = np.array([2, 0])
    few = rows.take(units, 0.5)
    assert (dense(few, cost[units], cube[units]) == dense(rows, cost, cube)[:, units]).all()
    assert few.bounds.tolist() == (rows.bounds / 2).tolist()
    assert rows.take(units).bounds.tolist() == rows.bounds.tolist()


def test_unknown_names_are_refused():
    with pytest.raises(
        InputError, match="the candidate of demand 'cap' must be one of a, b; got 'c'"
    ):
        compiled([Demand("cap", "offers", 1.0, candidate="c")])
    with pytest.raises(
        InputError, match="the metric of demand 'f' must be one of sales, plays; got 'x'"
    ):
        compiled([Demand("f", "effect", 1.0, metric="x")])
    with pytest.raises(InputError, match="the groups for 'north' must have column 'city'; got age"):
        compiled(groups={"age": GROUPS["age"]})
    with pytest.raises(InputError, match="one label per unit, 3"):
        compiled(groups=GROUPS | {"city": np.array(["n"])})
    with pytest.raises(InputError, match="the metric of demand 'f' must be one of those given"):
        compile_rows([Demand("f", "effect", 1.0, metric="x")], ("a",), (), {}, 3, True)
    with pytest.raises(InputError, match="cost must be given for demand 'budget'"):
        compile_rows(DEMANDS[:1], ("a",), (), {}, 3, False)


@pytest.mark.parametrize("dtype", ["U6", "i8", "f8", "O"])
def test_many_labels_get_the_codes_of_one_comparison_each(dtype):
    """In one look-up where labels and units are of one kind; never another kind's equal."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 30, 200).astype(dtype)
    labels = rng.permutation(values[:40].astype("U6" if dtype == "O" else dtype)).tolist()
    labels = list(dict.fromkeys(labels))
    assert len(labels) > rows_module.FEW_LABELS
    want = [labels.index(v) if v in labels else len(labels) for v in values.tolist()]
    assert rows_module._own_codes(values, labels).tolist() == want
