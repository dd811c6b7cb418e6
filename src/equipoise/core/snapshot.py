"""Snapshots: immutable folders of files with a manifest of sha256 sums.  Nothing in them is code.

A folder is written beside its place and swapped in, so at every moment the earlier one or the new
one is whole there; a changed, missing or extra byte is refused, in the manifest too, which holds
the sum of its own content. The id of a snapshot is the sha256 of its manifest, so equal content has
equal id.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from equipoise.core.errors import InputError, MissingExtra, SnapshotError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
MANIFEST, OWN = "manifest.json", "manifest_sha256"
SIGNATURE = "manifest.hmac"  # of the manifest, by who wrote it; it may stand beside
AT_FDCWD, SWAP = -100, 2  # of renameat2 and renamex_np
SHELTER = ".equipoise-"  # in the names of folders where something is being written
MOVED = "earlier"  # in such a folder: what stood at the place, between two renames
NEW = 60  # seconds
AT_ONCE = 8  # files that are synced
FIX = "restore it, or write it again"
SHOWN = 120  # letters of a value in an error
T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """What a verified snapshot holds: ``meta`` (JSON), ``parts`` (name -> bytes) and its ``id``."""

    id: str
    meta: dict[str, Any]
    parts: dict[str, bytes]


@dataclass(frozen=True)
class Manifest:
    """What the manifest of a snapshot folder says.

    Attributes
    ----------
    id : str
        Of the snapshot.
    meta : dict
        JSON.
    sums : dict of str to str
        The sha256 of each part, by its name.
    """

    id: str
    meta: dict[str, Any]
    sums: dict[str, str]


@dataclass(frozen=True)
class Earlier:
    """What may be replaced, beside nothing and an empty folder.

    Attributes
    ----------
    what : str
        What it is called in errors, such as "an earlier report".
    is_one : callable
        Whether a path that is there is one.
    """

    what: str
    is_one: Callable[[Path], bool]

    def check(self, path: Path) -> None:
        """Refuse a place where something else stands."""
        if _is_free(path) or self.is_one(path):
            return
        got = "a folder with other files" if path.is_dir() else "another file"
        fix = "choose another place, or move it away"
        raise InputError("the place to write", f"be free or {self.what}", got, str(path), fix)


NOTHING = Earlier("an empty folder", lambda path: False)


def _is_free(path: Path) -> bool:
    """Whether nothing stands there, or an empty folder."""
    return not _stands(path) or (path.is_dir() and not os.listdir(path))


@contextmanager
def replacing(path: Path | str, earlier: Earlier | None = None) -> Iterator[Path]:
    """A temporary file or folder path beside ``path`` that becomes ``path`` when the block ends
    well, and vanishes when not.

    What stood at ``path`` stays there, whole, until the new one takes its place in one step; it is
    on disk before that step.  Where ``earlier`` says what may be replaced, it is asked before the
    block and again at that step; where the step is refused, the finished work is kept beside, and
    the error says where.  None: whatever stands there is the caller's own.  A link stays, and what
    it points to is replaced.
    """
    final = Path(os.path.realpath(path) if os.path.islink(path) else path)
    if final.name in ("", ".."):
        raise InputError(
            "the place to write", "have a name", str(path), fix="name a file or folder"
        )
    final.parent.mkdir(parents=True, exist_ok=True)
    _sweep(final)
    if earlier is not None:
        earlier.check(final)
    shelter = Path(tempfile.mkdtemp(prefix=f".{final.name}{SHELTER}", dir=final.parent))
    try:
        with locked(shelter):
            beside = shelter / final.name
            yield beside
            for left in beside.glob(f".*{SHELTER}*"):  # of what was published in the block
                shutil.rmtree(left)
            flush(beside)
            with locked(final.parent):
                _publish(beside, final, shelter, earlier)
    finally:
        _clear(shelter, final)


def _publish(beside: Path, final: Path, shelter: Path, earlier: Earlier | None) -> None:
    """Put what is finished in its place, on disk, or keep it under a name of its own."""
    try:
        if earlier is not None:
            earlier.check(final)
        if not (final.is_dir() and _exchange(beside, final)):
            _replace(beside, final, shelter / MOVED)
    except (InputError, OSError) as error:
        if not _put_back(shelter / MOVED, final):
            raise  # the next writer puts it back
        refuge = final.with_name(f"{final.name}-finished-{shelter.name.rpartition('-')[2]}")
        os.rename(shelter, refuge)
        kept = f"the finished work is kept as {str(refuge / final.name)!r}"
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror}; {kept}", str(final)) from error
        raise InputError(error.what, error.must, error.got, error.where, kept) from error
    sync(final.parent)


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, where the system has one: whether it was to be had."""
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(handle, wait)
    finally:
        with suppress(OSError):  # what is wrong in the block is what must be told
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Take a lock; False where another holds it, or the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _sweep(final: Path) -> None:
    """Remove the shelters of writers that died: those whose lock is free, but for the newest,
    whose writer may be about to take it.  A writer that moves what stood there has its lock.
    """
    for shelter in final.parent.glob(f".{glob.escape(final.name)}{SHELTER}*"):
        with suppress(OSError), locked(shelter, wait=False) as free:
            old = time.time() - shelter.stat().st_mtime > NEW
            if free and (old or _stands(shelter / MOVED)):
                _clear(shelter, final)


