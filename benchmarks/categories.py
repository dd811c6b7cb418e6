"""Text of 50 levels: trees that split it by sets of levels (``categories="native"``) beside those
that split it by the order of their frequency, the default, paired over seeds.

    Worlds: `levels`, the effect varies from level to level; `few`, five levels have one; `null`, no
    effect, the level's outcome varies; `noise`, the text is noise and a number moves the effect.

    categories_<world>_<learner>_error    root mean squared error of new units' effects, less that
                                          of the order
    categories_<world>_<learner>_gain     the mean effect of treating those whose effect is said to
                                          be above 0, less that of the order's

4,000 rows and as many new ones, learners with their default models, seeds 0 to 9.
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from equipoise.estimators import DRLearner, XLearner  # noqa: E402
from equipoise.learners.base_learners import default_effect, default_outcome  # noqa: E402

SEEDS, ROWS, LEVELS = range(10), 4_000, 50
WORLDS = ("levels", "few", "null", "noise")
LEARNERS: dict[str, Any] = {"x": XLearner, "dr": DRLearner}


def world(kind: str, seed: int) -> tuple[dict[str, Any], Any, Any, Any]:
    """Features, treatment, outcome and effect of rows, and as many new ones."""
    rng = np.random.default_rng(seed)
    share, n = 1 / np.sqrt(np.arange(1, LEVELS + 1)), 2 * ROWS
    code, x = rng.choice(LEVELS, n, p=share / share.sum()), rng.normal(size=(n, 4))
    t, a, b = rng.integers(0, 2, n), rng.normal(size=LEVELS), rng.normal(size=LEVELS)
    effect = {
        "levels": 0.5 * a[code],
        "few": 1.0 * np.isin(code, [2, 9, 17, 23, 31]),
        "null": np.zeros(n),
        "noise": 0.5 * x[:, 1],
    }[kind]
    base = x[:, 0] + (0.0 if kind == "noise" else 0.5 * b[code])
    y = base + effect * t + rng.normal(size=n)
    columns = {f"x{j}": x[:, j] for j in range(4)}
    return {"town": np.char.add("town ", code.astype(str)), **columns}, t, y, effect


def judged(kind: str, learner: str, seed: int, categories: str) -> tuple[float, float]:
    """The error of new units' effects, and the gain of treating by their sign."""
    X, t, y, effect = world(kind, seed)
    models = [make(ROWS / 2) for make in (default_outcome, default_effect)]
    for model in models:
        model.set_params(categories=categories)
    rows, new = slice(0, ROWS), slice(ROWS, None)
    fitted = LEARNERS[learner](*models).fit(
        {name: column[rows] for name, column in X.items()}, y[rows], treatment=t[rows]
    )
    said = fitted.predict({name: column[new] for name, column in X.items()})
    truth = effect[new]
    return float(np.sqrt(np.mean((said - truth) ** 2))), float(np.mean(truth * (said > 0)))


def main() -> None:
    """Measure and record."""
    rows = []
    for kind in WORLDS:
        for learner in LEARNERS:
            ordered, native = (
                np.array([judged(kind, learner, seed, how) for seed in SEEDS])
                for how in ("ordered", "native")
            )
            name = f"categories_{kind}_{learner}"
            rows.append(interval(f"{name}_ordered", ordered[:, 0], "error"))
            gap = native - ordered
            rows.append(interval(f"{name}_error", gap[:, 0], "error", "the order of frequency"))
            rows.append(interval(f"{name}_gain", gap[:, 1], "per head", "the order of frequency"))
    protocol = (
        f"{ROWS:,} rows, {ROWS:,} new ones, {LEVELS} levels, default models; mean over seeds with"
        " 95 % Student interval, paired; nothing is chosen."
    )
    package = versions("equipoise", "lightgbm", "numpy")
    print(record("categories", protocol, package, list(SEEDS), rows))
    for row in rows:
        print(f"{row['name']:32} {row['value']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]")


if __name__ == "__main__":
    main()
