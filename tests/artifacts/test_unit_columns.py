"""How units are read: as the log had them, and as they stand where it did not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from equipoise.artifacts.unit_columns import UnitColumns, UnitReader
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap
from equipoise.data.sources import read_source


def test_text_of_other_bytes_is_told_with_its_column():
    """As a file has it whose writer took Latin-1 for UTF-8."""
    reader = UnitReader(FeatureMap().fit({"city": ["Oslo", "Rome"] * 20}), UnitColumns(), id="user")
    good, bad = pa.array(["a"]), pa.array(["Malm\xf6".encode("latin-1")]).view(pa.string())
    for name in ("user", "city"):
        table = pa.table({"user": good, "city": good} | {name: bad})
        with pytest.raises(InputError, match=f"{name}' must be text in UTF-8; got .* from row 7"):
            reader.read(table, 7)


def test_ids_of_a_policy_without_are_read_as_they_stand(tmp_path):
    """Of units that are published by an id that the log did not have: 00007 is not 7."""
    (tmp_path / "units.csv").write_text("user,age\n00007,31\n00008,64\n")
    reader = UnitReader(FeatureMap().fit({"age": [31, 64]}), UnitColumns(), id="user")
    table = reader.read(read_source(tmp_path / "units.csv", types=reader.in_text))
    assert table["user"].to_pylist() == ["00007", "00008"]
    assert table["age"].to_pylist() == [31, 64]
