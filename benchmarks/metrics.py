"""Our Qini with interval and curve against scikit-uplift's and causalml's Qini, and our
compatibility metrics against theirs.

Figures: qini_speedup_best_peer, qini_over_argsort (n = 1e7, one thread; every round times each
contender once, in turn, each in a process that holds its data); compat_max_diff over 20 random
cases: ties, weights, unequal arms, negative effects, amounts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from benchmarks.peers import ONE_THREAD, python_of  # noqa: E402
from equipoise.evaluation import METRICS, evaluation_data, gain_curve, qini, rank_by_score  # noqa: E402

SIZE = 10_000_000
CASES, ROWS = 20, 400
SEED = 1
WORKER = """
import json, sys, time, warnings
from importlib.metadata import version
warnings.filterwarnings("ignore")
import numpy as np
peer = sys.argv[1]
if peer == "scikit-uplift":
    from sklift.metrics import qini_auc_score, uplift_auc_score
else:
    import pandas as pd
    from causalml.metrics import auuc_score, qini_score
def load(score, t, y):
    if peer == "scikit-uplift":
        return y, score, t
    return (pd.DataFrame({"y": y, "w": t, "m": score}),)
def headline(data):
    if peer == "scikit-uplift":
        return float(qini_auc_score(*data))
    return float(qini_score(*data).iloc[0])
def every(data):
    if peer == "scikit-uplift":
        found = qini_auc_score(*data), uplift_auc_score(*data)
        return {"qini_sklift": float(found[0]), "auuc_sklift": float(found[1])}
    return {name + end: float(score(*data, normalize=not end).iloc[0])
            for name, score in (("qini_causalml", qini_score), ("auuc_causalml", auuc_score))
            for end in ("", "_raw")}
for line in sys.stdin:
    job = json.loads(line)
    if "n" in job:
        r = np.random.default_rng(job["seed"])
        s, t = r.standard_normal(job["n"]), r.integers(0, 2, job["n"])
        y = r.random(job["n"]) < 1 / (1 + np.exp(1.5 - .3 * s * t))
        data = load(s, t, y.astype(np.int64))
        answer = 0
    elif "version" in job:
        answer = version(job["version"])
    elif "case" in job:
        answer = every(load(*(np.array(part) for part in job["case"])))
    else:
        start = time.process_time()
        headline(data)
        answer = time.process_time() - start
    print(json.dumps(answer), flush=True)
"""


class Peer:
    """A process of a peer's environment that answers one job per line."""

    def __init__(self, name: str) -> None:
        command, pipe = [python_of(name), "-c", WORKER, name], subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=os.environ | ONE_THREAD, stdin=pipe, stdout=pipe, text=True
        )

    def ask(self, **job: Any) -> Any:
        """The answer to a job."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def experiment(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(score, treated, y), the same rows that the peers make for themselves."""
    r = np.random.default_rng(SEED)
    s, t = r.standard_normal(n), r.integers(0, 2, n)
    return s, t, (r.random(n) < 1 / (1 + np.exp(1.5 - 0.3 * s * t))).astype(np.int64)


def seconds(job: Callable[[], Any]) -> float:
    """The CPU time of a job."""
    start = time.process_time()
    job()
    return time.process_time() - start


