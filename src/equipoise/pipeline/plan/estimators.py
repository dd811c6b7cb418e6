"""The estimators that a plan names, made with its settings; every name is checked, and a wrong one
says the nearest.
"""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from equipoise.core.deprecation import warn_renamed
from equipoise.core.errors import PlanError
from equipoise.core.registry import Registry
from equipoise.core.space import Space
from equipoise.core.suggest import among, nearest
from equipoise.estimators import ESTIMATORS, BoostedTrees
from equipoise.estimators.strata import STRATA_ESTIMATORS, BoostedClasses
from equipoise.pipeline.plan.ranking import RankingPlan
from equipoise.pipeline.plan.schema import EstimatorPlan, Plan, StrataPlan
from equipoise.ranking import RANKERS, SCORE_MODELS

ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)
LARGEST = 10**9
LIMITS = {"random_state": (0, 2**32 - 1), "cv": (2, 50), "n_jobs": (-1, 4096)}
RANKING = "[ranking]"
CLASSES = "cells"  # the setting of a strata estimator that is a model of classes


def make_estimator(plan: EstimatorPlan, space: Space, seed: int) -> Any:
    """The estimator of a plan; a setting that is a table makes boosted trees with these
    settings.
    """
    return _registered(ESTIMATORS, "name", plan.name, plan.params, "estimator", space, seed)


def make_strata_estimator(plan: StrataPlan, space: Space, seed: int) -> Any:
    """The estimator of strata of a plan."""
    return _registered(STRATA_ESTIMATORS, "method", plan.method, plan.params, "strata", space, seed)


def make_ranker(plan: RankingPlan, name: str, seed: int) -> Any:
    """A ranker of a plan, with its settings where the plan names it as the method."""
    _check_name(RANKERS, "method", name, RANKING)
    cls, settings = RANKERS.load(name), {}
    if name == plan.method:
        said = {"objective_weight": "weights", "scores": "probabilities"}
        for key, other in said.items():
            if key in plan.params:
                fix = f"say {other} in {RANKING}"
                raise PlanError(f"key {key!r}", "be left out", "given", "[ranking.params]", fix)
        settings = _settings(cls, plan.params, "[ranking.params]")
    settings.setdefault("random_state", seed)
    if "trials" in inspect.signature(cls).parameters:
        settings.setdefault("trials", plan.trials)
    settings["scores"] = plan.score_kind
    return cls(**settings)


def check_estimators(plan: Plan, where: str = "") -> None:
    """Refuse a plan that names an estimator which is not registered.

    Parameters
    ----------
    plan : Plan
        Nothing that it names has been read yet.
    where : str, default ""
        Its file, for the error.

    Raises
    ------
    PlanError
        With the nearest name.
    """
    place = f", in {where}" if where else ""
    _check_name(ESTIMATORS, "name", plan.estimator.name, f"[estimator]{place}")
    if plan.strata is not None:
        _check_name(STRATA_ESTIMATORS, "method", plan.strata.method, f"[strata]{place}")
    if plan.supply is not None and plan.supply.estimator is not None:
        _check_name(ESTIMATORS, "estimator", plan.supply.estimator, f"[supply]{place}")
    if plan.ranking is not None:
        for name in plan.ranking.methods:
            _check_name(RANKERS, "method", name, f"{RANKING}{place}")
        for name in plan.ranking.base.models if plan.ranking.base else ():
            _check_name(SCORE_MODELS, "model", name, f"[ranking.base]{place}")


def _check_name(registry: Registry, key: str, name: str, place: str) -> None:
    if name not in registry:
        must = f"be a registered {registry.what}"
        raise PlanError(f"key {key!r}", must, repr(name), place, among(name, registry))


def _registered(
    registry: Registry,
    key: str,
    name: str,
    params: dict[str, Any],
    table: str,
    space: Space,
    seed: int,
) -> Any:
    _check_name(registry, key, name, f"[{table}]")
    cls = registry.load(name)
    settings = _settings(cls, params, f"[{table}.params]")
    parameters = inspect.signature(cls).parameters
    if "random_state" in parameters:
        settings.setdefault("random_state", seed)
    return cls(**{**settings, "space": space})


def _settings(cls: Any, params: dict[str, Any], where: str) -> dict[str, Any]:
    """The settings of an estimator or of its trees, their names checked."""
    names = [name for name in inspect.signature(cls).parameters if name != "space"]
    renamed = getattr(cls, "renamed_arguments_", {})
    settings: dict[str, Any] = {}
    for written, value in params.items():
        name = renamed.get(written, written)
        if name != written:
            warn_renamed(f"key {written!r} of {where}", repr(name))
        if name in settings:
            raise PlanError(f"key {name!r}", "be given once", f"{written!r} too", where)
        if name not in names:
            fix = nearest(name, names, aliases=renamed) or f"known keys: {', '.join(names)}"
            raise PlanError(f"key {name!r}", "be known", repr(value), where, fix)
        settings[name] = _setting(cls, name, value, where)
    return settings


def _setting(cls: Any, name: str, value: Any, where: str) -> Any:
    """A setting of the type that the class asks for; a table is the settings of its trees."""
    hint = get_type_hints(cls.__init__).get(name, Any)
    if isinstance(value, dict) and hint in (bool, int, float, str):
        fix = f"it has none of its own: say {name} = ..., one value"
        raise PlanError(f"key {name!r}", "be no table", repr(value)[:60], where, fix)
    if isinstance(value, dict):
        trees = BoostedClasses if name == CLASSES else BoostedTrees
        model = trees(**_settings(trees, value, f"{where} {name}"))
        model.check()
        return model
    if hint is Any:
        fix = f"for example {name} = {{n_estimators = 100}}"
        raise PlanError(f"key {name!r}", "be a table of settings of trees", repr(value), where, fix)
    low, high = LIMITS.get(name, (-LARGEST, LARGEST))
    try:
        TypeAdapter(hint, config=ANY_CLASS).validate_python(value, strict=True)
    except ValidationError as error:
        must = error.errors(include_url=False)[0]["msg"].removeprefix("Input should be ")
        raise PlanError(f"key {name!r}", f"be {must}", repr(value)[:60], where) from error
    if isinstance(value, int | float) and not low <= value <= high:
        raise PlanError(f"key {name!r}", f"be from {low:,} to {high:,}", repr(value), where)
    return value
