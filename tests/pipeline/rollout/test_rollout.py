"""A rollout from files to files: seeds, batches, halving, replacement, rollback, replay."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import EquipoiseError, InputError, LogError, PlanError, SnapshotError
from equipoise.operations.design import Traffic
from equipoise.operations.epochs import two_way
from equipoise.pipeline.plan.operations import RolloutPlan
from equipoise.pipeline.rollout.assign import stage_traffic
from equipoise.pipeline.rollout.folder import read_rollout
from equipoise.pipeline.rollout.run import start, step_back, take_step

USERS = 1500
WORTH = {"base": 0.0, "a": 0.1, "b": 0.2, "c": 0.9, "d": 0.3, "e": -0.2, "f": 0.0}
PLAN = """[log]
path = "log.parquet"
treatment = "strategy"
outcomes = ["minutes", "back"]
time = "day"
group = "user"
[rollout]
base = "base"
seeds = ["a", "b", "c", "d", "e", "f"]
batches = 2
every_days = 3
stay = 3
then = [2, 1]
guard = { metric = "back", least = -0.1 }
[rollout.replace]
least_days = 14
stable_days = 3
"""


@pytest.fixture
def begun(tmp_path):
    """A rollout that has just begun."""
    (tmp_path / "plan.toml").write_text(PLAN)
    pq.write_table(pa.table({"user": [f"u{i}" for i in range(USERS)]}), tmp_path / "users.parquet")
    start(tmp_path / "plan.toml", tmp_path / "users.parquet", "2026-11-02", tmp_path / "out")
    return tmp_path


def lived(folder, worth=WORTH) -> pa.Table:
    """What the traffic of a rollout's folder brings, days with an effect of their own."""
    table = pq.read_table(folder / "traffic.parquet")
    day = table["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    rng = np.random.default_rng(int(day[0]))
    gain = np.array([worth[name] for name in table["strategy"].to_pylist()])
    user = np.array([int(name[1:]) for name in table["unit"].to_pylist()])
    minutes = np.sin(user) + np.cos(day) * 3 + gain + rng.normal(size=len(day))
    back = (rng.random(len(day)) < 0.5).astype(int)
    return pa.table({"user": table["unit"], "day": table["day"],
                     "strategy": table["strategy"].cast(pa.string()),
                     "minutes": minutes, "back": back})  # fmt: skip


def run_on(folder, steps=20, worth=WORTH) -> tuple[list[str], pa.Table]:
    """Steps until it is over: what was decided, and the log."""
    logs, decided = [], []
    for _ in range(steps):
        logs.append(lived(folder / "out", worth))
        pq.write_table(pa.concat_tables(logs), folder / "log.parquet")
        rollout, changed = take_step(folder / "out", folder / "log.parquet")
        assert changed
        decided.append(f"{rollout.state.stage} {rollout.state.decision}")
        if rollout.state.stage == "over":
            break
    return decided, pa.concat_tables(logs)


def test_the_best_seed_replaces_the_base_and_gives_way_again(begun):
    decided, _ = run_on(begun)
    assert decided[-1] == "over replace"
    state = read_rollout(begun / "out").state
    assert (state.policy, state.parents) == ("c", ("base",))
    assert not (begun / "out" / "traffic.parquet").exists()
    page = (begun / "out" / "rollout.html").read_text()
    assert "replaces" in page
    assert step_back(begun / "out").state.policy == "base"
    with pytest.raises(InputError, match="have a parent"):
        step_back(begun / "out")


def test_where_nothing_is_worth_more_the_base_stays(begun):
    decided, _ = run_on(begun, worth=dict.fromkeys(WORTH, 0.0))
    assert decided[-1] in ("over keep", "replace wait")
    assert read_rollout(begun / "out").state.policy == "base"


def test_the_same_log_twice_changes_no_byte(begun):
    pq.write_table(lived(begun / "out"), begun / "log.parquet")
    take_step(begun / "out", begun / "log.parquet")
    before = {f.name: f.read_bytes() for f in (begun / "out").iterdir()}
    assert take_step(begun / "out", begun / "log.parquet")[1] is False
    assert before == {f.name: f.read_bytes() for f in (begun / "out").iterdir()}


def test_a_replay_writes_the_same_bytes(begun):
    shutil.copytree(begun / "out", begun / "again")
    pq.write_table(lived(begun / "out"), begun / "log.parquet")
    for name in ("out", "again"):
        take_step(begun / name, begun / "log.parquet")
    files = [{f.name: f.read_bytes() for f in (begun / n).iterdir()} for n in ("out", "again")]
    assert files[0] == files[1]


def test_rows_in_another_order_or_as_csv_say_the_same(begun):
    shutil.copytree(begun / "out", begun / "again")
    log = lived(begun / "out")
    pq.write_table(log, begun / "log.parquet")
    order = pa.array(np.random.default_rng(1).permutation(len(log)))
    pcsv.write_csv(log.take(order), begun / "log.csv")
    one, _ = take_step(begun / "out", begun / "log.parquet")
    other, _ = take_step(begun / "again", begun / "log.csv")
    assert one.state.running == other.state.running
    assert one.traffic.place.tolist() == other.traffic.place.tolist()


def test_users_keep_what_still_runs(begun):
    first = read_rollout(begun / "out").traffic
    pq.write_table(lived(begun / "out"), begun / "log.parquet")
    rollout, _ = take_step(begun / "out", begun / "log.parquet")
    then = rollout.traffic
    names = {name: s for s, name in enumerate(then.strategies)}
    had = np.array([first.strategies[p] for p in first.place[:, 0]])
    got = np.array([then.strategies[p] for p in then.place[:, 0]])
    for name in set(had.tolist()) & set(names):
        count = (then.place[:, 0] == names[name]).sum()
        assert (got[had == name] == name).sum() == min(count, (had == name).sum())


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_what_ranks_is_the_worth_by_weights_and_by_which_way_is_better(begun, better):
    """Minutes count double and back, of which more is better or worse, a thousand times."""
    plan = PLAN.replace(
        '["minutes", "back"]', f'{{ minutes = {{}}, back = {{ better = "{better}" }} }}'
    )
    plan += "[policy]\nweights = { minutes = 2.0, back = 1000.0 }\n"
    (begun / "plan.toml").write_text(plan)
    start(begun / "plan.toml", begun / "users.parquet", "2026-11-02", begun / "new")
    log = lived(begun / "new")
    pq.write_table(log, begun / "log.parquet")
    rollout, _ = take_step(begun / "new", begun / "log.parquet")
    day = log["day"].to_numpy().astype("datetime64[D]").astype(int)
    sign = 1 if better == "higher" else -1
    worth = 2 * log["minutes"].to_numpy() + sign * 1000 * log["back"].to_numpy()
    want = two_way(log["strategy"].to_pylist(), day, worth, base="base")
    seen = rollout.steps[-1]["effects"]
    assert [seen[name]["effect"] for name in want.strategy] == pytest.approx(
        want.effect[:, 0].tolist(), rel=1e-6
    )


def test_the_paths_of_a_plan_start_where_it_lay(begun):
    """Its menu is found, wherever the rollout's folder is."""
    (begun / "plans").mkdir()
    menu = "name,total,count,interval\nbase,0.2,2,4\na,1,3,2\nb,2,4,2\n"
    (begun / "plans" / "menu.csv").write_text(menu)
    plan = PLAN.replace('base = "base"\nseeds = ["a", "b", "c", "d", "e", "f"]\n', "")
    plan = plan.replace("batches = 2", "batches = 1").replace("stay = 3", "stay = 2")
    plan += '[space]\nkind = "schedule"\nmenu = "menu.csv"\n'
    (begun / "plans" / "plan.toml").write_text(plan)
    place = begun / "far" / "away" / "out"
    start(begun / "plans" / "plan.toml", begun / "users.parquet", "2026-11-02", place)
    pq.write_table(lived(place), begun / "log.parquet")
    take_step(place, begun / "log.parquet")
    assert read_rollout(place).state.rules.seeds == ("a", "b")


def test_a_stage_that_is_not_over_waits_and_its_traffic_stays(begun):
    log = lived(begun / "out")
    day = np.unique(log["day"].to_numpy())[0]
    first = log.filter(pa.array(log["day"].to_numpy() == day))
    pq.write_table(first, begun / "log.parquet")
    before = (begun / "out" / "traffic.parquet").read_bytes()
    rollout, changed = take_step(begun / "out", begun / "log.parquet")
    assert changed
    assert rollout.state.decision == "wait"
    assert (begun / "out" / "traffic.parquet").read_bytes() == before


def test_an_edited_state_is_refused(begun):
    file = begun / "out" / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"policy": "c"}))
    with pytest.raises(SnapshotError, match="as it was written"):
        read_rollout(begun / "out")
    file.write_text(json.dumps(state | {"version": 99}))
    with pytest.raises(SnapshotError, match="version"):
        read_rollout(begun / "out")
    file.write_text("{")
    with pytest.raises(SnapshotError, match="JSON"):
        read_rollout(begun / "out")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda t: t.filter(pa.array(np.array(t["strategy"].to_pylist()) != "base")), LogError,
         "base"),
        (lambda t: t.set_column(2, "strategy", pa.array(["z"] * len(t))), EquipoiseError, "base"),
        (lambda t: t.drop_columns(["back"]), LogError, "'back'"),
        (lambda t: t.slice(0, 0), EquipoiseError, "rows"),
    ],
)  # fmt: skip
def test_a_log_that_cannot_be_read_changes_nothing(begun, change, error, match):
    before = {f.name: f.read_bytes() for f in (begun / "out").iterdir()}
    pq.write_table(change(lived(begun / "out")), begun / "log.parquet")
    with pytest.raises(error, match=match):
        take_step(begun / "out", begun / "log.parquet")
    assert before == {f.name: f.read_bytes() for f in (begun / "out").iterdir()}


