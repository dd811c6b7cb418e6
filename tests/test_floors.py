"""The drawing against the code: imports between folders go down only, and folders on one floor
never import each other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "equipoise"
FLOORS = [
    {"core"},
    {"treatments", "neural", "learners"},
    {"data", "estimators", "evaluation", "allocation", "ranking"},
    {"artifacts", "report", "operations", "scale"},
    {"pipeline", "reproduce", "serving"},
    {"cli"},
]
FLOOR_OF = {folder: level for level, floor in enumerate(FLOORS) for folder in floor}


def imported(file: Path) -> Iterator[tuple[str, int]]:
    """The folders of equipoise that a file imports, with line numbers; strings in registries count
    as imports too.
    """
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if node.level:
                yield "a relative import", node.lineno
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value
        ):
            names = [node.value.split(":")[0]]
        for name in names:
            parts = name.split(".")
            if parts[0] == "equipoise" and len(parts) > 1 and parts[1] in FLOOR_OF:
                yield parts[1], getattr(node, "lineno", 0)


def wrong_ways(folder: str, file: Path) -> list[str]:
    """The imports of a file that do not go down."""
    bad = []
    for target, line in imported(file):
        if target == folder:
            continue
        if target not in FLOOR_OF or FLOOR_OF[target] >= FLOOR_OF[folder]:
            bad.append(f"{file.relative_to(ROOT)}:{line} imports {target}")
    return bad


def test_every_folder_has_a_floor():
    folders = {
        path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("__")
    }
    assert folders == set(FLOOR_OF)


def test_contributing_draws_these_floors():
    drawing = (ROOT.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    floors = re.findall(r"^    F(\d)(.*(?:\n        .*)*)", drawing, re.M)
    drawn = {word: int(level) for level, text in floors for word in re.findall(r"[a-z]+", text)}
    assert [int(level) for level, _ in floors] == list(reversed(range(len(FLOORS))))
    assert {name: drawn.get(name) for name in FLOOR_OF} == FLOOR_OF


@pytest.mark.parametrize("folder", sorted(FLOOR_OF))
def test_imports_go_down(folder):
    bad = [
        line for file in sorted((ROOT / folder).rglob("*.py")) for line in wrong_ways(folder, file)
    ]
    assert not bad, "\n".join(bad)


def test_a_wrong_way_import_is_seen(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("from equipoise.data import read_log\nX = {'a': 'equipoise.cli.main:main'}\n")
    assert [target for target, _ in imported(file)] == ["data", "cli"]


HEAVY = ["torch", "lightgbm", "numba", "plotly", "pandas", "polars", "sklearn"]


def test_import_equipoise_is_light():
    code = f"import sys, equipoise; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_torch_stays_in_its_rooms():
    rooms = {ROOT / "neural", ROOT / "estimators" / "deep", ROOT / "ranking" / "nets"}
    for file in ROOT.rglob("*.py"):
        if not rooms & set(file.parents):
            assert "import torch" not in file.read_text(encoding="utf-8"), file
