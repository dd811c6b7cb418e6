from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("optuna")

from equipoise.cli.app import app  # noqa: E402
from equipoise.core.errors import InputError  # noqa: E402
from equipoise.data.simulators.live_shop import METRICS, make_live_shop_world  # noqa: E402
from equipoise.reproduce import live_shop  # noqa: E402
from equipoise.reproduce.live_shop import (  # noqa: E402
    FORMULA,
    HARMONRANK,
    ORACLE,
    Shop,
    hypervolume_gain,
    lifts,
    objective_weights,
    one_world,
    play,
)
from equipoise.reproduce.shop_log import (  # noqa: E402
    FIRST,
    SCORES,
    VALIDATION,
    shop_log,
)

SMALL = Shop((100, 101), requests=600, fresh=50, viewers=200, trials=9, epochs=1, sweep=1)


@pytest.fixture(scope="module")
def log():
    return shop_log(make_live_shop_world(seed=100, viewers=200), 600, seed=1)


@pytest.fixture(scope="module")
def results():
    return play(SMALL)


def test_base_models_saw_no_row_of_the_file(log):
    days = log.table["day"].to_numpy()
    assert days.min() == FIRST
    assert len(days) == 3_000
    everything = log.world.log(log.world.requests(600, seed=1), seed=1)
    assert set(everything["day"].to_pylist()) - set(days.tolist()) == set(range(FIRST))


def test_the_file_holds_labels_scores_and_the_viewer_of_each_row(log):
    table, profile = log.table, log.world.profile
    again = log.scores(table["viewer"].to_numpy(), table["room"].to_numpy())
    for name in SCORES:
        assert table[name].to_pylist() == again[name].to_pylist()
    assert table.select(profile.column_names) == profile.take(table["viewer"])
    assert not table["purchase"].to_numpy()[table["watch"].to_numpy() == 0].any()
    at = 17
    truth, row = log.truth().to_pylist()[at], table.to_pylist()[at]
    chance = log.world.chance[row["viewer"], row["room"]]
    assert [truth[name] for name in METRICS] == chance.tolist()
    assert truth["looked_at"] == pytest.approx((1 + row["position"]) ** -0.5)


def test_validation_days_are_apart(log):
    learn, held = log.part(FIRST, VALIDATION - 1), log.part(VALIDATION, 13)
    sizes = [len(part[name]) for part in (learn, held) for name in ("X", "y", "profile")]
    assert sizes[:3] == sizes[:1] * 3
    assert sizes[0] + sizes[3] == log.table.num_rows
    assert learn["X"].column_names == list(SCORES)


def test_too_few_rows_are_told(log):
    with pytest.raises(InputError, match="first week must have every metric; got 10 rows"):
        shop_log(log.world, 2)


def test_the_oracle_is_best_and_the_formula_differs_from_itself_by_nothing(results):
    rows = {row["method"]: row for row in results["rows"]}
    assert {"old formula", "formula", "summed-bce", "balanced-bce", "harmonrank", "oracle"} == set(
        rows
    )
    for name in (*METRICS, "mean"):
        assert rows[FORMULA][name] == [0, 0, 0]
    for world in results["worlds"]:
        means = {name: values.mean() for name, values in lifts(world).items()}
        assert means[ORACLE] == max(means.values())
        assert means[ORACLE] > means[HARMONRANK] + 0.05
        assert world["brought"][FORMULA] != world["brought"][HARMONRANK]


def test_a_lift_is_the_paired_change_of_the_total(results):
    row = next(row for row in results["rows"] if row["method"] == HARMONRANK)
    each = [w["brought"][HARMONRANK][4] / w["brought"][FORMULA][4] - 1 for w in results["worlds"]]
    assert row["purchase"][0] == pytest.approx(np.mean(each))
    assert row["purchase"][2] - row["purchase"][1] == pytest.approx(
        2 * 12.7062 * np.std(each, ddof=1) / 2**0.5, rel=1e-4
    )


def test_a_seed_gives_its_world_again(results):
    assert one_world(101, SMALL) == results["worlds"][1]


def test_the_gain_in_volume_by_hand():
    base = [1.0] * 5
    world = {
        "brought": {FORMULA: base},
        "fronts": {FORMULA: [base, [0.4, 9, 9, 9, 9]], HARMONRANK: [[1.5, 1, 1, 1, 1], base]},
    }
    # from 0.5 each: 0.5^5 and 1.0 0.5^4; what falls under the reference adds nothing
    assert hypervolume_gain(world) == pytest.approx(1.0)
    world["fronts"][HARMONRANK] = [base]
    assert hypervolume_gain(world) == 0


def test_weights_of_a_front_are_nine_and_sum_to_one():
    weights = np.array(objective_weights())
    assert weights.shape == (9, 5)
    assert weights.sum(axis=1) == pytest.approx(np.ones(9))
    assert len(np.unique(weights, axis=0)) == 9


def test_a_stopped_run_goes_on_and_other_settings_are_refused(monkeypatch, tmp_path, results):
    calls = []

    def world(seed, shop):
        calls.append(seed)
        return results["worlds"][0] | {"seed": seed}

    monkeypatch.setattr(live_shop, "one_world", world)
    first = play(SMALL, tmp_path)
    more = play(replace(SMALL, worlds=(100, 101, 102)), tmp_path)
    assert calls == [100, 101, 102]
    assert first["worlds"] == more["worlds"][:2]
    with pytest.raises(InputError, match="the folder must hold a run of"):
        play(replace(SMALL, fresh=99), tmp_path)


@pytest.mark.parametrize("bad", [{"worlds": (1,)}, {"sweep": 10}, {"sweep": -1}])
def test_bad_settings_are_told(bad):
    with pytest.raises(InputError, match="worlds and sweep must be 2 or more, and 0 to 9"):
        play(replace(SMALL, **bad))


def test_the_verb_writes_a_page_that_opens_offline(monkeypatch, tmp_path, results):
    shops = []

    def played(shop, out, progress):
        shops.append(shop)
        return results

    monkeypatch.setattr(live_shop, "play", played)
    words = ["reproduce", "live-shop", "--seeds", "2", "--rows", "700", "-q"]
    result = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "shops")])
    assert result.exit_code == 0, result.output
    assert shops == [Shop((0, 1), requests=700)]
    assert "| harmonrank |" in result.stdout
    stored = json.loads((tmp_path / "shops" / "results.json").read_text())
    assert stored["rows"] == results["rows"]
    page = (tmp_path / "shops" / "report.html").read_text()
    assert "What does each ranking bring?" in page
    assert "https://" not in page.split("</style>")[0]
