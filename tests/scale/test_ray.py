"""A real Ray cluster of two machines (processes here): the bits of the local engine, whatever
dies; what is wrong with a machine, a partition or an address is told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("ray")
from fixtures.scale_workers import Counter, PartitionSum

from equipoise.core.errors import ClusterError, DataError, InputError, MissingExtra
from equipoise.pipeline.holding import hold_units
from equipoise.pipeline.scoring import score_units
from equipoise.scale import dual, hosts, unit_partitions
from equipoise.scale.executor import executor_of
from equipoise.scale.local import LocalExecutor, LocalGroup
from equipoise.scale.partitions import partitions_of
from equipoise.scale.ray_engine import RayExecutor
from equipoise.scale.reduction import pairwise

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines of one CPU each."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
        path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment.setenv("PYTHONPATH", os.pathsep.join(path))
        from ray.cluster_utils import Cluster

        small = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        two: Any = Cluster(initialize_head=True, head_node_args=small, shutdown_at_exit=False)
        two.small = small
        two.second = two.add_node(**small)
        yield two
        two.shutdown()


@pytest.fixture(scope="module")
def executor(cluster: Any) -> Iterator[RayExecutor]:
    """With a process on each machine."""
    with RayExecutor(cluster.address, actors=2) as ray:
        yield ray


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """4,000 rows in two files, in groups of 500."""
    x = np.random.default_rng(0).lognormal(size=4000)
    for name, rows in {"a": x[:2500], "b": x[2500:]}.items():
        pq.write_table(pa.table({"x": rows}), tmp_path / f"{name}.parquet", row_group_size=500)
    return tmp_path


def numbers(executor, folder: Path) -> list[Any]:
    """Sums over partitions, by workers that hold them and by a function of each."""
    parts = partitions_of(folder, 500)
    with executor.group(PartitionSum, parts, "x") as group:
        rounds = [pairwise(group.call("moments", scale), np.add) for scale in (1.0, 0.3)]
    return [*rounds, *executor.run(PartitionSum, parts, "x", what="sums")]


def both(group) -> bool:
    """Whether two processes do the work, some time after one died."""
    end = time.monotonic() + 30
    while len(set(group.call("process"))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    return len(set(group.call("process"))) == 2


def test_the_bits_of_the_local_engine(executor, folder):
    mine, theirs = (numbers(one, folder) for one in (LocalExecutor(), executor))
    assert [a.tobytes() for a in mine[:2]] == [a.tobytes() for a in theirs[:2]]
    assert [a.x.tobytes() for a in mine[2:]] == [a.x.tobytes() for a in theirs[2:]]
    assert theirs[0].flags.writeable
    with executor.group(Counter, range(4), 0) as group:
        assert both(group)


def test_results_come_in_order_and_progress_is_told(executor):
    with executor.group(Counter, range(4), 0) as group:
        assert both(group)
    steps: list[tuple[str, int, int]] = []
    note = lambda *step: steps.append(step)  # noqa: E731
    with executor.group(Counter, range(4), 10, progress=note, what="counts") as group:
        assert group.call("slow_at", 10) == [10, 11, 12, 13]
        assert group.each("plus", [(1,), (2,), (3,), (4,)]) == [11, 13, 15, 17]
        assert dict(group.stream("plus", 0)) == {0: 10, 1: 11, 2: 12, 3: 13}
        assert len(set(group.call("process"))) == 2
    assert [step for step in steps if step[0] == "counts"] == [
        ("counts", i, 4) for i in (1, 2, 3, 4)
    ] * 4
    own = {step[0].partition(" | ") for step in steps if step[0] != "counts"}
    assert len({name for name, _, _ in own}) == 2
    assert all(int(held.removesuffix(" MB")) > 10 for _, _, held in own)


def test_an_error_of_a_worker_arrives_as_it_is(executor):
    with executor.group(Counter, range(3), 0) as group:
        with pytest.raises(DataError) as caught:
            group.call("wrong_at", 1)
        error = caught.value
        assert (error.what, error.must, error.got) == ("a part", "be whole", 1)
        assert (error.where, error.fix) == ("here", "mend it")
        assert "scale_workers.py" in error.__notes__[0]
        assert group.call("plus", 1) == [1, 2, 3]


def test_what_is_sent_may_be_changed_and_stays_as_it_was(executor):
    sent = np.ones(3)
    with executor.group(Counter, range(2), 1) as group:
        assert group.call("raise_in_place", sent) == [6.0, 9.0]
    assert sent.tolist() == [1, 1, 1]


def test_a_partition_that_vanishes_is_told(executor, folder):
    parts = partitions_of(folder, 500)
    with executor.group(PartitionSum, parts[:2], "x") as group:
        group.call("moments", 1.0)
        (folder / "b.parquet").unlink()
        group.call("moments", 2.0)  # held
    with pytest.raises(DataError, match=r"a file must exist; got no such file at .*b\.parquet"):
        executor.run(PartitionSum, parts, "x")


def test_a_process_that_dies_is_replaced_and_its_calls_repeated(executor, folder, tmp_path):
    with executor.group(Counter, range(5), 0) as group:
        assert both(group)
        before = {one["pid"] for one in executor.processes() if one["alive"]}
        assert group.call("die_once", 3, str(tmp_path / "died")) == [0, 1, 2, 3, 4]
        assert both(group), "the one that replaces it has its share"
    now = {one["pid"] for one in executor.processes() if one["alive"]}
    assert len(now & before) == 1
    expected = numbers(LocalExecutor(), folder)
    victim = next(iter(now))
    killer = threading.Timer(0.01, os.kill, (victim, signal.SIGKILL))
    killer.start()
    again = numbers(executor, folder)
    killer.join()
    assert [a.tobytes() for a in again[:2]] == [a.tobytes() for a in expected[:2]]


def test_units_are_assigned_as_by_one_process_though_a_process_dies(executor, shipped, tmp_path):
    """Units by partitions (the contract of `score_units`), a process killed while they are."""
    pq.write_table(shipped.table, tmp_path / "units.parquet", row_group_size=20)
    want = score_units(
        shipped.folder, tmp_path / "units.parquet", tmp_path / "a.parquet", LocalExecutor(), rows=20
    )
    killed: list[int] = []

    def kill(what: str, done: int, total: int) -> None:
        if what == "units" and done == 5:
            killed.append(next(one["pid"] for one in executor.processes() if one["alive"]))
            os.kill(killed[0], signal.SIGKILL)

    said = score_units(
        shipped.folder, tmp_path / "units.parquet", tmp_path / "b.parquet", executor,
        rows=20, progress=kill,
    )  # fmt: skip
    assert killed
    assert said == want
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_an_allocation_over_processes_has_the_bits_of_one_though_one_dies(
    executor, shipped, tmp_path, monkeypatch
):
    """A process is killed in the midst of the rounds: its partitions are made again, and answer for
    the same prices.
    """
    for name, size in (("SAMPLE", 100), ("MOST", 150), ("REPAIRED", 300)):
        for module in (dual, unit_partitions):
            monkeypatch.setattr(module, name, size, raising=False)
    pq.write_table(shipped.table, tmp_path / "units.parquet", row_group_size=50)
    ours, killed = unit_partitions.Partitions.measure, []

    def measure_after_a_kill(self, asked, own):
        if not killed and len(self.plan.starts) > 1 and not isinstance(self.group, LocalGroup):
            victim = next(one for one in executor.processes() if one["alive"] and one["done"])
            os.kill(victim["pid"], signal.SIGKILL)
            killed.append(victim["pid"])
        return ours(self, asked, own)

    monkeypatch.setattr(unit_partitions.Partitions, "measure", measure_after_a_kill)
    tables = []
    for name, engine in (("one", LocalExecutor()), ("two", executor)):
        out = tmp_path / f"{name}.parquet"
        said = hold_units(shipped.folder, tmp_path / "units.parquet", out, engine, rows=120)
        assert said["expected_cost"] <= said["budget"] * (1 + 1e-12)
        tables.append(pq.read_table(out))
    assert killed
    assert tables[0].equals(tables[1])


def test_a_partition_that_ends_every_process_is_given_up(executor, monkeypatch):
    monkeypatch.setattr(hosts, "TRIES", 2)
    with executor.group(Counter, range(4), 0) as group:
        with pytest.raises(ClusterError, match="partition 2 must be done by a process; got 2 that"):
            group.call("die_at", 2)
        assert group.call("plus", 0) == [0, 1, 2, 3]


@pytest.mark.parametrize("thing", [lambda part: part, type("Here", (), {"__module__": "__main__"})])
def test_code_does_not_travel(executor, thing):
    with pytest.raises(InputError, match="what a cluster works with must be importable by name"):
        executor.run(thing, [1])


def test_an_address_where_nobody_answers_is_told():
    """In a process of its own: this one is connected."""
    code = (
        "from equipoise.core.errors import ClusterError\n"
        "from equipoise.scale.executor import executor_of\n"
        "try:\n    executor_of('ray', '127.0.0.1:9')\n"
        "except ClusterError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the address of a cluster must answer; got ")


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"the extra 'scale' must be installed; .*\[scale\]"):
        executor_of("ray")


BLOCK = """
import sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "equipoise" and Path(__file__).with_name("without").exists():
            raise ModuleNotFoundError("No module named 'equipoise'")

