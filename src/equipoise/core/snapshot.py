"""Snapshots: immutable folders of files with a manifest of sha256 sums.  Nothing in them is code.

A folder is written beside its place and swapped in, so at every moment the earlier one or the new
one is whole there; a changed, missing or extra byte is refused, in the manifest too, which holds
the sum of its own content. The id of a snapshot is the sha256 of its manifest, so equal content has
equal id.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.core.errors import SnapshotError

FORMAT = 1
MANIFEST, OWN = "manifest.json", "manifest_sha256"
AT_FDCWD, SWAP = -100, 2  # of renameat2 and renamex_np


@dataclass(frozen=True)
class Snapshot:
    """What a verified snapshot holds: ``meta`` (JSON), ``parts`` (name -> bytes) and its ``id``."""

    id: str
    meta: dict[str, Any]
    parts: dict[str, bytes]


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A temporary file or folder path beside ``path`` that becomes ``path`` when the block ends
    well, and vanishes when not.

    What stood at ``path`` stays there, whole, until the new one takes its place in one step; it is
    on disk before that step.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    shelter = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        beside = shelter / final.name
        yield beside
        _flush(beside)
        if not (final.is_dir() and _exchange(beside, final)):
            _replace(beside, final, shelter / "earlier")
    finally:
        shutil.rmtree(shelter, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have the system write a file, or every file of a folder, to disk."""
    for file in [path] if not path.is_dir() else [*path.rglob("*"), path]:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:  # some file systems cannot sync a folder
            if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
                raise
        finally:
            os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two places in one step, where the system can."""
    names = os.fsencode(one), os.fsencode(other)
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):  # Linux
        return bool(libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], SWAP) == 0)
    if hasattr(libc, "renamex_np"):  # macOS
        return bool(libc.renamex_np(*names, SWAP) == 0)
    return False


def _replace(new: Path, final: Path, earlier: Path) -> None:
    """Put ``new`` at ``final`` by renames; a folder there goes to ``earlier``, and comes back when
    the second one fails.
    """
    if not final.is_dir():
        os.replace(new, final)
        return
    os.replace(final, earlier)
    try:
        os.replace(new, final)
    except BaseException:
        os.rename(earlier, final)
        raise


def write_snapshot(path: Path | str, parts: Mapping[str, bytes], meta: Mapping[str, Any]) -> str:
    """Write a snapshot folder and return its id.  Part names may hold one level of folders:
    ``"model/tree.txt"``.
    """
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())}
    content = {"format": FORMAT, "meta": dict(meta), "sha256": sums}
    manifest = _dump({**content, OWN: hashlib.sha256(_dump(content)).hexdigest()})
    with replacing(path) as folder:
        for name, data in [*parts.items(), (MANIFEST, manifest)]:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return hashlib.sha256(manifest).hexdigest()


def _dump(manifest: Mapping[str, Any]) -> bytes:
    """The one spelling of a manifest."""
    return json.dumps(manifest, indent=1, sort_keys=True).encode()


def read_snapshot(path: Path | str) -> Snapshot:
    """Read a snapshot folder and verify every byte of it."""
    folder = Path(path)
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        version, meta, sums = manifest["format"], manifest["meta"], manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        inside = next(iter(sorted(folder.glob(f"*/{MANIFEST}"))), None)
        fix = f"did you mean {str(inside.parent)!r}?" if inside else "write it again"
        raise SnapshotError(
            "a snapshot", f"have a readable {MANIFEST}", repr(error), str(folder), fix
        ) from error
    if version != FORMAT:
        raise SnapshotError(
            "a snapshot's format",
            f"be {FORMAT}",
            version,
            str(folder),
            "use the version that wrote it",
        )
    own = manifest.pop(OWN, None)
    if own != hashlib.sha256(_dump(manifest)).hexdigest() or raw != _dump({**manifest, OWN: own}):
        raise SnapshotError(
            MANIFEST,
            f"have the sha256 of its {OWN}",
            "other bytes",
            str(folder),
            "restore it: it was changed",
        )
    parts = {name: _verified(folder, name, want) for name, want in sums.items()}
    files = {
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    } - {MANIFEST}
    if files != set(sums):
        raise SnapshotError(
            "a snapshot",
            "hold just the files of its manifest",
            sorted(files ^ set(sums)),
            str(folder),
        )
    return Snapshot(hashlib.sha256(raw).hexdigest(), meta, parts)


def _verified(folder: Path, name: str, want: str) -> bytes:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise SnapshotError("a part's name", "stay inside the snapshot", repr(name), str(folder))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SnapshotError(
            f"part {name!r}", "be readable", repr(error), str(folder), "restore it"
        ) from error
    got = hashlib.sha256(data).hexdigest()
    if got != want:
        raise SnapshotError(
            f"part {name!r}",
            f"have sha256 {want[:12]}...",
            f"{got[:12]}...",
            str(folder),
            "restore the file: it was changed",
        )
    return data
