"""A file of rows, on this machine or behind an address.

An address is opened by Arrow's own file systems (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``) or
by fsspec, where it and what it needs for that address are installed.  Keys, regions and endpoints
come from the environment, as these read it; an address with keys in it is refused.  What stands
behind the bucket is taken as it stands: spaces and letters of any language, no percent signs.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.request import url2pathname

import pyarrow as pa
from pyarrow import fs

from equipoise.core.errors import DataError, MissingExtra
from equipoise.core.places import expanded
from equipoise.core.suggest import nearest

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")
QUERY = re.compile(r"\?[\w.-]+=[^/*]*$")  # settings of the store, not a pattern
SECRET = re.compile(r"(key|secret|token|password|sig|credential)[\w.-]*=", re.I)
AZURE = ("abfs", "abfss", "az", "wasb", "wasbs")  # container@account
FIX = "check the address, and the keys in the environment"
PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
ENDS = (*PARQUET, *DELIMITERS)
PAGE = 2**16  # bytes of a column of a file that are read at a time
FAR_PAGE = 2**23  # behind an address, where each read is a request


@dataclass(frozen=True)
class Stored:
    """A file of rows.

    Attributes
    ----------
    name : str
        Its path or address.
    keys : tuple of (str, pyarrow.Scalar), default ()
        Columns that the names of its folders or the log of its table say, one value for all rows.
    schema : pyarrow.Schema or None, default None
        The columns of its table; what the file lacks of them is missing.  None: the file's own.
    kept : pyarrow.BooleanArray or None, default None
        Of its first rows, which are not deleted in its table; later ones are kept.  None: all are.

    Examples
    --------
    >>> Stored("s3://bucket/day=1/part.parquet").label, Stored("log.CSV").ending
    ('part.parquet', '.csv')
    """

    name: str
    keys: tuple[tuple[str, pa.Scalar], ...] = ()
    schema: pa.Schema | None = None
    kept: pa.BooleanArray | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def far(self) -> bool:
        """Whether it lies behind an address."""
        return is_address(self.name)

    @property
    def label(self) -> str:
        """Its name without folders."""
        return _last(self.name) if self.far else Path(self.name).name

    @property
    def ending(self) -> str:
        """What its name ends in, such as ``.csv.gz``."""
        suffixes = [suffix.lower() for suffix in PurePosixPath(self.label).suffixes[-2:]]
        return "".join(suffixes if suffixes[-1:] == [".gz"] else suffixes[-1:])

    @property
    def page(self) -> int:
        """How many bytes of a column are read at a time."""
        return FAR_PAGE if self.far else PAGE

    def stamp(self) -> tuple[int, int]:
        """Its size in bytes and when it was written, in nanoseconds of the epoch."""
        if not self.far:
            about = os.stat(self.name)
            return about.st_size, about.st_mtime_ns
        with reached(self.name):
            system, path = located(self.name)
            info = system.get_file_info(path)
            return int(info.size or 0), int(info.mtime_ns or 0)

    def about(self) -> str:
        """A digest of what its folders or its table say of it: keys, types, the rows that count."""
        said = f"{[(name, str(value)) for name, value in self.keys]}{self.schema}".encode()
        kept = b"" if self.kept is None else self.kept.to_numpy(zero_copy_only=False).tobytes()
        return hashlib.sha256(said + kept).hexdigest()[:16]

    def source(self) -> Any:
        """What Arrow reads Parquet from: a path, or an open file."""
        if not self.far:
            return self.name
        system, path = located(self.name)
        return system.open_input_file(path)

    def text(self) -> Any:
        """What Arrow reads text from: a path, or a stream that is unpacked as it is read."""
        if not self.far:
            return self.name
        system, path = located(self.name)
        packed = "gzip" if self.ending.endswith(".gz") else None
        return system.open_input_stream(path, compression=packed)


Place: TypeAlias = Path | str | Stored


def is_address(place: Any) -> bool:
    """Whether a place is written as an address, and not as a path."""
    return isinstance(place, str) and ADDRESS.match(place) is not None


def stored(place: Place) -> Stored:
    """The file of a place, which need not be there."""
    if isinstance(place, Stored):
        return place
    if is_address(place):
        return Stored(_path_of(str(place)) if str(place).startswith("file:") else str(place))
    return Stored(str(expanded(place)))


def readable(place: Place) -> Stored:
    """The file of a place, which is there, is not empty, and has an ending that we read.

    Raises
    ------
    DataError
        Where it is not, with what to do.
    """
    file = stored(place)
    if file.far:
        with reached(file.name):
            about = located(file.name)[0].get_file_info(located(file.name)[1])
        kind, size = about.type, about.size
    else:
        path = Path(_encodable(file.name))
        kind = fs.FileType.Directory if path.is_dir() else fs.FileType.NotFound
        kind, size = (fs.FileType.File, path.stat().st_size) if path.is_file() else (kind, 0)
    if kind == fs.FileType.Directory:
        fix = "name a .parquet or .csv file in it"
        raise DataError("a log", "be one file", "a folder", file.name, fix)
    if kind == fs.FileType.NotFound:
        raise _absent(file)
    if file.ending not in ENDS:
        must, fix = f"end in {', '.join(ENDS)}", "rename it after what it holds"
        raise DataError("a file's name", must, file.label, fix=fix)
    if size == 0:
        raise DataError("a file", "have rows", "0 bytes", file.name, "write it again")
    return file


def _absent(file: Stored) -> DataError:
    if file.far:
        return DataError("a file", "exist", "no such file", file.name, FIX)
    path = Path(file.name)
    beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
    fix = nearest(path.name, beside) or "check the path"
    if os.sep == "/" and "\\" in file.name:
        fix = "write folders with /: here \\ is a letter of a name"
    if path.is_symlink():
        fix = f"mend the link: it leads to {os.readlink(path)!r}"
    return DataError("a file", "exist", "no such file", file.name, fix)


def _encodable(name: str) -> str:
    """A name that Arrow can open."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        got = ascii(name)
        raise DataError("a file's name", "be UTF-8", got, fix="rename it") from error
    return name


