"""The covariance of folds: by hand, against simulated folds, and by whole clusters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm, t
from sklearn.linear_model import LinearRegression

from equipoise.core.effective_size import effective_units
from equipoise.core.estimates import Estimate
from equipoise.data import read_log
from equipoise.estimators import TLearner
from equipoise.pipeline.study import swaps
from equipoise.pipeline.study.cross_fit import cross_fit, log_folds
from equipoise.pipeline.study.evaluator import Judge, make_judge, one_hot
from equipoise.pipeline.study.honest import honest_policy
from equipoise.pipeline.study.policy import make_policy_task, solve_folds
from equipoise.pipeline.study.swaps import (
    Swaps,
    covariance_part,
    swap_rows,
    unknown_swaps,
    widened,
)


def of(folds: int) -> Swaps:
    return Swaps(folds, None, (), {"y": 1.0})


def test_the_share_by_hand():
    assert of(2).share == pytest.approx(1 / np.pi)
    assert of(3).share == pytest.approx(3 / (2 * np.pi))


def test_without_models_half_of_all_treated_by_chance_add_1_over_pi():
    for folds in (2, 3, 10):
        assert unknown_swaps(folds, 0.5).guess == pytest.approx(1 / np.pi)
    assert unknown_swaps(3, 0.0).guess == unknown_swaps(3, 1.0).guess == 0


@pytest.mark.parametrize(("folds", "low", "high"), [(2, 0.97, 1.03), (3, 1.11, 1.19)])
def test_the_covariance_of_simulated_folds(folds, low, high):
    """Folds that judge a mean s_j = N(0, 1) each, where the others' sum is above 0.

    The one cell hangs on one number, so with 3 folds its covariance is 2 / sqrt(3) of that of rows
    which hang on data of their own; measured over 200,000 draws, ratios .995 and 1.15.
    """
    s = np.random.default_rng(0).normal(size=(200_000, folds))
    chosen = (s.sum(axis=1, keepdims=True) - s) > 0
    error = chosen * s
    both = error.sum(axis=1) ** 2 - (error**2).sum(axis=1)
    covariance = both.mean() / folds**2
    fresh = np.random.default_rng(1).normal(size=len(s))
    d = fresh * (chosen[:, 0].astype(float) - chosen[:, 1])
    assert low < covariance / (of(folds).share * d.var() / folds) < high


def test_a_metric_counts_by_what_it_shares_with_the_objective():
    """The second metric is orthogonal to the first, which is the aim; the third is twice it."""
    first, second = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    d = np.column_stack([first, second, 2 * first])
    part, df = covariance_part(d, np.array([1.0, 0, 0]), effective_units(np.ones(4)))
    assert part == pytest.approx([1 / 3, 0, 4 / 3], abs=1e-12)
    assert df.tolist() == [3, 3, 3]
    still, _ = covariance_part(np.zeros((4, 3)), np.ones(3), effective_units(np.ones(4)))
    assert still.tolist() == [0, 0, 0]


def judge_of(gain: np.ndarray, level: float = 0.95) -> Judge:
    """One candidate that is worth ``gain`` (n,) and costs nothing."""
    scores = np.stack([np.zeros(len(gain)), gain], axis=1)[:, :, None]
    return Judge(scores, np.zeros((len(gain), 2)), ("y",), None, None, level)


def test_the_interval_by_hand():
    """Two folds of 50 rows: d is the gain where the folds' rules differ, 1 / (2 theta) = 1 / pi."""
    rng = np.random.default_rng(0)
    gain, own, other = rng.normal(size=100), rng.integers(-1, 1, 100), rng.integers(-1, 1, 100)
    both = Swaps(2, np.arange(100), (own, other), {"y": 1.0})
    low, high = judge_of(gain).value(one_hot(own, 1), swaps=both)[0]["y"][1:]
    plain = np.var(gain * (own == 0), ddof=1) / 100
    added = np.var(gain * (own - other), ddof=1) / 100 / np.pi
    each = np.column_stack([gain * (own == 0), gain * (own - other)])
    _, (df_plain, df_added) = effective_units(np.ones(100)).errors(each - each.mean(axis=0))
    df = (plain + added) ** 2 / (plain**2 / df_plain + added**2 / df_added)  # Satterthwaite
    assert high - low == pytest.approx(2 * t.ppf(0.975, df) * np.sqrt(plain + added), rel=1e-9)