def _clear(shelter: Path, final: Path) -> None:
    """Remove a shelter, but for what stood at ``final`` and cannot be put back there."""
    if _put_back(shelter / MOVED, final):
        shutil.rmtree(shelter, ignore_errors=True)


def _put_back(moved: Path, final: Path) -> bool:
    """Where nothing stands, put back what was moved away by a writer that came no further; whether
    nothing is left that must be put back.
    """
    try:
        if _stands(moved) and not _stands(final):
            os.rename(moved, final)
    except OSError:
        return False
    return True


def _stands(path: Path) -> bool:
    """Whether there is anything; a place that cannot be asked is an error, not a free one."""
    with suppress(FileNotFoundError):
        return bool(os.lstat(path))
    return False


def flush(path: Path) -> None:
    """Have the system write a file, or every file of a folder, to disk.

    Many at once: one commit of the file system then serves several; 34 files take a sixth of the
    time.
    """
    tree = os.walk(path, onerror=_raise) if path.is_dir() else ()
    places = [Path(folder, name) for folder, _, files in tree for name in (*files, "")] or [path]
    with ThreadPoolExecutor(min(AT_ONCE, len(places))) as pool:
        for _ in pool.map(sync, places):
            pass


def _raise(error: OSError) -> None:
    raise error


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
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
    """Put ``new`` at ``final`` by renames; a folder there goes to ``earlier`` first, from where
    `_put_back` takes it when the second one fails.
    """
    if final.is_dir():
        os.replace(final, earlier)
    os.replace(new, final)


def write_snapshot(path: Path | str, parts: Mapping[str, bytes], meta: Mapping[str, Any]) -> str:
    """Write a snapshot folder and return its id.  Part names may hold folders:
    ``"model/tree.txt"``.  Only an earlier snapshot that verifies is replaced.
    """
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    manifest = _manifest_of(sums, meta)
    with replacing(path, EARLIER_SNAPSHOT) as folder:
        for name, data in [*parts.items(), (MANIFEST, manifest)]:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return hashlib.sha256(manifest).hexdigest()


def seal_snapshot(folder: Path, meta: Mapping[str, Any]) -> str:
    """Make a snapshot of the files that stand in a folder, however large they are, and return its
    id.  The folder is the caller's own: it is to be published by a rename.
    """
    names = (file.relative_to(folder).as_posix() for file in _files(folder))
    manifest = _manifest_of({name: _sum_of(folder / name) for name in names}, meta)
    (folder / MANIFEST).write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """All that is no folder below a folder."""
    return (entry for entry in folder.rglob("*") if entry.is_symlink() or not entry.is_dir())


def _sum_of(file: Path) -> str:
    """The sha256 of a plain file, of any size."""
    _check_plain(file)
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _manifest_of(sums: Mapping[str, str], meta: Mapping[str, Any]) -> bytes:
    """The manifest of parts with these sums."""
    content = {"format": FORMAT, "meta": dict(meta), "sha256": dict(sums)}
    return _dump({**content, OWN: hashlib.sha256(_dump(content)).hexdigest()})


def _dump(manifest: Mapping[str, Any]) -> bytes:
    """The one spelling of a manifest."""
    return json.dumps(manifest, indent=1, sort_keys=True).encode()


def read_snapshot(path: Path | str) -> Snapshot:
    """Read a snapshot folder and verify every byte of it."""
    folder = Path(path)
    content = read_manifest(folder)
    parts = {name: _verified(folder, name, want) for name, want in content.sums.items()}
    _check_files(folder, content.sums)
    return Snapshot(content.id, content.meta, parts)


