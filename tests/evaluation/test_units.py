"""An offset or a unit of a metric, and the size of equal weights, change no judgement."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from equipoise.evaluation import (
    auuc,
    auuc_score,
    average_effects,
    dr,
    evaluation_data,
    policy_value,
    policy_value_score,
    qini,
    qini_score,
    rank_by_score,
    snips,
)

OFFSETS = st.integers(min_value=-(10**9), max_value=10**9)
N = 400
RNG = np.random.default_rng(0)
CELL, SCORE = RNG.integers(0, 2, N), RNG.normal(size=N)
Y = np.round(RNG.normal(size=N) + CELL * SCORE, 2)
TREAT = (SCORE > 0) - 1
E = 1 / (1 + np.exp(-0.5 * SCORE))
LEVELS = np.column_stack([0 * SCORE, SCORE])


def judgements(y, propensity, levels, offset=0.0, unit=1.0):
    """Effects and levels of policies in spreads of the metric."""
    rows = evaluation_data(y, cell=CELL, propensity=propensity, levels=levels)
    ranking = rank_by_score(SCORE, rows)
    effect = average_effects(rows).effect
    both = [policy_value(TREAT, rows, method=method).estimates for method in (snips, dr)]
    parts = [qini(ranking).value, auuc(ranking).value, qini(ranking).std_error]
    parts += [effect.value.item(), effect.std_error.item()]
    parts += [one.value.item() - offset for one in both] + [one.std_error.item() for one in both]
    return np.array(parts) / unit / Y.std()


@settings(max_examples=40, deadline=None)
@given(offset=OFFSETS, power=st.integers(-6, 6), own=st.booleans(), modelled=st.booleans())
def test_any_offset_and_any_unit(offset, power, own, modelled):
    propensity = np.column_stack([1 - E, E]) if own else [0.5, 0.5]
    levels, unit = LEVELS if modelled else None, 10.0**power
    one = judgements(Y, propensity, levels)
    far = judgements(Y + offset, propensity, None if levels is None else levels + offset, offset)
    scaled = None if levels is None else levels * unit
    np.testing.assert_allclose(far, one, rtol=0, atol=1e-6)
    other = judgements(Y * unit, propensity, scaled, 0.0, unit)
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [1e-320, 1e-6, 0.3, 7.0, 1e200], ids=str)
def test_equal_weights_are_no_weights_bit_for_bit(weight):
    w = np.full(N, weight)
    for score in (qini_score, auuc_score):
        assert score(Y, SCORE, CELL, sample_weight=w) == score(Y, SCORE, CELL)
    policy = (SCORE > 0).astype(float)
    for method in (dr, snips):
        one, other = (
            policy_value_score(Y, policy, CELL, method=method, sample_weight=each)
            for each in (None, w)
        )
        assert other == one
