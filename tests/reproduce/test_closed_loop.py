from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from equipoise.cli.app import app  # noqa: E402
from equipoise.core.errors import InputError  # noqa: E402
from equipoise.data.simulators.short_video import ShortVideoWorld  # noqa: E402
from equipoise.reproduce.closed_loop import (
    Loop,
    area,
    fixed_rule,
    hypervolume_gain,
    lift,
    oracle_rule,
    play,
)  # noqa: E402

SMALL = Loop(worlds=(100, 101), log=9000, test=9000, estimator="x-learner")


@pytest.fixture(scope="module")
def results():
    return play(SMALL)


def test_every_policy_is_played_in_every_world(results):
    rows = {row["policy"]: row for row in results["rows"]}
    assert {"none", "s1", "s2", "s1+s2", "HMUM", "oracle", "fixed 0.5"} <= set(rows)
    assert rows["none"]["time"] == [0, 0, 0]
    for j, name in enumerate(("time", "views")):
        each = [world["lifts"]["HMUM"][j] for world in results["worlds"]]
        assert rows["HMUM"][name][0] == pytest.approx(np.mean(each))
    total = {name: sum(rows[name][m][0] for m in ("time", "views")) for name in rows}
    assert total["oracle"] == max(total.values())  # it has both metrics' levels and effects
    assert total["HMUM"] > total["s1+s2"]


def test_no_rule_of_fixed_weights_beats_the_oracle_where_truth_is_known():
    world, rng = ShortVideoWorld.draw(0), np.random.default_rng(0)
    new = world.requests(5000, rng)
    best = sum(lift(new, oracle_rule(new)))
    for on in ((0, 0), (1, 0), (0, 1), (1, 1)):
        assert sum(lift(new, np.tile(np.array(on, bool), (5000, 1)))) <= best + 1e-12


def test_area_and_gain_by_hand():
    assert area(np.array([[2.0, 1.0], [1.0, 3.0], [0.5, 0.5]]), np.zeros(2)) == pytest.approx(
        2 * 1 + 1 * 2
    )
    lifts = {"none": [0.0, 0.0], "fixed 0": [0.0, 2.0], "fixed 1": [2.0, 0.0], "HMUM": [1.0, 1.0]}
    with pytest.raises(ZeroDivisionError):
        hypervolume_gain(lifts)
    lifts |= {"fixed 0.5": [0.5, 0.5]}
    assert hypervolume_gain(lifts) == pytest.approx((1 - 0.25) / 0.25)


def test_fixed_weights_at_the_ends_serve_one_metric():
    from equipoise.core.effects import Effects

    effects = Effects(
        np.array([[[1.0, -1.0], [-1.0, 1.0]]]), np.ones((1, 2)), ("s1", "s2"), ("time", "views")
    )
    assert fixed_rule(effects, 1.0).tolist() == [[True, False]]
    assert fixed_rule(effects, 0.0).tolist() == [[False, True]]


@pytest.mark.parametrize(
    "bad", [{"stage": "page"}, {"target": "clicks"}, {"worlds": (1,)}, {"drift": 2.0}]
)
def test_bad_settings_are_told(bad):
    with pytest.raises(InputError, match="must be"):
        play(Loop(**{"worlds": (0, 1), **bad}))


def test_the_verb_writes_a_page_that_opens_offline(tmp_path):
    words = [
        "reproduce",
        "short-video",
        "--rows",
        "500",
        "--seeds",
        "2",
        "--estimator",
        "x-learner",
        "-q",
        "-o",
        str(tmp_path / "loop"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "| HMUM |" in result.stdout
    stored = json.loads((tmp_path / "loop" / "results.json").read_text())
    assert stored["settings"]["log"] == 3000
    page = (tmp_path / "loop" / "report.html").read_text()
    assert "What does each policy do to both metrics?" in page
    assert "https://" not in page.split("</style>")[0]


def test_the_old_spelling_works_and_names_the_new_one(monkeypatch, tmp_path):
    loops = []
    monkeypatch.setattr("equipoise.cli.reproduce.play_loop", lambda loop, *rest: loops.append(loop))
    words = ["simulate", "short-video", "--rows", "500", "--worlds", "2", "--seed", "3"]
    result = CliRunner().invoke(app, [*words, "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "equipoise reproduce short-video" in result.stderr
    assert loops == [Loop((3, 4), 3000, 5000)]
