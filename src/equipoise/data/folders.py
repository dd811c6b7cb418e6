"""The files of a folder, a pattern, or a folder behind an address.

Every file is found once, links followed: what a link such as ``latest`` shows a second time is not
read again, and a link to a folder around it leads nowhere.  What other programs keep beside (names
that begin with _ or a dot, in folders too) is left out.

Folders named ``key=value`` between the place and a file are columns of its rows: whole numbers
where every value is one and nobody asks for text, else text.  A column of that name in a file
itself goes before.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

from equipoise.core.errors import DataError
from equipoise.data.stores import ENDS, QUERY, Stored, below, is_address, parts_below
from equipoise.data.tables import DELTA, ICEBERG, LOGS, METADATA, WHOLE_TABLE

PATTERN = re.compile(r"[*?\[]")
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # as a whole number is written, and fits 64 bits
OTHERS, SHARE = (
    10_000,
    10,
)  # files that are no log: more, of each one that is, and all is not walked
NOTHING = "__HIVE_DEFAULT_PARTITION__"  # a missing value in the name of a folder


def files_below(folder: str) -> list[Stored]:
    """The files of a folder on this machine or behind an address, in the order of their names."""
    names = below(folder) if is_address(folder) else map(str, _walked(Path(folder)))
    logs: list[str] = []
    for seen, name in enumerate(names, 1):
        parts = parts_below(folder, name)
        if _table_of(name) is not None:
            raise DataError("a folder of files", "hold no table", name, folder, WHOLE_TABLE)
        if _is_log(parts, name):
            logs.append(name)
        if seen - len(logs) > max(OTHERS, SHARE * len(logs)):
            got = f"{seen:,} files, {len(logs):,} of them Parquet, CSV or TSV, and more"
            fix = "name the folder that holds the log and little else"
            raise DataError("a folder of files", "be that of a log", got, folder, fix)
    return keyed(folder, logs)


def matched(pattern: str) -> list[Stored]:
    """The files that a pattern names, in the order of their names; of folders, those in them."""
    base = fixed_part(pattern)
    if is_address(pattern):
        wanted = _expression(QUERY.sub("", pattern))
        every = list(below(base))
        names = [name for name in every if wanted.fullmatch(QUERY.sub("", name))]
        tables = {table for name in every if (table := _table_of(name)) is not None}
        for name in names:
            table = next((one for one in tables if name.startswith(f"{one}/")), None)
            if table is not None:
                raise DataError("a pattern", "name no part of a table", name, table, WHOLE_TABLE)
    else:
        names = [name for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]
    return keyed(base, [name for name in names if _is_log((), name)])


def _table_of(name: str) -> str | None:
    """The folder of the table of whose log a file is a part; None where it is of none."""
    plain = QUERY.sub("", name).replace(os.sep, "/")
    folder, log, _ = plain.partition(f"/{LOGS[DELTA]}/")
    if not log and plain.endswith(METADATA):
        folder, log, _ = plain.rpartition(f"/{LOGS[ICEBERG]}/")
    return folder if log else None


def fixed_part(pattern: str) -> str:
    """The folder before the first part of a pattern that is none."""
    query = QUERY.search(pattern) if is_address(pattern) else None
    first = PATTERN.search(pattern)
    before = pattern[: first.start()] if first else pattern
    folder = before.rpartition("/")[0] if "/" in before else "."
    return folder + (query[0] if query else "")


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of names as a regular expression: ** is any folders, * and ? stop at a /."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    return re.compile(
        "".join(
            parts.get(piece)
            or (piece.replace("[!", "[^") if piece[:1] == "[" else re.escape(piece))
            for piece in pieces
        )
    )


def _is_log(folders: Sequence[str], name: str) -> bool:
    last = PurePosixPath(name.replace(os.sep, "/")).name
    hidden = any(part[:1] in "_." and "=" not in part for part in folders)
    return last.lower().endswith(ENDS) and last[:1] not in "_." and not hidden


def _walked(folder: Path) -> Iterator[Path]:
    """Every file below a folder once, those that are no links before those that are."""
    top = Path(os.path.realpath(folder))
    folders, files = {top}, set[Path]()
    links: list[Path] = []
    for path, real in _own(folder, top, folders, links):
        files.add(real)
        yield path
    for link in links:  # found while they are walked, too: the list grows
        real = Path(os.path.realpath(link))
        if not os.path.isdir(link):
            if real not in files:
                files.add(real)
                yield link  # also one that leads nowhere: reading it says so
        elif real not in folders and not top.is_relative_to(real):
            folders.add(real)
            for path, own in _own(link, real, folders, links):
                if own not in files:
                    files.add(own)
                    yield path


def _own(
    folder: Path, real: Path, folders: set[Path], links: list[Path]
) -> Iterator[tuple[Path, Path]]:
    """The files below a folder and where they really lie; links are put aside."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        fix = "change its mode, or name the folders to read"
        got = error.strerror or str(error)
        raise DataError("a folder", "be readable by you", got, str(folder), fix) from error
    for entry in listed:
        path, own = folder / entry.name, real / entry.name
        if entry.is_symlink():
            links.append(path)
        elif entry.is_dir():
            if own not in folders:
                folders.add(own)
                yield from _own(path, own, folders, links)
        elif entry.is_file():
            yield path, own


def keyed(folder: str, names: Sequence[str]) -> list[Stored]:
    """Files below a folder in the order of their names, with the columns that folders name."""
    ordered = sorted(names, key=lambda name: PurePosixPath(name).parts)
    said = [_keys(parts_below(folder, name)) for name in ordered]
    for name, keys in zip(ordered, said, strict=True):
        if list(keys) != list(said[0]):
            must = f"lie in folders named {_shown(said[0])}, as {ordered[0]}"
            fix = "name one of the folders, or move the file"
            raise DataError("every file of a log", must, _shown(keys), name, fix)
    files = [Stored(name) for name in ordered]
    for key in said[0] if said else ():
        texts = [keys[key] for keys in said]
        whole = all(text is None or WHOLE.fullmatch(text) for text in texts)
        kind = pa.int64() if whole and any(texts) else pa.string()
        values = [
            pa.scalar(int(text) if whole and text is not None else text, kind) for text in texts
        ]
        files = [
            replace(file, keys=(*file.keys, (key, value)))
            for file, value in zip(files, values, strict=True)
        ]
    return files


def _keys(parts: Sequence[str]) -> dict[str, str | None]:
    """The columns that the names of folders say."""
    pairs = [part.partition("=") for part in parts if "=" in part[1:]]
    return {unquote(key): None if text == NOTHING else unquote(text) for key, _, text in pairs}


def _shown(keys: Sequence[str] | dict[str, str | None]) -> str:
    return "/".join(f"{key}=..." for key in keys) or "without a key"
