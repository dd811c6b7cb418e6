"""Linear double machine learning: CPU time, memory and error beside EconML's LinearDML; coverage;
ten million rows from a file.

Beside EconML: 100,000 rows, 20 features, 10 switches that are on or off in any combination and
follow the features; the effect of each switch is linear in all features (210 coefficients), the
level is not.  Both sides: ridge nuisances, one thread, fit and the effects of 10 candidates on
20,000 new rows.  EconML: two folds, its quickest, and no standard errors (inference=None); beside
it with the HC1 standard errors that ours always has (`_errors`).  Ours: our defaults, five folds.
Each case is a process of its own that first fits 2,000 rows, so that imports and compilation do not
count.  All cases of a seed see the same data, in turns, three times over; the quickest of the three
counts, for the machine is shared.  Memory is the highest resident set of the process over what it
had when the data were loaded.  The error is the root of the mean squared error of the 10 effects.

coverage_dml: 200 experiments of 2,000 rows, three switches that follow the features, an
interaction, uneven noise, a level that is no line; the share of 95 % intervals that hold the true
effect, over 7 vectors and 3 units (range: of the worst and the best). coverage_dml_unresidualised:
the same where neither side is residualised, which must fail.

dml_1e7: 10,000,000 rows with 20 features and 10 switches are written to Parquet in pieces, then
learnt from by `fit_batches` in a process of its own; rss is its highest resident set, imports
included, beside that of 1,000,000 rows.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROWS, NEW_ROWS, WARM_ROWS, SWITCHES, FEATURES = 100_000, 20_000, 2_000, 10, 20
SEEDS, RUNS, EXPERIMENTS = range(5), 3, 200
CASES = {"ours": "equipoise", "econml": "econml", "econml_errors": "econml"}
LARGE, SMALL, PIECE = 10_000_000, 1_000_000, 100_000
Data = dict[str, np.ndarray]


def experiment(n: int, seed: int) -> Data:
    """X (n, 20) normal, t (n, 10) switches, y (n,), tau (n, 10); the coefficients are the same for
    every seed.
    """
    theta = 0.3 * np.random.default_rng(0).standard_normal((1 + FEATURES, SWITCHES))
    rng = np.random.default_rng(1 + seed)
    X = rng.standard_normal((n, FEATURES))
    t = (rng.random((n, SWITCHES)) < 1 / (1 + np.exp(-0.5 * X[:, :SWITCHES]))).astype(np.int64)
    tau = theta[0] + X @ theta[1:]
    y = X[:, 0] + np.sin(X[:, 1]) + (t * tau).sum(axis=1) + rng.standard_normal(n)
    return {"X": X, "t": t, "y": y, "tau": tau}


def ours(train: Data, new: Data) -> Any:
    """Our effects of each switch on the new rows, (n, 10)."""
    from equipoise import Bits, LinearDML

    model = LinearDML(space=Bits(SWITCHES)).fit(train["X"], train["y"], treatment=train["t"])
    return model.effects(new["X"], np.eye(SWITCHES, dtype=np.int64)).values[:, :, 0]


def econml(train: Data, new: Data) -> Any:
    """EconML's."""
    return _econml(train, None).const_marginal_effect(new["X"])


def econml_errors(train: Data, new: Data) -> Any:
    """EconML's with their HC1 standard errors."""
    found = _econml(train, "statsmodels").const_marginal_effect_inference(new["X"])
    if not np.isfinite(found.stderr).all():
        raise RuntimeError("EconML gave no standard errors")
    return found.point_estimate


def _econml(train: Data, inference: str | None) -> Any:
    from econml.dml import LinearDML
    from sklearn.linear_model import Ridge

    model = LinearDML(model_y=Ridge(), model_t=Ridge(), cv=2, random_state=0)
    return model.fit(train["y"], train["t"], X=train["X"], inference=inference)