def test_a_log_that_runs_backwards_is_refused(begun):
    log = lived(begun / "out")
    pq.write_table(log, begun / "log.parquet")
    take_step(begun / "out", begun / "log.parquet")
    day = log["day"].to_numpy()
    pq.write_table(log.filter(pa.array(day < day.max())), begun / "log.parquet")
    with pytest.raises(InputError, match="reach day"):
        take_step(begun / "out", begun / "log.parquet")


@pytest.mark.parametrize(
    ("old", "new", "error", "match"),
    [
        ('seeds = ["a", "b", "c", "d", "e", "f"]\n', "", PlanError, "base and seeds"),
        ("stay = 3", "stay = 1", InputError, "fall and be 1 or more"),
        ("batches = 2", "batches = 9", InputError, "1..6"),
        ('metric = "back"', 'metric = "bak"', PlanError, "did you mean 'back'"),
        ('group = "user"\n', "", PlanError, "column of units"),
        ("every_days = 3", "every_days = 0", PlanError, "every_days"),
        ("[rollout]\n", '[rollout]\ndesign = "helt"\n', PlanError, "design"),
        ("[rollout]\n", '[rollout]\ndesign = "rotate"\n', InputError, "missing"),
    ],
)
def test_a_wrong_plan_begins_nothing(begun, old, new, error, match):
    (begun / "plan.toml").write_text(PLAN.replace(old, new))
    with pytest.raises(error, match=match):
        start(begun / "plan.toml", begun / "users.parquet", "2026-11-02", begun / "new")
    assert not (begun / "new").exists()


