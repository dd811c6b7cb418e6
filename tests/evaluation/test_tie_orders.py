"""causalml's figures under ties: the mean over every order of the tied rows, by enumeration."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from equipoise.evaluation import evaluation_data, rank_by_score
from equipoise.evaluation.other_libraries import (
    auuc_causalml,
    auuc_causalml_raw,
    auuc_sklift,
    qini_causalml_raw,
    qini_sklift,
)
from equipoise.evaluation.tie_orders import mean_inverse


def straight(curve):
    """causalml's curve with rows before the first known one on the line from 0, (1 + n,)."""
    known = np.flatnonzero(~np.isnan(curve))
    return np.interp(np.arange(len(curve)), np.r_[0, known], np.r_[0, curve[known]])


def theirs(y, arm):
    """(mean of gain(k), mean of qini(k) less the line) of rows in this order, as causalml says."""
    k = np.arange(1, len(y) + 1)
    n_t, y_t, y_c = np.cumsum(arm), np.cumsum(y * arm), np.cumsum(y * (1 - arm))
    n_c = k - n_t
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = straight(np.r_[0, y_t / n_t - y_c / n_c])
        qini = straight(np.r_[0, y_t - y_c * n_t / n_c])
    return (lift * np.r_[0, k]).mean(), qini.mean() - qini[-1] / 2


def over_orders(score, y, arm):
    """The mean of `theirs` over every order of the ties."""
    ties = [np.flatnonzero(score == s) for s in np.unique(score)[::-1]]
    every = product(*(permutations(tie) for tie in ties))
    rows = [np.concatenate(order).astype(int) for order in every]
    return np.mean([theirs(y[order], arm[order]) for order in rows], axis=0)


def ours(score, y, arm, weight=None):
    rows = evaluation_data(y, cell=arm, propensity=[0.5, 0.5], weight=weight)
    ranking = rank_by_score(score, rows)
    return [auuc_causalml_raw.value(ranking), qini_causalml_raw.value(ranking)]


TRIALS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(-5, 5, width=16)),
    min_size=2,
    max_size=7,
)


@given(TRIALS)
@settings(max_examples=150, deadline=None)
def test_it_is_the_mean_over_every_order(trial):
    score, arm, y = (np.asarray(part) for part in zip(*trial, strict=True))
    assume(0 < arm.sum() < len(arm))
    assert ours(score.astype(float), y, arm) == pytest.approx(
        over_orders(score, y, arm), rel=1e-9, abs=1e-9
    )


@given(TRIALS, st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_a_whole_weight_is_that_many_equal_rows(trial, seed):
    score, arm, y = (np.asarray(part) for part in zip(*trial, strict=True))
    assume(0 < arm.sum() < len(arm))
    weight = np.random.default_rng(seed).integers(1, 4, len(y))
    weight[0] = 1  # weights count in the least of them
    copies = np.repeat(np.arange(len(y)), weight)
    assert ours(score.astype(float), y, arm, weight) == pytest.approx(
        ours(score[copies].astype(float), y[copies], arm[copies]), rel=1e-9, abs=1e-9
    )


def test_one_tie_of_all_rows_is_a_straight_line_but_for_its_start():
    rng = np.random.default_rng(0)
    arm = rng.integers(0, 2, 4000)
    y = (rng.random(4000) < 0.2 + 0.1 * arm).astype(float)
    rows = evaluation_data(y, cell=arm, propensity=[0.5, 0.5])
    assert auuc_causalml.value(rank_by_score(np.zeros(4000), rows)) == pytest.approx(0.5, abs=1e-3)


def test_large_ties_agree_with_orders_by_lot():
    """Of 400 lots; 4 standard errors of their mean."""
    rng = np.random.default_rng(1)
    arm, score = rng.integers(0, 2, 500), rng.integers(0, 3, 500).astype(float)
    y = score + arm * (1 + score) + rng.normal(size=500)
    lots = []
    for _ in range(400):
        order = np.lexsort((rng.random(500), -score))
        lots.append(theirs(y[order], arm[order]))
    error = np.std(lots, axis=0) / 20
    assert (np.abs(np.mean(lots, axis=0) - ours(score, y, arm)) < 4 * error).all()


def test_weights_that_are_not_whole_lie_between_those_that_are():
    rng = np.random.default_rng(2)
    arm, score = rng.integers(0, 2, 300), rng.integers(0, 4, 300).astype(float)
    y = score * arm + rng.normal(size=300)
    even, near = ours(score, y, arm), ours(score, y, arm, np.full(300, 1 + 1e-9))
    assert near == pytest.approx(even, rel=0.02)


@pytest.mark.parametrize(("hits", "misses", "base"), [(3, 5, 1), (40, 60, 2), (0, 5, 2)])
def test_the_mean_inverse_is_that_of_the_distribution(hits, misses, base):
    for drawn in range(1, hits + misses + 1):
        a = np.arange(drawn + 1)
        p = hypergeom(hits + misses, hits, drawn).pmf(a)
        assert mean_inverse(base, hits, misses, drawn) == pytest.approx(
            (p / (base + a)).sum(), rel=1e-12
        )


def test_the_expansion_joins_the_sum():
    """At the size where the expansion takes over both agree to 1e-11."""
    a = np.arange(29_000, 31_000)
    p = hypergeom(100_000, 60_000, 50_000).pmf(a)
    assert mean_inverse(20_000.0, 60_000.0, 40_000.0, 50_000.0) == pytest.approx(
        (p / (20_000 + a)).sum() / p.sum(), rel=1e-11
    )


@given(TRIALS)
@settings(max_examples=50, deadline=None)
def test_the_metrics_of_sklift_do_not_hang_on_the_order_of_ties(trial):
    both = [(0, 0, 1.0), (1, 0, 0.0), (1, 1, 1.0), (2, 1, 0.0)]  # responders and others in each arm
    score, arm, y = (np.asarray(part) for part in zip(*trial, *both, strict=True))
    y = (y > 0).astype(float)
    back = slice(None, None, -1)
    values = []
    for rows in (slice(None), back):
        data = evaluation_data(y[rows], cell=arm[rows], propensity=[0.5, 0.5])
        ranking = rank_by_score(score[rows].astype(float), data)
        values.append([metric.value(ranking) for metric in (qini_sklift, auuc_sklift)])
    assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)
