"""The folder of a rollout, written whole at every step.

plan.toml         the plan as it was at the start
state.json        where it stands, with a digest: a state that was edited is refused
steps.json        what every step decided, and the effects it saw
traffic.parquet   unit, day, strategy, measured: until the next step
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.snapshot import Earlier, replacing
from equipoise.operations.design import Traffic
from equipoise.operations.stages import RolloutState
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan.schema import Plan

PLAN, STATE, STEPS, TRAFFIC, PAGE = (
    "plan.toml",
    "state.json",
    "steps.json",
    "traffic.parquet",
    "rollout.html",
)
FILES = {PLAN, STATE, STEPS, TRAFFIC, PAGE}


def _is_rollout(place: Path) -> bool:
    names = {entry.name for entry in place.iterdir()} if place.is_dir() else set()
    return STATE in names and names <= FILES


EARLIER_ROLLOUT = Earlier("an earlier rollout's folder", _is_rollout)


@dataclass(frozen=True)
class RolloutFolder:
    """What a rollout's folder holds.

    plan : as it was at the start.   text : of it.   state : where it stands.   steps : one of each
    decision.   traffic : until the next step; None once it is over.   dates : whether days are.
    """

    plan: Plan
    text: str
    state: RolloutState
    steps: list[dict[str, Any]]
    traffic: Traffic | None
    dates: bool

    def day(self, number: int) -> str:
        """A day as the log has it."""
        return str(np.datetime64(number, "D")) if self.dates else str(number)


def read_rollout(place: Path | str) -> RolloutFolder:
    """Read a rollout's folder.

    Parameters
    ----------
    place : path
        The folder.

    Returns
    -------
    RolloutFolder
        Checked.

    Raises
    ------
    InputError
        Where it is no rollout's folder.
    SnapshotError
        Where its state was edited, or is of a newer version.
    """
    folder = Path(place)
    if not _is_rollout(folder):
        fix = "begin one with `equipoise rollout start`"
        raise InputError("a rollout", "be a folder with state.json", str(folder), fix=fix)
    text = (folder / PLAN).read_text(encoding="utf-8")
    steps = _json(folder / STEPS)
    base = folder.parent / str(steps.get("base", "."))  # where the plan's own paths start
    plan = make_plan(tomllib.loads(text), base=base, text=text, where=str(folder / PLAN))
    state = RolloutState.from_json(_json(folder / STATE))
    table = None
    if state.stage != "over":
        if not (folder / TRAFFIC).is_file():
            must = "hold the traffic of its stage"
            raise SnapshotError("a rollout", must, f"no {TRAFFIC}", str(folder), "restore it")
        table = pq.read_table(folder / TRAFFIC)
    return RolloutFolder(
        plan,
        text,
        state,
        steps["steps"],
        None if table is None else _traffic(table),
        steps["dates"],
    )


def write_rollout(place: Path | str, rollout: RolloutFolder, page: str) -> None:
    """Write the folder, whole or not at all.   page : the HTML page."""
    with replacing(place, EARLIER_ROLLOUT) as folder:
        folder.mkdir()
        (folder / PLAN).write_text(rollout.text, encoding="utf-8")
        (folder / STATE).write_text(_text(rollout.state.to_json()), encoding="utf-8")
        base = os.path.relpath(rollout.plan.base.resolve(), Path(place).resolve().parent)
        steps = {"dates": rollout.dates, "base": base, "steps": rollout.steps}
        (folder / STEPS).write_text(_text(steps), encoding="utf-8")
        (folder / PAGE).write_text(page, encoding="utf-8")
        if rollout.traffic is not None:
            table = rollout.traffic.table()
            if rollout.dates:
                day = pa.array(rollout.traffic.days.astype("datetime64[D]"))
                days = day.take(pa.array(np.tile(np.arange(len(day)), len(rollout.traffic.units))))
                table = table.set_column(table.column_names.index("day"), "day", days)
            pq.write_table(table, folder / TRAFFIC, compression="zstd")


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fix = "restore it; a rollout is steered by its plan and log alone"
        raise SnapshotError("a rollout's file", "be JSON", str(error), str(file), fix) from error


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _traffic(table: pa.Table) -> Traffic:
    """The inverse of `Traffic.table`."""
    column = table["strategy"].combine_chunks()
    names = tuple(column.dictionary.to_pylist())
    unit = np.asarray(table["unit"].to_pylist(), dtype=np.str_)
    day = table["day"].to_numpy()
    if day.dtype.kind == "M":
        day = day.astype("datetime64[D]").astype(np.int64)
    days = np.unique(day)
    shape = (-1, len(days))
    place = column.indices.to_numpy().astype(np.int64).reshape(shape)
    measured = table["measured"].to_numpy().reshape(shape)
    return Traffic(unit.reshape(shape)[:, 0], days, names, place, measured)
