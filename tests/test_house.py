"""The house rules that a machine can hold: sizes, docstrings, no code loaded from files, no paths
of one machine.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, LARGEST_TRACKED = 400, 50, 200 * 1024
LARGEST_ROOM = 0.2  # of the lines of the package
A_NAME_IN_A_LIST = re.compile(
    r"\*?[\w.\"]+(: [^()]+)?( ?= ?[\w.\"()]+)?,"
)  # one line of a signature or a call
A_STORED_ARGUMENT = re.compile(r"self\.(\w+) = \1")  # constructors only store: alike by nature
TWIN_LINES, TWIN_BUDGET = 8, 0  # runs of so many equal lines that may stand in two places


def tracked() -> list[Path]:
    """The files under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(node: ast.AST) -> int:
    """The lines of the docstring of a file, class or function; 0 without one."""
    first = next(iter(getattr(node, "body", [])), None)
    text = first.value if isinstance(first, ast.Expr) else None
    if not (isinstance(text, ast.Constant) and isinstance(text.value, str)):
        return 0
    return (first.end_lineno or 0) - first.lineno + 1


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, without its signature and docstring."""
    return (node.end_lineno or 0) - node.body[0].lineno + 1 - docstring_lines(node)


@dataclass(frozen=True)
class Facts:
    """What the rules ask of a file, so that it is parsed once."""

    lines: int  # docstrings apart
    words: set[int]  # the lines of docstrings: sections of parameters are alike by nature
    long: dict[str, int]  # functions, with their lines
    untold: list[str]  # what is public without a docstring
    asserts: list[int]


@cache
def facts_of(file: Path) -> Facts:
    """The facts of a file."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    words: set[int] = set()
    for node in nodes:
        if isinstance(node, DOCUMENTED) and (n := docstring_lines(node)):
            words.update(range(node.body[0].lineno, node.body[0].lineno + n))
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    untold = [node.name for node in public if not ast.get_docstring(node)]
    return Facts(
        lines=len(text.splitlines()) - len(words),
        words=words,
        long={n.name: code_lines(n) for n in functions if code_lines(n) > LONGEST_FUNCTION},
        untold=untold if ast.get_docstring(tree) or not tree.body else ["the file", *untold],
        asserts=[node.lineno for node in nodes if isinstance(node, ast.Assert)],
    )


def test_no_folder_is_a_loft():
    house = ROOT / "src" / "equipoise"
    rooms: dict[str, int] = defaultdict(int)
    for file in SOURCES:
        rooms[file.relative_to(house).parts[0]] += facts_of(file).lines
    largest = max(rooms, key=lambda room: rooms[room])
    assert rooms[largest] <= LARGEST_ROOM * sum(rooms.values()), largest


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_is_one_idea(file):
    facts = facts_of(file)
    assert facts.lines <= LONGEST_FILE, "lines of code, docstrings apart"
    assert not facts.long
    assert not facts.untold, "a file, and what is public, starts by saying what it is"


def test_nothing_that_is_loaded_executes_code():
    pattern = re.compile(
        r"^\s*(import|from)\s+(pickle|joblib|dill|cloudpickle|marshal|shelve)\b|allow_pickle=True|\beval\(|\bexec\(",
        re.M,
    )
    for file in SOURCES:
        assert not pattern.search(file.read_text(encoding="utf-8")), file


def test_kernels_are_compiled_by_one_decorator():
    """It keeps them where something can be written; numba's own ends in a traceback elsewhere."""
    pattern = re.compile(r"^\s*(import numba|from numba)\b|numba\.njit", re.M)
    users = [file for file in SOURCES if pattern.search(file.read_text(encoding="utf-8"))]
    assert [file.name for file in users] == ["kernels.py"]
    assert users[0].parent.name == "core"


def test_no_assert_for_users():
    for file in SOURCES:
        assert not facts_of(file).asserts, file


def test_tracked_files_are_small_and_of_no_machine():
    machine_path = re.compile(r"(^|[^A-Za-z0-9_.])/(work|farm|root)/[A-Za-z.]")
    for file in tracked():
        assert file.stat().st_size <= LARGEST_TRACKED, file
        if file.suffix not in {".png", ".zip"}:
            assert not machine_path.search(file.read_text(encoding="utf-8")), file


def test_written_once():
    seen: dict[str, list[str]] = defaultdict(list)
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        words = facts_of(file).words
        kept = [
            (i, line)
            for i, line in enumerate(map(str.strip, text.splitlines()), 1)
            if len(line) > 3
            and i not in words
            and not line.startswith(("#", "from ", "import "))
            and not A_NAME_IN_A_LIST.fullmatch(line)
            and not A_STORED_ARGUMENT.fullmatch(line)
        ]
        for start in range(len(kept) - TWIN_LINES + 1):
            run = kept[start : start + TWIN_LINES]
            seen["\n".join(line for _, line in run)].append(f"{file.relative_to(ROOT)}:{run[0][0]}")
    twins = [places for places in seen.values() if len(places) > 1]
    assert len(twins) <= TWIN_BUDGET, twins[:5]
