"""A policy with a model of its own: what a file of units gets is what the engine serves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from fixtures.served import SECOND, Purse, World

from equipoise.artifacts.costs import Costs
from equipoise.artifacts.model import Model
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.staying import Staying
from equipoise.artifacts.unit_columns import UnitColumns
from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.core.column_types import ColumnType
from equipoise.core.features import FeatureMap
from equipoise.core.policy import Demand, Policy
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.serving.config import BudgetConfig, ServeConfig
from equipoise.serving.messages import DecideRequest
from equipoise.treatments import Dose

NAMES = ("1 USD", "2 USD")


class ServedSnapshot:
    """A snapshot without known units."""

    id, store, net = "a" * 64, None, None

    def __init__(self, scorer):
        self.scorer = UnitScorer(scorer)


@pytest.fixture(scope="module")
def scorer():
    rng = np.random.default_rng(0)
    units = pa.table({"city": rng.choice(["Oslo", "Rome"], 400), "age": rng.normal(size=400)})
    features = FeatureMap().fit(units)
    dose = rng.integers(0, 3, 400).astype(float)
    oslo = units["city"].to_numpy(zero_copy_only=False) == "Oslo"
    sales = dose * np.where(oslo, 1.0, -1.0) + rng.normal(size=400)
    claimed = (rng.random(400) < 0.5) * (dose > 0)
    space = Dose(0.0, 2.0, levels=2, unit="USD")
    learner = TLearner(BoostedTrees(5, min_child_samples=5), space=space)
    learner = learner.fit(
        features.transform(units), np.column_stack([sales, claimed]), treatment=dose
    )
    metrics = tuple(learner.metrics_)
    names = space.names(space.candidates())
    policy = Policy(
        names,
        "none",
        metrics[:1],
        (1.0,),
        (Demand("budget", "cost", 1.0, kind="budget"),),
        (0.1,),
        tie_penalty=0.5,
        seed=3,
    )
    types = UnitColumns(
        {"city": ColumnType("text", "string"), "age": ColumnType("number", "double")}
    )
    costs = Costs((1.0, 2.0), metric=metrics[1])
    return Scorer(Model(features, learner), costs, policy, id="id", columns=types)


@pytest.mark.parametrize("unit", ["ann", "bob", "cid", "missing", "5"])
def test_what_a_file_gets_is_what_is_served(tmp_path, scorer, unit):
    world = World(tmp_path, live=ServedSnapshot(scorer))
    features = {"city": "Oslo", "age": 0.3}
    answer = world.decide(unit, features=features)
    row = scorer.assign({"id": [unit], **{name: [own] for name, own in features.items()}})
    assert [answer.candidate] == row["chosen"].to_pylist()
    assert max(answer.scores.values()) == pytest.approx(row["score"].to_pylist()[0], abs=0.5)
    assert 0 < answer.probability <= 1
    assert answer.amount == {"none": 0.0, NAMES[0]: 1.0, NAMES[1]: 2.0}[answer.candidate]
    world.close()


def test_what_an_offer_costs_at_most_is_reserved(tmp_path, scorer):
    config = ServeConfig(budget=BudgetConfig(total=9.0, claimed="claimed"))
    sure = replace(scorer, policy=replace(scorer.policy, tie_penalty=0.0))
    world = World(tmp_path, config, live=ServedSnapshot(sure), budget=Purse(9.0))
    amount = world.decide(features={"city": "Oslo", "age": 0.3}).amount
    assert amount > 0
    assert world.engine.budget.left == 9.0 - amount
    by_age = replace(sure, costs=replace(sure.costs, column="age"))
    world.engine.swap(live=ServedSnapshot(by_age))
    other = world.decide(features={"city": "Oslo", "age": 0.5}).amount
    assert other > 0
    assert world.engine.budget.left == 9.0 - amount - 0.5 * other
    world.close()


def test_a_unit_keeps_what_it_has_until_its_day_comes(tmp_path, scorer):
    calm = replace(scorer, staying=Staying("city", {"Oslo": 3, "Rome": 1}))
    world = World(tmp_path, live=ServedSnapshot(calm))

    def reason(city, previous):
        request = DecideRequest(unit="ann", features={"city": city, "age": 0.3}, previous=previous)
        return world.engine.decide(request, world.ns).reason

    kept = []
    for _ in range(6):
        assert reason("Oslo", None) != "cadence"
        assert reason("Rome", "none") != "cadence"
        kept.append(reason("Oslo", "none") == "cadence")
        world.ns += 86_400 * SECOND
    assert sum(kept) == 4
    assert kept[:3] == kept[3:]
    world.close()
