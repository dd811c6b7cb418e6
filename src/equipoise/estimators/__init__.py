"""Estimators of the effect of every candidate on every metric.  A new one is one file and one line
here.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.registry import Registry

if TYPE_CHECKING:
    from equipoise.estimators.base import EffectEstimator as EffectEstimator
    from equipoise.estimators.bootstrap import bootstrap_effects as bootstrap_effects
    from equipoise.estimators.bootstrap import bootstrap_interval as bootstrap_interval
    from equipoise.estimators.bootstrapped import Bootstrapped as Bootstrapped
    from equipoise.estimators.clusters import Clusters as Clusters
    from equipoise.estimators.deep.base import NetTraining as NetTraining
    from equipoise.estimators.deep.bnn import BNN as BNN
    from equipoise.estimators.deep.cevae import CEVAE as CEVAE
    from equipoise.estimators.deep.cfrnet import CFRNet as CFRNet
    from equipoise.estimators.deep.cpm import CPM as CPM
    from equipoise.estimators.deep.descn import DESCN as DESCN
    from equipoise.estimators.deep.dose import ExtrapolationWarning as ExtrapolationWarning
    from equipoise.estimators.deep.dragonnet import DragonNet as DragonNet
    from equipoise.estimators.deep.drnet import DRNet as DRNet
    from equipoise.estimators.deep.efin import EFIN as EFIN
    from equipoise.estimators.deep.euen import EUEN as EUEN
    from equipoise.estimators.deep.flextenet import FlexTENet as FlexTENet
    from equipoise.estimators.deep.ganite import GANITE as GANITE
    from equipoise.estimators.deep.hum import HUM as HUM
    from equipoise.estimators.deep.m3tn import M3TN as M3TN
    from equipoise.estimators.deep.s_learner_net import SLearnerNet as SLearnerNet
    from equipoise.estimators.deep.snet import SNet as SNet
    from equipoise.estimators.deep.t_learner_net import TLearnerNet as TLearnerNet
    from equipoise.estimators.deep.tarnet import TARNet as TARNet
    from equipoise.estimators.deep.vcnet import VCNet as VCNet
    from equipoise.estimators.deep.x_learner_net import XLearnerNet as XLearnerNet
    from equipoise.estimators.dml.curvature import Curvature as Curvature
    from equipoise.estimators.dml.curvature import CurvatureWarning as CurvatureWarning
    from equipoise.estimators.dml.linear import LinearDML as LinearDML
    from equipoise.estimators.dml.pooled import PooledDML as PooledDML
    from equipoise.estimators.dml.sparse_dml import SparseDML as SparseDML
    from equipoise.estimators.dose_response import dose_curves as dose_curves
    from equipoise.estimators.forests.causal import CausalForest as CausalForest
    from equipoise.estimators.forests.mdp2 import MDP2Forest as MDP2Forest
    from equipoise.estimators.forests.simplex import best_mix as best_mix
    from equipoise.estimators.meta.dose_s import DoseSLearner as DoseSLearner
    from equipoise.estimators.meta.dr import DRLearner as DRLearner
    from equipoise.estimators.meta.gps import GPS as GPS
    from equipoise.estimators.meta.r import RLearner as RLearner
    from equipoise.estimators.meta.s import SLearner as SLearner
    from equipoise.estimators.meta.t import TLearner as TLearner
    from equipoise.estimators.meta.x import XLearner as XLearner
    from equipoise.estimators.partial import Interaction as Interaction
    from equipoise.estimators.partial import PartialEffects as PartialEffects
    from equipoise.estimators.partial import interactions as interactions
    from equipoise.estimators.partial import partial_effects as partial_effects
    from equipoise.estimators.serialisation import estimator_from_parts as estimator_from_parts
    from equipoise.estimators.serialisation import estimator_parts as estimator_parts
    from equipoise.estimators.serialisation import load_estimator as load_estimator
    from equipoise.estimators.serialisation import save_estimator as save_estimator
    from equipoise.learners.base_learners import BoostedTrees as BoostedTrees
    from equipoise.learners.propensity import LearntPropensity as LearntPropensity

ESTIMATORS = Registry(
    "estimator",
    {
        "s-learner": "equipoise.estimators.meta.s:SLearner",
        "t-learner": "equipoise.estimators.meta.t:TLearner",
        "x-learner": "equipoise.estimators.meta.x:XLearner",
        "dr-learner": "equipoise.estimators.meta.dr:DRLearner",
        "r-learner": "equipoise.estimators.meta.r:RLearner",
        "dml": "equipoise.estimators.dml.linear:LinearDML",
        "dml-pooled": "equipoise.estimators.dml.pooled:PooledDML",
        "dml-sparse": "equipoise.estimators.dml.sparse_dml:SparseDML",
        "dose-s-learner": "equipoise.estimators.meta.dose_s:DoseSLearner",
        "gps": "equipoise.estimators.meta.gps:GPS",
        "vcnet": "equipoise.estimators.deep.vcnet:VCNet",
        "drnet": "equipoise.estimators.deep.drnet:DRNet",
        "causal-forest": "equipoise.estimators.forests.causal:CausalForest",
        "mdp2": "equipoise.estimators.forests.mdp2:MDP2Forest",
        "hum": "equipoise.estimators.deep.hum:HUM",
        "s-net": "equipoise.estimators.deep.s_learner_net:SLearnerNet",
        "t-net": "equipoise.estimators.deep.t_learner_net:TLearnerNet",
        "x-net": "equipoise.estimators.deep.x_learner_net:XLearnerNet",
        "tarnet": "equipoise.estimators.deep.tarnet:TARNet",
        "cfrnet": "equipoise.estimators.deep.cfrnet:CFRNet",
        "bnn": "equipoise.estimators.deep.bnn:BNN",
        "dragonnet": "equipoise.estimators.deep.dragonnet:DragonNet",
        "snet": "equipoise.estimators.deep.snet:SNet",
        "flextenet": "equipoise.estimators.deep.flextenet:FlexTENet",
        "euen": "equipoise.estimators.deep.euen:EUEN",
        "descn": "equipoise.estimators.deep.descn:DESCN",
        "efin": "equipoise.estimators.deep.efin:EFIN",
        "m3tn": "equipoise.estimators.deep.m3tn:M3TN",
        "ganite": "equipoise.estimators.deep.ganite:GANITE",
        "cevae": "equipoise.estimators.deep.cevae:CEVAE",
        "cpm": "equipoise.estimators.deep.cpm:CPM",
    },
)

NAMES = {
    "NetTraining": "equipoise.estimators.deep.base",
    "BNN": "equipoise.estimators.deep.bnn",
    "CEVAE": "equipoise.estimators.deep.cevae",
    "CFRNet": "equipoise.estimators.deep.cfrnet",
    "CPM": "equipoise.estimators.deep.cpm",
    "DESCN": "equipoise.estimators.deep.descn",
    "ExtrapolationWarning": "equipoise.estimators.deep.dose",
    "DragonNet": "equipoise.estimators.deep.dragonnet",
    "DRNet": "equipoise.estimators.deep.drnet",
    "EFIN": "equipoise.estimators.deep.efin",
    "EUEN": "equipoise.estimators.deep.euen",
    "FlexTENet": "equipoise.estimators.deep.flextenet",
    "GANITE": "equipoise.estimators.deep.ganite",
    "HUM": "equipoise.estimators.deep.hum",
    "M3TN": "equipoise.estimators.deep.m3tn",
    "SLearnerNet": "equipoise.estimators.deep.s_learner_net",
    "SNet": "equipoise.estimators.deep.snet",
    "TLearnerNet": "equipoise.estimators.deep.t_learner_net",
    "TARNet": "equipoise.estimators.deep.tarnet",
    "VCNet": "equipoise.estimators.deep.vcnet",
    "XLearnerNet": "equipoise.estimators.deep.x_learner_net",
    "CausalForest": "equipoise.estimators.forests.causal",
    "MDP2Forest": "equipoise.estimators.forests.mdp2",
    "best_mix": "equipoise.estimators.forests.simplex",
    "BoostedTrees": "equipoise.learners.base_learners",
    "Clusters": "equipoise.estimators.clusters",
    "DRLearner": "equipoise.estimators.meta.dr",
    "DoseSLearner": "equipoise.estimators.meta.dose_s",
    "GPS": "equipoise.estimators.meta.gps",
    "EffectEstimator": "equipoise.estimators.base",
    "LearntPropensity": "equipoise.learners.propensity",
    "Curvature": "equipoise.estimators.dml.curvature",
    "CurvatureWarning": "equipoise.estimators.dml.curvature",
    "LinearDML": "equipoise.estimators.dml.linear",
    "PooledDML": "equipoise.estimators.dml.pooled",
    "SparseDML": "equipoise.estimators.dml.sparse_dml",
    "RLearner": "equipoise.estimators.meta.r",
    "SLearner": "equipoise.estimators.meta.s",
    "TLearner": "equipoise.estimators.meta.t",
    "XLearner": "equipoise.estimators.meta.x",
    "Bootstrapped": "equipoise.estimators.bootstrapped",
    "bootstrap_effects": "equipoise.estimators.bootstrap",
    "bootstrap_interval": "equipoise.estimators.bootstrap",
    "Interaction": "equipoise.estimators.partial",
    "PartialEffects": "equipoise.estimators.partial",
    "interactions": "equipoise.estimators.partial",
    "partial_effects": "equipoise.estimators.partial",
    "dose_curves": "equipoise.estimators.dose_response",
    "estimator_from_parts": "equipoise.estimators.serialisation",
    "estimator_parts": "equipoise.estimators.serialisation",
    "load_estimator": "equipoise.estimators.serialisation",
    "save_estimator": "equipoise.estimators.serialisation",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["ESTIMATORS", *NAMES]
