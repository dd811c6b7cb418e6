"""Units through a policy from other systems: the callable that workers get, and real DuckDB, Spark
and Ray Data.
"""

from __future__ import annotations

import os
import pickle
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.batch_scorer import BatchScorer, artifact_of, score_batches
from equipoise.artifacts.mixes import MixPolicy, write_mix_policy
from equipoise.artifacts.policy import write_scorer
from equipoise.artifacts.ranking import RankingPolicy, write_ranking_policy
from equipoise.artifacts.unit_columns import UnitColumns
from equipoise.core.column_types import column_type
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.ranking import BestSingleScore

EXAMPLES = Path(__file__).parents[2] / "examples" / "batch"
ENGINES = "an engine of its own environment: make spark"


def test_it_assigns_as_the_policy_does_on_the_other_side_too(shipped):
    scorer = BatchScorer(shipped.folder)
    sent = pickle.dumps(scorer)
    assert len(sent) < 300 + len(str(shipped.folder))
    artifact_of.cache_clear()
    there = pickle.loads(sent)
    want = shipped.scorer.assign(shipped.table)
    for rows in (7, 250, 600):  # workers are asked more than once
        batches = shipped.table.to_batches(max_chunksize=rows)
        got = pa.Table.from_batches(there(iter(batches)))
        assert got.equals(want)
        assert pa.Table.from_batches(score_batches(shipped.folder, batches)).equals(want)
    assert artifact_of.cache_info().misses == 1
    assert list(there(iter([]))) == []


def test_tables_are_taken_and_what_is_none_of_arrow_is_refused(shipped):
    want, scorer = shipped.scorer.assign(shipped.table), BatchScorer(shipped.folder)
    wide = shipped.table.set_column(0, "user", shipped.table["user"].cast(pa.large_string()))
    assert wide.column_names == shipped.table.column_names
    half = len(want) // 2
    for units in (shipped.table, [shipped.table.slice(0, half), wide.slice(half)]):
        for door in (scorer, lambda units: score_batches(shipped.folder, units)):
            assert pa.Table.from_batches(door(units)).equals(want)
    frame = shipped.table.to_pandas()
    for units in (frame, [frame], [shipped.table.to_pydict()]):
        with pytest.raises(InputError, match="units must come as Arrow record batches; got"):
            list(scorer(units))


def test_a_repeated_id_is_refused_within_one_stream(shipped):
    scorer = BatchScorer(shipped.folder)
    assert len(list(scorer(shipped.table.to_batches()))) == 1
    with pytest.raises(InputError, match="id 'user' must be unique"):
        list(scorer(shipped.table.to_batches() * 2))


def test_another_policy_at_its_path_is_refused(shipped, tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(shipped.folder, folder)
    scorer = BatchScorer(folder)
    shutil.rmtree(folder)
    mixes = MixPolicy(
        FeatureMap().fit({"age": [31, 64]}),
        ("film", "food"),
        None,
        np.array([[0.5, 0.5]]),
        np.array([[[0, 0]], [[1, 1]]]),
    )
    write_mix_policy(folder, mixes, plan="")
    with pytest.raises(SnapshotError, match="the policy must be .* copy the one of before"):
        scorer(shipped.table.to_batches())
    with pytest.raises(SnapshotError, match="must have a readable manifest.json"):
        BatchScorer(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["policy", "mixes", "ranking"])
def test_the_columns_are_told_ahead(shipped, tmp_path, kind):
    features = FeatureMap().fit(shipped.table.select(["age" if kind == "mixes" else "y"]))
    if kind == "mixes":
        shares, bounds = np.array([[0.5, 0.5]]), np.array([[[0, 0]], [[1, 1]]])
        write_mix_policy(
            tmp_path / kind, MixPolicy(features, ("film", "food"), None, shares, bounds), plan=""
        )
    if kind == "ranking":
        rows = shipped.table.select(["y"])
        ranker = BestSingleScore().fit(rows, shipped.table["y"].to_numpy().astype(int))
        columns = UnitColumns({name: column_type(shipped.table[name]) for name in ("y", "shop")})
        write_ranking_policy(
            tmp_path / kind,
            RankingPolicy(ranker, features, {}, ("y",), (), (), "shop", None, columns),
            plan="",
        )
    scorer = BatchScorer(shipped.folder if kind == "policy" else tmp_path / kind)
    if kind == "policy":  # one that draws by ids, as most that meet a budget do
        policy = shipped.scorer.policy
        policy = replace(policy, low_share=0.5, tie_penalty=0.0, low_prices=policy.prices)
        write_scorer(tmp_path / kind, replace(shipped.scorer, policy=policy), plan="")
        scorer = BatchScorer(tmp_path / kind)
    table = shipped.table.sort_by("shop")
    assert scorer.schema(table.schema).equals(next(scorer(table.to_batches())).schema)


@pytest.fixture
def units(shipped, tmp_path):
    """A file of units, and what the policy assigns them."""
    pq.write_table(shipped.table, tmp_path / "units.parquet", row_group_size=100)
    return tmp_path / "units.parquet", shipped.scorer.assign(shipped.table)


def same(place: Path, want: pa.Table) -> None:
    """Whether the assignments that an example wrote are those of the policy, in any order."""
    got = pq.read_table(place).sort_by("user").cast(want.schema)
    assert got.equals(want.sort_by("user"))


def test_duckdb_streams_units_and_asks_the_assignments(
    shipped, units, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("duckdb")
    file, want = units
    out = tmp_path / "assigned.parquet"
    monkeypatch.setattr(sys, "argv", ["", str(shipped.folder), str(file), str(out)])
    runpy.run_path(str(EXAMPLES / "duckdb_units.py"))
    same(out, want)
    assert "chosen" in capsys.readouterr().out


@pytest.mark.parametrize("engine", ["pyspark", "ray"])
def test_workers_of_an_engine_assign_them(shipped, units, tmp_path, engine):
    if "ENGINES" not in os.environ:
        pytest.skip(ENGINES)
    pytest.importorskip(engine)
    if engine == "pyspark" and not shutil.which("java"):
        pytest.skip("Spark needs Java: apt-get install default-jre-headless")
    file, want = units
    name = {"pyspark": "spark_units.py", "ray": "ray_units.py"}[engine]
    out = tmp_path / "assigned"
    command = [sys.executable, EXAMPLES / name, shipped.folder, file, out]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3_000:]
    same(out, want)
