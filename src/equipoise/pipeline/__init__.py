"""From a plan to a run: honest effects, a budgeted policy, its value, a report, and a snapshot that can be served."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.pipeline.effects import cross_fit_effects as cross_fit_effects
    from equipoise.pipeline.findings import Findings as Findings
    from equipoise.pipeline.plan import Plan as Plan
    from equipoise.pipeline.plan import make_plan as make_plan
    from equipoise.pipeline.plan import read_plan as read_plan
    from equipoise.pipeline.policy import HonestPolicy as HonestPolicy
    from equipoise.pipeline.policy import honest_policy as honest_policy
    from equipoise.pipeline.report import render_report as render_report
    from equipoise.pipeline.runner import run as run
    from equipoise.pipeline.score import Scorer as Scorer
    from equipoise.pipeline.score import read_scorer as read_scorer
    from equipoise.pipeline.supply.run import run_supply as run_supply

NAMES = {
    "HonestPolicy": "equipoise.pipeline.policy",
    "Findings": "equipoise.pipeline.findings",
    "Plan": "equipoise.pipeline.plan",
    "Scorer": "equipoise.pipeline.score",
    "honest_policy": "equipoise.pipeline.policy",
    "cross_fit_effects": "equipoise.pipeline.effects",
    "make_plan": "equipoise.pipeline.plan",
    "read_plan": "equipoise.pipeline.plan",
    "read_scorer": "equipoise.pipeline.score",
    "render_report": "equipoise.pipeline.report.page",
    "run": "equipoise.pipeline.runner",
    "run_supply": "equipoise.pipeline.supply.run",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
