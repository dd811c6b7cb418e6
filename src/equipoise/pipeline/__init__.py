"""From a plan to a run: honest effects, a budgeted policy, its value, a report, and a snapshot that
can be served.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.artifacts.batch_scorer import BatchScorer as BatchScorer
    from equipoise.artifacts.batch_scorer import score_batches as score_batches
    from equipoise.artifacts.flags import export_rules as export_rules
    from equipoise.artifacts.flags import flagd_flags as flagd_flags
    from equipoise.artifacts.flags import growthbook_features as growthbook_features
    from equipoise.artifacts.policy import Scorer as Scorer
    from equipoise.artifacts.policy import read_scorer as read_scorer
    from equipoise.artifacts.rules import RuleScorer as RuleScorer
    from equipoise.artifacts.rules import read_rules as read_rules
    from equipoise.pipeline.comparison import compare as compare
    from equipoise.pipeline.comparison_table import Compared as Compared
    from equipoise.pipeline.comparison_table import ComparisonTable as ComparisonTable
    from equipoise.pipeline.jobs import run as run
    from equipoise.pipeline.plan.read import make_plan as make_plan
    from equipoise.pipeline.plan.read import read_plan as read_plan
    from equipoise.pipeline.plan.schema import Plan as Plan
    from equipoise.pipeline.plan_from_log import first_plan as first_plan
    from equipoise.pipeline.study.cross_fit import cross_fit_effects as cross_fit_effects
    from equipoise.pipeline.study.design_checks import DesignWarning as DesignWarning
    from equipoise.pipeline.study.design_checks import check_log as check_log
    from equipoise.pipeline.study.honest import HonestPolicy as HonestPolicy
    from equipoise.pipeline.study.honest import honest_policy as honest_policy
    from equipoise.pipeline.study.population import overlap_population as overlap_population
    from equipoise.report import render_report as render_report
    from equipoise.report.findings import Findings as Findings

NAMES = {
    "BatchScorer": "equipoise.artifacts.batch_scorer",
    "score_batches": "equipoise.artifacts.batch_scorer",
    "Compared": "equipoise.pipeline.comparison_table",
    "ComparisonTable": "equipoise.pipeline.comparison_table",
    "compare": "equipoise.pipeline.comparison",
    "first_plan": "equipoise.pipeline.plan_from_log",
    "DesignWarning": "equipoise.pipeline.study.design_checks",
    "check_log": "equipoise.pipeline.study.design_checks",
    "HonestPolicy": "equipoise.pipeline.study.honest",
    "Findings": "equipoise.report.findings",
    "Plan": "equipoise.pipeline.plan.schema",
    "Scorer": "equipoise.artifacts.policy",
    "honest_policy": "equipoise.pipeline.study.honest",
    "overlap_population": "equipoise.pipeline.study.population",
    "cross_fit_effects": "equipoise.pipeline.study.cross_fit",
    "make_plan": "equipoise.pipeline.plan.read",
    "read_plan": "equipoise.pipeline.plan.read",
    "RuleScorer": "equipoise.artifacts.rules",
    "export_rules": "equipoise.artifacts.flags",
    "flagd_flags": "equipoise.artifacts.flags",
    "growthbook_features": "equipoise.artifacts.flags",
    "read_rules": "equipoise.artifacts.rules",
    "read_scorer": "equipoise.artifacts.policy",
    "render_report": "equipoise.report.page",
    "run": "equipoise.pipeline.jobs",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
