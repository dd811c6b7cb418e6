"""What mkdocs builds besides the pages of docs/: a page of the reference for every public room, its
names from `__all__`; the notebooks with what they print; the changelog.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import equipoise

sys.path.insert(0, str(Path(__file__).parent))
from notebook_cells import as_markdown

ROOT = Path(__file__).parent.parent
PROMPTS = re.compile(r"^```python\n(?=>>> )", re.M)
TYPE = re.compile(r"(<td>\s*<code>)\((?=[\w<])(.+)\)(</code>\s*</td>)")
LIKE = re.compile(r"(?<=\w) - like\b")
OUTSIDE = re.compile(r"\]\(\.\./CHANGELOG\.md\)")
SOURCE_OF = {"datasets": "data"}  # what a room shows stands there


def rooms() -> list[str]:
    """The modules that say what of them is public."""
    names = [module.name for module in pkgutil.iter_modules(equipoise.__path__)]
    return [
        name
        for name in names
        if name not in SOURCE_OF.values()
        and hasattr(importlib.import_module(f"equipoise.{name}"), "__all__")
    ]


def reference(title: str, path: str) -> str:
    """The page of a module: what it says of itself, then its names."""
    names = sorted(importlib.import_module(path).__all__, key=str.lower)
    parts = [f"# {title}", f"::: {path}\n    options: {{members: false, show_root_heading: false}}"]
    parts += [f"::: {path}.{name}" for name in names if not name.startswith("_")]
    return "\n\n".join(parts) + "\n"


def generated(config: Any) -> dict[str, str]:
    """Pages that no file holds, by their paths."""
    pages = {"reference/index.md": reference("equipoise", "equipoise")}
    pages |= {
        f"reference/{room}.md": reference(
            f"equipoise.{room}", f"equipoise.{SOURCE_OF.get(room, room)}"
        )
        for room in rooms()
    }
    pages |= {
        f"notebooks/{path.stem}.md": as_markdown(path)
        for path in sorted((ROOT / "docs" / "notebooks").glob("*.py"))
    }
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return pages


def on_config(config: Any) -> Any:
    """A line of the navigation for every page of the reference."""
    pages = ["reference/index.md", *({room: f"reference/{room}.md"} for room in rooms())]
    config.nav = [
        {"Reference": pages} if entry == {"Reference": "reference"} else entry
        for entry in config.nav
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    for path, content in generated(config).items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Sessions in the colours of sessions; what the site has a page for is linked there."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return OUTSIDE.sub("](changelog.md)", PROMPTS.sub("```pycon\n", markdown))


def on_page_content(html: str, **_: Any) -> str:
    """Types as they are written: "array-like, (n, k)" is words, and no tuple and no difference."""
    return LIKE.sub("-like", TYPE.sub(r"\1\2\3", html))
