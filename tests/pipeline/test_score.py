"""Units never seen: one rule, the same answers, and the budget per head carries over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import EquipoiseError, SnapshotError
from equipoise.data import make_coupon_world
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.pipeline.effects import cross_fit, log_folds
from equipoise.pipeline.judge import make_judge
from equipoise.pipeline.model import read_model, write_model
from equipoise.pipeline.plan import make_plan
from equipoise.pipeline.propensity import Design
from equipoise.pipeline.runner import ship
from equipoise.pipeline.score import read_scorer, score_batches, score_file
from equipoise.pipeline.study import Study, make_task

from .conftest import BUDGET


@pytest.fixture(scope="module")
def strangers():
    """Units that no model saw, with their truth."""
    return make_coupon_world(4000, metrics=("conversion", "visits"), seed=99)


def test_new_units_keep_the_budget_per_head(ran, strangers):
    log, truth = strangers
    made = read_scorer(ran.out / "policy").assign(log.table)
    planned = made["expected_cost"].to_numpy().mean()
    assert planned == pytest.approx(BUDGET, rel=0.1)  # over 10 seeds of strangers: within 4 %
    names = ["none", "coupon-1", "coupon-2"]
    choice = np.asarray([names.index(name) - 1 for name in made["chosen"].to_pylist()])
    assert truth.spend(choice).mean() == pytest.approx(BUDGET, rel=0.2)


def spent_by_strangers(seed: int) -> float:
    """Spend per head of new units under a policy of 0.5 per head, whose models fit their 1,000 rows far too closely."""
    log, _ = make_coupon_world(1000, metrics=("conversion",), seed=seed)
    strangers, _ = make_coupon_world(4000, metrics=("conversion",), seed=1000 + seed)
    close = TLearner(BoostedTrees(trees=40, least=5), space=log.space)
    plan = make_plan({"log": {"dataset": "-"}, "policy": {"cost": 2.0, "paid": "always", "budget": {"per_head": 0.5}}})
    fold = log_folds(log, 5, 0)
    effects = cross_fit(log, close, fold)
    task, costs = make_task(plan, log, effects, fold)
    judge = make_judge(log, effects, log.propensity, costs, 0.95)
    design = Design(log.propensity, None, [])
    study = Study(plan, log, fold, close, effects, design, costs, task, judge)
    return ship(study).assign(strangers.table)["expected_cost"].to_numpy().mean()


def test_prices_are_those_of_units_no_model_saw():
    spent = np.mean([spent_by_strangers(seed) for seed in range(3)])
    assert 0.4 < spent < 0.6  # single seeds: 0.42 to 0.56; with prices of in-sample effects: 0.26 to 0.32


def test_batches_rows_and_files_agree(ran, strangers, tmp_path):
    log, _ = strangers
    whole = read_scorer(ran.out / "policy").assign(log.table)
    parts = pa.Table.from_batches(score_batches(ran.out / "policy", log.table.to_batches(max_chunksize=333)))
    assert parts.equals(whole.combine_chunks())
    one = read_scorer(ran.out / "policy").assign(log.table.slice(7, 1))
    assert one.to_pylist() == whole.slice(7, 1).to_pylist()
    pq.write_table(log.table, tmp_path / "units.parquet")
    made = score_file(ran.out / "policy", tmp_path / "units.parquet", tmp_path / "made.parquet")
    assert made["units"] == len(log)
    assert sum(made["cells"].values()) == len(log)
    assert pq.read_table(tmp_path / "made.parquet").equals(whole)


def test_units_without_an_id_are_numbered_through(ran, strangers):
    log, _ = strangers
    table = log.table.drop_columns(["user"])
    made = pa.Table.from_batches(read_scorer(ran.out / "policy").batches(table.to_batches(max_chunksize=1500)))
    assert made["user"].to_pylist() == list(range(len(log)))


def test_a_changed_byte_is_refused(ran, tmp_path):
    import shutil

    folder = tmp_path / "policy"
    shutil.copytree(ran.out / "policy", folder)
    part = folder / "policy.json"
    part.write_text(part.read_text().replace("0.", "9.", 1))
    with pytest.raises(SnapshotError, match="sha256"):
        read_scorer(folder)


def test_a_snapshot_of_something_else_is_refused(ran, tmp_path):
    write_model(tmp_path / "model", read_model(ran.out / "policy"))
    with pytest.raises(SnapshotError, match="policy"):
        read_scorer(tmp_path / "model")


def test_a_missing_feature_is_named_and_nothing_is_written(ran, strangers, tmp_path):
    log, _ = strangers
    pq.write_table(log.table.drop_columns(["city"]), tmp_path / "units.parquet")
    with pytest.raises(EquipoiseError, match="'city'"):
        score_file(ran.out / "policy", tmp_path / "units.parquet", tmp_path / "made.parquet")
    assert [entry.name for entry in tmp_path.iterdir()] == ["units.parquet"]


def test_a_file_without_rows_is_refused(ran, strangers, tmp_path):
    log, _ = strangers
    pq.write_table(log.table.slice(0, 0), tmp_path / "units.parquet")
    with pytest.raises(EquipoiseError, match="have rows"):
        score_file(ran.out / "policy", tmp_path / "units.parquet", tmp_path / "made.parquet")
