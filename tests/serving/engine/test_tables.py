"""Tables of the hours."""

from __future__ import annotations

from equipoise.serving.engine.tables import Table

DECISION = 240  # bytes of one, measured at 16,000 a second


def test_an_hour_of_a_busy_machine_fits(tmp_path):
    table = Table(tmp_path)
    assert table.file.info()["map_size"] > 50_000 * 3_600 * DECISION
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000
    table.close()
