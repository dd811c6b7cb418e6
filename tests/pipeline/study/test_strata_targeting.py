"""Offers within caps, by hand on two folds whose signals speak against each other."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.core.strata import ALWAYS_BUYER
from equipoise.evaluation import mean_estimates
from equipoise.pipeline.plan.schema import StrataPlan
from equipoise.pipeline.study.strata_targeting import (
    NEARLY,
    _largest_harm,
    _levelled,
    best_offers,
    cap_uses,
    judged,
    moves_by_score,
    moves_of_plan,
)
from equipoise.pipeline.study.swaps import Swaps

N = 8
FOLD = np.repeat([0, 1], N // 2)
REWARD = np.array([0.0, 0.0, 0.0, 1.0, -0.4])


def study(signal=None, strata=None, weight=None, groups=None, **caps) -> SimpleNamespace:
    """Two folds of four rows: half coupon buyers, a fifth always-buyers, by the model.   signal:
    (n,), of an always-buyer.
    """
    if strata is None:
        strata = np.tile([0.3, 0.0, 0.0, 0.5, 0.2], (N, 1))
    signals = np.zeros((N, 5))
    signals[:, ALWAYS_BUYER] = strata[:, ALWAYS_BUYER] if signal is None else signal
    plan = StrataPlan(value=1.0, cost=0.4, **caps)
    log = SimpleNamespace(weight=weight, groups=groups, order=np.arange(N))
    case = SimpleNamespace(plan=plan, reward=REWARD, log=log)
    return SimpleNamespace(case=case, fold=FOLD, strata=strata, signals=signals)


def rows(fold: int) -> np.ndarray:
    return np.flatnonzero(fold == FOLD)


def test_a_fold_is_levelled_on_the_others_alone():
    """Fold 0 saw no always-buyer and fold 1 nothing else: so rows of fold 0 are told 1, of fold 1
    told 0.
    """
    strata_study = study(signal=1.0 * (FOLD == 1))
    np.testing.assert_allclose(_levelled(strata_study, rows(0)), 1.0)
    np.testing.assert_allclose(_levelled(strata_study, rows(1)), 0.0, atol=1e-12)


def test_the_level_is_a_weighted_mean_where_predictions_are_all_alike():
    signal = np.array([0.1, 0.3, 0.5, 0.7, 0, 0, 0, 0])
    weight = np.array([1.0, 2.0, 3.0, 4.0, 9, 9, 9, 9])
    level = _levelled(study(signal, weight=weight), rows(1))
    np.testing.assert_allclose(level, (0.1 + 0.6 + 1.5 + 2.8) / 10)


def test_the_level_is_linear_in_the_prediction_and_the_reward():
    rng = np.random.default_rng(0)
    strata = rng.dirichlet([2, 1, 1, 3, 2], N)
    signal = 0.05 + 0.8 * strata[:, ALWAYS_BUYER] + 0.1 * (strata @ REWARD)
    level = _levelled(study(signal, strata), rows(0))
    np.testing.assert_allclose(level, signal[rows(0)], atol=1e-9)


def test_a_level_is_a_probability():
    strata_study = study(signal=np.where(FOLD == 0, 1.7, -0.4))
    assert (_levelled(strata_study, rows(0)) == 0).all()
    assert (_levelled(strata_study, rows(1)) == 1).all()


def test_a_cap_keeps_offers_from_the_fold_that_the_others_speak_against():
    strata_study = study(signal=1.0 * (FOLD == 1), always_buyers=0.5)
    chance = best_offers(strata_study, 1.0)
    assert (chance[rows(0)] == 0).all(), "fold 1 says that they all buy anyway"
    assert (chance[rows(1)] == 1).all()


def test_the_budget_of_offers_is_that_of_each_fold_under_a_cap():
    rng = np.random.default_rng(1)
    strata = rng.dirichlet([1, 1, 1, 6, 1], N)
    chance = best_offers(study(strata=strata, always_buyers=0.9), 0.5)
    score = strata @ REWARD
    for fold in (0, 1):
        inside = rows(fold)
        best = inside[np.argsort(-score[inside])[:2]]
        assert set(np.flatnonzero(chance)) & set(inside) == set(best)


def test_a_cap_on_harm_counts_the_largest_harm_a_head():
    strata = np.tile([0.2, 0.0, 0.2, 0.4, 0.2], (N, 1))
    strata[::2] = [0.4, 0.0, 0.0, 0.4, 0.2]
    strata_study = study(strata=strata, harm=0.0)
    harm = _largest_harm(strata_study)
    chance = best_offers(strata_study, 1.0)
    assert (chance[harm > 1e-9] == 0).all()
    assert (chance[harm <= 1e-9] == 1).all()
    assert 0 < (harm > 1e-9).sum() < N


@pytest.mark.parametrize("weight", [None, np.array([1.0, 3, 1, 1, 2, 1, 1, 1])])
def test_the_use_of_a_cap_by_hand(weight):
    signal = np.array([0.2, 0.0, 0.4, 0.2, 0.1, 0.1, 0.6, 0.0])
    chance = np.array([1.0, 0, 1, 0, 1, 1, 0, 0.5])
    strata_study = study(signal, weight=weight, always_buyers=0.3)
    (use,) = cap_uses(strata_study, chance, 0.95)
    w = np.ones(N) if weight is None else weight
    level = np.where(FOLD == 0, *(w[rows(f)] @ signal[rows(f)] / w[rows(f)].sum() for f in (1, 0)))
    offered = w @ chance
    assert use["used"] == pytest.approx(w @ (chance * level) / offered)
    assert use["seen"][0] == pytest.approx(w @ (chance * signal) / offered)
    assert (use["cap"], use["bound"]) == ("always_buyers", 0.3)


def test_the_use_of_a_cap_on_harm_is_per_head():
    strata = np.random.default_rng(2).dirichlet([2, 1, 1, 3, 2], N)
    strata_study = study(strata=strata, harm=0.5)
    chance = np.arange(N) / N
    (use,) = cap_uses(strata_study, chance, 0.95)
    assert use["used"] == pytest.approx((chance * _largest_harm(strata_study)).mean())
    assert use["seen"] == []
    assert not use["binding"]


def test_a_cap_binds_from_nearly_its_bound_on():
    signal = np.full(N, 0.2)
    for bound, binds in ((0.2, True), (0.2 / NEARLY - 1e-6, True), (0.21, False)):
        (use,) = cap_uses(study(signal, always_buyers=bound), np.ones(N), 0.95)
        assert use["binding"] == binds


def test_the_interval_of_a_cap_is_that_of_groups():
    rng = np.random.default_rng(3)
    signal, groups = rng.random(N), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    chance = np.ones(N)
    (use,) = cap_uses(study(signal, groups=groups, always_buyers=0.3), chance, 0.9)
    by_group = mean_estimates(signal[:, None], weight=None, groups=groups, level=0.9)[0].interval
    alone = mean_estimates(signal[:, None], weight=None, groups=None, level=0.9)[0].interval
    assert use["seen"] == pytest.approx(by_group)
    assert abs(by_group[1] - alone[1]) > 1e-6


def test_no_offers_use_nothing():
    (use,) = cap_uses(study(always_buyers=0.3), np.zeros(N), 0.95)
    assert use["used"] == 0
    assert use["seen"] == [0, 0, 0]


def swapped(scores):
    """The study of two folds where the other fold's model gives each row another score."""
    made, other = study(signal=np.ones(N)), np.asarray(scores)
    part = SimpleNamespace(rows=np.arange(N), fold=1 - FOLD)
    made.swapped = (part,)
    return made, other