def timings(peers: dict[str, Peer], n: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round; the first round warms up and is dropped."""
    score, treated, y = experiment(n)

    def ours() -> None:
        ranking = rank_by_score(score, evaluation_data(y, cell=treated, propensity=[0.5, 0.5]))
        qini(ranking)
        gain_curve(ranking)

    for peer in peers.values():
        peer.ask(n=n, seed=SEED)
    times: dict[str, list[float]] = {name: [] for name in ("equipoise", "argsort", *peers)}
    for _ in range(rounds + 1):
        times["equipoise"].append(seconds(ours))
        times["argsort"].append(seconds(lambda: np.argsort(score)))
        for name, peer in peers.items():
            times[name].append(peer.ask())
    return {name: taken[1:] for name, taken in times.items()}


def case(seed: int) -> dict[str, Any]:
    """A random case.  Ties and weights go only where the original defines them: scikit-uplift, a
    weight being rows repeated.
    """
    r = np.random.default_rng(seed)
    ties, weights, continuous = seed % 4 == 1, seed % 4 == 2, seed % 4 == 3
    score, t = r.standard_normal(ROWS), (r.random(ROWS) < r.choice([0.1, 0.5, 0.9])).astype(int)
    y = r.choice([-0.5, 0.0, 0.5]) * t + 0.5 * score * t + r.standard_normal(ROWS)
    return {
        "score": np.round(score, 1) if ties else score,
        "t": t,
        "y": y if continuous else (y > 0.3).astype(int),
        "weight": r.integers(1, 5, ROWS) if weights else np.ones(ROWS, int),
        "peers": (
            {"scikit-uplift"}
            if ties or weights
            else {"causalml"}
            if continuous
            else {"scikit-uplift", "causalml"}
        ),
    }


def differences(peers: dict[str, Peer]) -> list[float]:
    """Ours less theirs for every metric of every case; relative where the value is above 1 in
    size.
    """
    found = []
    for seed in range(CASES):
        one = case(seed)
        ranking = rank_by_score(
            one["score"],
            evaluation_data(one["y"], cell=one["t"], propensity=[0.5, 0.5], weight=one["weight"]),
        )
        again = np.repeat(np.arange(ROWS), one["weight"])
        for name in one["peers"]:
            theirs = peers[name].ask(
                case=[one[part][again].tolist() for part in ("score", "t", "y")]
            )
            found += [
                abs(METRICS.load(m).value(ranking) - value) / max(1.0, abs(value))
                for m, value in theirs.items()
            ]
    return found


def ratio(name: str, above: list[float], below: list[float], **more: Any) -> dict[str, Any]:
    """The ratio of medians, with the range of the rounds' own ratios."""
    by_round = [a / b for a, b in zip(above, below, strict=True)]
    value = statistics.median(above) / statistics.median(below)
    return figure(
        name, value, low=min(by_round), high=max(by_round), unit="ratio of CPU time", **more
    )


def main() -> None:
    """Measure and record."""
    rounds = 7 if full() else 3
    peers = {name: Peer(name) for name in ("scikit-uplift", "causalml")}
    gaps = differences(peers)
    times = timings(peers, SIZE, rounds)
    theirs = {name: peer.ask(version=name) for name, peer in peers.items()}
    for peer in peers.values():
        peer.close()
    best = min(peers, key=lambda name: statistics.median(times[name]))
    rows = [
        ratio("qini_speedup_best_peer", times[best], times["equipoise"], against=best, n=SIZE),
        ratio(
            "qini_over_argsort",
            times["equipoise"],
            times["argsort"],
            against="numpy.argsort of the scores",
            n=SIZE,
        ),
        figure(
            "compat_max_diff",
            max(gaps),
            unit="absolute, relative above 1",
            against="scikit-uplift, causalml",
            n=len(gaps),
        ),
    ]
    for name, taken in times.items():
        rows.append(
            figure(
                f"seconds_{name}",
                statistics.median(taken),
                low=min(taken),
                high=max(taken),
                unit="CPU s",
                n=SIZE,
            )
        )
    protocol = (
        f"n = {SIZE:,} binary outcomes, continuous scores, CPU time on one thread, {rounds} rounds"
        " after a warm one. Ours: check, sort, Qini with interval, gain curve of 200 points with"
        f" bands; the peers: the Qini alone. Compatibility: {CASES} cases of {ROWS} rows."
    )
    print(
        record(
            "metrics",
            protocol,
            versions("equipoise", "numpy", "numba") | theirs,
            [SEED, *range(CASES)],
            rows,
        )
    )
    for row in rows:
        print(f"{row['name']:28} {row['value']:.4g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
