"""The drawings of the report as plotly figures: plotly itself accepts them, colours filled in."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fixtures.example_findings import EXAMPLES

from equipoise.core.errors import MissingExtra
from equipoise.evaluation.curves import Curve
from equipoise.report.notebook import plot


@pytest.mark.parametrize("name", ["arms", "strata"])
def test_every_drawing_of_the_findings_is_a_figure(name):
    figures = plot(EXAMPLES[name]())
    assert len(figures) > 10
    assert not [figure for figure in figures if "var(--" in figure.to_json()]


def test_without_plotly_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtra, match=r'pip install "equipoise\[report\]"'):
        plot(EXAMPLES["bare"]())


def test_a_curve_by_hand():
    share = np.array([0.0, 0.5, 1.0])
    value = np.array([0.0, 2.0, 3.0])
    points = Curve(share, value, value - 1, value + 1, value - 2, value + 2, 3 * share)
    assert points.to_pandas()["band_high"].tolist() == (value + 2).tolist()
    figure = points.plot()
    lines = {tuple(line.y) for line in figure.data}
    assert {tuple(value), tuple(value - 1), tuple(value + 1), tuple(3 * share)} == lines
    assert tuple(figure.data[0].x) == (0.0, 50.0, 100.0)
