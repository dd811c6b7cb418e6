"""Which small faults the tests notice: mutants of cosmic-ray, run against the nearest tests, those
that mirror the mutated file (``tests/a/test_b.py`` and the doctests of ``src/equipoise/a/b.py``;
the tests of the folder where a file has none of its own), and what survives them against all tests
that should see it (`WIDER`).  A run that was stopped goes on where it was: verdicts are kept in
runs/mutants, by what the file and its tests were.

    mutants_killed            by any of these tests
    mutants_killed_nearest    by the nearest alone
    mutants_killed_<group>    by any, of the files of a group

`make mutants` draws ``PER_FILE`` mutants of every file at random with a fixed seed; FULL=1 runs all
(hours).  ``MUTANTS_OF=allocation`` keeps the files whose path holds that text, ``MUTANTS_SEED=1``
draws others.  Left out: numba
kernels (they would be compiled anew for every mutant), annotations, decorators, imports for type
checkers, and texts of errors.  Every worker mutates its own copy of the tree.
"""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import MutationSpec, TestOutcome

from benchmarks.record import RESULTS, figure, full, record, versions
from equipoise.reproduce.checkpoint import write_text

ROOT = Path(__file__).parent.parent
PACKAGE = Path("src/equipoise")
FILES = {  # what decides who gets what, and what is reported of it
    "allocation": ["allocation/*.py", "allocation/solver/*.py"],
    "evaluation": ["evaluation/*.py"],
    "strata": ["core/strata.py", "core/strata_tests.py", "estimators/strata/*.py"],
    "targeting": ["pipeline/study/strata_targeting.py"],
    "supply": ["pipeline/supply/*.py"],
    "propensity": ["learners/propensity.py", "pipeline/study/propensity.py"],
    "folds": ["core/folds.py"],
}
KERNELS = ["allocation/solver/kernels.py"]
PUBLIC = ["tests/test_docstrings.py", "tests/contract/test_old_names.py"]  # of every signature
WIDER = {  # the tests that should see a fault of a group, beside the nearest and `PUBLIC`
    "allocation": ["tests/allocation", "tests/contract/test_policies.py"],
    "evaluation": ["tests/evaluation"],
    "strata": ["tests/core", "tests/estimators/strata", "tests/contract/test_strata.py"],
    "targeting": ["tests/pipeline/study", "tests/pipeline/findings/test_strata.py"],
    "supply": ["tests/pipeline/supply", "tests/cli/test_supply.py"],
    "propensity": ["tests/learners", "tests/estimators/meta", "tests/pipeline/study"],
    "folds": ["tests/core", "tests/learners", "tests/pipeline/study"],
}
PER_FILE, WORKERS, SEED = 3, 2, int(os.environ.get("MUTANTS_SEED", "0"))
SLOWEST, MARGIN = 3.0, 10.0  # a mutant may take 3 times as long as the tests, and 10 seconds
COPIED = ["src", "tests", "benchmarks", "docs", "examples"]

CHANGED = re.compile(r"[+-](?![+-])")  # a line of a diff, not its head

Span = tuple[tuple[int, int], tuple[int, int]]


class RedTests(RuntimeError):
    """Tests that fail without a mutant say nothing of mutants."""


@dataclass(frozen=True)
class Verdict:
    """What the tests said of one mutant: whether the nearest notice it, and whether any do."""

    group: str
    mutant: MutationSpec
    nearest: bool
    killed: bool
    diff: str


def files() -> list[tuple[str, Path]]:
    """(group, file) of every file that is mutated."""
    kernels = {ROOT / PACKAGE / name for name in KERNELS}
    return [
        (group, file.relative_to(ROOT))
        for group, patterns in FILES.items()
        for pattern in patterns
        for file in sorted((ROOT / PACKAGE).glob(pattern))
        if file.name != "__init__.py" and file not in kernels
        if os.environ.get("MUTANTS_OF", "") in str(file)
    ]