sys.meta_path.insert(0, Blocked())
"""


def test_a_machine_unlike_the_others_is_refused(cluster, executor, tmp_path):
    """A third machine, first without Equipoise, then with another numpy."""
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    without = tmp_path / "without"
    without.touch()
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    third = cluster.add_node(**cluster.small | {"num_cpus": 2}, env_vars={"PYTHONPATH": path})
    said = "every machine of a cluster must have Equipoise; got no module 'equipoise'"
    with RayExecutor(actors=2) as there, pytest.raises(MissingExtra, match=said):
        there.run(len, ["a"] * 2)
    without.unlink()
    info = tmp_path / "numpy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    said = f"have the numpy of the driver, {np.__version__}; got 1.0"
    with RayExecutor(actors=2) as there, pytest.raises(ClusterError, match=said):
        there.run(len, ["a"] * 2)
    cluster.remove_node(third, allow_graceful=False)


def test_a_machine_that_dies_leaves_its_work_to_the_others(cluster, executor, folder):
    """No CPU is left for another process: the one of the first machine does all."""
    expected = numbers(LocalExecutor(), folder)
    with executor.group(Counter, range(4), 0) as group:
        assert both(group)
        cluster.remove_node(cluster.second, allow_graceful=False)
        assert group.call("slow_at", 1) == [0, 1, 2, 3]
    again = numbers(executor, folder)
    assert [a.tobytes() for a in again[:2]] == [a.tobytes() for a in expected[:2]]
    assert sum(one["alive"] for one in executor.processes()) == 1
    cluster.second = cluster.add_node(**cluster.small)  # for whichever test comes next


def test_folds_replicates_and_seeds_have_the_bits_of_this_process(executor, tmp_path):
    from equipoise.core.parallel import worked_by
    from equipoise.data import make_coupon_world
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.estimators.bootstrap import bootstrap_effects
    from equipoise.pipeline.study.cross_fit import cross_fit, log_folds, with_space
    from equipoise.reproduce.doses import DOSES
    from equipoise.reproduce.strata import Settings
    from equipoise.treatments import Arms

    log, _ = make_coupon_world(600)
    learner, fold = TLearner(BoostedTrees(5)), log_folds(log, 3, 0)
    X = np.random.default_rng(0).normal(size=(600, 2))
    y, t = np.asarray(log.numbers(log.metrics[0])), log.cells
    settings = Settings("vcnet", methods=("GPS", "DML, cubic"), seeds=(0, 1))

    def found(place: Path) -> list[bytes]:
        fit = cross_fit(log, learner, fold)
        own = bootstrap_effects(
            with_space(learner, Arms([0, 1, 2])), X, y, treatment=t, replicates=4
        )
        assert fit.model.effects(log.table).values.shape == fit.effects.values.shape
        DOSES(settings, place)
        return [
            fit.effects.values.tobytes(),
            fit.model.effects(log.table).values.tobytes(),
            *(one.effects.values.tobytes() for one in fit.swapped),
            own.std_error.tobytes(),
            (place / "results.json").read_bytes(),
        ]

    here = found(tmp_path / "here")
    before = sum(one["done"] for one in executor.processes())
    with worked_by(executor.stream):
        there = found(tmp_path / "there")
    assert here == there
    assert sum(one["done"] for one in executor.processes()) == before + 3 + 4 + 4


def test_a_run_of_closed_arms_trimmed_with_a_start_has_the_bits_of_one_worker(
    executor, tmp_path, monkeypatch
):
    """Where b is closed its propensity is 0; whoever hardly got a or control does not count."""
    from equipoise.pipeline import make_plan, run
    from equipoise.pipeline.bounded import run as bounded

    monkeypatch.setattr(bounded, "PARTITION", 500)
    n, rng = 1_500, np.random.default_rng(0)
    x, opens = rng.normal(size=n), rng.random(n) < 0.6
    p = np.exp(np.column_stack([1.5 * x, 0 * x, -0.5 * x]))
    p[~opens, 2] = 0
    p /= p.sum(axis=1, keepdims=True)
    arm = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    y = x + arm * (1 + x > 0) + rng.normal(size=n)
    columns = {"id": np.arange(n), "arm": np.array(["none", "a", "b"])[arm], "x": x, "y": y}
    columns |= {f"p{i}": p[:, i] for i in range(3)} | {"days": rng.integers(0, 60, n)}
    pq.write_table(pa.table(columns), tmp_path / "log.parquet", row_group_size=500)
    log: dict[str, Any] = {"path": "log.parquet", "treatment": "arm", "outcomes": ["y"]}
    log |= {
        "features": ["x", "days"],
        "id": "id",
        "propensity": ["p0", "p1", "p2"],
        "overlap": "trim",
        "trim_below": 0.05,
    }
    start = {"column": "days", "until": 20, "factor": 3.0, "half_life_days": 10}
    tables: dict[str, Any] = {
        "log": log,
        "space": {"kind": "arms", "labels": ["none", "a", "b"]},
        "policy": {"cost": {"a": 1.0, "b": 2.0}, "budget": {"per_head": 0.4}, "start": start},
        "report": {"explorer": False},
        "run": {"folds": 2, "learn_rows": 600},
    }
    params = {"outcome_model": {"n_estimators": 4, "num_leaves": 4}}
    tables["estimator"] = {"name": "t-learner", "params": params}
    plan, bits = make_plan(tables, base=tmp_path), []
    for name, engine in {"1": LocalExecutor(), "2": LocalExecutor(2), "ray": executor}.items():
        read = run(plan, tmp_path / name, executor=engine)["read"]
        files = sorted(one for one in (tmp_path / name).rglob("*") if one.is_file())
        bits.append({str(one.relative_to(tmp_path / name)): one.read_bytes() for one in files})
        assert bits[-1].pop("times.json")
    assert read["partitions"] == 3
    assert read["left"] > 0
    assert bits[0] == bits[1] == bits[2]
