"""Shrunk DML of many alike treatments beside the Gram matrix that it streams.

20 features, 21 schedules of red packets encoded by nine columns (logs of total, count and interval,
their squares and products), two metrics, record batches of 50,000 rows.

    schedule_dml_over_gram      fit_batches of `PooledDML` (three walks over the rows, the choice of
                                penalties, the level under control) over one walk that only sums the
                                Gram matrix of the same 9 x 21 columns and their moments
    schedule_dml_over_dml       the same over fit_batches of `LinearDML`, with standard errors
    schedule_choice_seconds     the choice of penalties alone; own deviations: 30 x 21 columns
    rollout_next_seconds        `equipoise rollout next` by a log of as many rows: four days of its
                                first stage, files read and written
    monitor_seconds             `equipoise monitor` of as many rows: 40 days

CPU time of the process, one thread, contenders in turn, ratios of medians with the range of the
rounds' own ratios.  Quick: 200,000 rows, 3 rounds; FULL=1: 1,000,000 rows, 5 rounds.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from equipoise.estimators import LinearDML, PooledDML  # noqa: E402
from equipoise.estimators.dml import gram, passes, penalties  # noqa: E402
from equipoise.estimators.dml.batches import Source  # noqa: E402
from equipoise.pipeline.monitor.run import monitor  # noqa: E402
from equipoise.pipeline.rollout.run import start, take_step  # noqa: E402
from equipoise.treatments import Arms, read_menu  # noqa: E402

PLAN = Path(__file__).parents[1] / "examples" / "packets.toml"

ROWS, ROUNDS = (1_000_000, 5) if full() else (200_000, 3)
FEATURES, SCHEDULES, BATCH, SEED = 20, 21, 50_000, 0
OUTCOMES = ("back", "cost")


class Menu(Arms):
    """Schedules by number, encoded by logs of total, count and interval with crosses."""

    def encode(self, treatment: Any) -> Any:
        """The nine columns less those of control, (n, 9)."""
        rng = np.random.default_rng(SEED)
        logs = np.log(rng.uniform([0.2, 1, 0.5], [3, 8, 4], (SCHEDULES, 3)))
        rows, columns = np.triu_indices(3)
        table = np.hstack([logs, logs[:, rows] * logs[:, columns]])
        return (table - table[0])[self.cells(treatment)]


def log() -> pa.Table:
    """The rows, as a table."""
    rng = np.random.default_rng(SEED)
    X, t = rng.standard_normal((ROWS, FEATURES)), rng.integers(SCHEDULES, size=ROWS)
    phi = Menu(range(SCHEDULES)).encode(t)
    y = 0.1 * phi[:, :2] * (1 + 0.2 * X[:, :2]) + rng.standard_normal((ROWS, 2))
    columns = {f"x{j}": X[:, j] for j in range(FEATURES)}
    return pa.table(columns | {"schedule": t, "back": y[:, 0], "cost": y[:, 1]})


def contenders(table: pa.Table) -> dict[str, Callable[[], Any]]:
    """What learns from the table, by name."""
    space = Menu(range(SCHEDULES))

    def batches() -> Iterable[pa.RecordBatch]:
        return table.to_batches(max_chunksize=BATCH)

    def bare() -> Any:
        source = Source(batches, "schedule", OUTCOMES, None, None, space, 5, SEED)
        q, one = 1 + FEATURES, np.ones((1, BATCH))
        layout = gram.Layout(np.arange(9), np.arange(0), q, np.arange(0))
        sums, moments = gram.KroneckerSums(layout, 1), np.zeros((9 * q, len(OUTCOMES)))
        zero, unit = np.zeros(FEATURES), np.ones(FEATURES)
        for block in passes.blocks(source.parts):
            z = block.turned([block.part.X], zero, unit, head=1)
            t, y = block.plain(block.part.phi), block.plain(block.part.y)
            sums.add(t, z, one[:, : len(block.rows)])
            moments += gram.moment(t, z, y, layout)
        return sums.grams(), moments

    def fit(estimator: LinearDML) -> Any:
        return estimator.fit_batches(batches, treatment="schedule", outcomes=OUTCOMES)

    return {
        "gram": bare,
        "pooled": lambda: fit(PooledDML(space=space)),
        "least squares": lambda: fit(LinearDML(space=space)),
    }


def choice(own: int) -> float:
    """CPU seconds of one choice of penalties."""
    p, q, m = 9 + own, 1 + FEATURES, len(OUTCOMES)
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((5, 2 * p * q, p * q))
    y = rng.standard_normal((5, 2 * p * q, m))
    turned = rows.transpose(0, 2, 1)
    products = penalties.Products(turned @ rows, turned @ y, np.square(y).sum(axis=1), 10 * p * q)
    kinds = penalties.Kinds(np.arange(p * q) % q > 0, np.arange(p * q) >= 9 * q)
    began = time.process_time()
    penalties.choose(products, kinds)
    return time.process_time() - began


def daily_rows(units: Any, days: Any, strategies: Any) -> pa.Table:
    """Rows of the example's log, with outcomes that nothing moves."""
    rng = np.random.default_rng(SEED)
    n = len(units)
    some = rng.random((n, 3))
    columns = {"user": units, "day": days, "strategy": strategies, "thrift": some[:, 0]}
    columns |= {"back": (some[:, 1] < 0.5).astype(float), "cost": some[:, 2]}
    columns |= {
        "evening": some[:, 1],
        "activity": np.array(["light", "heavy"])[rng.integers(2, size=n)],
    }
    return pa.table({**columns, "minor": np.where(some[:, 0] < 0.1, "yes", "no")})


