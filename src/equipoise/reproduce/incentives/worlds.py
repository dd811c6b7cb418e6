"""What the tables of operations share: a menu, days, and what a yuan is worth."""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.data.simulators.red_packet import BASE, days_of, draw_schedules

PP = 100.0
LOSS = 0.1
PRICE = 0.06  # of a yuan, in returns


def menu(k: int, rng: np.random.Generator) -> Floats:
    """The base and k schedules, (1 + k, 7)."""
    base = [BASE.total, BASE.count, BASE.interval, *BASE.amount_wave, *BASE.interval_wave]
    return np.vstack([base, draw_schedules(k, rng)])


def day_by_day(days: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """The effects of each day."""
    shift, presence = days_of(days, rng)
    return list(zip(shift.tolist(), presence.tolist(), strict=True))
