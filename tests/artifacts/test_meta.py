"""Snapshots whose sums are right and whose meta is nonsense."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from fixtures.nonsense import deep, places
from fixtures.units import Shipped
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.artifacts.kinds import read_artifact
from equipoise.artifacts.model import read_model
from equipoise.artifacts.policy import read_scorer
from equipoise.core.errors import EquipoiseError, SnapshotError
from equipoise.estimators import load_estimator


def signed(source: Path, place: Path, manifest: dict) -> Path:
    """A copy of a snapshot with this manifest, its sum made right."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)
    plain = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    dump = lambda thing: json.dumps(thing, indent=1, sort_keys=True).encode()  # noqa: E731
    own = hashlib.sha256(dump(plain)).hexdigest()
    (place / "manifest.json").write_bytes(dump({**plain, "manifest_sha256": own}))
    return place


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


DELETED = object()
NONSENSE = [
    DELETED,
    None,
    3,
    -1,
    0.5,
    1e400,
    2**70,
    "",
    "x",
    "a\0b",
    [],
    [None],
    {},
    {"x": 1},
    True,
    deep(60),
]


def changed(manifest: dict, path: tuple, value) -> dict:
    """The manifest with one value replaced or deleted."""
    new = copy.deepcopy(manifest)
    at = new
    for key in path[:-1]:
        at = at[key]
    if value is DELETED:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return new


def test_what_was_not_changed_is_read(shipped: Shipped, tmp_path):
    place = signed(shipped.folder, tmp_path / "policy", manifest_of(shipped.folder))
    units = shipped.table.slice(0, 50)
    assert read_scorer(place).assign(units).equals(shipped.scorer.assign(units))


@settings(max_examples=200)
@given(st.data())
def test_any_nonsense_in_a_meta_is_a_snapshot_error_or_an_answer(shipped, tmp_path_factory, data):
    manifest = manifest_of(shipped.folder)
    every = [path for path in places(manifest) if path[0] == "meta"]
    path = data.draw(st.sampled_from(every))
    value = data.draw(st.sampled_from(NONSENSE))
    place = signed(
        shipped.folder, tmp_path_factory.getbasetemp() / "nonsense", changed(manifest, path, value)
    )
    for read in (read_artifact, read_scorer, read_model):
        try:
            artifact = read(place)
        except SnapshotError:
            continue
        try:
            if read is read_model:
                assert len(artifact.effects(shipped.table)) == shipped.table.num_rows
            else:
                assert artifact.assign(shipped.table).num_rows == shipped.table.num_rows
        except EquipoiseError:
            pass


@pytest.mark.parametrize("key", ["costs", "features", "policy", "estimator", "id", "kind"])
def test_a_key_that_is_gone_is_named(shipped, tmp_path, key):
    forged = signed(
        shipped.folder, tmp_path / "p", changed(manifest_of(shipped.folder), ("meta", key), DELETED)
    )
    with pytest.raises(SnapshotError, match=key if key != "kind" else "policy"):
        read_scorer(forged)


@pytest.mark.parametrize("path", [("meta",), ("sha256",), ("format",)])
@pytest.mark.parametrize("value", [None, 3, [], "x", [["a", 1]], deep(60)], ids=repr)
def test_a_manifest_of_other_things_is_refused(shipped, tmp_path, path, value):
    forged = signed(
        shipped.folder, tmp_path / "p", changed(manifest_of(shipped.folder), path, value)
    )
    for read in (read_scorer, read_model, load_estimator):
        with pytest.raises(SnapshotError):
            read(forged)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "", ".", "/", "../..", "models"])
def test_a_part_of_a_strange_name_is_refused(shipped, tmp_path, name):
    manifest = manifest_of(shipped.folder)
    manifest["sha256"][name] = "0" * 64
    with pytest.raises(SnapshotError):
        read_scorer(signed(shipped.folder, tmp_path / "p", manifest))


def test_a_manifest_that_nobody_can_read_to_its_end(shipped, tmp_path):
    forged = signed(shipped.folder, tmp_path / "p", manifest_of(shipped.folder))
    for text in (
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        '{"format": ' + "9" * 10_000 + "}",
    ):
        (forged / "manifest.json").write_text(text)
        with pytest.raises(SnapshotError, match="readable manifest"):
            read_scorer(forged)
