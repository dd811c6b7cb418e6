"""A promotion of .15 a send and 10 a sale, where most are not worth a send: money decides."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from equipoise.allocation import decide, floor
from equipoise.artifacts.rebudget import rebudget_units
from equipoise.core.effects import Effects
from equipoise.core.log import Log, Outcome, Roles
from equipoise.estimators import BoostedTrees, DRLearner
from equipoise.pipeline.plan.money import CostWarning
from equipoise.pipeline.study import policy as policy_module
from equipoise.pipeline.study.cross_fit import cross_fit_effects
from equipoise.pipeline.study.honest import honest_policy
from equipoise.report.verdict import DO, verdict
from equipoise.treatments import Arms

COST, WORTH, ROWS, NEW = 0.15, 10.0, 16_000, 30_000
SALE = Outcome("sale", "binary", worth=WORTH)
FEATURES = tuple(f"x{j}" for j in range(4))
TREES = BoostedTrees(20, num_leaves=4, min_child_samples=400)


def people(n, seed, minority):
    """Features, and the true net worth of a send to each: a lift of .1 to .3 points for most, of
    4 points for a minority, on a base rate of 1 %.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    lift = np.where(X[:, 1] > minority, 0.04, 0.002 + 0.001 * np.tanh(X[:, 2]))
    return pa.table(dict(zip(FEATURES, X.T, strict=True))), 0.01 * np.exp(0.4 * X[:, 0]), lift, rng


def promotion(seed, minority):
    table, base, lift, rng = people(ROWS, seed, minority)
    sent = rng.integers(0, 2, ROWS)
    sale = (rng.random(ROWS) < base + sent * lift).astype(np.int64)
    table = table.append_column("arm", pa.array(np.where(sent, "promo", "none")))
    table = table.append_column("sale", pa.array(sale))
    return Log(table, Roles("arm", (SALE,), FEATURES, design=(0.5, 0.5)), Arms(["none", "promo"]))


def net_on_new(scorer, seed, minority):
    """The true net worth per head of what a policy sends to people nobody has seen."""
    table, _, lift, _ = people(NEW, 1000 + seed, minority)
    sent = np.asarray(scorer.assign(table)["chosen"].to_pylist()) == "promo"
    return float((sent * (WORTH * lift - COST)).mean()), float(sent.mean())


def policy_of(log, **policy):
    learner = DRLearner(outcome_model=TREES, effect_model=TREES)
    return honest_policy(log, learner, cost=COST, cv=2, **policy)


def unpriced(log):
    """The same log whose metric has no worth, as plans were until now."""
    return Log(log.table, replace(log.roles, outcomes=(replace(SALE, worth=None),)), log.space)


@pytest.mark.parametrize("minority", [0.8, 9.0])
def test_nobody_is_sent_what_does_not_pay(minority):
    """With a minority of a fifth, and with none: not priced, most get it and money is lost."""
    ours = []
    for seed in range(2):
        log = promotion(seed, minority)
        with pytest.warns(CostWarning, match="Nothing weighs the cost"):
            gross, most = net_on_new(policy_of(unpriced(log)).scorer, seed, minority)
        assert most > 0.4
        assert gross < 0
        policy = policy_of(log)
        net, _ = net_on_new(policy.scorer, seed, minority)
        assert net > gross
        ours.append(net)
        assert policy.verdict == verdict(policy.values["net"], 1 - policy.shares["none"])
        assert ("verdict", policy.verdict) in policy._lines()
        assert not (policy.verdict == DO and net < 0)
    assert np.mean(ours) > (0.01 if minority < 1 else -0.003)


