"""The case of an incentive in a log: which rows, which claims, and what is refused before anything
is fitted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import PlanError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.strata import COUPON, cells_of
from equipoise.data import make_coupon_world, make_incentive_world
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan.schema import StrataPlan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import propensity_of
from equipoise.pipeline.study.strata import PROFIT, check_strata, learn_strata, make_case
from equipoise.treatments import Arms

ASKED = StrataPlan(value=1.0, cost=0.4)


def small_log(
    arms: tuple[str, ...] = ("none", "a", "b"), claimed: tuple[int, ...] = (0, 0, 1, 0, 1, 0)
) -> Log:
    """Six rows, two of each of three arms."""
    space = {
        "arm": ["none", "none", "a", "a", "b", "b"],
        "buys": [1, 0, 1, 0, 0, 1],
        "claims": list(claimed),
        "x": [1.0] * 6,
    }
    roles = Roles("arm", (Outcome("buys", "binary"),), ("x",), claimed="claims")
    return Log(pa.table(space), roles, Arms(arms))


def test_two_of_three_arms_by_hand():
    case = make_case(StrataPlan(value=1.0, cost=0.4, candidate="b"), small_log())
    assert case.rows.tolist() == [0, 1, 4, 5]
    assert case.candidate == 1
    assert case.log.cell_names == ("none", "b")
    assert case.sample.offered.tolist() == [0, 0, 1, 1]
    assert case.sample.claimed.tolist() == [0, 0, 1, 0]
    # 1.4 for a sale, less 0.4 where it was claimed: here nobody both claims and buys
    assert case.log.numbers(PROFIT).tolist() == [1.4, 0.0, 0.0, 1.4]
    assert case.reward.tolist() == [0.0, 0.0, 0.0, 1.0, -0.4]


def test_the_profit_is_the_schemes():
    log, _ = make_incentive_world(400, seed=1)
    case = make_case(ASKED, log)
    expected = COUPON.profit(case.sample.y, case.sample.claimed, margin=1.4, cost=0.4)
    np.testing.assert_array_equal(case.log.numbers(PROFIT), expected)


def test_five_numbers_need_no_amounts_and_make_no_profit():
    log, _ = make_incentive_world(400, seed=1)
    case = make_case(StrataPlan(reward=[0.0, 0.0, 0.0, 1.0, -1.0]), log)
    assert case.scheme is None
    assert case.log.metrics == ("bought",)
    assert case.reward.tolist() == [0.0, 0.0, 0.0, 1.0, -1.0]


def test_claims_without_an_offer_are_refused_or_not_counted():
    log = small_log(claimed=(0, 1, 1, 0, 1, 0))
    with pytest.raises(
        PlanError,
        match=(
            r"'claims' must be 0 in every row without an offer; got 1 in 1 of them at row 1; write"
        ),
    ):
        make_case(replace_plan(candidate="b"), log)
    case = make_case(replace_plan(candidate="b", claims="offered"), log)
    assert case.unoffered == 1
    assert case.sample.claimed.tolist() == [0, 0, 1, 0]


def replace_plan(**keys) -> StrataPlan:
    return StrataPlan(value=1.0, cost=0.4, **keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, r"key 'candidate' must be one of a, b; got nothing at \[strata\]"),
        ({"candidate": "c"}, r"candidate 'c' must be one of a, b"),
        (
            {"candidate": "b", "outcome": "buy"},
            r"outcome 'buy' must be one of buys; .*did you mean 'buys'",
        ),
    ],
)
def test_names_that_the_log_has_not_got(keys, said):
    with pytest.raises(PlanError, match=said):
        make_case(replace_plan(**keys), small_log())


def test_a_log_without_claims_or_without_a_purchase_is_refused():
    log, _ = make_incentive_world(400, seed=1)
    with pytest.raises(PlanError, match="must say who claimed the incentive"):
        make_case(ASKED, Log(log.table, replace(log.roles, claimed=None), log.space))
    visits, _ = make_coupon_world(400, metrics=("visits",), seed=0)
    with pytest.raises(PlanError, match="must be binary, and better when higher; got visits"):
        make_case(replace_plan(candidate="coupon-1"), visits)


def test_the_method_is_checked_before_anything_is_fitted():
    log, _ = make_incentive_world(400, seed=1)
    with pytest.raises(
        PlanError, match=r"key 'method' must be a registered strata estimator; .*did you mean 'cf-"
    ):
        make_plan(
            {"log": {"dataset": "thornton"}, "strata": {"method": "cf-dd", "value": 1, "cost": 0.4}}
        )
    plan = make_plan(
        {
            "log": {"dataset": "thornton"},
            "strata": {"params": {"cell": {}}, "value": 1, "cost": 0.4},
        }
    )
    with pytest.raises(
        PlanError,
        match=r"key 'cell' must be known; got {} at \[strata.params\]; did you mean 'cells'",
    ):
        check_strata(plan, log)
    check_strata(make_plan({"log": {"dataset": "thornton"}}), log)  # not asked: nothing to refuse


def test_what_judges_a_row_has_not_seen_its_outcome():
    """A row's purchase is turned round: its strata and uplift stay, those of other folds move."""
    log, _ = make_incentive_world(600, seed=2, confounding=0.0)
    plan = make_plan({"log": {"dataset": "thornton"}, "strata": {"value": 1, "cost": 0.4}})
    fold, half = log_folds(log, 2, 0), np.full((600, 2), 0.5)
    before = learn_strata(plan, make_case(ASKED, log), fold, half)
    bought = log.y[:, 0].copy()
    bought[fold == 0] = 1 - bought[fold == 0]
    place = log.table.column_names.index("bought")
    turned = Log(log.table.set_column(place, "bought", pa.array(bought)), log.roles, log.space)
    after = learn_strata(plan, make_case(ASKED, turned), fold, half)
    inside = fold == 0
    np.testing.assert_array_equal(before.strata[inside], after.strata[inside])
    np.testing.assert_array_equal(before.uplift.values[inside], after.uplift.values[inside])
    assert np.abs(before.strata[~inside] - after.strata[~inside]).max() > 0.1


