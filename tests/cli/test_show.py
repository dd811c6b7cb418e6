"""Numbers of the command line, as people write them."""

from __future__ import annotations

import pytest

from equipoise.cli.show import interval, table


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        ([2160.4, 1234.5, 3086.3], "USD", "2,160 [1,234, 3,086] USD"),
        ([0.1234, 0.0984, 0.1484], "", "0.123 [0.098, 0.148]"),
        ([-0.02, -0.05, 0.01], "", "-0.020 [-0.050, 0.010]"),
        ([0.5, 0.5, 0.5], "", "0.5"),
    ],
)
def test_an_interval(value, unit, said):
    assert interval(value, unit) == said


def test_brackets_are_text(capsys):
    table([{"[arm]": "[bold]", "fix": "pip install 'equipoise[deep]'"}], ["[arm]", "fix"], "[log]")
    said = capsys.readouterr().out
    assert all(text in said for text in ("[log]", "[arm]", "[bold]", "equipoise[deep]"))
