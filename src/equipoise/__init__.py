"""Equipoise: from an experiment log to a budgeted, multi-metric treatment policy."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.version import __version__

if TYPE_CHECKING:
    from equipoise.allocation import allocate as allocate
    from equipoise.allocation import budgeted_policy as budgeted_policy
    from equipoise.allocation.constraints import budget as budget
    from equipoise.allocation.constraints import cap as cap
    from equipoise.allocation.constraints import floor as floor
    from equipoise.allocation.constraints import group_budget as group_budget
    from equipoise.allocation.constraints import offers as offers
    from equipoise.allocation.constraints import parity as parity
    from equipoise.allocation.rule import decide as decide
    from equipoise.core import Effects as Effects
    from equipoise.core import FeatureMap as FeatureMap
    from equipoise.core import Log as Log
    from equipoise.core import Outcome as Outcome
    from equipoise.core import Roles as Roles
    from equipoise.core import Space as Space
    from equipoise.core.checks import check_log as check_log
    from equipoise.core.errors import EquipoiseError as EquipoiseError
    from equipoise.data import fetch_charitable_match as fetch_charitable_match
    from equipoise.data import fetch_criteo as fetch_criteo
    from equipoise.data import fetch_hillstrom as fetch_hillstrom
    from equipoise.data import fetch_lazada as fetch_lazada
    from equipoise.data import fetch_x5 as fetch_x5
    from equipoise.data import load_thornton as load_thornton
    from equipoise.data import make_coupon_world as make_coupon_world
    from equipoise.data import make_placebo_world as make_placebo_world
    from equipoise.data import make_voucher_world as make_voucher_world
    from equipoise.data import read_log as read_log
    from equipoise.estimators import HUM as HUM
    from equipoise.estimators import BoostedTrees as BoostedTrees
    from equipoise.estimators import DoseSLearner as DoseSLearner
    from equipoise.estimators import DRLearner as DRLearner
    from equipoise.estimators import LearntPropensity as LearntPropensity
    from equipoise.estimators import LinearDML as LinearDML
    from equipoise.estimators import MDP2Forest as MDP2Forest
    from equipoise.estimators import RLearner as RLearner
    from equipoise.estimators import SLearner as SLearner
    from equipoise.estimators import TLearner as TLearner
    from equipoise.estimators import XLearner as XLearner
    from equipoise.estimators import load_estimator as load_estimator
    from equipoise.estimators import save_estimator as save_estimator
    from equipoise.evaluation import autoc as autoc
    from equipoise.evaluation import average_effects as average_effects
    from equipoise.evaluation import observe as observe
    from equipoise.evaluation import policy_value as policy_value
    from equipoise.evaluation import qini as qini
    from equipoise.evaluation import rank as rank
    from equipoise.pipeline import Plan as Plan
    from equipoise.pipeline import cross_fit_effects as cross_fit_effects
    from equipoise.pipeline import honest_policy as honest_policy
    from equipoise.pipeline import make_plan as make_plan
    from equipoise.pipeline import read_plan as read_plan
    from equipoise.pipeline import read_scorer as read_scorer
    from equipoise.pipeline import render_report as render_report
    from equipoise.pipeline import run as run
    from equipoise.treatments import Arms as Arms
    from equipoise.treatments import Bits as Bits
    from equipoise.treatments import Dose as Dose
    from equipoise.treatments import Shares as Shares


FOLDERS = {
    "equipoise.allocation": (
        "allocate",
        "budgeted_policy",
    ),
    "equipoise.allocation.constraints": (
        "budget",
        "cap",
        "floor",
        "group_budget",
        "offers",
        "parity",
    ),
    "equipoise.allocation.rule": ("decide",),
    "equipoise.core": (
        "Effects",
        "FeatureMap",
        "Log",
        "Outcome",
        "Roles",
        "Space",
    ),
    "equipoise.core.checks": ("check_log",),
    "equipoise.core.errors": ("EquipoiseError",),
    "equipoise.data": (
        "fetch_charitable_match",
        "fetch_criteo",
        "fetch_hillstrom",
        "fetch_lazada",
        "fetch_x5",
        "load_thornton",
        "make_coupon_world",
        "make_placebo_world",
        "make_voucher_world",
        "read_log",
    ),
    "equipoise.estimators": (
        "BoostedTrees",
        "DRLearner",
        "DoseSLearner",
        "HUM",
        "LearntPropensity",
        "LinearDML",
        "MDP2Forest",
        "RLearner",
        "SLearner",
        "TLearner",
        "XLearner",
        "load_estimator",
        "save_estimator",
    ),
    "equipoise.evaluation": (
        "autoc",
        "average_effects",
        "observe",
        "policy_value",
        "qini",
        "rank",
    ),
    "equipoise.pipeline": (
        "Plan",
        "cross_fit_effects",
        "honest_policy",
        "make_plan",
        "read_plan",
        "read_scorer",
        "render_report",
        "run",
    ),
    "equipoise.treatments": (
        "Arms",
        "Bits",
        "Dose",
        "Shares",
    ),
}
NAMES = {name: folder for folder, names in FOLDERS.items() for name in names}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["__version__", *NAMES]
