"""A policy as a model of MLflow, by the real mlflow-skinny."""

from __future__ import annotations

import warnings

import pytest

from equipoise.artifacts.mlflow import export_mlflow
from equipoise.core.errors import DataError, InputError, SnapshotError

SUFFIXES = {"", ".json", ".txt", ".yaml", ".toml"}  # none of them is run when it is loaded


@pytest.fixture(scope="module")
def load():
    pytest.importorskip("mlflow")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        warnings.simplefilter("ignore")
        from mlflow import pyfunc

        yield pyfunc.load_model


@pytest.fixture(scope="module")
def model(shipped, tmp_path_factory):
    return export_mlflow(shipped.folder, tmp_path_factory.mktemp("mlflow") / "model")


def test_the_model_decides_as_the_policy(load, model, shipped):
    loaded = load(str(model))
    units = shipped.table.select([*shipped.scorer.units.needed]).to_pandas()
    want = shipped.scorer.assign(shipped.table).to_pandas()
    assert loaded.predict(units).equals(want)
    without = loaded.predict(units.drop(columns="user"))
    assert without["row"].tolist() == list(range(len(units)))
    assert without["chosen"].equals(want["chosen"])


def test_nothing_in_it_is_code_or_pickled(model):
    files = [path for path in model.rglob("*") if path.is_file()]
    parts = model / "data"
    own = [path for path in files if parts not in path.parents]
    assert {path.suffix for path in own} <= SUFFIXES
    assert "loader_module: equipoise.artifacts.mlflow" in (model / "MLmodel").read_text()
    assert not [path for path in files if path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")]


def test_an_earlier_model_is_replaced_and_other_folders_are_not(load, model, shipped, tmp_path):
    assert export_mlflow(shipped.folder, model) == model
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(InputError, match="be free or an earlier model of MLflow"):
        export_mlflow(shipped.folder, tmp_path)
    with pytest.raises(DataError, match="a run must have a policy/"):
        export_mlflow(tmp_path, tmp_path / "model")


def test_a_changed_byte_is_refused(load, model, shipped, tmp_path):
    copy = export_mlflow(shipped.folder, tmp_path / "model")
    part = next(path for path in (copy / "data").rglob("policy.json"))
    part.write_bytes(part.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(SnapshotError):
        load(str(copy))
