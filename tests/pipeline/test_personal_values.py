"""What a run ships and shows holds no raw personal value and no place of the machine it ran on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from equipoise.core.errors import LogError
from equipoise.pipeline import make_plan, run
from equipoise.pipeline.plan.log import open_log

ESTIMATOR = {"name": "t-learner", "params": {"outcome_model": {"n_estimators": 3}}}
PERSONAL = ("PERSON", "HOUSE", "VILLAGE", "STREET", "TRIBE", "PATRON", "WORDS")
OUTPUTS = ("assignments.parquet", "effects.parquet")  # what the ids are asked for


def world(n: int) -> pa.Table:
    """Ids, keys of groups, rare levels, a protected column that nearly names persons, free text."""
    rng = np.random.default_rng(n)
    town = np.asarray(["Oslo", "Rome"], object)[np.arange(n) % 2]
    town[:3] = "VILLAGE1"
    tribe = np.asarray(["north", "south"], object)[rng.integers(0, 2, n)]
    tribe[-2:] = "TRIBE1"
    return pa.table(
        {
            "who": [f"PERSON{i}@example.org" for i in range(n)],
            "house": [f"HOUSE{i // 2}" for i in range(n)],
            "town": town,
            "street": [f"STREET{i % (n // 5)}" for i in range(n)],
            "tribe": tribe,
            "patron": [f"PATRON{i // 3}" for i in range(n)],
            "words": [f"WORDS of {i}" if i % 3 else None for i in range(n)],
            "x": rng.normal(size=n).round(3),
            "t": np.arange(n) // 2 % 2,
            "y": rng.integers(0, 2, n),
        }
    )


def plan_of(folder: Path, n: int, **log):
    file = folder / "log.csv"
    pcsv.write_csv(world(n), file)
    roles = {"treatment": "t", "outcomes": ["y"], "id": "who", "group": "house"}
    tables = {
        "log": {
            "path": str(file),
            **roles,
            "protected": ["tribe", "patron"],
            "design": [0.5, 0.5],
            **log,
        },
        "estimator": ESTIMATOR,
        "policy": {"cost": 1, "budget": {"per_head": 0.4}},
        "run": {"folds": 2, "out": str(folder / "run")},
    }
    return make_plan(tables, text=f'[log]\npath = "{file}"')


def test_a_run_holds_no_personal_value_and_no_place(tmp_path):
    run(plan_of(tmp_path, 60), tmp_path / "run", command=f"equipoise run {tmp_path}/plan.toml")
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert len(files) > 8
    for file in files:
        data = file.read_bytes()
        assert str(tmp_path).encode() not in data, file
        if file.name not in OUTPUTS:
            assert not [text for text in PERSONAL if text.encode() in data], file
    assert "Left out: words" in (tmp_path / "run" / "metrics.json").read_text()


def test_nearly_unique_text_is_a_feature_only_where_the_plan_says_so(tmp_path):
    with pytest.raises(LogError, match=r"'words' must be text .* nearly_unique = \['words'"):
        open_log(plan_of(tmp_path, 60, features=["x", "words"]))
    named = open_log(plan_of(tmp_path, 60, features=["x", "words"], nearly_unique=["words"]))
    assert named.roles.features == ("x", "words")
    inferred = open_log(plan_of(tmp_path, 60, nearly_unique=["words"]))
    assert "words" in inferred.roles.features


def test_a_sample_leaves_out_what_is_nearly_unique_in_it(tmp_path):
    """In all rows each street has five; in fifty of four hundred most have one."""
    whole = open_log(plan_of(tmp_path, 400))
    part = open_log(plan_of(tmp_path, 400, sample=50))
    assert "street" in whole.roles.features
    assert "street" not in part.roles.features
    assert part.left_out is not None
    assert {"words", "street"} <= set(part.left_out)