def tests_of(file: Path) -> list[str]:
    """The tests that mirror a file, and its doctests."""
    folder = Path("tests") / file.relative_to(PACKAGE).parent
    mirrored = folder / f"test_{file.name}"
    return [str(mirrored if (ROOT / mirrored).exists() else folder), str(file)]


def span(node: ast.AST) -> Span:
    """Where a node stands, as cosmic-ray counts."""
    at: Any = node
    return (at.lineno, at.col_offset), (at.end_lineno, at.end_col_offset)


def left_out(tree: ast.Module) -> list[Span]:
    """The places of a file that are not mutated."""
    spans: list[Span] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            spans.append(span(node))
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                spans.append(span(getattr(node, name)))
        decorators = getattr(node, "decorator_list", [])
        spans += [span(decorator) for decorator in decorators]
        if any("njit" in ast.unparse(decorator) for decorator in decorators):
            spans.append(span(node))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            spans.append(span(node))
    return spans


def mutants_of(file: Path) -> list[list[MutationSpec]]:
    """The mutants of a file, gathered by the place they change."""
    out = left_out(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    tree = get_ast_from_path(ROOT / file)
    places: dict[tuple[int, int], list[MutationSpec]] = {}
    for name in operator_names():
        if get_operator(name).arguments() or name.endswith("NoOp"):
            continue
        operator = get_operator(name)()
        positions = [at for node in ast_nodes(tree) for at in operator.mutation_positions(node)]
        for occurrence, (start, end) in enumerate(positions):
            if not any(low <= start and end <= high for low, high in out):
                spec = MutationSpec(file, name, occurrence, start, end)
                places.setdefault(start, []).append(spec)
    return [places[start] for start in sorted(places)]


def drawn(file: Path) -> list[MutationSpec]:
    """All mutants of a file, or a few: places at random, then one change at each."""
    places = mutants_of(file)
    if full():
        return [mutant for place in places for mutant in place]
    rng = np.random.default_rng([SEED, *str(file).encode()])
    some = rng.permutation(len(places))[:PER_FILE]
    return [places[i][rng.integers(len(places[i]))] for i in sorted(some)]


def enter_copy(folder: str) -> None:
    """Make this worker's copy of the tree and work there."""
    copy = Path(tempfile.mkdtemp(dir=folder))
    junk = shutil.ignore_patterns("__pycache__", "runs")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=junk)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, copy)
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}


def checkpoint(file: Path, mutants: list[MutationSpec]) -> Path:
    """Where verdicts are kept, named by the bytes of the file and its tests, and its mutants."""
    read = hashlib.sha256(repr(mutants).encode())
    for name in tests_of(file):
        place = ROOT / name
        for part in sorted(place.glob("test_*.py")) if place.is_dir() else [place]:
            read.update(part.read_bytes())
    return ROOT / "runs" / "mutants" / f"{file.stem}-{read.hexdigest()[:16]}.json"


def judged(task: tuple[str, Path]) -> list[Verdict]:
    """The mutants of one file under its tests, or what a stopped run found of them."""
    group, file = task
    mutants = drawn(file)
    place = checkpoint(file, mutants)
    outcomes = verdicts_at(place, lambda: tested(file, mutants, tests_of(file)))
    alive = [mutant for mutant, (nearest, _) in zip(mutants, outcomes, strict=True) if not nearest]
    wider = verdicts_at(
        place.with_suffix(".wider.json"), lambda: tested(file, alive, PUBLIC + WIDER[group])
    )
    late = iter(wider)
    return [
        Verdict(group, mutant, nearest, nearest or next(late)[0], diff)
        for mutant, (nearest, diff) in zip(mutants, outcomes, strict=True)
    ]


