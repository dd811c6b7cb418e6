"""The names that saved estimators are made of.  A snapshot names registered names, never a file, so
that files may move.

A class that can be part of a saved estimator is one line in `PARTS`, beside the registries of
estimators.  `BEFORE_0_2` leads from the module paths that version 0.1.0 wrote to today's names.
"""

from __future__ import annotations

from equipoise.core.registry import Registry
from equipoise.estimators import ESTIMATORS
from equipoise.estimators.strata import STRATA_ESTIMATORS

PARTS = Registry(
    "part of a saved estimator",
    {
        "boosted-trees": "equipoise.learners.base_learners:BoostedTrees",
        "sklearn-model": "equipoise.learners.base_learners:Foreign",
        "trees": "equipoise.learners.tree_scoring:Trees",
        "boosted-classes": "equipoise.estimators.strata.cells:BoostedClasses",
        "softmax": "equipoise.estimators.strata.cells:Softmax",
        "sklearn-classes": "equipoise.estimators.strata.cells:ForeignClasses",
        "learnt-propensity": "equipoise.learners.propensity:LearntPropensity",
        "split-effects": "equipoise.learners.many_arms:SplitEffects",
        "bootstrapped": "equipoise.estimators.bootstrapped:Bootstrapped",
        "clusters": "equipoise.estimators.clusters:Clusters",
        "net-training": "equipoise.estimators.deep.base:NetTraining",
    },
)
REGISTRIES = (ESTIMATORS, STRATA_ESTIMATORS, PARTS)
HOUSES = ("equipoise.estimators.", "equipoise.learners.")

_OLD_MODULES = {
    "models": ("boosted-trees:BoostedTrees", "sklearn-model:Foreign"),
    "trees": ("trees:Trees",),
    "strata.cells": (
        "boosted-classes:BoostedClasses",
        "softmax:Softmax",
        "sklearn-classes:ForeignClasses",
    ),
    "propensity": ("learnt-propensity:LearntPropensity",),
    "bootstrapped": ("bootstrapped:Bootstrapped",),
    "clusters": ("clusters:Clusters",),
    "deep.base": ("net-training:NetTraining",),
    "meta.s": ("s-learner:SLearner",),
    "meta.t": ("t-learner:TLearner",),
    "meta.x": ("x-learner:XLearner",),
    "meta.dr": ("dr-learner:DRLearner",),
    "meta.r": ("r-learner:RLearner",),
    "meta.dose_s": ("dose-s-learner:DoseSLearner",),
    "meta.gps": ("gps:GPS",),
    "dml.linear": ("dml:LinearDML",),
    "forests.mdp2": ("mdp2:MDP2Forest",),
    "deep.vcnet": ("vcnet:VCNet",),
    "deep.drnet": ("drnet:DRNet",),
    "deep.hum": ("hum:HUM",),
    "deep.s_net": ("s-net:SLearnerNet",),
    "deep.t_net": ("t-net:TLearnerNet",),
    "deep.x_net": ("x-net:XLearnerNet",),
    "deep.tarnet": ("tarnet:TARNet",),
    "deep.cfrnet": ("cfrnet:CFRNet",),
    "deep.bnn": ("bnn:BNN",),
    "deep.dragonnet": ("dragonnet:DragonNet",),
    "deep.snet": ("snet:SNet",),
    "deep.flextenet": ("flextenet:FlexTENet",),
    "deep.euen": ("euen:EUEN",),
    "deep.descn": ("descn:DESCN",),
    "deep.efin": ("efin:EFIN",),
    "deep.m3tn": ("m3tn:M3TN",),
    "deep.ganite": ("ganite:GANITE",),
    "deep.cevae": ("cevae:CEVAE",),
    "deep.cpm": ("cpm:CPM",),
    "strata.cf_or": ("cf-or:CFOR",),
    "strata.cf_ips": ("cf-ips:CFIPS",),
    "strata.cf_dr": ("cf-dr:CFDR",),
    "strata.cf_mle": ("cf-mle:CFMLE",),
    "strata.cf_mtl": ("cf-mtl:CFMTL",),
    "strata.cf_mtl_v1": ("cf-mtl-v1:CFMTLV1",),
    "strata.cf_mle_net": ("cf-mle-net:CFMLENet",),
}
BEFORE_0_2 = {
    f"equipoise.estimators.{module}:{pair.split(':')[1]}": pair.split(":")[0]
    for module, pairs in _OLD_MODULES.items()
    for pair in pairs
}


def registered_name(thing: object) -> str | None:
    """The name a class of ours is registered under; None for a class of another place, or one that
    is not registered.
    """
    cls = type(thing)
    if not cls.__module__.startswith(HOUSES):
        return None
    return next((name for registry in REGISTRIES if (name := registry.find(cls)) is not None), None)


def registered_class(name: str) -> type | None:
    """The class of a registered name, or of what version 0.1.0 wrote for it, or None; nothing else
    is imported.
    """
    known = BEFORE_0_2.get(name, name)
    for registry in REGISTRIES:
        if known in registry:
            cls: type = registry.load(known)
            return cls
    return None
