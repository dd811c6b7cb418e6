"""Prices of all rows outside the sample: the demands of the plan hold on these people as a whole.

Prices of a sample carry a demand over on average only: of 100,000 rows they miss a budget by a
part in a hundred, which so many judged rows tell from nothing.  So what the rule that ships is made
of (the worth and the cost of each offer to each row, by the model) is kept of every row, and the
prices are found on them all (`scale.dual`).  No outcome of these rows is looked at: effects are the
model's, and the model is the sample's.  Given the sample and the features the rule is fixed, so the
outcomes judge it as before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.constraints import Constraint
from equipoise.allocation.parts import UnitPart, unit_part
from equipoise.allocation.rule import net_value, tie_draws
from equipoise.allocation.solver.ties import break_ties
from equipoise.artifacts.policy import Decided
from equipoise.core.arrays import Floats, Ints
from equipoise.core.policy import Policy
from equipoise.core.progress import Progress
from equipoise.scale.dual import PartitionedAllocation, solve_partitions
from equipoise.scale.executor import Executor

UNITS = "units"  # of a table of an answer
ABOUT = b"equipoise.kinds"


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


def units_table(units: UnitPart) -> pa.Table:
    """Units as a table of one chunk, which can be read where it lies."""
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
    table = pa.table({**arrays, "kind": pa.array(units.kind)})
    return table.replace_schema_metadata({ABOUT: json.dumps(about).encode()})


def read_units(file: str) -> UnitPart:
    """The units of a table on disk, which are not copied into memory."""
    table = pa.ipc.open_stream(pa.memory_map(file)).read_all()
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
