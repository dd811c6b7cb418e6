"""A folder of results in which a stopped run goes on: files written beside their place and renamed,
settings that stay.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.snapshot import replacing


def same_settings(folder: Path, ours: dict[str, Any]) -> None:
    """Refuse a folder that holds results of other settings; remember ours where it holds none."""
    file = folder / "settings.json"
    if not file.exists():
        write_text(file, json.dumps(ours) + "\n")
        return
    theirs = json.loads(file.read_text(encoding="utf-8"))
    if theirs != ours:
        raise InputError(
            "the folder",
            f"hold a run of {ours}",
            str(theirs),
            str(folder),
            "choose another --out, or delete it",
        )


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
