"""Equipoise: from an experiment log to a budgeted, multi-metric treatment policy.

The names at the top are the way from a log to a policy.  Everything else has a room:

    equipoise.datasets      public experiments, and simulators whose truth is known
    equipoise.treatments    spaces of treatments
    equipoise.estimators    estimators of effects, models of outcomes and propensities
    equipoise.metrics       how well effects rank, what a policy is worth, in one call each
    equipoise.evaluation    the same of prepared evaluation data, with intervals and comparisons
    equipoise.constraints   budgets, caps, floors, parity
    equipoise.allocation    policies within constraints, with a certificate
    equipoise.operations    strategies over time: traffic, effects by day, rollout, monitors, pacing
    equipoise.pipeline      plans, runs and scorers
    equipoise.report        findings as a page
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from equipoise.core.deprecation import warn_renamed
from equipoise.core.display import set_plotter
from equipoise.core.doors import door
from equipoise.core.version import __version__
from equipoise.moved_modules import install

if TYPE_CHECKING:
    from equipoise.allocation.rule import decide as decide
    from equipoise.core import Effects as Effects
    from equipoise.core import Log as Log
    from equipoise.core import Outcome as Outcome
    from equipoise.core import Roles as Roles
    from equipoise.core import Space as Space
    from equipoise.core.errors import EquipoiseError as EquipoiseError
    from equipoise.data import read_log as read_log
    from equipoise.estimators import HUM as HUM
    from equipoise.estimators import BoostedTrees as BoostedTrees
    from equipoise.estimators import DRLearner as DRLearner
    from equipoise.estimators import LinearDML as LinearDML
    from equipoise.estimators import SLearner as SLearner
    from equipoise.estimators import TLearner as TLearner
    from equipoise.estimators import XLearner as XLearner
    from equipoise.pipeline import Plan as Plan
    from equipoise.pipeline import check_log as check_log
    from equipoise.pipeline import compare as compare
    from equipoise.pipeline import cross_fit_effects as cross_fit_effects
    from equipoise.pipeline import honest_policy as honest_policy
    from equipoise.pipeline import overlap_population as overlap_population
    from equipoise.pipeline import read_plan as read_plan
    from equipoise.pipeline import run as run
    from equipoise.treatments import Arms as Arms
    from equipoise.treatments import Bits as Bits
    from equipoise.treatments import Dose as Dose
    from equipoise.treatments import Factors as Factors
    from equipoise.treatments import Schedule as Schedule
    from equipoise.treatments import Shares as Shares

FOLDERS = {
    "equipoise.allocation.rule": ("decide",),
    "equipoise.core": ("Effects", "Log", "Outcome", "Roles", "Space"),
    "equipoise.core.errors": ("EquipoiseError",),
    "equipoise.data": ("read_log",),
    "equipoise.estimators": (
        "BoostedTrees",
        "DRLearner",
        "HUM",
        "LinearDML",
        "SLearner",
        "TLearner",
        "XLearner",
    ),
    "equipoise.pipeline": (
        "Plan",
        "check_log",
        "compare",
        "cross_fit_effects",
        "honest_policy",
        "overlap_population",
        "read_plan",
        "run",
    ),
    "equipoise.treatments": ("Arms", "Bits", "Dose", "Factors", "Schedule", "Shares"),
}
NAMES = {name: folder for folder, names in FOLDERS.items() for name in names}
ROOMS = (
    "allocation",
    "constraints",
    "datasets",
    "estimators",
    "evaluation",
    "metrics",
    "operations",
    "pipeline",
    "report",
    "treatments",
)
# Names that stood at the top in version 0.1, by the room that has them now.
MOVED = {
    "equipoise.allocation": ("allocate", "budgeted_policy"),
    "equipoise.constraints": ("budget", "cap", "floor", "group_budget", "offers", "parity"),
    "equipoise.core": ("FeatureMap",),
    "equipoise.datasets": (
        "fetch_charitable_match",
        "fetch_criteo",
        "fetch_hillstrom",
        "fetch_lazada",
        "fetch_x5",
        "load_thornton",
        "make_coupon_world",
        "make_placebo_world",
        "make_voucher_world",
    ),
    "equipoise.estimators": (
        "DoseSLearner",
        "LearntPropensity",
        "MDP2Forest",
        "RLearner",
        "load_estimator",
        "save_estimator",
    ),
    "equipoise.evaluation": (
        "autoc",
        "average_effects",
        "policy_value",
        "qini",
    ),
    "equipoise.pipeline": ("make_plan", "read_scorer"),
    "equipoise.report": ("render_report",),
}
OLD_NAMES = {name: f"{room}.{name}" for room, names in MOVED.items() for name in names}
OLD_NAMES["run_supply"] = "equipoise.run"
OLD_NAMES["observe"] = "equipoise.evaluation.evaluation_data"
OLD_NAMES["rank"] = "equipoise.evaluation.rank_by_score"


def __getattr__(name: str) -> Any:
    """A name or a room on first use (PEP 562), so that `import equipoise` costs nothing."""
    if name in NAMES:
        return door(getattr(import_module(NAMES[name]), name), __name__, name)
    if name in ROOMS:
        return import_module(f"equipoise.{name}")
    if name in OLD_NAMES:
        warn_renamed(f"equipoise.{name}", OLD_NAMES[name])
        room, _, noun = OLD_NAMES[name].rpartition(".")
        return getattr(import_module(room), noun)
    raise AttributeError(f"module 'equipoise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *ROOMS])


install()
set_plotter(lambda result: import_module("equipoise.report").plot(result))

__all__ = ["__version__", *NAMES]
