"""The site shows every page, and no page that is not there; `make site` builds it and follows all
links.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))
FROM_OTHER_FILES = {"changelog.md": ROOT / "CHANGELOG.md"}
_SPEC = importlib.util.spec_from_file_location("notebook_cells", DOCS / "notebook_cells.py")
cells = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = cells
_SPEC.loader.exec_module(cells)


def pages(entry: object) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for inner in entry.values():
            yield from pages(inner)
    elif isinstance(entry, list):
        for inner in entry:
            yield from pages(inner)


def test_the_navigation_has_every_page_once():
    named = [page for page in pages(SITE["nav"]) if page != "reference"]
    there = [file.name for file in DOCS.glob("*.md")]
    there += [f"notebooks/{file.stem}.md" for file in NOTEBOOKS]
    there += [page for page, file in FROM_OTHER_FILES.items() if file.exists()]
    assert sorted(named) == sorted(there)


def test_what_is_built_is_ignored():
    assert f"{SITE['site_dir']}/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_version_to_cite_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    (named,) = re.findall(r"version = \{(.*)\}", (DOCS / "cite.md").read_text(encoding="utf-8"))
    assert named == project["version"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook):
    """A quiet machine takes two seconds each; `assert` in a cell holds what the words say."""
    shown = list(cells.run(notebook))
    assert shown[0][0].words
    assert shown[0][0].text.startswith("# ")


def test_a_cell_shows_what_it_printed_and_its_last_value(tmp_path):
    file = tmp_path / "notebook.py"
    file.write_text("# %% [markdown]\n# # Title\n#\n# - words\n\n# %%\nprint(1)\n2 + 3\n")
    assert [(cell.text, printed, value) for cell, printed, value in cells.run(file)] == [
        ("# Title\n\n- words", "", None),
        ("print(1)\n2 + 3", "1\n", 5),
    ]
    code, printed, value = ("```python\nprint(1)\n2 + 3\n```", "```text\n1\n```", "```text\n5\n```")
    page = "\n\n".join(["# Title\n\n- words", code, printed, value])
    assert cells.as_markdown(file) == page + "\n"
