"""Allocation: who gets what within budgets, caps, floors and fair shares; and the rule that decides
alike offline and online.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.registry import Registry

if TYPE_CHECKING:
    from equipoise.allocation.budgeted import budgeted_policy as budgeted_policy
    from equipoise.allocation.compiled_rule import CompiledRule as CompiledRule
    from equipoise.allocation.compiled_rule import compile_rule as compile_rule
    from equipoise.allocation.constraints import budget as budget
    from equipoise.allocation.constraints import cap as cap
    from equipoise.allocation.constraints import ceiling as ceiling
    from equipoise.allocation.constraints import constraint_from_json as constraint_from_json
    from equipoise.allocation.constraints import floor as floor
    from equipoise.allocation.constraints import group_budget as group_budget
    from equipoise.allocation.constraints import offers as offers
    from equipoise.allocation.constraints import parity as parity
    from equipoise.allocation.ddm import Guard as Guard
    from equipoise.allocation.ddm import choose_sigma as choose_sigma
    from equipoise.allocation.ddm import ddm_policy as ddm_policy
    from equipoise.allocation.ddm import switched_on as switched_on
    from equipoise.allocation.ddm import trade_off as trade_off
    from equipoise.allocation.explore import Explorer as Explorer
    from equipoise.allocation.explore import Point as Point
    from equipoise.allocation.explore import UnitScores as UnitScores
    from equipoise.allocation.offer_threshold import OfferPolicy as OfferPolicy
    from equipoise.allocation.offer_threshold import offer_effects as offer_effects
    from equipoise.allocation.offer_threshold import offer_policy as offer_policy
    from equipoise.allocation.parts import UnitPart as UnitPart
    from equipoise.allocation.parts import unit_part as unit_part
    from equipoise.allocation.records import decision_of as decision_of
    from equipoise.allocation.records import replay as replay
    from equipoise.allocation.rule import Decisions as Decisions
    from equipoise.allocation.rule import decide as decide
    from equipoise.allocation.rule import decide_each as decide_each
    from equipoise.allocation.rule import scores as scores
    from equipoise.allocation.rules.demands import Demands as Demands
    from equipoise.allocation.rules.scorecard import Scorecard as Scorecard
    from equipoise.allocation.rules.tree import PolicyTree as PolicyTree
    from equipoise.allocation.share_allocation import MixDemand as MixDemand
    from equipoise.allocation.share_allocation import MixProblem as MixProblem
    from equipoise.allocation.share_allocation import best_mixes as best_mixes
    from equipoise.allocation.solve import Allocation as Allocation
    from equipoise.allocation.solve import allocate as allocate
    from equipoise.allocation.switching import Churn as Churn
    from equipoise.allocation.switching import Keep as Keep
    from equipoise.allocation.switching import churn as churn
    from equipoise.allocation.switching import expected_cost as expected_cost

POLICIES = Registry(
    "policy",
    {
        "budgeted": "equipoise.allocation.policies:budgeted",
        "argmax": "equipoise.allocation.policies:argmax",
        "threshold": "equipoise.allocation.policies:threshold",
        "single": "equipoise.allocation.policies:single",
        "random": "equipoise.allocation.policies:random",
        "none": "equipoise.allocation.policies:none",
    },
)

RULES = Registry(
    "kind of rule",
    {
        "tree": "equipoise.allocation.rules.tree:PolicyTree",
        "scorecard": "equipoise.allocation.rules.scorecard:Scorecard",
    },
)

NAMES = {
    "Allocation": "equipoise.allocation.solve",
    "Guard": "equipoise.allocation.ddm",
    "choose_sigma": "equipoise.allocation.ddm",
    "ddm_policy": "equipoise.allocation.ddm",
    "switched_on": "equipoise.allocation.ddm",
    "trade_off": "equipoise.allocation.ddm",
    "Churn": "equipoise.allocation.switching",
    "CompiledRule": "equipoise.allocation.compiled_rule",
    "MixDemand": "equipoise.allocation.share_allocation",
    "MixProblem": "equipoise.allocation.share_allocation",
    "best_mixes": "equipoise.allocation.share_allocation",
    "Decisions": "equipoise.allocation.rule",
    "Demands": "equipoise.allocation.rules.demands",
    "Explorer": "equipoise.allocation.explore",
    "Keep": "equipoise.allocation.switching",
    "OfferPolicy": "equipoise.allocation.offer_threshold",
    "Point": "equipoise.allocation.explore",
    "PolicyTree": "equipoise.allocation.rules.tree",
    "Scorecard": "equipoise.allocation.rules.scorecard",
    "UnitPart": "equipoise.allocation.parts",
    "UnitScores": "equipoise.allocation.explore",
    "allocate": "equipoise.allocation.solve",
    "budget": "equipoise.allocation.constraints",
    "budgeted_policy": "equipoise.allocation.budgeted",
    "cap": "equipoise.allocation.constraints",
    "ceiling": "equipoise.allocation.constraints",
    "churn": "equipoise.allocation.switching",
    "compile_rule": "equipoise.allocation.compiled_rule",
    "constraint_from_json": "equipoise.allocation.constraints",
    "decide": "equipoise.allocation.rule",
    "decide_each": "equipoise.allocation.rule",
    "decision_of": "equipoise.allocation.records",
    "expected_cost": "equipoise.allocation.switching",
    "floor": "equipoise.allocation.constraints",
    "group_budget": "equipoise.allocation.constraints",
    "offer_effects": "equipoise.allocation.offer_threshold",
    "offer_policy": "equipoise.allocation.offer_threshold",
    "offers": "equipoise.allocation.constraints",
    "parity": "equipoise.allocation.constraints",
    "replay": "equipoise.allocation.records",
    "scores": "equipoise.allocation.rule",
    "unit_part": "equipoise.allocation.parts",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["POLICIES", "RULES", *NAMES]