def test_the_judge_takes_the_probability_of_the_offer():
    log, _ = make_incentive_world(600, seed=2, confounding=1.0)
    plan = make_plan({"log": {"dataset": "thornton"}, "strata": {"value": 1, "cost": 0.4}})
    strata_study = learn_strata(plan, make_case(ASKED, log), log_folds(log, 2, 0), log.propensity)
    np.testing.assert_array_equal(strata_study.propensity, log.numbers("p(offer)"))
    sample = strata_study.case.sample
    _, m0 = cells_of(strata_study.strata)
    offered = sample.offered == 1
    hand = m0 + np.where(offered, 0.0, (sample.y - m0) / (1 - log.numbers("p(offer)")))
    # never-takers + always-buyers
    np.testing.assert_allclose(
        (strata_study.signals[:, 1] + strata_study.signals[:, 4]), hand, atol=1e-12
    )


def test_level_scores_keep_the_order_within_a_fold_and_the_mean():
    log, _ = make_incentive_world(600, seed=2, confounding=0.0)
    plan = make_plan({"log": {"dataset": "thornton"}, "strata": {"value": 1, "cost": 0.4}})
    fold = log_folds(log, 3, 0)
    strata_study = learn_strata(plan, make_case(ASKED, log), fold, np.full((600, 2), 0.5))
    for f in range(3):
        np.testing.assert_allclose(
            strata_study.level_scores[fold == f].mean(axis=0),
            strata_study.scores.mean(axis=0),
            atol=1e-12,
        )
        np.testing.assert_allclose(
            np.ptp(strata_study.level_scores[fold == f], axis=0),
            np.ptp(strata_study.scores[fold == f], axis=0),
        )


def pairs_log(users: int = 60, items: int = 20, seed: int = 0) -> tuple[Log, np.ndarray]:
    """Users and items by name; a user of the first half always buys, one of the second when it
    claims.
    """
    rng = np.random.default_rng(seed)
    user, item = (
        part.ravel() for part in np.meshgrid(np.arange(users), np.arange(items), indexing="ij")
    )
    offered, always = rng.integers(0, 2, len(user)), user < users // 2
    claims = offered * (rng.random(len(user)) < 0.9)
    table = {
        "arm": np.array(["none", "offer"])[offered],
        "buys": np.where(always, 1, claims),
        "claims": claims,
        "x": rng.normal(size=len(user)),
        "user": [f"u{u}" for u in user],
        "item": item,
    }
    roles = Roles("arm", (Outcome("buys", "binary"),), ("x", "user", "item"), claimed="claims")
    return Log(pa.table(table), roles, Arms(["none", "offer"])), always


def with_ids(method: str, **keys):
    params = {"epochs": 60, "batch": 256, "cv": 2}
    table = {"method": method, "value": 1.0, "cost": 0.4, "params": params, **keys}
    return make_plan(
        {"log": {"dataset": "thornton"}, "estimator": {"name": "t-learner"}, "strata": table}
    )


@pytest.mark.parametrize("method", ["cf-mtl", "cf-mle-net"])
def test_a_net_of_ids_from_a_plan(method):
    """Over seeds 0..3 always-buyers got 0.57 to 0.78 on average, and users that buy only with the
    offer 0.05 to 0.22.
    """
    log, always = pairs_log()
    plan = with_ids(method, ids=["user", "item"])
    check_strata(plan, log)
    study = learn_strata(
        plan, make_case(plan.strata, log), log_folds(log, 2, 0), np.full((len(log), 2), 0.5)
    )
    share = study.strata[:, 4]
    assert share[always].mean() > 0.5 > 0.3 > share[~always].mean()


