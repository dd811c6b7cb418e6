"""Judging effects and policies on rows of an experiment: pure functions on arrays, every claim with
its interval.

A ranking metric is one object and one line in `METRICS`.
"""

from typing import TYPE_CHECKING, Any

from equipoise.core.deprecation import warn_renamed
from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.core.estimates import Estimate as Estimate
    from equipoise.core.estimates import Estimates as Estimates
    from equipoise.core.labelled_rows import OneClassWarning as OneClassWarning
    from equipoise.evaluation.against_truth import pehe as pehe
    from equipoise.evaluation.against_truth import regret as regret
    from equipoise.evaluation.against_truth import true_value as true_value
    from equipoise.evaluation.arms_by_metrics import TableRow as TableRow
    from equipoise.evaluation.arms_by_metrics import ranking_table as ranking_table
    from equipoise.evaluation.average import AverageEffects as AverageEffects
    from equipoise.evaluation.average import average_effects as average_effects
    from equipoise.evaluation.average import effects_on_treated as effects_on_treated
    from equipoise.evaluation.base import METRICS as METRICS
    from equipoise.evaluation.base import mean_estimates as mean_estimates
    from equipoise.evaluation.baselines import constant_policy as constant_policy
    from equipoise.evaluation.baselines import random_at_equal_spend as random_at_equal_spend
    from equipoise.evaluation.baselines import top_share as top_share
    from equipoise.evaluation.bounds import StrataBounds as StrataBounds
    from equipoise.evaluation.bounds import strata_bounds as strata_bounds
    from equipoise.evaluation.bounds import utility_bounds as utility_bounds
    from equipoise.evaluation.calibration import EffectGroup as EffectGroup
    from equipoise.evaluation.calibration import LinearPredictor as LinearPredictor
    from equipoise.evaluation.calibration import best_linear_predictor as best_linear_predictor
    from equipoise.evaluation.calibration import calibration_deciles as calibration_deciles
    from equipoise.evaluation.compare import Comparison as Comparison
    from equipoise.evaluation.compare import compare_policies as compare_policies
    from equipoise.evaluation.compare import compare_rankings as compare_rankings
    from equipoise.evaluation.cost_curves import CostCurve as CostCurve
    from equipoise.evaluation.cost_curves import cost_curve as cost_curve
    from equipoise.evaluation.curves import Curve as Curve
    from equipoise.evaluation.curves import gain_curve as gain_curve
    from equipoise.evaluation.curves import toc_curve as toc_curve
    from equipoise.evaluation.data import EvaluationData as EvaluationData
    from equipoise.evaluation.data import evaluation_data as evaluation_data
    from equipoise.evaluation.effect_losses import EffectLoss as EffectLoss
    from equipoise.evaluation.effect_losses import effect_loss as effect_loss
    from equipoise.evaluation.multiplicity import holm as holm
    from equipoise.evaluation.off_policy import PolicyValue as PolicyValue
    from equipoise.evaluation.off_policy import dr as dr
    from equipoise.evaluation.off_policy import ips as ips
    from equipoise.evaluation.off_policy import policy_value as policy_value
    from equipoise.evaluation.off_policy import snips as snips
    from equipoise.evaluation.one_call import ate as ate
    from equipoise.evaluation.one_call import autoc_estimate as autoc_estimate
    from equipoise.evaluation.one_call import autoc_score as autoc_score
    from equipoise.evaluation.one_call import auuc_score as auuc_score
    from equipoise.evaluation.one_call import policy_value_estimate as policy_value_estimate
    from equipoise.evaluation.one_call import policy_value_score as policy_value_score
    from equipoise.evaluation.one_call import qini_estimate as qini_estimate
    from equipoise.evaluation.one_call import qini_score as qini_score
    from equipoise.evaluation.one_call import uplift_at_k as uplift_at_k
    from equipoise.evaluation.other_libraries import auuc_causalml as auuc_causalml
    from equipoise.evaluation.other_libraries import auuc_causalml_raw as auuc_causalml_raw
    from equipoise.evaluation.other_libraries import auuc_sklift as auuc_sklift
    from equipoise.evaluation.other_libraries import qini_causalml as qini_causalml
    from equipoise.evaluation.other_libraries import qini_causalml_raw as qini_causalml_raw
    from equipoise.evaluation.other_libraries import qini_sklift as qini_sklift
    from equipoise.evaluation.over_time import EffectsOverTime as EffectsOverTime
    from equipoise.evaluation.over_time import effects_over_time as effects_over_time
    from equipoise.evaluation.ranking.front import hypervolume as hypervolume
    from equipoise.evaluation.ranking.front import pareto_front as pareto_front
    from equipoise.evaluation.ranking.fronts import front_hypervolumes as front_hypervolumes
    from equipoise.evaluation.ranking.measures import GroupMean as GroupMean
    from equipoise.evaluation.ranking.measures import auc as auc
    from equipoise.evaluation.ranking.measures import gauc as gauc
    from equipoise.evaluation.ranking.measures import ndcg_at_k as ndcg_at_k
    from equipoise.evaluation.ranking.methods_by_objectives import Measure as Measure
    from equipoise.evaluation.ranking.methods_by_objectives import RankingMetrics as RankingMetrics
    from equipoise.evaluation.ranking.methods_by_objectives import (
        ranking_metrics as ranking_metrics,
    )
    from equipoise.evaluation.resampling import bootstrap as bootstrap
    from equipoise.evaluation.responses import ResponseTable as ResponseTable
    from equipoise.evaluation.responses import response_table as response_table
    from equipoise.evaluation.score_ranking import Metric as Metric
    from equipoise.evaluation.score_ranking import ScoreRanking as ScoreRanking
    from equipoise.evaluation.score_ranking import rank_by_score as rank_by_score
    from equipoise.evaluation.segments import SegmentEffects as SegmentEffects
    from equipoise.evaluation.segments import segment_effects as segment_effects
    from equipoise.evaluation.sensitivity import msm_strata as msm_strata
    from equipoise.evaluation.sensitivity import with_direct_gain as with_direct_gain
    from equipoise.evaluation.sensitivity import with_harm as with_harm
    from equipoise.evaluation.shift import ShiftValue as ShiftValue
    from equipoise.evaluation.shift import shift_value as shift_value
    from equipoise.evaluation.slates import slate_value as slate_value
    from equipoise.evaluation.small_weights import ShrunkDR as ShrunkDR
    from equipoise.evaluation.small_weights import SwitchDR as SwitchDR
    from equipoise.evaluation.small_weights import dm as dm
    from equipoise.evaluation.small_weights import sndr as sndr
    from equipoise.evaluation.sorting import RankedScores as RankedScores
    from equipoise.evaluation.sorting import sort_scores as sort_scores
    from equipoise.evaluation.strata import Audience as Audience
    from equipoise.evaluation.strata import OfferValue as OfferValue
    from equipoise.evaluation.strata import audience as audience
    from equipoise.evaluation.strata import offer_curve as offer_curve
    from equipoise.evaluation.strata import offer_value as offer_value
    from equipoise.evaluation.strata import reward_by_segment as reward_by_segment
    from equipoise.evaluation.unit_selection import UnitBenefit as UnitBenefit
    from equipoise.evaluation.unit_selection import unit_benefit as unit_benefit
    from equipoise.evaluation.unmeasured import FeatureStrength as FeatureStrength
    from equipoise.evaluation.unmeasured import HiddenBias as HiddenBias
    from equipoise.evaluation.unmeasured import feature_strengths as feature_strengths
    from equipoise.evaluation.unmeasured import hidden_bias as hidden_bias
    from equipoise.evaluation.uplift import autoc as autoc
    from equipoise.evaluation.uplift import auuc as auuc
    from equipoise.evaluation.uplift import qini as qini
    from equipoise.evaluation.uplift import qini_rate as qini_rate
    from equipoise.learners.two_sample import TwoSampleTest as TwoSampleTest
    from equipoise.learners.two_sample import two_sample_test as two_sample_test

