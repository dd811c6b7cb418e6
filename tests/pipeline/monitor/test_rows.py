"""What a row brought: weights times worth, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equipoise.pipeline.monitor.rows import worth_of
from equipoise.pipeline.plan.read import make_plan

WATCHED: Any = SimpleNamespace(
    metrics=("sold", "ill"), rows=SimpleNamespace(y=np.array([[1.0, 0.0], [0.0, 1.0]]))
)
ILL = {"kind": "binary", "better": "lower"}


@pytest.mark.parametrize(
    ("sold", "ill", "policy", "worth"),
    [
        ({}, ILL, {}, [1, 0]),
        ({"worth": 10}, ILL, {}, [10, 0]),
        ({"worth": 10}, {**ILL, "worth": 4}, {}, [10, -4]),
        ({"worth": 10}, ILL, {"weights": {"sold": 0.5, "ill": 2}}, [5, -2]),
    ],
)
def test_the_worth_of_rows(sold, ill, policy, worth):
    log = {"path": "log.csv", "treatment": "t", "outcomes": {"sold": sold, "ill": ill}}
    plan = make_plan({"log": log, "policy": policy})
    assert worth_of(plan, WATCHED).tolist() == worth
