"""Does `dml` say when its ridges miss what treatment and outcome share?

dml_warns_bent: the share of fits whose `curvature_` warns where both logging and level bend with
the same features (square, product, wave, and three arms by square) and the effect is a line; 4,000
rows, five features.  dml_warns_straight: the same where the logging is straight, the level is, both
are, they bend with different features, the effect alone bends, and in clusters: no bias, and no
word.  dml_bias_bent: the mean error of the average effect, .5, of the ridges, and `_boosted`: with
nuisances = "boosted"; dml_held_bent, _boosted: how often its interval holds .5 (of a constant
effect).  dml_curvature_cost: CPU time of a fit with the test over one without, on the data of
`benchmarks.dml` (100,000 rows, 20 features, 10 switches), the quicker of turns.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from scipy.special import expit

ROWS = 4_000
BENT = ("square", "product", "wave", "three arms")
STRAIGHT = ("level bends", "logging bends", "both straight", "apart", "effect bends", "clusters")
FORMS = {
    "quick": {"seeds": 10, "trees": 2, "turns": 3},
    "full": {"seeds": 100, "trees": 10, "turns": 5},
}


def world(kind: str, seed: int, constant: bool = False) -> dict[str, Any]:
    """X (n, 5), y (n,), treatment (n,) and groups (n,) or None; the average effect is .5."""
    rng = np.random.default_rng([seed, (BENT + STRAIGHT).index(kind)])
    X = rng.normal(size=(ROWS, 5))
    bend = {"product": X[:, 0] * X[:, 1], "wave": 2 * np.sin(2 * X[:, 0])}.get(
        kind, X[:, 0] ** 2 - 1
    )
    logging = level = bend
    if kind in ("level bends", "both straight", "effect bends", "clusters"):
        logging = 0.5 * X[:, 0]
    if kind in ("logging bends", "both straight", "clusters"):
        level = X[:, 1]
    if kind == "apart":
        level = X[:, 2] ** 2 - 1
    t = (rng.random(ROWS) < expit(0.9 * logging)).astype(np.int64)
    if kind == "three arms":
        t *= rng.integers(1, 3, ROWS)
    tau = 0.5 + (0.0 if constant else 0.5) * X[:, 1]
    if kind == "effect bends":
        tau = tau + X[:, 2] ** 2 - 1
    noise, groups = rng.normal(size=ROWS), None
    if kind == "clusters":
        groups = rng.integers(0, ROWS // 5, ROWS)
        noise = noise + rng.normal(size=ROWS // 5)[groups]
    y = X[:, 0] + level + (t > 0) * tau + noise * (0.5 + np.abs(X[:, 2]))
    return {"X": X, "y": y, "treatment": t, "groups": groups}


def fit(data: dict[str, Any], **settings: Any) -> Any:
    """`dml` of a world."""
    from equipoise import Arms, LinearDML

    space = Arms([*range(int(data["treatment"].max()) + 1)])
    return LinearDML(space=space, **settings).fit(**data)


def warned(kinds: tuple[str, ...], seeds: int, name: str) -> list[dict[str, Any]]:
    """How often it warns, of all kinds and of each."""
    from benchmarks.record import figure

    each = {k: [fit(world(k, seed)).curvature_.bends for seed in range(seeds)] for k in kinds}
    every = [hit for hits in each.values() for hit in hits]
    figures = [figure(name, float(np.mean(every)), unit="share of fits", n=len(every))]
    for kind, hits in each.items():
        key = f"{name}_{kind.replace(' ', '_')}"
        figures.append(figure(key, float(np.mean(hits)), unit="share of fits", n=seeds))
    return figures


def biases(seeds: int, nuisances: str, ending: str) -> list[dict[str, Any]]:
    """Error and coverage of a constant effect under shared bends."""
    from benchmarks.record import figure, interval

    errors, held = [], []
    for kind in BENT[:3]:
        for seed in range(seeds):
            data = world(kind, seed, constant=True)
            effects = fit(data, modifiers=(), nuisances=nuisances).effects(data["X"][:1])
            errors.append(float(effects.values[0, 0, 0]) - 0.5)
            held.append(abs(errors[-1]) < 1.96 * float(effects.std_error[0, 0, 0]))
    coverage = figure(
        f"dml_held_bent{ending}",
        float(np.mean(held)),
        unit="share of intervals",
        against="0.95",
        n=len(held),
    )
    return [interval(f"dml_bias_bent{ending}", np.array(errors), "of y", "0"), coverage]


def cost(turns: int) -> dict[str, Any]:
    """CPU time of a fit with the test over one without."""
    from unittest.mock import patch

    from benchmarks.dml import SWITCHES, experiment
    from benchmarks.record import figure
    from equipoise import Bits, LinearDML

    def seconds(data: dict[str, Any]) -> float:
        start = time.process_time()
        LinearDML(space=Bits(SWITCHES)).fit(data["X"], data["y"], treatment=data["t"])
        return time.process_time() - start

    seconds(experiment(2_000, 0))
    data, tested, bare = experiment(100_000, 0), [], []
    for _ in range(turns):
        tested.append(seconds(data))
        with patch.object(LinearDML, "_on_lines", lambda self: False):
            bare.append(seconds(data))
    return figure(
        "dml_curvature_cost", min(tested) / min(bare), unit="x", against="no test", n=100_000
    )


def main() -> None:
    """Measure and record."""
    from benchmarks.record import full, one_thread, record, versions

    one_thread()
    warnings.simplefilter("ignore")
    name = "full" if full() else "quick"
    form = FORMS[name]
    figures = warned(BENT, form["seeds"], "dml_warns_bent")
    figures += warned(STRAIGHT, form["seeds"], "dml_warns_straight")
    figures += biases(form["seeds"], "ridge", "") + biases(form["trees"], "boosted", "_boosted")
    figures.append(cost(form["turns"]))
    known = versions("equipoise", "lightgbm", "numpy")
    record("truth_curvature", f"{__doc__}\n{name} form", known, list(range(form["seeds"])), figures)
    for one in figures:
        print(f"{one['name']:40s} {one['value']:8.4f}")


if __name__ == "__main__":
    main()
