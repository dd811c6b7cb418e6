"""The generated parts of README.md and docs/ are those of the files they come from; links lead
somewhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
