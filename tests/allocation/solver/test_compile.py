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
    with pytest.raises(InputError, match="cost must be given for demand 'budget'"):
        compile_rows(DEMANDS[:1], ("a",), (), {}, 3, False)
