"""``equipoise warm``: the kernels compiled ahead, as while an image of a container is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from equipoise.cli.source import Quiet

# small worlds whose runs meet the kernels: rows, and what their plans ask for besides
WORLDS: dict[str, tuple[int, dict[str, dict[str, Any]]]] = {
    "coupon": (600, {"policy": {"rules": {"kind": "tree", "depth": 2}}}),
    "incentive": (2000, {"strata": {"method": "cf-mle", "value": 2.0, "cost": 1.0}}),
    "voucher": (600, {}),
    "exposure": (8000, {}),
    "live-shop": (400, {}),
}
ESTIMATORS = ("dml-sparse", "causal-forest", "mdp2", "vcnet")  # with kernels that no plan above met


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("warm")(warm)


def warm(quiet: Quiet = False) -> None:
    """Compile the kernels ahead, so that no first use waits for them.

    Small runs and fits are made and thrown away: two to four minutes, once. What is compiled suits
    this kind of processor and this version: run it where the package will be used, as the last step
    of building an image. What lies beside the sources serves all users of the machine, read-only
    ones too; NUMBA_CACHE_DIR names another folder. \b
    Examples:
      equipoise warm
      NUMBA_CACHE_DIR=/var/cache/equipoise equipoise warm
    """
    import tempfile
    import warnings

    from equipoise.cli.show import progress
    from equipoise.core.kernels import COMPILING
    from equipoise.core.quiet import errors_alone

    total = len(WORLDS) + len(ESTIMATORS) + 1
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        errors_alone("equipoise"),  # nobody reads these runs
    ):
        warnings.simplefilter("ignore")
        with progress(quiet) as told:
            for step, world in enumerate(WORLDS):
                told("kernels", step, total)
                _run(world, Path(folder) / world)
            for step, name in enumerate(ESTIMATORS, len(WORLDS)):
                told("kernels", step, total)
                _fit(name)
            told("kernels", total - 1, total)
            _serve_one()
    typer.echo(f"{COMPILING.kernels} kernels compiled in {COMPILING.seconds:.0f} s")


def _run(world: str, folder: Path) -> None:
    """A run of a small world, where its extras are installed; and a decision by its policy, as a
    service makes it.
    """
    import tomllib
    from contextlib import redirect_stdout, suppress
    from io import StringIO

    from equipoise.artifacts.policy import Scorer
    from equipoise.artifacts.unit_scorer import UnitScorer
    from equipoise.cli.simulate import simulate
    from equipoise.core.errors import InputError, MissingExtra
    from equipoise.pipeline import make_plan, run

    rows, tables = WORLDS[world]
    with redirect_stdout(StringIO()):
        simulate(world, rows=rows, out=folder, quiet=True)
    plan = tomllib.loads((folder / "plan.toml").read_text(encoding="utf-8"))
    for name, keys in tables.items():
        plan[name] = plan.get(name, {}) | keys
    with suppress(MissingExtra):
        policy = run(make_plan(plan, base=folder)).policy
        if isinstance(policy, Scorer):
            with suppress(InputError):  # not every policy decides unit by unit
                scorer = UnitScorer(policy)
                scorer.decide("unit", scorer.facts(dict.fromkeys(scorer.columns)))


def _fit(name: str) -> None:
    """A fit of an estimator on every space that it serves."""
    from contextlib import suppress

    import numpy as np

    from equipoise.core.errors import MissingExtra, UnsupportedSpace
    from equipoise.estimators import ESTIMATORS as registry
    from equipoise.treatments import Arms, Dose, Shares

    rng = np.random.default_rng(0)
    X, cell = rng.normal(size=(600, 3)), np.arange(600) % 3
    y = X[:, 1:] + cell[:, None] + rng.normal(size=(600, 2))
    for space in (
        Arms(["none", "a", "b"]),
        Dose(0, 2, levels=[1, 2]),
        Shares(["a", "b", "c"], candidates=[[0.6, 0.2, 0.2], [0.2, 0.6, 0.2]]),
    ):
        treatment = np.concatenate([[space.control], space.candidates()])[cell]
        with suppress(MissingExtra, UnsupportedSpace):
            registry.load(name)(space=space).fit(X, y, treatment=treatment).effects(X)


def _serve_one() -> None:
    """A decision on one unit by a rule that draws, alone and in a table, as a snapshot tries itself
    when it is loaded; a paced one; and a request, where there is a service.
    """
    from contextlib import suppress

    import numpy as np

    from equipoise.allocation import budget, group_budget
    from equipoise.artifacts.costs import Costs
    from equipoise.artifacts.model import Model
    from equipoise.artifacts.policy import Scorer
    from equipoise.artifacts.unit_scorer import UnitScorer
    from equipoise.core.features import FeatureMap
    from equipoise.core.policy import Policy
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.operations.pacing import Pacer, PacingPlan

    X, treatment = {"x": np.arange(60.0) % 7}, np.arange(60) % 2
    features = FeatureMap().fit(X)
    learner = TLearner(BoostedTrees(5, min_child_samples=5))
    learner.fit(features.transform(X), X["x"] * treatment, treatment=treatment)
    demands = (budget(1.0).demand, group_budget("town", "Oslo", 1.0).demand)
    policy = Policy(("1",), "0", ("y",), (1.0,), demands, (0.1, 0.2), tie_penalty=0.01)
    whole = Scorer(Model(features, learner), Costs((2.0,)), policy)
    scorer = UnitScorer(whole)
    unit: dict[str, str | float] = {"x": 3.0, "town": "Oslo"}
    facts = scorer.facts(unit)
    scorer.decide("unit", facts)
    scorer.rule.chances(facts, "unit")
    whole.assign({name: [value] for name, value in unit.items()})
    one = np.ones((1, 1))
    Pacer(1.0, PacingPlan((1.0,), 1.0, 0.0), [1.0, 2.0]).seen(one, one, 0.0)
    with suppress(ImportError):
        from equipoise.serving.app.strict_json import key_twice

        key_twice(b'{"unit": "a", "key": "b"}')
