"""Prices of all rows outside the sample: the demands of the plan hold on these people as a whole.

Prices of a sample carry a demand over on average only: of 100,000 rows they miss a budget by a
part in a hundred, which so many judged rows tell from nothing.  So what the rule that ships is made
of (the worth and the cost of each offer to each row, by the model) is kept of every row, and the
prices are found on them all (`scale.dual`).  No outcome of these rows is looked at: effects are the
model's, and the model is the sample's.  Given the sample and the features the rule is fixed, so the
outcomes judge it as before.

A price that cuts equal units is one of last bits, and sums of floating point hang on their order.
So units are put in the order of the hash of what names them, in parts of a range of hashes each:
neither the order of rows nor how they lie in files changes a bit of a price, where rows have ids.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.constraints import Constraint
from equipoise.allocation.hashing import Words
from equipoise.allocation.parts import PartBuilder, UnitPart, unit_part
from equipoise.allocation.rule import net_value, tie_draws
from equipoise.allocation.solver.ties import break_ties
from equipoise.artifacts.policy import Decided
from equipoise.core.arrays import Floats, Ints
from equipoise.core.policy import Policy
from equipoise.core.progress import Progress
from equipoise.pipeline.bounded.kept import Answer, Kept
from equipoise.scale.dual import PartitionedAllocation, solve_partitions
from equipoise.scale.executor import Executor

UNITS, ORDERED = "units", "ordered"  # of a table of an answer; of the work kept
KEY, ABOUT = "key", b"equipoise.kinds"


def counted_metrics(policy: Policy) -> tuple[str, ...]:
    """The metrics that a policy's demands count, in order."""
    named = (demand.metric for demand in policy.demands)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def worth_of(policy: Policy, given: Decided) -> Floats:
    """What each candidate is worth to each unit before prices, (n, k)."""
    return net_value(policy, given.effects, given.groups, given.weights, given.expected)


def units_priced(policy: Policy, given: Decided, at: Ints) -> UnitPart:
    """What prices are made of, of units ``at``: worths less what the rule takes from them to tell
    equal units apart.
    """
    draws = tie_draws(policy, len(given.effects), given.ids)
    worth = break_ties(worth_of(policy, given), policy.tie_penalty, draws)
    effects, metrics = given.effects, counted_metrics(policy)
    cube = [effects.metric(name) for name in metrics]
    if policy.lower and effects.std_error is not None:
        places = [effects.metrics.index(name) for name in metrics]
        errors = (policy.lower * effects.std_error[:, :, j] for j in places)
        cube = [value - error for value, error in zip(cube, errors, strict=True)]
    named = dict.fromkeys(d.column for d in policy.demands if d.column is not None)
    return unit_part(
        worth[at],
        cost=given.expected[at],
        cube=np.stack(cube, axis=2)[at] if cube else None,
        groups={name: given.groups[name][at] for name in named},
        eligible=None if given.open_to is None else given.open_to[at],
    )


def taken(units: UnitPart, at: Ints) -> UnitPart:
    """Some units."""
    rows = {name: getattr(units, name) for name in ("worth", "cost", "cube", "kind")}
    n = len(units)
    return replace(units, **{name: own[at] if len(own) == n else own for name, own in rows.items()})


def units_table(units: UnitPart, keys: Words) -> pa.Table:
    """Units in the order of their keys (n,) as a table of one chunk, which can be read where it
    lies.
    """
    order = np.argsort(keys, kind="stable")
    units, keys = taken(units, order), keys[order]
    (n, k), q = units.worth.shape, units.cube.shape[2]
    columns = {"worth": units.worth, "cost": np.broadcast_to(units.cost, (n, k))}
    if len(units.cube) == n:
        columns["cube"] = units.cube.reshape(n, k * q)
    arrays = {
        name: pa.FixedSizeListArray.from_arrays(
            pa.array(np.ascontiguousarray(values).ravel()), values.shape[1]
        )
        for name, values in columns.items()
    }
    kinds = [
        [list(labels), np.frombuffer(opens, np.bool_).tolist()] for labels, opens in units.kinds
    ]
    about = {"columns": list(units.columns), "kinds": kinds, "candidates": k, "counted": q}
    table = pa.table({**arrays, "kind": pa.array(units.kind), KEY: pa.array(keys)})
    return table.replace_schema_metadata({ABOUT: json.dumps(about).encode()})


