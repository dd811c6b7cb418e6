"""Score units never seen: a policy's snapshot walks over record batches, so that size is bounded by
disk, not memory.

    raw columns -> feature map -> estimator -> effects, expected costs -> the one decision rule with
    the shipped prices -> choice

Fixed prices carry the budget on average; `Scorer.rebudget` meets the demands on the given units as
a whole instead, in memory. The snapshot holds the estimator's parts, the feature map, the rule and
the costs as JSON, and the plan; nothing in it is code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.allocation import decide
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.model import Model
from equipoise.artifacts.rebudget import rebudgeted
from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.frames import to_arrow
from equipoise.core.policy import Policy
from equipoise.core.snapshot import Snapshot, read_snapshot, write_snapshot
from equipoise.core.version import __version__
from equipoise.estimators import estimator_from_parts, estimator_parts

KIND = "policy"
PLAN_PART, POLICY_PART = "plan.toml", "policy.json"


@dataclass(frozen=True)
class Scorer:
    """A model, the costs and the rule: everything that assigns a unit.   id : the column of unit
    ids, or None.
    """

    model: Model
    costs: Costs
    policy: Policy
    id: str | None = None

    def assign(self, frame: Any) -> pa.Table:
        """The assignment of every unit of a frame of raw columns; columns as in `assignments`."""
        table = to_arrow(frame)
        return self._assign(table, np.arange(table.num_rows))

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The assignments of every batch, one batch each; rows without an id column are numbered
        through.
        """
        start = 0
        for batch in batches:
            if batch.num_rows == 0:
                continue
            table = pa.Table.from_batches([batch])
            made = self._assign(table, np.arange(start, start + batch.num_rows))
            start += batch.num_rows
            yield from made.combine_chunks().to_batches()

    def rebudget(self, frame: Any) -> pa.Table:
        """The assignment that meets the policy's demands on the units of a frame as a whole: no
        more is expected to be spent.
        """
        table = to_arrow(frame)
        effects, expected, groups = self._facts(table)
        unit = self._unit(table, np.arange(table.num_rows))
        choice, score = rebudgeted(self.policy, effects, expected, groups, _ids(unit))
        return self._table(unit, choice, score, expected)

    def budget(self) -> float | None:
        """What may be spent per head; None without a budget."""
        return next(
            (demand.bound for demand in self.policy.demands if demand.kind == "budget"), None
        )

    def summary(self) -> AssignmentSummary:
        """The cost and the cells of a file."""
        cells = dict.fromkeys((self.policy.control, *self.policy.candidates), 0)
        return AssignmentSummary(self.budget(), cells)

    def _assign(self, table: pa.Table, numbers: Ints) -> pa.Table:
        effects, expected, groups = self._facts(table)
        unit = self._unit(table, numbers)
        made = decide(self.policy, effects, cost=expected, groups=groups, units=_ids(unit))
        return self._table(unit, made.choice, made.score, expected)

    def _facts(self, table: pa.Table) -> tuple[Effects, Floats, dict[str, Any]]:
        """What the rule is applied to: the effects, the expected costs (n, k), and the labels of
        the columns it names.
        """
        effects = self.model.effects(table)
        named = dict.fromkeys(
            demand.column for demand in self.policy.demands if demand.column is not None
        )
        groups = {
            name: np.asarray(columns.text(table[name]).to_pylist(), dtype=np.str_) for name in named
        }
        return effects, self.costs.expected(effects, table), groups

    def _unit(self, table: pa.Table, numbers: Ints) -> Any:
        return table[self.id] if self.id in table.column_names else numbers

    def _table(self, unit: Any, choice: Ints, score: Floats, expected: Floats) -> pa.Table:
        return assignments(
            unit,
            self.id or "row",
            choice,
            score,
            expected,
            (self.policy.control, *self.policy.candidates),
        )


@dataclass
class AssignmentSummary:
    """What the units of a file cost, and how many got which cell.   budget : per head, or None."""

    budget: float | None
    cells: dict[str, int]
    units: int = field(default=0, init=False)
    cost: float = field(default=0.0, init=False)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        self.units += batch.num_rows
        self.cost += pc.sum(batch["expected_cost"]).as_py()
        for item in pc.value_counts(batch["chosen"]).to_pylist():
            self.cells[item["values"]] += item["counts"]

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""
        return {"expected_cost": self.cost / self.units, "budget": self.budget, "cells": self.cells}


def _ids(unit: Any) -> Any:
    """Ids that lots are drawn by, (n,): row numbers as they are, an id column as text, whatever its
    type.
    """
    return (
        unit
        if isinstance(unit, np.ndarray)
        else np.asarray(columns.text(unit).to_pylist(), dtype=np.str_)
    )


def assignments(
    unit: Any, name: str, choice: Ints, score: Floats, expected: Floats, cells: tuple[str, ...]
) -> pa.Table:
    """One row a unit: its id or number, the cell chosen, the score of the best candidate, the
    expected cost of the choice.
    """
    cost = np.where(choice >= 0, expected[np.arange(len(choice)), np.maximum(choice, 0)], 0.0)
    chosen = pa.DictionaryArray.from_arrays(
        pa.array((choice + 1).astype(np.int32)), pa.array(cells)
    ).dictionary_decode()
    return pa.table({name: unit, "chosen": chosen, "score": score, "expected_cost": cost})


def write_scorer(path: Path | str, scorer: Scorer, plan: str) -> str:
    """Write the snapshot of a policy and return its id.   plan : the text of the plan it was made
    by.
    """
    parts, meta = estimator_parts(scorer.model.estimator)
    policy = scorer.policy.to_json()
    parts = {
        **parts,
        PLAN_PART: plan.encode(),
        POLICY_PART: (json.dumps(policy, indent=1) + "\n").encode(),
    }
    about = {
        "kind": KIND,
        "version": __version__,
        "estimator": meta,
        "features": scorer.model.features.to_json(),
        "policy": policy,
        "costs": scorer.costs.to_json(),
        "id": scorer.id,
        "seen": dict(scorer.model.seen),
    }
    return write_snapshot(path, parts, about)


def read_scorer(path: Path | str) -> Scorer:
    """The policy of a snapshot folder; a changed byte is refused."""
    snapshot = read_snapshot(path)
    kind = snapshot.meta.get("kind")
    if kind != KIND:
        raise SnapshotError(
            "a snapshot",
            "be that of a policy",
            repr(kind),
            str(path),
            "give the policy/ folder of a run",
        )
    return scorer_of(snapshot)


def scorer_of(snapshot: Snapshot) -> Scorer:
    """The policy that a verified snapshot of its kind holds."""
    meta = snapshot.meta
    parts = {
        name: data for name, data in snapshot.parts.items() if name not in (PLAN_PART, POLICY_PART)
    }
    model = Model(
        FeatureMap.from_json(meta["features"]),
        estimator_from_parts(parts, meta["estimator"]),
        meta.get("seen", {}),
    )
    return Scorer(
        model, Costs.from_json(meta["costs"]), Policy.from_json(meta["policy"]), meta["id"]
    )