def resident(key: str) -> float:
    """VmRSS (now) or VmHWM (highest) of this process, MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in this process: CPU seconds, growth of memory (MB), error, and the package's
    version.
    """
    train, new = (dict(np.load(folder / f"{part}.npz")) for part in ("train", "new"))
    effects = {"ours": ours, "econml": econml, "econml_errors": econml_errors}[case]
    effects(*({key: column[:WARM_ROWS] for key, column in data.items()} for data in (train, new)))
    before, start = resident("VmRSS"), time.process_time()
    found = np.asarray(effects(train, new), np.float64).reshape(NEW_ROWS, SWITCHES)
    cpu, grown = time.process_time() - start, resident("VmHWM") - before
    error = float(np.sqrt(np.mean((found - new["tau"]) ** 2)))
    return {"cpu": cpu, "rss": grown, "error": error, "version": metadata.version(CASES[case])}


def one_seed(seed: int) -> dict[str, dict[str, Any]]:
    """All cases on the data of a seed."""
    from benchmarks import peers

    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "train.npz", **experiment(ROWS, 2 * seed))
        np.savez(Path(folder) / "new.npz", **experiment(NEW_ROWS, 2 * seed + 1))
        runs: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
        for turn in range(RUNS):
            for case in list(CASES)[:: 1 if (seed + turn) % 2 else -1]:
                runs[case].append(peers.run(CASES[case], Path(__file__), case, folder))
    found = {case: min(each, key=lambda run: float(run["cpu"])) for case, each in runs.items()}
    for case, run in found.items():
        print(
            f"seed {seed}  {case:13s}"
            + "  {cpu:6.2f} s  {rss:5.0f} MB  error {error:.4f}".format(**run),
            flush=True,
        )
    return found


def beside_econml() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The figures of all seeds, and the versions measured."""
    from benchmarks.record import figure

    runs, figures = [one_seed(seed) for seed in SEEDS], []
    ratios = (
        ("dml_speedup_econml", "cpu", "econml", 1),
        ("dml_speedup_econml_errors", "cpu", "econml_errors", 1),
        ("dml_memory_ratio", "rss", "econml", -1),
        ("dml_rmse_ratio", "error", "econml", -1),
    )
    for name, part, peer, power in ratios:
        each = np.array([run[peer][part] / run["ours"][part] for run in runs]) ** float(power)
        low, high = float(each.min()), float(each.max())
        figures.append(
            figure(
                name, float(np.median(each)), low=low, high=high, unit="x", against="econml", n=ROWS
            )
        )
    for part, unit in (("cpu", "CPU s"), ("rss", "MB"), ("error", "RMSE")):
        for case in CASES:
            values = [run[case][part] for run in runs]
            name = f"dml_{case}_{part}"
            figures.append(
                figure(
                    name,
                    float(np.median(values)),
                    low=min(values),
                    high=max(values),
                    unit=unit,
                    n=ROWS,
                )
            )
    return figures, {CASES[case]: run["version"] for case, run in runs[0].items()}


# coverage

THETA, OWN, CROSS = np.array([[1.0, 0.5], [-0.5, 1.0], [0.0, -1.0]]), [0, 0, 1], 0.8
UNITS = np.array([[0.0, 0.0, 0.0], [0.5, -0.2, 0.3], [-1.0, 1.0, 0.0]])


def switched(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, 3), t (n, 3), y (n,): the effect of switch j is THETA[j] in [1, feature OWN[j]]; CROSS
    of the first two together.
    """
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    t = (rng.random((n, 3)) < 0.5 + 0.35 * X[:, OWN] * [1, 0, -1]).astype(np.int64)
    gain = (t * (THETA[:, 0] + X[:, OWN] * THETA[:, 1])).sum(axis=1) + CROSS * t[:, 0] * t[:, 1]
    return (
        X,
        t,
        3 * X[:, 0] + np.sin(3 * X[:, 1]) + gain + rng.standard_normal(n) * (0.5 + np.abs(X[:, 2])),
    )


