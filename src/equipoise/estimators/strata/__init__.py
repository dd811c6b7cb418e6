"""Estimators of the five strata of an incentive.  A new one is one file and one line here."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy
from equipoise.core.registry import Registry

if TYPE_CHECKING:
    from equipoise.estimators.strata.base import StrataEstimator as StrataEstimator
    from equipoise.estimators.strata.cells import BoostedClasses as BoostedClasses
    from equipoise.estimators.strata.cf_dr import CFDR as CFDR
    from equipoise.estimators.strata.cf_ips import CFIPS as CFIPS
    from equipoise.estimators.strata.cf_mle import CFMLE as CFMLE
    from equipoise.estimators.strata.cf_mle_net import CFMLENet as CFMLENet
    from equipoise.estimators.strata.cf_mtl import CFMTL as CFMTL
    from equipoise.estimators.strata.cf_mtl_v1 import CFMTLV1 as CFMTLV1
    from equipoise.estimators.strata.cf_or import CFOR as CFOR

STRATA_ESTIMATORS = Registry(
    "strata estimator",
    {
        "cf-or": "equipoise.estimators.strata.cf_or:CFOR",
        "cf-ips": "equipoise.estimators.strata.cf_ips:CFIPS",
        "cf-dr": "equipoise.estimators.strata.cf_dr:CFDR",
        "cf-mle": "equipoise.estimators.strata.cf_mle:CFMLE",
        "cf-mtl": "equipoise.estimators.strata.cf_mtl:CFMTL",
        "cf-mtl-v1": "equipoise.estimators.strata.cf_mtl_v1:CFMTLV1",
        "cf-mle-net": "equipoise.estimators.strata.cf_mle_net:CFMLENet",
    },
)

NAMES = {
    "BoostedClasses": "equipoise.estimators.strata.cells",
    "CFDR": "equipoise.estimators.strata.cf_dr",
    "CFIPS": "equipoise.estimators.strata.cf_ips",
    "CFMLE": "equipoise.estimators.strata.cf_mle",
    "CFMLENet": "equipoise.estimators.strata.cf_mle_net",
    "CFMTL": "equipoise.estimators.strata.cf_mtl",
    "CFMTLV1": "equipoise.estimators.strata.cf_mtl_v1",
    "CFOR": "equipoise.estimators.strata.cf_or",
    "StrataEstimator": "equipoise.estimators.strata.base",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["STRATA_ESTIMATORS", *NAMES]
