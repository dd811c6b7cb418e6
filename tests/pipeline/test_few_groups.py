"""Groups that are few, at both doors: in memory, and of a log larger than what is learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.core.folds import FewGroups
from equipoise.pipeline import make_plan, run

N, FOLDS, CHECKS = 1_200, 3, 4  # folds of the run, and of the test whether arms are by lot


def run_of(folder, groups: int, learn: int):
    """The findings of a small run."""
    rng = np.random.default_rng(0)
    arm, x = rng.integers(0, 2, N), rng.normal(size=N)
    shop = np.array([f"s{i}" for i in range(groups)])[rng.integers(0, groups, N)]
    sale = (rng.random(N) < 0.3 + 0.2 * arm).astype(int)
    columns = {"user": np.arange(N), "arm": arm, "x": x, "sale": sale, "shop": shop}
    pq.write_table(pa.table(columns), folder / "log.parquet")
    log: dict[str, Any] = {
        "path": "log.parquet",
        "treatment": "arm",
        "outcomes": {"sale": "binary"},
    }
    log |= {"features": ["x"], "id": "user", "group": "shop", "design": [0.5, 0.5]}
    params = {"outcome_model": {"n_estimators": 2, "num_leaves": 3}}
    tables: dict[str, Any] = {
        "log": log,
        "estimator": {"name": "t-learner", "params": params},
        "report": {"explorer": False},
        "run": {"folds": FOLDS, "learn_rows": learn},
    }
    return run(make_plan(tables, base=folder), folder / "out")


@pytest.mark.parametrize(("groups", "folds"), [(1, FOLDS), (3, CHECKS)])
def test_in_memory_there_are_as_many_as_folds(tmp_path, groups, folds):
    said = (
        f"the groups by 'shop' must be at least the number of folds, {folds}, in every step.*"
        f"got {groups}; have a finer .log. group"
    )
    with pytest.raises(FewGroups, match=said):
        run_of(tmp_path, groups, N)


@pytest.mark.parametrize(("groups", "learnt", "folds"), [(5, 1, FOLDS), (8, 3, CHECKS)])
def test_the_sample_of_a_large_log_has_as_many_as_folds(tmp_path, groups, learnt, folds):
    said = (
        f"the groups by 'shop' must be at least the number of folds, {folds}, in every step.*"
        rf"got {learnt} at the sample of .* of {N:,} rows; have a finer .*larger \[run\] learn_rows"
    )
    with pytest.raises(FewGroups, match=said):
        run_of(tmp_path, groups, N // 3)
    assert [file.name for file in tmp_path.iterdir()] == ["log.parquet"]


def test_a_sample_without_any_says_so(tmp_path):
    with pytest.raises(DataError, match=f"got 0 of {N:,} rows, in whole units; have a finer"):
        run_of(tmp_path, 3, N // 3)
