"""Paths as a person writes them."""

from pathlib import Path

import pytest

from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.data.files import read_table


def test_the_home_is_written_out():
    assert expanded("~/log.csv") == Path.home() / "log.csv"
    assert expanded(Path("a~/b")) == Path("a~/b")


def test_a_home_of_nobody():
    with pytest.raises(DataError, match="~ in a path must be a home on this machine; got ~nob"):
        read_table("~nobody-of-that-name/log.csv")


@pytest.mark.parametrize(
    ("path", "words"),
    [("x" * 5000, "no longer than the system's; got one of 5,000"), ("a\0b", "a name of the sys")],
)
def test_what_no_system_can_look_for(path, words):
    with pytest.raises(DataError, match=words):
        read_table(path)
