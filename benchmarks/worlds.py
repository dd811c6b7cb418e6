"""The worlds in which learners of effects are compared: those of Nie & Wager, Quasi-oracle
estimation of heterogeneous treatment effects, Biometrika 108 (2021), an outcome that is rare, and
arms of unequal size.

With x of 6 features, each of the six normal (A: uniform), e the propensity, y of middle + (w - 1/2)
tau + noise of size 1:

    A   a hard level and propensity, a smooth effect       C   a hard propensity, a constant effect
    B   an experiment                                      D   two groups that share nothing
    rare   an experiment on an outcome of 1 %              arms   one with arms of 85 and 15 %
"""

from __future__ import annotations

from typing import Any

import numpy as np

WORLDS = ("A", "B", "C", "D", "rare", "arms")
WORLD_ROWS, NEW_WORLD_ROWS = 50_000, 20_000
Data = dict[str, np.ndarray]


def parts(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The level and the effect of the experiment, (n,) each."""
    level = (
        np.sin(np.pi * X[:, 0] * X[:, 1] / 2) + 0.5 * (X[:, 2] - 0.5) ** 2 + X[:, 3] + 0.5 * X[:, 4]
    )
    tau = 0.3 + 0.8 * np.tanh(2 * X[:, 1]) + 0.6 * (X[:, 2] > 0) * X[:, 3] - 0.4 * np.abs(X[:, 5])
    return level, tau


def positive(x: np.ndarray) -> np.ndarray:
    """x where it is above 0, else 0."""
    return np.maximum(x, 0)


def chance(name: str, X: np.ndarray) -> np.ndarray:
    """The propensity e(x) of a world, (n,)."""
    if name == "A":
        return np.clip(np.sin(np.pi * X[:, 0] * X[:, 1]), 0.1, 0.9)
    if name == "C":
        return 1 / (1 + np.exp(X[:, 1] + X[:, 2]))
    if name == "D":
        return 1 / (1 + np.exp(-X[:, 0]) + np.exp(-X[:, 1]))
    return np.full(len(X), 0.15 if name == "arms" else 0.5)


def surface(name: str, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of both levels and the effect of a world, (n,) each."""
    a, b, c, d, f, _ = X.T
    if name == "A":
        return np.sin(np.pi * a * b) + 2 * (c - 0.5) ** 2 + d + 0.5 * f, (a + b) / 2
    if name == "B":
        middle = positive(np.maximum(a + b, c)) + positive(d + f)
        return middle, a + np.log1p(np.exp(b))
    if name == "C":
        return 2 * np.log1p(np.exp(a + b + c)), np.ones(len(X))
    if name == "D":
        one, other = positive(a + b + c), positive(d + f)
        return (one + other) / 2, one - other
    level, tau = parts(X)
    return level + tau / 2, tau


def world(name: str, n: int, seed: int) -> Data:
    """X (n, 6), w (n,), y (n,), tau (n,) and the propensity e (n,) of a world."""
    rng = np.random.default_rng([seed, WORLDS.index(name)])
    X = rng.random((n, 6)) if name == "A" else rng.standard_normal((n, 6))
    e = chance(name, X)
    w = (rng.random(n) < e).astype(int)
    if name == "rare":
        base = np.exp(0.8 * X[:, 0] + 0.5 * np.sin(2 * X[:, 1]) + 0.4 * (X[:, 2] > 0)) / 1.98
        p = np.minimum(0.01 * base, 0.9)
        lift = np.tanh(X[:, 1]) + 0.5 * (X[:, 3] > 0)
        tau = np.clip(p * (1 + 1.2 * (0.4 + lift)), 0, 0.95) - p
        y = (rng.random(n) < p + w * tau).astype(float)
    else:
        middle, tau = surface(name, X)
        y = middle + (w - 0.5) * tau + rng.standard_normal(n)
    return {"X": X, "w": w, "y": y, "tau": tau, "e": e}


def compare_worlds(found: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """The worst ratios of the worlds, each world's, and the error of every case in each.   found:
    "world case" -> runs.
    """
    from benchmarks.record import figure

    mean = {
        part: {key: float(np.mean([run[part] for run in runs])) for key, runs in found.items()}
        for part in ("pehe", "cpu")
    }
    figures, worst = [], []
    for kind in ("dr", "x"):
        peers = {
            where: [f"{where} {peer}_{kind}" for peer in ("econml", "causalml")] for where in WORLDS
        }
        errors, speeds = {}, {}
        for where, keys in peers.items():
            mine = f"{where} ours_{kind}"
            errors[where] = mean["pehe"][mine] / min(mean["pehe"][key] for key in keys)
            speeds[where] = min(mean["cpu"][key] for key in keys) / mean["cpu"][mine]
        against = f"the best of econml_{kind}, causalml_{kind}"
        for name, ratios, pick in (("pehe_ratio", errors, max), ("speedup", speeds, min)):
            shown = {"unit": "x", "against": against, "n": WORLD_ROWS}
            all_of = list(ratios.values())
            worst.append(
                figure(
                    f"{kind}_{name}_worst", pick(all_of), low=min(all_of), high=max(all_of), **shown
                )
            )
            figures += [
                figure(f"{kind}_{name}_{where}", value, **shown) for where, value in ratios.items()
            ]
    for key, runs in found.items():
        where, case = key.split()
        for part, unit in (("pehe", "PEHE"), ("cpu", "CPU s")):
            each = [run[part] for run in runs]
            figures.append(
                figure(
                    f"{part}_{where}_{case}",
                    mean[part][key],
                    low=min(each),
                    high=max(each),
                    unit=unit,
                    n=WORLD_ROWS,
                )
            )
    return worst + figures
