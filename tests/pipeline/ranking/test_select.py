"""The choice: by validation rows alone, within floors, with the formula to fall back on."""

from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.pipeline.plan.ranking import RankingPlan
from equipoise.pipeline.ranking.select import Candidate, choose, keeps_floors, mean_of, tilted

NAMES = ("buy", "like")
EVEN = np.array([0.5, 0.5])


def plan_of(**keys):
    file = {"path": "log.parquet", "scores": ["p"], "objectives": list(NAMES)}
    return RankingPlan.model_validate(file | keys)


def candidate(method, buy, like, weights=EVEN):
    kind = "formula" if method == "formula" else "net"
    return Candidate(method, weights, SimpleNamespace(kind=kind), np.array([buy, like]))


FORMULA, NET = candidate("formula", 0.6, 0.6), candidate("harmonrank", 0.7, 0.55)
OTHER = candidate("balanced-bce", 0.62, 0.61)


def test_the_best_on_validation_rows_ships_whatever_the_paper_names():
    choice, reason = choose(plan_of(), [NET, OTHER, FORMULA], [], EVEN, NAMES)
    assert choice is NET
    assert reason == "harmonrank ranks the validation rows best of 3 methods."
    assert choose(plan_of(), [FORMULA, OTHER], [], EVEN, NAMES)[0] is OTHER
    like = np.array([0.0, 1.0])
    assert choose(plan_of(), [NET, OTHER, FORMULA], [], like, NAMES)[0] is OTHER


def test_a_named_method_ships_where_it_keeps_the_floors():
    plan = plan_of(method="balanced-bce")
    assert choose(plan, [OTHER, NET, FORMULA], [], EVEN, NAMES)[0] is OTHER


def test_a_floor_that_the_best_breaks_lets_other_weights_compete():
    plan = plan_of(floors=[{"objective": "like", "lose": 0.01}])
    milder = candidate("harmonrank", 0.66, 0.6, np.array([0.2, 0.8]))
    choice, reason = choose(plan, [NET, OTHER, FORMULA], [NET, milder], EVEN, NAMES)
    assert choice is milder
    assert "breaks a floor" in reason
    assert "with other weights" in reason
    assert choose(plan, [NET, FORMULA], [NET], EVEN, NAMES)[0] is FORMULA
    wide = plan_of(floors=[{"objective": "like", "lose": 0.05}])
    assert choose(wide, [NET, FORMULA], [milder], EVEN, NAMES)[0] is NET


def test_the_formula_keeps_every_floor_against_itself():
    plan = plan_of(floors=[{"objective": name, "lose": 0.0} for name in NAMES])
    assert keeps_floors(plan, FORMULA.auc, FORMULA.auc, NAMES)
    none = np.array([np.nan, 0.6])
    assert keeps_floors(plan, none, none, NAMES)


def test_means_count_what_is_known():
    assert mean_of(np.array([0.8, np.nan]), EVEN) == pytest.approx(0.8)
    assert np.isnan(mean_of(np.array([np.nan, 0.7]), np.array([1.0, 0.0])))


def test_tilted_weights_sum_to_one_and_name_every_objective_in_turn():
    settings = tilted(np.array([0.5, 0.3, 0.2]), 9)
    assert len(settings) == 9
    assert np.allclose([one.sum() for one in settings], 1)
    assert [int(np.argmax(one)) for one in settings[1:4]] == [0, 1, 2]
    assert len({tuple(one.round(6)) for one in settings}) == 9
    assert (tilted(np.array([1.0, 0.0]), 3)[2] > 0).all()
