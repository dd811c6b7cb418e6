"""`dml-sparse` where five of many features move the effect: what its intervals hold, how wide they
are, and how far effects miss, beside `dml` (least squares, ridge nuisances) on the same rows.

1,000 rows, `d100` and `d300` features each half like the one before; the first decides who is
treated, and the outcome; noise is uneven.  coverage: of 95 % intervals, of the effects of 50 new
units, of the five coefficients, of the others, and of the average effect.  width: mean standard
error of those effects, over least squares'.  error: RMSE of effects over least squares'; `lasso`:
of `debias=False`.  low and high are the ends over seeds of ratios.  cpu: seconds of a fit, the
median of seeds, one thread.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

ROWS, UNITS = 1_000, 50
BETA = {1: 1.0, 3: -1.0, 10: 0.5, 20: 0.5, 40: -0.5}
FORMS = {"quick": {100: 20, 300: 10}, "full": {100: 100, 300: 50}}
Numbers = dict[str, Any]


def world(seed: int, d: int) -> tuple[Any, ...]:
    """X (n, d), y, treatment (n,), coefficients (d,) of the effect, whose constant is 1; new units
    (50, d).
    """
    rng = np.random.default_rng([seed, d])
    X = rng.normal(size=(ROWS + UNITS, d))
    for j in range(1, d):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    X, new = X[:ROWS], X[ROWS:]
    t = (rng.random(ROWS) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.int64)
    beta = np.zeros(d)
    beta[list(BETA)] = list(BETA.values())
    noise = rng.normal(size=ROWS) * (1 + 0.3 * np.abs(X[:, 1]))
    return X, X[:, 0] + 0.5 * X[:, 2] + t * (1 + X @ beta) + noise, t, beta, new


def measured(model: Any, seed: int, d: int) -> Numbers:
    """What one fit holds, how wide it is and how far it misses."""
    X, y, t, beta, new = world(seed, d)
    start = time.process_time()
    model.fit(X, y, treatment=t)
    out: Numbers = {"cpu": time.process_time() - start}
    effects = model.effects(new)
    miss = effects.values[:, 0, 0] - 1 - new @ beta
    out["error"] = float(np.sqrt(np.square(miss).mean()))
    if effects.std_error is None:
        return out
    spread = effects.std_error[:, 0, 0]
    table = model.coefficients().to_pydict()
    value, error = (np.array(table[name][1:]) for name in ("value", "std_error"))
    hit, mean = np.abs(value - beta) < 1.96 * error, model.average_effects(X)[0, 0]
    held = {"effects": np.abs(miss) < 1.96 * spread, "five": hit[beta != 0]}
    held |= {"others": hit[beta == 0], "average": mean.low < 1 < mean.high}
    out |= {f"coverage_{name}": float(np.mean(part)) for name, part in held.items()}
    return out | {"width": float(spread.mean())}


def figures_of(d: int, seeds: int) -> list[dict[str, Any]]:
    """The figures of one number of features."""
    from benchmarks.record import figure
    from equipoise.estimators import LinearDML, SparseDML

    kinds = {
        "least_squares": lambda: LinearDML(),
        "sparse": lambda: SparseDML(),
        "lasso": lambda: SparseDML(debias=False),
    }
    measured(SparseDML(), 0, 100)  # compiles
    runs = {
        name: [measured(make(), seed, d) for seed in range(seeds)] for name, make in kinds.items()
    }
    out = []
    for name, each in runs.items():
        for key in each[0]:
            column = np.array([one[key] for one in each])
            label, against = f"sparse_d{d}_{name}_{key}", ""
            if key.startswith("coverage"):
                out.append(figure(label, column.mean(), unit="share", against="0.95", n=seeds))
            elif key == "cpu":
                out.append(figure(label, float(np.median(column)), unit="CPU s", n=ROWS))
            elif name != "least_squares":
                ratio = column / [one[key] for one in runs["least_squares"]]
                ends = {"low": float(ratio.min()), "high": float(ratio.max())}
                against = "least squares"
                value = float(np.mean(ratio))
                out.append(figure(label, value, **ends, unit="x", against=against, n=seeds))
    return out


def main() -> None:
    """Measure and record."""
    from benchmarks.record import full, one_thread, record, versions

    one_thread()
    warnings.simplefilter("ignore")
    name = "full" if full() else "quick"
    figures = [one for d, seeds in FORMS[name].items() for one in figures_of(d, seeds)]
    known, seeds = versions("equipoise", "numpy"), list(range(max(FORMS[name].values())))
    record("sparse", f"{__doc__}\n{name} form: {FORMS[name]} seeds", known, seeds, figures)
    for one in figures:
        print(f"{one['name']:44s} {one['value']:8.4f}")


if __name__ == "__main__":
    main()
