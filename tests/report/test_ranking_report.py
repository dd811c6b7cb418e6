"""The report of a ranking: its sentences and tables by hand, its drawings against plotly, and the
page in a real browser, where a slider moves what is shown; with hostile and missing parts too.
"""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from fixtures.chromium import AUDIT, Chromium
from fixtures.ranking_findings import (
    bare_ranking_findings,
    hostile_ranking_findings,
    ranking_findings,
)

from equipoise.report.findings_ranking import MEAN, RankingFindings
from equipoise.report.parts import Chooser, Figure, Table
from equipoise.report.sections.ranking import render_ranking
from equipoise.report.sections.ranking_front import front
from equipoise.report.sections.ranking_inputs import inputs
from equipoise.report.sections.ranking_methods import methods
from equipoise.report.sentences_ranking import (
    UNIT,
    change_in_words,
    floor_verdict,
    headline_of,
    level_in_words,
    promised,
    risks_of,
    verdict_on,
)

NASTY = "<script>window.hacked = 1</script>"
NAN = math.nan
PAGE_UP = {"key": "PageUp", "code": "PageUp", "windowsVirtualKeyCode": 33}  # ten steps


@pytest.fixture
def findings() -> RankingFindings:
    return ranking_findings()


# ---- sentences


def test_the_headline_by_hand(findings):
    assert headline_of(findings) == [
        "What ships is harmonrank: on the test rows its mean GAUC over 3 objectives is 0.6447"
        " (95% interval 0.6360 to 0.6533).",
        "Against formula, the fallback, that is +0.0123 (95% interval +0.0094 to +0.0152): better.",
        "Of 4 methods, 1 broke the floor on watch on the validation rows; on the test rows it"
        " is kept.",
    ]


@pytest.mark.parametrize(
    ("gain", "verdict", "words"),
    [
        ([0.01, 0.002, 0.02], "better", "interval +0.0020 to +0.0200): better."),
        ([-0.01, -0.02, -0.002], "worse", ": worse."),
        ([0.01, -0.002, 0.02], "alike", ": not told apart from it."),
        ([0.01, NAN, NAN], "unsure", "is +0.01: how sure that is was not computed."),
        ([0.01, None, None], "unsure", "is +0.01: how sure that is was not computed."),
    ],
)
def test_a_winner_is_named_only_where_the_interval_excludes_0(findings, gain, verdict, words):
    findings["gains"]["gauc"]["harmonrank"][MEAN] = gain
    assert verdict_on(gain) == verdict
    assert headline_of(findings)[1].endswith(words)
    told = any("do not tell it apart from formula" in risk for risk in risks_of(findings))
    assert told == (verdict == "alike")


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ([-0.002, -0.004, 0.0], "kept"),
        ([-0.002, -0.008, 0.004], "probably kept"),
        ([-0.006, -0.008, -0.004], "probably missed"),
        ([-0.02, -0.03, -0.01], "missed"),
        ([-0.02, NAN, NAN], "missed"),
        ([0.0, NAN, NAN], "kept"),
    ],
)
def test_a_floor_on_the_test_rows(findings, test, result):
    findings["floors"][0]["test"] = test
    assert floor_verdict(findings["floors"][0]) == result
    assert headline_of(findings)[2].endswith(f"on the test rows it is {result}.")
    assert any(f"is {result} on the test rows" in r for r in risks_of(findings)) == (
        result != "kept"
    )


def test_the_risks_by_hand(findings):
    text = "\n".join(risks_of(findings))
    for words in (
        "On watch, harmonrank is worse than formula: \u22120.0020 (\u22120.0033 to \u22120.0007).",
        "purchase is known in 40% of the test rows; nothing is said of the others.",
        "Only 7.2% of the test rows lie in a group that has both classes of comment",
        "Badly calibrated as probabilities: p_purchase (1.9 times what happens).",
        "groups of one row: 212 groups",
    ):
        assert words in text
    assert "positives in the test rows" not in text
    findings["objectives"][2]["positives"] = 99
    findings["measures"]["gauc"]["harmonrank"]["watch"] = [None, None, None]  # type: ignore[list-item]
    for point in findings["front"]:
        point["efficient"] = False
    text = "\n".join(risks_of(findings))
    assert "comment has 99 positives in the test rows" in text
    assert "The test rows cannot judge watch" in text
    assert "only none is efficient" in text
    assert "Another setting of weights is as good as what ships" in text


