"""The log of a fit is known again; any other log is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.artifacts.fingerprint import fingerprint, refuse_own_rows
from equipoise.core.errors import InputError
from equipoise.core.snapshot import write_snapshot
from equipoise.data import read_log

TABLE = {
    "arm": [0, 1] * 4,
    "y": [0.0, 1, 2, 3, 4, 5, 6, 7],
    "age": [3.0, 1, 2, 2, 1, 3, 3, 1],
    "town": ["x", "y"] * 4,
}


def log_of(**changed):
    return read_log(pa.table({**TABLE, **changed}), treatment="arm", outcomes=["y"])


def test_every_column_of_the_fit_has_a_digest():
    log = log_of()
    assert sorted(fingerprint(log)) == ["age", "arm", "town", "y"]
    # whole numbers are the same values
    assert fingerprint(log) == fingerprint(log_of(y=np.arange(8)))


@pytest.mark.parametrize(
    "changed", [{"y": [0.0, 1, 2, 3, 4, 5, 6, 8]}, {"arm": [1, 0] * 4}, {"town": ["x", "z"] * 4}]
)
def test_one_other_column_is_another_log(tmp_path, changed):
    write_snapshot(tmp_path / "model", {}, {"seen": fingerprint(log_of())})
    with pytest.raises(InputError, match="8 rows of its own fit"):
        refuse_own_rows(tmp_path / "model", log_of())
    refuse_own_rows(tmp_path / "model", log_of(**changed))


def test_a_model_that_kept_nothing_and_a_file_of_effects_are_not_refused(tmp_path):
    write_snapshot(tmp_path / "model", {}, {})
    refuse_own_rows(tmp_path / "model", log_of())
    refuse_own_rows(tmp_path / "effects.parquet", log_of())
