"""Tables that are more than their files: a version of a Delta or an Iceberg table as the files that
make it up.

What was deleted or replaced still lies in the folder of such a table; its log says which files
count.  A version is read by the table's own library (extra ``tables``) as far as that list, with
the values of its partitions; the files are then read as any others.  What is no list of whole files
(rows that are marked as deleted, columns with other names than in the files) is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from equipoise.core.errors import DataError, MissingExtra
from equipoise.data.stores import QUERY, Stored, is_address, joined, located, reached, stored

DELTA, ICEBERG = "delta", "iceberg"
LOGS = {DELTA: "_delta_log", ICEBERG: "metadata"}
METADATA = ".metadata.json"
PARTITION = "partition."  # before the names of partitions' columns in a list of files
SAID = re.compile(r"\?version=([\w-]+)$")
EXTRA = "pip install 'equipoise[tables]'"
WHOLE_TABLE = "name the table's folder: its log says which files count"


def split_version(place: str) -> tuple[str, str | None]:
    """A place and the version that it names after ``?version=``."""
    match = SAID.search(place)
    return (place[: match.start()], match[1]) if match else (place, None)


def kind_of(place: str) -> tuple[str, str | None]:
    """The folder of a table and its kind; None for what is no table."""
    if place.startswith("file:"):
        place = stored(place).name
    for kind in LOGS:
        if place.startswith(f"{kind}://"):
            folder = place[len(kind) + 3 :]
            if not _is_table(folder, kind):
                must = f"be that of {'a' if kind == DELTA else 'an'} {kind.capitalize()} table"
                raise DataError("the folder", must, f"one without {LOGS[kind]}", folder)
            return folder, kind
    if place.endswith(METADATA):
        return place, ICEBERG
    return place, next((kind for kind in LOGS if _is_table(place, kind)), None)


def _is_table(folder: str, kind: str) -> bool:
    if is_address(folder):
        with reached(folder):
            system, path = located(folder)
            log = f"{path.rstrip('/')}/{LOGS[kind]}"
            if system.get_file_info(log).type != fs.FileType.Directory:
                return False
            return kind == DELTA or bool(_metadata_files(folder))
    return Path(folder, LOGS[kind]).is_dir() and (kind == DELTA or bool(_metadata_files(folder)))


def refuse_inside(*places: str) -> None:
    """Refuse files, folders or patterns inside of a table: which of its files count, the table's
    log says.
    """
    known: dict[str, bool] = {}
    for place in places:
        for parent in _parents(place):
            if parent not in known:
                known[parent] = any(_is_table(parent, kind) for kind in LOGS)
            if known[parent]:
                got = f"in the table {parent}"
                raise DataError(
                    "files of a log", "not be a part of a table", got, place, WHOLE_TABLE
                )


def _parents(place: str) -> list[str]:
    """The folders around a place."""
    if not is_address(place):
        return list(map(str, Path(place).absolute().parents))
    query = QUERY.search(place)
    scheme, _, path = QUERY.sub("", place).partition("://")
    parts = path.split("/")[:-1]
    end = query[0] if query else ""
    return [f"{scheme}://{'/'.join(parts[:i])}{end}" for i in range(len(parts), 0, -1)]


def table_files(folder: str, kind: str, version: str | None) -> tuple[list[Stored], str]:
    """The files of a version of a table, in the order of their names, and that version."""
    files, number = (_delta if kind == DELTA else _iceberg)(folder, version)
    if not files:
        raise DataError("a version of a table", "have rows", "none", f"{folder}, version {number}")
    return sorted(files, key=lambda file: file.name), number


@contextmanager
def _explained(folder: str, package: str) -> Iterator[None]:
    """What the table's library says, in our grammar."""
    try:
        yield
    except (DataError, MissingExtra):
        raise
    except ImportError as error:
        raise MissingExtra(
            f"a table such as {folder}", f"be read by {package}", "none", fix=EXTRA
        ) from error
    except Exception as error:  # of Rust, or of the library's own kind
        got = " ".join(str(error).split())[:200] or type(error).__name__
        fix = "check the version, and whether the table was moved or cleaned up"
        raise DataError("a table", "have such a version", got, folder, fix) from error


def _delta(folder: str, version: str | None) -> tuple[list[Stored], str]:
    with _explained(folder, "deltalake"):
        from deltalake import DeltaTable

        number = None if version is None else _whole(version, folder)
        table = DeltaTable(_plain(folder), version=number, storage_options=_options(folder))
        _refuse_mapping(table, folder)
        schema = pa.schema(pa.schema(table.schema().to_arrow()))
        adds = pa.table(table.get_add_actions(flatten=True))
        said = {name: adds[name].to_pylist() for name in adds.column_names}
        parts = [name for name in said if name.startswith(PARTITION)]
        kept, root = _kept_rows(table), _flat(table.table_uri).rstrip("/")
        files = []
        for i, path in enumerate(said["path"]):
            pairs = ((name.removeprefix(PARTITION), said[name][i]) for name in parts)
            keys = tuple((name, pa.scalar(x, schema.field(name).type)) for name, x in pairs)
            mask = kept.pop(f"{root}/{_flat(path)}", None)
            files.append(Stored(_file_of(folder, path), keys, schema, mask))
        if kept:
            got = f"rows marked as deleted in {min(kept)}"
            raise DataError("a Delta table", "hold the files that it marks", got, folder)
        return files, str(table.version())


