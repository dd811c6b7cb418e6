"""Where assignments are written: a file here, or an address, whole or not at all.

A file here is written beside its place and renamed.  Behind an address it is written on this
machine's temporary disk first, and sent when it is whole: a store shows what is sent once the last
part of it is there, so that nobody reads a half of it, and what stood there stays until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from equipoise.artifacts.kinds import Summary
from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import Earlier, replacing
from equipoise.data.stores import DELIMITERS, is_address, located, reached

MARK = {b"equipoise": b"scored units"}  # in the schema of a file that a later call may replace
FIX = "choose another file with --out"


@contextmanager
def placed(out: Path | str) -> Iterator[Path]:
    """A temporary path that becomes a file of assignments when the block ends well.

    Parameters
    ----------
    out : path or address
        The file to write; only an earlier one is replaced.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    DataError
        Where the address cannot be written to.
    """
    if not is_address(out):
        with replacing(out, EARLIER_SCORES) as file:
            yield file
        return
    with TemporaryDirectory() as folder:
        file = Path(folder, "assignments.parquet")
        yield file
        _send(file, str(out))


def write_assignments(
    batches: Iterable[pa.RecordBatch], file: Path, summary: Summary | None = None
) -> None:
    """Write assignments as Parquet; nothing where there are none.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        Of one schema.
    file : path
        What to write.
    summary : Summary, optional
        What counts them.
    """
    writer = None
    for batch in batches:
        if writer is None:
            # a dictionary of values that differ in every row is written in vain
            _, *others = batch.schema
            few = [one.name for one in others if not pa.types.is_floating(one.type)]
            schema = batch.schema.with_metadata(MARK)
            writer = pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=few)
        writer.write_batch(batch.replace_schema_metadata(MARK))
        if summary is not None:
            summary.add(batch)
    if writer is not None:
        writer.close()


def _send(file: Path, address: str) -> None:
    """Put a whole file behind an address."""
    with reached(address):
        system, path = located(address)
        _check_far(address)
        fs.copy_files(
            str(file),
            path,
            source_filesystem=fs.LocalFileSystem(),
            destination_filesystem=system,
        )
        there = system.get_file_info(path).size
    if there != file.stat().st_size:
        must, got = f"have {file.stat().st_size:,} bytes", f"{there}"
        raise DataError("the file that was sent", must, got, address, "write it again")


def check_out(out: Path | str, units: Path | str, policy: Path | str) -> None:
    """Refuse to write over the units, into the snapshot, or over anything but an earlier file of
    scored units.

    Parameters
    ----------
    out : path or address
        The file to write.
    units : path or address
        Where the units lie.
    policy : path
        The folder of the policy.

    Raises
    ------
    InputError
        Where another place must be chosen.
    """
    what = "the file to write"
    if str(out).lower().endswith(tuple(DELIMITERS)):
        fix = "name it .parquet, and make text of it with what you read it by"
        raise InputError(what, "be Parquet", "the name of a file of text", str(out), fix)
    if str(out) == str(units):
        raise InputError(what, "differ from that of the units", "the same", str(out), FIX)
    if is_address(out):
        with reached(str(out)):
            _check_far(str(out))
        return
    place, source = Path(out), Path(units)
    if place.is_dir():
        raise InputError(what, "be a file", "a folder", str(out), FIX)
    if not is_address(units) and _same(place, source):
        raise InputError(what, "differ from that of the units", "the same", str(out), FIX)
    if not is_address(units) and source.is_dir() and _inside(place, source):
        must = "lie outside the folder of the units"
        raise InputError(what, must, "a place in it", str(out), FIX)
    if _inside(place, Path(policy)):
        must = "lie outside the policy's snapshot"
        raise InputError(what, must, "a place in it", str(out), FIX)
    if place.exists():
        _refuse_other(is_scored(place), str(out))


def _same(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _inside(place: Path, folder: Path) -> bool:
    return place.resolve().is_relative_to(folder.resolve())


def _refuse_other(scored: bool, out: str) -> None:
    if not scored:
        must = "be new, or one of units scored earlier"
        raise InputError("the file to write", must, "another file", out, FIX)


def _check_far(address: str) -> None:
    """Refuse an address where something else stands."""
    system, path = located(address)
    about = system.get_file_info(path)
    if about.type == fs.FileType.Directory:
        raise InputError("the file to write", "be a file", "a folder", address, FIX)
    if about.is_file:
        _refuse_other(_has_mark(lambda: system.open_input_file(path)), address)


def _has_mark(source: Callable[[], Path | pa.NativeFile]) -> bool:
    try:
        return MARK.items() <= (pq.read_schema(source()).metadata or {}).items()
    except (pa.ArrowException, OSError):
        return False


def is_scored(file: Path) -> bool:
    """Whether a file is one of units scored earlier."""
    return _has_mark(lambda: file)


EARLIER_SCORES = Earlier("a file of units scored earlier", is_scored)
