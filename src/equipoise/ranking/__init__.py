"""Ensembles of base scores that rank several objectives at once.  A new one is one file and one
line here.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.registry import Registry

if TYPE_CHECKING:
    from equipoise.ranking.base import Ranker as Ranker
    from equipoise.ranking.base_scores.mmoe import MMoEScores as MMoEScores
    from equipoise.ranking.base_scores.trees import BoostedScores as BoostedScores
    from equipoise.ranking.formulas.best_single import BestSingleScore as BestSingleScore
    from equipoise.ranking.formulas.ensemble import FormulaEnsemble as FormulaEnsemble
    from equipoise.ranking.formulas.rank_fusion import RankFusion as RankFusion
    from equipoise.ranking.formulas.weighted_product import WeightedProduct as WeightedProduct
    from equipoise.ranking.formulas.weighted_sum import WeightedSum as WeightedSum
    from equipoise.ranking.nets.balanced_bce import BalancedBCE as BalancedBCE
    from equipoise.ranking.nets.harmonrank import HarmonRank as HarmonRank
    from equipoise.ranking.nets.linear_surrogate import LinearSurrogate as LinearSurrogate
    from equipoise.ranking.nets.mgda import MGDA as MGDA
    from equipoise.ranking.nets.no_cross_attention import NoCrossAttention as NoCrossAttention
    from equipoise.ranking.nets.no_gate import NoGate as NoGate
    from equipoise.ranking.nets.no_self_attention import NoSelfAttention as NoSelfAttention
    from equipoise.ranking.nets.pairwise_logistic import PairwiseLogistic as PairwiseLogistic
    from equipoise.ranking.nets.squared_hinge import SquaredHinge as SquaredHinge
    from equipoise.ranking.nets.summed_bce import SummedBCE as SummedBCE
    from equipoise.ranking.nets.upgrad import UPGrad as UPGrad
    from equipoise.ranking.serialisation import load_ranker as load_ranker
    from equipoise.ranking.serialisation import ranker_from_parts as ranker_from_parts
    from equipoise.ranking.serialisation import ranker_parts as ranker_parts
    from equipoise.ranking.serialisation import save_ranker as save_ranker

RANKERS = Registry(
    "ranker",
    {
        "best-single-score": "equipoise.ranking.formulas.best_single:BestSingleScore",
        "formula": "equipoise.ranking.formulas.ensemble:FormulaEnsemble",
        "weighted-sum": "equipoise.ranking.formulas.weighted_sum:WeightedSum",
        "weighted-product": "equipoise.ranking.formulas.weighted_product:WeightedProduct",
        "rank-fusion": "equipoise.ranking.formulas.rank_fusion:RankFusion",
        "summed-bce": "equipoise.ranking.nets.summed_bce:SummedBCE",
        "balanced-bce": "equipoise.ranking.nets.balanced_bce:BalancedBCE",
        "pairwise-logistic": "equipoise.ranking.nets.pairwise_logistic:PairwiseLogistic",
        "squared-hinge": "equipoise.ranking.nets.squared_hinge:SquaredHinge",
        "linear-surrogate": "equipoise.ranking.nets.linear_surrogate:LinearSurrogate",
        "mgda": "equipoise.ranking.nets.mgda:MGDA",
        "upgrad": "equipoise.ranking.nets.upgrad:UPGrad",
        "harmonrank": "equipoise.ranking.nets.harmonrank:HarmonRank",
        "harmonrank-no-self-attention": (
            "equipoise.ranking.nets.no_self_attention:NoSelfAttention"
        ),
        "harmonrank-no-cross-attention": (
            "equipoise.ranking.nets.no_cross_attention:NoCrossAttention"
        ),
        "harmonrank-no-gate": "equipoise.ranking.nets.no_gate:NoGate",
    },
)

SCORE_MODELS = Registry(
    "model of base scores",
    {
        "trees": "equipoise.ranking.base_scores.trees:BoostedScores",
        "mmoe": "equipoise.ranking.base_scores.mmoe:MMoEScores",
    },
)

NAMES = {
    "Ranker": "equipoise.ranking.base",
    "BoostedScores": "equipoise.ranking.base_scores.trees",
    "MMoEScores": "equipoise.ranking.base_scores.mmoe",
    "BestSingleScore": "equipoise.ranking.formulas.best_single",
    "FormulaEnsemble": "equipoise.ranking.formulas.ensemble",
    "RankFusion": "equipoise.ranking.formulas.rank_fusion",
    "WeightedProduct": "equipoise.ranking.formulas.weighted_product",
    "WeightedSum": "equipoise.ranking.formulas.weighted_sum",
    "BalancedBCE": "equipoise.ranking.nets.balanced_bce",
    "HarmonRank": "equipoise.ranking.nets.harmonrank",
    "LinearSurrogate": "equipoise.ranking.nets.linear_surrogate",
    "MGDA": "equipoise.ranking.nets.mgda",
    "NoCrossAttention": "equipoise.ranking.nets.no_cross_attention",
    "NoGate": "equipoise.ranking.nets.no_gate",
    "NoSelfAttention": "equipoise.ranking.nets.no_self_attention",
    "PairwiseLogistic": "equipoise.ranking.nets.pairwise_logistic",
    "SquaredHinge": "equipoise.ranking.nets.squared_hinge",
    "SummedBCE": "equipoise.ranking.nets.summed_bce",
    "UPGrad": "equipoise.ranking.nets.upgrad",
    "load_ranker": "equipoise.ranking.serialisation",
    "ranker_from_parts": "equipoise.ranking.serialisation",
    "ranker_parts": "equipoise.ranking.serialisation",
    "save_ranker": "equipoise.ranking.serialisation",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["RANKERS", "SCORE_MODELS", *NAMES]
