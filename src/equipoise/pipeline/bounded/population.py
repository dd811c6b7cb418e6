"""Which rows of a log of any size an answer is for, and how much each counts, by `[log] overlap`:
the rule of the sample (`study.population`), which looks at features alone, on all other rows.

    people       rows outside the sample, those of them that count, sums of their weights and of the
                 squares, (4,)
    population   (5, d) of `study.population.population_sums` over the rows outside the sample
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check
from equipoise.core.features import matrix
from equipoise.core.log import Log
from equipoise.pipeline.bounded.blocks import row_weights
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.pipeline.bounded.propensity import Propensities
from equipoise.pipeline.study.population import OverlapRule, population_check, population_sums


@dataclass(frozen=True)
class Crowd:
    """How much rows count.   rule, chances : by which propensities; None: all alike.   centre :
    (d,) what features count from.   usual : the weight that those of rows are counted in.
    """

    rule: OverlapRule | None
    chances: Propensities
    centre: Floats
    usual: float

    @property
    def trims(self) -> bool:
        """Whether some rows are left out."""
        return self.rule is not None and self.rule.below is not None

    def weight(self, rows: Log) -> Floats:
        """How much each row counts, (n,)."""
        if self.rule is None:
            return np.ones(len(rows))
        return self.rule.weight(self.chances.modelled(rows))

    def empty(self) -> Arrays:
        """The sums over no rows."""
        if self.rule is None:
            return {}
        return {"people": np.zeros(4), "population": np.zeros((5, len(self.centre)))}

    def add(self, sums: Arrays, rows: Log, weight: Floats, others: Bools) -> None:
        """Add the rows outside the sample.   weight, others: (n,)."""
        if self.rule is not None:
            at = np.flatnonzero(others)
            for name, part in self.sums(rows, weight, at).items():
                sums[name] += part

    def sums(self, rows: Log, weight: Floats, at: Ints) -> Arrays:
        """The sums of rows ``at``."""
        X, _ = matrix(self.chances.features.table(rows.features))
        base, h = row_weights(rows, self.usual)[at], weight[at]
        w = base * h
        people = np.array([len(at), np.count_nonzero(h), w.sum(), w @ w])
        return {"people": people, "population": population_sums(X[at] - self.centre, base, h)}

    def check(self, sums: Arrays) -> Check | None:
        """Who they are, by the sums over all rows."""
        if self.rule is None:
            return None
        rows, count, total, squares = sums["people"].tolist()
        lead = self.rule.lead(int(rows), (int(count), total, squares))
        names = self.chances.features.get_feature_names_out().tolist()
        return population_check(lead, names, sums["population"], self.centre)
