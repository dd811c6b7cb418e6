"""The verdict by hand: never "do it" where the interval reaches what nobody gets."""

from __future__ import annotations

import math

import pytest

from equipoise.report.verdict import DO, DO_NOT, NOT_KNOWN, verdict


@pytest.mark.parametrize(
    ("net", "treated", "said"),
    [
        ([0.2, 0.1, 0.3], 0.5, DO),
        ([0.2, 0.0, 0.4], 0.5, NOT_KNOWN),
        ([0.2, -0.1, 0.5], 0.5, NOT_KNOWN),
        ([-0.1, -0.2, 0.0], 0.5, NOT_KNOWN),
        ([-0.2, -0.3, -0.1], 0.5, DO_NOT),
        ([0.0, 0.0, 0.0], 0.0, DO_NOT),
        ([math.nan] * 3, 0.5, NOT_KNOWN),
        ([None, None, None], 0.5, NOT_KNOWN),
    ],
)
def test_the_verdict(net, treated, said):
    assert verdict(net, treated) == said
