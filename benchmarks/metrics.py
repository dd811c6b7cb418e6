"""Our Qini with interval and curve against scikit-uplift's and causalml's Qini, and our
compatibility metrics against theirs.

The time of a sort depends on what is sorted and on who else works on the machine, so every ratio is
taken on several inputs: scores that are normal, skewed (gamma), tied (1,000 values) or in float32,
1e6 and 1e7 rows of them, and normal ones while every core has a neighbour that sorts.  One thread;
every round times each contender once, in turn, each in a process that holds its data.

Figures: qini_speedup_best_peer, the median of the inputs with the lowest and the highest, one of
each input beside it (with the range of its rounds), qini_over_argsort alike; compat_max_diff over
20 random cases: ties, weights, unequal arms, negative effects, amounts.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from benchmarks.neighbours import neighbours  # noqa: E402
from benchmarks.peers import ONE_THREAD, python_of  # noqa: E402
from equipoise.evaluation import METRICS, evaluation_data, gain_curve, qini, rank_by_score  # noqa: E402

SIZE = 10_000_000
CASES, ROWS = 20, 400
Scores = Callable[[np.random.Generator, int], np.ndarray]
NORMAL: Scores = lambda r, n: r.standard_normal(n)  # noqa: E731
# input -> (its scores, rows, whether every core has a neighbour)
INPUTS: dict[str, tuple[Scores, int, bool]] = {
    "normal": (NORMAL, SIZE, False),
    "gamma": (lambda r, n: r.gamma(0.5, size=n), SIZE, False),
    "ties": (lambda r, n: r.integers(0, 1000, n) / 1000, SIZE, False),
    "float32": (lambda r, n: r.standard_normal(n, np.float32), SIZE, False),
    "normal_1e6": (NORMAL, SIZE // 10, False),
    "normal_busy": (NORMAL, SIZE, True),
}
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
    if "rows" in job:
        rows = np.load(job["rows"])
        data = load(rows["score"], rows["treated"], rows["y"])
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


def experiment(scores: Scores, n: int) -> dict[str, np.ndarray]:
    """Scores, a fair coin and a 0/1 outcome that the score moves where the coin says so."""
    r = np.random.default_rng(SEED)
    score, treated = scores(r, n), r.integers(0, 2, n)
    y = r.random(n) < 1 / (1 + np.exp(1.5 - 0.3 * score * treated))
    return {"score": score, "treated": treated, "y": y.astype(np.int64)}


def seconds(job: Callable[[], Any]) -> float:
    """The CPU time of a job."""
    start = time.process_time()
    job()
    return time.process_time() - start


def timings(peers: dict[str, Peer], name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round on an input; the first round warms up and is
    dropped.
    """
    scores, n, busy = INPUTS[name]
    rows = experiment(scores, n)

    def ours() -> None:
        data = evaluation_data(rows["y"], cell=rows["treated"], propensity=[0.5, 0.5])
        ranking = rank_by_score(rows["score"], data)
        qini(ranking)
        gain_curve(ranking)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, **rows)  # type: ignore[arg-type]
        for peer in peers.values():
            peer.ask(rows=str(file))
    times: dict[str, list[float]] = {who: [] for who in ("equipoise", "argsort", *peers)}
    with neighbours(busy):
        for _ in range(rounds + 1):
            times["equipoise"].append(seconds(ours))
            times["argsort"].append(seconds(lambda: np.argsort(rows["score"])))
            for who, peer in peers.items():
                times[who].append(peer.ask())
    return {who: taken[1:] for who, taken in times.items()}


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


def over_inputs(name: str, each: list[dict[str, Any]], against: str) -> dict[str, Any]:
    """The median of a ratio over the inputs, with the lowest and the highest of them."""
    values = [one["value"] for one in each]
    unit = f"ratio of CPU time, {len(values)} inputs"
    value = statistics.median(values)
    return figure(name, value, low=min(values), high=max(values), unit=unit, against=against)


def compare(times: dict[str, dict[str, list[float]]], peers: list[str]) -> list[dict[str, Any]]:
    """The ratios over the inputs, then of each, then the seconds of everybody."""
    speed, sort, rows = [], [], []
    for name, taken in times.items():
        n = INPUTS[name][1]
        best = min(peers, key=lambda peer: statistics.median(taken[peer]))
        label, mine = f"qini_speedup_{name}", taken["equipoise"]
        speed.append(ratio(label, taken[best], mine, against=best, n=n))
        label = f"qini_over_argsort_{name}"
        sort.append(ratio(label, mine, taken["argsort"], against="numpy.argsort", n=n))
        for who, each in taken.items():
            label, value = f"seconds_{who}_{name}", statistics.median(each)
            rows.append(figure(label, value, low=min(each), high=max(each), unit="CPU s", n=n))
    return [
        over_inputs("qini_speedup_best_peer", speed, "the best peer of each input"),
        over_inputs("qini_over_argsort", sort, "numpy.argsort of the scores"),
        *speed,
        *sort,
        *rows,
    ]


def main() -> None:
    """Measure and record."""
    rounds = 7 if full() else 3
    peers = {name: Peer(name) for name in ("scikit-uplift", "causalml")}
    gaps = differences(peers)
    times = {name: timings(peers, name, rounds) for name in INPUTS}
    theirs = {name: peer.ask(version=name) for name, peer in peers.items()}
    for peer in peers.values():
        peer.close()
    rows = compare(times, list(peers))
    unit, against = "absolute, relative above 1", "scikit-uplift, causalml"
    rows.insert(2, figure("compat_max_diff", max(gaps), unit=unit, against=against, n=len(gaps)))
    protocol = (
        f"Binary outcomes, CPU time on one thread, {rounds} rounds after a warm one. Ours: check,"
        " sort, Qini with interval, gain curve of 200 points with bands; the peers: the Qini alone."
        " Inputs: scores that are normal, gamma (shape 0.5), of 1,000 values, in float32; 1e6 rows;"
        " and normal ones while each core sorts for a neighbour."
        f" Compatibility: {CASES} cases of {ROWS} rows."
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
