"""Tables of incentives: small runs of those that take a second hold every row, and the rivals
written for them do what they say.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.core.errors import InputError
from equipoise.core.registry import Registry
from equipoise.reproduce.incentives import FAMILIES, designs, monitors, pacing, rollouts, starts
from equipoise.reproduce.incentives.schedules import Judged
from equipoise.reproduce.incentives.table import build

SUBSETS = ("missing", "rollouts", "search")  # small runs leave rows out
REGISTRY = Registry("tables of incentives", FAMILIES)


def test_small_tables_have_every_row_and_stand_beside_the_reference(tmp_path):
    quick = [name for name in FAMILIES if name not in ("schedules", "bandit")]
    results = build(quick, range(1), tmp_path, small=True)
    written = json.loads((tmp_path / "results.json").read_text())
    assert json.loads(json.dumps(results)) == written
    assert sorted({table["family"] for table in written["tables"]}) == sorted(quick)
    text = (tmp_path / "results.md").read_text()
    empty = [
        row["row"]
        for table in written["tables"]
        for row in table["rows"]
        if table["family"] not in SUBSETS and all(cell["value"][0] is None for cell in row["cells"])
    ]
    assert not empty
    for table in written["tables"]:
        columns = zip(*(row["cells"] for row in table["rows"]), strict=True)
        told = [any(cell["value"][0] is not None for cell in column) for column in columns]
        assert any(told), table["title"]
        assert f"## {table['section']} {table['title']}" in text
        for row in table["rows"]:
            assert f"\n| {row['row']} |" in text
    assert "| batches by week, pooled means |" in text
    assert "| 3.51 |" in text
    assert "- Not built: e-detector: " in text


def test_a_stopped_run_goes_on_and_refuses_another_size(tmp_path):
    build(["starts"], range(1), tmp_path, small=True)
    file = tmp_path / "starts" / "worlds" / "0.json"
    scores = json.loads(file.read_text())
    file.write_text(json.dumps(dict.fromkeys(scores, 7.0)))
    results = build(["starts"], range(1), tmp_path, small=True)
    assert results["tables"][0]["rows"][0]["cells"][0]["value"][0] == 7.0
    with pytest.raises(InputError, match="choose another --out"):
        build(["starts"], range(1), tmp_path)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_table_lays_out_what_it_says(name):
    family = REGISTRY.load(name)
    assert family.name == name
    for table in family.tables:
        assert all(len(cells) == len(table.columns) for cells in table.rows.values())
        assert set(table.keys) <= set(table.rows)
        assert not set(table.not_built) & set(table.rows)


def test_a_square_in_each_region_beats_one_over_regions_that_differ():
    scores = designs.design_errors(3, 900)
    assert scores[f"{designs.SQUARES} no carry"] < 0.3 * scores[f"{designs.ONE_SQUARE} no carry"]
    assert scores[f"{designs.LATE} carry"] < scores[f"{designs.HELD} carry"]


def test_an_unstopped_price_overspends_where_traffic_grows():
    calm, busy = (pacing.unstopped(5, shift) for shift in ("no_shift", "traffic_1.5"))
    assert 0.9 < calm < 1.1 < 1.25 < busy


def test_ways_to_test_weed_out_as_they_say():
    names = rollouts.RULES.seeds
    gains = {s: rollouts.Gain(j / 100, 0.001, 4000.0, 9) for j, s in enumerate(names)}
    assert rollouts.halved(7, names, lambda: gains)[0] == tuple(reversed(names[12:]))
    assert rollouts.halved(8, names, lambda: gains)[0] == names
    assert rollouts.in_turn(13, names, lambda: gains)[0] == names[6:12]
    assert rollouts.raced(9, names, lambda: gains)[0] == names[-1:]
    _, share = rollouts.thompson(9, names, lambda: gains)
    assert share is not None
    assert share.sum() == pytest.approx(1)
    assert share[-1] == pytest.approx(1 - share[0])


def test_watches_count_from_the_shift():
    alarms = np.array([-1, 44, 45, 50])
    assert monitors.delays(alarms).tolist() == [np.inf, 0.0, 5.0]
    noise = np.zeros((118, 1))
    noise[28 + 45 :] = 9.0
    for name, watch in monitors.WATCHES.items():
        assert 45 <= watch(noise)[0] <= 50, name


def test_new_users_stay_longer_at_one_amount():
    scores = starts.one_seed(0, True)
    days = [scores[f"{name} plain"] for name in starts.HALF_LIVES]
    assert days == sorted(days, reverse=True)


def test_a_mind_that_decides_shows_in_a_log():
    """More of large packets where the mind is high, and no design that is told."""
    world = Judged(0, 1500, 100, 1.0)
    assert world.log.propensity is None
    assert Judged(0, 1500).log.propensity is not None
