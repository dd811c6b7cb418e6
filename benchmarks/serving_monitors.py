"""monitors  Streams of decisions by a policy of three candidates with holdout, exploration and,
     in every other one, a candidate policy: 6 features (numbers, text, gaps), scores, logged
     probabilities, rewards.  Nothing changes in some; in each other one thing does.

monitors_false_alarms        share of unchanged streams with any alarm, where the settings promise
                             at most `against` (a level high enough to be measured)
monitors_found_WHAT          share of changed streams where the monitor that should tell it did
monitors_us                  CPU a decision, read from the log and watched
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from benchmarks.record import figure
from equipoise.serving.config import LogConfig, MonitorConfig
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.monitors.watch import Entry, Watch
from equipoise.serving.records import (
    CANDIDATE,
    EXPLORED,
    HOLDOUT,
    Context,
    DecisionRecord,
    Record,
    RewardRecord,
)

K = 3
HOUR = 3600 * 10**9
START = 1_700_000_000 * 10**9 // (24 * HOUR) * 24 * HOUR  # the beginning of a day
SHARE, HELD, EXPLORED_SHARE = 0.2, 0.1, 0.2
ALONE = Context(
    0, START, "policy", "snapshot", seed=1, holdout=HELD, explore=EXPLORED_SHARE,
    cells=("none", "a", "b", "c"),
)  # fmt: skip
SPLIT = replace(ALONE, candidate_snapshot="other", share=SHARE)
REASONABLE = MonitorConfig(reference=1_000, block=500)
LOOSE = MonitorConfig(reference=1_000, block=500, false_alarms=0.5, days=1, least_psi=0.0)
SIZES = {"test": 6, "quick": 60, "full": 400}  # streams of each kind


class Change(NamedTuple):
    """What changes after the reference; nothing where it is as it stands."""

    shift: float = 0.0  # of a feature, in standard deviations
    gaps: float = 0.02  # of another
    unknown: float = 0.01  # units
    better: float = 0.0  # of candidate a's score
    holdout: float = 0.1  # that is really held out
    explored: float = 1.0  # of the chance of candidate c that exploration really gives it
    slower: float = 1.0  # rewards


CHANGES = {
    "drift": Change(shift=0.6),
    "missing": Change(gaps=0.1),
    "unknown": Change(unknown=0.06),
    "scores": Change(better=0.4),
    "sample_ratio": Change(holdout=0.16),
    "propensity": Change(explored=0.15),
    "delay": Change(slower=2.5),
}


def stream(n: int, seed: int, change: Change, after: int) -> tuple[Context, list[Record]]:
    """Decisions, one a second, each with a reward, changed after some."""
    rng = np.random.default_rng(seed)
    context = SPLIT if seed % 2 else ALONE
    new = np.arange(n) >= after
    x = rng.standard_normal((n, 4)) + np.outer(new * change.shift, [1, 0, 0, 0])
    text = rng.choice(["north", "south", "east", "west"], n, p=[0.5, 0.3, 0.15, 0.05])
    gap = rng.random(n) < np.where(new, change.gaps, 0.02)
    unknown = rng.random(n) < np.where(new, change.unknown, 0.01)
    scores = rng.standard_normal((2, n, K)) - 0.5
    scores[0, :, 0] += new * change.better
    choices = np.where(scores.max(2) > 0, scores.argmax(2), -1)  # (2, n), of both policies
    other = (rng.random(n) < context.share).astype(int)
    held = rng.random(n) < np.where(new, change.holdout, HELD)
    explored = ~held & ~unknown & (rng.random(n) < EXPLORED_SHARE)
    q = np.array([1.0, 1.0, 1.0, change.explored])
    drawn = np.where(new, rng.choice(4, n, p=q / q.sum()), rng.integers(0, 4, n)) - 1
    delay = rng.exponential(600.0, n) * np.where(new, change.slower, 1.0)
    records: list[Record] = []
    for i in range(n):
        choice = -1 if unknown[i] else int(choices[other[i], i])
        served = -1 if held[i] else int(drawn[i]) if explored[i] else choice
        p = 0.0
        for policy, share in ((0, 1 - context.share), (1, context.share)):
            own = -1 if unknown[i] else int(choices[policy, i])
            p += share * (float(own == served) if unknown[i] else 0.8 * (own == served) + 0.05)
        p = 0.9 * p + 0.1 * (served == -1)
        flags = CANDIDATE * other[i] | HOLDOUT * held[i] | EXPLORED * explored[i]
        features: dict[str, Any] = {f"x{j}": float(x[i, j]) for j in range(4)}
        features |= {"region": str(text[i]), "income": None if gap[i] else float(x[i, 1] ** 2)}
        own_scores = b"" if unknown[i] else scores[other[i], i].astype("<f8").tobytes()
        ns = START + i * 10**9
        id_ = ((ns // 10**6 << 80) | i).to_bytes(16, "big")
        records.append(
            DecisionRecord(
                id_,
                ns,
                0,
                f"u{i}",
                1,
                features,
                b"",
                b"",
                {},
                b"",
                b"",
                -2,
                b"",
                None,
                own_scores,
                choice,
                served,
                p,
                0,
                int(flags),
            )  # fmt: skip
        )
        at = ns + int(delay[i] * 1e9)
        records.append(RewardRecord(id_, at, at, "visit", 1.0))
    return context, sorted(records, key=lambda record: record.ns)


def watched(of: tuple[Context, list[Record]], config: MonitorConfig, folder: Path) -> set[str]:
    """The monitors that ever had an alarm."""
    watch, found = Watch(folder, config), set()
    context, records = of
    for record in records:
        watch._take(Entry(record.ns, context, record))
        if watch.board.alarms:
            found |= {key[0] for key in watch.board.alarms}
    return found


def write(folder: Path, of: tuple[Context, list[Record]]) -> None:
    """A log of them, in several segments."""
    log = DecisionLog(folder, 0, LogConfig(roll_bytes=1 << 20))
    log.context(of[0])
    for record in of[1]:
        log.append(record)
    log.close()


def speed(folder: Path, of: tuple[Context, list[Record]]) -> float:
    """CPU a decision from the file on, in microseconds."""
    write(folder, of)
    watch = Watch(folder, REASONABLE)
    begin = time.process_time()
    report = watch.update()
    return (time.process_time() - begin) / report.decisions * 1e6


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of the monitors."""
    count = SIZES[form]
    out = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quiet = [bool(watched(stream(6_000, s, Change(), 0), LOOSE, folder)) for s in range(count)]
        rate = float(np.mean(quiet))
        out.append(figure("monitors_false_alarms", rate, against="0.5 at most", n=count))
        for what, change in CHANGES.items():
            hits = [
                what in watched(stream(12_000, 10**6 + s, change, 5_000), REASONABLE, folder)
                for s in range(max(count // 6, 2))
            ]
            out.append(figure(f"monitors_found_{what}", float(np.mean(hits)), n=len(hits)))
        us = speed(folder / "log", stream(12_000, 0, Change(), 0))
        out.append(figure("monitors_us", us, unit="us", n=12_000))
    return out


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:30} {one['value']:.4g}   n={one['n']}")
