"""How units are read: as the log had them, and as they stand where it did not."""

from __future__ import annotations

from equipoise.artifacts.unit_columns import UnitColumns, UnitReader
from equipoise.core.features import FeatureMap
from equipoise.data.sources import read_source


def test_ids_of_a_policy_without_are_read_as_they_stand(tmp_path):
    """Of units that are published by an id that the log did not have: 00007 is not 7."""
    (tmp_path / "units.csv").write_text("user,age\n00007,31\n00008,64\n")
    reader = UnitReader(FeatureMap().fit({"age": [31, 64]}), UnitColumns(), id="user")
    table = reader.read(read_source(tmp_path / "units.csv", types=reader.in_text))
    assert table["user"].to_pylist() == ["00007", "00008"]
    assert table["age"].to_pylist() == [31, 64]
