"""The units of an explorer: what a run keeps of its log so that other budgets, weights, floors and
caps can be tried on it, by the service and by the report.

Effects are out of fold and scores are doubly robust, as those that the policy is judged by; of more
than 200,000 units a sample is kept.  As a file they are Parquet, floats in 32 bits, with the plan's
demands and names in the schema's metadata; no unit has its id there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise.allocation import Explorer, Keep, UnitScores, budget, cap, ceiling, floor
from equipoise.allocation.constraints import Constraint, constraint_from_json
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import DataError

EXPLORER = "explorer.parquet"
FORMAT = 1
ABOUT = b"equipoise.explorer"
MOST = 200_000  # units that a file holds
OPTIONAL = ("std_error", "eligible", "previous", "importance", "weight", "cluster")
Labels = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ExplorerUnits:
    """Units to explore on.

    Attributes
    ----------
    effects : Effects
        Of n units under k candidates, out of fold.
    cost : array, (n, k)
        Expected costs.
    scores : UnitScores
        Doubly robust, of the metrics and the cost.
    weights : dict of str to float
        Of the plan: the worth of one unit of each metric.
    constraints : tuple of Constraint
        The plan's demands.
    groups : mapping
        Column -> labels (n,), where a demand names it.
    by : mapping
        Column -> labels (n,), by which who gets what is counted.
    eligible : array of bool, (n, k), or None
        Whether a candidate is open to a unit.
    keep : Keep or None
        The choices in force and the bonus for staying.
    importance : array, (n,), or None
        How often each unit's worth counts.
    lower, cost_weight : float
        As of the policy.
    about : dict
        "metrics" (name, unit, kind, better), "currency", "level", "control", "title", "worth": what
        one of a plan's weight is of ``weights``, and "money": the metrics by which, where any is
        weighed, the objective is in the money of the costs, and so net of them.
    of : int
        How many units these were drawn from.

    Examples
    --------
    >>> gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    >>> effects = Effects(gain, np.zeros((3, 1)), ("mail",), ("spend",))
    >>> scores = UnitScores(("spend",), gain)
    >>> units = ExplorerUnits(effects, np.ones((3, 1)), scores, {"spend": 1.0})
    >>> units.explorer().names
    ('budget', 'floor of spend', 'cap on mail')
    """

    effects: Effects
    cost: Floats
    scores: UnitScores
    weights: dict[str, float]
    constraints: tuple[Constraint, ...] = ()
    groups: Labels = field(default_factory=dict)
    by: Labels = field(default_factory=dict)
    eligible: Bools | None = None
    keep: Keep | None = None
    importance: Floats | None = None
    lower: float = 0.0
    cost_weight: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)
    of: int = 0

    def __len__(self) -> int:
        return len(self.effects)

    def take(self, rows: Ints) -> ExplorerUnits:
        """Some of the units.

        Parameters
        ----------
        rows : array of int
            Which.

        Returns
        -------
        ExplorerUnits
            With ``of`` as it was, and the demands that count some of them.
        """
        keep = None if self.keep is None else Keep(self.keep.previous[rows], self.keep.bonus)
        groups = {name: labels[rows] for name, labels in self.groups.items()}
        return ExplorerUnits(
            self.effects.take(rows),
            self.cost[rows],
            self.scores.take(rows),
            self.weights,
            tuple(constraint for constraint in self.constraints if constraint.applies(groups)),
            groups,
            {name: labels[rows] for name, labels in self.by.items()},
            None if self.eligible is None else self.eligible[rows],
            keep,
            None if self.importance is None else self.importance[rows],
            self.lower,
            self.cost_weight,
            self.about,
            self.of or len(self),
        )

    def signs(self) -> dict[str, float]:
        """Which way each metric is better.

        Returns
        -------
        dict of str to float
            1, or -1 where lower is better.
        """
        lower = {m["name"] for m in self.about.get("metrics", ()) if m["better"] == "lower"}
        return {name: -1.0 if name in lower else 1.0 for name in self.weights}

    def cost_weight_of(self, weights: Mapping[str, float]) -> float:
        """What a unit of cost takes from the worth under some weights, as in a plan with them.

        Parameters
        ----------
        weights : mapping
            Metric -> the worth of one unit of it.

        Returns
        -------
        float
            1 where the objective is then in money, else 0; the units' own where nothing is known
            of money.
        """
        names = self.about.get("money")
        if names is None:
            return self.cost_weight
        return float(any(weights.get(name) for name in names))

    def explorer(self) -> Explorer:
        """What answers questions: the plan's demands, and a budget, floors and caps where it has
        none.

        Returns
        -------
        Explorer
            On these units.
        """
        return Explorer(
            self.effects,
            [*self.constraints, *self.extra()],
            cost=self.cost,
            groups=self.groups,
            scores=self.scores,
            by=self.by,
            eligible=self.eligible,
            keep=self.keep,
            importance=self.importance,
            lower=self.lower,
            cost_weight=self.cost_weight,
        )

    def extra(self) -> list[Constraint]:
        """Demands that the plan does not have and a person may try, with bounds of 0.

        Returns
        -------
        list of Constraint
            A budget, a floor of every metric, a cap on every candidate.
        """
        own = [d for constraint in self.constraints for d in constraint.rows(self.groups)]
        extra: list[Constraint] = []
        if not any(demand.kind == "budget" for demand in own):
            unit = str(self.about.get("currency", ""))
            extra.append(budget(0.0, per_head=True, unit=unit))
        units = {metric["name"]: metric["unit"] for metric in self.about.get("metrics", ())}
        for name, sign in self.signs().items():
            make = floor if sign > 0 else ceiling
            if not any(demand.metric == name for demand in own):
                extra.append(make(name, 0.0, per_head=True, unit=units.get(name, "")))
        capped = {demand.candidate for demand in own if demand.kind == "cap"}
        named = [name for name in self.effects.candidates if name not in capped]
        return [*extra, *(cap(name, 1.0, per_head=True) for name in named)]

    def start(self) -> dict[str, float | None]:
        """The bounds of the plan, by which the rest is off.

        Returns
        -------
        dict of str to None
            Every demand that the plan does not have.
        """
        rows = [row for constraint in self.extra() for row in constraint.rows({})]
        return {demand.name: None for demand in rows}


def write_explorer(path: Path | str, units: ExplorerUnits | None, seed: int = 0) -> None:
    """Write units to a file.

    Parameters
    ----------
    path : path
        The Parquet file.
    units : ExplorerUnits or None
        Of more than 200,000 a sample is written; without any there is no file.
    seed : int, default 0
        Of the sample.
    """
    if units is None:
        return
    if len(units) > MOST:
        units = units.take(np.sort(np.random.default_rng(seed).permutation(len(units))[:MOST]))
    columns: dict[str, Any] = {
        "effects": _lists(units.effects.values),
        "cost": _lists(units.cost),
        "gains": _lists(units.scores.gains),
    }
    optional = {
        "std_error": units.effects.std_error if units.lower > 0 else None,
        "eligible": units.eligible,
        "previous": None if units.keep is None else units.keep.previous,
        "importance": units.importance,
        "weight": units.scores.weight,
        "cluster": units.scores.cluster,
    }
    for name, array in optional.items():
        if array is not None:
            columns[name] = _lists(array) if array.ndim > 1 else pa.array(array)
    for prefix, labels in (("group", units.groups), ("by", units.by)):
        for name, label in labels.items():
            columns[f"{prefix}:{name}"] = pa.array(label.astype(str)).dictionary_encode()
    about = {
        "format": FORMAT,
        "candidates": units.effects.candidates,
        "metrics": units.effects.metrics,
        "scored": units.scores.names,
        "weights": units.weights,
        "constraints": [constraint.to_json() for constraint in units.constraints],
        "bonus": None if units.keep is None else units.keep.bonus,
        "lower": units.lower,
        "cost_weight": units.cost_weight,
        "of": units.of or len(units),
        "about": units.about,
    }
    table = pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(about).encode()})
    pq.write_table(table, path, compression="zstd")


def read_explorer(path: Path | str) -> ExplorerUnits:
    """Read what `write_explorer` wrote.

    Parameters
    ----------
    path : path
        The Parquet file.

    Returns
    -------
    ExplorerUnits
        The units.

    Raises
    ------
    DataError
        Where the file is no such file.
    """
    fix = "give explorer.parquet of a run whose policy has demands"
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {}).get(ABOUT, b"{}"))
    except (OSError, ValueError) as error:
        must = "be a readable Parquet file"
        raise DataError("the explorer's units", must, str(error), str(path), fix) from error
    if about.get("format") != FORMAT:
        must, got = f"have format {FORMAT}", about.get("format")
        raise DataError("the explorer's units", must, got, str(path), fix)
    k, m, j = (len(about[name]) for name in ("candidates", "metrics", "scored"))
    n = table.num_rows
    arrays = {name: _array(table, name) for name in ("effects", "cost", "gains", *OPTIONAL)}
    errors = arrays["std_error"]
    effects = Effects(
        arrays["effects"].reshape(n, k, m),
        np.zeros((n, m)),
        tuple(about["candidates"]),
        tuple(about["metrics"]),
        None if errors is None else errors.reshape(n, k, m),
    )
    weight, cluster = arrays["weight"], arrays["cluster"]
    gains = arrays["gains"].reshape(n, k, j)
    eligible, previous = arrays["eligible"], arrays["previous"]
    return ExplorerUnits(
        effects,
        arrays["cost"].reshape(n, k),
        UnitScores(tuple(about["scored"]), gains, weight, cluster),
        about["weights"],
        tuple(map(constraint_from_json, about["constraints"])),
        _labels(table, "group:"),
        _labels(table, "by:"),
        None if eligible is None else eligible.reshape(n, k),
        None if previous is None else Keep(previous, about["bonus"]),
        arrays["importance"],
        about["lower"],
        about["cost_weight"],
        about["about"],
        about["of"],
    )


def _lists(array: NDArray[Any]) -> pa.Array:
    """A row's numbers as a list of fixed length, floats in 32 bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    flat = flat.astype(np.float32) if flat.dtype.kind == "f" else flat
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), max(flat.size // len(array), 1))


def _array(table: pa.Table, name: str) -> Any:
    """A column as one array, floats in 64 bits; None where there is none."""
    if name not in table.column_names:
        return None
    column = table[name].combine_chunks()
    nested = pa.types.is_fixed_size_list(column.type)
    flat = (column.flatten() if nested else column).to_numpy(zero_copy_only=False)
    return flat.astype(np.float64) if flat.dtype.kind == "f" else flat


def _labels(table: pa.Table, prefix: str) -> dict[str, NDArray[Any]]:
    """The labels of every column with a prefix."""
    return {
        name.removeprefix(prefix): np.asarray(table[name].to_pylist(), dtype=np.str_)
        for name in table.column_names
        if name.startswith(prefix)
    }