def coverage(name: str, learner: Callable[[Any], Any]) -> dict[str, Any]:
    """How often the intervals of a learner, made of a space, hold the truth."""
    from benchmarks.record import figure
    from equipoise import Bits

    space = Bits(3, "all", crosses=2)
    vectors = space.candidates()
    truth = (THETA[:, 0] + UNITS[:, OWN] * THETA[:, 1]) @ vectors.T + CROSS * vectors[
        :, 0
    ] * vectors[:, 1]
    held = []
    for seed in range(EXPERIMENTS):
        X, t, y = switched(2000, seed)
        effects = learner(space).fit(X, y, treatment=t).effects(UNITS)
        held.append(np.abs(effects.values[:, :, 0] - truth) < 1.959964 * effects.std_error[:, :, 0])
    each = np.mean(held, axis=0)
    low, high = float(each.min()), float(each.max())
    return figure(
        name,
        float(each.mean()),
        low=low,
        high=high,
        unit="share of intervals",
        against="0.95",
        n=EXPERIMENTS,
    )


# ten million rows


def write(path: Path, rows: int) -> None:
    """A log of many rows, in pieces that are experiments of their own seeds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for seed in range(rows // PIECE):
        data = experiment(PIECE, seed)
        columns = {f"x{j}": data["X"][:, j].astype(np.float32) for j in range(FEATURES)}
        columns |= {f"t{j}": data["t"][:, j].astype(np.int8) for j in range(SWITCHES)}
        table = pa.table(columns | {"y": data["y"].astype(np.float32)})
        writer = writer or pq.ParquetWriter(
            path, table.schema, compression="none", use_dictionary=False
        )
        writer.write_table(table)
    if writer is not None:
        writer.close()


def stream(path: Path) -> dict[str, Any]:
    """Learn from a file in this process."""
    from equipoise import Bits, LinearDML
    from equipoise.data import read_batches

    new = experiment(NEW_ROWS, 10_000_000)
    start = time.process_time()
    model = LinearDML(space=Bits([f"t{j}" for j in range(SWITCHES)]))
    model.fit_batches(
        lambda: read_batches(path), treatment=[f"t{j}" for j in range(SWITCHES)], outcomes="y"
    )
    cpu, peak = time.process_time() - start, resident("VmHWM")
    effects = model.effects(new["X"].astype(np.float32), np.eye(SWITCHES, dtype=np.int64))
    gap = effects.values[:, :, 0] - new["tau"]
    return {"cpu": cpu, "rss": peak, "error": float(np.sqrt(np.mean(gap**2)))}


def from_file() -> list[dict[str, Any]]:
    """The figures of a large and of a small file."""
    from benchmarks import peers
    from benchmarks.record import figure

    figures, found = [], {}
    for rows, name in ((SMALL, "dml_1e6"), (LARGE, "dml_1e7")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.parquet"
            write(path, rows)
            megabytes = path.stat().st_size / 2**20
            found[name] = peers.run("equipoise", Path(__file__), "stream", str(path))
        print(f"{name}  file {megabytes:.0f} MB  {found[name]}", flush=True)
        figures.append(figure(f"{name}_rss_mb", found[name]["rss"], unit="MB", n=rows))
        figures.append(figure(f"{name}_cpu", found[name]["cpu"], unit="CPU s", n=rows))
        figures.append(figure(f"{name}_error", found[name]["error"], unit="RMSE", n=rows))
        figures.append(figure(f"{name}_file_mb", megabytes, unit="MB", n=rows))
    growth = found["dml_1e7"]["rss"] / found["dml_1e6"]["rss"]
    return [
        *figures,
        figure("dml_rss_growth", growth, unit="x", against="a tenth of the rows", n=LARGE),
    ]


def main() -> None:
    """Measure and record."""
    from sklearn.dummy import DummyRegressor

    from benchmarks.record import record, versions
    from equipoise import LinearDML

    figures, packages = beside_econml()
    figures.append(coverage("coverage_dml", lambda space: LinearDML(space=space)))
    blind = DummyRegressor()
    figures.append(
        coverage("coverage_dml_unresidualised", lambda space: LinearDML(blind, blind, space=space))
    )
    figures += from_file()
    record("dml", str(__doc__), versions("equipoise", "numpy") | packages, list(SEEDS), figures)
    for one in figures:
        spread = "" if one["low"] is None else f"  [{one['low']:.4f}, {one['high']:.4f}]"
        print(f"{one['name']:28s} {one['value']:10.4f}{spread}")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    elif len(sys.argv) == 3 and sys.argv[1] == "stream":
        print(json.dumps(stream(Path(sys.argv[2]))))
    else:
        main()
