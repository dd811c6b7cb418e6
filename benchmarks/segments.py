"""Segments: how often an effect is said to differ between groups of people where it does not, and
how often a difference is found.

1,200 people a log, two arms and control a third each, three features of four segments each, so 24
segments x arms are asked about.  Worlds without any difference: `sales` (one in twenty, more with
the first feature), `visits` (a fifth, 4,000 people), `amounts` (a tenth buy, log-normal, sigma
1.5).

segments_false_WORLD        share of logs in which some feature is said to matter (p among all <=
                            .05)
segments_false_one_WORLD    share in which some segment is said to differ from the others
segments_false_plain_WORLD  share in which some feature's own p-value is <= .05: without Holm
segments_found              share of logs of `visits` with 3,000 people in which 12 points more in
                            one segment of one arm are found there
segments_cover              of 95 % intervals of the segments' effects in that world

Chosen: 900 people, 20 features that matter for nothing, and a T-learner of small trees; its three
strongest drivers are cut into quarters.  low and high: two standard errors.

segments_false_held         as a run does it: drivers of a model of two thirds, judged on the rest
segments_false_same         a broken copy: drivers and segments by the rows that fitted it all
"""

from __future__ import annotations

from benchmarks.record import one_thread

one_thread()

from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.record import figure, full, record, versions  # noqa: E402

LOGS = {"quick": 1_000, "full": 10_000}
FEATURES, LEVELS, ARMS = 3, 4, 2
LIFT = np.array([0.0, 0.0, 0.0, 0.12])
NOISE_ROWS, NOISE = 900, 20


def log_of(world: str, seed: int, n: int, lift: np.ndarray | None = None) -> tuple[Any, Any]:
    """The rows of a log and the labels of its segments."""
    from equipoise.evaluation import evaluation_data

    rng = np.random.default_rng([seed, len(world)])
    cell, x = rng.integers(0, ARMS + 1, n), rng.integers(0, LEVELS, (FEATURES, n))
    if world == "amounts":
        y = rng.lognormal(0, 1.5, n) * (rng.random(n) < 0.1)
    else:
        chance = (0.05 if world == "sales" else 0.2) * np.exp(0.3 * (x[0] - 1.5))
        chance = chance if lift is None else chance + (cell == 1) * lift[x[0]]
        y = (rng.random(n) < chance).astype(float)
    design = np.full(ARMS + 1, 1 / (ARMS + 1))
    segments = {f"x{j}": labels for j, labels in enumerate(x)}
    return evaluation_data(y, cell=cell, propensity=design), segments


def share(name: str, hits: list[bool], against: str = "") -> dict[str, Any]:
    """A share of logs, give or take two standard errors."""
    value = float(np.mean(hits))
    reach = 2 * float(np.sqrt(value * (1 - value) / len(hits)))
    return figure(name, value, low=value - reach, high=value + reach, against=against, n=len(hits))


def says(p_values: Any) -> bool:
    """Whether any is below .05."""
    return bool((np.nan_to_num(p_values, nan=1.0) <= 0.05).any())


def of_world(world: str, logs: int) -> list[dict[str, Any]]:
    """The figures of a world in which nothing differs."""
    from equipoise.evaluation import segment_effects

    n = 4_000 if world == "visits" else 1_200
    every = [segment_effects(*log_of(world, seed, n)) for seed in range(logs)]
    return [
        share(f"segments_false_{world}", [says(e.adjusted_heterogeneity) for e in every], "0.05"),
        share(f"segments_false_one_{world}", [says(e.adjusted) for e in every], "0.05"),
        share(f"segments_false_plain_{world}", [says(e.heterogeneity) for e in every], "0.05"),
    ]


def found(logs: int) -> list[dict[str, Any]]:
    """What is found of a difference that is there."""
    from equipoise.evaluation import segment_effects

    hits, covered = [], []
    for seed in range(logs):
        e = segment_effects(*log_of("visits", 50_000 + seed, 3_000, LIFT))
        hits.append(bool(e.adjusted[3, 0, 0] <= 0.05))
        own = e.effect
        covered += ((own.low[:4, 0, 0] <= LIFT) & (own.high[:4, 0, 0] >= LIFT)).tolist()
    return [share("segments_found", hits), share("segments_cover", covered, "0.95")]


def quarters(X: np.ndarray, features: list[str]) -> dict[str, np.ndarray]:
    """Features in quarters."""
    places = [int(name[1:]) for name in features]
    cuts = {j: np.quantile(X[:, j], [0.25, 0.5, 0.75]) for j in places}
    return {f"x{j}": np.searchsorted(cuts[j], X[:, j]) for j in places}


def chosen(seed: int) -> tuple[bool, bool]:
    """Whether something is claimed of drivers, by rows held back and by the same."""
    import pyarrow as pa

    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.evaluation import evaluation_data, segment_effects
    from equipoise.pipeline.findings.drivers import drivers
    from equipoise.pipeline.findings.segments import leaders
    from equipoise.treatments import Arms

    rng = np.random.default_rng([seed, 7])
    X, t = rng.standard_normal((NOISE_ROWS, NOISE)), rng.integers(0, 2, NOISE_ROWS)
    y = X[:, 0] + rng.standard_normal(NOISE_ROWS)
    names = tuple(f"x{j}" for j in range(NOISE))
    columns = dict(zip(names, X.T, strict=True)) | {"t": t, "y": y}
    log = Log(
        pa.table(columns), Roles("t", (Outcome("y"),), names, design=(0.5, 0.5)), Arms([0, 1])
    )
    claims = []
    third = np.arange(NOISE_ROWS) % 3 == 0
    for held in (third, np.ones(NOISE_ROWS, np.bool_)):
        fitted = ~held if not held.all() else held
        model = TLearner(BoostedTrees(15, num_leaves=6)).fit(
            X[fitted], y[fitted], treatment=t[fitted]
        )
        rows = np.flatnonzero(held)
        lead = leaders(drivers(log.take(rows), model.effects(X[held]), ("y",), 0), {"y": 1.0}, 3)
        data = evaluation_data(y[held], cell=t[held], propensity=[0.5, 0.5])
        effects = segment_effects(data, quarters(X[held], lead))
        claims.append(says(effects.adjusted_heterogeneity))
    return claims[0], claims[1]


def main() -> None:
    """Measure, and record."""
    form = "full" if full() else "quick"
    logs = LOGS[form]
    figures = [one for world in ("sales", "visits", "amounts") for one in of_world(world, logs)]
    figures += found(logs // 5)
    pairs = [chosen(seed) for seed in range(logs)]
    figures.append(share("segments_false_held", [a for a, _ in pairs], "0.05"))
    figures.append(share("segments_false_same", [b for _, b in pairs], "0.05"))
    for one in figures:
        print(f"{one['name']:32} {one['value']:9.4f}  {one['low']:.4f} {one['high']:.4f}")
    protocol = f"{__doc__}\nForm: {form}"
    record("segments", protocol, versions("equipoise", "lightgbm", "numpy"), range(logs), figures)


if __name__ == "__main__":
    main()
