"""The job end to end: the mixes it finds, what it says of them, the limits it keeps, the folder,
and bad input.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.mixes import read_mix_policy
from equipoise.core.errors import InfeasibleError, InputError, PlanError, SnapshotError, SpaceError
from equipoise.core.features import FeatureMap
from equipoise.pipeline import read_plan, read_scorer, run
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.supply.exposures import exposures_of
from equipoise.pipeline.supply.run import task_of
from equipoise.pipeline.supply.summarise import checks_found


def mixes_of(mix_world, folder):
    """The cluster (n,) and the mix (n, K) of every user."""
    table = pq.read_table(folder / "mixes.parquet")
    return table["cluster"].to_numpy(), np.column_stack(
        [table[part].to_numpy() for part in mix_world.parts]
    )


def miss(mix_world, mixes):
    """The mean squared distance from the best mixes."""
    return float(((mixes - mix_world.best) ** 2).sum(axis=1).mean())


def test_each_kind_of_user_gets_about_its_best_mix(mix_world, mix_run):
    """Over the seeds 0 to 5 the squared error of the mixes was .0004 to .0008; that of today's mean
    mixes is .034 to .037.
    """
    findings, folder = mix_run
    _, mixes = mixes_of(mix_world, folder)
    np.testing.assert_allclose(mixes.sum(axis=1), 1)
    assert miss(mix_world, mixes) < 0.003
    assert [cluster["name"] for cluster in findings["clusters"]] == ["cluster 1", "cluster 2"]
    assert sum(cluster["share"] for cluster in findings["clusters"]) == pytest.approx(1)


def test_rows_in_another_order_get_the_same_mixes_and_value(mix_world, mix_plan):
    table, order = mix_world.table().slice(0, 500), np.random.default_rng(0).permutation(500)
    table = table.set_column(0, "user", pa.array(np.arange(500) * 7 % 500))
    results = []
    for rows in (np.arange(500), order):
        plan = mix_plan(supply='way = "binary"', table=table.take(rows))
        place = plan.parent / f"run{len(results)}"
        results.append((run(read_plan(plan), place), mixes_of(mix_world, place)[1]))
    (straight, mixes), (turned, others) = results
    np.testing.assert_allclose(others, mixes[order], rtol=0, atol=1e-9)
    assert turned["whole"] == straight["whole"]
    assert turned["steps"] == straight["steps"]


def test_a_time_is_never_silently_nothing(mix_world, mix_plan):
    """Curves are not learnt within periods; a time with which both sides move is a warning."""
    week, table = np.arange(1600) // 400, mix_world.table()
    timed = table.append_column("week", pa.array(week))
    plan = mix_plan(supply='way = "binary"', table=timed)
    plan.write_text(plan.read_text().replace('id = "user"', 'id = "user"\ntime = "week"'))
    log = open_log(read_plan(plan))
    task, features = task_of(read_plan(plan), log), FeatureMap().fit(log.features)
    checks = checks_found(log, exposures_of(log, features), task)
    (check,) = (check for check in checks if check["name"] == "time")
    assert check["status"] == "note"
    assert "not used" in check["summary"]
    film = table["film"].to_numpy() + 0.1 * week
    moved = exposures_of(log, features)
    moved.T[:, 0], moved.y[:, 0] = film, moved.y[:, 0] + 5.0 * week
    (check,) = (check for check in checks_found(log, moved, task) if check["name"] == "time")
    assert check["status"] == "warn"
    assert "(film)" in check["summary"]
    assert "(minutes)" in check["summary"]


def test_the_value_that_is_told_holds_the_truth(mix_world, mix_run):
    findings, folder = mix_run
    _, mixes = mixes_of(mix_world, folder)
    true = (mix_world.level(mixes) - mix_world.level(mix_world.T)).mean(axis=0)
    for metric, gain in zip(("minutes", "skips"), true, strict=True):
        value, low, high = findings["whole"]["shares"][metric]
        reach = 1.5 * (high - low) / 2  # the mixes judged were learnt on a half
        assert abs(value - gain) < reach + 0.05 * abs(gain)
    assert findings["whole"]["shares"]["minutes"][1] > 0 > findings["whole"]["shares"]["skips"][2]
    assert findings["against"]["today's mean mix"]["minutes"][1] > 0
    assert set(findings["against"]) == {"vector", "binary", "today's mean mix"}


def test_curves_have_their_tops_at_the_best_shares(mix_world, mix_run):
    findings, _ = mix_run
    best = np.array([mix_world.best[mix_world.kind == kind][0] for kind in (0, 1)])
    for cluster in findings["clusters"]:
        kind = 0 if cluster["mix"][0] > cluster["mix"][3] else 1
        film = next(
            c
            for c in findings["curves"]
            if (c["cluster"], c["category"], c["metric"]) == (cluster["name"], "film", "minutes")
        )
        top = film["shares"][int(np.argmax(film["effect"]))]
        assert abs(top - best[kind, 0]) < 0.15
        assert all(
            a <= b <= c for a, b, c in zip(film["low"], film["effect"], film["high"], strict=True)
        )
        today = film["shares"].index(
            min(film["shares"], key=lambda s: abs(s - cluster["today"][0]))
        )
        assert film["effect"][today] == pytest.approx(0, abs=1e-6)


def test_the_folder_and_its_policy(mix_world, mix_run, tmp_path):
    findings, folder = mix_run
    assert {file.name for file in folder.iterdir()} == {
        "report.html",
        "metrics.json",
        "times.json",
        "mixes.parquet",
        "policy",
    }
    assert json.loads((folder / "metrics.json").read_text())["headline"] == findings["headline"]
    label, mixes = mixes_of(mix_world, folder)
    got = read_mix_policy(folder / "policy").assign(mix_world.table().slice(5, 3))
    np.testing.assert_allclose(
        np.column_stack([got[part].to_numpy() for part in mix_world.parts]), mixes[5:8]
    )
    assert got["user"].to_pylist() == [5, 6, 7]
    users, out = tmp_path / "users.parquet", tmp_path / "out.parquet"
    pq.write_table(mix_world.table(), users)
    summary = score_file(folder / "policy", users, out)
    assert summary == {
        "units": 1600,
        "held": False,
        "clusters": {f"cluster {c}": int((label == c).sum()) for c in (1, 2)},
        "missing": {"u1": 0, "u2": 0},
        "unseen": {},
        "unknown": {},
        "cautions": [],
    }
    assert score_file(folder / "policy", users, out) == summary  # its own file may be written again
    with pytest.raises(InputError, match="--hold must go with a policy of one choice per unit"):
        score_file(folder / "policy", users, out, hold=True)
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match="another file"):
        score_file(folder / "policy", users, out)
    with pytest.raises(SnapshotError, match="be that of a policy"):
        read_scorer(folder / "policy")


def test_a_changed_policy_is_refused(mix_run, tmp_path):
    shutil.copytree(mix_run[1] / "policy", tmp_path / "policy")
    file = tmp_path / "policy" / "mixes.json"
    file.write_text(file.read_text().replace("film", "firm"))
    with pytest.raises(SnapshotError, match="sha256"):
        read_mix_policy(tmp_path / "policy")


@pytest.mark.parametrize("way", ["binary", "vector", "doses", "forest"])
def test_every_way_moves_towards_the_best(mix_world, mix_plan, way):
    plan = read_plan(mix_plan(supply=f'way = "{way}"\nestimator = "dml"'))
    findings = run(plan, plan.base / "run")
    label, mixes = mixes_of(mix_world, plan.base / "run")
    today = np.array([c["today"] for c in findings["clusters"]])[label - 1]
    assert miss(mix_world, mixes) < 0.8 * miss(mix_world, today)
    assert (findings["curves"] == []) == (way == "forest")
    assert (
        read_mix_policy(plan.base / "run" / "policy")
        .assign(mix_world.table())
        .equals(pq.read_table(plan.base / "run" / "mixes.parquet"))
    )


def test_limits_are_kept_and_priced(mix_world, mix_plan):
    plan = read_plan(
        mix_plan(
            policy='floors = [{ metric = "minutes", per_head = 0.1 }]',
            space="move = 0.2\nlow = 0.05",
            supply='inventory = { news = 0.2 }\ncrowding = [["film", "news"]]\n'
            'together = [{ categories = ["film", "food"], most = 0.55 }]',
        )
    )
    findings = run(plan, plan.base / "run")
    size = np.array([c["share"] for c in findings["clusters"]])
    mix, today = (np.array([c[key] for c in findings["clusters"]]) for key in ("mix", "today"))
    assert size @ mix[:, 3] <= 0.2 + 1e-6
    assert (mix[:, :2].sum(axis=1) <= 0.55 + 1e-6).all()
    assert (np.abs(mix - today) <= 0.2 + 1e-6).all()
    assert (mix >= 0.05 - 1e-9).all()
    used = {demand["demand"]: demand for demand in findings["demands"]}
    assert used["inventory of news"]["binding"]
    assert used["inventory of news"]["price"] > 0
    assert used["film + food together"]["used"] <= 0.55 + 1e-6
    assert "floor of minutes" in used


def test_protected_groups_are_audited_and_never_used(mix_world, mix_plan):
    place = mix_plan(
        table=mix_world.table().append_column(
            "region", pa.array(np.where(mix_world.X[:, 0] > 3, "north", "south"))
        )
    )
    place.write_text(
        place.read_text().replace('id = "user"', 'id = "user"\nprotected = ["region"]')
    )
    findings = run(read_plan(place), place.parent / "run")
    groups = {one["group"]: one for one in findings["audit"]}
    assert sum(one["share"] for one in groups.values()) == pytest.approx(1)
    # the features that tell regions apart tell tastes apart
    assert groups["north"]["mix"][3] > groups["south"]["mix"][3] + 0.2
    assert "region: north" in (place.parent / "run" / "report.html").read_text()


def test_one_cluster_for_all(mix_world, mix_plan):
    plan = read_plan(mix_plan(supply='clusters = "none"'))
    findings = run(plan, plan.base / "run")
    assert [cluster["name"] for cluster in findings["clusters"]] == ["everybody"]
    assert (mixes_of(mix_world, plan.base / "run")[0] == 1).all()


def test_the_same_seed_gives_the_same_findings(mix_world, mix_plan):
    plan = read_plan(mix_plan(table=mix_world.table().slice(0, 500)))
    one, two = (run(plan, plan.base / name) for name in ("one", "two"))
    for key in ("clusters", "curves", "whole", "steps", "demands"):
        assert one[key] == two[key]


def test_bad_plans_and_logs_are_told(mix_world, mix_plan):
    def refused(error, match, **tables):
        plan = read_plan(mix_plan(**tables))
        with pytest.raises(error, match=match):
            run(plan, plan.base / "run")
        assert not (plan.base / "run").exists()

    refused(PlanError, "did you mean 'film'", supply='crowding = [["films", "news"]]')
    refused(PlanError, "one of minutes, skips", policy='floors = [{ metric = "minute" }]')
    refused(
        InfeasibleError,
        "meet all demands",
        supply="inventory = { film = 0.01, food = 0.01, game = 0.01, news = 0.01 }",
    )
    refused(
        InfeasibleError,
        "meet all demands",
        policy='floors = [{ metric = "minutes", per_head = 100.0 }]',
    )
    refused(InputError, "at least 2[02] rows", table=mix_world.table().slice(0, 60))
    torn = mix_world.table().to_pydict()
    torn["film"][4] += 0.5
    refused(SpaceError, "row 4; .*normalise", table=pa.table(torn))
    blank = mix_world.table().to_pydict()
    blank["u1"][9] = None
    refused(InputError, "row 9", table=pa.table(blank))


def test_a_log_of_arms_is_no_log_of_mixes(mix_plan, mix_world):
    plan = (
        mix_plan()
        .read_text()
        .replace('treatment = ["film", "food", "game", "news"]', 'treatment = "arm"')
    )
    plan = plan.replace(
        'kind = "shares"\nparts = ["film", "food", "game", "news"]',
        'kind = "arms"\nlabels = [0, 1]',
    )
    place = mix_plan(table=mix_world.table().append_column("arm", pa.array(np.arange(1600) % 2)))
    place.write_text(plan)
    with pytest.raises(PlanError, match="be shares"):
        run(read_plan(place), place.parent / "run")
