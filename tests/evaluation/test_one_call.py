"""One call: the same numbers as the long way, by hand and by brute force, from any table."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import metrics
from equipoise.core.errors import InputError
from equipoise.evaluation import (
    autoc,
    auuc,
    average_effects,
    evaluation_data,
    ips,
    policy_value,
    qini,
    qini_sklift,
    rank_by_score,
    snips,
)

RANKED = {
    qini: (metrics.qini_score, metrics.qini_estimate),
    autoc: (metrics.autoc_score, metrics.autoc_estimate),
    auuc: (metrics.auuc_score, None),
}


def sample(seed, n=60):
    """(y, uplift, treatment, weight)."""
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal(n), rng.permutation(np.arange(n) % 3 == 0).astype(int)
    return x * t + rng.standard_normal(n), x.round(1), t, rng.integers(1, 4, n).astype(float)


def by_definition(y, uplift, treatment):
    """(qini, auuc) as areas under G: every order of the ties, one loop over ranks, trapezoids."""
    n, p, areas = len(y), np.mean(treatment), []
    mean = [y[treatment == a].mean() for a in (0, 1)]
    for order in itertools.permutations(range(n)):
        if any(uplift[i] < uplift[j] for i, j in itertools.pairwise(order)):
            continue
        curve, total = [0.0], 0.0
        for i in order:
            e = p if treatment[i] else 1 - p
            miss = (y[i] - mean[treatment[i]]) / e
            total += mean[1] - mean[0] + (miss if treatment[i] else -miss)
            curve.append(total / n)
        areas.append(np.trapezoid(curve, dx=1 / n))
    return np.mean(areas) - (mean[1] - mean[0]) / 2, np.mean(areas)


@pytest.mark.parametrize("metric", RANKED, ids=lambda m: m.name)
def test_the_same_numbers_as_the_long_way(metric):
    y, uplift, t, w = sample(0)
    score, estimate = RANKED[metric]
    p = np.average(t, weights=w)
    long = rank_by_score(uplift, evaluation_data(y, cell=t, propensity=[1 - p, p], weight=w))
    assert score(y, uplift, t, sample_weight=w) == metric.value(long)
    if estimate is not None:
        assert estimate(y, uplift, t, sample_weight=w, level=0.8) == metric(long, level=0.8)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 6), st.data())
def test_agrees_with_the_definition_on_a_few_rows(n, data):
    whole = st.lists(st.integers(-3, 3), min_size=n, max_size=n)
    y, uplift = np.array(data.draw(whole), float), np.array(data.draw(whole), float)
    treated = data.draw(st.integers(1, n - 1))
    t = np.array(data.draw(st.permutations([1] * treated + [0] * (n - treated))))
    wanted = by_definition(y, uplift, t)
    assert metrics.qini_score(y, uplift, t) == pytest.approx(wanted[0], abs=1e-12)
    assert metrics.auuc_score(y, uplift, t) == pytest.approx(wanted[1], abs=1e-12)


def test_arguments_stand_in_the_order_of_scikit_uplift_and_have_its_sign():
    for name in ("qini_score", "autoc_score", "auuc_score", "uplift_at_k", "qini_estimate"):
        names = list(inspect.signature(getattr(metrics, name)).parameters)
        assert names[:3] == ["y", "uplift", "treatment"]
    y, t = np.array([1, 1, 0, 0, 0, 1, 0, 0]), np.array([1, 1, 1, 0, 0, 0, 1, 0])
    good = np.array([8, 7, 4, 6, 5, 1, 3, 2])
    for order in (good, -good):
        long = rank_by_score(order, evaluation_data(y, cell=t, propensity=[0.5, 0.5]))
        assert np.sign(metrics.qini_score(y, order, t)) == np.sign(qini_sklift.value(long)) != 0


def test_uplift_at_k_by_hand():
    y, uplift, t = [4, 1, 3, 2, 8, 0], [6, 5, 4, 3, 2, 1], [1, 0, 1, 0, 1, 0]
    assert metrics.uplift_at_k(y, uplift, t, k=0.5) == (4 + 3) / 2 - 1
    assert metrics.uplift_at_k(y, uplift, t, k=1) == metrics.ate(y, t).value == 5 - 1
    tied = [6, 5, 4, 4, 2, 1]  # half of rows 2 and 3
    assert metrics.uplift_at_k(y, tied, t, k=0.5) == pytest.approx(
        (4 + 3 / 2) / 1.5 - (1 + 2 / 2) / 1.5
    )
    e = [0.5, 0.5, 0.25, 0.5, 0.5, 0.5]  # of being treated
    assert metrics.uplift_at_k(y, uplift, t, k=0.5, propensity=e) == pytest.approx(
        (4 * 2 + 3 * 4) / 6 - 1
    )


def test_uplift_at_k_takes_weights_as_rows_repeated():
    y, uplift, t, w = sample(1)
    again = np.repeat(np.arange(len(y)), w.astype(int))
    assert metrics.uplift_at_k(y, uplift, t, k=0.4, sample_weight=w) == pytest.approx(
        metrics.uplift_at_k(y[again], uplift[again], t[again], k=0.4)
    )


def test_ate_is_the_difference_of_means_with_its_interval():
    y, _, t, _ = sample(2)
    effect = metrics.ate(y, t, level=0.9)
    assert effect.value == pytest.approx(y[t == 1].mean() - y[t == 0].mean())
    long = evaluation_data(y, cell=t, propensity=[1 - t.mean(), t.mean()])
    assert effect == average_effects(long, level=0.9).effect[0, 0]
    clustered = metrics.ate(y, t, groups=np.arange(len(y)) // 6)
    assert clustered.value == effect.value
    assert clustered.std_error != effect.std_error


@pytest.mark.parametrize("method", [ips, snips])
def test_policy_value_is_that_of_the_long_way(method):
    y, _, t, w = sample(3)
    policy = np.linspace(0, 1, len(y))
    p = np.average(t, weights=w)
    rows = evaluation_data(y, cell=t, propensity=[1 - p, p], weight=w)
    long = policy_value(np.column_stack([1 - policy, policy]), rows, method=method).estimates[0]
    how = {"sample_weight": w, "method": method}
    assert metrics.policy_value_score(y, policy, t, **how) == long.value
    assert metrics.policy_value_estimate(y, policy, t, **how) == long


def test_treating_all_less_treating_none_is_the_average_effect():
    y, _, t, _ = sample(4)
    whole = metrics.policy_value_score(y, np.ones(60), t)
    assert whole - metrics.policy_value_score(y, np.zeros(60), t) == pytest.approx(
        metrics.ate(y, t).value
    )


def test_any_table_and_any_form_of_the_propensity():
    y, uplift, t, w = sample(5)
    wanted = metrics.qini_score(y, uplift, t, sample_weight=w, propensity=0.3)
    frame = pd.DataFrame({"y": y, "u": uplift, "t": t, "w": w}, index=np.arange(60)[::-1])
    other = pl.DataFrame({"y": y, "u": uplift, "t": t.astype(bool), "w": w})
    for table in (frame, other):
        values = [table[name] for name in "yut"]
        assert metrics.qini_score(*values, sample_weight=table["w"], propensity=0.3) == wanted
        columns = [table[[name]] for name in "yut"]
        assert metrics.qini_score(*columns, sample_weight=w.tolist(), propensity=0.3) == wanted
    for e in (np.full(60, 0.3), np.full((60, 1), 0.3), np.tile([0.7, 0.3], (60, 1))):
        got = metrics.qini_score(y, uplift, t, sample_weight=w, propensity=e)
        assert got == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"treatment": [0, 1, 2, 1]}, "treatment must be 0 or 1; got 2.0 at row 2"),
        ({"treatment": [1, 1, 1, 1]}, "treatment must hold both 0 and 1; got only 1"),
        ({"treatment": [1, 0, 1]}, r"treatment must have one label per row of y \(4\); got 3"),
        ({"treatment": ["a", "b", "a", "b"]}, "treatment must be numbers"),
        ({"uplift": [1, 2, np.nan, 3]}, "score must be a number; got nan at row 2"),
        ({"uplift": [[1, 2], [3, 4]]}, "uplift must be one number per row"),
        ({"y": []}, "y must be one number per row, at least one row"),
        ({"sample_weight": [1, 2]}, r"sample_weight must be one number per row, \(4,\)"),
        (
            {"sample_weight": [1, 2, -1, 2]},
            "sample_weight must be a finite number > 0; got -1.0 at row 2",
        ),
        ({"propensity": 0.0}, "propensity must lie strictly between 0 and 1"),
        ({"propensity": [0.5, 0.5]}, r"propensity must have shape \(4, K\) or \(K,\)"),
    ],
)
def test_what_is_refused(change, message):
    arguments = {"y": [1, 2, 3, 4], "uplift": [1, 2, 3, 4], "treatment": [0, 1, 0, 1]} | change
    with pytest.raises(InputError, match=message):
        metrics.qini_score(**arguments)


@pytest.mark.parametrize("k", [0, 1.2, np.nan])
def test_a_share_that_is_none_is_refused(k):
    with pytest.raises(InputError, match="k must be a share"):
        metrics.uplift_at_k([1, 2], [1, 2], [0, 1], k=k)


def test_old_names_work_with_a_warning():
    from equipoise import evaluation

    for old, new in evaluation.OLD_NAMES.items():
        with pytest.warns(FutureWarning, match=rf"evaluation\.{old} is called .*\.{new} since"):
            assert getattr(evaluation, old) is getattr(evaluation, new)
