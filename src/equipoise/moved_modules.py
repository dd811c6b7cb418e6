"""Modules of version 0.1 under their old names: importing one warns, and gives what its names are
today.  To go with version 0.4.

`TABLE` leads from a module to the modules that have its names now; a name that is in none of them
is asked of the old folder's own public names.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from equipoise.core.deprecation import warn_renamed

# folder of version 0.1 -> "module: its modules of today", relative to equipoise
TABLE = {
    "allocation": """
        bundle: allocation.solver.bundle
        dual: allocation.solver.dual
        exact: allocation.solver.exact
        feasible: allocation.solver.infeasible
        hold: allocation.solver.tighten
        kernels: allocation.solver.kernels
        lot: allocation.hashing
        mix: allocation.solver.ties
        mixes: allocation.share_allocation
        polish: allocation.solver.refine
        problem: allocation.solver.problem
        repair: allocation.solver.repair
        rows: allocation.solver.compile
        stability: allocation.switching
        tied_offers: allocation.offer_threshold
        trade: allocation.solver.swaps
        weights: allocation.ddm""",
    "core": """
        latent: core.strata_tests""",
    "data": """
        charitable: data.public.charitable
        constructed: data.ratings.constructed
        coupon: data.simulators.coupon
        criteo: data.public.criteo
        criteo_like: data.simulators.criteo_like
        dose_response: data.simulators.dose_response
        exposure: data.simulators.exposure
        fetch: data.public.fetch
        hillstrom: data.public.hillstrom
        ihdp_dose: data.simulators.ihdp_dose
        incentive: data.simulators.incentive
        kuairec: data.ratings.kuairec
        lazada: data.public.lazada
        movielens: data.ratings.movielens
        placebo: data.simulators.placebo
        published: data.public.published
        shares: data.simulators.shares
        short_video: data.simulators.short_video
        thornton: data.public.thornton
        voucher: data.simulators.voucher
        x5: data.public.x5
        yelp: data.ratings.yelp""",
    "estimators": """
        crossfit: learners.crossfit estimators.design
        curves: estimators.dose_response
        models: learners.base_learners
        persist: estimators.serialisation
        pooled: learners.empirical_bayes
        propensity: learners.propensity
        sample: estimators.training_data
        shift: learners.density_ratio
        trees: learners.tree_scoring""",
    "evaluation": """
        compat: evaluation.other_libraries
        evidence: evaluation.data
        judged: evaluation.against_truth
        order: evaluation.sorting
        ranked: evaluation.score_ranking
        rivals: evaluation.baselines
        tables: evaluation.arms_by_metrics
        value: evaluation.off_policy""",
    "neural": """
        blocks: neural.id_nets
        elementary: neural.fast_math
        inputs: neural.piecewise_linear
        pairs: neural.id_probability
        ranks: neural.distributed
        scores: neural.id_scores
        varying: neural.varying_coefficients
        weigher: neural.request_weights
        weights: neural.learn_request_weights""",
    "pipeline": """
        anyway: pipeline.findings.strata
        chosen: pipeline.findings.profile
        costs: artifacts.costs
        demands: pipeline.plan.constraints
        drivers: pipeline.findings.drivers
        effects: pipeline.study.cross_fit artifacts.model
        folder: pipeline.run_folder
        hold: artifacts.rebudget
        insight: pipeline.findings.diagnostics
        judge: pipeline.study.evaluator
        keep: pipeline.study.previous
        model: artifacts.model
        offers: pipeline.study.strata_targeting
        plugins: pipeline.plan.estimators
        policy: pipeline.study.policy pipeline.study.honest
        propensity: pipeline.study.propensity
        report: report.page report
        reproduce: reproduce
        runner: pipeline.jobs pipeline.targeting
        score: artifacts.policy artifacts.batch
        seen: artifacts.fingerprint
        short_video: reproduce.closed_loop
        source: pipeline.plan.log
        strata: pipeline.study.strata
        sweeps: pipeline.findings.sweeps
        tables: pipeline.plan.base
        words: report.sentences""",
    "pipeline.supply": """
        findings: pipeline.supply.summarise report.findings_supply
        learn: pipeline.supply.optimise
        plan: pipeline.plan.supply
        policy: artifacts.mixes
        rows: pipeline.supply.exposures
        ways: pipeline.supply.curve_methods
        words: report.sentences_supply""",
}


def _modules() -> dict[str, list[str]]:
    """The full name of every old module, with the full names of those of today."""
    lines = [
        (folder, line.strip())
        for folder, text in TABLE.items()
        for line in text.strip().split("\n")
    ]
    pairs = [(folder, *line.split(": ")) for folder, line in lines]
    return {
        f"equipoise.{folder}.{old}": [f"equipoise.{name}" for name in new.split()]
        for folder, old, new in pairs
    }


MODULES = _modules()


class OldModule(ModuleType):
    """A module of version 0.1, whose names are looked up where they are today."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for place in [*MODULES[self.__name__], self.__name__.rpartition(".")[0]]:
            module = import_module(place)
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class OldModules(MetaPathFinder, Loader):
    """Finds the modules of `TABLE`, before a stale folder of that name is taken for a package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an old module; None of any other."""
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module that knows where its names are."""
        return OldModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Say what it is called now."""
        warn_renamed(module.__name__, MODULES[module.__name__][0])


def install() -> None:
    """Have Python find the old modules, once."""
    if not any(isinstance(finder, OldModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, OldModules())
