"""The lowest point of some lines, against HiGHS."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equipoise.allocation.solver import bundle
from equipoise.allocation.solver.envelope import lowest_point


def by_highs(slopes, constants, box, simplex):
    cuts = bundle.Cuts(list(slopes), list(constants))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "FEW", -1)
        return cuts.lowest(box, simplex)[0]


def agree(slopes, constants, box, simplex):
    height, y = lowest_point(slopes, constants, box, simplex)
    assert height == pytest.approx(by_highs(slopes, constants, box, simplex), rel=1e-9, abs=1e-9)
    assert (y >= 0).all()
    assert (y.sum() if simplex else y.max()) <= box * (1 + 1e-12)
    # terms of 1e9 round by 1e-7 of 1
    assert (constants + slopes @ y).max() == pytest.approx(height, abs=1e-14 * (1 + y.max()) * 100)


@pytest.mark.parametrize(("simplex", "height", "at"), [(False, -19, [10, 10]), (True, -9, None)])
def test_one_line_by_hand(simplex, height, at):
    low, y = lowest_point(np.array([[-1.0, -1.0]]), np.array([1.0]), 10.0, simplex)
    assert low == height
    assert at is None or y.tolist() == at


@st.composite
def lines(draw):
    """Few whole numbers: many lines meet in a point, and many points are the lowest."""
    c, m = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    whole = st.integers(-2, 2).map(float)
    return draw(arrays(float, (c, m), elements=whole)), draw(arrays(float, c, elements=whole))


@given(lines(), st.sampled_from([1.0, 10.0, 1e5]), st.booleans())
@settings(max_examples=150)
def test_lines_that_meet(some, box, simplex):
    slopes, constants = some
    agree(slopes, constants, box, simplex)


@pytest.mark.parametrize("seed", range(40))
def test_tangents_of_any_scale(seed):
    """As the level method makes them, 120 at most, with prices up to 1e9."""
    rng = np.random.default_rng(seed)
    c, m = int(rng.integers(1, 121)), int(rng.integers(1, 31))
    y = rng.exponential(size=(c, m))
    pieces, at_zero = rng.normal(size=(60, m)) * 10.0 ** rng.integers(-3, 1, m), rng.normal(size=60)
    up = y @ pieces.T + at_zero > 0
    slopes = up @ pieces / 60 + 0.05 * rng.random(m)
    constants = (up * at_zero).sum(axis=1) / 60
    agree(slopes, constants, float(rng.choice([10.0, 1e3, 1e9])), bool(seed % 2))
