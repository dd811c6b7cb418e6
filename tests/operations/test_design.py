"""Traffic: shares by formula, squares that cover, batches that hold, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.operations import traffic
from equipoise.operations.design import shares

NAMES = ["base", "a", "b", "c", "d"]


def test_the_root_share_has_the_least_variance():
    """At 20 strategies the variance sum is 29 % below that of equal shares."""

    def variance(share):
        return (1 / share[1:] + 1 / share[0]).sum()

    assert variance(shares(20)) / variance(shares(20, "equal")) == pytest.approx(0.71, abs=0.005)
    assert all(variance(shares(20)) <= variance(shares(20, b)) for b in np.linspace(0.01, 0.9, 90))
    assert shares(4)[0] / shares(4)[1] == pytest.approx(2)


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 300), st.integers(1, 6), st.integers(0, 1000))
def test_held_units_keep_what_they_have_in_the_shares(units, others, seed):
    plan = traffic("held", ["base", *map(str, range(others))], units, 5, seed=seed)
    assert (plan.place == plan.place[:, :1]).all()
    count = np.bincount(plan.place[:, 0], minlength=1 + others)
    assert np.abs(count - units * shares(others)).max() <= 1
    assert plan.measured.all()


@settings(deadline=None, max_examples=30)
@given(
    st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 99)
)
def test_squares_cover_each_strategy_equally(names, rows, cycles, slice_days, seed):
    """In every bucket over the days, and on every day over the buckets."""
    days = names * cycles * slice_days
    plan = traffic(
        "rotate",
        NAMES[:names],
        names * rows,
        days,
        base_share="equal",
        slice_days=slice_days,
        washout_days=slice_days - 1,
        seed=seed,
    )
    per_bucket = np.stack([(plan.place == s).sum(axis=1) for s in range(names)])
    per_day = np.stack([(plan.place == s).sum(axis=0) for s in range(names)])
    assert (per_bucket == cycles * slice_days).all()
    assert (per_day == rows).all()
    assert (plan.measured.sum(axis=1) == names * cycles).all()


def test_a_rotation_gives_the_base_its_cells():
    plan = traffic("rotate", NAMES, 6, 6)  # sqrt(4) = 2 cells beside 4
    assert np.bincount(plan.place.reshape(-1)).tolist() == [12, 6, 6, 6, 6]


def test_batches_come_one_after_the_other():
    plan = traffic("batches", NAMES, 400, 10, batches=2, base_share="equal", seed=3)
    for window in (slice(0, 5), slice(5, 10)):
        part = plan.place[:, window]
        assert (part == part[:, :1]).all()
        ran, count = np.unique(part[:, 0], return_counts=True)
        assert ran[0] == 0
        assert len(ran) == 3
        assert count.min() >= 133
    assert (np.bincount(plan.place.reshape(-1), minlength=5) > 0).all()


def test_the_table_has_a_row_per_unit_and_day():
    table = traffic("held", ["base", "a"], ["x", "y"], [4, 6], base_share=0.5).table()
    assert table.column_names == ["unit", "day", "strategy", "measured"]
    assert table["unit"].to_pylist() == ["x", "x", "y", "y"]
    assert table["day"].to_pylist() == [4, 6, 4, 6]
    assert sorted(set(table["strategy"].to_pylist())) == ["a", "base"]


def test_counts_may_be_numpys():
    assert traffic("held", NAMES, np.int64(50), np.int64(3)).place.shape == (50, 3)


def test_the_seed_is_the_draw():
    one, same, other = (traffic("held", NAMES, 100, 1, seed=s).place for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (("hold", NAMES, 10, 2, {}), "did you mean 'held'"),
        (("held", ["a"], 10, 2, {}), "two or more different names"),
        (("held", ["a", "a"], 10, 2, {}), "two or more different names"),
        (("held", NAMES, [1, 1, 2], 2, {}), "units must be one or more, each once"),
        (("held", NAMES, 10, 0, {}), "days must be one or more"),
        (("held", NAMES, 3, 2, {}), "be enough for 5 strategies; got 3"),
        (("held", NAMES, 10, 2, {"base_share": 1.0}), "base_share must be"),
        (("held", NAMES, 10, 2, {"base_share": "roots"}), "base_share must be"),
        (("held", NAMES, 10, 2, {"seed": -1}), "seed"),
        (("rotate", NAMES, 5, 7, {"base_share": "equal"}), "got 7: 3 slices missing"),
        (("rotate", NAMES, 7, 5, {"base_share": "equal"}), "got 7: 3 buckets missing"),
        (("rotate", NAMES, 5, 9, {"slice_days": 2}), "got 9: 1 days missing"),
        (
            ("rotate", NAMES, 5, 10, {"slice_days": 2, "washout_days": 2}),
            "leave a day of each slice",
        ),
        (("batches", NAMES, 100, 10, {"batches": 5}), "be 1..4"),
    ],
)
def test_designs_that_do_not_fit(call, match):
    *arguments, more = call
    with pytest.raises(InputError, match=match):
        traffic(*arguments, **more)