def test_what_a_score_promises():
    one = {"predicted": [0.1, 0.3], "observed": [[0.1, 0.0, 0.2], [0.1, 0.0, 0.2]], "rows": [1, 1]}
    assert promised({"score": "s", "objective": "o", **one}) == pytest.approx(2.0)  # type: ignore[typeddict-item]


# ---- tables and drawings


def blocks_of(section: Any, kind: type) -> list[Any]:
    return [block for block in section.blocks if isinstance(block, kind)]


def test_tables_hold_the_findings(findings):
    choice = blocks_of(methods(findings), Table)[0]
    assert choice.rows[0] == ["harmonrank", "net", "0.6467", "kept", "ships"]
    gauc, gains, auc, _ = (figure.twin for figure in blocks_of(methods(findings), Figure))
    columns = [MEAN, "watch", "purchase", "comment"]
    assert gauc.columns == ["method", *columns]
    names = ["harmonrank", "formula", "balanced-bce", "best-single-score"]  # what ships is first
    for names_of, table, words, key in (
        (names, gauc.rows[:-1], level_in_words, "measures"),
        ([n for n in names if n != "formula"], gains.rows, change_in_words, "gains"),
    ):
        entries = findings[key]["gauc"]  # type: ignore[literal-required]
        assert table == [[n, *(words(entries[n][c]) for c in columns)] for n in names_of]
    assert gauc.rows[-1][1:] == ["", "90.0%", "25.2%", "7.2%"]
    assert auc.rows[0] == ["mean", "harmonrank", "0.6747 (0.6660 to 0.6833)", gains.rows[0][1]]


def test_the_sliders_hold_every_setting(findings):
    chooser = blocks_of(front(findings), Chooser)[0]
    assert len(chooser.twin.rows) == len(chooser.settings) == len(findings["front"])
    for setting, point in zip(chooser.settings, findings["front"], strict=True):
        assert chooser.groups[setting.group] == point["method"]
        assert setting.weights == list(point["weights"].values())
        assert [cell[0] for cell in setting.cells] == [
            UNIT.of_level(point["values"][c]) for c in (MEAN, "watch", "purchase", "comment")
        ]
        for _, _, places in setting.cells:
            assert 0 <= places[1] < places[0] < places[2] <= 100
    assert findings["front"][chooser.start]["shipped"]
    ships, fallback = chooser.meters[1].signs
    assert [ships[1], fallback[1]] == ["0.6490", "0.6510"]
    assert ships[2] == chooser.settings[chooser.start].cells[1][2][0]


def test_the_plane_has_the_two_objectives_that_conflict_most(findings):
    plane = blocks_of(front(findings), Figure)[0]
    assert plane.title == "From end to end, +0.021 on watch costs 0.028 on purchase"
    joined = plane.plots[0].spec["data"][0]
    best = [
        (a["values"]["watch"][0], a["values"]["purchase"][0])
        for a in findings["front"]
        if not any(
            b["values"]["watch"][0] >= a["values"]["watch"][0]
            and b["values"]["purchase"][0] >= a["values"]["purchase"][0]
            and b["values"] != a["values"]
            for b in findings["front"]
        )
    ]
    assert sorted(best) == list(zip(joined["x"], joined["y"], strict=True))


def test_the_score_that_is_off_comes_first(findings):
    calibration, gates = blocks_of(inputs(findings), Figure)
    assert calibration.title.endswith("p_purchase promises 1.90 times what happens")
    assert calibration.plots[0].name == "p_purchase \u2192 purchase"
    assert len(calibration.twin.rows) == 30
    assert gates.title == "The gate weighs p_watch by 20% to 55%, by kind"
    assert [sum(bar["x"][i] for bar in gates.plots[0].spec["data"]) for i in range(4)] == (
        pytest.approx([100.0] * 4)
    )


@pytest.mark.parametrize(
    "make", [ranking_findings, bare_ranking_findings, lambda: hostile_ranking_findings(NASTY)]
)
def test_plotly_knows_every_key_and_findings_stay_as_they_were(make):
    import plotly.graph_objects as go

    findings = make()
    before = copy.deepcopy(findings)
    sections = [methods(findings), front(findings), inputs(findings)]
    for plot in (p for s in sections for figure in blocks_of(s, Figure) for p in figure.plots):
        go.Figure(data=plot.spec["data"], layout=plot.spec["layout"])
    assert repr(findings) == repr(before)


