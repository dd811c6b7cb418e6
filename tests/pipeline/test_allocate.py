"""Allocate alone: choices hang on what rows hold, not on where they stand."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.effects import Effects
from equipoise.pipeline.allocate import allocate_plan
from equipoise.pipeline.plan.read import make_plan


def test_rows_in_another_order_get_the_same_choices(tmp_path):
    """Many rows have the same effects, and the budget is for some of them."""
    rng = np.random.default_rng(0)
    n, order = 300, rng.permutation(300)
    age, arm = rng.integers(0, 4, n), rng.integers(0, 2, n)
    log = pa.table({"age": age, "x": rng.normal(size=n), "arm": arm, "y": rng.normal(size=n)})
    effects = Effects(age[:, None, None] / 10.0, np.zeros((n, 1)), ("1",), ("y",))
    choices = []
    for rows in (np.arange(n), order):
        pq.write_table(log.take(rows), tmp_path / "log.parquet")
        pq.write_table(effects.take(rows).to_table(), tmp_path / "effects.parquet")
        plan = make_plan(
            {
                "log": {
                    "path": str(tmp_path / "log.parquet"),
                    "treatment": "arm",
                    "outcomes": {"y": {}},
                },
                "policy": {"offers": {"share": 0.4}},
            }
        )
        place = tmp_path / f"who{len(choices)}"
        allocate_plan(plan, tmp_path / "effects.parquet", place)
        choices.append(np.asarray(pq.read_table(place / "assignments.parquet").columns[1]))
    assert 0 < (choices[0] == "1").mean() < 1
    assert (choices[1] == choices[0][order]).all()
