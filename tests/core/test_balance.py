from typing import Any

import numpy as np
import pytest
from fixtures.small_logs import check, confounded, log_of

from equipoise.core.balance import balance_table


def test_smd_by_hand():
    log = log_of(
        [0, 0, 1, 1], {"x": [0.0, 2.0, 1.0, 3.0], "same": [1.0] * 4}, features=("x", "same")
    )
    rows = {row["feature"]: row for row in balance_table(log)}
    assert rows["x"]["smd"] == pytest.approx(1.0)  # means 1 and 2, both variances 1
    assert rows["x"]["z"] == pytest.approx(1.0)  # 1 / sqrt(1/2 + 1/2)
    assert rows["same"]["smd"] == 0
    assert rows["x"]["candidate"] == "1"


def test_balance_by_level_and_without_missing_values():
    columns = {"city": ["n", "s", "s", "s"], "x": [0.0, None, 0.0, 2.0]}
    rows = {
        row["feature"]: row["smd"]
        for row in balance_table(log_of([0, 0, 1, 1], columns, features=("city", "x")))
    }
    assert set(rows) == {"city=n", "city=s", "x"}
    assert rows["city=s"] == pytest.approx(0.5 / np.sqrt(0.125))
    assert rows["x"] == pytest.approx(1 / np.sqrt(0.5))


def test_imbalance_warns_and_logged_propensities_explain_it():
    arm, columns = confounded()
    assert check(log_of(arm, columns, features=("x",)), "balance")["status"] == "warn"
    explained = check(log_of(arm, columns, features=("x",), propensity=("e",)), "balance")
    assert explained["status"] == "ok"
    assert "after weighting" in explained["summary"]


def test_chance_in_a_small_arm_is_a_note():
    rng = np.random.default_rng(3)
    arm = np.r_[np.zeros(2000, int), np.ones(30, int)]
    found = check(
        log_of(
            arm,
            {f"x{j}": rng.standard_normal(2030) for j in range(20)},
            features=[f"x{j}" for j in range(20)],
        ),
        "balance",
    )
    assert found["status"] == "note"
    assert len(found["rows"]) == 10


def test_a_protected_column_that_the_features_give_away():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500)
    columns = {
        "x": x,
        "sex": np.where(x > 0, "f", "m"),
        "age": x * 10 + 40,
        "luck": rng.choice(["a", "b"], 500),
    }
    log = log_of(
        rng.integers(0, 2, 500), columns, features=("x",), protected=("sex", "age", "luck")
    )
    found = check(log, "protected columns")
    assert found["status"] == "warn"
    assert "age, sex" in found["summary"]
    assert "luck" not in found["summary"]
    assert check(log_of([0, 0, 1, 1]), "protected columns")["status"] == "note"


def test_a_log_without_features():
    assert check(log_of([0, 0, 1, 1]), "balance")["status"] == "ok"


def test_a_protected_column_that_the_features_do_not_give_away():
    """Sex is the same in both rows of each x, and a column of one value cannot be given away."""
    columns: dict[str, Any] = {"x": [0.0, 1.0] * 4, "sex": [*"ffmm"] * 2, "one": ["a"] * 8}
    columns |= {"empty": np.full(8, np.nan)}
    log = log_of([0, 1] * 4, columns, features=("x", "empty"), protected=("sex", "one"))
    found = check(log, "protected columns")
    assert found["status"] == "ok"
    assert {(row["column"], row["level"]): row["r2"] for row in found["rows"]} == {
        ("sex", "f"): 0.0,
        ("sex", "m"): 0.0,
        ("one", "a"): 0.0,
    }