def rollout_next(folder: Path) -> float:
    """CPU seconds of one step of a rollout."""
    units = np.array([f"u{i:07d}" for i in range(ROWS // 4)])
    pq.write_table(pa.table({"user": units}), folder / "users.parquet")
    traffic = start(PLAN, folder / "users.parquet", "0", folder / "rollout").traffic
    if traffic is None:
        raise RuntimeError("a rollout begins with traffic")
    names = np.array(traffic.strategies)
    logs = [
        daily_rows(traffic.units, np.full(len(units), day), names[traffic.place[:, j]])
        for j, day in enumerate(traffic.days)
    ]
    pq.write_table(pa.concat_tables(logs), folder / "log.parquet")
    began = time.process_time()
    take_step(folder / "rollout", folder / "log.parquet")
    return time.process_time() - began


def watched(folder: Path) -> float:
    """CPU seconds of a monitor."""
    units, rng = np.array([f"u{i:07d}" for i in range(ROWS // 40)]), np.random.default_rng(SEED)
    names = np.array(list(read_menu(PLAN.with_name("packets_menu.csv"))))
    logs = [
        daily_rows(
            units, np.full(len(units), day), names[rng.integers(len(names), size=len(units))]
        )
        for day in range(40)
    ]
    pq.write_table(pa.concat_tables(logs), folder / "days.parquet")
    began = time.process_time()
    monitor(PLAN, folder / "days.parquet", folder / "watched")
    return time.process_time() - began


def of_files() -> list[dict[str, Any]]:
    """Figures of what reads and writes files."""
    with TemporaryDirectory() as place:
        seconds = {"rollout_next": rollout_next(Path(place)), "monitor": watched(Path(place))}
    return [
        figure(f"{name}_seconds", value, unit="CPU s", n=ROWS) for name, value in seconds.items()
    ]


def main() -> None:
    """Time in turn, record."""
    every = contenders(log())
    rounds = []
    for _ in range(1 + ROUNDS):
        seconds = {}
        for name, learn in every.items():
            began = time.process_time()
            learn()
            seconds[name] = time.process_time() - began
        rounds.append(seconds)
    figures = []
    for name, against in (("gram", "gram"), ("dml", "least squares")):
        ratios = [one["pooled"] / one[against] for one in rounds[1:]]
        medians = [statistics.median(one[key] for one in rounds[1:]) for key in ("pooled", against)]
        figures.append(
            figure(
                f"schedule_dml_over_{name}",
                medians[0] / medians[1],
                low=min(ratios),
                high=max(ratios),
                unit="x",
                against=against,
                n=ROWS,
            )
        )
    for own in (0, SCHEDULES):
        figures.append(
            figure(
                "schedule_choice_seconds" + ("_own" if own else ""),
                choice(own),
                unit="CPU s",
                n=own,
            )
        )
    figures += of_files()
    protocol = " ".join((__doc__ or "").split())
    record("incentives_speed", protocol, versions("equipoise", "numpy", "numba"), [SEED], figures)
    for one in figures:
        print(one["name"], round(one["value"], 2), one["low"], one["high"])


if __name__ == "__main__":
    main()
