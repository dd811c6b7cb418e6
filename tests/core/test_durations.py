"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from equipoise.core.durations import nanoseconds, seconds
from equipoise.core.errors import InputError


def test_every_unit():
    lengths = [seconds(f"1{unit}") for unit in ("ms", "s", "m", "h", "d", "w")]
    assert lengths == [0.001, 1.0, 60.0, 3600.0, 86_400.0, 604_800.0]
    assert (seconds(" 1.5 h "), nanoseconds("90s"), nanoseconds("0s")) == (5400.0, 90 * 10**9, 0)


@pytest.mark.parametrize("text", ["soon", "15", "-1m", "1e3s", "infs", "", 15, None])
def test_what_is_none(text):
    with pytest.raises(InputError, match="a window must be a number and a unit of time; got"):
        nanoseconds(text, "a window")


def test_nothing_is_no_step():
    with pytest.raises(InputError, match="every must be a number > 0"):
        seconds("0m", "every")
