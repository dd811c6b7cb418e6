"""Every public result shows itself in a few lines, and as a small HTML table without a user's raw
text.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_public_surface import results

import equipoise as eq
from equipoise.core.balance import Checks
from equipoise.core.display import Displayed, shown
from equipoise.evaluation import Curve

RAW = "<script>alert(1)</script>"


def filled(one: type) -> Any:
    """An object of a class with long, raw or odd contents in every field that is shown."""
    thing = object.__new__(one)
    long = [np.zeros((10**6, 3)), RAW, (RAW,) * 10**5, {RAW: 1.0}, pa.table({RAW: [1.0]})]
    for place, field in enumerate(fields(one)):
        object.__setattr__(thing, field.name, long[place % len(long)])
    return thing


@pytest.mark.parametrize("one", results(), ids=lambda one: one.__name__)
def test_large_and_raw_contents_are_shown_short_and_escaped(one):
    if not ("__dataclass_fields__" in dir(one) and one.__repr__.__module__ == shown.__module__):
        pytest.skip("shows itself in its own way")
    thing = filled(one)
    assert len(repr(thing).splitlines()) <= 10
    assert len(repr(thing)) < 5000
    if not issubclass(one, Displayed):
        html = thing._repr_html_()
        assert "<script" not in html
        assert len(html) < 20_000


def test_large_results_are_shown_by_their_first_rows():
    n = 10**6
    curve = shown(
        type("Steps", (Displayed,), {"_frame": lambda self: pa.table({RAW: np.arange(n)})})
    )
    html = curve()._repr_html_()
    assert "Steps of 1,000,000 rows" in html
    assert html.count("<tr>") < 50
    assert "<script" not in html
    assert issubclass(Curve, Displayed)


@pytest.fixture(scope="module")
def log():
    return eq.datasets.make_coupon_world(600, metrics=("conversion",))[0]


def test_a_log_and_its_checks_are_shown(log):
    assert f"<th style='text-align:left'>{log.cell_names[1]}</th>" in log._repr_html_()
    checks = eq.check_log(log)
    assert repr(checks).startswith(f"{len(checks)} checks: ")
    assert "1 warn" in repr(Checks([{"name": RAW, "status": "warn", "summary": "x", "rows": []}]))
    html = Checks([{"name": RAW, "status": "warn", "summary": RAW, "rows": []}])._repr_html_()
    assert "<script" not in html
    assert checks._repr_html_().count("<tr>") == len(checks) + 1


def test_effects_of_many_arms_are_shown_in_ten_lines():
    names = tuple(f"arm {a}" for a in range(37))
    effects = eq.Effects(np.zeros((5, 37, 1)), np.zeros((5, 1)), names, ("sales",))
    assert len(repr(effects).splitlines()) == 10
    assert repr(effects).endswith("... 29 more candidates")


def test_a_rule_is_shown_in_its_sentences():
    from equipoise.allocation import PolicyTree

    tree = PolicyTree(depth=1)
    assert "PolicyTree(depth=1" in tree._repr_html_()
    tree.fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50, candidates=["none", RAW])
    assert "to those whose age &lt; 50." in tree._repr_html_()
    assert "<script" not in tree._repr_html_()
