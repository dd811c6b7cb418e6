"""Never lose, never guess: hostile logs, plans, units and snapshots by the thousand, publishes that
are stopped everywhere, and the promise of a budget.

    tracebacks       examples that ended in anything but an answer or an error of ours: 0
    silent           answers that an oracle knows to be changed, guessed or ignored: 0
    SUITE_answers    examples of one suite that were answered, out of n; the others were refused
    files_lost       publishes stopped at a line of core/snapshot.py (killed, interrupted, full
                     disk; with and without a swap in one step), or by a fault of a system call
                     where there is strace, after which neither the earlier nor the new one was
                     there, or anything was left over: 0 of n faults
    budget_excess    the most by which a rule exceeds a demand on the rows it was made on, relative
                     to potential usage, over random instances of 1 to 2,000 units: 0

`tests/fixtures/hardening` makes the examples and says what the oracles know.  Quick: 2,000 examples
a suite and 300 instances; FULL=1: 12,500 a suite, 50,000 in all, and 1,000 instances.  Seeds count
from 0; the result keeps the shortest example of each failure with its seed, the first 20 of them:
``suite.example(random.Random(seed), suite.world(folder))`` repeats it.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import atexit  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import multiprocessing  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import Future, ProcessPoolExecutor, as_completed  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import cache  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from random import Random  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.promises import rule  # noqa: E402
from equipoise.cli.show import progress  # noqa: E402
from equipoise.core.errors import InfeasibleError  # noqa: E402
from tests.fixtures.hardening.shared import ANSWER, SILENT, TRACEBACK, scratch  # noqa: E402
from tests.fixtures.promise_instances import draw_instance  # noqa: E402

SUITES = ("logs", "plans", "units", "snapshots")
EXAMPLES = 12_500 if full() else 2_000  # of each suite
INSTANCES = 1_000 if full() else 300
CHUNK = 100  # examples or instances that a process does at a time
KEPT = 20  # failures
TESTS = Path(__file__).parent.parent / "tests"
FOLDER = "FOLDER"  # in a command: a new one
# commands that print {"faults" or "cases": count, "problems": {where: what}}
PUBLISHES = [
    [str(TESTS / "fixtures" / "publish_faults.py"), fault, swap, FOLDER]
    for fault in ("kill", "Ctrl-C", "full disk")
    for swap in ("one step", "two renames")
]
SYSTEM = [  # these need strace
    ["-m", "fixtures.system_faults", FOLDER, "0", str(int(full())), subject]
    for subject in ("snapshot", "file", "estimator", "report", "score", "fit", "run")
]


@dataclass(frozen=True)
class Failure:
    """An example that ended as none may."""

    suite: str
    seed: int
    ending: str
    case: str
    said: str

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes two failures one: a traceback's type and place, the start of what an oracle
        said.
        """
        said = self.said[-60:] if self.ending == TRACEBACK else self.said[:30]
        return self.suite, self.ending, said


@dataclass(frozen=True)
class Chunk:
    """What one process found in its seeds."""

    name: str
    count: int
    endings: Counter[str]
    failures: list[Failure]
    excess: float = 0.0


@cache
def world_of(name: str) -> Any:
    """What a suite makes once in each process, in a folder that goes with it."""
    folder = scratch()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return import_module(f"tests.fixtures.hardening.{name}").world(folder)


def examples(name: str, seeds: range) -> Chunk:
    """The examples of one suite."""
    logging.disable()
    suite, world = import_module(f"tests.fixtures.hardening.{name}"), world_of(name)
    endings: Counter[str] = Counter()
    failures = []
    for seed in seeds:
        verdict = suite.example(Random(seed), world)
        endings[verdict.ending] += 1
        if not verdict.good:
            failures.append(Failure(name, seed, verdict.ending, verdict.case, verdict.said))
    return Chunk(name, len(seeds), endings, failures)


def promises(name: str, seeds: range) -> Chunk:
    """The most by which any rule exceeds a demand; instances without one are left out."""
    excess = 0.0
    endings: Counter[str] = Counter()
    for seed in seeds:
        try:
            excess = max(excess, rule(draw_instance(seed), seed)[-1])
            endings[ANSWER] += 1
        except InfeasibleError:
            endings["infeasible"] += 1
    return Chunk(name, len(seeds), endings, [], excess)


