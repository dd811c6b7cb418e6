"""Units never seen: one rule, the same answers, and the budget per head carries over."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.targeting import BUDGET

from equipoise.allocation import decide
from equipoise.artifacts import kinds
from equipoise.artifacts import policy as policy_file
from equipoise.artifacts.batch import score_file
from equipoise.artifacts.batch_scorer import score_batches
from equipoise.artifacts.model import read_model, write_model
from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.artifacts.staying import Staying
from equipoise.core.effects import Effects
from equipoise.core.errors import DataError, EquipoiseError, InputError, SnapshotError
from equipoise.core.log import Log
from equipoise.core.snapshot import read_snapshot
from equipoise.data import make_coupon_world, read_log
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.pipeline import HonestPolicy, cross_fit_effects, honest_policy
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.treatments import Dose


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


def close_policy(seed: int) -> tuple[Log, Effects, HonestPolicy]:
    """A budget of 0.5 per head, by models that fit their 1,000 rows far too closely."""
    log, _ = make_coupon_world(1000, metrics=("conversion",), seed=seed)
    close = TLearner(BoostedTrees(40, min_child_samples=5))
    return (
        log,
        cross_fit_effects(log, close, cv=5),
        honest_policy(log, close, cost=2.0, paid="always", budget=0.5, cv=5),
    )


def spent_by_strangers(seed: int) -> float:
    """Spend per head of new units under such a policy."""
    strangers, _ = make_coupon_world(4000, metrics=("conversion",), seed=1000 + seed)
    scorer = close_policy(seed)[2].scorer
    return scorer.assign(strangers.table)["expected_cost"].to_numpy().mean()


def test_the_model_that_ships_never_saw_the_rows_that_price_it():
    log, effects, policy = close_policy(0)
    held = np.flatnonzero(log_folds(log, 5, 0) == 0)
    shipped = policy.scorer.model.effects(log.take(held).table)
    assert np.array_equal(shipped.values, effects.values[held])
    chosen = decide(policy.policy, shipped, cost=np.full((len(held), 2), 2.0), units=held).choice
    assert np.array_equal(chosen, policy.choice[held])


def test_prices_are_those_of_units_no_model_saw():
    spent = np.mean([spent_by_strangers(seed) for seed in range(3)])
    # single seeds: 0.42 to 0.56; with prices of in-sample effects: 0.26 to 0.32
    assert 0.4 < spent < 0.6


def test_batches_rows_and_files_agree(ran, strangers, tmp_path):
    log, _ = strangers
    whole = read_scorer(ran.out / "policy").assign(log.table)
    parts = pa.Table.from_batches(
        score_batches(ran.out / "policy", log.table.to_batches(max_chunksize=333))
    )
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
    scorer, batches = read_scorer(ran.out / "policy"), table.to_batches(max_chunksize=1500)
    with pytest.raises(InputError, match="id 'user' must be among the units' columns"):
        list(scorer.batches(batches))
    made = pa.Table.from_batches(scorer.numbered().batches(batches))
    assert made["row"].to_pylist() == list(range(len(log)))
    assert "user" not in made.column_names


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


def test_hold_keeps_the_budget_on_these_units(ran, strangers, tmp_path):
    scorer, table = read_scorer(ran.out / "policy"), strangers[0].table
    for start in range(0, 4000, 500):  # the fixed prices spend 0.393 to 0.460 per head of these
        made = scorer.rebudget(table.slice(start, 500))
        spent = made["expected_cost"].to_numpy().mean()
        assert 0.98 * BUDGET < spent <= BUDGET * (1 + 1e-9)
    whole, fixed = scorer.rebudget(table), scorer.assign(table)
    assert whole.schema == fixed.schema
    # 0.96: the same rule at nearly the same prices
    assert np.mean(np.array(whole["chosen"]) == np.array(fixed["chosen"])) > 0.9
    pq.write_table(table, tmp_path / "units.parquet")
    sums = score_file(
        ran.out / "policy", tmp_path / "units.parquet", tmp_path / "made.parquet", hold=True
    )
    assert pq.read_table(tmp_path / "made.parquet").equals(whole)
    assert (sums["budget"], sums["held"]) == (BUDGET, True)
    assert sums["expected_cost"] <= BUDGET * (1 + 1e-9)


def test_the_file_to_write_may_replace_only_units_scored_earlier(ran, strangers, tmp_path):
    units, out, policy = tmp_path / "units.parquet", tmp_path / "made.parquet", ran.out / "policy"
    pq.write_table(strangers[0].table.slice(0, 50), units)
    (tmp_path / "link.parquet").symlink_to(units)
    (tmp_path / "plan.toml").write_text("[log]")
    pq.write_table(strangers[0].table, tmp_path / "log.parquet")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    wrong = {
        units: "differ from that of the units",
        tmp_path / "." / "units.parquet": "differ from that of the units",
        tmp_path / "link.parquet": "differ from that of the units",
        tmp_path: "a folder",
        tmp_path / "plan.toml": "scored earlier",
        tmp_path / "log.parquet": "scored earlier",
        ran.out / "assignments.parquet": "scored earlier",
        policy / "made.parquet": "outside the policy's snapshot",
    }
    for place, said in wrong.items():
        with pytest.raises(InputError, match=said):
            score_file(policy, units, place)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    for _ in range(2):  # the second call replaces the file of the first
        assert score_file(policy, units, out)["units"] == 50


def test_a_run_folder_is_no_policy_but_has_one(ran):
    with pytest.raises(SnapshotError, match=f"did you mean '{ran.out / 'policy'}'"):
        read_scorer(ran.out)


def test_text_in_a_numeric_feature_is_named(ran, strangers, tmp_path):
    table = strangers[0].table.slice(0, 20)
    place = table.column_names.index("age")
    text = pa.array(["old", *map(str, table["age"].to_pylist()[1:])])
    pcsv.write_csv(table.set_column(place, "age", text), tmp_path / "units.csv")
    for hold in (False, True):
        with pytest.raises(
            DataError, match="'age' must be numbers throughout; got 'old' at .*row 2"
        ):
            score_file(
                ran.out / "policy", tmp_path / "units.csv", tmp_path / "made.parquet", hold=hold
            )
    with pytest.raises(
        InputError, match="'age' must be numbers as in the log; got string, e.g. old"
    ):
        read_scorer(ran.out / "policy").assign(table.set_column(place, "age", text))
    assert [entry.name for entry in tmp_path.iterdir()] == ["units.csv"]


def test_a_full_disk_leaves_the_earlier_file(ran, strangers, tmp_path):
    units, out = tmp_path / "units.parquet", tmp_path / "made.parquet"
    pq.write_table(strangers[0].table, units)
    score_file(ran.out / "policy", units, out)
    before, (soft, hard) = out.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(OSError, match="File too large"):
            score_file(ran.out / "policy", units, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert out.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["made.parquet", "units.parquet"]


def test_what_was_read_is_the_model_that_was_written(ran):
    scorer, model = read_scorer(ran.out / "policy"), read_model(ran.out / "policy")
    assert scorer.model.seen == model.seen
    assert "age" in scorer.model.seen


def test_an_artifact_is_read_once(ran, monkeypatch):
    reads = []
    monkeypatch.setattr(
        kinds, "read_snapshot", lambda path: reads.append(path) or read_snapshot(path)
    )
    monkeypatch.setattr(policy_file, "read_snapshot", lambda path: pytest.fail("read twice"))
    assert type(kinds.read_artifact(ran.out / "policy")).__name__ == "Scorer"
    assert reads == [ran.out / "policy"]


def dose_scorer(levels, names):
    """A scorer as version 0.1.0 wrote it: doses named by six digits."""
    g = np.random.default_rng(0)
    amount = g.choice([0.0, *levels], 300)
    frame = {"x": g.normal(size=300), "amount": amount, "y": g.normal(size=300) + (amount > 0)}
    dose = Dose(0, levels[-1], levels=levels)
    log = read_log(frame, treatment="amount", outcomes="y", space=dose, design="shares")
    scorer = honest_policy(
        log, TLearner(BoostedTrees(3)), offers=0.5, caps=[cap(dose.names(levels)[0])]
    ).scorer
    assert scorer is not None
    demands = tuple(
        replace(d, candidate=None if d.candidate is None else names[0])
        for d in scorer.policy.demands
    )
    old = replace(scorer.policy, candidates=names, demands=demands)
    return log, scorer, replace(scorer, policy=old)


def cap(name):
    return {"candidate": name, "share": 0.1}


@pytest.mark.parametrize("hold", [False, True])
def test_a_rule_of_0_1_0_assigns_by_the_names_it_was_written_with(tmp_path, hold):
    names = ("0.333333", "0.666667")
    log, scorer, old = dose_scorer([1 / 3, 2 / 3], names)
    write_scorer(tmp_path / "policy", old, "")
    read = read_scorer(tmp_path / "policy")
    assert read.policy == old.policy
    call = {**dict(zip(scorer.policy.candidates, names, strict=True)), "0": "0"}
    now = scorer.rebudget(log.table) if hold else scorer.assign(log.table)
    then = read.rebudget(log.table) if hold else read.assign(log.table)
    chosen = now["chosen"].to_pylist()
    assert len(set(chosen)) > 1
    assert then["chosen"].to_pylist() == [call[name] for name in chosen]


def test_a_rule_of_0_1_0_that_called_two_doses_alike_tells_them_apart(tmp_path):
    log, scorer, old = dose_scorer([1234567, 1234568], ("1.23457e+06",) * 2)
    write_scorer(tmp_path / "policy", old, "")
    read = read_scorer(tmp_path / "policy")
    assert read.policy == scorer.policy
    assert read.assign(log.table).equals(scorer.assign(log.table))


def test_a_column_that_is_there_twice_is_no_guess(shipped):
    table = shipped.table.append_column("age", shipped.table["born"])
    with pytest.raises(InputError, match="'age' must .* 2 of them"):
        shipped.scorer.assign(table)
    with pytest.raises(InputError, match="feature 'age' must be one of the units' columns"):
        list(shipped.scorer.batches(table.to_batches()))


def test_facts_of_batches_are_what_the_rule_decides_by(shipped):
    scorer, table = shipped.scorer, shipped.table
    assigned = scorer.assign(table)
    chosen = dict(zip(assigned["user"].to_pylist(), assigned["chosen"].to_pylist(), strict=True))
    cells, decided = (scorer.policy.control, *scorer.policy.candidates), {}
    for batch in scorer.facts(table.to_batches(max_chunksize=250)):
        ids = batch.units.to_pylist()
        nothing = np.zeros((len(ids), batch.values.shape[2]))
        effects = Effects(batch.values, nothing, scorer.policy.candidates, ("y",))
        decisions = decide(
            scorer.policy, effects, cost=batch.cost, groups=batch.labels, units=np.array(ids)
        )
        decided |= {unit: cells[a + 1] for unit, a in zip(ids, decisions.choice, strict=True)}
    assert decided == chosen
    assert len(set(chosen.values())) == 2
    one = next(scorer.facts(table.slice(3, 1).to_batches())).unit(0)
    assert one.labels == {"shop": "000"}
    assert one.values.tobytes() == batch_of(scorer, table).values[3].tobytes()
    closed = replace(scorer, staying=Staying(gaps=0.1))  # every third unit has no plan_name
    assert batch_of(closed, table).eligible[:4].tolist() == [[True], [True], [False], [True]]
    assert batch_of(scorer.numbered(), table).units[:2].to_pylist() == ["0", "1"]


def batch_of(scorer, table):
    """The facts of the units of a table."""
    return next(scorer.facts(table.combine_chunks().to_batches()))


def test_an_id_may_be_called_as_what_is_said_of_it(shipped):
    scorer = replace(shipped.scorer, id="chosen")
    names = ["chosen" if name == "user" else name for name in shipped.table.column_names]
    table, want = shipped.table.rename_columns(names), shipped.scorer.assign(shipped.table)
    want = want.rename_columns(["chosen_", *want.column_names[1:]])
    assert scorer.assign(table).equals(want)
    batches = table.to_batches(max_chunksize=250)
    assert pa.Table.from_batches(scorer.batches(batches)).equals(want)
    with pytest.raises(InputError, match="id 'chosen' must be unique; got one id at rows 0 and 60"):
        list(scorer.batches([*batches, batches[0]]))


def test_a_wrong_cost_is_named_by_its_row_of_all_batches(shipped):
    costs = replace(shipped.scorer.costs, amount=(1.0, 1.0), column="paid")
    paid = pa.array(np.where(np.arange(len(shipped.table)) == 3, -1.0, 1.0))
    scorer = replace(shipped.scorer, costs=costs)
    with pytest.raises(InputError, match="cost column 'paid' must be a finite amount.*row 1003"):
        scorer.decided(shipped.table.append_column("paid", paid), 1_000)
