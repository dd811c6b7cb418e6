"""The generated parts of README.md and docs/ are those of the files they come from; links lead
somewhere.
"""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "equipoise"
ROOMS = "|".join(path.name for path in sorted(PACKAGE.iterdir()) if path.is_dir())
FILE = re.compile(rf"(?<![\w/.])((?:{ROOMS}|tests|benchmarks|docs|examples)/[\w/]*(?:\.\w+)?)")
PLACEHOLDER = re.compile(r"tests/a/test_b|/name\.")  # stand for any file
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_tables_and_code_are_fresh():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [
        link for link in links if not link.startswith("http") and not (page.parent / link).exists()
    ]
    assert not missing


RUN = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_examples_of_a_page_run(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    with sklearn.config_context():
        result = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_verb_of_the_readme_is_a_verb():
    done = subprocess.run(
        [Path(sys.executable).with_name("equipoise"), "-h"],
        capture_output=True,
        text=True,
        check=True,
    )
    for verb in re.findall(
        r"`(check|fit|evaluate|allocate|report|simulate|datasets|estimators|score|run)`",
        PAGES[0].read_text(),
    ):
        assert verb in done.stdout


def named_files(text: str) -> list[str]:
    """The files and folders of the house that a text names."""
    return [name.rstrip(".") for name in FILE.findall(text) if not PLACEHOLDER.search(name)]


def missing_files(text: str) -> list[str]:
    """Those of them that are not there."""
    return [
        name
        for name in named_files(text)
        if not any((root / name).exists() for root in (ROOT, PACKAGE))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_on_a_page_are_there(page):
    assert not missing_files(page.read_text(encoding="utf-8"))


def test_files_named_in_the_code_are_there():
    missing = {
        str(file.relative_to(ROOT)): missing_files(file.read_text(encoding="utf-8"))
        for folder in (PACKAGE, ROOT / "benchmarks")
        for file in sorted(folder.rglob("*.py"))
    }
    assert not {file: names for file, names in missing.items() if names}


def test_a_file_that_moved_is_seen():
    text = "see `allocation/weights.py`, allocation/rule.py and `report/sections/`"
    assert missing_files(text) == ["allocation/weights.py"]


GENERATED = re.compile(r"<!-- begin .*?<!-- end -->|<!-- [\w-]+:\S+ \S+ -->.*?<!-- / -->", re.S)
FIGURE = re.compile(r"\| [-+]?(\d*\.\d+|\d{1,3}(,\d{3})+)( [^|]*)?\|")


def typed_results(text: str) -> list[str]:
    """Rows of tables that hold figures typed by hand."""
    lines = GENERATED.sub("", text).splitlines()
    return [line for line in lines if line.startswith("|") and FIGURE.search(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_of_results_are_generated(page):
    assert not typed_results(page.read_text(encoding="utf-8"))


def test_a_typed_table_is_seen():
    assert typed_results("| DR | .0475 |\n<!-- begin bench x -->\n| a | 0.5 |\n<!-- end -->") == [
        "| DR | .0475 |"
    ]


IMPORTS = re.compile(r"^ *from (equipoise[\w.]*) import ([\w, ]+)$", re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_imported_on_a_page_are_there(page):
    absent = [
        f"{module}.{name}"
        for module, names in IMPORTS.findall(page.read_text(encoding="utf-8"))
        for name in names.split(", ")
        if not hasattr(importlib.import_module(module), name.strip())
    ]
    assert not absent
