"""What ranks new requests: a snapshot that streams, and refuses what it cannot rank."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.ranking import (
    RankingPolicy,
    ranking_policy_of,
    read_ranking_policy,
    write_ranking_policy,
)
from equipoise.artifacts.unit_columns import UnitColumns
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.column_types import column_type
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.snapshot import Snapshot, read_snapshot
from equipoise.ranking import BestSingleScore, WeightedSum
from equipoise.ranking.places import places

RNG = np.random.default_rng(0)
LOG = pa.table(
    {
        "request": pa.array([f"r{i // 5}" for i in range(200)]),
        "p": RNG.random(200),
        "q": RNG.random(200),
        "city": ["Oslo", "Rome"] * 100,
    }
)


@pytest.fixture(scope="module")
def policy():
    labels = (LOG["p"].to_numpy() + RNG.random(200) > 1).astype(int)
    ranker = WeightedSum(6).fit(LOG.select(["p", "q"]), labels, profile=LOG.select(["city"]))
    types = {name: column_type(LOG[name]) for name in LOG.column_names}
    features = FeatureMap().fit(LOG.select(["p", "q", "city"]))
    return RankingPolicy(ranker, features, {}, ("p", "q"), ("city",), (), "request", None,
                         UnitColumns(types))  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_batches_rank_as_the_whole_does_wherever_they_are_cut(policy, sizes):
    cuts = np.minimum(np.cumsum([0, *sizes]), 200)
    cuts[-1] = 200
    batches = [
        LOG.slice(low, high - low).combine_chunks().to_batches()[0]
        for low, high in zip(cuts[:-1], cuts[1:], strict=True)
        if high > low
    ]
    streamed = pa.Table.from_batches(policy.batches(batches))
    assert streamed.equals(policy.assign(LOG))


def test_places_are_by_score_in_each_request_and_of_equal_ones_the_first_wins():
    rng = np.random.default_rng(1)
    score, request = rng.integers(0, 4, 300).astype(float), rng.integers(0, 40, 300)
    place = places(score, request)
    for r in np.unique(request):
        rows = np.flatnonzero(request == r)
        expected = sorted(rows, key=lambda i: (-score[i], i))
        assert [rows[place[rows] == k + 1][0] for k in range(len(rows))] == expected
    assert places(np.empty(0), np.empty(0, np.int64)).tolist() == []


def test_a_request_that_comes_again_is_refused(policy, tmp_path):
    write_ranking_policy(tmp_path / "policy", policy, "")
    order = np.r_[5:10, 0:5, 10:200, 0:5]
    pq.write_table(LOG.take(pa.array(order)), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="the rows of a 'request' must stand together"):
        score_file(tmp_path / "policy", tmp_path / "rows.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        ("p", [0.5, np.nan, 0.1], "score 'p' .*; got nan at row 1; fill or drop"),
        ("q", [0.5, 0.2, 1.5], "score 'q' .*; got 1.5 at row 2; give what the model"),
        ("p", ["a", "b", "c"], "feature 'p' must be"),
        ("request", [None, "a", "a"], None),
    ],
)
def test_rows_that_cannot_be_ranked(policy, column, values, match):
    rows = LOG.slice(0, 3).set_column(LOG.column_names.index(column), column, pa.array(values))
    if match is None:
        assert policy.assign(rows)["place"].to_pylist()[0] == 1
        return
    with pytest.raises(InputError, match=match):
        policy.assign(rows)


def test_no_candidate_one_candidate_and_a_viewer_never_seen(policy):
    assert policy.assign(LOG.slice(0, 0)).num_rows == 0
    assert policy.assign(LOG.slice(0, 1))["place"].to_pylist() == [1]
    lima = LOG.slice(0, 3).set_column(3, "city", pa.array(["Lima"] * 3))
    assert policy.assign(lima)["score"].equals(policy.assign(LOG.slice(0, 3))["score"])
    with pytest.raises(InputError, match="feature 'city' must be among the units' columns"):
        policy.assign(LOG.drop_columns(["city"]))
    with pytest.raises(InputError, match="a ranking of candidates"):
        policy.hold([], UnitCounts(policy.units))


def test_it_reads_back_and_a_changed_byte_is_refused(policy, tmp_path):
    write_ranking_policy(tmp_path / "policy", policy, "a plan")
    again = read_ranking_policy(tmp_path / "policy")
    assert again.assign(LOG).equals(policy.assign(LOG))
    part = next((tmp_path / "policy" / "ranker-arrays").glob("*.npy"))
    part.write_bytes(part.read_bytes()[:-1] + b"\x01")
    with pytest.raises(SnapshotError):
        read_ranking_policy(tmp_path / "policy")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["request"], 3),
        (["scores"], ["p"]),
        (["scores"], ["p", "z"]),
        (["profile"], []),
        (["ranker", "ranker", "ranker"], "pickle"),
        (["ranker", "ranker", "state", "parameters_"], [1.0]),
        (["ranker", "ranker", "state", "parameters_"], [float("inf"), 1.0]),
        (["ranker", "ranker", "state"], {}),
        (["models"], {"m": 3}),
        (["columns"], None),
    ],
)
def test_a_forged_meta_is_refused(policy, tmp_path, path, value):
    write_ranking_policy(tmp_path / "policy", policy, "")
    snapshot = read_snapshot(tmp_path / "policy")
    meta = json.loads(json.dumps(snapshot.meta))
    node = meta
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(SnapshotError):
        ranking_policy_of(Snapshot(snapshot.id, meta, snapshot.parts))


def test_without_requests_rows_have_a_score_and_no_place():
    ranker = BestSingleScore().fit({"p": [0.1, 0.9]}, [0, 1])
    policy = RankingPolicy(ranker, FeatureMap().fit({"p": [0.1, 0.9]}), scores=("p",))
    ranked = policy.assign({"p": [0.3, 0.2]})
    assert ranked.column_names == ["row", "score"]
    assert ranked["score"].to_pylist() == [0.3, 0.2]
    assert policy.summary().report() == {}
