"""The job of a plan with [ranking], from files to files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.ranking import read_ranking_policy
from equipoise.core.errors import InputError, PlanError
from equipoise.evaluation import gauc
from equipoise.pipeline import make_plan
from equipoise.pipeline.jobs import read_findings, run
from equipoise.report.findings_ranking import MEAN, RankingFindings

from .conftest import a_log, tables

N = 400 * 6


def test_a_run_writes_its_folder_and_findings_hold_together(ranked):
    findings, place = ranked
    names = {"report.html", "metrics.json", "scores.parquet", "policy", "times.json"}
    assert {entry.name for entry in place.iterdir()} == names
    assert set(findings) == set(RankingFindings.__required_keys__)
    assert json.loads((place / "metrics.json").read_text()).keys() == findings.keys()
    assert read_findings(place)["method"] == findings["method"] == "balanced-bce"
    assert findings["rows"] == {"train": 1440, "validation": 480, "test": 480}
    assert findings["criterion"] == "gauc"
    assert {row["name"] for row in findings["methods"]} == set(findings["measures"]["gauc"])
    assert sum(row["weight"] for row in findings["objectives"]) == pytest.approx(1)
    assert len(findings["front"]) == 6
    assert sum(point["shipped"] for point in findings["front"]) == 1
    assert any(point["efficient"] for point in findings["front"])
    assert findings["gains"]["gauc"]["formula"][MEAN][0] == 0
    assert findings["places"]["k"] == 3
    gates = {row["segment"]: row["weights"] for row in findings["gates"]}
    assert set(gates) == {"Oslo", "Rome", "Lima"}
    assert all(sum(weights.values()) == pytest.approx(1) for weights in gates.values())
    assert [row["score"] for row in findings["calibration"]] == ["p_buy", "p_like"]
    for one, row in zip(findings["calibration"], findings["objectives"], strict=True):
        assert sum(one["rows"]) == 480
        rates = [interval[0] for interval in one["observed"]]
        assert np.average(rates, weights=one["rows"]) == pytest.approx(row["rate"])
    first = findings["places"]
    for name, interval in first["rates"].items():
        assert interval[0] == pytest.approx(first["shipped"][name] - first["fallback"][name])
    assert findings.to_pandas().columns.tolist() == ["policy", "metric", "value", "low", "high"]


def test_the_figures_are_those_of_the_written_scores(ranked, log_file):
    findings, place = ranked
    scores, log = pq.read_table(place / "scores.parquet"), pq.read_table(log_file)
    assert scores["row"].to_pylist() == list(range(N))
    assert scores["request"].equals(log["request"])
    test = np.array(scores["part"].to_pylist()) == "test"
    labels = np.column_stack([log[name].to_numpy().astype(float) for name in ("buy", "like")])
    values = gauc(labels[test], scores["score"].to_numpy()[test],
                  np.array(log["request"].to_pylist())[test]).value  # fmt: skip
    shown = findings["measures"]["gauc"][findings["method"]]
    assert [shown["buy"][0], shown["like"][0]] == pytest.approx(values.tolist())
    assert shown[MEAN][0] == pytest.approx(values.mean())


def test_later_requests_are_ranked_as_the_run_did(ranked, log_file, tmp_path):
    place = ranked[1]
    out = tmp_path / "ranked.parquet"
    summary = score_file(place / "policy", log_file, out)
    assert summary["units"] == N
    assert summary["requests"] == 400
    ours, theirs = pq.read_table(out), pq.read_table(place / "scores.parquet")
    assert ours.column_names == ["row", "request", "score", "place"]
    assert ours["score"].to_numpy() == pytest.approx(theirs["score"].to_numpy())
    assert ours["place"].equals(theirs["place"])
    first = ours.filter(pa.array(np.asarray(ours["place"]) == 1))
    assert len(first) == 400


def test_candidates_are_named_where_the_plan_names_them(log_file, tmp_path):
    log = pq.read_table(log_file)
    items = pa.array([k % 7 for k in range(N)])  # of several requests, whole numbers
    pq.write_table(log.append_column("room", items), tmp_path / "log.parquet")
    run(make_plan(tables(tmp_path / "log.parquet", sweep=0, item="room")), tmp_path / "run")
    score_file(tmp_path / "run" / "policy", tmp_path / "log.parquet", tmp_path / "ranked.parquet")
    ranked = pq.read_table(tmp_path / "ranked.parquet")
    assert ranked.column_names == ["row", "request", "room", "score", "place"]
    assert ranked["room"].cast(pa.int64()).to_pylist() == items.to_pylist()
    assert "room" in pq.read_table(tmp_path / "run" / "scores.parquet").column_names


def test_an_item_is_not_a_request(log_file):
    with pytest.raises(InputError, match="item column that is not that of requests"):
        make_plan(tables(log_file, item="request"))


def test_a_csv_is_read_like_its_parquet(ranked, log_file, tmp_path):
    pcsv.write_csv(pq.read_table(log_file), tmp_path / "log.csv")
    plan = make_plan(tables(tmp_path / "log.csv", sweep=0))
    same = make_plan(tables(log_file, sweep=0))
    one, other = (run(p, tmp_path / name) for p, name in ((plan, "a"), (same, "b")))
    assert one["measures"] == other["measures"]
    assert one["method"] == other["method"]
    scored = tmp_path / "scored.parquet"
    score_file(tmp_path / "b" / "policy", tmp_path / "log.csv", scored)
    assert pq.read_table(scored)["request"][7].as_py() == "00001"


def test_the_order_of_rows_changes_no_figure(log_file, tmp_path):
    table = pq.read_table(log_file)
    order = np.random.default_rng(0).permutation(N)
    pq.write_table(table.take(pa.array(order)), tmp_path / "shuffled.parquet")
    plans = [make_plan(tables(file, sweep=0)) for file in (log_file, tmp_path / "shuffled.parquet")]
    one, other = (run(plan, tmp_path / str(k)) for k, plan in enumerate(plans))
    for method, values in one["measures"]["gauc"].items():
        for name, interval in values.items():
            assert other["measures"]["gauc"][method][name] == pytest.approx(interval, abs=1e-9)


def test_base_scores_of_our_own_are_frozen_and_shipped(tmp_path):
    log = a_log(300).drop_columns(["p_buy", "p_like"])
    rng = np.random.default_rng(1)
    log = log.append_column("x", pa.array(np.where(log["buy"], 1.0, 0) + rng.normal(size=1800)))
    pq.write_table(log, tmp_path / "log.parquet")
    keys = {"scores": [], "sweep": 0, "base": {"features": ["x"]}}
    plan = make_plan(tables(tmp_path / "log.parquet", **keys))
    findings = run(plan, tmp_path / "run")
    assert findings["scores"] == ["p_buy", "p_like"]
    assert findings["rows"]["base"] == 540
    base = pq.read_table(tmp_path / "run" / "base_scores.parquet")
    assert base.column_names == ["row", "request", "user", "p_buy", "p_like"]
    assert base["row"][0].as_py() == 540
    out = tmp_path / "ranked.parquet"
    score_file(tmp_path / "run" / "policy", tmp_path / "log.parquet", out)
    ours, theirs = pq.read_table(out), pq.read_table(tmp_path / "run" / "scores.parquet")
    assert ours["score"].to_numpy()[540:] == pytest.approx(theirs["score"].to_numpy())


@pytest.mark.parametrize("method", ["formula", "balanced-bce"])
def test_no_method_is_taught_by_rows_that_choose_or_test(tmp_path, method):
    """Labels of later parts turned round: base scores, the ensemble and its scores stay."""
    params = {"epochs": 8, "width": 4} if method == "balanced-bce" else {}
    keys = {"method": method, "params": params, "rivals": [], "sweep": 0, "scores": []}
    keys["base"] = {"features": ["p_buy", "p_like"]}
    log = a_log(200)
    later = log["day"].to_numpy() >= 7  # days 0 to 2 are base, 3 to 6 train
    scores = []
    for name, turned in (("as it was", np.zeros(len(log), bool)), ("turned", later)):
        table = log
        for label in ("buy", "like"):
            values = np.where(turned, 1 - log[label].to_numpy().astype(int), log[label].to_numpy())
            table = table.set_column(log.column_names.index(label), label, pa.array(values))
        file, place = tmp_path / f"{name}.parquet", tmp_path / name
        pq.write_table(table, file)
        run(make_plan(tables(file, **keys)), place)
        scores.append(pq.read_table(place / "scores.parquet"))
    parts = set(np.array(scores[0]["part"].to_pylist())[later[scores[0]["row"].to_numpy()]])
    assert parts == {"validation", "test"}
    assert scores[0].equals(scores[1])
    score_file(place / "policy", file, tmp_path / "later.parquet")  # features named as scores are
    again = pq.read_table(tmp_path / "later.parquet")["score"].to_numpy()[scores[1]["row"]]
    assert again == pytest.approx(scores[1]["score"].to_numpy())


def test_labels_that_were_not_observed_teach_and_judge_nothing(log_file, tmp_path):
    table = pq.read_table(log_file)
    seen = np.random.default_rng(0).random(N) < 0.5
    nonsense = np.where(seen, table["like"].to_numpy(), 7)
    one = table.set_column(8, "like", pa.array(nonsense)).append_column("seen", pa.array(seen))
    pq.write_table(one, tmp_path / "one.parquet")
    keys = {"objectives": {"buy": {}, "like": {"observed": "seen"}}, "sweep": 0}
    findings = run(make_plan(tables(tmp_path / "one.parquet", **keys)), tmp_path / "run")
    assert findings["objectives"][1]["observed"] == pytest.approx(0.5, abs=0.06)
    assert 0.2 < findings["objectives"][1]["rate"] < 0.4
    with pytest.raises(InputError, match="labels must be 0 or 1; got 7"):
        run(make_plan(tables(tmp_path / "one.parquet", sweep=0)), tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_without_requests_all_rows_are_ranked_against_each_other(log_file, tmp_path):
    plan = make_plan(tables(log_file, request=None, user=None, sweep=0))
    findings = run(plan, tmp_path / "run")
    assert findings["criterion"] == "auc"
    assert list(findings["measures"]) == ["auc"]
    assert findings["places"] is None
    assert pq.read_table(tmp_path / "run" / "scores.parquet").column_names == [
        "row", "part", "score"]  # fmt: skip
    out = tmp_path / "ranked.parquet"
    score_file(tmp_path / "run" / "policy", log_file, out)
    assert pq.read_table(out).column_names == ["row", "score"]


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"scores": ["p_buy", "p_lik"]}, "score 'p_lik' must be a column; .* 'p_like'"),
        ({"objectives": ["buy", "day"]}, "labels must be 0 or 1; got 2 at"),
        ({"objectives": ["buy", "age"]}, "profile column 'age' must have one role"),
        ({"objectives": ["buy", "user"]}, "objective 'user' must be numbers"),
        ({"weights": {"by": 1}}, "objective 'by' must be named"),
        ({"floors": [{"objective": "liked"}]}, "objective 'liked' must be named"),
        ({"segment": "town"}, "segment 'town' must be a profile column"),
        ({"scores": ["p_buy", "age"]}, "score 'age' .*; got 20.0 at row 0; say prob"),
        ({"profile": ["buy"]}, "profile column 'buy' must have one role"),
        ({"params": {"epoch": 3}, "method": "balanced-bce"}, "key 'epoch' must be known"),
        ({"objectives": {"buy": {"score": "p"}}}, "score 'p' of 'buy' must be among scores"),
    ],
)
def test_what_the_log_does_not_hold_is_told(log_file, tmp_path, keys, match):
    plan = make_plan(tables(log_file, **({"sweep": 0} | keys)))
    with pytest.raises((PlanError, InputError), match=match):
        run(plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_objective_of_one_class_is_told(log_file, tmp_path):
    table = pq.read_table(log_file)
    pq.write_table(table.set_column(7, "buy", pa.array(np.zeros(N))), tmp_path / "log.parquet")
    with pytest.raises(InputError, match="objective 'buy' must have labels 0 and labels 1"):
        run(make_plan(tables(tmp_path / "log.parquet")), tmp_path / "run")


def test_a_snapshot_reads_back_what_was_learnt(ranked):
    policy = read_ranking_policy(ranked[1] / "policy")
    assert policy.scores == ("p_buy", "p_like")
    assert policy.profile == ("city", "age")
    assert policy.request == "request"