FILES = {
    "average": ("AverageEffects", "average_effects", "effects_on_treated"),
    "base": ("METRICS", "mean_estimates"),
    "bounds": ("StrataBounds", "strata_bounds", "utility_bounds"),
    "ranking.front": ("hypervolume", "pareto_front"),
    "ranking.fronts": ("front_hypervolumes",),
    "ranking.measures": ("GroupMean", "auc", "gauc", "ndcg_at_k"),
    "ranking.methods_by_objectives": ("Measure", "RankingMetrics", "ranking_metrics"),
    "resampling": ("bootstrap",),
    "calibration": (
        "EffectGroup",
        "LinearPredictor",
        "best_linear_predictor",
        "calibration_deciles",
    ),
    "compare": ("Comparison", "compare_policies", "compare_rankings"),
    "unmeasured": ("FeatureStrength", "HiddenBias", "feature_strengths", "hidden_bias"),
    "multiplicity": ("holm",),
    "one_call": (
        "ate",
        "autoc_estimate",
        "autoc_score",
        "auuc_score",
        "policy_value_estimate",
        "policy_value_score",
        "qini_estimate",
        "qini_score",
        "uplift_at_k",
    ),
    "other_libraries": (
        "auuc_causalml",
        "auuc_causalml_raw",
        "auuc_sklift",
        "qini_causalml",
        "qini_causalml_raw",
        "qini_sklift",
    ),
    "cost_curves": ("CostCurve", "cost_curve"),
    "curves": ("Curve", "gain_curve", "toc_curve"),
    "data": ("EvaluationData", "evaluation_data"),
    "sorting": ("RankedScores", "sort_scores"),
    "effect_losses": ("EffectLoss", "effect_loss"),
    "slates": ("slate_value",),
    "small_weights": ("ShrunkDR", "SwitchDR", "dm", "sndr"),
    "off_policy": ("PolicyValue", "dr", "ips", "policy_value", "snips"),
    "over_time": ("EffectsOverTime", "effects_over_time"),
    "responses": ("ResponseTable", "response_table"),
    "score_ranking": ("Metric", "ScoreRanking", "rank_by_score"),
    "baselines": ("constant_policy", "random_at_equal_spend", "top_share"),
    "segments": ("SegmentEffects", "segment_effects"),
    "sensitivity": ("msm_strata", "with_direct_gain", "with_harm"),
    "shift": ("ShiftValue", "shift_value"),
    "strata": (
        "Audience",
        "OfferValue",
        "audience",
        "offer_curve",
        "offer_value",
        "reward_by_segment",
    ),
    "arms_by_metrics": ("TableRow", "ranking_table"),
    "against_truth": ("pehe", "regret", "true_value"),
    "unit_selection": ("UnitBenefit", "unit_benefit"),
    "uplift": ("autoc", "auuc", "qini", "qini_rate"),
}
NAMES = {name: f"{__name__}.{file}" for file, names in FILES.items() for name in names}
NAMES |= dict.fromkeys(("Estimate", "Estimates"), "equipoise.core.estimates")
NAMES["OneClassWarning"] = "equipoise.core.labelled_rows"
NAMES |= dict.fromkeys(("TwoSampleTest", "two_sample_test"), "equipoise.learners.two_sample")
_load, __dir__ = lazy(__name__, NAMES)
__all__ = list(NAMES)
# Names of version 0.1.
OLD_NAMES = {
    "Evidence": "EvaluationData",
    "Ranking": "ScoreRanking",
    "everybody": "constant_policy",
    "observe": "evaluation_data",
    "rank": "rank_by_score",
}


def __getattr__(name: str) -> Any:
    """A public name on first use (PEP 562); an old one with a warning that says the new one."""
    if name in OLD_NAMES:
        warn_renamed(f"{__name__}.{name}", f"{__name__}.{OLD_NAMES[name]}")
    return _load(OLD_NAMES.get(name, name))