def verify_snapshot(path: Path | str) -> Manifest:
    """Verify every byte of a snapshot folder, without holding its parts in memory."""
    folder = Path(path)
    content = read_manifest(folder)
    for name, want in content.sums.items():
        _check_sum(folder, name, want, _of_part(folder, name, _sum_of))
    _check_files(folder, content.sums)
    return content


def read_manifest(folder: Path) -> Manifest:
    """What the manifest of a snapshot folder says; its parts are not verified."""
    raw, manifest = _manifest(folder)
    version, meta, sums = manifest["format"], manifest["meta"], manifest["sha256"]
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
    return Manifest(hashlib.sha256(raw).hexdigest(), meta, sums)


def _check_files(folder: Path, sums: Mapping[str, str]) -> None:
    """Refuse a folder with files that no manifest names."""
    entries = {entry.relative_to(folder).as_posix() for entry in folder.rglob("*")}
    folders = {parent.as_posix() for name in sums for parent in PurePosixPath(name).parents}
    if entries - folders - {SIGNATURE} != {*sums, MANIFEST}:
        strange = sorted((entries - folders - {SIGNATURE}) ^ {*sums, MANIFEST})
        raise SnapshotError(
            "a snapshot", "hold just the files of its manifest", strange, str(folder)
        )


def _manifest(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a manifest and what they say: a format, a meta, and a sum for each part."""
    try:
        raw = _bytes_of(folder / MANIFEST)
        manifest = json.loads(raw)
        _dump(manifest)  # what is too deep to be written is too deep to be read
        manifest["format"], manifest["meta"], manifest["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        inside = next(iter(sorted(folder.glob(f"*/{MANIFEST}"))), None)
        fix = f"did you mean {str(inside.parent)!r}?" if inside else "write it again"
        raise SnapshotError(
            "a snapshot", f"have a readable {MANIFEST}", repr(error), str(folder), fix
        ) from error
    sums = manifest["sha256"]
    for key, kind in {"meta": manifest["meta"], "sha256": sums}.items():
        if not isinstance(kind, dict):
            got = type(kind).__name__
            raise SnapshotError(f"key {key!r} of {MANIFEST}", "be a table", got, str(folder))
    strange = next((name for name, want in sums.items() if not isinstance(want, str)), None)
    if strange is not None:
        got = type(sums[strange]).__name__
        raise SnapshotError(f"the sha256 of {strange!r}", "be text", got, str(folder))
    return raw, manifest


def _bytes_of(file: Path) -> bytes:
    """The bytes of a plain file."""
    _check_plain(file)
    return file.read_bytes()


def _check_plain(file: Path) -> None:
    """Refuse what is no file: a pipe would never end."""
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(file))


@contextmanager
def as_written() -> Iterator[None]:
    """Whatever fails in the block is the fault of the snapshot that it reads."""
    try:
        yield
    except (SnapshotError, MissingExtra):
        raise
    except (Exception, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"[:SHOWN]
        raise SnapshotError("a snapshot", "be as it was written", got, fix=FIX) from error


def _is_snapshot(path: Path) -> bool:
    try:
        verify_snapshot(path)
    except (SnapshotError, OSError):
        return False
    return True


EARLIER_SNAPSHOT = Earlier("an earlier snapshot that verifies", _is_snapshot)


def _verified(folder: Path, name: str, want: str) -> bytes:
    """The bytes of a part."""
    data = _of_part(folder, name, _bytes_of)
    _check_sum(folder, name, want, hashlib.sha256(data).hexdigest())
    return data


def _of_part(folder: Path, name: str, read: Callable[[Path], T]) -> T:
    """What is read of a part, which lies inside the folder."""
    file = folder / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
        if inside:
            return read(file)
    except (OSError, ValueError, RuntimeError) as error:  # of a name, of a loop of links
        raise SnapshotError(
            f"part {name!r}", "be readable", repr(error), str(folder), "restore it"
        ) from error
    raise SnapshotError("a part's name", "stay inside the snapshot", repr(name), str(folder))


def _check_sum(folder: Path, name: str, want: str, got: str) -> None:
    """Refuse a part with another sum."""
    if got != want:
        raise SnapshotError(
            f"part {name!r}",
            f"have sha256 {want[:12]}...",
            f"{got[:12]}...",
            str(folder),
            "restore the file: it was changed",
        )
