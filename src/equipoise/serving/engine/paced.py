"""The price of the live policy's budget where it follows the spend: what was asked is told to the
pacing of all workers, and the price it gives comes into force.
"""

from __future__ import annotations

import numpy as np

from equipoise.serving.engine.chance import CONTROL
from equipoise.serving.engine.deciding import UnitDecision
from equipoise.serving.engine.part import Part
from equipoise.serving.errors import LedgerError
from equipoise.serving.protocols import Counters, Pacing


class Paced:
    """The prices that one worker takes from the pacing.

    Parameters
    ----------
    pacing : Pacing or None
        None: no price moves.
    counters : Counters
        Of failures.
    """

    def __init__(self, pacing: Pacing | None, counters: Counters) -> None:
        self.pacing, self.counters = pacing, counters
        self.prices: dict[str, float] = {}

    def seen(self, settled: UnitDecision) -> None:
        """Tell what was decided."""
        if self.pacing is None:
            return
        facts, outcome, part = settled.known.facts, settled.outcome, settled.part
        if facts is None or not len(outcome.scores):
            k = len(part.cells) - 1
            self.pacing.seen(np.full(k, -1.0), np.zeros(k), CONTROL)
        else:
            price = 0.0 if part.budget is None else part.prices[part.budget]
            value = outcome.scores + price * facts.cost
            self.pacing.seen(value, facts.cost, outcome.served)

    def follow(self, live: Part) -> bool:
        """Take the price in force, and tell whether it is another one."""
        if self.pacing is None or live.budget is None:
            return False
        try:
            prices = {live.budget: self.pacing.tick()}
        except LedgerError:
            self.counters.failed("pacing")
            return False
        changed = prices != self.prices
        self.prices = prices
        return changed
