"""`equipoise simulate live-shop`: a week of pages with base scores, its truth and its plan."""

from __future__ import annotations

import json
import tomllib

import pyarrow.parquet as pq
from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.core.errors import InputError
from equipoise.data.simulators.live_shop import METRICS


def test_a_shop_is_three_files_that_fit_together(tmp_path):
    words = ["simulate", "live-shop", "--rows", "1996", "--seed", "3", "--json"]
    out = tmp_path / "shop"
    result = CliRunner().invoke(app, [*words, "-o", str(out)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["rows"] == 2_000  # of whole requests
    assert told["objectives"] == list(METRICS)
    log, truth = (pq.read_table(out / f"{name}.parquet") for name in ("log", "truth"))
    plan = tomllib.loads((out / "plan.toml").read_text())["ranking"]
    asked = [plan["request"], plan["user"], plan["time"], *plan["objectives"]]
    asked += [*plan["scores"], *plan["profile"]]
    assert set(asked) <= set(log.column_names)
    assert not set(plan["profile"]) & {*plan["scores"], *plan["objectives"], "viewer", "room"}
    assert (plan["path"], plan["user"], plan["time"]) == ("log.parquet", "viewer", "day")
    assert log.num_rows == truth.num_rows == told["rows"]
    assert truth.column_names == ["looked_at", *METRICS]
    again = CliRunner().invoke(app, [*words, "-o", str(out)])
    assert isinstance(again.exception, InputError)
    assert "must not exist" in str(again.exception)
