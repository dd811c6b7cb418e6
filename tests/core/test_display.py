"""Results show themselves: as frames, as HTML, and drawn."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from equipoise.core.display import html_table
from equipoise.core.effects import Effects
from equipoise.core.errors import MissingExtra

VALUES = np.array([[[1.0, -1.0], [2.0, 0.0]], [[3.0, -1.0], [4.0, 0.0]]])
EFFECTS = Effects(VALUES, np.zeros((2, 2)), ("mail", "<b>"), ("visits", "spend"))


def test_frames_of_both_libraries_say_the_same():
    pandas, polars = EFFECTS.to_pandas(), EFFECTS.to_polars()
    assert isinstance(pandas, pd.DataFrame)
    assert isinstance(polars, pl.DataFrame)
    assert pandas["effect"].tolist() == polars["effect"].to_list() == VALUES.ravel().tolist()


def test_a_library_that_is_absent_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra, match="pip install polars"):
        EFFECTS.to_polars()


def test_a_notebook_shows_the_mean_of_each_candidate():
    html = EFFECTS._repr_html_()
    assert "Mean effects of 2 units" in html
    assert "<th style='text-align:left'>mail</th><td>+2</td><td>-1</td>" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_an_effect_of_nobody_has_no_mean():
    assert "<td>+nan</td>" in EFFECTS.take(slice(0, 0))._repr_html_()


def test_heads_are_escaped():
    assert "<th>a&amp;b</th>" in html_table("t", [("x", "1")], ("", "a&b"))


def test_effects_are_drawn_as_one_panel_per_metric():
    figures = EFFECTS.plot()
    assert [figure.layout.title.text for figure in figures] == [
        "visits: effects of units",
        "spend: effects of units",
    ]
    low, high = np.quantile(VALUES[:, 0, 0], [0.05, 0.95])
    row = figures[0].data[0]
    assert row.x[0] == pytest.approx(VALUES[:, 0, 0].mean())
    assert row.error_x.array[0] == pytest.approx(high - 2.0)
    assert row.error_x.arrayminus[0] == pytest.approx(2.0 - low)
