"""Snapshots whose sums are right and whose meta is nonsense."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures.nonsense import deep
from fixtures.units import Shipped

from equipoise.artifacts.mixes import MIXES_PART, MixPolicy, read_mix_policy, write_mix_policy
from equipoise.artifacts.model import Model, read_model, write_model
from equipoise.artifacts.policy import read_scorer
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.estimators import LinearDML, load_estimator


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


def test_a_model_whose_numbers_are_none_gives_no_answer(tmp_path):
    X, arm = np.arange(60.0).reshape(-1, 1), np.arange(60) % 2
    estimator = LinearDML(cv=2).fit(X, X[:, 0] * arm, treatment=arm)
    for name, value in vars(estimator).items():
        if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype == np.float64:
            setattr(estimator, name, np.full_like(value, np.nan))
    write_model(tmp_path / "model", Model(FeatureMap().fit(X), estimator))
    with pytest.raises(
        SnapshotError, match="must give finite effects; got another number at row 0"
    ):
        read_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("shares", [[0.5, 0.5], [0.2, 0.8]], "of shape"),
        ("shares", [[0.5, 0.6]], "shares of a whole"),
        ("shares", [[float("nan"), 1.0]], "shares of a whole"),
        ("bounds", [[[0.6, 0.0]], [[1.0, 1.0]]], "shares of a whole"),
        ("bounds", [[[0.0]], [[1.0]]], "of shape"),
    ],
)
def test_mixes_that_are_none_are_refused(tmp_path, key, value, said):
    features = FeatureMap().fit({"age": [31, 64]})
    mixes = MixPolicy(
        features, ("film", "food"), None, np.array([[0.5, 0.5]]), np.array([[[0, 0]], [[1, 1]]])
    )
    write_mix_policy(tmp_path / "mixes", mixes, plan="")
    assert read_mix_policy(tmp_path / "mixes").shares.tolist() == [[0.5, 0.5]]
    part = tmp_path / "mixes" / MIXES_PART
    part.write_text(json.dumps({**json.loads(part.read_text()), key: value}))
    manifest = manifest_of(tmp_path / "mixes")
    manifest["sha256"][MIXES_PART] = hashlib.sha256(part.read_bytes()).hexdigest()
    with pytest.raises(SnapshotError, match=said):
        read_mix_policy(signed(tmp_path / "mixes", tmp_path / "forged", manifest))


@pytest.mark.parametrize("path", [("meta", "eligible"), ("meta", "policy", "tie_penalty")], ids=str)
def test_a_key_that_only_old_snapshots_lack_is_no_default(shipped, tmp_path, path):
    manifest = manifest_of(shipped.folder)
    forged = signed(shipped.folder, tmp_path / "p", changed(manifest, path, DELETED))
    with pytest.raises(SnapshotError, match=f"have the key {path[-1]}"):
        read_scorer(forged)