def located(address: str) -> tuple[fs.FileSystem, str]:
    """The file system behind an address, and the path in it.

    Raises
    ------
    DataError
        Where the address holds keys, or is of no kind that can be opened.
    MissingExtra
        Where a package is needed for it.
    """
    if address.startswith("file:"):
        return fs.LocalFileSystem(), _path_of(address)
    scheme, _, rest = address.partition("://")
    query = QUERY.search(rest)
    query_text = query[0] if query else ""
    host, _, path = rest[: len(rest) - len(query_text)].partition("/")
    _check_secrets(scheme, host, query_text, address)
    try:
        system, base = fs.FileSystem.from_uri(f"{scheme}://{host}/{query_text}")
        return system, "/".join(part for part in (base.rstrip("/"), path) if part)
    except pa.ArrowInvalid as error:
        if "nrecognized filesystem" not in str(error):
            raise
        return _by_fsspec(address, scheme)


def _path_of(address: str) -> str:
    """The path behind an address of this machine, in which a space is %20 or a space."""
    rest = address.removeprefix("file:")
    host, slash, path = rest[2:].partition("/") if rest[:2] == "//" else ("", "/", rest[1:])
    if host not in ("", "localhost") or not slash:
        fix = "write the whole path after file://, or the path alone"
        raise DataError("an address of this machine", "begin with file:///", address, fix=fix)
    return url2pathname(f"/{path}")


def _by_fsspec(address: str, scheme: str) -> tuple[fs.FileSystem, str]:
    """What fsspec opens."""
    try:
        import fsspec
    except ImportError as error:
        fix = "pip install fsspec, and what it needs for that address"
        raise MissingExtra(
            f"an address of {scheme}://", "be opened by fsspec", "none", fix=fix
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        fix = " ".join(str(error).split())[:200]
        raise MissingExtra(
            f"an address of {scheme}://", "have its package", "none", fix=fix
        ) from error
    except (ValueError, TypeError) as error:
        got = " ".join(str(error).split())[:200]
        raise DataError("an address", "be one that can be read", got, address, FIX) from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _check_secrets(scheme: str, host: str, query: str, address: str) -> None:
    """Refuse keys in an address, which would be shown, stored and sent about."""
    before, at, _ = host.rpartition("@")
    named = at and before != "anonymous" and (scheme not in AZURE or ":" in before)
    if named or SECRET.search(query):
        got = "a name before @" if named else "a key after ?"
        fix = "leave keys out of it; they are read from the environment"
        raise DataError("an address", "hold no keys", got, fix=fix)


@contextmanager
def reached(address: str) -> Iterator[None]:
    """Whatever fails in the block is the fault of an address, or of the way to it."""
    try:
        yield
    except (DataError, MissingExtra):
        raise
    except (pa.ArrowException, OSError, ImportError) as error:
        got = " ".join(str(error).split())[:200]
        raise DataError("an address", "be one that can be read", got, address, FIX) from error


def below(address: str) -> list[str]:
    """The addresses of all files below a folder behind an address; of a file its own; of nothing
    none.
    """
    with reached(address):
        system, path = located(address)
        about = system.get_file_info(path)
        if about.is_file:
            return [address]
        if about.type != fs.FileType.Directory:
            return []
        listed = system.get_file_info(fs.FileSelector(path, recursive=True))
    base = path.rstrip("/")
    return [joined(address, one.path[len(base) :].lstrip("/")) for one in listed if one.is_file]


def joined(folder: str, name: str) -> str:
    """A name below a folder or an address, before what an address asks of its store."""
    if not is_address(folder):
        return str(Path(folder, name))
    query = QUERY.search(folder)
    tail = query[0] if query else ""
    return f"{folder[: len(folder) - len(tail)].rstrip('/')}/{name}{tail}"


def _last(address: str) -> str:
    return QUERY.sub("", address).rstrip("/").rpartition("/")[2]


def parts_below(folder: str, name: str) -> Sequence[str]:
    """The folders between a folder and a file below it."""
    inner = QUERY.sub("", name)[len(QUERY.sub("", folder).rstrip("/")) :]
    return PurePosixPath(inner.replace(os.sep, "/").lstrip("/")).parts[:-1]
