"""A folder of results in which a stopped run goes on: files written beside their place and renamed,
settings that stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress
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


def each_world(
    worlds: Sequence[int],
    settings: dict[str, Any],
    one: Callable[[int], dict[str, Any]],
    out: Path | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """What one(seed) says of every world; with a folder, a stopped run goes on where it was."""
    if out is not None:
        same_settings(out, {name: value for name, value in settings.items() if name != "worlds"})
    results = []
    for place, seed in enumerate(worlds):
        progress("worlds", place, len(worlds))
        file = None if out is None else out / "worlds" / f"{seed}.json"
        if file is None or not file.exists():
            results.append(one(seed))
            if file is not None:
                write_text(file, json.dumps(results[-1]) + "\n")
        else:
            results.append(json.loads(file.read_text(encoding="utf-8")))
    progress("worlds", len(worlds), len(worlds))
    return results


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
