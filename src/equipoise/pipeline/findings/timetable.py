"""What the candidates of a space of schedules send over the day."""

from __future__ import annotations

import numpy as np

from equipoise.core.space import Space, cell_names
from equipoise.report.findings import Timetable


def timetable(space: Space) -> Timetable | None:
    """The hours and amounts of the base and every candidate; None for spaces without a time of
    day.
    """
    if not hasattr(space, "packets"):
        return None
    hours, amounts = space.packets(np.vstack([space.control, space.candidates()]))
    plain = space.to_json()
    return {
        "unit": plain["unit"],
        "window": plain["window"],
        "rows": [
            {"name": name, "hours": h[a > 0].tolist(), "amounts": a[a > 0].tolist()}
            for name, h, a in zip(cell_names(space), hours, amounts, strict=True)
        ],
    }