@pytest.mark.parametrize(
    ("method", "keys", "said"),
    [
        (
            "cf-mtl",
            {},
            (
                r"key 'ids' must be given for method 'cf-mtl', which learns an embedding an id; .*;"
                r" ids = \["
            ),
        ),
        (
            "cf-dr",
            {"ids": ["user"], "params": {}},
            r"key 'ids' must be left out for method 'cf-dr'",
        ),
        ("cf-mtl", {"ids": ["usr"]}, r"id column 'usr' must be one of .*did you mean 'user'"),
    ],
)
def test_ids_that_do_not_fit_the_method(method, keys, said):
    with pytest.raises(PlanError, match=said):
        check_strata(with_ids(method, **keys), pairs_log()[0])


def test_an_id_is_never_missing():
    log, _ = pairs_log()
    user = pa.array([None, *log.table["user"].to_pylist()[1:]])
    table = log.table.set_column(log.table.column_names.index("user"), "user", user)
    with pytest.raises(
        PlanError, match="id column 'user' must have no missing value; got none at row 0"
    ):
        check_strata(with_ids("cf-mtl", ids=["user"]), Log(table, log.roles, log.space))


@pytest.mark.parametrize("cap", [{"always_buyers": 1.2}, {"harm": -0.1}])
def test_a_cap_is_a_share(cap):
    with pytest.raises(PlanError, match=f"{next(iter(cap))}.*must be"):
        with_ids("cf-dr", params={}, **cap)


class Spy:
    """An estimator of strata that keeps what it is given, and says each row's number in fit."""

    of_ids = False
    calls: list[dict] = []

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y, **given):
        self.calls.append({"X": X, "y": y, **given})
        return self

    def scores(self, X):
        return np.tile(np.arange(5.0) + len(self.calls), (X.num_rows, 1))


def test_an_estimator_of_strata_is_given_the_other_folds_whole(monkeypatch):
    """Outcomes, offers, claims, propensities, weights and clusters of the rows outside the fold."""
    log, _ = make_incentive_world(40, seed=2)
    rng, fold = np.random.default_rng(0), np.arange(40) % 4 // 2
    table = log.table.append_column("w", pa.array(rng.random(40) + 0.5))
    table = table.append_column("user", pa.array(np.arange(40) // 2))
    log = Log(table, replace(log.roles, weight="w", group="user"), log.space)
    case, propensity = make_case(ASKED, log), rng.dirichlet([3, 3], 40)
    Spy.calls.clear()
    monkeypatch.setattr("equipoise.pipeline.study.strata.make_strata_estimator", lambda *_: Spy())
    plan = make_plan({"log": {"dataset": "thornton"}, "estimator": {"name": "t-learner"}})
    study = learn_strata(plan, case, fold, propensity)
    assert len(Spy.calls) == 2
    for f, call in enumerate(Spy.calls):
        outside = np.flatnonzero(fold != f)
        part = case.log.take(outside)
        assert call["X"].num_rows == len(outside)
        np.testing.assert_array_equal(call["y"], case.sample.y[outside])
        np.testing.assert_array_equal(call["claimed"], case.sample.claimed[outside])
        np.testing.assert_array_equal(call["treatment"], part.treatment)
        np.testing.assert_array_equal(call["propensity"], propensity[outside])
        np.testing.assert_array_equal(call["sample_weight"], part.weight)
        np.testing.assert_array_equal(call["groups"], part.groups)
        assert len(set(call["groups"])) == 10
        np.testing.assert_array_equal(study.scores[fold == f, 0], f + 1.0)
    np.testing.assert_array_equal(case.sample.rows.groups, log.groups)
    np.testing.assert_array_equal(case.sample.rows.weight, log.weight)


@pytest.mark.parametrize("method", ["cf-or", "cf-mle"])
def test_what_time_did_is_no_stratum(method):
    """A ramp-up: offers go from a tenth to a half of the rows when purchases, which no offer
    moves, go from a tenth to a half.  Unweighted, cf-or saw them move .20; weighted, at most .064.
    """
    rng = np.random.default_rng(0)
    n, late = 3000, np.arange(3000) >= 1500
    offer, buys = (rng.random(n) < np.where(late, 0.5, 0.1) for _ in range(2))
    table = {"x": rng.normal(size=n), "week": late.astype(int), "arm": offer.astype(int)}
    table |= {"buys": buys.astype(int), "claims": (offer & buys).astype(int)}
    roles = Roles("arm", (Outcome("buys", "binary"),), ("x",), claimed="claims", time="week")
    plan = make_plan(
        {"log": {"dataset": "thornton"}, "strata": {"value": 1.0, "cost": 0.4, "method": method}}
    )
    log = Log(pa.table(table), roles, Arms())
    case = make_case(StrataPlan(value=1.0, cost=0.4, method=method), log)
    study = learn_strata(plan, case, log_folds(log, 2, 0), propensity_of(log))
    level = cells_of(study.scores.mean(axis=0, keepdims=True))
    bought = level[0][0, [1, 3]].sum() - level[1][0]
    assert abs(bought) < 0.1
