"""`equipoise simulate exposure`, then run, report and score by its plan."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.data.simulators.exposure import CATEGORIES


@pytest.fixture
def folder(equipoise, tmp_path):
    """The folder of a small world whose plan asks for two clusters and no products."""
    result = equipoise(
        "simulate", "exposure", "--rows", 1200, "--seed", 3, "--out", tmp_path / "world"
    )
    assert result.code == 0
    assert "next: equipoise run" in result.out
    plan = tmp_path / "world" / "plan.toml"
    text = plan.read_text().split("crowding")[0]
    text = re.sub(r"rivals = \[[^]]*\]", "count = 2\ndegree = 2", text)
    plan.write_text(f"{text}\n[run]\nfolds = 2\n")
    return tmp_path / "world"


def test_from_a_simulated_log_to_mixes_for_new_users(equipoise, folder):
    ran = equipoise("run", folder / "plan.toml", "--out", folder / "run", "--quiet")
    assert ran.code == 0, ran.err
    assert "Mixes for 2 clusters of users" in ran.out
    assert "Report: " in ran.out
    truth = pq.read_table(folder / "truth.parquet")
    assert {f"interest|{name}" for name in CATEGORIES} < set(truth.column_names)
    again = equipoise("report", folder / "run", "--out", folder / "again.html")
    assert again.code == 0, again.err
    assert (folder / "again.html").read_text() == (folder / "run" / "report.html").read_text()
    out = folder / "users.parquet"
    scored = equipoise(
        "score", folder / "run" / "policy", folder / "log.parquet", "--out", out, "--json"
    )
    assert json.loads(scored.out)["units"] == 1200
    mixes = np.column_stack([pq.read_table(out)[name].to_numpy() for name in CATEGORIES])
    np.testing.assert_allclose(mixes.sum(axis=1), 1)


def test_bad_plans_say_what_to_do(equipoise, folder):
    text = (folder / "plan.toml").read_text()
    for was, now, line in (
        ("inventory = 1.3", "inventory = -1", "inventory"),
        (
            "count = 2",
            "count = 2\nway = 'tree'",
            "'binary', 'vector', 'doses', 'shares' or 'forest'",
        ),
        (
            "[policy]",
            "[policy]\noffers = { share = 0.1 }",
            "[supply] with [policy] weights and floors alone",
        ),
        ("move = 0.15", "mov = 0.15", "did you mean 'move'? known keys"),
    ):
        (folder / "bad.toml").write_text(text.replace(was, now))
        result = equipoise("run", folder / "bad.toml", "--out", folder / "bad")
        assert result.code != 0
        assert line in result.line
        assert not (folder / "bad").exists()
