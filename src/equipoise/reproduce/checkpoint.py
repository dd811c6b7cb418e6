"""A folder of results in which a stopped run goes on: files written beside their place and renamed,
settings that stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.parallel import as_they_come, in_order
from equipoise.core.progress import Progress
from equipoise.core.snapshot import replacing
from equipoise.core.version import __version__


def same_settings(folder: Path, ours: dict[str, Any]) -> None:
    """Refuse a folder that holds results of other settings, or of another version; remember ours
    where it holds none.
    """
    file, ours = folder / "settings.json", {**ours, "version": __version__}
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
    one: Callable[..., dict[str, Any]],
    shared: tuple[Any, ...],
    out: Path | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """What one(seed, *shared) says of every world; with a folder, a stopped run goes on where it
    was.
    """
    if out is None:
        return [*in_order(one, worlds, *shared, progress=progress, what="worlds")]
    same_settings(out, {name: value for name, value in settings.items() if name != "worlds"})
    files = [out / "worlds" / f"{seed}.json" for seed in worlds]
    kept_or_found(one, list(zip(worlds, files, strict=True)), shared, progress, "worlds")
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def kept_or_found(
    one: Callable[..., dict[str, Any]],
    parts: Sequence[tuple[Any, Path]],
    shared: tuple[Any, ...],
    progress: Progress,
    what: str,
) -> None:
    """Write what one(part, *shared) says into each part's file, where it is not there yet."""
    left = [(part, file) for part, file in parts if not file.exists()]
    before = len(parts) - len(left)

    def said(what: str, done: int, _: int) -> None:
        progress(what, before + done, len(parts))

    progress(what, before, len(parts))
    answers = as_they_come(one, [part for part, _ in left], *shared, progress=said, what=what)
    for place, answer in answers:
        write_text(left[place][1], json.dumps(answer) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename it."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