def test_offers_that_do_not_pay_by_the_other_folds_are_held_back():
    """By hand: a learner that expects 3 points of everybody, where a send brings .2 points."""
    log = promotion(5, 9.0)
    n, levels = len(log), np.full((len(log), 1), 0.01)
    hopeful = Effects(np.full((n, 1, 1), 0.03), levels, ("promo",), ("sale",))
    policy = honest_policy(log, hopeful, cost=COST, cv=3)
    assert policy.shares["promo"] == 0
    assert policy.values["net"] == [0, 0, 0]
    assert np.isnan(policy.gap)
    assert decide(policy.policy, hopeful, cost=np.full((n, 1), COST)).choice.max() == -1
    held = rebudget_units(policy.policy, hopeful, np.full((n, 1), COST), {})[0]
    assert held.max() == -1
    forced = honest_policy(
        log, hopeful, cost=COST, cv=3, floors=[{"metric": "sale", "per_head": 0.01}]
    )
    assert forced.shares["promo"] > 0, "a floor forbids that nobody gets an offer"
    paying = promotion(5, -9.0)  # to everybody it brings 4 points
    assert honest_policy(paying, hopeful, cost=COST, cv=3).shares["promo"] == 1


def test_nobody_is_nobody_whatever_the_prices_were():
    """A floor's price adds to the worth of offers; held back, it adds nothing."""
    lift = np.array([0.03, 0.02, 0.01, 0.001])[:, None, None]
    effects = Effects(lift, np.full((4, 1), 0.01), ("promo",), ("sale",))
    task = policy_module.PolicyTask(
        effects,
        np.full((4, 1), COST),
        {},
        np.zeros(4, np.int64),
        "none",
        {"sale": WORTH},
        [floor("sale", 0.0152, per_head=True)],
        cost_weight=1.0,
    )
    part = policy_module.solve(task)
    assert part.policy.prices[0] > 0
    held = policy_module._nobody(task, part)
    assert held.choice.max() == task.rule(held.policy, np.arange(4)).choice.max() == -1
    assert [(row["used"], row["binding"]) for row in held.rows] == [(0.0, False)]


def test_a_fold_is_held_back_by_the_outcomes_of_the_others_alone(monkeypatch):
    """Outcomes of a fold's own rows change nothing of what it offers."""
    log = promotion(6, 0.8)
    n, seen = len(log), []
    task_of = policy_module._paying

    def paying(task, folds, parts, judge):
        own = folds[0]
        scores = judge.scores.copy()
        scores[own, 1] -= 100.0
        worse = replace(judge, scores=scores)
        seen.append(
            [
                part is model
                for part, model in zip(task_of(task, folds, parts, worse), parts, strict=True)
            ]
        )
        return task_of(task, folds, parts, judge)

    monkeypatch.setattr(policy_module, "_paying", paying)
    lift = np.where(log.table["x1"].to_numpy() > 0.8, 0.04, 0.0)[:, None, None]
    known = Effects(lift, np.full((n, 1), 0.01), ("promo",), ("sale",))
    assert honest_policy(log, known, cost=COST, cv=3).shares["promo"] > 0.1
    assert seen == [[True, False, False]]


def test_net_is_worth_less_cost_with_and_without_a_budget():
    log = promotion(3, 0.8)
    effects = cross_fit_effects(log, DRLearner(outcome_model=TREES, effect_model=TREES), cv=2)
    free = honest_policy(log, effects, cost=COST, cv=2)
    for policy in (free, honest_policy(log, effects, cost=COST, cv=2, budget=0.02)):
        value, spend, net = policy.values["sale"][0], policy.spend[0], policy.values["net"]
        assert net[0] == pytest.approx(WORTH * value - spend, abs=1e-12)
        assert policy.policy.cost_weight == 1
        assert policy.shipped["net"][0] == pytest.approx(
            WORTH * policy.shipped["sale"][0] - policy.shipped_spend[0], abs=1e-12
        )
    assert policy.demands[0]["used"] <= 0.02
    paid = np.flatnonzero(free.choice == 0)
    assert (WORTH * effects.values[paid, 0, 0] > COST).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        honest_policy(unpriced(log), effects, cost=COST, cv=2, budget=0.02)
