"""The timetable of a space of schedules, and none of others."""

from __future__ import annotations

import pytest

from equipoise.pipeline.findings.timetable import timetable
from equipoise.treatments import Arms, Schedule


def test_every_schedule_with_its_own_packets():
    space = Schedule({"base": (0.2, 2, 4), "few": (1.0, 1, 3), "many": (0.9, 3, 2)}, unit="USD")
    table = timetable(space)
    assert table is not None
    assert (table["unit"], table["window"]) == ("USD", [8.0, 24.0])
    assert [row["name"] for row in table["rows"]] == ["base", "few", "many"]
    assert [row["hours"] for row in table["rows"]] == [[8, 12], [8], [8, 10, 12]]
    assert table["rows"][2]["amounts"] == pytest.approx([0.3] * 3)
    assert timetable(Arms()) is None