def test_what_swapped_folds_change_by_hand():
    """Each fold's two best of four get offers, the other fold's rule from its own threshold; every
    offer costs .4 by the signals.
    """
    own = np.array([4.0, 3, 2, 1, 40, 30, 20, 10])
    made, other = swapped([1.0, 50, 60, 2, 3, 2, 1, 4])
    moves = moves_by_score(made, [own, other], 0.5)
    # fold 0 by fold 1's rule, above 20: rows 1, 2; fold 1 by fold 0's, above 2: rows 4, 7
    changed = np.array([1.0, 0, -1, 0, 0, 1, 0, -1])
    np.testing.assert_allclose(moves.gains[0], -0.4 * changed)
    chance = np.array([1.0, 1, 0, 0, 1, 1, 0, 0])
    wide, plain = judged(made, chance, moves, 0.95), judged(made, chance, None, 0.95)
    added = np.var(0.4 * changed, ddof=1) / N / np.pi
    assert wide.estimate.std_error**2 == pytest.approx(plain.estimate.std_error**2 + added)
    assert wide.estimate.value == plain.estimate.value == pytest.approx(-0.2)
    assert wide.lower < plain.lower
    assert moves_by_score(SimpleNamespace(swapped=()), [own], 0.5) is None


def test_swaps_of_the_plan_are_those_of_its_rows_and_candidate():
    """The case has every other row of the log, and asks for candidate 1."""
    made = study(signal=np.ones(N))
    made.case.rows, made.case.candidate = np.arange(0, 2 * N, 2), 1
    choices = np.array([1, 1, 0, 1]), np.array([-1, 1, 1, 1])
    swaps = Swaps(2, np.array([0, 3, 4, 6]), choices, {})
    moves = moves_of_plan(made, swaps)
    assert moves.rows.tolist() == [0, 2, 3]
    np.testing.assert_allclose(moves.gains[0], [-0.4, 0.4, 0.0])
    assert moves_of_plan(made, None) is None
