"""Exact sums, against `math.fsum`."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equipoise.allocation.solver.exact_sum import sum_rows

SIZES = st.integers(-400, 400).map(lambda power: 2.0**power)
TERMS = st.one_of(
    st.floats(-1e300, 1e300),
    st.builds(lambda size, k: size * k, SIZES, st.integers(-3, 3)),
    st.sampled_from([1.0, 2.0**-53, -(2.0**-53), 2.0**-106, -(2.0**-106), 1.0 + 2.0**-52]),
)


def exact_sum(terms):
    """One row of one code, half of the terms as sums and half as rests."""
    sums = np.array(terms + [0.0] * (len(terms) % 2)).reshape(2, 1, 1, -1)
    out = np.empty(1)
    sum_rows(np.ones((1, 1, sums.shape[-1])), np.zeros(1, np.int64), sums[0], sums[1], out)
    return float(out[0])


@given(st.lists(TERMS, min_size=1, max_size=40))
@example([1.0, 2.0**-53, 2.0**-106])  # beyond half-way: up
@example([1.0, 2.0**-53, -(2.0**-106)])
@example([1.0 + 2.0**-52, 2.0**-53])  # half-way: to the even one
@settings(max_examples=300)
def test_it_is_fsum_to_the_bit_in_any_order(terms):
    assert exact_sum(terms) == math.fsum(terms)
    assert exact_sum(sorted(terms)) == math.fsum(terms)


def test_rows_count_their_own_quantity_and_codes():
    """Two rows over two codes of one candidate, by hand."""
    coefficient = np.array([[[1.0], [0.0]], [[0.5], [2.0]]])
    sums, rest = np.array([[[3.0], [5.0]], [[7.0], [np.nan]]]), np.zeros((2, 2, 1))
    out = np.empty(2)
    sum_rows(coefficient, np.array([1, 0]), sums, rest, out)
    assert out.tolist() == [7.0, 11.5]