def read_units(file: str) -> UnitPart:
    """The units of a table on disk, which are not copied into memory."""
    return units_of(read_table(file))


def read_table(file: str | Path) -> pa.Table:
    """A table on disk, where it lies."""
    return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()


def units_of(table: pa.Table) -> UnitPart:
    """The units of a table, or of rows of it that follow each other."""
    about = json.loads(table.schema.metadata[ABOUT])
    k, n = int(about["candidates"]), table.num_rows

    def values(name: str) -> Any:
        chunks = table[name].chunks
        flat = chunks[0].flatten() if chunks else pa.array([], pa.float64())
        return flat.to_numpy(zero_copy_only=True)

    counted = "cube" in table.column_names
    cube = values("cube").reshape(n, k, about["counted"]) if counted else np.zeros((1, k, 1))
    kinds = tuple((tuple(labels), np.array(o, np.bool_).tobytes()) for labels, o in about["kinds"])
    kind = table["kind"].to_numpy()
    columns = tuple(about["columns"])
    worth, cost = (values(name).reshape(n, k) for name in ("worth", "cost"))
    return UnitPart(worth, cost, cube, kind, columns, kinds)


@dataclass(frozen=True)
class Ordering:
    """Puts units of all files together whose keys lie in a range.   part : its number, and of how
    many.   files : of units in the order of their keys.
    """

    part: tuple[int, int]
    files: tuple[str, ...]

    def answer(self) -> Answer:
        """These units, in the order of their keys."""
        low, high = (2**64 * end // self.part[1] for end in (self.part[0], self.part[0] + 1))
        units, keys = PartBuilder(), [np.zeros(0, np.uint64)]
        for file in self.files:
            table = read_table(file)
            every = table[KEY].to_numpy()
            first = np.searchsorted(every, np.uint64(low))
            last = np.searchsorted(every, np.uint64(high - 1), side="right")
            units.add(units_of(table.slice(first, last - first)))
            keys.append(every[first:last])
        return Answer({}, {UNITS: units_table(units.build(), np.concatenate(keys))})


def ordered(kept: Kept, files: Sequence[Path], stage: str, most: int) -> list[Path]:
    """Files of units in the order of their keys through all of them, about so many in each at most,
    of such files in each of which they are in order.
    """
    many = sum(read_table(file).num_rows for file in files)
    count = max(1, -(-many // most))
    if len(files) == count == 1:
        return list(files)
    parts = [(number, count) for number in range(count)]
    for _ in kept.each(stage, Ordering, parts, tuple(map(str, files)), "order"):
        pass
    return [kept.table_file(stage, number, UNITS) for number in range(count)]


def nothing(units: UnitPart, choice: Any, score: Floats) -> None:
    """What workers hand over: the rule gives the choices again."""


def priced(
    policy: Policy,
    constraints: Sequence[Constraint],
    files: Sequence[Path],
    executor: Executor,
    progress: Progress,
) -> tuple[Policy, PartitionedAllocation | None]:
    """The policy with the demands of all units of files, and prices that make them hold there, and
    how they were found; as it is where it has no demands, or gives nobody an offer.
    """
    if not policy.demands or not any(policy.weights):
        return policy, None
    found = solve_partitions(
        [str(file) for file in files],
        constraints,
        candidates=policy.candidates,
        metrics=counted_metrics(policy),
        load=read_units,
        deliver=nothing,
        executor=executor,
        warm=dict(zip((d.name for d in policy.demands), policy.prices, strict=True)),
        hold=True,
        progress=progress,
    )
    own = replace(found, bound=found.bound + policy.tie_penalty * found.units)
    prices = tuple(map(float, found.held_prices))
    return replace(policy, demands=found.demands, prices=prices, threshold=0.0), own
