"""Find the file of a public dataset: the path given, then the data folders, then the publisher's
address.

A download is streamed to a file beside its place, held against the published checksum, and renamed;
a failed one leaves nothing.
"""

from __future__ import annotations

import hashlib
import os
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.core.snapshot import replacing

Place = Path | str | None
Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says so
CHUNK = 2**20
TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Source:
    """Where a file is published.

    url : its address.   file : its place under the data folder, e.g. ``"criteo/criteo10.csv.gz"``.
    checksum : ``"sha256:..."`` or ``"md5:..."``, as the publisher gives it; empty where none is
        published.
    member : the name of the file inside, where the address is of a zip archive.
    """

    url: str
    file: str
    checksum: str = ""
    member: str = ""


def data_homes(data_home: Place = None) -> list[Path]:
    """The folders to look in, the first to download to: the one given, or EQUIPOISE_DATA, or
    (beside) the user's cache.
    """
    if data_home is not None:
        return [expanded(data_home)]
    if os.environ.get("EQUIPOISE_DATA"):
        return [expanded(os.environ["EQUIPOISE_DATA"])]
    cache = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "equipoise"
    checkout = Path(__file__).parents[4]
    beside = checkout.parent / "shared" / "data"
    return (
        [cache, beside] if (checkout / "pyproject.toml").is_file() and beside.is_dir() else [cache]
    )


@dataclass(frozen=True)
class Wish:
    """What a caller says about where a dataset is; the keyword arguments of every loader."""

    data_home: Place = None
    path: Place = None
    download_if_missing: bool = True
    progress: Progress | None = None


def find(name: str, places: Sequence[str], source: Source | None, wish: Wish) -> Path:
    """The file of dataset ``name``.   known : the places it may have under a data folder, the best
    first.
    """
    if wish.path is not None:
        path = expanded(wish.path)
        if path.exists():
            return path
        raise DataError(f"the file of {name}", "exist", "no such file", str(path), "check the path")
    homes = data_homes(wish.data_home)
    for place in (home / file for home in homes for file in places):
        if place.exists():
            return place
    if source is None or not wish.download_if_missing:
        fix = "give path= or data_home=, or set EQUIPOISE_DATA"
        looked = ", ".join(map(str, homes))
        raise DataError(
            f"the file of {name}",
            "be in a data folder",
            f"none of {', '.join(places)}",
            looked,
            fix,
        )
    return download(source, homes[0] / source.file, progress=wish.progress)


def download(
    source: Source,
    target: Path,
    *,
    progress: Progress | None = None,
    opener: Callable[..., Any] = urllib.request.urlopen,
) -> Path:
    """Fetch a published file to ``target``, verified; ``opener`` opens an address as
    `urllib.request.urlopen` does.
    """
    request = urllib.request.Request(source.url, headers={"User-Agent": "equipoise"})
    try:
        with replacing(target) as beside:
            fetched = beside.with_name("download") if source.member else beside
            with opener(request, timeout=TIMEOUT) as answer, fetched.open("wb") as file:
                digest = _stream(answer, file, source, progress)
            if source.checksum and digest != source.checksum:
                fix = "try again; if it stays so, the publisher changed the file"
                raise DataError(
                    f"the download of {target.name}",
                    f"have {source.checksum}",
                    digest,
                    source.url,
                    fix,
                )
            if source.member:
                _extract(fetched, source.member, beside)
    except (URLError, OSError, zipfile.BadZipFile, KeyError) as error:
        if isinstance(error, DataError):
            raise
        fix = f"get it by hand and give path=, or put it at {target}"
        raise DataError(
            f"the download of {target.name}", "succeed", _reason(error), source.url, fix
        ) from error
    return target


def _stream(answer: Any, file: Any, source: Source, progress: Progress | None) -> str:
    """Copy an answer to a file and return its checksum, of the kind that is published."""
    kind = source.checksum.partition(":")[0] or "sha256"
    digest = hashlib.new(kind, usedforsecurity=False)
    length = answer.headers.get("Content-Length")
    total = int(length) if length else None
    size = 0
    while chunk := answer.read(CHUNK):
        file.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        if progress is not None:
            progress(size, total)
    if total is not None and size != total:
        raise OSError(f"{size:,} of {total:,} bytes came")
    return f"{kind}:{digest.hexdigest()}"


def _extract(archive: Path, member: str, target: Path) -> None:
    with (
        zipfile.ZipFile(archive) as opened,
        opened.open(member) as inside,
        target.open("wb") as file,
    ):
        while chunk := inside.read(CHUNK):
            file.write(chunk)


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split())[:120]
