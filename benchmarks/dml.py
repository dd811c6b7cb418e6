"""Linear double machine learning: CPU time, memory and error of fit + effects, beside EconML's LinearDML.

100,000 rows, 20 features, 10 switches that are on or off together in any way and follow the features; the effect of each switch
is linear in all features (210 coefficients), the level is not.  Both sides: ridge nuisances, one thread.  EconML: two folds, its
quickest, and no standard errors (inference=None).  Ours: our defaults, five folds, with standard errors of every effect.

Each case is a process of its own that first fits 2,000 rows, so that imports do not count.  Both cases of a seed see the same
data, one after the other, in turns.  The error is the root of the mean squared error of the 10 effects on 20,000 new rows.

Run as a script with a case and a folder, this file is that case: it then needs only numpy and the package it measures.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROWS, NEW_ROWS, WARM_ROWS, SWITCHES, FEATURES = 100_000, 20_000, 2_000, 10, 20
SEEDS = range(5)
CASES = {"ours": "equipoise", "econml": "econml"}
Data = dict[str, np.ndarray]


def experiment(n: int, seed: int) -> Data:
    """X (n, 20) normal, t (n, 10) switches, y (n,), tau (n, 10); the coefficients are the same for every seed."""
    theta = 0.3 * np.random.default_rng(0).standard_normal((1 + FEATURES, SWITCHES))
    rng = np.random.default_rng(1 + seed)
    X = rng.standard_normal((n, FEATURES))
    t = (rng.random((n, SWITCHES)) < 1 / (1 + np.exp(-0.5 * X[:, :SWITCHES]))).astype(np.int64)
    tau = theta[0] + X @ theta[1:]
    y = X[:, 0] + np.sin(X[:, 1]) + (t * tau).sum(axis=1) + rng.standard_normal(n)
    return {"X": X, "t": t, "y": y, "tau": tau}


class Switches:
    """The space of the experiment: vectors of 0 and 1, one candidate a switch."""

    kind, control = "switches", np.zeros(SWITCHES, np.int64)

    def check(self, treatment: Any) -> Any:
        return np.asarray(treatment)

    def candidates(self) -> Any:
        return np.eye(SWITCHES, dtype=np.int64)

    def names(self, treatment: Any) -> tuple[str, ...]:
        return tuple("".join(map(str, row)) for row in treatment)

    def encode(self, treatment: Any) -> Any:
        return np.asarray(treatment, np.float64)

    def cells(self, treatment: Any) -> Any:
        from equipoise.core.errors import UnsupportedSpace

        raise UnsupportedSpace("the space", "have cells", "switches")

    def describe(self) -> str:
        return f"{SWITCHES} switches"


def ours(train: Data, new: Data) -> Any:
    """Our effects of each switch on the new rows, (n, 10)."""
    from equipoise.estimators import LinearDML

    model = LinearDML(space=Switches()).fit(train["X"], train["y"], treatment=train["t"])
    return model.effects(new["X"]).values[:, :, 0]


def econml(train: Data, new: Data) -> Any:
    """EconML's."""
    from econml.dml import LinearDML
    from sklearn.linear_model import Ridge

    model = LinearDML(model_y=Ridge(), model_t=Ridge(), cv=2, random_state=0)
    model.fit(train["y"], train["t"], X=train["X"], inference=None)
    return model.const_marginal_effect(new["X"])


def measure(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in this process: CPU seconds, peak memory (MB), error, and the package's version."""
    train, new = (dict(np.load(folder / f"{part}.npz")) for part in ("train", "new"))
    effects = {"ours": ours, "econml": econml}[case]
    effects(*({key: column[:WARM_ROWS] for key, column in data.items()} for data in (train, new)))
    start = time.process_time()
    found = np.asarray(effects(train, new), np.float64).reshape(NEW_ROWS, SWITCHES)
    cpu = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    error = float(np.sqrt(np.mean((found - new["tau"]) ** 2)))
    return {"cpu": cpu, "rss": peak, "error": error, "version": metadata.version(CASES[case])}


def one_seed(seed: int) -> dict[str, dict[str, Any]]:
    """Both cases on the data of a seed."""
    from benchmarks import peers

    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "train.npz", **experiment(ROWS, 2 * seed))
        np.savez(Path(folder) / "new.npz", **experiment(NEW_ROWS, 2 * seed + 1))
        found = {}
        for case in list(CASES)[:: 1 if seed % 2 else -1]:
            found[case] = peers.run(CASES[case], Path(__file__), case, folder)
            print(
                f"seed {seed}  {case:7s}" + "  {cpu:6.2f} s  {rss:5.0f} MB  error {error:.4f}".format(**found[case]), flush=True
            )
    return found


def main() -> None:
    """Measure and record."""
    from benchmarks.record import figure, record, versions

    runs = [one_seed(seed) for seed in SEEDS]
    figures = []
    for name, part, speed in (("dml_speedup", "cpu", 1), ("dml_rss_ratio", "rss", -1), ("dml_error_ratio", "error", -1)):
        each = np.array([run["econml"][part] / run["ours"][part] for run in runs]) ** speed
        low, high = float(each.min()), float(each.max())
        figures.append(figure(name, float(np.median(each)), low=low, high=high, unit="x", against="econml", n=ROWS))
    for part, unit in (("cpu", "CPU s"), ("rss", "MB"), ("error", "RMSE")):
        for case in CASES:
            values = [run[case][part] for run in runs]
            figures.append(
                figure(f"{case}_{part}", float(np.median(values)), low=min(values), high=max(values), unit=unit, n=ROWS)
            )
    packages = {CASES[case]: run["version"] for case, run in runs[0].items()}
    record("dml", str(__doc__), versions("equipoise", "numpy") | packages, list(SEEDS), figures)
    for one in figures:
        print(f"{one['name']:16s} {one['value']:8.4f}  [{one['low']:.4f}, {one['high']:.4f}]")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
