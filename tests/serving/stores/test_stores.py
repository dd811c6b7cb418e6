"""Known units on this machine: every bit returns, whatever the order of arrival."""

from __future__ import annotations

import asyncio
import builtins
import shutil

import numpy as np
import pyarrow as pa
import pytest
from fixtures.known_units import IDS, METRICS, K, N, facts, parts, same

from equipoise.artifacts.unit_facts import FactsBatch
from equipoise.core.errors import DataError, InputError, MissingExtra, SnapshotError
from equipoise.serving.errors import StoreError
from equipoise.serving.stores.building import build_store, open_store
from equipoise.serving.stores.codec import Layout, layout_of


@pytest.fixture(scope="module")
def batch():
    return facts()


@pytest.fixture(scope="module", params=["lmdb", "arrays", "lmdb by runs"])
def store(request, batch, tmp_path_factory):
    kind, _, by_runs = request.param.partition(" ")
    folder = tmp_path_factory.mktemp("known") / "store"
    more = {"run": 20_000} if by_runs else {}
    build_store(folder, K, METRICS, parts(batch), kind=kind, **more)
    assert not (folder / ".runs").exists()
    store = open_store(folder)
    yield store
    store.close()


def test_the_bytes_of_a_unit_by_hand():
    layout = Layout(("a",), ("y",), {"shop": ("x", "z")}, eligible=True)
    batch = FactsBatch(
        pa.array(["ann"]), np.array([[[2.0]]]), None, np.array([[0.5]]), {"shop": np.array(["z"])},
        np.array([[True]]),
    )  # fmt: skip
    raw = layout.encode(batch.unit(0))
    assert raw.hex() == "0000000000000040" + "000000000000e03f" + "01000000" + "01" + "000000"
    assert layout.size == len(raw) == layout.dtype.itemsize
    assert same(layout.decode(raw), batch.unit(0))
    with pytest.raises(SnapshotError, match="a stored unit must have 24 bytes; got 23"):
        layout.decode(raw[1:])


def test_a_layout_is_json_and_back(batch):
    layout = layout_of(K, METRICS, batch)
    assert Layout.from_json(layout.to_json()) == layout
    assert layout.size == 8 * (6 + 6 + 3 + 1) + 4 * 2 + 8  # 3 bytes of what is open, to 8


def test_every_bit_returns(store, batch):
    assert len(store) == N
    assert all(same(store.get(unit), batch.unit(row)) for row, unit in enumerate(IDS))
    assert same(asyncio.run(store.fetch(IDS[3])), batch.unit(3))


@pytest.mark.parametrize("unit", ["", "nobody", "user", "user 1 ", "\ud800", "x" * 600])
def test_an_unknown_unit_has_no_facts(store, unit):
    assert store.get(unit) is None


def test_everybody_at_once(store, batch):
    row = {unit: row for row, unit in enumerate(IDS)}
    seen = []
    for some in store.batches(256):
        units = some.units.to_pylist()
        seen += units
        assert all(same(some.unit(i), batch.unit(row[unit])) for i, unit in enumerate(units))
    assert seen == sorted(IDS, key=str.encode)
    keys = [key for key, _ in store.items()]
    assert keys == sorted(unit.encode() for unit in IDS)
    raw = dict(store.items())[IDS[5].encode()]
    assert same(store.header.layout.decode(raw), batch.unit(5))


def test_a_closed_store_says_so_and_others_read_on(batch, tmp_path):
    build_store(tmp_path, K, METRICS, [batch])
    one, other = open_store(tmp_path), open_store(tmp_path)
    one.close()
    one.close()
    with pytest.raises(StoreError, match="be open"):
        one.get(IDS[0])
    shutil.rmtree(tmp_path)  # mapped pages stay
    assert same(other.get(IDS[0]), batch.unit(0))
    other.close()
    with pytest.raises(SnapshotError):
        open_store(tmp_path)


def test_reading_writes_nothing(batch, tmp_path):
    build_store(tmp_path, K, METRICS, [batch], kind="lmdb")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    for path in (*tmp_path.iterdir(), tmp_path):
        path.chmod(0o555 if path.is_dir() else 0o444)
    store = open_store(tmp_path)
    assert store.get(IDS[0]) is not None
    store.close()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    tmp_path.chmod(0o755)


@pytest.mark.parametrize("run", [1 << 20, 20_000])
def test_a_unit_that_occurs_twice_is_refused_with_its_rows(tmp_path, run):
    ids = [*IDS[:600], IDS[10]]
    with pytest.raises(InputError, match="occur once; got one id at rows 10 and 600"):
        build_store(tmp_path / "s", K, METRICS, [facts(ids)], run=run)
    assert not (tmp_path / "s" / ".runs").exists()


@pytest.mark.parametrize(
    ("ids", "got"), [(["a", ""], "0"), (["a", None], "0"), (["a", "é" * 300], "600")]
)
def test_ids_that_no_key_can_be(tmp_path, ids, got):
    with pytest.raises(InputError, match=f"1 to 511 bytes; got {got} bytes at row 1"):
        build_store(tmp_path, K, METRICS, [facts(ids)])


def test_no_units_are_refused(tmp_path):
    with pytest.raises(DataError, match="have rows"):
        build_store(tmp_path, K, METRICS, [])
    with pytest.raises(InputError, match="be of a known kind; got 'lmbd'.*'lmdb'"):
        build_store(tmp_path, K, METRICS, [], kind="lmbd")


def test_without_lmdb_arrays_are_written_and_the_extra_is_named(tmp_path, batch, monkeypatch):
    build_store(tmp_path / "lmdb", K, METRICS, [batch], kind="lmdb")
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "lmdb":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert build_store(tmp_path / "other", K, METRICS, [batch]).kind == "arrays"
    with pytest.raises(MissingExtra, match=r"equipoise\[serve\]"):
        open_store(tmp_path / "lmdb")


@pytest.mark.parametrize("what", ["cut", "empty", "other bytes", "a header of tomorrow"])
def test_a_broken_store_is_refused(tmp_path, batch, what):
    kind = "arrays" if what == "cut" else "lmdb"
    build_store(tmp_path, K, METRICS, [batch], kind=kind)
    file = tmp_path / {"cut": "keys.bin", "a header of tomorrow": "store.json"}.get(
        what, "units.mdb"
    )
    raw = file.read_bytes()
    file.write_bytes(
        {
            "cut": raw[:-1],
            "empty": b"",
            "other bytes": bytes(len(raw)),
            "a header of tomorrow": raw.replace(b'"format": 1', b'"format": 2'),
        }[what]
    )
    with pytest.raises(SnapshotError):
        open_store(tmp_path)