def _file_of(folder: str, path: str) -> str:
    """Where a file of a Delta table lies, whose path is written as in an address."""
    return _address_of(path, folder) if "://" in path else joined(folder, unquote(path))


def _flat(uri: str) -> str:
    """A place without the ways in which it may be written."""
    return unquote(unquote(uri)).removeprefix("file://")


def _whole(version: str, folder: str) -> int:
    if not version.isdecimal():
        fix = "Delta counts versions from 0"
        raise DataError("the version of a table", "be a whole number", repr(version), folder, fix)
    return int(version)


def _refuse_mapping(table: Any, folder: str) -> None:
    """Refuse columns with other names than in the files."""
    said = table.metadata().configuration
    if said.get("delta.columnMapping.mode", "none") != "none":
        fix = "copy it to a table without column mapping"
        raise DataError("a Delta table", "name columns as its files", "column mapping", folder, fix)


def _kept_rows(table: Any) -> dict[str, pa.BooleanArray]:
    """Of each file with rows that are marked as deleted, which rows are kept."""
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return {}
    marked = pa.table(table.deletion_vectors())
    pairs = zip(marked["filepath"], marked["selection_vector"], strict=True)
    return {_flat(uri.as_py()): mask.values for uri, mask in pairs}


def _plain(folder: str) -> str:
    return QUERY.sub("", folder)


def _options(folder: str) -> dict[str, str] | None:
    """What the store behind an address must be told beside the environment."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    plain = is_address(folder) and endpoint.startswith("http://")
    return {"allow_http": "true", "aws_endpoint": endpoint} if plain else None


def _address_of(uri: str, folder: str) -> str:
    """Where a file of a table lies: a path, or an address with the settings of its table's."""
    if uri.startswith("file:"):
        return located(uri)[1]
    query = QUERY.search(folder)
    return uri + (query[0] if query and is_address(uri) else "")


def _iceberg(folder: str, version: str | None) -> tuple[list[Stored], str]:
    with _explained(folder, "pyiceberg"):
        from pyiceberg.io.pyarrow import schema_to_pyarrow
        from pyiceberg.table import StaticTable

        table = StaticTable.from_metadata(_newest(folder))
        current = table.current_snapshot()
        if current is None:
            return [], "none"
        number = current.snapshot_id if version is None else _whole(version, folder)
        scan = table.scan(snapshot_id=None if version is None else number)
        schema = schema_to_pyarrow(scan.projection(), include_field_ids=False)
        _refuse_renames(table, scan.projection(), folder)
        return [_iceberg_file(task, table, schema, folder) for task in scan.plan_files()], str(
            number
        )


def _iceberg_file(task: Any, table: Any, schema: pa.Schema, folder: str) -> Stored:
    """A file of an Iceberg table with the values of its partition."""
    if task.delete_files:
        fix = "write the files anew: CALL system.rewrite_data_files(...)"
        got = "rows that are marked as deleted"
        raise DataError("an Iceberg table", "consist of whole files", got, folder, fix)
    if str(task.file.file_format).rpartition(".")[2].lower() != "parquet":
        got = str(task.file.file_format)
        raise DataError("an Iceberg table", "consist of Parquet", got, folder)
    spec = table.specs()[task.file.spec_id]
    names = {field.field_id: field.name for field in table.schema().fields}
    keys = tuple(
        (
            names[part.source_id],
            pa.scalar(task.file.partition[i], schema.field(names[part.source_id]).type),
        )
        for i, part in enumerate(spec.fields)
        if str(part.transform) == "identity" and names.get(part.source_id) in schema.names
    )
    return Stored(_address_of(task.file.file_path, folder), keys, schema)


def _refuse_renames(table: Any, schema: Any, folder: str) -> None:
    """Refuse columns that older files may have under another name, or as another column."""
    now = {field.field_id: field.name for field in schema.fields}
    earlier = (other for id, other in table.schemas().items() if id <= schema.schema_id)
    for other in earlier:
        for field in other.fields:
            same = now.get(field.field_id, field.name) == field.name
            if not same or (field.name in now.values() and field.field_id not in now):
                fix = "write the table anew under the names of today"
                got = f"column {field.name!r} of before"
                raise DataError("an Iceberg table", "name columns as its files", got, folder, fix)


def _metadata_files(folder: str) -> list[str]:
    """The names of the files that describe an Iceberg table."""
    place = joined(folder, LOGS[ICEBERG])
    if not is_address(folder):
        return [file.name for file in Path(place).glob(f"*{METADATA}")]
    system, path = located(place)
    listed = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return [one.base_name for one in listed if one.base_name.endswith(METADATA)]


def _newest(folder: str) -> str:
    """The metadata of an Iceberg table's folder that counts: that of the highest number."""
    if folder.endswith(METADATA):
        return _plain(folder)
    numbers: dict[int, list[str]] = {}
    for name in _metadata_files(folder):
        match = re.match(r"v?(\d+)[-.]", name)
        numbers.setdefault(int(match[1]) if match else -1, []).append(name)
    newest = numbers[max(numbers)]
    if len(newest) > 1:
        fix = "name the .metadata.json that its catalog names"
        got = f"{len(newest)} of number {max(numbers)}"
        raise DataError("an Iceberg table's folder", "have one newest metadata", got, folder, fix)
    return joined(joined(_plain(folder), LOGS[ICEBERG]), newest[0])