def test_a_day_is_a_date_or_a_number(begun):
    for day in ("tomorrow", "2026-13-01", ""):
        with pytest.raises(InputError, match="the first day"):
            start(begun / "plan.toml", begun / "users.parquet", day, begun / "new")
    rollout = start(begun / "plan.toml", begun / "users.parquet", "7", begun / "new")
    assert rollout.traffic.days.tolist() == [7, 8, 9]
    assert pq.read_table(begun / "new" / "traffic.parquet")["day"].type == pa.int64()


def test_too_few_units_are_refused(begun):
    pq.write_table(pa.table({"user": ["u1", "u2"]}), begun / "few.parquet")
    with pytest.raises(InputError, match="be enough for"):
        start(begun / "plan.toml", begun / "few.parquet", "7", begun / "new")


def test_the_shares_of_the_next_stage_are_met_by_moving_as_few_as_can_be():
    rng = np.random.default_rng(0)
    plan = RolloutPlan(base_share="equal")
    for seed in range(30):
        n = int(rng.integers(20, 200))
        units = np.array([f"{i:03d}" for i in range(n)])
        first: Traffic = stage_traffic(plan, ("base", "a", "b"), units, np.arange(2), seed)
        then = stage_traffic(plan, ("base", "b", "c", "d"), units, np.arange(2, 4), seed + 1, first)
        count = np.bincount(then.place[:, 0], minlength=4)
        assert count.max() - count.min() <= 1
        had = np.array(first.strategies)[first.place[:, 0]]
        got = np.array(then.strategies)[then.place[:, 0]]
        for name, c in zip(then.strategies, count, strict=True):
            assert ((had == name) & (got == name)).sum() == min(c, (had == name).sum())
