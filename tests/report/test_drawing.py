"""The drawings of pages: the script serves all that any report asks for, draws every mark of it in
a real browser, wide and narrow, light and dark, and tells each to a pointer and to a keyboard.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fixtures.chromium import AUDIT, Chromium
from fixtures.report_pages import PAGES, specs_of

from equipoise.report.formatting import Unit
from equipoise.report.page import render_page
from equipoise.report.parts import Figure, Plot, Section, Table
from equipoise.report.plots import (
    add_line,
    add_points,
    curve,
    dumbbells,
    forest,
    name_points,
    stacks,
)
from equipoise.report.sections.supply import render_supply

DRAWING = files("equipoise.report").joinpath("drawing.js").read_text(encoding="utf-8")
SERVES = json.loads(re.search(r"const SERVES = (\{.*?\n  \});", DRAWING, re.S)[1])  # type: ignore[index]
LARGEST = 1_500_000  # bytes of a page
BLUE, PLAIN = ("#0072B2", "circle"), Unit(1.0, "", "", "")
STATES = [(1280, False), (1280, True), (420, True), (420, False)]  # width, dark
# What is not drawn as often as the data has it, drawing by drawing.
UNDRAWN = """[...document.querySelectorAll('.plot')].flatMap((box) => {
  const spec = JSON.parse(box.dataset.spec), svg = box.querySelector('svg.drawing'), wrong = [];
  const frame = svg.getBoundingClientRect(), name = box.getAttribute('aria-label').slice(0, 60);
  const traces = [...svg.querySelectorAll('.trace')];
  const equal = (what, found, asked) => {
    if (found !== asked) wrong.push(`${name}: ${found} of ${asked} ${what}`);
  };
  equal('traces', traces.length, spec.data.length);
  equal('notes', svg.querySelectorAll('.note').length, (spec.layout.annotations ?? []).length);
  const known = (t) => t.x.map((_, i) => i).filter((i) => t.x[i] !== null && t.y[i] !== null);
  const written = spec.data.filter((t) => t.mode === 'text').flatMap((t) => known(t));
  if (written.length) equal('texts', svg.querySelectorAll('.label').length, written.length);
  spec.data.forEach((t, k) => {
    const there = known(t), all = (part) => [...traces[k].querySelectorAll(part)];
    const has = (part) => (t.mode ?? '').includes(part);
    equal('bars', all('.bar').length, t.type === 'bar' ? there.length : 0);
    equal('marks', all('.point').length, has('markers') ? there.length : 0);
    const corners = all('.line').flatMap((line) => line.getAttribute('d').match(/[ML]/g));
    equal('corners', corners.length, has('lines') && t.line.width !== 0 ? there.length : 0);
    if (t.fill && there.length) equal('bands', all('.band').length > 0, true);
    const errors = ['error_x', 'error_y'].filter((e) => t[e]);
    const long = errors.flatMap((e) => there.filter((i) => t[e].array[i] + t[e].arrayminus[i]));
    equal('whiskers', all('.error').length, long.length);
    [...all('.point'), ...all('.bar')].forEach((mark) => {
      const b = mark.getBoundingClientRect();
      const out = b.left < frame.left - 2 || b.right > frame.right + 2
        || b.top < frame.top - 2 || b.bottom > frame.bottom + 2;
      if (out) wrong.push(`${name}: a mark is cut off`);
    });
  });
  return wrong;
})"""


def unserved(part: Any, served: Any, path: str = "spec") -> list[str]:
    """What a spec asks for that the script does not serve."""
    if isinstance(served, str):
        return [] if served == "*" else unserved(part, SERVES[served], path)
    if isinstance(served, list):
        return [] if part in served else [f"{path}: {part!r}"]
    if isinstance(part, list):
        return [wrong for one in part for wrong in unserved(one, served, path)]
    return [
        wrong
        for key, one in part.items()
        for wrong in (
            unserved(one, served[key], f"{path}.{key}") if key in served else [f"{path}.{key}"]
        )
    ]


def offered(served: Any) -> set[str]:
    """Every key and every value of a vocabulary."""
    if isinstance(served, str):
        return set()
    if isinstance(served, list):
        return set(map(str, served))
    return {*served, *(one for part in served.values() for one in offered(part))}


def asked(part: Any, served: Any) -> set[str]:
    """The same walk: what of the vocabulary a spec uses."""
    if isinstance(served, str):
        return set() if served == "*" else asked(part, SERVES[served])
    if isinstance(served, list):
        return {str(part)}
    if isinstance(part, list):
        return {use for one in part for use in asked(one, served)}
    return {*part, *(use for key, one in part.items() for use in asked(one, served[key]))}


@pytest.fixture(scope="module")
def pages(mix_run) -> dict[str, str]:
    """A page of every kind by name."""
    return {**{name: make() for name, make in PAGES.items()}, "supply": render_supply(mix_run[0])}


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


def opened(chromium: Chromium, folder: Path, page: str, width: int = 1280) -> None:
    (folder / "report.html").write_text(page, encoding="utf-8")
    chromium.open(folder / "report.html", width)


def page_of(plots: list[Plot]) -> str:
    """A page of these drawings alone."""
    head = {"title": "Drawings", "headline": [], "level": 0.95, "made": {}}
    figure = Figure("Drawings", "As they are.", plots, Table("t", ["a"], [["b"]]))
    return render_page(head, [], [Section("all", "All", "All", "", [figure])])


def two_axes(x: list[Any], y: list[Any], **more: Any) -> Plot:
    """A curve with a mark on each of its points; more: settings of its x axis."""
    hover = [f"<b>{a} &lt;b&gt;</b><br>{b}" for a, b in zip(x, y, strict=True)]
    plot = curve(x, y, None, BLUE, ("across", "up"), hover, "", "a curve")
    add_points(plot, x, [[b, b - 1, b + 1] for b in y], PLAIN, BLUE, hover, 9)
    plot.spec["layout"]["xaxis"].update(more)
    return plot


# ---- the vocabulary


def test_every_spec_of_every_report_is_served(pages):
    wrong = {
        name: {w for spec in specs_of(page) for w in unserved(spec, SERVES)}
        for name, page in pages.items()
    }
    assert {name: found for name, found in wrong.items() if found} == {}


def test_what_is_served_is_asked_for(pages):
    """Each key and each value of the vocabulary occurs in some report."""
    used = {
        use for page in pages.values() for spec in specs_of(page) for use in asked(spec, SERVES)
    }
    assert offered(SERVES) - used - set(SERVES) == set()


def test_a_spec_that_asks_for_more_is_noticed(chromium, tmp_path):
    plot = two_axes([0, 1], [0, 1], type="log")
    plot.spec["data"][0]["stackgroup"] = "one"
    plot.spec["data"][1]["marker"]["symbol"] = "cross"
    wrong = ["spec.data.stackgroup", "spec.layout.xaxis.type", "spec.data.marker.symbol"]
    found = unserved(plot.spec, SERVES)
    assert sorted(found) == sorted([wrong[0], wrong[1], f"{wrong[2]}: 'cross'"])
    opened(chromium, tmp_path, page_of([plot]))
    assert all(part in " ".join(chromium.complaints) for part in wrong)


def test_a_page_is_small(pages):
    sizes = {name: len(page.encode()) for name, page in pages.items()}
    assert max(sizes.values()) <= LARGEST / 3
    assert 45_000 < min(sizes.values()) < 80_000  # what every page holds


# ---- every mark of every report


def test_every_mark_is_drawn_wide_and_narrow_light_and_dark(chromium, pages, tmp_path):
    """Every section that draws something of its own, on one page, which has sliders too."""
    sections: dict[str, str] = {}
    for page in pages.values():
        for section in re.findall(r"<section .*?</section>", page, re.S):
            sections.setdefault(json.dumps(list(specs_of(section))), section)
    main = re.compile(r"<section .*</section>", re.S)
    opened(chromium, tmp_path, main.sub(lambda _: "\n".join(sections.values()), pages["ranking"]))
    drawn = chromium.ask("document.querySelectorAll('.plot').length")
    assert drawn == sum(len(json.loads(specs)) for specs in sections) > 100
    for width, dark in STATES:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        chromium.call("Emulation.setEmulatedMedia", features=[scheme])
        chromium.resize(width)
        chromium.wait(
            "[...document.querySelectorAll('.plot')].every(box =>"
            " Math.floor(box.clientWidth) === box.querySelector('svg').width.baseVal.value)"
        )
        assert chromium.ask(UNDRAWN) == []
        own = [line for line in chromium.ask(AUDIT) if not line.endswith("sections")]
        assert [w for w in own if "no axis has a title" not in w and "leads nowhere" not in w] == []
    assert chromium.complaints == chromium.outside == []
    redraw = (
        "(() => { const start = performance.now(); dispatchEvent(new Event('afterprint'));"
        " return performance.now() - start; })()"
    )
    assert chromium.ask(redraw) / drawn < 40  # milliseconds, measured: 4


# ---- by hand

CENTRES = """(([box, part]) => [...document.querySelectorAll('.plot')[box].querySelectorAll(part)]
  .map((node) => { const b = node.getBoundingClientRect();
    return [node.textContent, (b.left + b.right) / 2, (b.top + b.bottom) / 2]; }))"""


def centres(chromium: Chromium, box: int, part: str) -> list[Any]:
    """The text, and the middle across and down, of each part of a drawing."""
    return chromium.ask(f"{CENTRES}({json.dumps([box, part])})")


def test_marks_stand_at_their_numbers(chromium, tmp_path):
    moved = dumbbells(["a", "b"], [0.2, 0.6], [0.4, 0.0], ["", ""], "", "")
    opened(chromium, tmp_path, page_of([two_axes([0, 10, 30], [2, 4, 8]), moved]))
    x, y = ({text: at for text, *at in centres(chromium, 0, f".{axis}tick")} for axis in "xy")
    marks = centres(chromium, 0, ".point")
    for (_, across, down), a, b in zip(marks, ("0", "10", "30"), "248", strict=True):
        assert [across, down] == pytest.approx([x[a][0], y[b][1]], abs=1.5)
    places = {text: at for text, *at in centres(chromium, 1, ".xtick")}
    rows = {text: at for text, *at in centres(chromium, 1, ".ytick")}
    (_, *was), (_, *other), (_, *goes), (_, *nil) = centres(chromium, 1, ".point")
    assert was == pytest.approx([places["20%"][0], rows["a"][1]], abs=1.5)
    assert other == pytest.approx([places["60%"][0], rows["b"][1]], abs=1.5)
    assert goes == pytest.approx([places["40%"][0], rows["a"][1]], abs=1.5)
    assert nil == pytest.approx([places["0%"][0], rows["b"][1]], abs=1.5)


def test_ticks_by_hand(chromium, tmp_path):
    tenths = {"tickmode": "linear", "dtick": 1, "range": [0.4, 9.6]}
    clock = ["08:00", "16:00", "24:00"]
    cases: list[tuple[list[Any], dict[str, Any], str]] = [
        ([0, 1], {"range": [0, 1]}, "0.0 0.2 0.4 0.6 0.8 1.0"),
        ([-20, 20], {"range": [-20, 20]}, "\u221220 \u221210 0 10 20"),
        ([0, 4e4], {"range": [0, 4e4]}, "0 10,000 20,000 30,000 40,000"),
        ([0, 2e6], {"range": [0, 2e6]}, "0 500K 1M 1.5M 2M"),
        (
            [1_000_000, 1_000_009],
            {"range": [1_000_000, 1_000_009]},
            "1,000,000 1,000,002 1,000,004 1,000,006 1,000,008",
        ),
        ([0, 3e20], {"range": [0, 3e20], "nticks": 3}, "0E0 1E20 2E20 3E20"),
        ([0, 1e-4], {"range": [0, 1e-4], "nticks": 2}, "0.00000 0.00005 0.00010"),
        ([0, 0.02], {"range": [0, 0.02], "tickformat": ".0%"}, "0.0% 0.5% 1.0% 1.5% 2.0%"),
        ([1, 9], tenths, "1 2 3 4 5 6 7 8 9"),
        ([8, 24], {"tickvals": [8, 16, 24], "ticktext": clock}, " ".join(clock)),
        (["2026-11-29", "2026-12-02"], {}, "29Nov 30Nov 1Dec 2Dec"),
        (["2026-11-29"], {}, "28Nov 29Nov 30Nov"),
        (["2026-11-29", "2027-01-02"], {}, "30Nov 7Dec 14Dec 21Dec 28Dec"),
        ([f"2026-{m:02d}-01" for m in range(1, 13)], {}, "2026 Apr Jul Oct"),
        (["Mon", "Tue", "Wed"], {}, "Mon Tue Wed"),
        (["7", "8", "9"], {}, "7.0 7.5 8.0 8.5 9.0"),
    ]
    plots = [two_axes(x, list(range(len(x))), **more) for x, more, _ in cases]
    opened(chromium, tmp_path, page_of([Plot(p.spec, p.label, p.height, wide=True) for p in plots]))
    found = [[text for text, *_ in centres(chromium, k, ".xtick")] for k in range(len(cases))]
    assert [" ".join(text.replace(" ", "") for text in one) for one in found] == [
        c[-1] for c in cases
    ]
    assert chromium.complaints == []


def test_nothing_and_hardly_anything_are_drawn_too(chromium, tmp_path):
    """No point at all, one alone, and gaps: a dot where a line has nobody to go to."""
    axes, gaps = ("across", "up"), [1.0, None, 3.0, 4.0, None]
    band = ([0, 1, None, 3, 4], [1, 2, 3, 5, None])
    cases: list[tuple[list[Any], list[Any], Any]] = [
        ([], [], None),
        ([None], [2], None),
        (["2026-11-29"], [5], ([4], [6])),
        ([1, 2, 3, 4, 5], gaps, band),
    ]
    plots = [
        curve(x, y, ends, BLUE, axes, [f"at {at}" for at in x], "", "a curve")
        for x, y, ends in cases
    ]
    opened(chromium, tmp_path, page_of(plots))
    assert chromium.ask(UNDRAWN) == chromium.complaints == []
    told = chromium.ask("[...document.querySelectorAll('.plot')].map((box) => box.told.length)")
    assert told == [0, 0, 1, 3]
    lines = chromium.ask("[...document.querySelectorAll('.line')].map((l) => l.getAttribute('d'))")
    assert [re.sub(r"[\d. -]+", "", line) for line in lines] == ["Mh", "MhML"]
    assert len(centres(chromium, 3, ".band")) == 2  # from 1 to 2, and at 4 alone


def test_names_beside_marks_move_or_leave(chromium, tmp_path):
    """A name moves away from a mark; those of marks that nearly meet, and one in the thick of
    lines, are left out; one at the right end stands to the left.
    """
    plot = two_axes([0, 1], [0, 0])
    close = [(0.3, "a name that is longer"), (0.36, "another"), (0.365, "a third")]
    thick = [0.6 + 0.005 * i for i in range(50)]
    add_line(plot, thick, [(-1) ** i for i in range(50)])
    for x, name in [*close, (0.72, "in the thick"), (1, "at the end")]:
        add_points(plot, [x], [[0.5, 0.4, 0.6]], PLAIN, BLUE, [name], 9)
        name_points(plot, [name], left=False)
    opened(chromium, tmp_path, page_of([plot]))
    labels = {text: at for text, *at in centres(chromium, 0, ".label")}
    marks = centres(chromium, 0, ".point")[2:]
    assert set(labels) == {"a name that is longer", "at the end"}
    assert labels["a name that is longer"][0] < marks[0][1] - 50
    assert labels["at the end"][0] < marks[-1][1] - 30
    assert chromium.ask(AUDIT)[1:] == []  # that no two texts meet, among others


def test_long_names_are_cut_and_values_stay(chromium, tmp_path):
    long = "a name that is much longer than what"
    rows = forest([long] * 2, [[2.0, 1.0, 3.0]] * 2, [BLUE] * 2, PLAIN, "x " * 80, "n")
    shares = stacks([long, "b"], [("p", "#0072B2", [0.5, 0.96]), ("q", "#E69F00", [0.5, 0.04])], "")
    opened(chromium, tmp_path, page_of([rows, shares]), 300)
    assert [line for line in chromium.ask(AUDIT) if "cut off" in line] == []
    assert all(text.endswith("\u2026  +2.0") for text, *_ in centres(chromium, 0, ".note"))
    assert len(centres(chromium, 0, ".xtitle")) == 2
    assert centres(chromium, 1, ".ytick")[0][0].endswith("\u2026")
    assert [text for text, *_ in centres(chromium, 1, ".inside")] == ["50%", "96%", "50%"]


def test_dark_colours_are_lighter_at_night_and_not_in_print(chromium, tmp_path):
    opened(chromium, tmp_path, page_of([two_axes([0, 1], [0, 1])]))
    fill = "document.querySelector('.point').getAttribute('fill')"
    light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    assert chromium.ask(fill) == "#0072B2"
    chromium.call(
        "Emulation.setEmulatedMedia", features=[{**light["features"][0], "value": "dark"}]
    )
    chromium.wait(f"{fill} !== '#0072B2'")
    chromium.ask("dispatchEvent(new Event('beforeprint')) && 0")
    assert chromium.ask(fill) == "#0072B2"
    chromium.ask("dispatchEvent(new Event('afterprint')) && 0")
    assert chromium.ask(fill) == "rgba(82,159,203,1)"
    chromium.call("Emulation.setEmulatedMedia", **light)


# ---- what marks tell

TOLD = "document.querySelector('.tip').hidden ? null : document.querySelector('.tip').innerText"


def pointed(chromium: Chromium, x: float, y: float) -> Any:
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    return chromium.ask(TOLD)


def typed(chromium: Chromium, key: str) -> Any:
    for kind in ("keyDown", "keyUp"):
        chromium.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)
    return chromium.ask(TOLD)


def test_a_pointer_is_told_the_nearest_mark(chromium, tmp_path):
    plot = two_axes([0, 1, 2], [0, 1, 2])
    long = "a long name, <b>bold</b> &amp; &lt;script&gt; " * 12
    plot.spec["data"][-1]["hovertext"][2] = long
    bars = stacks(["all"], [("a", "#0072B2", [0.4]), ("b", "#E69F00", [0.6])], "bars")
    opened(chromium, tmp_path, page_of([plot, bars]), 420)
    marks = centres(chromium, 0, ".point")
    assert pointed(chromium, marks[1][1] + 5, marks[1][2] - 4) == "1 <b>\n1"
    assert chromium.ask("document.querySelector('.tip b').textContent") == "1 <b>"
    assert chromium.ask("document.querySelectorAll('.ring').length") == 1
    assert pointed(chromium, 2, 2) is None
    assert chromium.ask("document.querySelectorAll('.ring').length") == 0
    assert "<script>" in pointed(chromium, marks[2][1], marks[2][2])
    frame = chromium.ask("document.querySelector('.tip').getBoundingClientRect().toJSON()")
    assert 0 <= frame["left"] < frame["right"] <= 420
    assert frame["height"] > 60  # several lines
    assert frame["width"] > 250
    assert pointed(chromium, *centres(chromium, 1, ".bar")[1][1:]) == "all\nb 60%"
    assert chromium.complaints == []


def test_a_keyboard_walks_the_marks(chromium, tmp_path):
    opened(chromium, tmp_path, page_of([two_axes([0, 1, 2], [2, 0, 1])]))
    pointed(chromium, 2, 2)
    box = "document.querySelector('.plot')"
    assert chromium.ask(f"[{box}.tabIndex, {box}.getAttribute('role'), {box}.ariaLabel]") == [
        0,
        "img",
        "a curve",
    ]
    chromium.ask(f"{box}.focus()")
    across = [typed(chromium, "ArrowRight") for _ in range(7)]  # a line and its marks
    first, second, third = "0 <b>\n2", "1 <b>\n0", "2 <b>\n1"
    assert across == [first, first, second, second, third, third, third]
    assert chromium.ask("document.querySelector('.voice').textContent") == "2 <b>\n1"
    assert chromium.ask("document.querySelector('.voice').ariaLive") == "polite"
    assert typed(chromium, "Home") == "0 <b>\n2"
    assert typed(chromium, "End") == "2 <b>\n1"
    assert typed(chromium, "ArrowLeft") == "2 <b>\n1"
    assert typed(chromium, "ArrowLeft") == "1 <b>\n0"
    assert typed(chromium, "ArrowUp") == "1 <b>\n0"
    assert typed(chromium, "ArrowUp") == "2 <b>\n1"
    assert typed(chromium, "Escape") is None
    assert chromium.ask("document.activeElement.tagName") == "BODY"