def test_it_says_what_is_missing():
    page = render_ranking(bare_ranking_findings())
    for sentence in (
        "there is no GAUC",
        "Other weights of objectives were not tried",
        "has no gate",
        "No floor was set",
        "Scores are not compared with what happened",
        "No method is compared with weighted-sum",
        "Nothing was recorded about the run",
    ):
        assert sentence in page
    assert "Are the floors kept?" not in page
    assert "What changes in the first" not in page
    assert 'querySelectorAll(".chooser' not in page  # no script for what is not there


def test_findings_from_a_file_draw_the_same_page(findings):
    kept = json.loads(json.dumps(findings))
    assert render_ranking(kept) == render_ranking(findings)
    bare = json.loads(json.dumps(bare_ranking_findings()).replace("NaN", "null"))
    assert render_ranking(bare) == render_ranking(bare_ranking_findings())


# ---- the page in a real browser


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


def complaints(chromium, folder, findings, width, dark):
    """All that is wrong with a page at a width."""
    file = folder / "report.html"
    file.write_text(render_ranking(findings), encoding="utf-8")
    chromium.open(file, width, dark=dark)
    own = [line for line in chromium.ask(AUDIT) if not line.endswith("sections")]
    return [*own, *chromium.complaints, *chromium.outside]


SHOWN = """[document.querySelector('.chosen').textContent,
  ...[...document.querySelectorAll('.meters b')].map((b) => b.textContent)]"""


def shown(chromium) -> list[str]:
    return chromium.ask(SHOWN)


def expected(point: Any) -> list[str]:
    return [UNIT.of_level(point["values"][c]) for c in (MEAN, "watch", "purchase", "comment")]


def moved(chromium, values: list[int]) -> None:
    """Put the sliders where a hand would."""
    chromium.ask(
        f"""[...document.querySelectorAll('.dial input')].forEach((dial, i) => {{
          dial.value = {values}[i]; dial.dispatchEvent(new Event('input')); }})"""
    )


def test_sliders_show_the_nearest_setting(chromium, tmp_path, findings):
    assert complaints(chromium, tmp_path, findings, 1280, dark=False) == []
    start = next(point for point in findings["front"] if point["shipped"])
    assert shown(chromium)[1:] == expected(start)
    assert "this is what ships" in shown(chromium)[0]

    moved(chromium, [90, 5, 5])
    weights = {"watch": 0.9, "purchase": 0.05, "comment": 0.05}
    nearest = min(
        (point for point in findings["front"] if point["method"] == "harmonrank"),
        key=lambda point: sum((point["weights"][o] - w) ** 2 for o, w in weights.items()),
    )
    assert shown(chromium)[1:] == expected(nearest) != expected(start)
    assert chromium.ask("document.querySelector('.dial output').textContent") == "90%"

    chromium.ask(
        """(() => { const select = document.querySelector('.chooser select');
        select.value = 1; select.dispatchEvent(new Event('change')); })()"""
    )
    formula = next(
        point
        for point in findings["front"]
        if point["method"] == "formula" and point["weights"] == nearest["weights"]
    )
    assert shown(chromium)[1:] == expected(formula)

    moved(chromium, [0, 0, 0])  # none at all: all alike
    assert chromium.ask("document.querySelector('.dial output').textContent") == "33%"
    chromium.ask("document.querySelector('.chooser button').click()")
    assert shown(chromium)[1:] == expected(start)

    before = shown(chromium)
    chromium.ask("document.querySelector('.dial input').focus()")
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            chromium.call("Input.dispatchKeyEvent", type=kind, **PAGE_UP)
    assert chromium.ask("document.querySelector('.dial input').value") == "65"
    assert shown(chromium) != before
    assert chromium.complaints == chromium.outside == []


def test_hostile_names_stay_text(chromium, tmp_path):
    assert complaints(chromium, tmp_path, hostile_ranking_findings(NASTY), 400, dark=True) == []
    assert chromium.ask("window.hacked === undefined")
    text = "[...document.querySelectorAll('.plot svg text')].map(t => t.textContent).join(' ')"
    assert "&lt;" not in chromium.ask(text)


def test_what_is_missing_leaves_no_holes(chromium, tmp_path):
    assert complaints(chromium, tmp_path, bare_ranking_findings(), 400, dark=False) == []
