"""A log that does not fit in memory is refused before it is read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data import read_log, too_large


def test_a_log_that_does_not_fit_says_what_to_do(tmp_path, monkeypatch):
    file = tmp_path / "log.parquet"
    pq.write_table(pa.table({"arm": [0, 1] * 50, "y": list(range(100))}), file)
    assert len(read_log(file, treatment="arm", outcomes="y")) == 100
    monkeypatch.setattr(too_large, "memory", lambda: 1000)
    with pytest.raises(DataError, match="100 rows of 2 columns.*equipoise run.*learn_rows"):
        read_log(file, treatment="arm", outcomes="y")
    monkeypatch.setattr(too_large, "memory", lambda: None)
    assert len(read_log(file, treatment="arm", outcomes="y")) == 100
