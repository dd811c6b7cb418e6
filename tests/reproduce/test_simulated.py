"""Tables of simulators: what they say, that they go on after a stop, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.core.errors import InputError
from equipoise.data.simulators.shares import make_mdp2_world
from equipoise.reproduce import doses, shares
from equipoise.reproduce.simulated import Study, interval
from equipoise.reproduce.strata import Settings


def request(*methods, data="mdp2", seeds=(0, 1), epochs=1000):
    return Settings(data, "published", seeds, methods, epochs)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(shares, "WORLDS", {**shares.WORLDS, "mdp2": (make_mdp2_world, 1_500)})
    monkeypatch.setattr(shares, "NEW", 300)
    shares.curves.cache_clear()


def test_known_mixes_have_their_known_regret_and_ours_is_compared_pairwise(small, tmp_path):
    results = shares.SHARES(request("uniform", "logged", "MDP2"), tmp_path)
    rows = {row["method"]: row for row in results["rows"]}
    assert rows["uniform"]["MR"][0] == pytest.approx(0.0475, abs=0.001)
    assert rows["uniform"]["MTSE"][0] == pytest.approx(0.0883, abs=0.001)
    assert rows["logged"]["MR"][0] == pytest.approx(0.0730, abs=0.004)
    assert rows["MDP2"]["MR"][0] < 0.015
    apart = rows["uniform"]["MR, more than ours"][0]
    assert apart == pytest.approx(rows["uniform"]["MR"][0] - rows["MDP2"]["MR"][0])
    page = (tmp_path / "results.md").read_text()
    assert ".0475 / .0883" in page
    assert "MR, more than ours" in page


def test_curves_of_one_share_become_mixes_in_two_ways(small, tmp_path):
    results = shares.SHARES(
        request("uniform", "GBDT S-learner, fair", "GBDT S-learner, the text's"), tmp_path
    )
    base, fair, text = (row["MR"][0] for row in results["rows"])
    assert fair < base
    assert text < base
    curves = shares.curves("dml", "mdp2", 0, 1000)
    assert curves.shape == (300, 6, shares.GRID + 1)
    # nobody saw such shares: the curve stays as it was
    assert np.ptp(curves[:, :, -1] - curves[:, :, -2]) == 0


def test_a_net_of_one_dose_takes_its_place_in_both_tables(small, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    results = shares.SHARES(
        request("VC-Net, fair", "DR-Net + TR, the text's", seeds=(0,), epochs=1), tmp_path / "a"
    )
    assert all(0 < row["MR"][0] < 0.3 and row["MR"][1] is None for row in results["rows"])
    monkeypatch.setattr(doses, "ROWS", 100)
    results = doses.DOSES(
        request("VC-Net", "GBDT S-learner", data="vcnet", epochs=2), tmp_path / "b"
    )
    assert [row["published"] for row in results["rows"]] == [".0150", None]


def test_a_stopped_run_goes_on(small, tmp_path):
    first = shares.SHARES(request("uniform", seeds=(0,)), tmp_path)
    file = tmp_path / "results" / "uniform-0.json"
    file.write_text(json.dumps({"MR": 7.0, "MTSE": 8.0}))
    again = shares.SHARES(request("uniform"), tmp_path)
    assert len(first["results"]) == 1
    assert again["results"][0]["scores"]["MR"] == 7.0
    assert again["results"][1]["scores"]["MR"] < 1


def test_differences_are_of_the_same_seed(tmp_path):
    """Scores vary a hundred times more from seed to seed than from method to method: unpaired,
    nothing would be told apart.
    """
    level = {0: 5.0, 1: 1.0, 2: 9.0, 3: 3.0}
    methods = {
        "ours": lambda data, seed, epochs: {"MR": level[seed]},
        "other": lambda data, seed, epochs: {"MR": level[seed] + 0.5 + 0.01 * seed},
    }
    results = Study("toy", ("toy",), methods, "ours", {}, ())(
        request("other", "ours", data="toy", seeds=(0, 1, 2, 3)), tmp_path
    )
    apart = results["rows"][0]["MR, more than ours"]
    np.testing.assert_allclose(apart, interval(np.array([0.5, 0.51, 0.52, 0.53])))
    assert 0.49 < apart[1] < apart[2] < 0.55


def test_an_interval_by_hand():
    mean, low, high = interval([1.0, 2.0, 3.0])
    assert (mean, round(low, 4), round(high, 4)) == (2.0, -0.4841, 4.4841)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (request("OLS"), "a method of shares must be one of uniform, logged"),
        (
            request("uniform", data="news"),
            "a simulator of shares must be one of mdp2, standin-quad",
        ),
        (
            Settings("mdp2", "swapped-losses", (0,), ("uniform",)),
            "path and recipe must be left out",
        ),
    ],
)
def test_bad_input(given, said, tmp_path):
    with pytest.raises(InputError, match=said):
        shares.SHARES(given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_settings_is_refused(small, tmp_path):
    shares.SHARES(request("uniform", seeds=(0,)), tmp_path)
    with pytest.raises(InputError, match="the folder must hold a run of"):
        shares.SHARES(request("uniform", data="standin-quad"), tmp_path)


def test_the_verb(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        app, ["reproduce", "shares", "-m", "uniform", "--seeds", "2", "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert "| uniform | 0.0475" in result.stdout
    assert (tmp_path / "runs" / "reproduce-shares-mdp2" / "results.json").exists()