def verdicts_at(place: Path, make: Callable[[], list[tuple[bool, str]]]) -> list[tuple[bool, str]]:
    """What a stopped run wrote at a place, else what is made now, written there."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps(make()))
    outcomes: list[tuple[bool, str]] = json.loads(place.read_text(encoding="utf-8"))
    return outcomes


def tested(file: Path, mutants: list[MutationSpec], tests: list[str]) -> list[tuple[bool, str]]:
    """(noticed, diff) of each mutant of a file by tests that must be green without one."""
    if not mutants:
        return []
    command = f"{sys.executable} -m pytest -x -q {' '.join(tests)}"
    started = time.perf_counter()
    outcome, text = run_tests(command, None)
    limit = SLOWEST * (time.perf_counter() - started) + MARGIN
    if outcome != TestOutcome.SURVIVED:
        raise RedTests(f"the tests of {file} fail without a mutant:\n{text[-2000:]}")
    outcomes = []
    for mutant in mutants:
        result = mutate_and_test([mutant], command, limit)
        if result.test_outcome is None or result.test_outcome == TestOutcome.INCOMPETENT:
            raise RuntimeError(f"cosmic-ray could not run {mutant}: {result.output}")
        outcomes.append((result.test_outcome == TestOutcome.KILLED, result.diff or ""))
    return outcomes


def share(name: str, noticed: list[bool]) -> dict[str, Any]:
    """The share of mutants that are noticed, with Wilson's 95 % interval."""
    n, z = len(noticed), 1.96
    p = sum(noticed) / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return figure(name, p, low=float(low), high=float(high), unit="share of mutants", n=n)


def survivors(verdicts: list[Verdict]) -> str:
    """The mutants that no test notices, as the lines they change."""
    lines = []
    for v in verdicts:
        if not v.killed:
            change = [line for line in v.diff.split("\n") if CHANGED.match(line)]
            place = f"{v.mutant.module_path}:{v.mutant.start_pos[0]}"
            lines += [f"{place} {v.mutant.operator_name.split('/')[-1]}", *change, ""]
    return "\n".join(lines)


def main() -> None:
    """Run the mutants, write the figures and the survivors."""
    started, tasks = time.perf_counter(), files()
    verdicts: list[Verdict] = []
    red: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(WORKERS, context, enter_copy, (folder,)) as pool:
            for task, done in [(task, pool.submit(judged, task)) for task in tasks]:
                if isinstance(done.exception(), RedTests):
                    red.append(str(done.exception()))
                    continue
                some = done.result()
                alive, seconds = sum(not v.killed for v in some), time.perf_counter() - started
                print(f"{seconds:6.0f} s  {alive} of {len(some)} live  {task[1]}", flush=True)
                verdicts += some
    if red:
        sys.exit("\n".join(red))
    by_group = Counter(verdict.group for verdict in verdicts)
    figures = [
        share("mutants_killed", [v.killed for v in verdicts]),
        share("mutants_killed_nearest", [v.nearest for v in verdicts]),
    ]
    figures += [
        share(f"mutants_killed_{group}", [v.killed for v in verdicts if v.group == group])
        for group in by_group
    ]
    print(survivors(verdicts))
    for one in figures[:2]:
        print(f"{one['name']} {one['value']:.3f} of {len(verdicts)}")
    if os.environ.get("MUTANTS_OF"):
        return
    drawing = "all mutants" if full() else f"{PER_FILE} mutants a file, places drawn at random"
    protocol = (
        f"{drawing}; operators of cosmic-ray without arguments; killed: a test fails, or takes 3"
        " times as long; nearest: of the file that mirrors it, or a doctest; else of the folders"
        " that should see it.  Not mutated: numba kernels, annotations, decorators, error texts."
    )
    record("mutants", protocol, versions("cosmic-ray", "pytest"), [SEED], figures)
    (RESULTS / "mutants_survivors.txt").write_text(survivors(verdicts) + "\n", encoding="utf-8")


if __name__ == "__main__":  # by its own name, so that workers find its functions
    from benchmarks.mutants import main as run

    run()