def test_an_estimate_is_widened_by_hand():
    """Of 120 rows 40 tell how choices change, by two swaps; 3 folds: 1 / (2 theta) = 3 / 2 pi."""
    rng = np.random.default_rng(0)
    moves, units = [rng.normal(size=40), np.zeros(40)], effective_units(np.ones(40))
    one = widened(Estimate(1.0, 0.1, 0.8, 1.2, 50.0), moves, units, 3, 120, 0.95)
    added = np.var(moves[0], ddof=1) / 40 / 2 * 3 / (2 * np.pi) * 40 / 120
    assert (one.value, one.std_error) == (1.0, pytest.approx(np.sqrt(0.01 + added)))
    reach = t.ppf(0.975, one.df) * one.std_error
    assert (one.low, one.high) == (pytest.approx(1 - reach), pytest.approx(1 + reach))


def test_standard_errors_are_the_spread_of_cross_fitted_values():
    """Rows whose gains are noise, each treated where a least-squares rule of the other folds says
    so: the values of 4,000 logs, their errors by every 20th.  Errors squared are .93 to 1.00 of the
    values' variance (seeds 0 to 9), with half or twice the share .12 less or .23 more.
    """
    n, d, folds, rng = 60, 20, 3, np.random.default_rng(0)
    fold, row = np.arange(n) % folds, np.arange(n)
    values, reaches = [], []
    for draw in range(4000):
        x, gain = rng.normal(size=(n, d)), rng.normal(size=n)
        parts = np.stack([gain[fold == f] @ x[fold == f] for f in range(folds)])
        choice = np.where(x @ (parts.sum(axis=0) - parts).T > 0, 0, -1)  # (n, folds)
        values.append(gain @ (choice[row, fold] == 0) / n)
        if draw % 20 == 0:
            seen = tuple(choice[row, (fold - step) % folds] for step in range(3))
            swapped, policy = Swaps(folds, row, seen, {"y": 1.0}), one_hot(seen[0], 1)
            # so narrow that degrees of freedom hardly count
            value, _, high = judge_of(gain, 0.1).value(policy, swaps=swapped)[0]["y"]
            reaches.append(high - value)
            assert value == pytest.approx(values[-1])
    ratio = np.square(reaches).mean() / norm.ppf(0.55) ** 2 / np.var(values)
    assert 0.88 < ratio < 1.08


def test_rows_of_a_large_log_keep_clusters_whole(monkeypatch):
    monkeypatch.setattr(swaps, "MOST_ROWS", 6)
    inside, order = np.arange(0, 20, 2), np.arange(20)[::-1]
    assert swap_rows(inside, order, 3, None).tolist() == [16, 18]
    groups = np.repeat(np.arange(5), 4)
    assert swap_rows(inside, order, 2, groups).tolist() == [12, 14, 16, 18]


def world(effect: float, seed: int, n: int = 600):
    rng = np.random.default_rng(seed)
    x, arm = rng.normal(size=n), rng.integers(0, 2, n)
    y = 99 + effect * x * arm + rng.normal(size=n)
    table = pa.table({"x": x, "arm": arm, "y": y})
    return read_log(table, treatment="arm", outcomes={"y": "amount"}, features=["x"])


def widths(effect: float) -> tuple[float, float, float]:
    """Of `honest_policy`, of the plain mean of rows, and of effects without models."""
    log, learner = world(effect, 0), TLearner(LinearRegression())
    honest = honest_policy(log, learner)
    fold = log_folds(log, 3, 0)
    fit = cross_fit(log, learner, fold)
    task, costs = make_policy_task(honest_policy_keys(), log, fit.effects, fold)
    judge = make_judge(log, fit.effects, log.observed_shares, costs, 0.95)
    solved = solve_folds(task)
    assert np.array_equal(solved.choice, honest.choice)
    plain = judge.value(one_hot(solved.choice, 1))[0]["y"]
    unknown = judge.value(one_hot(solved.choice, 1), swaps=solved.swaps)[0]["y"]
    first, second, third = (end[2] - end[1] for end in (honest.values["y"], plain, unknown))
    return first, second, third


def honest_policy_keys():
    from equipoise.pipeline.plan.schema import PolicyPlan

    return PolicyPlan()


def test_intervals_widen_where_choices_are_noise_and_not_where_effects_are_clear():
    """Without effects 1.19 times (seed 0), at 20 a unit of x 1.00 times."""
    wide, plain, unknown = widths(0.0)
    assert 1.08 < wide / plain < 1.35
    assert unknown / plain > 1.05
    wide, plain, _ = widths(20.0)
    assert 1 <= wide / plain < 1.01


def test_a_budget_that_leaves_nobody_an_offer_leaves_nothing_to_doubt():
    """Models of other folds have prices of their own, at which nobody gets an offer either."""
    log = world(1.0, 0)
    honest = honest_policy(log, TLearner(LinearRegression()), cost=1.0, budget={"per_head": 0.0})
    assert honest.values["y"] == honest.spend == [0.0, 0.0, 0.0]
    free = honest_policy(log, TLearner(LinearRegression()), cost=1.0, budget={"per_head": 0.01})
    assert free.values["y"][1] < free.values["y"][2]