def publish(name: str, command: list[str]) -> Chunk:
    """Publishes that are stopped: how many, and after which anything was wrong."""
    paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [sys.executable, *(folder if word == FOLDER else word for word in command)],
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(process.stdout.splitlines()[-1])
    failures = [
        Failure(name, 0, "lost", f"{' '.join(command[1:])} at {where}", str(what))
        for where, what in told["problems"].items()
    ]
    return Chunk(name, told.get("faults", told.get("cases", 0)), Counter(), failures)


def tasks() -> Iterator[tuple[Callable[..., Chunk], str, Any]]:
    """What there is to do, the suites in turns."""
    for start in range(0, EXAMPLES, CHUNK):
        for name in SUITES:
            yield examples, name, range(start, min(start + CHUNK, EXAMPLES))
    for start in range(0, INSTANCES, CHUNK):
        yield promises, "budgets", range(start, min(start + CHUNK, INSTANCES))
    for command in PUBLISHES + SYSTEM * bool(shutil.which("strace")):
        yield publish, "publishes", command


def run() -> list[Chunk]:
    """All of it, spread over the cores."""
    todo = list(tasks())
    chunks = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool, progress() as report:
        futures: list[Future[Chunk]] = [pool.submit(work, *asked) for work, *asked in todo]
        for future in as_completed(futures):
            chunks.append(future.result())
            for failure in chunks[-1].failures:
                print(failure, flush=True)
            report("chunks", len(chunks), len(todo))
    return chunks


def shortest(failures: list[Failure]) -> list[dict[str, Any]]:
    """The shortest example of each kind of failure, the first `KEPT`, as plain JSON."""
    kinds: dict[tuple[str, str, str], Failure] = {}
    for failure in sorted(failures, key=lambda each: (len(each.case), each.seed)):
        kinds.setdefault(failure.kind, failure)
    return [vars(failure) for failure in list(kinds.values())[:KEPT]]


def figures_of(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """The figures of all chunks."""
    endings = {name: Counter[str]() for name in (*SUITES, "publishes", "budgets")}
    counts = Counter[str]()
    for chunk in chunks:
        endings[chunk.name] += chunk.endings
        counts[chunk.name] += chunk.count
    total = sum(counts[name] for name in SUITES)
    lost = sum(len(chunk.failures) for chunk in chunks if chunk.name == "publishes")
    figures = [
        figure(
            f"{ending}{'s' * (ending == TRACEBACK)}",
            sum(endings[n][ending] for n in SUITES),
            n=total,
        )
        for ending in (TRACEBACK, SILENT)
    ]
    figures += [
        figure("files_lost", lost, n=counts["publishes"], unit="of faults"),
        figure(
            "budget_excess",
            float(np.max([chunk.excess for chunk in chunks])),
            n=endings["budgets"][ANSWER],
            unit="of potential usage",
        ),
    ]
    for name in SUITES:
        figures.append(figure(f"{name}_answers", endings[name][ANSWER], n=counts[name]))
    return figures


def main() -> None:
    """Run everything, and record the figures and what failed."""
    chunks = run()
    figures = figures_of(chunks)
    failures = shortest([failure for chunk in chunks for failure in chunk.failures])
    for each in figures:
        print(f"{each['name']} {each['value']:g} of {each['n']:,}")
    protocol = (
        f"{EXAMPLES:,} examples of each of {', '.join(SUITES)}, seeds from 0; publishes stopped at"
        f" every line, {len(PUBLISHES)} ways, and by faults of system calls, {len(SYSTEM)} writers;"
        f" {INSTANCES:,} instances of allocation"
    )
    packages = versions("numpy", "pyarrow", "pandas", "polars", "pydantic", "lightgbm")
    record("hardening", protocol, packages, [0, EXAMPLES - 1], figures, failures=failures)


if __name__ == "__main__":  # by its own name, so that workers find its functions
    from benchmarks.hardening import main as benchmark

    benchmark()
