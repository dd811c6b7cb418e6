"""What the units of a file cost, and how many got which cell: sums over batches, and over parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.staying import REASON


@dataclass
class AssignmentSummary:
    """What the units of a file cost, and how many got which cell.

    Attributes
    ----------
    budget : float or None
        What may be spent per head.
    cells : dict of str to int
        The units in each cell.
    units : int
        All units.
    cost : float
        Their expected cost, in money.
    reasons : dict of str to int
        The units of each reason, where the policy gives reasons.
    """

    budget: float | None
    cells: dict[str, int]
    units: int = field(default=0, init=False)
    cost: float = field(default=0.0, init=False)
    reasons: dict[str, int] = field(default_factory=dict, init=False)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        self.units += batch.num_rows
        self.cost += pc.sum(batch["expected_cost"]).as_py()
        for item in pc.value_counts(batch["chosen"]).to_pylist():
            self.cells[item["values"]] += item["counts"]
        if REASON in batch.schema.names:
            for item in pc.value_counts(batch[REASON]).to_pylist():
                name = item["values"]
                self.reasons[name] = self.reasons.get(name, 0) + item["counts"]

    def merge(self, sums: Mapping[str, Any]) -> None:
        """Count what another summary of the same policy has counted.

        Parameters
        ----------
        sums : mapping
            Its attributes.
        """
        self.units += sums["units"]
        self.cost += sums["cost"]
        for own, more in ((self.cells, sums["cells"]), (self.reasons, sums["reasons"])):
            for name, count in more.items():
                own[name] = own.get(name, 0) + count

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""
        sums = {"expected_cost": self.cost / self.units, "budget": self.budget, "cells": self.cells}
        return {**sums, "reasons": self.reasons} if self.reasons else sums
