"""How well predicted effects rank units, and what a policy is worth, in one call each.

The same functions stand in `equipoise.evaluation`, where comparisons, curves and calibration are
too.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.core.estimates import Estimate as Estimate
    from equipoise.evaluation.off_policy import dr as dr
    from equipoise.evaluation.off_policy import ips as ips
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

FILES = {
    "off_policy": ("dr", "ips", "snips"),
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
}
NAMES = {name: f"equipoise.evaluation.{file}" for file, names in FILES.items() for name in names}
NAMES["Estimate"] = "equipoise.core.estimates"
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = list(NAMES)
